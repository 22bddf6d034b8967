//! The reports of ended sweeps: computed off the loop, stored with the sweep.

use seedsweep_common::id::SweepId;
use seedsweep_common::progress::SweepState;

use super::{Driver, Phase};
use crate::board::Standing;
use crate::core::SweepView;
use crate::store::{Record, StoredReport};

impl Driver {
    /// Starts computing the reports of sweeps that ended. What they are computed from is durable by now.
    pub(super) fn compute_reports(&mut self) {
        if matches!(self.phase, Phase::Full(_) | Phase::Failed(_)) {
            return;
        }
        let due: Vec<SweepId> = self.unreported.difference(&self.computing).copied().collect();
        for id in due {
            self.unreported.remove(&id);
            let (Some(view), Some(posted)) = (self.core.view(id), self.board.get(id)) else { continue };
            if view.state == SweepState::Running {
                // it was extended meanwhile
                continue;
            }
            self.computing.insert(id);
            let (analyst, handle) = (self.analyst.clone(), self.handle.clone());
            self.runtime.spawn(async move {
                let standing = Standing { view, pace: None };
                let report = match analyst.unstored_report(&posted.facts, &standing).await {
                    Ok(report) => report,
                    Err(error) => {
                        tracing::error!(sweep = %id, %error, "cannot compute the report");
                        None
                    }
                };
                handle.computed(id, standing.view, report).await;
            });
        }
    }

    /// Takes a computed report in, unless another outcome arrived meanwhile: then it is computed again.
    pub(super) fn computed(&mut self, id: SweepId, view: &SweepView, report: Option<StoredReport>) {
        self.computing.remove(&id);
        match report {
            Some(report) if self.core.view(id).is_some_and(|now| now.same_trials(view)) => {
                self.batch.records.push(Record::Report { sweep: id, report });
            }
            Some(_) => {
                self.unreported.insert(id);
            }
            None => {}
        }
    }
}
