//! Two networks brought as near to each other as their symmetries allow, with all their units: what a segment between
//! them is drawn for.

use ndarray::Array2;
use seedsweep_common::spec::{Activation, Loss};

use super::assignment::assign;
use super::distance::{Partners, square};
use super::{Canonical, Map, dot, maps};
use crate::nn::network::Network;
use crate::nn::relu_sum::ReluSum;

/// Rounds over all units until their scales count as balanced; with one hidden layer the first is enough.
const BALANCE_ROUNDS: usize = 100;
/// Largest change of a scale's logarithm that counts as none.
const BALANCED: f64 = 1e-12;

/// Images of the parameters `a` and `b` under the symmetries of the loss with the penalty `l2`, as near to each other as
/// matching finds them: the units of `b` permuted (weight matching, Ainsworth et al. 2023), with the signs or reflections
/// of the activation. Free scales (relu and leaky_relu without a penalty) are balanced in both: the image of least norm.
/// Both images compute what `a` and `b` compute. `None` where no image of `b` lies on the surface of `a`: sums of relus
/// with other signs.
pub(in crate::minima) fn align(
    network: &Network,
    loss: Loss,
    l2: f64,
    a: &[f64],
    b: &[f64],
) -> Option<[Vec<f64>; 2]> {
    if let Some(sum) = network.sum() {
        return Some([a.to_vec(), align_sum(sum, a, b)?]);
    }
    let activation = network.activation();
    // a penalty sees scales, and a reflection of a sigmoid, which moves a bias
    let is_free = l2 == 0.0;
    let is_odd = activation == Activation::Tanh || (activation == Activation::Sigmoid && is_free);
    let image = |theta: &[f64]| {
        let mut canonical = Canonical { activation, is_odd, maps: maps(network, theta) };
        match activation {
            Activation::Relu | Activation::LeakyRelu if is_free => balance(&mut canonical.maps),
            // less ½ a sigmoid is odd
            Activation::Sigmoid if is_odd => shift(&mut canonical.maps, 0.5),
            _ => {}
        }
        canonical
    };
    let images = [image(a), image(b)];
    let mut matched = images.clone();
    if loss == Loss::CrossEntropy {
        matched.iter_mut().for_each(Canonical::centre_logits);
    }
    let (_, partners) = matched[0].matched(&matched[1])?;
    let [a, b] = images;
    let aligned = [a.maps, moved(&b.maps, &partners)].map(|mut maps| {
        if activation == Activation::Sigmoid && is_odd {
            shift(&mut maps, -0.5);
        }
        flat(network, &maps)
    });
    Some(aligned)
}

/// Gives each hidden unit as much weight going in as coming out, so that the norm of all is least (Stock et al. 2019).
fn balance(maps: &mut [Map]) {
    for _ in 0..BALANCE_ROUNDS {
        let mut largest: f64 = 0.0;
        for l in 1..maps.len() {
            let (below, above) = maps.split_at_mut(l);
            let (map, next) = (&mut below[l - 1], &mut above[0]);
            for (unit, (weights, bias)) in map.weights.iter_mut().zip(&mut map.biases).enumerate() {
                let incoming = dot(weights, weights) + *bias * *bias;
                let outgoing: f64 = next.weights.iter().map(|row| square(row[unit])).sum();
                if incoming == 0.0 || outgoing == 0.0 {
                    continue;
                }
                let scale = (outgoing / incoming).sqrt().sqrt();
                weights.iter_mut().for_each(|w| *w *= scale);
                *bias *= scale;
                next.weights.iter_mut().for_each(|row| row[unit] /= scale);
                largest = largest.max((scale - 1.0).abs());
            }
        }
        if largest <= BALANCED {
            return;
        }
    }
}

/// Moves `share` of what hidden units feed into the biases that they feed.
fn shift(maps: &mut [Map], share: f64) {
    for map in &mut maps[1..] {
        for (bias, row) in map.biases.iter_mut().zip(&map.weights) {
            *bias += share * row.iter().sum::<f64>();
        }
    }
}

/// `maps` with each unit where its partner is.
fn moved(maps: &[Map], partners: &[Partners]) -> Vec<Map> {
    let layer = |(map, sides): (&Map, &[Partners])| {
        let row = |&(unit, sign): &(usize, f64)| {
            sides[0].iter().map(|&(k, flip)| sign * flip * map.weights[unit][k]).collect()
        };
        let biases = sides[1].iter().map(|&(unit, sign)| sign * map.biases[unit]).collect();
        Map { weights: sides[1].iter().map(row).collect(), biases }
    };
    maps.iter().zip(partners.windows(2)).map(layer).collect()
}

/// The parameters of `maps` in drawing order.
fn flat(network: &Network, maps: &[Map]) -> Vec<f64> {
    let mut theta = vec![0.0; network.parameter_count()];
    for (layer, map) in network.layers().iter().zip(maps) {
        let (weights, biases) = layer.parameters_mut(&mut theta);
        weights
            .chunks_exact_mut(layer.inputs)
            .zip(&map.weights)
            .for_each(|(to, from)| to.copy_from_slice(from));
        biases.copy_from_slice(&map.biases);
    }
    theta
}

/// `b` with its units where the nearest ones of `a` with the same sign are.
fn align_sum(sum: &ReluSum, a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let unit = |theta: &[f64], unit: usize| theta[unit * sum.inputs..][..sum.inputs].to_vec();
    let sign =
        |theta: &[f64], unit: usize| if sum.has_signs { theta[sum.weight_count() + unit] } else { 1.0 };
    let mut aligned = a.to_vec();
    for of_sign in [1.0, -1.0] {
        let units = |theta: &[f64]| -> Vec<usize> {
            (0..sum.units).filter(|&unit| (sign(theta, unit) > 0.0) == (of_sign > 0.0)).collect()
        };
        let [mine, theirs] = [units(a), units(b)];
        if mine.len() != theirs.len() {
            return None;
        }
        let costs = Array2::from_shape_fn((mine.len(), mine.len()), |(i, j)| {
            unit(a, mine[i]).iter().zip(unit(b, theirs[j])).map(|(x, y)| square(x - y)).sum()
        });
        for (i, j) in assign(&costs).into_iter().enumerate() {
            aligned[mine[i] * sum.inputs..][..sum.inputs].copy_from_slice(&unit(b, theirs[j]));
        }
    }
    Some(aligned)
}
