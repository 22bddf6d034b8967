//! Changes of the parameters that leave the loss as it is, to first order: which zeros of a Hessian they explain
//! (science of fingerprints: Sussmann 1992, Kůrková & Kainen 1994), and which units are copies of each other.

use seedsweep_common::spec::{Activation, Loss};

use super::surface::{Surface, dot};
use crate::nn::layer::{LEAKY_SLOPE, Layer};
use crate::nn::network::Network;

/// Part of a direction that must be left after the earlier ones are taken out, for it to be a new one.
const INDEPENDENT: f64 = 1e-6;

/// A hidden layer: the maps before and behind it.
#[derive(Clone, Copy)]
struct Hidden<'a> {
    into: &'a Layer,
    out_of: &'a Layer,
}

impl Hidden<'_> {
    fn units(self) -> usize {
        self.into.outputs
    }

    /// Indices of the weights into `unit` and of its bias.
    fn incoming(self, unit: usize) -> impl Iterator<Item = usize> + Clone {
        let Layer { inputs, offset, .. } = *self.into;
        (offset + unit * inputs..offset + (unit + 1) * inputs).chain([self.bias(unit)])
    }

    /// Index of the bias of `unit`.
    fn bias(self, unit: usize) -> usize {
        self.into.offset + self.into.weight_count() + unit
    }

    /// Index of the bias of unit `k` of the next layer.
    fn bias_behind(self, k: usize) -> usize {
        self.out_of.offset + self.out_of.weight_count() + k
    }

    /// Indices of the weights out of `unit`.
    fn outgoing(self, unit: usize) -> impl Iterator<Item = usize> + Clone {
        let Layer { inputs, offset, outputs } = *self.out_of;
        (0..outputs).map(move |k| offset + k * inputs + unit)
    }
}

fn hidden(network: &Network) -> impl Iterator<Item = Hidden<'_>> {
    network.layers().windows(2).map(|pair| Hidden { into: &pair[0], out_of: &pair[1] })
}

/// Whether two units of one layer have the same bits in everything that comes in and goes out.
pub(super) fn has_equal_units(network: &Network, theta: &[f64]) -> bool {
    if let Some(sum) = network.sum() {
        let unit = |u: usize| {
            let (weights, signs) = theta.split_at(sum.weight_count());
            let weights = weights[u * sum.inputs..][..sum.inputs].iter().chain(signs.get(u));
            weights.map(|weight| weight.to_bits())
        };
        return (0..sum.units).any(|u| (0..u).any(|v| unit(u).eq(unit(v))));
    }
    hidden(network).any(|layer| {
        (0..layer.units()).any(|u| {
            (0..u).any(|v| {
                let same = |(a, b): (usize, usize)| theta[a].to_bits() == theta[b].to_bits();
                layer.incoming(u).zip(layer.incoming(v)).all(same)
                    && layer.outgoing(u).zip(layer.outgoing(v)).all(same)
            })
        })
    })
}

/// Most values of null directions that are kept (128 MiB); a network with more of them is not judged.
const MOST_VALUES: usize = 1 << 24;

/// Independent directions at `theta`, orthonormal, that leave the loss as it is, to first order, by what
/// the network is; `None` if there are too many to keep:
/// - any activation, no l2: units with equal weights and biases share what goes out of them; what goes into a unit
///   that feeds nothing is free;
/// - relu, no l2: what goes into a unit grows while what goes out shrinks; all parameters of a unit that no
///   training row switches on are free;
/// - leaky_relu, no l2: each unit's scale as with relu;
/// - units that are linear on the training rows (identity; relu, no l2: always on; leaky_relu, no l2: always on or
///   always off): any linear mixing of those of one layer, and a shift of each that the biases behind it take back
///   (with l2: rotations only);
/// - gelu, tanh and sigmoid: only what holds for any activation;
/// - cross_entropy, no l2: the same amount added to all logits, by weights or biases.
///
/// Those of a sum of relus on rows without l2 cannot be listed ([`explained`]).
pub(super) fn null_directions(surface: &Surface<'_>, theta: &[f64]) -> Option<Vec<Vec<f64>>> {
    if surface.network.sum().is_some() {
        return if is_as_flat_as_its_outputs(surface) { None } else { Some(Vec::new()) };
    }
    let network = surface.network;
    let mut basis = Basis { parameters: theta.len(), directions: Vec::new(), is_full: false };
    let is_free = surface.l2 == 0.0;
    if is_free {
        hidden(network).for_each(|layer| sharing(layer, theta, &mut basis));
    }
    match network.activation() {
        Activation::Relu if is_free => relu(surface, theta, &mut basis),
        Activation::Identity => hidden(network).for_each(|layer| {
            let units: Vec<(usize, f64)> = (0..layer.units()).map(|unit| (unit, 1.0)).collect();
            linear(layer, &units, theta, is_free, &mut basis);
        }),
        Activation::LeakyRelu if is_free => leaky_relu(surface, theta, &mut basis),
        Activation::Relu
        | Activation::LeakyRelu
        | Activation::Gelu
        | Activation::Tanh
        | Activation::Sigmoid => {}
    }
    if is_free && surface.loss == Loss::CrossEntropy {
        logit_shifts(network, &mut basis);
    }
    (!basis.is_full).then_some(basis.directions)
}

