//! The rows of a piece: brought side by side, and shown with their outputs.

use std::ops::Range;

use crate::nn::network::Batch;
use crate::nn::scalar::Scalar;

/// Outputs and targets of a piece of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a, S> {
    pub(super) outputs: &'a [S],
    pub(super) stride: usize,
    pub(super) targets: &'a [S],
    pub(super) width: usize,
}

impl<'a, S> Seen<'a, S> {
    /// Outputs and targets of each row.
    pub(crate) fn rows(self) -> impl Iterator<Item = (&'a [S], &'a [S])> {
        let outputs = self.outputs.chunks_exact(self.stride).map(move |row| &row[..self.width]);
        outputs.zip(self.targets.chunks_exact(self.width))
    }
}

/// The rows of a piece side by side.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    pub(super) features: Vec<S>,
    pub(super) targets: Vec<S>,
}

impl<S: Scalar> Gathered<S> {
    /// Rows `range` of those that `pick` names, or of all, the features `stride` apart: copied where they do not lie
    /// so already.
    pub(super) fn rows<'a>(
        &'a mut self,
        rows: Batch<'a, S>,
        pick: Option<&[usize]>,
        range: Range<usize>,
        (inputs, outputs): (usize, usize),
        stride: usize,
    ) -> Batch<'a, S> {
        let feature = |row: usize| &rows.features[row * inputs..(row + 1) * inputs];
        let all_targets = &rows.targets[range.start * outputs..range.end * outputs];
        self.features.clear();
        if pick.is_some() || stride > inputs {
            self.features.reserve_exact(range.len() * stride);
        }
        match pick {
            None if stride == inputs => {
                let features = &rows.features[range.start * inputs..range.end * inputs];
                Batch { features, targets: all_targets }
            }
            None => {
                range.for_each(|row| self.push(feature(row), stride));
                Batch { features: &self.features, targets: all_targets }
            }
            Some(numbers) => {
                self.targets.clear();
                self.targets.reserve_exact(range.len() * outputs);
                for &row in &numbers[range] {
                    self.push(feature(row), stride);
                    self.targets.extend_from_slice(&rows.targets[row * outputs..(row + 1) * outputs]);
                }
                Batch { features: &self.features, targets: &self.targets }
            }
        }
    }

    fn push(&mut self, features: &[S], stride: usize) {
        let end = self.features.len() + stride;
        self.features.extend_from_slice(features);
        self.features.resize(end, S::ZERO);
    }
}
