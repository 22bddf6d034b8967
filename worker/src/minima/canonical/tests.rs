use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::spec;

use super::*;
use crate::nn::lane::{Lanes, Level};

const ACTIVATIONS: [Activation; 5] =
    [Activation::Relu, Activation::LeakyRelu, Activation::Gelu, Activation::Tanh, Activation::Sigmoid];

fn network(layers: &[u32], activation: Activation) -> Network {
    let output_activation = Activation::Identity;
    Network::new(&spec::Mlp { layers: layers.to_vec(), activation, output_activation }.into())
}

fn random(count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect()
}

/// Where the parameters of a hidden unit are: what comes in with the bias, and what goes out.
fn places(network: &Network, l: usize, unit: usize) -> (Vec<usize>, Vec<usize>) {
    let (here, next) = (network.layers()[l], network.layers()[l + 1]);
    let from = here.offset + unit * here.inputs;
    let incoming = (from..from + here.inputs).chain([here.offset + here.weight_count() + unit]).collect();
    (incoming, (0..next.outputs).map(|k| next.offset + k * next.inputs + unit).collect())
}

/// A random image of `theta` under everything that `activation` allows.
pub(in crate::minima) fn image(network: &Network, theta: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut image = theta.to_vec();
    for l in 0..network.layers().len() - 1 {
        let (width, next) = (network.layers()[l].outputs, network.layers()[l + 1]);
        for unit in 0..width {
            let (incoming, outgoing) = places(network, l, unit);
            let (others_in, others_out) = places(network, l, rng.random_range(0..=unit));
            incoming.iter().zip(&others_in).for_each(|(&a, &b)| image.swap(a, b));
            outgoing.iter().zip(&others_out).for_each(|(&a, &b)| image.swap(a, b));
        }
        for unit in 0..width {
            let (incoming, outgoing) = places(network, l, unit);
            match network.activation() {
                Activation::Relu | Activation::LeakyRelu => {
                    let scale = 0.2 + 3.0 * rng.random::<f64>();
                    incoming.iter().for_each(|&at| image[at] *= scale);
                    outgoing.iter().for_each(|&at| image[at] /= scale);
                }
                activation @ (Activation::Tanh | Activation::Sigmoid) if rng.random::<bool>() => {
                    // s(−z) = 1 − s(z)
                    if activation == Activation::Sigmoid {
                        for (k, &at) in outgoing.iter().enumerate() {
                            image[next.offset + next.weight_count() + k] += image[at];
                        }
                    }
                    incoming.iter().chain(&outgoing).for_each(|&at| image[at] = -image[at]);
                }
                _ => {}
            }
        }
    }
    image
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn images_of_a_network_are_the_same_network() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let points = random(200, &mut rng);
    for activation in ACTIVATIONS {
        for layers in [&[2, 6, 3][..], &[2, 5, 4, 2], &[2, 3]] {
            let network = network(layers, activation);
            let directions = Directions::new(&network, &points);
            for _ in 0..20 {
                let theta = random(network.parameter_count(), &mut rng);
                let image = image(&network, &theta, &mut rng);
                let mut workspace = network.workspace();
                let outputs = [&theta, &image].map(|theta| network.outputs(theta, &points, &mut workspace));
                assert!(apart(&outputs[0], &outputs[1]) < 1e-12, "{activation:?}: no image");
                let [a, b] = [&theta, &image].map(|x| Canonical::new(&network, Loss::Mse, x).unwrap());
                assert!(
                    apart(&a.sketch(&directions), &b.sketch(&directions)) < 1e-9,
                    "{activation:?} {layers:?}"
                );
                assert!(a.distance(&b) < 1e-9, "{activation:?} {layers:?}: {}", a.distance(&b));
                // another network is another one
                let other = random(network.parameter_count(), &mut rng);
                let other = Canonical::new(&network, Loss::Mse, &other).unwrap();
                assert!(
                    a.distance(&other) > 0.1
                        && apart(&a.sketch(&directions), &other.sketch(&directions)) > 1e-3
                );
            }
        }
    }
}

