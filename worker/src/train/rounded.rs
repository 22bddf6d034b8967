//! A data set in the precision of training, and what a row's outputs say of it.

use std::borrow::Cow;

use ndarray::Array2;
use seedsweep_common::spec::{Loss, Precision};

use crate::nn::data::{Dataset, Labels, Rows};
use crate::nn::network;
use crate::nn::scalar::{Number, Scalar};

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

/// Whether [`right`] is 1.
pub(super) fn is_right<S: Scalar>(labels: Labels, loss: Loss, outputs: &[S], targets: &[S]) -> bool {
    right(labels, loss, outputs, targets).gt(S::ZERO)
}

/// 1 where a row's outputs name the class of its targets, else 0: the largest output (the first of equal ones), or the
/// side of the threshold between two classes on which the output lies (the threshold itself counts as the lower
/// class). Regression names none.
#[inline(always)]
pub(super) fn right<S: Number>(labels: Labels, loss: Loss, outputs: &[S], targets: &[S]) -> S {
    match (labels, loss) {
        (Labels::Regression, _) => S::ZERO,
        (Labels::OneHot, _) => same(largest(outputs), largest(targets)),
        (Labels::Signed, _) => same(above(outputs, 0.0), above(targets, 0.0)),
        // the logistic output is a logit
        (Labels::Binary, Loss::Logistic) => same(above(outputs, 0.0), above(targets, 0.5)),
        (Labels::Binary, _) => same(above(outputs, 0.5), above(targets, 0.5)),
    }
}

/// 1 where the only value is above the threshold, else 0.
#[inline(always)]
fn above<S: Number>(values: &[S], threshold: f64) -> S {
    S::select(values[0].gt(S::from_f64(threshold)), S::ONE, S::ZERO)
}

/// 1 where two finite numbers are the same, else 0.
#[inline(always)]
fn same<S: Number>(a: S, b: S) -> S {
    S::select(a.gt(b), S::ZERO, S::select(b.gt(a), S::ZERO, S::ONE))
}

/// The place of the largest value.
#[inline(always)]
fn largest<S: Number>(values: &[S]) -> S {
    let (mut largest, mut place) = (values[0], S::ZERO);
    for (i, &value) in values.iter().enumerate().skip(1) {
        let is_larger = value.gt(largest);
        largest = S::select(is_larger, value, largest);
        place = S::select(is_larger, S::from_f64(i as f64), place);
    }
    place
}
