//! Networks up to the symmetries that leave their function as it is: permutations of units, and by activation signs
//! (tanh), reflections (sigmoid) and scales (relu, leaky_relu); with cross_entropy a shift of all logits.
//!
//! A network is first reduced (Sussmann 1992; Kůrková & Kainen 1994): units that feed nothing, say the same everywhere or
//! are copies of another carry no information of their own. What is left is compared by the least distance over the
//! group, or, where there are too many pairs, by a sketch that is the same for all images. Nothing is sorted or hashed, so
//! near networks stay near.

mod alignment;
mod assignment;
mod distance;
mod sketch;
#[cfg(test)]
pub(super) mod tests;

use seedsweep_common::spec::{Activation, Loss};

pub(super) use alignment::align;

use super::surface::dot;
use crate::nn::layer::{self, Layer};
use crate::nn::network::Network;
use crate::nn::relu_sum::ReluSum;

pub use sketch::Directions;
pub(super) use sketch::MOST_POINTS;

/// Weights of this norm count as none, and units this near as equal: well above what a polish leaves, well below what
/// minima differ by.
const NEGLIGIBLE: f64 = 1e-6;

/// A network with its scales and shifts fixed and its superfluous units gone. Permutations and signs are left.
#[derive(Debug, Clone)]
pub struct Canonical {
    activation: Activation,
    /// Whether a unit's sign can be changed.
    is_odd: bool,
    maps: Vec<Map>,
}

/// Weights by unit, and biases.
#[derive(Debug, Clone)]
struct Map {
    weights: Vec<Vec<f64>>,
    biases: Vec<f64>,
}

impl Canonical {
    /// Whether `network` has a canonical form: not if hidden layers are linear, since any matrix can mix their units.
    pub fn exists(network: &Network) -> bool {
        network.activation() != Activation::Identity || network.layers().len() == 1
    }

    /// The canonical form of `network` at `theta`; `None` where there is none ([`Canonical::exists`]).
    pub fn new(network: &Network, loss: Loss, theta: &[f64]) -> Option<Self> {
        if !Self::exists(network) {
            return None;
        }
        let maps = match network.sum() {
            Some(sum) => maps_of_sum(sum, theta),
            None => maps(network, theta),
        };
        let activation = network.activation();
        let is_odd = matches!(activation, Activation::Tanh | Activation::Sigmoid);
        let mut canonical = Self { activation, is_odd, maps };
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
        let Map { weights, biases } = &self.maps[l];
        let signs: &[f64] = if self.is_odd { &[1.0, -1.0] } else { &[1.0] };
        let is_near = |earlier: usize, sign: f64| {
            let mine = biases[unit..=unit].iter().chain(&weights[unit]);
            let other = biases[earlier..=earlier].iter().chain(&weights[earlier]);
            // ends at the first entries that tell them apart, so that thousands of units cost little
            let mut left = NEGLIGIBLE * NEGLIGIBLE;
            mine.zip(other).all(|(a, b)| {
                left -= (a - sign * b) * (a - sign * b);
                left >= 0.0
            })
        };
        (0..unit).find_map(|earlier| Some((earlier, *signs.iter().find(|&&sign| is_near(earlier, sign))?)))
    }

    fn remove(&mut self, l: usize, unit: usize) {
        self.maps[l].weights.remove(unit);
        self.maps[l].biases.remove(unit);
        self.maps[l + 1].weights.iter_mut().for_each(|row| {
            row.remove(unit);
        });
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
}

/// The layers of `network` at `theta`.
fn maps(network: &Network, theta: &[f64]) -> Vec<Map> {
    network.layers().iter().map(|layer| map(layer, theta)).collect()
}

fn map(layer: &Layer, theta: &[f64]) -> Map {
    let (weights, biases) = layer.parameters(theta);
    let weights = weights.chunks_exact(layer.inputs).map(<[f64]>::to_vec).collect();
    Map { weights, biases: biases.to_vec() }
}

/// A sum of relus as a network with one hidden layer, no biases, and outgoing weights of one size: its units permute as
/// far as their signs are equal, and parallel ones are one.
fn maps_of_sum(sum: &ReluSum, theta: &[f64]) -> Vec<Map> {
    let (weights, signs) = theta.split_at(sum.weight_count());
    let scale: f64 = sum.scale_of();
    let outgoing = (0..sum.units).map(|unit| scale * signs.get(unit).copied().unwrap_or(1.0)).collect();
    let hidden = weights.chunks_exact(sum.inputs).map(<[f64]>::to_vec).collect();
    vec![
        Map { weights: hidden, biases: vec![0.0; sum.units] },
        Map { weights: vec![outgoing], biases: vec![0.0] },
    ]
}
