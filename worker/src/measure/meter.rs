//! Measures on the way: when one is due, and what has been recorded.

use seedsweep_common::measure::Plan;
use seedsweep_common::measure::{Measured, Quantity};
use seedsweep_common::spec::Experiment;

use super::{symmetry, table};
use crate::nn::network::Network;
use crate::nn::scalar::Scalar;

/// Measures trials that make their updates together.
pub(crate) struct Meter<'a> {
    network: &'a Network,
    /// Whether the loss is recorded.
    curve: bool,
    symmetry: bool,
    /// Steps to measure at, ascending. The end is not among them: it is wherever a trial stops.
    due: Vec<u64>,
    /// How many of them are over.
    passed: usize,
    units: symmetry::Units,
}

/// What was recorded of one trial.
#[derive(Debug, Clone, Default)]
pub(crate) struct Track {
    steps: Vec<u64>,
    /// For each step the loss, if the curve is wanted, then what `symmetry` gives.
    points: Vec<Vec<f64>>,
}

impl<'a> Meter<'a> {
    /// For trials of `experiment` that make at most `updates` updates.
    pub(crate) fn new(experiment: &'a Experiment, network: &'a Network, updates: u64) -> Self {
        let measure = &experiment.measure;
        let plan = Plan::new(measure, &experiment.network);
        // the late rate is read off the curve, whether or not that is recorded
        let wanted = !plan.on_the_way.is_empty() || measure.ntk;
        let mut due = if wanted { plan.steps(updates).unwrap_or_default() } else { Vec::new() };
        due.pop();
        Self {
            network,
            curve: measure.curve || measure.ntk,
            symmetry: measure.symmetry,
            due,
            passed: 0,
            units: symmetry::Units::default(),
        }
    }

    /// After how many updates to measure next.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.get(self.passed).copied()
    }

    /// Whether to measure after `steps` updates.
    #[inline]
    pub(crate) fn is_due(&self, steps: u64) -> bool {
        self.next_due() == Some(steps)
    }

    /// Whether points need the loss.
    pub(crate) fn wants_loss(&self) -> bool {
        self.curve
    }

    /// Whether points need the parameters.
    pub(crate) fn wants_parameters(&self) -> bool {
        self.symmetry
    }

    /// What was due is measured.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Records where a trial is after `steps` updates: its training loss and its parameters, where they are wanted.
    pub(crate) fn record<S: Scalar>(&mut self, track: &mut Track, steps: u64, loss: f64, theta: &[S]) {
        let mut point = Vec::new();
        if self.curve {
            point.push(loss);
        }
        if self.symmetry {
            for pair in self.network.layers().windows(2) {
                point.extend(self.units.measure(pair[0], pair[1], theta));
            }
        }
        track.steps.push(steps);
        track.points.push(point);
    }

    /// Records where a trial ended.
    pub(crate) fn record_end<S: Scalar>(&mut self, track: &mut Track, steps: u64, loss: f64, theta: &[S]) {
        if track.steps.last() != Some(&steps) {
            self.record(track, steps, loss, theta);
        }
    }
}

impl Track {
    /// Where the trial ended.
    pub(super) fn last_step(&self) -> u64 {
        self.steps.last().copied().unwrap_or(0)
    }

    /// Steps and losses, where the curve was recorded.
    pub(super) fn curve(&self) -> impl Iterator<Item = (u64, f64)> {
        self.steps.iter().copied().zip(self.points.iter().filter_map(|point| point.first().copied()))
    }

    /// The points as a table of `wanted`, which leaves out the curve where only the late rate needed it.
    pub(super) fn measured(self, wanted: &[(Quantity, u32)]) -> Measured {
        let points: Vec<Vec<f64>> =
            self.points.into_iter().map(|point| point[point.len() - wanted.len()..].to_vec()).collect();
        table(self.steps, wanted, &points)
    }
}