#[test]
fn distances_are_symmetric_and_bounded_by_the_raw_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let network = network(&[3, 7, 2], Activation::Tanh);
    for _ in 0..100 {
        let [a, b] = [0; 2].map(|_| random(network.parameter_count(), &mut rng));
        let raw = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        let [a, b] = [&a, &b].map(|x| Canonical::new(&network, Loss::Mse, x).unwrap());
        let distance = a.distance(&b);
        assert!(distance <= raw + 1e-12 && (distance - b.distance(&a)).abs() < 1e-12, "{distance} {raw}");
    }
}

#[test]
fn superfluous_units_are_taken_out() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let points = random(200, &mut rng);
    for activation in ACTIVATIONS {
        let network = network(&[2, 6, 2], activation);
        let directions = Directions::new(&network, &points);
        let mut theta = random(network.parameter_count(), &mut rng);
        let mut set = |unit: usize, incoming: [f64; 3], outgoing: [f64; 2]| {
            let (here, after) = places(&network, 0, unit);
            here.into_iter().zip(incoming).for_each(|(at, x)| theta[at] = x);
            after.into_iter().zip(outgoing).for_each(|(at, x)| theta[at] = x);
        };
        set(0, [0.3, 0.8, -0.1], [0.5, 0.4]);
        // feeds nothing; says the same everywhere; a copy; two copies that cancel
        set(1, [0.7, -0.2, 0.4], [0.0, 0.0]);
        set(2, [0.0, 0.0, 0.9], [0.3, -0.6]);
        set(3, [0.3, 0.8, -0.1], [0.2, -0.9]);
        set(4, [-0.6, 0.1, 0.2], [0.7, 0.1]);
        set(5, [-0.6, 0.1, 0.2], [-0.7, -0.1]);
        let canonical = Canonical::new(&network, Loss::Mse, &theta).unwrap();
        assert_eq!(canonical.widths(), [1], "{activation:?}");
        let small = self::network(&[2, 1, 2], activation);
        let mut reduced = vec![0.3, 0.8, -0.1, 0.7, -0.5];
        let mut value = [0.9];
        layer::activate(activation, &mut value);
        let last = network.layers()[1];
        let biases = &theta[last.offset + last.weight_count()..];
        reduced.extend([biases[0] + 0.3 * value[0], biases[1] - 0.6 * value[0]]);
        let reduced = Canonical::new(&small, Loss::Mse, &reduced).unwrap();
        assert!(canonical.distance(&reduced) < 1e-12, "{activation:?}");
        assert!(
            apart(&canonical.sketch(&directions), &reduced.sketch(&directions)) < 1e-12,
            "{activation:?}"
        );
    }
}

#[test]
fn logits_shift_and_linear_layers_mix() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let network = network(&[2, 3, 3], Activation::Tanh);
    let theta = random(network.parameter_count(), &mut rng);
    let mut shifted = theta.clone();
    let last = network.layers()[1];
    for k in 0..3 {
        for input in 0..3 {
            shifted[last.offset + 3 * k + input] += 0.3 * (1.0 + input as f64);
        }
        shifted[last.offset + last.weight_count() + k] -= 0.8;
    }
    let both = |loss| [&theta, &shifted].map(|x| Canonical::new(&network, loss, x).unwrap());
    let [a, b] = both(Loss::CrossEntropy);
    assert!(a.distance(&b) < 1e-12);
    let [a, b] = both(Loss::Mse);
    assert!(a.distance(&b) > 0.1);
    let linear = self::network(&[2, 3, 3], Activation::Identity);
    assert!(Canonical::new(&linear, Loss::Mse, &theta).is_none());
}

/// A sum of `units` relus of two inputs.
fn sum(units: u32, output: spec::SumOutput) -> Network {
    let scale = spec::SumScale::InverseSqrtUnits;
    Network::new(&spec::ReluSum { inputs: 2, units, output, scale }.into())
}

