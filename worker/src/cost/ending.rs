//! The work after one training: gradient norm, polish, certificate, sketches, and what is measured of the ends. All of it
//! is f64, one network after the other.

use seedsweep_common::measure::Plan;
use seedsweep_common::spec::{Experiment, Loss, Precision};

use super::machine::Machine;
use super::training::{Counts as Training, Pass};
use super::{Shape, layers, parameters, training, weighed};

/// Kinds of work.
pub const TERMS: usize = 7;
/// A number for each kind.
pub type Terms = [f64; TERMS];

/// What a gradient of one network is weighed with, in unit lanes and in row lanes; the factors of the terms here were
/// fitted on top of these, whatever the kernels of training have become since.
const ALONE: training::Terms = [1.0, 1.0, 100.0, 1.43, 1.0, 3.94, 94.0, 8.0, 10.0, 1.0, 8.0];
const IN_ROWS: training::Terms = [0.82, 1.32, 176.0, 1.64, 1.5, 2.81, 55.0, 8.0, 10.0, 1.0, 8.0];
/// Points at which sketches evaluate the network.
const PROBES: f64 = 1_024.0;
/// Numbers of the sketches.
const SKETCHES: f64 = 16.0;
/// Parameters up to which the polish follows the flow by Hessians (`minima/polish.rs`).
const FEW_PARAMETERS: f64 = 64.0;
/// Parameters up to which networks have eight rows of the data side by side (`minima/rows/`).
const ROW_LANE_PARAMETERS: f64 = 500.0;
/// Gradients and Hessians of a typical polish, with the certificate's: the medians of the examples' trials.
const POLISH_GRADIENTS: f64 = 150.0;
const POLISH_HESSIANS: f64 = 3.0;
/// The same of few parameters.
const POLISH_HESSIANS_OF_FEW: f64 = 12.0;
/// Rows of which layers' geometry is measured, and the side of the tangent kernel's matrix (`measure/`).
const GEOMETRY_ROWS: f64 = 50.0;
const KERNEL_SIDE: f64 = 128.0;

/// Work after one training, in vector multiply-adds of the training's lanes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// The gradient norm over all rows, outputs at the probes, projections.
    pub sketches: f64,
    /// Gradients of the polish.
    pub gradients: f64,
    /// Its Hessians.
    pub hessians: f64,
    /// The same in row lanes.
    pub row_gradients: f64,
    /// The same in row lanes.
    pub row_hessians: f64,
    /// Factorisations and eigenvalues, each multiply-add counted as a cycle.
    pub solves: f64,
    /// Operations of geometry and tangent kernels, each counted as a cycle.
    pub measures: f64,
}

impl Counts {
    /// As numbers, in the order of the fitted factors.
    pub fn terms(&self) -> Terms {
        let Self { sketches, gradients, hessians, row_gradients, row_hessians, solves, measures } = *self;
        [sketches, gradients, hessians, row_gradients, row_hessians, solves, measures]
    }
}

/// The work after one trial's training.
pub fn counts(shape: &Shape<'_>, machine: &Machine) -> Counts {
    let (alone, double) = (alone(shape), machine.in_double());
    let pass = Pass { shape: &alone, machine: &double, backward: true };
    let gradient = weighed_alone(&pass.counts(shape.train_rows as f64));
    let outputs = f64::from(shape.experiment.network.outputs());
    let parameters = parameters(shape.experiment);
    let probes = weighed_alone(&Pass { backward: false, ..pass }.counts(PROBES));
    let mut counts = Counts {
        sketches: gradient + probes + SKETCHES * (parameters + PROBES * outputs),
        measures: measured_operations(shape.experiment, shape.train_rows as f64) * machine.cycle_fmas(),
        ..Counts::default()
    };
    if !shape.polished {
        return counts;
    }
    let is_few = parameters <= FEW_PARAMETERS && shape.experiment.train.loss != Loss::Population;
    let (gradients, hessians) = match is_few {
        true => (POLISH_HESSIANS_OF_FEW, POLISH_HESSIANS_OF_FEW),
        false => (POLISH_GRADIENTS, POLISH_HESSIANS),
    };
    counts.solves = hessians * parameters.powi(3) * machine.cycle_fmas();
    if parameters <= ROW_LANE_PARAMETERS && shape.experiment.train.loss != Loss::Population {
        let gradient = in_row_lanes(shape, &double);
        (counts.row_gradients, counts.row_hessians) =
            (gradients * gradient, hessians * parameters * gradient);
    } else {
        (counts.gradients, counts.hessians) = (gradients * gradient, hessians * parameters * gradient);
    }
    counts
}

/// `shape` as what follows training looks at it: one network, in double precision.
pub(super) fn alone<'a>(shape: &Shape<'a>) -> Shape<'a> {
    // half as many numbers in a register
    let width = if shape.precision == Precision::F32 { (shape.width / 2).max(1) } else { shape.width };
    Shape { side_by_side: 1, width, precision: Precision::F64, ..*shape }
}

/// The work of a pass over rows of [`alone`], in vector multiply-adds.
pub(super) fn weighed_alone(counts: &Training) -> f64 {
    weighed(&counts.terms(), &ALONE)
}

/// A gradient over all rows, whose lanes are all filled.
fn in_row_lanes(shape: &Shape<'_>, machine: &Machine) -> f64 {
    // as a pod whose lanes are rows
    let (experiment, width) =
        (shape.experiment, shape.width / if shape.precision == Precision::F32 { 2 } else { 1 });
    let filled = Experiment { restarts: u32::MAX, ..experiment.clone() };
    let pod = Shape { experiment: &filled, side_by_side: width.max(1), width: width.max(1), ..*shape };
    let pass = Pass { shape: &pod, machine, backward: true };
    weighed(&pass.counts(shape.train_rows as f64).terms(), &IN_ROWS)
}

/// Operations of what is measured at the start and at the end.
fn measured_operations(experiment: &Experiment, rows: f64) -> f64 {
    let plan = Plan::new(&experiment.measure, &experiment.network);
    if plan.at_the_ends.is_empty() {
        return 0.0;
    }
    let mut operations = 0.0;
    if experiment.measure.geometry {
        let rows = rows.min(GEOMETRY_ROWS);
        let mut widths: Vec<f64> = layers(experiment).map(|(inputs, _)| inputs).collect();
        widths.sort_unstable_by(f64::total_cmp);
        // distances, angles, and the turns of singular values
        let of = |width: &f64| {
            let (short, long) = (width.min(rows), width.max(rows));
            rows * rows / 2.0 * (3.0 * width + 40.0) + 24.0 * short * short / 2.0 * long
        };
        operations += widths.iter().map(of).sum::<f64>();
    }
    if experiment.measure.ntk {
        let outputs = f64::from(experiment.network.outputs());
        let side = (KERNEL_SIDE / outputs).floor().clamp(1.0, rows) * outputs;
        let entries: f64 = layers(experiment).map(|(inputs, outputs)| inputs + outputs).sum();
        operations += side * side / 2.0 * entries + side.powi(3);
    }
    2.0 * operations
}
