//! Unit lanes against the plain loops of the reference.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use seedsweep_common::{seed, spec};

use super::*;
use crate::nn::lane::{Lanes, Level, Precise};
use crate::nn::optimizer::{Optimizer, WeightDecay};

struct Case<S> {
    network: Network,
    loss: Loss,
    theta: Vec<S>,
    features: Vec<S>,
    targets: Vec<S>,
}

impl<S: Scalar> Case<S> {
    fn new(layers: &[u32], activations: (Activation, Activation), loss: Loss, rows: usize) -> Self {
        let (activation, output_activation) = activations;
        let network = Network::new(&spec::Network::Mlp(spec::Mlp {
            layers: layers.to_vec(),
            activation,
            output_activation,
        }));
        let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
        let mut draws = |count: usize| -> Vec<S> {
            (0..count).map(|_| S::from_f64(2.0 * seed::uniform(rng.next_u64()) - 1.0)).collect()
        };
        let (theta, features) = (draws(network.parameter_count()), draws(rows * network.input_width()));
        let width = network.output_width();
        let targets = match loss {
            Loss::Mse => draws(rows * width),
            _ => (0..rows * width).map(|i| S::from_f64(f64::from(i % width == i / width % width))).collect(),
        };
        Self { network, loss, theta, features, targets }
    }

    fn batch(&self) -> Batch<'_, S> {
        Batch { features: &self.features, targets: &self.targets }
    }

    /// The rows `numbers`, side by side.
    fn gathered(&self, numbers: &[usize]) -> [Vec<S>; 2] {
        let rows = |values: &[S], width: usize| {
            numbers.iter().flat_map(|&row| values[row * width..(row + 1) * width].to_vec()).collect()
        };
        [rows(&self.features, self.network.input_width()), rows(&self.targets, self.network.output_width())]
    }
}

fn bits<S: Scalar>(values: &[S]) -> Vec<u64> {
    values.iter().map(|value| value.to_f64().to_bits()).collect()
}

/// Loss and gradient over all rows, then two updates on rows in some order: at once and from memory, as the plain
/// loops give them.
fn agrees<V: Lane<Elem: Precise>>(case: &Case<V::Elem>, what: &str) {
    let Case { network, loss, .. } = case;
    let l2 = 0.01;
    let plain = Lanes::force(Level::Baseline).unwrap();
    let mut workspace = network.workspace_on(plain);
    let mut gradient = vec![V::Elem::ZERO; case.theta.len()];
    let mut theta = case.theta.clone();
    let value = network.loss_and_gradient(&theta, &case.batch(), *loss, l2, &mut workspace, &mut gradient);

    let mut unit = Unit::<V>::new(network, *loss);
    unit.set(&theta);
    assert_eq!(bits(&unit.get()), bits(&theta), "{what}: parameters come back");
    let aim = || Aim::Gradient { loss: true };
    let found = unit.pass(case.batch(), None, l2, aim(), |_| Ok::<(), ()>(())).unwrap();
    assert_eq!(found.to_f64().to_bits(), value.to_f64().to_bits(), "{what}: loss");
    assert_eq!(bits(&unit.in_drawing_order(&unit.gradient)), bits(&gradient), "{what}: gradient");
    let loss_alone = unit.pass(case.batch(), None, l2, Aim::Loss, |_| Ok::<(), ()>(())).unwrap();
    assert_eq!(loss_alone.to_f64().to_bits(), value.to_f64().to_bits(), "{what}: loss alone");

    let rule = spec::Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let decay = WeightDecay::Coupled(0.02);
    let (mut ours, mut reference) =
        (Optimizer::new(&rule, unit.parameters()), Optimizer::new(&rule, theta.len()));
    let count = case.targets.len() / network.output_width();
    let numbers: Vec<usize> = (0..count).rev().collect();
    for is_at_once in [true, false] {
        let [features, targets] = case.gathered(&numbers);
        let batch = Batch { features: &features, targets: &targets };
        network.gradient(&theta, &batch, *loss, l2, &mut workspace, &mut gradient);
        decay.apply(&mut theta, &mut gradient, 0.1, plain);
        reference.step(&mut theta, &gradient, 0.1, plain);

        let step = ours.begin(decay, 0.1);
        if is_at_once {
            unit.pass(case.batch(), Some(&numbers), l2, Aim::Update(step), |_| Ok::<(), ()>(())).unwrap();
        } else {
            unit.pass(case.batch(), Some(&numbers), l2, aim(), |_| Ok::<(), ()>(())).unwrap();
            unit.update(step);
        }
        assert_eq!(bits(&unit.get()), bits(&theta), "{what}: update, at once: {is_at_once}");
    }
    assert!(unit.is_finite());
    let place = theta.len() - 1;
    theta[place] = V::Elem::from_f64(f64::INFINITY);
    unit.set(&theta);
    assert!(!unit.is_finite(), "{what}: {place} is infinite");
}

