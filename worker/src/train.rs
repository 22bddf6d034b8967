//! One trial from start to outcome: pure, no clock, no global generator.

use std::sync::atomic::AtomicBool;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::spec::SweepSpec;

use crate::nn::data::{DataError, Files};

/// An experiment with its data built, shared by all slots.
pub struct Prepared {}

/// Why a trial gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// It was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// Its data could not be built.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Prepared {
    /// Builds what all trials of `experiment` share and checks that data, network, loss and start fit together.
    pub fn new(
        _spec: &SweepSpec,
        _experiment: ExperimentIndex,
        _files: Files<'_>,
    ) -> Result<Self, DataError> {
        unimplemented!()
    }

    /// Trains restart `restart`: start, training, polish, certificate, fingerprint. `cancelled` is looked at often
    /// enough for an answer within a second.
    pub fn train(&self, _restart: u32, _cancelled: &AtomicBool) -> Result<Outcome, TrainError> {
        unimplemented!()
    }
}
