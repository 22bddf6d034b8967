//! The work of one training, from its start to its final scores.

use seedsweep_common::measure::Plan;
use seedsweep_common::plan;
use seedsweep_common::spec::{Activation, Batch, DataSource, Experiment, Loss, Network, Optimizer};

use super::machine::Machine;
use super::{Shape, has_rules, layers, parameters, updates_per_epoch};

/// Kinds of work.
pub const TERMS: usize = 11;
/// A number for each kind.
pub type Terms = [f64; TERMS];

/// Rows that a pod works off at once (`nn/pod.rs`).
const PIECE_ROWS: f64 = 64.0;
/// Sweeps over all pairs until units are orthogonal (`measure/jacobi.rs`), and passes over two units in each.
const SWEEPS: f64 = 6.0;
const PASSES_OF_A_TURN: f64 = 4.0;
/// What one number of a fresh row costs beside one of a start.
const STREAM_DRAW: f64 = 0.3;

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
    /// Vectors of other elementwise work: derivatives, losses, rows that all lanes share.
    pub elementwise: f64,
    /// Vectors of parameters updated, times the optimiser's operations.
    pub updates: f64,
    /// Parameters drawn at the start, each counted as a cycle.
    pub draws: f64,
    /// Numbers of rows that each lane picks for itself, each counted as a cycle.
    pub gathers: f64,
    /// Rows drawn into orders, each counted as a cycle.
    pub orders: f64,
    /// Updates, each counted as a cycle of the pod.
    pub steps: f64,
    /// Multiply-adds of how far apart units are, each counted as a cycle.
    pub symmetry: f64,
}

impl Counts {
    /// As numbers, in the order of the fitted factors.
    pub fn terms(&self) -> Terms {
        let Self { products, sums, calls, functions, elementwise, updates, .. } = *self;
        let Self { draws, gathers, orders, steps, symmetry, .. } = *self;
        [products, sums, calls, functions, elementwise, updates, draws, gathers, orders, steps, symmetry]
    }

    /// Adds `times` as much as `other`.
    fn add(&mut self, other: &Self, times: f64) {
        self.products += times * other.products;
        self.sums += times * other.sums;
        self.calls += times * other.calls;
        self.functions += times * other.functions;
        self.elementwise += times * other.elementwise;
        self.updates += times * other.updates;
        self.draws += times * other.draws;
        self.gathers += times * other.gathers;
        self.orders += times * other.orders;
        self.steps += times * other.steps;
        self.symmetry += times * other.symmetry;
    }
}

/// The work of one trial's training, with start and final scores.
pub fn counts(shape: &Shape<'_>, machine: &Machine) -> Counts {
    let Shape { experiment, train_rows, test_rows, .. } = *shape;
    let updates = plan::updates(&experiment.train, train_rows as u64).unwrap_or(u64::MAX);
    let (points, updates) = (points(experiment, updates), updates as f64);
    let per_epoch = updates_per_epoch(experiment, train_rows);
    let batch = train_rows as f64 / per_epoch;
    let pass = Pass { shape, machine, backward: true };
    let score = Pass { backward: false, ..pass };
    let mut counts = Counts::default();
    let is_fresh = matches!(experiment.data.source, DataSource::TeacherStream { .. });
    let update = if is_fresh { pass.on_rows(batch) } else { pass.counts(batch) };
    counts.add(&update, updates);
    if has_rules(experiment) && per_epoch > 1.0 {
        counts.add(&pass.counts(train_rows as f64), updates / per_epoch);
    }
    counts.add(&score.counts((train_rows + test_rows) as f64), 1.0);
    if experiment.measure.curve || experiment.measure.ntk {
        counts.add(&score.counts(train_rows as f64), points);
    }
    if experiment.measure.symmetry {
        counts.symmetry = points * symmetry_operations(experiment) * machine.cycle_fmas();
    }
    counts.add(&pass.gathered(batch), updates);
    counts.updates = updates * pass.vectors(parameters(experiment)) * update_operations(experiment);
    let drawn = if is_fresh { updates * pass.fresh(batch) * STREAM_DRAW } else { 0.0 };
    counts.draws = (parameters(experiment) + drawn) * machine.cycle_fmas();
    counts.steps = updates * machine.cycle_fmas() / pass.sharing();
    counts
}

/// How often a trial is looked at on its way.
fn points(experiment: &Experiment, updates: u64) -> f64 {
    let plan = Plan::new(&experiment.measure, &experiment.network);
    if plan.on_the_way.is_empty() && plan.of_all.is_empty() {
        return 0.0;
    }
    plan.steps(updates).map_or(0.0, |steps| steps.len() as f64)
}