/// How many null directions of the Hessian at `theta` are explained: [`null_directions`]; of a sum of relus on rows
/// without l2 all.
pub(super) fn explained(surface: &Surface<'_>, theta: &[f64]) -> usize {
    if is_as_flat_as_its_outputs(surface) {
        return theta.len();
    }
    null_directions(surface, theta).map_or(0, |known| known.len())
}

/// Between its kinks a sum of relus is linear in its weights, so that on rows, without l2, the loss is as flat along a
/// null direction as the outputs are. Its signs are not trained.
fn is_as_flat_as_its_outputs(surface: &Surface<'_>) -> bool {
    surface.network.sum().is_some() && surface.loss == Loss::Mse && surface.l2 == 0.0
}

/// Independent directions, orthonormal.
struct Basis {
    parameters: usize,
    directions: Vec<Vec<f64>>,
    /// There are more than are kept.
    is_full: bool,
}

impl Basis {
    /// Adds the direction with these entries, unless it is 0 or a combination of what is there.
    fn add(&mut self, entries: impl Iterator<Item = (usize, f64)>) {
        self.is_full |= (self.directions.len() + 1) * self.parameters > MOST_VALUES;
        if self.is_full {
            return;
        }
        let mut direction = vec![0.0; self.parameters];
        entries.for_each(|(at, value)| direction[at] += value);
        let norm = dot(&direction, &direction).sqrt();
        if norm == 0.0 {
            return;
        }
        // twice is enough (Kahan, in Parlett 1980)
        for _ in 0..2 {
            for known in &self.directions {
                let share = dot(known, &direction);
                direction.iter_mut().zip(known).for_each(|(x, k)| *x -= share * k);
            }
        }
        let rest = dot(&direction, &direction).sqrt();
        if rest > INDEPENDENT * norm {
            direction.iter_mut().for_each(|x| *x /= rest);
            self.directions.push(direction);
        }
    }
}

fn sharing(layer: Hidden<'_>, theta: &[f64], basis: &mut Basis) {
    for u in 0..layer.units() {
        let twin = (0..u).find(|&v| {
            layer.incoming(u).zip(layer.incoming(v)).all(|(a, b)| theta[a].to_bits() == theta[b].to_bits())
        });
        if let Some(v) = twin {
            for (a, b) in layer.outgoing(u).zip(layer.outgoing(v)) {
                basis.add([(a, 1.0), (b, -1.0)].into_iter());
            }
        }
        if layer.outgoing(u).all(|at| theta[at] == 0.0) {
            layer.incoming(u).for_each(|at| basis.add([(at, 1.0)].into_iter()));
        }
    }
}

fn relu(surface: &Surface<'_>, theta: &[f64], basis: &mut Basis) {
    let sums = surface.network.pre_activations(theta, &surface.features);
    for (layer, sums) in hidden(surface.network).zip(sums) {
        let of_unit = |unit: usize| sums.iter().skip(unit).step_by(layer.units());
        for unit in 0..layer.units() {
            if of_unit(unit).all(|&z| z <= 0.0) {
                layer
                    .incoming(unit)
                    .chain(layer.outgoing(unit))
                    .for_each(|at| basis.add([(at, 1.0)].into_iter()));
            } else {
                rescale(layer, unit, theta, basis);
            }
        }
        let always_on: Vec<(usize, f64)> = (0..layer.units())
            .filter(|&unit| of_unit(unit).all(|&z| z > 0.0))
            .map(|unit| (unit, 1.0))
            .collect();
        linear(layer, &always_on, theta, true, basis);
    }
}

fn leaky_relu(surface: &Surface<'_>, theta: &[f64], basis: &mut Basis) {
    let sums = surface.network.pre_activations(theta, &surface.features);
    for (layer, sums) in hidden(surface.network).zip(sums) {
        let of_unit = |unit: usize| sums.iter().skip(unit).step_by(layer.units());
        (0..layer.units()).for_each(|unit| rescale(layer, unit, theta, basis));
        let slope = |unit: usize| match () {
            () if of_unit(unit).all(|&z| z > 0.0) => Some(1.0),
            () if of_unit(unit).all(|&z| z < 0.0) => Some(LEAKY_SLOPE),
            () => None,
        };
        let one_sided: Vec<(usize, f64)> =
            (0..layer.units()).filter_map(|unit| Some((unit, slope(unit)?))).collect();
        linear(layer, &one_sided, theta, true, basis);
    }
}