fn agrees_at_every_level<S: Precise>(
    layers: &[u32],
    activations: (Activation, Activation),
    loss: Loss,
    rows: usize,
) {
    let case = Case::<S>::new(layers, activations, loss, rows);
    let what = format!("{layers:?} {activations:?} {loss:?} {rows} rows, {} bytes", size_of::<S>());
    agrees::<S>(&case, &what);
    if Lanes::force(Level::Avx2).is_some() {
        agrees::<S::Avx2>(&case, &what);
    }
    if Lanes::force(Level::Avx512).is_some() {
        agrees::<S::Avx512>(&case, &what);
    }
}

#[test]
fn every_activation_and_loss_has_the_bits_of_the_plain_loops() {
    use Activation::{Gelu, Identity, LeakyRelu, Relu, Sigmoid, Tanh};
    for activation in [Relu, LeakyRelu, Gelu, Tanh, Sigmoid, Identity] {
        for (loss, width) in [(Loss::Mse, 2), (Loss::CrossEntropy, 3), (Loss::Logistic, 1)] {
            for layers in [&[3, width][..], &[5, 19, width], &[4, 7, 18, width]] {
                agrees_at_every_level::<f32>(layers, (activation, Identity), loss, 21);
                agrees_at_every_level::<f64>(layers, (activation, Identity), loss, 21);
            }
        }
        agrees_at_every_level::<f32>(&[3, 9, 4], (activation, Tanh), Loss::Mse, 9);
        agrees_at_every_level::<f64>(&[3, 9, 1], (activation, Sigmoid), Loss::Mse, 9);
    }
}

/// All remainders modulo 16 of inputs, widths, outputs and rows, panels of one to four registers and more than one.
#[test]
fn every_remainder_has_the_bits_of_the_plain_loops() {
    let activations = (Activation::LeakyRelu, Activation::Identity);
    for n in 1..=17 {
        let layers = [35 - n, n, 2 * n + 33, 18 - n];
        agrees_at_every_level::<f32>(&layers, activations, Loss::Mse, n as usize);
        agrees_at_every_level::<f64>(&layers, activations, Loss::Mse, 40 - n as usize);
        agrees_at_every_level::<f32>(&[n, 130], activations, Loss::CrossEntropy, 6 * n as usize + 1);
        agrees_at_every_level::<f32>(&[130, n], activations, Loss::Mse, 17 + n as usize);
    }
}

#[test]
fn batches_of_several_pieces_have_the_bits_of_the_plain_loops() {
    for rows in [127, 128, 129, 256, 300] {
        let activations = (Activation::Tanh, Activation::Identity);
        agrees_at_every_level::<f32>(&[3, 20, 1], activations, Loss::Logistic, rows);
        agrees_at_every_level::<f64>(&[3, 20, 17, 2], activations, Loss::Mse, rows);
    }
}

#[test]
fn memory_is_told_before_it_is_taken() {
    for layers in [&[7, 20, 3][..], &[50, 64, 64, 1], &[9, 2]] {
        for activation in [Activation::Gelu, Activation::Relu] {
            for (rows, is_gathered, leaves_gradient) in
                [(40, true, false), (40, false, true), (300, true, false), (300, false, false)]
            {
                let case = Case::<f32>::new(layers, (activation, Activation::Identity), Loss::Mse, rows);
                let (parameters, told) =
                    Unit::<f32>::bytes(&case.network, rows, is_gathered, leaves_gradient);
                let mut unit = Unit::<f32>::new(&case.network, case.loss);
                let mut optimizer = Optimizer::new(&spec::Optimizer::Gd, parameters);
                let numbers: Vec<usize> = (0..rows).collect();
                let aim = match leaves_gradient {
                    true => Aim::Gradient { loss: false },
                    false => Aim::Update(optimizer.begin(WeightDecay::None, 0.1)),
                };
                let pick = is_gathered.then_some(&numbers[..]);
                unit.pass(case.batch(), pick, 0.0, aim, |_| Ok::<(), ()>(())).unwrap();
                assert_eq!(unit.parameters(), parameters);
                assert_eq!(unit.taken(), told, "{layers:?} {activation:?} {rows} rows");
            }
        }
    }
}

impl<V: Lane> Unit<V> {
    /// Bytes of all buffers as they are.
    fn taken(&self) -> usize {
        let Buffers { values, sums, deltas, turned, tile } = &self.buffers;
        let lanes = [&self.theta, &self.gradient, &self.mirrors, tile];
        let lanes = lanes.into_iter().chain(values).chain(sums).chain(deltas).chain(turned);
        let numbers = [&self.gathered.features, &self.gathered.targets];
        lanes.map(|buffer| buffer.capacity() * size_of::<V>()).sum::<usize>()
            + numbers.map(|buffer| buffer.capacity() * size_of::<V::Elem>()).iter().sum::<usize>()
    }
}
