//! Measures barriers on a compute thread: trains the named trials again and looks between their ends.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seedsweep_common::barrier::Barrier;
use seedsweep_common::id::TrialId;
use seedsweep_common::limits;

use super::{Account, JobEnd, cut, panic_text};
use crate::train::{End, EndError, Prepared, TrainError};

/// A trial to be trained again.
#[derive(Clone)]
pub struct PreparedTrial {
    /// Its experiment.
    pub prepared: Arc<Prepared>,
    /// Its name.
    pub trial: TrialId,
}

/// Two trials between whose ends a barrier is to be measured.
#[derive(Clone)]
pub struct NamedPair {
    /// Number of the pair.
    pub number: u32,
    /// On whose loss surface it is measured.
    pub a: PreparedTrial,
    /// The other trial.
    pub b: PreparedTrial,
}

/// Measures `pairs` one after the other; breaks if nobody listens any more.
pub(super) fn measure(account: &mut Account<'_>, pairs: &[NamedPair]) -> ControlFlow<(), JobEnd> {
    let flags = &account.job.flags;
    let mut ends = Ends::default();
    for (at, pair) in pairs.iter().enumerate() {
        if flags.drained.load(Ordering::Relaxed) {
            return ControlFlow::Continue(JobEnd::Stopped);
        }
        // a panic must cost its pair only; ends are added whole or not at all
        let measured = catch_unwind(AssertUnwindSafe(|| ends.between(pair, &flags.cancelled)));
        let cause = match measured {
            Ok(Ok(barrier)) => {
                account.report.barriers.push((pair.number, barrier));
                None
            }
            Ok(Err(EndError::Train(TrainError::Cancelled))) => return ControlFlow::Continue(JobEnd::Stopped),
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("panic: {}", panic_text(&*panic))),
        };
        account.report.broken.extend(cause.map(|cause| (pair.number, cut(cause))));
        account.hand_in(at + 1 == pairs.len())?;
    }
    ControlFlow::Continue(JobEnd::Finished)
}

/// Ends of trials trained in this task, the latest last: pairs share them.
#[derive(Default)]
struct Ends(Vec<(TrialId, Arc<End>)>);

impl Ends {
    fn between(&mut self, pair: &NamedPair, cancelled: &AtomicBool) -> Result<Barrier, EndError> {
        let (a, b) = (self.end(&pair.a, cancelled)?, self.end(&pair.b, cancelled)?);
        Ok(pair.a.prepared.barrier(&a, &b, cancelled)?)
    }

    fn end(&mut self, of: &PreparedTrial, cancelled: &AtomicBool) -> Result<Arc<End>, EndError> {
        if let Some((_, end)) = self.0.iter().find(|(trial, _)| *trial == of.trial) {
            return Ok(Arc::clone(end));
        }
        let end = Arc::new(of.prepared.end(of.trial.restart, cancelled)?);
        self.0.push((of.trial, Arc::clone(&end)));
        // the one just made stays, however large it is
        let most = (limits::ENDS_KEPT_PARAMETERS / end.parameter_count()).max(1);
        self.0.drain(..self.0.len().saturating_sub(most));
        Ok(end)
    }
}
