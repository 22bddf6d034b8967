//! A few numbers that all images of a network share and that change continuously with it.

use std::borrow::Cow;

use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::fingerprint::{CANONICAL_SKETCH_LENGTH, CanonicalSketch};
use seedsweep_common::seed;
use seedsweep_common::spec::Activation;

use super::{Canonical, Map};
use crate::minima::surface::dot;
use crate::nn::lane::{Job, Lanes};
use crate::nn::layer;
use crate::nn::network::Network;

/// Most points that units are looked at on, evenly spread over the probes: [`CANONICAL_SKETCH_LENGTH`] directions need
/// few, and a unit must not cost more than a step of the polish.
pub(in crate::minima) const MOST_POINTS: usize = 256;
/// Most outputs on all points together (4 MiB of directions).
const MOST_OUTPUTS: usize = 1 << 14;
/// Stream of the probe generator for the directions.
const CANONICAL_STREAM: u64 = 4;

/// What canonical sketches are made with, shared by all trials on the same data.
#[derive(Debug)]
pub struct Directions {
    count: usize,
    /// (inputs, points).
    inputs: Vec<f64>,
    /// z, a row for each point, for each output and point, and for each weight and the bias of a unit of the first layer;
    /// scaled by 1/√rows.
    hidden: Vec<CanonicalSketch>,
    outputs: Vec<CanonicalSketch>,
    incoming: Vec<CanonicalSketch>,
}

impl Directions {
    /// Directions over at most 256 of the probe `points` (points, inputs), for networks like `network`.
    pub fn new(network: &Network, points: &[f64]) -> Self {
        let (inputs, outputs) = (network.input_width(), network.output_width());
        let most = (MOST_OUTPUTS / outputs).clamp(1, MOST_POINTS);
        let stride = (points.len() / inputs).div_ceil(most).max(1);
        let chosen: Vec<&[f64]> = points.chunks_exact(inputs).step_by(stride).collect();
        let count = chosen.len();
        let mut rng = seed::probe_generator(CANONICAL_STREAM);
        let mut draw = |rows: usize| -> Vec<CanonicalSketch> {
            let root = (rows as f64).sqrt();
            let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
            (0..rows).map(|_| std::array::from_fn(|_| normal() / root)).collect()
        };
        Self {
            count,
            inputs: (0..inputs).flat_map(|k| chosen.iter().map(move |point| point[k])).collect(),
            hidden: draw(count),
            outputs: draw(count * outputs),
            incoming: draw(inputs + 1),
        }
    }
}

impl Canonical {
    /// A sketch that all images of a network share and that changes continuously with it: for each direction z over the
    /// probe points Σ t²/(1 + t²) with t = z·a·‖v‖ over the hidden units, and to it the outputs' own projection. a are a
    /// unit's values on the points, its bias and, in the first layer, its weights: what no point switches on shows, too.
    /// v is what it feeds. Even, so signs vanish; 0 for a unit that feeds nothing.
    pub fn sketch(&self, directions: &Directions) -> CanonicalSketch {
        self.sketch_on(directions, Lanes::detect())
    }

    /// As [`Canonical::sketch`] on `lanes`, which change no bit.
    pub(super) fn sketch_on(&self, directions: &Directions, lanes: Lanes) -> CanonicalSketch {
        lanes.run(Sketching { canonical: self, directions })
    }
}

/// Units and points side by side as the compiler likes; each sum is one chain, ascending.
struct Sketching<'a> {
    canonical: &'a Canonical,
    directions: &'a Directions,
}

impl Job for Sketching<'_> {
    type Output = CanonicalSketch;

    #[inline(always)]
    fn run(self) -> CanonicalSketch {
        let Self { canonical, directions: Directions { count, inputs, hidden, outputs, incoming } } = self;
        let mut sketch = [0.0; CANONICAL_SKETCH_LENGTH];
        let Some((last, maps)) = canonical.maps.split_last() else { return sketch };
        // (units, points)
        let mut below = Cow::Borrowed(inputs.as_slice());
        for (l, map) in maps.iter().enumerate() {
            let mut values = sums(map, &below, *count);
            layer::activate(canonical.activation, &mut values);
            if canonical.activation == Activation::Sigmoid {
                values.iter_mut().for_each(|value| *value -= 0.5);
            }
            for (unit, values) in values.chunks_exact(*count).enumerate() {
                let feeds = canonical.outgoing(l, unit);
                let size = dot(&feeds, &feeds).sqrt();
                let (weights, bias) = incoming.split_at(incoming.len() - 1);
                let seen = project(values, hidden);
                let of_bias = project(&map.biases[unit..=unit], bias);
                let of_weights = project(if l == 0 { &map.weights[unit] } else { &[] }, weights);
                for k in 0..CANONICAL_SKETCH_LENGTH {
                    let t = size * (seen[k] + of_bias[k] + of_weights[k]);
                    let square = t * t;
                    sketch[k] += square / (1.0 + square);
                }
            }
            below = Cow::Owned(values);
        }
        let outputs = project(&sums(last, &below, *count), outputs);
        sketch.iter_mut().zip(outputs).for_each(|(sketch, seen)| *sketch += seen);
        sketch
    }
}

/// What comes into the units of `map` at the points, with its bias: (units, points).
#[inline(always)]
fn sums(map: &Map, below: &[f64], count: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(map.biases.len() * count);
    for (row, bias) in map.weights.iter().zip(&map.biases) {
        let from = sums.len();
        sums.resize(from + count, *bias);
        let here = &mut sums[from..];
        for (w, values) in row.iter().zip(below.chunks_exact(count)) {
            for (sum, a) in here.iter_mut().zip(values) {
                *sum += w * a;
            }
        }
    }
    sums
}

/// Σ z·x over the values, in each direction.
#[inline(always)]
fn project(values: &[f64], directions: &[CanonicalSketch]) -> CanonicalSketch {
    let mut seen = [0.0; CANONICAL_SKETCH_LENGTH];
    for (x, z) in values.iter().zip(directions) {
        for (seen, z) in seen.iter_mut().zip(z) {
            *seen += z * x;
        }
    }
    seen
}