/// Multiply-adds of one look at the units of all hidden layers, and numbers turned over for it.
fn symmetry_operations(experiment: &Experiment) -> f64 {
    let all: Vec<(f64, f64)> = match &experiment.network {
        Network::Mlp(_) => layers(experiment).collect(),
        // what goes out of its units is one number, like a bias
        Network::ReluSum(sum) => {
            let units = f64::from(sum.units);
            vec![(f64::from(sum.inputs), units), (units, 0.0)]
        }
    };
    let of_layer = |pair: &[(f64, f64)]| {
        let (units, length) = (pair[0].1, pair[0].0 + 1.0 + pair[1].1);
        let distances = units * units / 2.0 * length;
        let (short, long) = (units.min(length), units.max(length));
        distances + SWEEPS * PASSES_OF_A_TURN * short * short / 2.0 * long + units * length
    };
    all.windows(2).map(of_layer).sum()
}

/// Operations for each parameter of an update.
fn update_operations(experiment: &Experiment) -> f64 {
    match experiment.train.optimizer {
        Optimizer::Gd => 1.0,
        Optimizer::Sgd { .. } | Optimizer::Nesterov { .. } => 2.0,
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } | Optimizer::RmsProp { .. } => 5.0,
    }
}

/// What follows the hidden units.
fn activation(experiment: &Experiment) -> Activation {
    match &experiment.network {
        Network::Mlp(mlp) => mlp.activation,
        Network::ReluSum(_) => Activation::Relu,
    }
}

/// One pass over some rows.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) machine: &'a Machine,
    pub(super) backward: bool,
}

impl Pass<'_> {
    /// Registers that `count` numbers of each restart take, per restart.
    fn vectors(&self, count: f64) -> f64 {
        count / if self.is_pod() { self.sharing() } else { f64::from(self.shape.width) }
    }

    fn is_pod(&self) -> bool {
        self.shape.side_by_side > 1
    }

    /// Restarts that share what is done once for all lanes.
    fn sharing(&self) -> f64 {
        f64::from(self.shape.side_by_side.min(self.shape.experiment.restarts).max(1))
    }

    /// Registers of a row of `count` sums, per restart; in unit lanes the last may be filled in part.
    fn columns(&self, count: f64) -> f64 {
        if self.is_pod() { self.vectors(count) } else { (count / f64::from(self.shape.width)).ceil() }
    }

    pub(super) fn counts(&self, rows: f64) -> Counts {
        let experiment = self.shape.experiment;
        match experiment.data.source {
            DataSource::TeacherPopulation { teacher_units }
            | DataSource::TeacherStream { teacher_units, .. }
                if experiment.train.loss == Loss::Population =>
            {
                self.population(teacher_units.into())
            }
            _ => self.on_rows(rows),
        }
    }

    fn on_rows(&self, rows: f64) -> Counts {
        let experiment = self.shape.experiment;
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
        counts.calls += self.machine.cycle_fmas() * pieces / if self.is_pod() { self.sharing() } else { 1.0 };
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
            Loss::Mse | Loss::Population => counts.elementwise += vectors,
            Loss::CrossEntropy | Loss::Logistic => counts.functions += vectors * self.machine.exp_fmas(),
        }
    }

    /// Normal numbers that are drawn for `rows` fresh rows, per restart.
    fn fresh(&self, rows: f64) -> f64 {
        let experiment = self.shape.experiment;
        let is_shared = self.is_pod() && !plan::order_matters(experiment);
        let numbers = rows * f64::from(experiment.network.inputs());
        if is_shared { numbers / self.sharing() } else { numbers }
    }

    /// Drawing the order of the rows of one update, and bringing them together.
    fn gathered(&self, rows: f64) -> Counts {
        let experiment = self.shape.experiment;
        if experiment.train.batch == Batch::Full {
            return Counts::default();
        }
        let values = rows * f64::from(experiment.network.inputs() + experiment.network.outputs());
        let drawn = if experiment.train.shuffle { rows * self.machine.cycle_fmas() } else { 0.0 };
        match self.is_pod() {
            // each lane its own rows, number by number
            true if plan::order_matters(experiment) => {
                Counts { gathers: values * self.machine.cycle_fmas(), orders: drawn, ..Counts::default() }
            }
            true => Counts {
                elementwise: values / self.sharing(),
                orders: drawn / self.sharing(),
                ..Counts::default()
            },
            false => Counts { elementwise: values, orders: drawn, ..Counts::default() },
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
