//! Changes of the parameters that leave the loss as it is, to first order: which zeros of a Hessian they may explain
//! (Sussmann 1992, Kůrková & Kainen 1994), and which units are copies of each other.

use std::collections::BTreeMap;

use seedsweep_common::outcome::Symmetry;
use seedsweep_common::spec::{Activation, Loss};

use super::span::Entries;
use super::surface::{Surface, dot};
use crate::nn::layer::{self, LEAKY_SLOPE, Layer};
use crate::nn::network::Network;

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

/// Two units whose weights differ by at most this share of the larger are proposed as copies.
const COPY: f64 = 1e-8;
/// Most entries of all directions that are proposed (256 MiB); a network with more of them is not judged.
const MOST_ENTRIES: usize = 1 << 24;

/// Directions at `theta` that leave the loss as it is, to first order, by what the network is, by kind; `None` if there
/// are too many to list. They are proposals: [`explain`](super::explain) asks the Hessian.
/// `is_free` says that the l2 term is too small to count; else it bends all but rotations.
/// - relu: all parameters of a unit that no training row switches on;
/// - any activation: what goes into a unit that feeds nothing;
/// - relu, leaky_relu: what goes into a unit grows while what goes out shrinks;
/// - any activation: units that are copies, of the opposite sign (tanh, sigmoid) or another scale (relu, leaky_relu)
///   too, share what goes out of them; what goes out of a unit that says the same everywhere moves to the next biases;
/// - units that are linear together on the training rows (identity; relu and leaky_relu: switched on and off by the same
///   rows, or leaky_relu that never switch): any linear mixing of those of one layer; where they never switch a shift of
///   each, too, that the biases behind it take back;
/// - cross_entropy: the same amount added to all logits, by weights or biases;
/// - a sum of relus against a teacher: parallel units share, and inputs turn that the teacher does not look at.
pub(super) fn proposed(
    surface: &Surface<'_>,
    theta: &[f64],
    is_free: bool,
) -> Option<Vec<(Symmetry, Vec<Entries>)>> {
    let mut proposals = Proposals::default();
    let network = surface.network;
    if let Some(sum) = network.sum() {
        if surface.loss == Loss::Population {
            if is_free {
                proposals.parallel_units(sum.inputs, theta);
            }
            proposals.input_rotations(sum.inputs, surface.teacher_units(), theta);
        }
        return proposals.by_kind();
    }
    if is_free {
        for layer in hidden(network) {
            proposals.silent_units(layer, theta);
            proposals.copies(layer, network.activation(), theta);
        }
    }
    match network.activation() {
        Activation::Relu | Activation::LeakyRelu if is_free => {
            let sums = network.pre_activations(theta, &surface.features);
            for (layer, sums) in hidden(network).zip(sums) {
                proposals.rectified(layer, network.activation(), &sums, theta);
            }
        }
        Activation::Identity => hidden(network).for_each(|layer| {
            let units: Vec<(usize, f64)> = (0..layer.units()).map(|unit| (unit, 1.0)).collect();
            if is_free {
                proposals.mixings(layer, &units, theta);
                proposals.shifts(layer, &units, theta);
            } else {
                proposals.rotations(layer, theta);
            }
        }),
        Activation::Relu
        | Activation::LeakyRelu
        | Activation::Gelu
        | Activation::Tanh
        | Activation::Sigmoid => {}
    }
    if is_free && surface.loss == Loss::CrossEntropy {
        proposals.logit_shifts(network);
    }
    proposals.by_kind()
}

/// Between its kinks a sum of relus is linear in its weights, so that on rows, without l2, the loss is convex there and as
/// flat along a null direction as the outputs are.
pub(super) fn is_as_flat_as_its_outputs(surface: &Surface<'_>) -> bool {
    surface.network.sum().is_some() && surface.loss == Loss::Mse && surface.l2 == 0.0
}

/// What is proposed.
#[derive(Default)]
struct Proposals {
    all: Vec<(Symmetry, Entries)>,
    entries: usize,
}

