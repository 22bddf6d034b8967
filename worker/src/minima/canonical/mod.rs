//! Networks up to the symmetries that leave their function as it is: permutations of units, and by activation signs
//! (tanh), reflections (sigmoid) and scales (relu, leaky_relu); with cross_entropy a shift of all logits.
//!
//! A network is first reduced (Sussmann 1992; Kůrková & Kainen 1994): units that feed nothing, say the same everywhere or
//! are copies of another carry no information of their own. What is left is compared by the least distance over the
//! group, or, where there are too many pairs, by a sketch that is the same for all images. Nothing is sorted or hashed, so
//! near networks stay near.

mod assignment;
mod distance;
#[cfg(test)]
mod tests;

use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::seed;
use seedsweep_common::spec::{Activation, Loss};

use super::surface::dot;
use crate::nn::layer;
use crate::nn::network::Network;

/// Values of a canonical sketch.
pub const CANONICAL_SKETCH_LENGTH: usize = 32;
/// Weights of this norm count as none, and units this near as equal: well above what a polish leaves, well below what
/// minima differ by.
const NEGLIGIBLE: f64 = 1e-6;
/// Stream of the probe generator for the projections.
const CANONICAL_STREAM: u64 = 4;

/// A network with its scales and shifts fixed and its superfluous units gone. Permutations and signs are left.
#[derive(Debug, Clone)]
pub struct Canonical {
    activation: Activation,
    maps: Vec<Map>,
}

/// Weights by unit, and biases.
#[derive(Debug, Clone)]
struct Map {
    weights: Vec<Vec<f64>>,
    biases: Vec<f64>,
}

impl Canonical {
    /// The canonical form of `network` at `theta`; `None` for identity, whose layers any matrix can mix.
    pub fn new(network: &Network, loss: Loss, theta: &[f64]) -> Option<Self> {
        let activation = network.activation();
        let has_hidden = network.layers().len() > 1;
        if activation == Activation::Identity && has_hidden {
            return None;
        }
        let maps = network.layers().iter().map(|layer| {
            let (weights, biases) = layer.parameters(theta);
            let weights = weights.chunks_exact(layer.inputs).map(<[f64]>::to_vec).collect();
            Map { weights, biases: biases.to_vec() }
        });
        let mut canonical = Self { activation, maps: maps.collect() };
        for l in 0..canonical.maps.len() - 1 {
            canonical.normalise(l);
            canonical.reduce(l);
        }
        if loss == Loss::CrossEntropy {
            canonical.centre_logits();
        }
        Some(canonical)
    }

    /// Units left in each hidden layer: unequal widths are unequal networks.
    pub fn widths(&self) -> Vec<usize> {
        self.maps[..self.maps.len() - 1].iter().map(|map| map.biases.len()).collect()
    }

    /// Whether a unit's sign can be changed.
    fn is_odd(&self) -> bool {
        matches!(self.activation, Activation::Tanh | Activation::Sigmoid)
    }

    /// The unit's value: the activation, less ½ for sigmoid, which makes it odd.
    fn value(&self, z: f64) -> f64 {
        let mut value = [z];
        layer::activate(self.activation, &mut value);
        if self.activation == Activation::Sigmoid { value[0] - 0.5 } else { value[0] }
    }

    /// Gives units of layer `l` the norm 1 where their scale is free, and takes ½ off sigmoids.
    fn normalise(&mut self, l: usize) {
        let (below, above) = self.maps.split_at_mut(l + 1);
        let (map, next) = (&mut below[l], &mut above[0]);
        for unit in 0..map.biases.len() {
            match self.activation {
                Activation::Relu | Activation::LeakyRelu => {
                    let (weights, bias) = (&mut map.weights[unit], &mut map.biases[unit]);
                    let norm = (dot(weights, weights) + *bias * *bias).sqrt();
                    if norm > 0.0 {
                        weights.iter_mut().for_each(|w| *w /= norm);
                        *bias /= norm;
                        next.weights.iter_mut().for_each(|row| row[unit] *= norm);
                    }
                }
                Activation::Sigmoid => {
                    for (bias, row) in next.biases.iter_mut().zip(&next.weights) {
                        *bias += 0.5 * row[unit];
                    }
                }
                Activation::Tanh | Activation::Gelu | Activation::Identity => {}
            }
        }
    }

    /// Takes units out of layer `l` that feed nothing, say the same everywhere or equal an earlier one.
    fn reduce(&mut self, l: usize) {
        let mut unit = 0;
        while unit < self.maps[l].biases.len() {
            let feeds = self.outgoing(l, unit);
            let (weights, bias) = (&self.maps[l].weights[unit], self.maps[l].biases[unit]);
            if dot(&feeds, &feeds).sqrt() <= NEGLIGIBLE {
                self.remove(l, unit);
            } else if dot(weights, weights).sqrt() <= NEGLIGIBLE {
                let value = self.value(bias);
                self.maps[l + 1].biases.iter_mut().zip(feeds).for_each(|(bias, v)| *bias += v * value);
                self.remove(l, unit);
            } else if let Some((earlier, sign)) = self.copy_of(l, unit) {
                let rows = self.maps[l + 1].weights.iter_mut();
                rows.zip(feeds).for_each(|(row, v)| row[earlier] += sign * v);
                self.remove(l, unit);
                // together they may feed nothing
                unit = earlier;
            } else {
                unit += 1;
            }
        }
    }

