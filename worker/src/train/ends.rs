//! Ends of trials as points to measure between: trained again, from their names alone.

use std::sync::atomic::AtomicBool;

use seedsweep_common::barrier::Barrier;
use seedsweep_common::fingerprint::ParameterDigest;
use seedsweep_common::outcome::StopReason;

use super::{Prepared, TrainError};
use crate::minima;

/// Where a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Digest of its trained parameters, as in its outcome.
    digest: ParameterDigest,
    /// Polished where the experiment is, else as trained.
    theta: Vec<f64>,
}

impl End {
    /// How many numbers it holds.
    pub fn parameter_count(&self) -> usize {
        self.theta.len()
    }
}

/// Why a trial has no end to measure from.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// It could not be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Training diverged.
    #[error("restart {0} diverged when it was trained again: it has no end")]
    Diverged(u32),
}

impl Prepared {
    /// Trains `restart` again, on the data of stream 0, to the point at which it is compared with others.
    pub fn end(&self, restart: u32, cancelled: &AtomicBool) -> Result<End, EndError> {
        let trained = self.descend_on(None, restart, cancelled).map_err(TrainError::from)?;
        let (outcome, theta) = self.finish(&self.dataset, restart, trained, cancelled)?;
        if outcome.stop_reason == StopReason::Diverged {
            return Err(EndError::Diverged(restart));
        }
        Ok(End { digest: outcome.digest, theta })
    }

    /// The barrier between two ends on the loss surface of this experiment.
    pub fn barrier(&self, a: &End, b: &End, cancelled: &AtomicBool) -> Result<Barrier, TrainError> {
        let between = minima::between(&self.problem(&self.dataset), &a.theta, &b.theta, cancelled);
        let minima::Between { loss_a, loss_b, height } = between.ok_or(TrainError::Cancelled)?;
        Ok(Barrier { loss_a, loss_b, height, digest_a: a.digest, digest_b: b.digest })
    }
}
