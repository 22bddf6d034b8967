//! What a trial will cost: from an experiment's shape to seconds, memory and floating-point operations.
//!
//! Pure arithmetic. A trial is counted as a few kinds of work (`Counts`); each kind has a speed that
//! [`machine::Machine`] measures in milliseconds on the spot, and a factor, fitted once to measured trainings by
//! `cargo bench -p seedsweep-worker --bench cost -- fit`, that says how far the kernels stay behind that speed.
//! Predictions size tasks and tell people what to expect; no outcome depends on them.

pub mod machine;

use seedsweep_common::plan;
use seedsweep_common::spec::{Activation, Batch, Experiment, Loss, Network, Optimizer, Precision};

use machine::Machine;

use crate::nn::{self, pod};

/// Kinds of work in training.
pub const TERMS: usize = 7;
/// Kinds of work after training.
pub const ENDING_TERMS: usize = 3;

/// Rows that a pod works off at once (`nn/pod.rs`).
const PIECE_ROWS: f64 = 64.0;
/// Points at which sketches evaluate the network.
const PROBES: f64 = 1_024.0;
/// Numbers of the sketches.
const SKETCHES: f64 = 16.0;
/// Gradients of a typical polish, apart from its Hessians: the median of the examples' trials.
const POLISH_GRADIENTS: f64 = 150.0;
/// Hessians of a typical polish, with that of the certificate.
const POLISH_HESSIANS: f64 = 3.0;

/// Factors of the terms of [`Counts`] in restart lanes.
const RESTART_LANES: [f64; TERMS] = [0.82, 1.32, 176.0, 1.64, 3.74, 2.81, 55.0];
/// Share of that for a tiny network whose updates all run in one call (`nn/pod/tiny.rs`).
const TINY: f64 = 0.41;
/// The same in unit lanes.
const UNIT_LANES: [f64; TERMS] = [1.0, 1.0, 100.0, 1.43, 1.0, 3.94, 94.0];
/// Factors of the terms of [`Counts::ending`].
const ENDING: [f64; ENDING_TERMS] = [1.48, 0.98, 0.91];

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
    /// Start, training and final scores. An upper bound where stop rules may end it earlier.
    pub training_s: f64,
    /// Gradient norm, polish, certificate and sketches: rougher, since the polish's steps depend on the end point.
    pub polish_s: f64,
}

impl Estimate {
    /// Both.
    pub fn total_s(&self) -> f64 {
        self.training_s + self.polish_s
    }
}

/// Work of one trial, all of it in vector multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Vectors of multiply-adds in products.
    pub products: f64,
    /// Vectors of sums that the products load and store.
    pub sums: f64,
    /// Products begun, each counted as a cycle.
    pub calls: f64,
    /// Vectors of elementary functions, in multiply-adds.
    pub functions: f64,
    /// Vectors of other elementwise work: derivatives, losses, gathers.
    pub elementwise: f64,
    /// Vectors of parameters updated, times the optimiser's operations.
    pub updates: f64,
    /// Parameters drawn at the start, each counted as a cycle.
    pub draws: f64,
}

impl Counts {
    /// As numbers, in the order of the fitted factors.
    pub fn terms(&self) -> [f64; TERMS] {
        let Self { products, sums, calls, functions, elementwise, updates, draws } = *self;
        [products, sums, calls, functions, elementwise, updates, draws]
    }
}

