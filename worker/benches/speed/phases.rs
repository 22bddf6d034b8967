//! Where the time goes: the products of the workloads' layers one by one, and the parts of a whole training.

use seedsweep_common::plan;
use seedsweep_common::range::RestartRange;
use seedsweep_worker::cost::clock::cpu_seconds;
use seedsweep_worker::nn::lane::Lanes;
use seedsweep_worker::nn::lane::alone::{self, Shape, Which};
use seedsweep_worker::train::{Phase, Prepared};

use crate::workloads::Workload;
use crate::{TASK, of_all};

/// Name, layer and rows that a pod works off at once.
const LAYERS: [(&str, Shape); 6] = [
    ("kernel", Shape { inputs: 64, outputs: 4, rows: 12 }),
    ("W1 2-4", Shape { inputs: 2, outputs: 4, rows: 4 }),
    ("W2 64-32", Shape { inputs: 64, outputs: 32, rows: 48 }),
    ("W2 32-10", Shape { inputs: 32, outputs: 10, rows: 48 }),
    ("W3 64-64", Shape { inputs: 64, outputs: 64, rows: 48 }),
    ("W3 64-1", Shape { inputs: 64, outputs: 1, rows: 48 }),
];

/// CPU-seconds that each measurement takes, about.
const SECONDS: f64 = 0.1;

/// One product of one layer.
pub(crate) struct LayerProduct {
    pub(crate) layer: &'static str,
    pub(crate) product: &'static str,
    /// Floating-point operations a CPU-second.
    pub(crate) speed: f64,
}

/// Measures all of them.
pub(crate) fn products(lanes: Lanes) -> impl Iterator<Item = LayerProduct> {
    LAYERS.into_iter().flat_map(move |(layer, shape)| {
        Which::ALL.map(|product| LayerProduct {
            layer,
            product: product.name(),
            speed: speed(product, shape, lanes),
        })
    })
}

fn speed(product: Which, shape: Shape, lanes: Lanes) -> f64 {
    let mut times = 1;
    loop {
        let from = cpu_seconds();
        let flops = alone::repeat(product, shape, lanes, times);
        let seconds = cpu_seconds() - from;
        if seconds >= SECONDS {
            return flops / seconds;
        }
        times *= 2;
    }
}

/// CPU-seconds of the parts of one training of `workload`, and of the whole; the last part is what they leave
/// unexplained. Products are what is left of outputs and gradient without their other parts.
pub(crate) fn of_training(workload: &Workload, lanes: Lanes) -> (Vec<(&'static str, f64)>, f64) {
    let mut prepared = workload.sweep(TASK, &[]).prepare(0);
    prepared.force_lanes(lanes);
    let shape = prepared.shape();
    let updates = plan::updates(&shape.experiment.train, shape.train_rows as u64).unwrap_or(0) as f64;
    let once = |phase| seconds(&prepared, phase).unwrap_or(0.0);
    let each = |phase| seconds(&prepared, phase).map_or(0.0, |seconds| seconds * updates);
    let mut parts = vec![("start", once(Phase::Start))];
    match seconds(&prepared, Phase::AtOnce) {
        Some(seconds) => parts.push(("updates", seconds * updates)),
        None => {
            let [gather, outputs, gradient] = [Phase::Gather, Phase::Outputs, Phase::Gradient].map(each);
            let [activations, loss, update] = [Phase::Activations, Phase::Loss, Phase::Update].map(each);
            parts.extend([
                ("gather", gather),
                ("forward", outputs - gather - activations),
                ("activations", activations),
                ("loss", loss),
                ("backward", gradient - outputs - loss),
                ("update", update),
            ]);
        }
    }
    parts.push(("end", once(Phase::End)));
    let total = whole(&prepared);
    let explained: f64 = parts.iter().map(|part| part.1).sum();
    parts.push(("unexplained", total - explained));
    (parts, total)
}

/// CPU-seconds of `phase` for one training, or for one update of one.
fn seconds(prepared: &Prepared, phase: Phase) -> Option<f64> {
    let mut times = 1;
    loop {
        let from = cpu_seconds();
        let done = prepared.repeat(phase, times)?;
        let seconds = cpu_seconds() - from;
        if seconds >= SECONDS {
            return Some(seconds / done);
        }
        times *= 2;
    }
}

/// CPU-seconds of one training.
fn whole(prepared: &Prepared) -> f64 {
    let (from, mut done) = (cpu_seconds(), 0.0);
    loop {
        of_all(prepared, RestartRange::new(0, TASK).expect("not empty"));
        done += f64::from(TASK);
        let seconds = cpu_seconds() - from;
        if seconds >= 3.0 * SECONDS {
            return seconds / done;
        }
    }
}
