//! Data sets: built in by formula or as small files, or a user's file. Never reads a disk: the bytes of
//! files are handed in.

mod builtin;
mod csv;
mod error;
mod file;
pub mod npy;
mod npz;
mod split;
mod target;

use std::sync::Arc;

use ndarray::{Array2, Axis};
use seedsweep_common::digest::Digest;
use seedsweep_common::spec::{Activation, Data, DataSource, Loss, Network};

pub use error::{Cell, DataError};

/// Rows ready for training: split, standardised, checked against network and loss. f64; rounded once by the trainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Rows that are trained on. At least one.
    pub train: Rows,
    /// Rows kept for testing; may be empty.
    pub test: Rows,
    /// How accuracy is read.
    pub labels: Labels,
}

/// Features and targets of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// (rows, inputs).
    pub features: Array2<f64>,
    /// (rows, outputs): what [`Labels`] says.
    pub targets: Array2<f64>,
}

/// What the targets mean, and so how accuracy is read from outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// Numbers: there is no accuracy.
    Regression,
    /// One column of −1 and 1, for mse.
    Signed,
    /// One column of 0 and 1, for mse or logistic.
    Binary,
    /// A column for each class, 1 in that of the row's class and else 0, for mse or cross_entropy.
    OneHot,
}

/// Content of a user's file by digest; `None` if it is not at hand.
pub type Files<'a> = &'a dyn Fn(Digest) -> Option<Arc<[u8]>>;

/// Rows in file order, before split and encoding.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    /// (rows, inputs).
    features: Array2<f64>,
    targets: target::Targets,
}

/// Builds the rows of `data` for stream number `stream` of a sweep with seed `seed`, and checks that they
/// fit `network` and `loss`.
pub fn load(
    data: &Data,
    network: &Network,
    loss: Loss,
    seed: u64,
    stream: u64,
    files: Files<'_>,
) -> Result<Dataset, DataError> {
    let what = builtin::name(&data.source);
    let outputs = network.outputs() as usize;
    let table = match &data.source {
        DataSource::File(file) => file::read(file, loss, outputs, files)?,
        DataSource::TeacherPopulation { teacher_units } | DataSource::TeacherStream { teacher_units, .. }
            if loss == Loss::Population =>
        {
            builtin::teacher_directions(*teacher_units as usize, network.inputs() as usize)
        }
        source => builtin::generate(source, seed, stream)?,
    };
    let (rows, found) = table.features.dim();
    let inputs = network.inputs() as usize;
    if found != inputs {
        let key = match network {
            Network::Mlp(_) => "the first of `network.layers` is",
            Network::ReluSum(_) => "`network.inputs` is",
        };
        return Err(DataError::Inputs { what: what.to_owned(), found, key, inputs });
    }
    let targets = match network.output_activation() {
        Activation::Sigmoid => table.targets.behind_a_sigmoid(),
        _ => table.targets,
    };
    let (targets, labels) = targets.encode(what, loss, network)?;
    let test = split::test_rows(rows, data.test_fraction);
    check_split(what, rows, test, data.test_fraction)?;
    let split = split::rows(rows, test, seed, stream);
    let select = |numbers: &[usize]| Rows {
        features: table.features.select(Axis(0), numbers),
        targets: targets.select(Axis(0), numbers),
    };
    let (mut train, mut test) = (select(&split.train), select(&split.test));
    if data.standardize {
        split::standardize(&mut train.features, &mut test.features);
    }
    Ok(Dataset { train, test, labels })
}

fn check_split(what: &str, rows: usize, test: usize, test_fraction: f64) -> Result<(), DataError> {
    let refuse =
        |allowed| Err(DataError::TooFewRows { what: what.to_owned(), rows, test_fraction, test, allowed });
    if test >= rows {
        refuse("at least one row must be left to train on")
    } else if test == 0 && test_fraction > 0.0 {
        refuse("a test fraction above 0 must make at least one")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