impl Proposals {
    fn add(&mut self, symmetry: Symmetry, direction: impl IntoIterator<Item = (usize, f64)>) {
        if self.entries <= MOST_ENTRIES {
            let direction: Entries = direction.into_iter().collect();
            self.entries += direction.len();
            self.all.push((symmetry, direction));
        }
    }

    /// What was added, kind by kind in the order of [`Symmetry::ALL`]; `None` if it was too much.
    fn by_kind(mut self) -> Option<Vec<(Symmetry, Vec<Entries>)>> {
        if self.entries > MOST_ENTRIES {
            return None;
        }
        self.all.sort_by_key(|(symmetry, _)| *symmetry);
        let mut kinds: Vec<(Symmetry, Vec<Entries>)> = Vec::new();
        for (symmetry, direction) in self.all {
            match kinds.last_mut() {
                Some((kind, directions)) if *kind == symmetry => directions.push(direction),
                _ => kinds.push((symmetry, vec![direction])),
            }
        }
        Some(kinds)
    }

    fn silent_units(&mut self, layer: Hidden<'_>, theta: &[f64]) {
        let silence = COPY * largest_of((0..layer.units()).flat_map(|u| layer.outgoing(u)), theta);
        for u in 0..layer.units() {
            if largest_of(layer.outgoing(u), theta) <= silence {
                layer.incoming(u).for_each(|at| self.add(Symmetry::SilentUnit, [(at, 1.0)]));
            }
        }
    }

    fn copies(&mut self, layer: Hidden<'_>, activation: Activation, theta: &[f64]) {
        let weights = |u: usize| layer.incoming(u).filter(move |&at| at != layer.bias(u));
        let silence = COPY * largest_of((0..layer.units()).flat_map(weights), theta);
        for u in 0..layer.units() {
            // u says what v says times a factor, and a constant
            let original = (0..u).find_map(|v| Some((v, copied(layer, activation, u, v, theta)?)));
            if let Some((v, (factor, constant))) = original {
                for (k, (to_u, to_v)) in layer.outgoing(u).zip(layer.outgoing(v)).enumerate() {
                    let entries = [(to_u, 1.0), (to_v, -factor), (layer.bias_behind(k), -constant)];
                    self.add(Symmetry::UnitCopy, entries);
                }
            }
            if largest_of(weights(u), theta) <= silence {
                let mut said = [theta[layer.bias(u)]];
                layer::activate(activation, &mut said);
                for (k, to_u) in layer.outgoing(u).enumerate() {
                    self.add(Symmetry::ConstantUnit, [(to_u, 1.0), (layer.bias_behind(k), -said[0])]);
                }
            }
        }
    }

    /// What relu and leaky_relu units with these `sums` (rows, units) allow.
    fn rectified(&mut self, layer: Hidden<'_>, activation: Activation, sums: &[f64], theta: &[f64]) {
        let is_relu = activation == Activation::Relu;
        // units by the rows that switch them on
        let mut together: BTreeMap<Vec<bool>, Vec<(usize, f64)>> = BTreeMap::new();
        let mut one_sided = Vec::new();
        for unit in 0..layer.units() {
            let is_on: Vec<bool> = sums.iter().skip(unit).step_by(layer.units()).map(|&z| z > 0.0).collect();
            match (is_on.contains(&true), is_on.contains(&false)) {
                (false, _) if is_relu => {
                    let own = layer.incoming(unit).chain(layer.outgoing(unit));
                    own.for_each(|at| self.add(Symmetry::DeadUnit, [(at, 1.0)]));
                    continue;
                }
                (true, true) => together.entry(is_on).or_default().push((unit, 1.0)),
                (true, false) => one_sided.push((unit, 1.0)),
                (false, _) => one_sided.push((unit, LEAKY_SLOPE)),
            }
            let grows = layer.incoming(unit).map(|at| (at, theta[at]));
            self.add(Symmetry::UnitScale, grows.chain(layer.outgoing(unit).map(|at| (at, -theta[at]))));
        }
        together.values().for_each(|units| self.mixings(layer, units, theta));
        self.mixings(layer, &one_sided, theta);
        self.shifts(layer, &one_sided, theta);
    }