    /// An earlier unit with the same weights and bias, and the sign that makes them so.
    fn copy_of(&self, l: usize, unit: usize) -> Option<(usize, f64)> {
        let mine = self.incoming(l, unit);
        let signs: &[f64] = if self.is_odd() { &[1.0, -1.0] } else { &[1.0] };
        (0..unit).find_map(|earlier| {
            let other = self.incoming(l, earlier);
            let apart = |sign: f64| {
                mine.iter().zip(&other).map(|(a, b)| (a - sign * b) * (a - sign * b)).sum::<f64>().sqrt()
            };
            Some((earlier, *signs.iter().find(|&&sign| apart(sign) <= NEGLIGIBLE)?))
        })
    }

    fn remove(&mut self, l: usize, unit: usize) {
        self.maps[l].weights.remove(unit);
        self.maps[l].biases.remove(unit);
        self.maps[l + 1].weights.iter_mut().for_each(|row| {
            row.remove(unit);
        });
    }

    /// Weights into a unit, then its bias.
    fn incoming(&self, l: usize, unit: usize) -> Vec<f64> {
        let Map { weights, biases } = &self.maps[l];
        weights[unit].iter().chain([&biases[unit]]).copied().collect()
    }

    /// Weights out of a unit.
    fn outgoing(&self, l: usize, unit: usize) -> Vec<f64> {
        self.maps[l + 1].weights.iter().map(|row| row[unit]).collect()
    }

    /// Takes the mean over the outputs off their weights and biases.
    fn centre_logits(&mut self) {
        let Some(Map { weights, biases }) = self.maps.last_mut() else { return };
        let count = biases.len() as f64;
        for k in 0..weights[0].len() {
            let mean = weights.iter().map(|row| row[k]).sum::<f64>() / count;
            weights.iter_mut().for_each(|row| row[k] -= mean);
        }
        let mean = biases.iter().sum::<f64>() / count;
        biases.iter_mut().for_each(|bias| *bias -= mean);
    }

    /// A sketch that all images of a network share and that changes continuously with it: for each direction z over the
    /// probe points Σ t²/(1 + t²) with t = z·a·‖v‖ over the hidden units, a a unit's values on the points and v what it
    /// feeds, and to it the outputs' own projection. Even, so signs vanish; 0 for a unit that feeds nothing.
    pub fn sketch(&self, directions: &Directions) -> [f64; CANONICAL_SKETCH_LENGTH] {
        let Directions { inputs, hidden, outputs } = directions;
        let count = inputs.first().map_or(0, Vec::len);
        let mut sketch = [0.0; CANONICAL_SKETCH_LENGTH];
        // (units, points)
        let mut values = inputs.clone();
        for (l, map) in self.maps.iter().enumerate() {
            let is_last = l + 1 == self.maps.len();
            let unit = |(row, bias): (&Vec<f64>, &f64)| -> Vec<f64> {
                let sum = |point: usize| row.iter().zip(&values).fold(*bias, |z, (w, a)| z + w * a[point]);
                (0..count).map(|point| if is_last { sum(point) } else { self.value(sum(point)) }).collect()
            };
            values = map.weights.iter().zip(&map.biases).map(unit).collect();
            for (unit, values) in values.iter().enumerate() {
                let feeds = if is_last { Vec::new() } else { self.outgoing(l, unit) };
                let size = dot(&feeds, &feeds).sqrt();
                for ((sketch, hidden), outputs) in sketch.iter_mut().zip(hidden).zip(outputs) {
                    if is_last {
                        *sketch += dot(&outputs[unit * count..][..count], values);
                    } else {
                        let seen = size * dot(hidden, values);
                        *sketch += seen * seen / (1.0 + seen * seen);
                    }
                }
            }
        }
        sketch
    }
}

/// What canonical sketches are made with, shared by all trials on the same data.
#[derive(Debug)]
pub struct Directions {
    /// (inputs, points).
    inputs: Vec<Vec<f64>>,
    /// (sketch, points), and (sketch, outputs · points); scaled by 1/√(number of values).
    hidden: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

impl Directions {
    /// Directions over the probe `points` (points, inputs), for networks like `network`.
    pub fn new(network: &Network, points: &[f64]) -> Self {
        let (inputs, outputs) = (network.input_width(), network.output_width());
        let count = points.len() / inputs;
        let mut rng = seed::probe_generator(CANONICAL_STREAM);
        let mut draw = |count: usize| -> Vec<Vec<f64>> {
            let root = (count as f64).sqrt();
            let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
            (0..CANONICAL_SKETCH_LENGTH).map(|_| (0..count).map(|_| normal() / root).collect()).collect()
        };
        Self {
            inputs: (0..inputs).map(|k| points.iter().skip(k).step_by(inputs).copied().collect()).collect(),
            hidden: draw(count),
            outputs: draw(count * outputs),
        }
    }
}