fn factors(shape: &Shape<'_>) -> &'static [f64; TERMS] {
    if shape.side_by_side > 1 { &RESTART_LANES } else { &UNIT_LANES }
}

/// The fitted factors: in restart lanes, in unit lanes, after training.
pub fn fitted() -> ([f64; TERMS], [f64; TERMS], [f64; ENDING_TERMS]) {
    (RESTART_LANES, UNIT_LANES, ENDING)
}

/// What a trial of `shape` takes on `machine`, which was measured for the same lanes.
pub fn estimate(shape: &Shape<'_>, machine: &Machine) -> Estimate {
    let weigh = |terms: &[f64], factors: &[f64]| -> f64 {
        terms.iter().zip(factors).map(|(term, factor)| term * factor).sum()
    };
    let training = weigh(&training(shape, machine).terms(), factors(shape));
    let ending = weigh(&ending(shape, machine), &ENDING);
    Estimate { training_s: training * machine.fma_s, polish_s: ending * machine.fma_s }
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

/// What follows the hidden units.
fn activation(experiment: &Experiment) -> Activation {
    match &experiment.network {
        Network::Mlp(mlp) => mlp.activation,
        Network::ReluSum(_) => Activation::Relu,
    }
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

/// The work of one trial's training, with start and final scores.
pub fn training(shape: &Shape<'_>, machine: &Machine) -> Counts {
    let Shape { experiment, train_rows, test_rows, .. } = *shape;
    let updates = plan::updates(&experiment.train, train_rows as u64).unwrap_or(u64::MAX) as f64;
    let per_epoch = updates_per_epoch(experiment, train_rows);
    let batch = train_rows as f64 / per_epoch;
    let stop = experiment.train.stop;
    let has_rules = stop.grad_norm.is_some() || stop.loss.is_some() || stop.max_error.is_some();
    let pass = Pass { shape, machine, backward: true };
    let mut counts = scaled(pass.counts(batch), updates);
    if has_rules && per_epoch > 1.0 {
        counts = sum(counts, scaled(pass.counts(train_rows as f64), updates / per_epoch));
    }
    let score = Pass { backward: false, ..pass };
    counts = sum(counts, score.counts((train_rows + test_rows) as f64));
    counts.elementwise += updates * pass.gathered(batch);
    counts.updates = updates * pass.vectors(parameters(experiment)) * update_operations(experiment);
    counts.draws = parameters(experiment) * machine.cycle_fmas();
    let is_at_once = shape.side_by_side > 1 && experiment.train.batch == Batch::Full && !has_rules;
    if is_at_once && pod::is_tiny(&nn::network::Network::new(&experiment.network)) {
        return scaled(counts, TINY);
    }
    counts
}

/// The work after one trial's training, in multiply-adds of one register.
pub fn ending(shape: &Shape<'_>, machine: &Machine) -> [f64; ENDING_TERMS] {
    // f64, one network after the other: half as many numbers in a register
    let alone =
        Shape { side_by_side: 1, width: (shape.width / 2).max(1), precision: Precision::F64, ..*shape };
    let pass = Pass { shape: &alone, machine, backward: true };
    let weigh = |counts: Counts| -> f64 {
        counts.terms().iter().zip(UNIT_LANES).map(|(term, factor)| term * factor).sum()
    };
    let gradient = weigh(pass.counts(shape.train_rows as f64));
    let outputs = f64::from(shape.experiment.network.outputs());
    let parameters = parameters(shape.experiment);
    let probes = weigh(Pass { backward: false, ..pass }.counts(PROBES));
    let projections = SKETCHES * (parameters + PROBES * outputs);
    let polish = if shape.polished { 1.0 } else { 0.0 };
    [
        gradient + probes + projections,
        polish * POLISH_GRADIENTS * gradient,
        polish * POLISH_HESSIANS * (parameters * gradient + parameters.powi(3)),
    ]
}

/// Operations for each parameter of an update.
fn update_operations(experiment: &Experiment) -> f64 {
    match experiment.train.optimizer {
        Optimizer::Gd => 1.0,
        Optimizer::Sgd { .. } | Optimizer::Nesterov { .. } => 2.0,
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } | Optimizer::RmsProp { .. } => 5.0,
    }
}

/// One pass over some rows.
#[derive(Clone, Copy)]
struct Pass<'a> {
    shape: &'a Shape<'a>,
    machine: &'a Machine,
    backward: bool,
}

impl Pass<'_> {
    /// Registers that `count` numbers of each restart take, per restart.
    fn vectors(&self, count: f64) -> f64 {
        count / f64::from(if self.is_pod() { self.filled() } else { self.shape.width })
    }

    fn is_pod(&self) -> bool {
        self.shape.side_by_side > 1
    }

    /// Lanes of a pod that have a restart.
    fn filled(&self) -> u32 {
        self.shape.side_by_side.min(self.shape.experiment.restarts).max(1)
    }

    /// Registers of a row of `count` sums, per restart; in unit lanes the last may be filled in part.
    fn columns(&self, count: f64) -> f64 {
        if self.is_pod() { self.vectors(count) } else { (count / f64::from(self.shape.width)).ceil() }
    }

    fn counts(&self, rows: f64) -> Counts {
        let experiment = self.shape.experiment;
        if experiment.train.loss == Loss::Population {
            return self.population(rows);
        }
        let mut counts = Counts::default();
        let layers: Vec<(f64, f64)> = layers(experiment).collect();
        let pieces = (rows / PIECE_ROWS).ceil();
        for (l, &(inputs, outputs)) in layers.iter().enumerate() {
            self.product(&mut counts, Product { sums: rows, columns: outputs, depth: inputs, pieces });
            if l + 1 < layers.len() {
                self.function(&mut counts, activation(experiment), rows * outputs);
            } else {
                self.function(&mut counts, experiment.network.output_activation(), rows * outputs);
            }
            if self.backward {
                // the gradient's sums grow by each piece
                let depth = rows / pieces;
                let sums = outputs * pieces;
                self.product(&mut counts, Product { sums, columns: inputs, depth, pieces });
                counts.elementwise += self.vectors(rows * outputs);
                if l > 0 {
                    self.product(
                        &mut counts,
                        Product { sums: rows, columns: inputs, depth: outputs, pieces },
                    );
                }
            }
        }
        self.loss(&mut counts, rows);
        counts
    }

    /// The closed form: each pair of units, and each unit with each of the `teacher`'s.
    fn population(&self, teacher: f64) -> Counts {
        let (inputs, units) = layers(self.shape.experiment).next().unwrap_or_default();
        let pairs = units * (units - 1.0) / 2.0 + units * teacher;
        let passes = if self.backward { 2.0 } else { 1.0 };
        Counts {
            products: self.vectors(passes * pairs * inputs),
            sums: self.vectors(pairs),
            // an angle is a root and a polynomial
            functions: self.vectors(pairs) * self.machine.exp_fmas(),
            ..Counts::default()
        }
    }

    fn product(&self, counts: &mut Counts, product: Product) {
        let Product { sums, columns, depth, pieces } = product;
        let registers = self.columns(columns);
        counts.products += sums * registers * depth;
        counts.sums += sums * registers;
        counts.calls +=
            self.machine.cycle_fmas() * pieces / if self.is_pod() { f64::from(self.filled()) } else { 1.0 };
    }

    fn function(&self, counts: &mut Counts, activation: Activation, values: f64) {
        let vectors = self.vectors(values);
        match activation {
            Activation::Identity => {}
            Activation::Relu | Activation::LeakyRelu => counts.elementwise += vectors,
            Activation::Tanh => counts.functions += vectors * self.machine.tanh_fmas(),
            Activation::Sigmoid => counts.functions += vectors * self.machine.exp_fmas(),
            // erf: a quotient of polynomials and an exponential
            Activation::Gelu => counts.functions += 2.0 * vectors * self.machine.exp_fmas(),
        }
    }

    fn loss(&self, counts: &mut Counts, rows: f64) {
        let outputs = f64::from(self.shape.experiment.network.outputs());
        let vectors = self.vectors(rows * outputs);
        match self.shape.experiment.train.loss {
            Loss::Mse => counts.elementwise += vectors,
            Loss::CrossEntropy | Loss::Logistic => counts.functions += vectors * self.machine.exp_fmas(),
            Loss::Population => {}
        }
    }

    /// Elementwise work of bringing the rows of one update together.
    fn gathered(&self, rows: f64) -> f64 {
        let experiment = self.shape.experiment;
        let values = rows * f64::from(experiment.network.inputs() + experiment.network.outputs());
        match experiment.train.batch {
            Batch::Full => 0.0,
            // each lane its own row, number by number
            Batch::Size(_) if self.is_pod() && plan::order_matters(experiment) => values,
            Batch::Size(_) => values / f64::from(if self.is_pod() { self.filled() } else { 1 }),
        }
    }
}

/// `sums` × `columns` sums of `depth` terms each, made in `pieces` calls.
#[derive(Clone, Copy)]
struct Product {
    sums: f64,
    columns: f64,
    depth: f64,
    pieces: f64,
}

fn scaled(counts: Counts, factor: f64) -> Counts {
    let Counts { products, sums, calls, functions, elementwise, updates, draws } = counts;
    Counts {
        products: products * factor,
        sums: sums * factor,
        calls: calls * factor,
        functions: functions * factor,
        elementwise: elementwise * factor,
        updates: updates * factor,
        draws: draws * factor,
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        products: a.products + b.products,
        sums: a.sums + b.sums,
        calls: a.calls + b.calls,
        functions: a.functions + b.functions,
        elementwise: a.elementwise + b.elementwise,
        updates: a.updates + b.updates,
        draws: a.draws + b.draws,
    }
}

#[cfg(test)]
mod tests;
