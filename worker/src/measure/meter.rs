//! Measures on the way: when one is due, and what has been recorded.

use std::borrow::Cow;

use seedsweep_common::measure::Plan;
use seedsweep_common::measure::{Measured, Quantity};
use seedsweep_common::spec::Experiment;

use super::{symmetry, table};
use crate::nn::lane::Lanes;
use crate::nn::layer::Layer;
use crate::nn::network::Network;
use crate::nn::scalar::Scalar;

/// Measures trials that make their updates together.
pub(crate) struct Meter {
    /// Whether the loss is recorded.
    curve: bool,
    symmetry: bool,
    units: Units,
    /// Steps to measure at, ascending. The end is not among them: it is wherever a trial stops.
    due: Vec<u64>,
    /// How many of them are over.
    passed: usize,
    lanes: Lanes,
    /// What was seen last: of each trial its series.
    seen: Vec<f64>,
}

/// What was recorded of one trial.
#[derive(Debug, Clone, Default)]
pub(crate) struct Track {
    steps: Vec<u64>,
    /// For each step the loss, if the curve is wanted, then what `symmetry` gives: (steps, series).
    values: Vec<f64>,
}

impl Meter {
    /// For trials of `experiment` that make at most `updates` updates.
    pub(crate) fn new(experiment: &Experiment, network: &Network, updates: u64, lanes: Lanes) -> Self {
        let measure = &experiment.measure;
        let plan = Plan::new(measure, &experiment.network);
        // the late rate is read off the curve, whether or not that is recorded
        let wanted = !plan.on_the_way.is_empty() || measure.ntk;
        let mut due = if wanted { plan.steps(updates).unwrap_or_default() } else { Vec::new() };
        due.pop();
        Self {
            units: Units::of(network),
            curve: measure.curve || measure.ntk,
            symmetry: measure.symmetry,
            due,
            passed: 0,
            lanes,
            seen: Vec::new(),
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

    /// Numbers of a point.
    fn series(&self) -> usize {
        let layers = if self.symmetry { self.units.layers.len() } else { 0 };
        usize::from(self.curve) + layers * Quantity::SYMMETRY.len()
    }

    /// Looks at trials side by side: their training losses (trials) and parameters (parameters, trials), as far as they
    /// are wanted.
    pub(crate) fn look<S: Scalar>(&mut self, losses: &[S], theta: &[S]) {
        let (trials, series) = (losses.len(), self.series());
        self.seen.clear();
        self.seen.resize(trials * series, 0.0);
        if series == 0 {
            return;
        }
        if self.curve {
            for (point, loss) in self.seen.chunks_exact_mut(series).zip(losses) {
                point[0] = loss.to_f64();
            }
        }
        if !self.symmetry {
            return;
        }
        let theta = self.units.padded(theta, trials);
        for (l, &(layer, next)) in self.units.layers.iter().enumerate() {
            let at = usize::from(self.curve) + l * Quantity::SYMMETRY.len();
            let all = symmetry::measure(layer, next, &theta, trials, self.lanes);
            for (point, of_trial) in self.seen.chunks_exact_mut(series).zip(all) {
                point[at..at + of_trial.len()].copy_from_slice(&of_trial);
            }
        }
    }

    /// Records where the trial in place `trial` of those looked at last is after `steps` updates.
    pub(crate) fn record(&self, track: &mut Track, steps: u64, trial: usize) {
        let series = self.series();
        if track.steps.is_empty() {
            track.steps.reserve_exact(self.due.len() + 1);
            track.values.reserve_exact((self.due.len() + 1) * series);
        }
        track.steps.push(steps);
        track.values.extend_from_slice(&self.seen[trial * series..(trial + 1) * series]);
    }

    /// Records where trials ended: of each its updates, its training loss there and its parameters.
    pub(crate) fn record_ends<S: Scalar>(&mut self, tracks: &mut [Track], ends: &[(u64, f64, &[S])]) {
        let losses: Vec<S> = ends.iter().map(|&(_, loss, _)| S::from_f64(loss)).collect();
        let mut theta = Vec::new();
        if self.symmetry {
            let parameters = ends.first().map_or(0, |(_, _, theta)| theta.len());
            theta.extend((0..parameters).flat_map(|place| ends.iter().map(move |(.., theta)| theta[place])));
        }
        self.look(&losses, &theta);
        for (trial, (track, &(steps, ..))) in tracks.iter_mut().zip(ends).enumerate() {
            if track.steps.last() != Some(&steps) {
                self.record(track, steps, trial);
            }
        }
    }
}

/// Where the hidden units lie among the parameters.
struct Units {
    /// Each hidden layer and the one behind it.
    layers: Vec<(Layer, Layer)>,
    /// Numbers that are missing behind the parameters.
    missing: usize,
}

impl Units {
    /// Those of `network`. A sum of relus is one hidden layer: what goes out of a unit is its sign, which lies where a
    /// layer has its biases. Where all are 1 there is nothing, and a 0 for each stands in, which changes no measure.
    fn of(network: &Network) -> Self {
        let Some(sum) = network.sum() else {
            let layers = network.layers().windows(2).map(|pair| (pair[0], pair[1]));
            return Self { layers: layers.collect(), missing: 0 };
        };
        let layer = Layer { inputs: sum.inputs, outputs: sum.units, offset: 0 };
        let next = Layer { inputs: sum.units, outputs: 0, offset: sum.weight_count() + sum.units };
        Self { layers: vec![(layer, next)], missing: if sum.has_signs { 0 } else { sum.units } }
    }

    /// `theta` (parameters, trials) with what is missing.
    fn padded<'t, S: Scalar>(&self, theta: &'t [S], trials: usize) -> Cow<'t, [S]> {
        if self.missing == 0 {
            return Cow::Borrowed(theta);
        }
        let mut padded = theta.to_vec();
        padded.resize(theta.len() + self.missing * trials, S::ZERO);
        Cow::Owned(padded)
    }
}

impl Track {
    /// Where the trial ended.
    pub(super) fn last_step(&self) -> u64 {
        self.steps.last().copied().unwrap_or(0)
    }

    /// Steps and losses, where the curve was recorded.
    pub(super) fn curve(&self) -> impl Iterator<Item = (u64, f64)> {
        self.steps.iter().copied().zip(self.values.iter().copied().step_by(self.series().max(1)))
    }

    /// The points as a table of `wanted`, which leaves out the curve where only the late rate needed it.
    pub(super) fn measured(self, wanted: &[(Quantity, u32)]) -> Measured {
        let series = self.series();
        let points = self.values.chunks_exact(series.max(1)).map(|point| &point[series - wanted.len()..]);
        table(self.steps.clone(), wanted, &points.collect::<Vec<_>>())
    }

    /// Numbers of a point.
    fn series(&self) -> usize {
        self.values.len() / self.steps.len().max(1)
    }
}
