//! What a trial will cost: from an experiment's shape to seconds, memory and floating-point operations.
//!
//! Arithmetic on counts: a trial is a few kinds of work ([`training::Counts`], [`ending::Counts`]); each kind has a speed
//! that [`machine::Machine`] measures in milliseconds on the spot, and a factor, fitted once to measured trainings by
//! `cargo bench -p seedsweep-worker --bench cost -- fit`, that says how far the code stays behind that speed. What no
//! count can know, how long a polish is and where stop rules end a trial, [`sample`] finds out by training a few.
//! Predictions size tasks and tell people what to expect; no outcome depends on them.

pub mod barrier;
pub mod clock;
pub mod ending;
pub mod machine;
pub mod sample;
pub mod training;

use seedsweep_common::spec::{Batch, Experiment, Network, Precision};

use machine::Machine;

use crate::nn::{self, pod};

/// Factors of [`training::Counts`] in restart lanes.
const RESTART_LANES: training::Terms = [1.12, 1.23, 301.0, 1.12, 1.18, 3.19, 55.0, 1.1, 28.2, 1.0, 0.62];
/// The same for a tiny network whose updates run in one call (`nn/pod/tiny.rs`).
const TINY: training::Terms = [0.45, 0.48, 96.5, 0.45, 1.42, 0.92, 55.5, 12.6, 12.3, 1.0, 0.62];
/// The same in unit lanes.
const UNIT_LANES: training::Terms = [1.05, 1.06, 229.0, 1.41, 1.69, 4.41, 77.9, 8.0, 10.9, 1.0, 2.28];
/// Factors of [`ending::Counts`].
const ENDING: ending::Terms = [1.55, 2.91, 2.67, 4.16, 0.78, 0.46, 1.89];

/// What the cost of an experiment's trials depends on.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Of the training.
    pub precision: Precision,
    /// Rows to train on.
    pub train_rows: usize,
    /// Rows to test on.
    pub test_rows: usize,
    /// Restarts that train in the lanes of one register; 1: the units of one network fill the lanes.
    pub side_by_side: u32,
    /// Numbers of the training precision in a register.
    pub width: u32,
    /// Whether end points are polished.
    pub polished: bool,
}

/// Seconds of one slot that a trial takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Start, training and final scores. An upper bound where stop rules may end it earlier, unless it was sampled.
    pub training_s: f64,
    /// Gradient norm, polish, certificate, sketches, and what is measured of the ends.
    pub polish_s: f64,
}

impl Estimate {
    /// Both.
    pub fn total_s(&self) -> f64 {
        self.training_s + self.polish_s
    }
}

/// How a trial's updates are computed: each way has factors of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In restart lanes.
    Restarts,
    /// In restart lanes, by a kernel of the network's own.
    Tiny,
    /// In unit lanes.
    Units,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Restarts, Self::Tiny, Self::Units];

    /// That of `shape`.
    pub fn of(shape: &Shape<'_>) -> Self {
        let experiment = shape.experiment;
        let is_tiny = || pod::is_tiny(&nn::network::Network::new(&experiment.network));
        // with full batches the rules are looked at between updates, on the general path
        let is_at_once = experiment.train.batch != Batch::Full || !has_rules(experiment);
        match shape.side_by_side {
            ..=1 => Self::Units,
            _ if is_at_once && is_tiny() => Self::Tiny,
            _ => Self::Restarts,
        }
    }

    /// Its name in `cost.rs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restarts => "RESTART_LANES",
            Self::Tiny => "TINY",
            Self::Units => "UNIT_LANES",
        }
    }

    /// Its factors.
    pub fn factors(self) -> &'static training::Terms {
        match self {
            Self::Restarts => &RESTART_LANES,
            Self::Tiny => &TINY,
            Self::Units => &UNIT_LANES,
        }
    }
}

/// The factors of what follows training.
pub fn ending_factors() -> &'static ending::Terms {
    &ENDING
}

/// What a trial of `shape` takes on `machine`, which was measured for the same lanes.
pub fn estimate(shape: &Shape<'_>, machine: &Machine) -> Estimate {
    let training = weighed(&training::counts(shape, machine).terms(), Way::of(shape).factors());
    let ending = weighed(&ending::counts(shape, machine).terms(), &ENDING);
    Estimate { training_s: training * machine.fma_s, polish_s: ending * machine.fma_s }
}

fn weighed(terms: &[f64], factors: &[f64]) -> f64 {
    terms.iter().zip(factors).map(|(term, factor)| term * factor).sum()
}

/// Floating-point operations of the products of one update, on average over an epoch.
pub fn flops_per_update(shape: &Shape<'_>) -> f64 {
    let Shape { experiment, train_rows, .. } = *shape;
    let rows = train_rows as f64 / updates_per_epoch(experiment, train_rows);
    2.0 * rows * products_per_row(experiment).iter().sum::<f64>()
}

/// Multiply-adds for one row: forward, weight gradients, deltas.
fn products_per_row(experiment: &Experiment) -> [f64; 3] {
    let pairs = || layers(experiment);
    let weights: f64 = pairs().map(|(inputs, outputs)| inputs * outputs).sum();
    let deltas: f64 = pairs().skip(1).map(|(inputs, outputs)| inputs * outputs).sum();
    [weights, weights, deltas]
}

/// Widths in and out of each layer; the units of a sum of relus are its only one.
fn layers(experiment: &Experiment) -> impl Iterator<Item = (f64, f64)> {
    let mut sizes = experiment.network.sizes();
    if matches!(experiment.network, Network::ReluSum(_)) {
        sizes.pop();
    }
    (1..sizes.len()).map(move |l| (f64::from(sizes[l - 1]), f64::from(sizes[l])))
}

fn has_rules(experiment: &Experiment) -> bool {
    let stop = experiment.train.stop;
    stop.grad_norm.is_some() || stop.loss.is_some() || stop.max_error.is_some()
}

fn updates_per_epoch(experiment: &Experiment, train_rows: usize) -> f64 {
    match experiment.train.batch {
        Batch::Full => 1.0,
        Batch::Size(size) => train_rows.div_ceil(size.max(1) as usize) as f64,
    }
}

fn parameters(experiment: &Experiment) -> f64 {
    experiment.network.parameter_count() as f64
}

#[cfg(test)]
mod tests;