/// What goes into a positively homogeneous unit grows while what goes out shrinks.
fn rescale(layer: Hidden<'_>, unit: usize, theta: &[f64], basis: &mut Basis) {
    let grows = layer.incoming(unit).map(|at| (at, theta[at]));
    basis.add(grows.chain(layer.outgoing(unit).map(|at| (at, -theta[at]))));
}

/// Unit v is added to unit u, and taken back behind the layer; a bias grows, and those behind the layer shrink.
/// `units` with the slope at which each is linear.
fn linear(layer: Hidden<'_>, units: &[(usize, f64)], theta: &[f64], is_free: bool, basis: &mut Basis) {
    // `back`: how much unit v must give behind the layer for one unit of u's sum
    let shear = |u: usize, v: usize, sign: f64, back: f64| {
        let before = layer.incoming(u).zip(layer.incoming(v)).map(move |(to, from)| (to, sign * theta[from]));
        let behind =
            layer.outgoing(v).zip(layer.outgoing(u)).map(move |(to, from)| (to, -sign * back * theta[from]));
        before.chain(behind)
    };
    for &(u, slope_u) in units {
        for &(v, slope_v) in units {
            if is_free {
                basis.add(shear(u, v, 1.0, slope_u / slope_v));
            } else if v < u {
                basis.add(shear(u, v, 1.0, 1.0).chain(shear(v, u, -1.0, 1.0)));
            }
        }
        if is_free {
            let behind =
                layer.outgoing(u).enumerate().map(|(k, at)| (layer.bias_behind(k), -slope_u * theta[at]));
            basis.add(behind.chain([(layer.bias(u), 1.0)]));
        }
    }
}

fn logit_shifts(network: &Network, basis: &mut Basis) {
    let last = network.layers()[network.layers().len() - 1];
    for input in 0..last.inputs {
        basis.add((0..last.outputs).map(|k| (last.offset + k * last.inputs + input, 1.0)));
    }
    basis.add((0..last.outputs).map(|k| (last.offset + last.weight_count() + k, 1.0)));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use seedsweep_common::spec;

    use super::*;
    use crate::minima::{Probes, Problem};
    use crate::nn::data::{Dataset, Labels, Rows};

    /// Twice as many rows as a kink needs, all positive, so that signs of weights switch units on and off for good.
    fn dataset() -> Dataset {
        let features =
            ndarray::Array2::from_shape_fn((9, 2), |(s, k)| 1.0 + (1.3 * s as f64 + k as f64).sin() / 2.0);
        let targets = ndarray::Array2::from_shape_fn((9, 1), |(s, _)| (0.7 * s as f64).cos());
        let test = Rows { features: ndarray::Array2::zeros((0, 2)), targets: ndarray::Array2::zeros((0, 1)) };
        Dataset { train: Rows { features, targets }, test, labels: Labels::Regression }
    }

    /// (directions explained, largest |gradient · direction| among them) at a point that is no minimum: whatever
    /// leaves the loss as it is leaves it at any point.
    fn at_a_point(activation: Activation, theta: &[f64]) -> (usize, f64) {
        let layers = vec![2, 3, 1];
        let spec =
            spec::Network::Mlp(spec::Mlp { layers, activation, output_activation: Activation::Identity });
        let (network, dataset, running) = (Network::new(&spec), dataset(), AtomicBool::new(false));
        let probes = Probes::new(&network, &dataset);
        let problem = Problem {
            network: &network,
            dataset: &dataset,
            loss: Loss::Mse,
            l2: 0.0,
            polish: None,
            probes: &probes,
        };
        let mut surface = Surface::new(&problem, &running);
        let directions = null_directions(&surface, theta).unwrap();
        let gradient = surface.at(theta.to_vec()).unwrap().gradient;
        assert!(gradient.iter().any(|g| g.abs() > 1e-2));
        let slopes = directions.iter().map(|direction| dot(direction, &gradient).abs());
        (directions.len(), slopes.fold(0.0, f64::max))
    }

    #[test]
    fn explained_directions_leave_the_loss_of_every_activation() {
        // unit 0 is always on, unit 1 always off, unit 2 switches
        let theta = [0.5, 0.9, -0.7, -0.4, 1.1, -1.0, 0.1, -0.2, 0.05, 0.8, -0.6, 0.9, 0.3];
        for (activation, count) in [
            // two scales, six parameters of a dead unit without its scale, one shift of a bias
            (Activation::Relu, 7),
            // three scales, two mixings of the one-sided units, and two shifts
            (Activation::LeakyRelu, 7),
            (Activation::Gelu, 0),
            (Activation::Tanh, 0),
            (Activation::Sigmoid, 0),
            // thirteen parameters of an affine function that has three
            (Activation::Identity, 10),
        ] {
            let (found, slope) = at_a_point(activation, &theta);
            assert_eq!(found, count, "{activation:?}");
            assert!(slope < 1e-13, "{activation:?}: {slope:e}");
        }
    }
}
