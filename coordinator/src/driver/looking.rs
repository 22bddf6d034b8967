//! The looks at sweeps under way: computed off the loop, one at a time, from what is durable.

use std::collections::VecDeque;

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::progress::Looks;

use super::{Driver, Phase};
use crate::core::{Event, Timestamp};
use crate::reader::ReadError;

/// A look that the core asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// The sweep.
    pub(crate) sweep: SweepId,
    /// Its experiment.
    pub(crate) experiment: ExperimentIndex,
    /// Its restarts.
    pub(crate) restarts: u32,
    /// The last stop that was taken back.
    pub(crate) earlier: Option<Looks>,
}

/// The looks to be computed. Each experiment has at most one, so they are bounded.
#[derive(Default)]
pub(super) struct Looking {
    due: VecDeque<Look>,
    /// Those that could not be computed: tried again each second.
    failed: Vec<Look>,
    under_way: bool,
}

impl Looking {
    /// Adds a look.
    pub(super) fn add(&mut self, look: Look) {
        self.due.push_back(look);
    }

    /// Keeps a look that came to nothing.
    pub(super) fn again(&mut self, look: Look) {
        self.under_way = false;
        self.failed.push(look);
    }

    /// Tries those again that failed.
    pub(super) fn retry(&mut self) {
        self.due.extend(self.failed.drain(..));
    }
}

impl Driver {
    /// Starts the next look, if none is under way. What it looks at is durable by now.
    pub(super) fn compute_looks(&mut self) {
        if self.looks.under_way || matches!(self.phase, Phase::Full(_) | Phase::Failed(_)) {
            return;
        }
        let Some(look) = self.looks.due.pop_front() else { return };
        let (Some(view), Some(posted)) = (self.core.view(look.sweep), self.board.get(look.sweep)) else {
            return;
        };
        self.looks.under_way = true;
        let (analyst, handle) = (self.analyst.clone(), self.handle.clone());
        self.runtime.spawn(async move {
            let found = analyst.look(&posted.facts, &view, look).await;
            if let Err(error) = &found
                && !matches!(error, ReadError::Closed)
            {
                tracing::error!(sweep = %look.sweep, experiment = look.experiment.0, %error, "cannot look");
            }
            handle.looked(look, found.ok()).await;
        });
    }

    /// Takes in what a look has found.
    pub(super) fn looked(&mut self, now: Timestamp, look: Look, found: Option<Looks>) {
        self.looks.under_way = false;
        let Some(found) = found else { return self.looks.again(look) };
        let Look { sweep: id, experiment, restarts, .. } = look;
        // the core refuses no look
        self.decide(now, Event::Looked { id, experiment, restarts, found }).ok();
    }
}
