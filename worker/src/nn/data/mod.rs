//! Data sets: built in by formula or as small files, or a user's file.

use std::sync::Arc;

use ndarray::Array2;
use seedsweep_common::digest::Digest;
use seedsweep_common::spec::{Data, Loss, Network};

/// Rows ready for training: split, standardised, checked against network and loss. f64; rounded once by the trainer.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Rows that are trained on.
    pub train: Rows,
    /// Rows kept for testing; may be empty.
    pub test: Rows,
}

/// Features and targets of some rows.
#[derive(Debug, Clone)]
pub struct Rows {
    /// (rows, inputs).
    pub features: Array2<f64>,
    /// (rows, outputs): numbers for mse; one-hot for cross_entropy; 0 or 1 in one column for logistic.
    pub targets: Array2<f64>,
}

/// Content of a user's file by digest; `None` if it is not at hand.
pub type Files<'a> = &'a dyn Fn(Digest) -> Option<Arc<[u8]>>;

/// What is wrong with a data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// To be refined by the module.
    #[error("{0}")]
    Invalid(String),
}

/// Builds the rows of `data` for stream number `stream` of a sweep with seed `seed`, and checks that they
/// fit `network` and `loss`.
pub fn load(
    _data: &Data,
    _network: &Network,
    _loss: Loss,
    _seed: u64,
    _stream: u64,
    _files: Files<'_>,
) -> Result<Dataset, DataError> {
    unimplemented!()
}
