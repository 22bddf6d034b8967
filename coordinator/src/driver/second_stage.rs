//! The pairs of sweeps whose trials have ended: chosen off the loop, from what is durable.

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::fingerprint::ParameterDigest;
use seedsweep_common::id::{SweepId, TrialId};

use super::{Driver, Phase};
use crate::board::Standing;
use crate::core::{Broken, Event, Report, Timestamp};

impl Driver {
    /// Starts choosing the pairs of sweeps whose trials have ended. What they are chosen from is durable by now.
    pub(super) fn choose_pairs(&mut self) {
        self.unplanned.extend(self.core.take_unplanned());
        if matches!(self.phase, Phase::Full(_) | Phase::Failed(_)) {
            return;
        }
        for id in std::mem::take(&mut self.unplanned) {
            let (Some(view), Some(posted)) = (self.core.view(id), self.board.get(id)) else { continue };
            let (analyst, handle) = (self.analyst.clone(), self.handle.clone());
            self.runtime.spawn(async move {
                let standing = Standing { view, pace: None };
                let pairs = match analyst.pairs(&posted.facts, &standing).await {
                    Ok(pairs) => pairs,
                    Err(error) => {
                        // the sweep must end all the same; its report says that barriers are missing
                        tracing::error!(sweep = %id, %error, "cannot choose between which minima barriers are measured");
                        Vec::new()
                    }
                };
                handle.planned(id, pairs).await;
            });
        }
    }

    /// Takes chosen pairs in.
    pub(super) fn planned(&mut self, now: Timestamp, id: SweepId, pairs: Vec<Pair>) {
        self.decide(now, Event::Planned { id, pairs }).ok();
    }

    /// Turns barriers into breaks whose ends are not those of the stored outcomes: the worker computes other bits than
    /// the one that trained them, and what it found lies between other points.
    pub(super) fn check_ends(&self, report: &mut Report) {
        if report.barriers.is_empty() {
            return;
        }
        let pairs =
            self.core.view(report.task.sweep).and_then(|view| view.barriers).map(|barriers| barriers.pairs);
        let wrong = |number: u32, barrier: &Barrier| {
            let pair = pairs.as_ref()?.get(number as usize)?;
            let ends = [(pair.a, barrier.digest_a), (pair.b, barrier.digest_b)];
            let (trial, _) =
                ends.into_iter().find(|(trial, digest)| !self.ended_at(report.task.sweep, *trial, digest))?;
            let (experiment, restart) = (trial.experiment.0, trial.restart);
            Some(format!(
                "restart {restart} of experiment {experiment} (the first is 0) ended elsewhere than stored"
            ))
        };
        let mut broken = Vec::new();
        for (number, barrier) in &report.barriers {
            broken.extend(wrong(*number, barrier).map(|cause| Broken { restart: *number, cause }));
        }
        for Broken { restart, cause } in &broken {
            tracing::warn!(sweep = %report.task.sweep, pair = restart, cause, "a barrier is refused");
            report.barriers.retain(|(number, _)| number != restart);
        }
        report.broken.extend(broken);
    }

    /// Whether the stored outcome of `trial` has this digest; a store that cannot be read says so elsewhere.
    fn ended_at(&self, sweep: SweepId, trial: TrialId, digest: &ParameterDigest) -> bool {
        match self.store.outcome(sweep, trial.experiment, trial.restart) {
            Ok(Some((outcome, _))) => outcome.digest == *digest,
            Ok(None) | Err(_) => true,
        }
    }
}
