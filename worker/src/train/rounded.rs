//! A data set in the precision of training, and what a row's outputs say of it.

use std::borrow::Cow;

use ndarray::Array2;
use seedsweep_common::spec::{Loss, Precision};

use crate::nn::data::{Dataset, Labels, Rows};
use crate::nn::network;
use crate::nn::scalar::Scalar;

/// A data set in the training precision, each value rounded once.
#[derive(Debug)]
pub(super) enum Rounded {
    Single(Sides<f32>),
    Double(Sides<f64>),
}

impl Rounded {
    pub(super) fn new(precision: Precision, dataset: &Dataset) -> Self {
        match precision {
            Precision::F32 => Self::Single(Sides::new(dataset)),
            Precision::F64 => Self::Double(Sides::new(dataset)),
        }
    }
}

/// Rows to train and to test on.
#[derive(Debug)]
pub(super) struct Sides<S> {
    pub(super) train: RoundedRows<S>,
    pub(super) test: RoundedRows<S>,
    /// Rows to train on.
    pub(super) count: usize,
}

impl<S: Scalar> Sides<S> {
    pub(super) fn new(dataset: &Dataset) -> Self {
        Self {
            train: RoundedRows::new(&dataset.train),
            test: RoundedRows::new(&dataset.test),
            count: dataset.train.features.nrows(),
        }
    }
}

#[derive(Debug)]
pub(super) struct RoundedRows<S> {
    pub(super) features: Vec<S>,
    pub(super) targets: Vec<S>,
}

impl<S: Scalar> RoundedRows<S> {
    pub(super) fn new(rows: &Rows) -> Self {
        Self {
            features: rows.features.iter().map(|&value| S::from_f64(value)).collect(),
            targets: rows.targets.iter().map(|&value| S::from_f64(value)).collect(),
        }
    }
}

impl<S> RoundedRows<S> {
    pub(super) fn as_batch(&self) -> network::Batch<'_, S> {
        network::Batch { features: &self.features, targets: &self.targets }
    }
}

pub(super) fn row_major(table: &Array2<f64>) -> Cow<'_, [f64]> {
    table.as_slice().map_or_else(|| Cow::Owned(table.iter().copied().collect()), Cow::Borrowed)
}

/// Whether a row's outputs name the class of its targets: the largest output (the first of equal ones), or the side
/// of the threshold between two classes on which the output lies (the threshold itself counts as the lower class).
pub(super) fn is_right<S: Scalar>(labels: Labels, loss: Loss, outputs: &[S], targets: &[S]) -> bool {
    let above = |values: &[S], threshold: f64| values[0].to_f64() > threshold;
    match (labels, loss) {
        (Labels::Regression, _) => false,
        (Labels::OneHot, _) => largest(outputs) == largest(targets),
        (Labels::Signed, _) => above(outputs, 0.0) == above(targets, 0.0),
        // the logistic output is a logit
        (Labels::Binary, Loss::Logistic) => above(outputs, 0.0) == above(targets, 0.5),
        (Labels::Binary, _) => above(outputs, 0.5) == above(targets, 0.5),
    }
}

fn largest<S: Scalar>(values: &[S]) -> usize {
    let mut largest = 0;
    for (i, value) in values.iter().enumerate() {
        if value.gt(values[largest]) {
            largest = i;
        }
    }
    largest
}