    /// A unit is added to another, and taken back behind the layer. `units` with the slope at which each is linear.
    fn mixings(&mut self, layer: Hidden<'_>, units: &[(usize, f64)], theta: &[f64]) {
        for &(u, slope_u) in units {
            for &(v, slope_v) in units {
                self.add(Symmetry::UnitMixing, shear(layer, u, v, slope_u / slope_v, theta));
            }
        }
    }

    /// A bias grows, and those behind the layer shrink.
    fn shifts(&mut self, layer: Hidden<'_>, units: &[(usize, f64)], theta: &[f64]) {
        for &(u, slope) in units {
            let behind =
                layer.outgoing(u).enumerate().map(|(k, at)| (layer.bias_behind(k), -slope * theta[at]));
            self.add(Symmetry::UnitMixing, behind.chain([(layer.bias(u), 1.0)]));
        }
    }

    /// Two linear units turn into each other, which leaves the length of all parameters as it is.
    fn rotations(&mut self, layer: Hidden<'_>, theta: &[f64]) {
        for u in 0..layer.units() {
            for v in 0..u {
                let back = shear(layer, v, u, 1.0, theta).map(|(at, value)| (at, -value));
                self.add(Symmetry::UnitMixing, shear(layer, u, v, 1.0, theta).chain(back));
            }
        }
    }

    fn logit_shifts(&mut self, network: &Network) {
        let last = network.layers()[network.layers().len() - 1];
        for input in 0..last.inputs {
            let to_all = (0..last.outputs).map(|k| (last.offset + k * last.inputs + input, 1.0));
            self.add(Symmetry::LogitShift, to_all);
        }
        let biases = last.offset + last.weight_count();
        self.add(Symmetry::LogitShift, (0..last.outputs).map(|k| (biases + k, 1.0)));
    }

    /// Units of a sum that point the same way.
    fn parallel_units(&mut self, inputs: usize, theta: &[f64]) {
        let units: Vec<&[f64]> = theta.chunks_exact(inputs).collect();
        for (u, own) in units.iter().enumerate() {
            let is_parallel = |other: &&[f64]| {
                let factor = dot(own, other) / dot(other, other);
                factor > 0.0 && is_near(own.iter().copied(), other.iter().map(|x| factor * x))
            };
            if let Some(v) = units[..u].iter().position(is_parallel) {
                let (u, v) = (u * inputs, v * inputs);
                let moved = own.iter().enumerate().flat_map(|(i, &x)| [(u + i, x), (v + i, -x)]);
                self.add(Symmetry::UnitCopy, moved);
            }
        }
    }

    fn input_rotations(&mut self, inputs: usize, teacher: usize, theta: &[f64]) {
        for i in teacher..inputs {
            for j in teacher..i {
                let turned = (0..theta.len() / inputs)
                    .map(|unit| unit * inputs)
                    .flat_map(|unit| [(unit + i, theta[unit + j]), (unit + j, -theta[unit + i])]);
                self.add(Symmetry::InputRotation, turned);
            }
        }
    }
}

/// Unit v is added to the sum of unit u, and `back` of u's output taken from v's behind the layer.
fn shear(
    layer: Hidden<'_>,
    u: usize,
    v: usize,
    back: f64,
    theta: &[f64],
) -> impl Iterator<Item = (usize, f64)> {
    let before = layer.incoming(u).zip(layer.incoming(v)).map(|(to, from)| (to, theta[from]));
    let behind = layer.outgoing(v).zip(layer.outgoing(u)).map(move |(to, from)| (to, -back * theta[from]));
    before.chain(behind)
}

