//! The products of the workloads' layers one by one, and the kernel where all that it reads is in the nearest cache.

use seedsweep_worker::nn::lane::Lanes;
use seedsweep_worker::nn::lane::alone::{self, Shape, Which};

use crate::clock::cpu_seconds;

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
pub(crate) struct Phase {
    pub(crate) layer: &'static str,
    pub(crate) product: &'static str,
    /// Floating-point operations a CPU-second.
    pub(crate) speed: f64,
}

/// Measures all of them.
pub(crate) fn measure(lanes: Lanes) -> impl Iterator<Item = Phase> {
    LAYERS.into_iter().flat_map(move |(layer, shape)| {
        Which::ALL.map(|product| Phase {
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