/// Whether two networks are one, as the distance and as the sketch tell.
fn same(network: &Network, a: &[f64], b: &[f64]) -> [bool; 2] {
    let points = random(200, &mut ChaCha8Rng::seed_from_u64(9));
    let directions = Directions::new(network, &points);
    let [a, b] = [a, b].map(|theta| Canonical::new(network, Loss::Mse, theta).unwrap());
    [a.distance(&b) < 1e-9, apart(&a.sketch(&directions), &b.sketch(&directions)) < 1e-9]
}

#[test]
fn units_of_a_sum_of_relus_permute_as_far_as_their_signs_are_equal() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..50 {
        let weights = random(8, &mut rng);
        let swapped = |a: usize, b: usize| {
            let mut weights = weights.clone();
            weights.swap(2 * a, 2 * b);
            weights.swap(2 * a + 1, 2 * b + 1);
            weights
        };
        let ones = sum(4, spec::SumOutput::Ones);
        assert_eq!(same(&ones, &weights, &swapped(0, 3)), [true; 2]);
        assert_eq!(same(&ones, &weights, &random(8, &mut rng)), [false; 2]);
        let signed = sum(4, spec::SumOutput::RandomSigns);
        let with_signs = |weights: Vec<f64>| [weights, vec![1.0, -1.0, -1.0, 1.0]].concat();
        let plain = with_signs(weights.clone());
        assert_eq!(same(&signed, &plain, &with_signs(swapped(0, 3))), [true; 2]);
        assert_eq!(same(&signed, &plain, &with_signs(swapped(0, 1))), [false; 2]);
    }
    // parallel units are one, and what has no weight is none
    let ones = sum(3, spec::SumOutput::Ones);
    let parallel = [0.3, -0.4, 0.6, -0.8, 0.0, 0.0];
    assert_eq!(Canonical::new(&ones, Loss::Mse, &parallel).unwrap().widths(), [1]);
    assert_eq!(same(&ones, &parallel, &[0.0, 0.0, 0.45, -0.6, 0.45, -0.6]), [true; 2]);
}

#[test]
fn unequal_widths_are_far_apart_unless_the_unit_between_them_is_negligible() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let points = random(400, &mut rng);
    for activation in ACTIVATIONS {
        let network = network(&[2, 5, 1], activation);
        let directions = Directions::new(&network, &points);
        let mut nearest = f64::INFINITY;
        for _ in 0..50 {
            let mut theta = random(network.parameter_count(), &mut rng);
            places(&network, 0, 4).1.into_iter().for_each(|at| theta[at] = 0.7);
            // the same network with less and less of unit 4, until it is gone
            let with = |share: f64| {
                let mut theta = theta.clone();
                places(&network, 0, 4).1.into_iter().for_each(|at| theta[at] *= share);
                Canonical::new(&network, Loss::Mse, &theta).unwrap()
            };
            let none = with(0.0);
            assert_eq!(none.widths(), [4], "{activation:?}");
            let gap = |share: f64| apart(&with(share).sketch(&directions), &none.sketch(&directions));
            nearest = nearest.min(gap(1.0));
            // continuous: no jump where a unit is taken out
            assert!(gap(1e-5) < 1e-4 && gap(1e-7) < 1e-6, "{activation:?}");
        }
        assert!(nearest > 1e-2, "{activation:?}: {nearest:e}");
    }
}

#[test]
fn a_sketch_has_the_same_bits_in_all_lanes() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let points = random(2000, &mut rng);
    for activation in ACTIVATIONS {
        let network = network(&[2, 7, 5, 3], activation);
        let directions = Directions::new(&network, &points);
        let theta = random(network.parameter_count(), &mut rng);
        let canonical = Canonical::new(&network, Loss::CrossEntropy, &theta).unwrap();
        let levels = [Level::Baseline, Level::Avx2, Level::Avx512].into_iter().filter_map(Lanes::force);
        let sketches = levels.map(|lanes| canonical.sketch_on(&directions, lanes).map(f64::to_bits));
        let sketches: Vec<_> = sketches.collect();
        assert!(sketches.iter().all(|sketch| *sketch == sketches[0]), "{activation:?}");
    }
}