/// The factor and the constant by which unit `u` says what unit `v` says, if it does whatever the input.
fn copied(
    layer: Hidden<'_>,
    activation: Activation,
    u: usize,
    v: usize,
    theta: &[f64],
) -> Option<(f64, f64)> {
    let of_u = || layer.incoming(u).map(|at| theta[at]);
    let of_v = |factor: f64| layer.incoming(v).map(move |at| factor * theta[at]);
    let factor = match activation {
        Activation::Relu | Activation::LeakyRelu => {
            let product: f64 = of_u().zip(of_v(1.0)).map(|(a, b)| a * b).sum();
            product / of_v(1.0).map(|b| b * b).sum::<f64>()
        }
        _ if is_near(of_u(), of_v(1.0)) => 1.0,
        Activation::Tanh | Activation::Sigmoid => -1.0,
        Activation::Gelu | Activation::Identity => return None,
    };
    let may_be = factor > 0.0 || matches!(activation, Activation::Tanh | Activation::Sigmoid);
    let constant = if activation == Activation::Sigmoid && factor < 0.0 { 1.0 } else { 0.0 };
    (may_be && is_near(of_u(), of_v(factor))).then_some((factor, constant))
}

/// Whether two units' weights are the same, up to [`COPY`].
fn is_near(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> bool {
    let (mut difference, mut size) = (0.0_f64, 0.0_f64);
    for (a, b) in a.zip(b) {
        difference = difference.max((a - b).abs());
        size = size.max(a.abs());
    }
    difference <= COPY * size
}

/// The largest size of some parameters.
fn largest_of(those: impl Iterator<Item = usize>, theta: &[f64]) -> f64 {
    those.map(|at| theta[at].abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use seedsweep_common::spec;

    use super::*;
    use crate::minima::span::Span;
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

    /// (independent directions proposed, the largest entry of what the gradient has along them) at a point that is no minimum: whatever
    /// leaves the loss as it is leaves it at any point.
    fn at_a_point(activation: Activation, theta: &[f64]) -> (usize, f64) {
        let layers = vec![2, theta.len() as u32 / 4, 1];
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
        let mut span = Span::new(theta.len());
        for (_, directions) in proposed(&surface, theta, true).unwrap() {
            directions.iter().for_each(|direction| span.add(direction));
        }
        let gradient = surface.at(theta.to_vec()).unwrap().gradient;
        assert!(gradient.iter().any(|g| g.abs() > 1e-2));
        let mut across = gradient.clone();
        span.take_out(&mut across);
        let slopes = across.iter().zip(&gradient).map(|(a, g)| (a - g).abs());
        (span.dimension(), slopes.fold(0.0, f64::max))
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

    #[test]
    fn units_that_switch_together_mix() {
        // as above, and unit 3 switches where unit 2 does
        let theta =
            [0.5, 0.9, -0.7, -0.4, 1.1, -1.0, 1.2, -1.1, 0.1, -0.2, 0.05, 0.055, 0.8, -0.6, 0.9, -0.4, 0.3];
        // a scale and two mixings more than above
        for activation in [Activation::Relu, Activation::LeakyRelu] {
            let (found, slope) = at_a_point(activation, &theta);
            assert_eq!(found, 10, "{activation:?}");
            assert!(slope < 1e-13, "{activation:?}: {slope:e}");
        }
    }

    #[test]
    fn copies_up_to_sign_and_constant_units_leave_the_loss() {
        // unit 1 is unit 0 with its sign changed, unit 2 says the same everywhere
        let theta = [0.5, 0.9, -0.5, -0.9, 0.0, 0.0, 0.1, -0.1, 0.4, 0.8, -0.6, 0.9, 0.3];
        for (activation, count) in [(Activation::Tanh, 2), (Activation::Sigmoid, 2), (Activation::Gelu, 1)] {
            let (found, slope) = at_a_point(activation, &theta);
            assert_eq!(found, count, "{activation:?}");
            assert!(slope < 1e-13, "{activation:?}: {slope:e}");
        }
    }
}
