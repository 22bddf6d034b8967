use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use seedsweep_common::seed;

use super::*;
use crate::nn::lane::Level;
use crate::nn::loss;
use crate::nn::scalar::{Dual, Number};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];
const LOSSES: [Loss; 3] = [Loss::Mse, Loss::CrossEntropy, Loss::Logistic];

/// A network with parameters and rows to try it on.
struct Case {
    network: Network,
    theta: Vec<f64>,
    features: Vec<f64>,
    targets: Vec<f64>,
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    2.0 * seed::uniform(rng.next_u64()) - 1.0
}

fn case(layers: &[u32], activation: Activation, loss: Loss, rows: usize, seed: u64) -> Case {
    let network = Network::new(&spec::Network::Mlp(spec::Mlp {
        layers: layers.to_vec(),
        activation,
        output_activation: Activation::Identity,
    }));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let theta = (0..network.parameter_count()).map(|_| uniform(&mut rng)).collect();
    let features = (0..rows * network.input_width()).map(|_| uniform(&mut rng)).collect();
    let width = network.output_width();
    let targets = (0..rows)
        .flat_map(|_| {
            let class = seed::below(rng.next_u64(), width.max(2) as u64) as usize;
            match loss {
                Loss::Mse => (0..width).map(|_| uniform(&mut rng)).collect::<Vec<_>>(),
                Loss::CrossEntropy => (0..width).map(|k| f64::from(k == class)).collect(),
                Loss::Logistic | Loss::Population => vec![class as f64],
            }
        })
        .collect();
    Case { network, theta, features, targets }
}

/// Shapes with one to three layers; the last width suits the loss.
fn shapes(loss: Loss) -> Vec<Vec<u32>> {
    let out = match loss {
        Loss::Mse => 2,
        Loss::CrossEntropy => 3,
        Loss::Logistic | Loss::Population => 1,
    };
    vec![vec![3, out], vec![3, 5, out], vec![2, 4, 3, out]]
}

fn every_case(rows: usize) -> impl Iterator<Item = (Loss, Case)> {
    LOSSES.into_iter().flat_map(move |loss| {
        shapes(loss).into_iter().flat_map(move |layers| {
            ACTIVATIONS.into_iter().map(move |act| (loss, case(&layers, act, loss, rows, 7)))
        })
    })
}

fn cast<S: Scalar>(values: &[f64]) -> Vec<S> {
    values.iter().map(|&value| S::from_f64(value)).collect()
}

#[test]
fn gradient_agrees_with_central_differences() {
    let h = 1e-6;
    for (loss, case) in every_case(7) {
        for l2 in [0.0, 0.01] {
            let batch = Batch { features: &case.features, targets: &case.targets };
            let mut workspace = case.network.workspace();
            let mut gradient = vec![0.0; case.theta.len()];
            case.network.loss_and_gradient(&case.theta, &batch, loss, l2, &mut workspace, &mut gradient);
            for i in 0..case.theta.len() {
                let mut at = |step: f64| {
                    let mut theta = case.theta.clone();
                    theta[i] += step;
                    case.network.loss(&theta, &batch, loss, l2, &mut workspace)
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                let error = (gradient[i] - difference).abs();
                assert!(error < 2e-9, "{loss:?} {:?} l2 {l2} θ[{i}]: {error:e}", case.network);
            }
        }
    }
}

/// mse behind tanh and sigmoid, on both sides of the derivative.
#[test]
fn output_activations_agree_with_central_differences() {
    let h = 1e-6;
    for output in [Activation::Tanh, Activation::Sigmoid] {
        let mut case = case(&[3, 5, 2], Activation::Gelu, Loss::Mse, 7, 7);
        case.network.output_activation = output;
        let batch = Batch { features: &case.features, targets: &case.targets };
        let n = case.theta.len();
        let mut workspace = case.network.workspace();
        let mut gradient_at = |theta: &[f64]| {
            let mut gradient = vec![0.0; n];
            let loss =
                case.network.loss_and_gradient(theta, &batch, Loss::Mse, 0.01, &mut workspace, &mut gradient);
            (loss, gradient)
        };
        let (_, gradient) = gradient_at(&case.theta);
        let mut hessian = Curvature::new(&case.network, &case.theta, &batch, Loss::Mse, 0.01);
        for i in 0..n {
            let mut moved = |step: f64| {
                let mut theta = case.theta.clone();
                theta[i] += step;
                gradient_at(&theta)
            };
            let ((above, slope_above), (below, slope_below)) = (moved(h), moved(-h));
            assert!((gradient[i] - (above - below) / (2.0 * h)).abs() < 2e-9, "{output:?} θ[{i}]");
            let (mut direction, mut product) = (vec![0.0; n], vec![0.0; n]);
            direction[i] = 1.0;
            hessian.apply(&direction, &mut product);
            for k in 0..n {
                let difference = (slope_above[k] - slope_below[k]) / (2.0 * h);
                assert!((product[k] - difference).abs() < 2e-8, "{output:?} θ[{i}], θ[{k}]");
            }
        }
        let outputs = case.network.outputs(&case.theta, &case.features, &mut case.network.workspace());
        let low = if output == Activation::Tanh { -1.0 } else { 0.0 };
        assert!(outputs.iter().all(|f| (low..=1.0).contains(f)));
    }
}

#[test]
fn curvature_agrees_with_central_differences_of_the_gradient() {
    let h = 1e-6;
    for (loss, case) in every_case(7) {
        let l2 = 0.01;
        let n = case.theta.len();
        let batch = Batch { features: &case.features, targets: &case.targets };
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let direction: Vec<f64> = (0..n).map(|_| uniform(&mut rng)).collect();
        let mut product = vec![0.0; n];
        Curvature::new(&case.network, &case.theta, &batch, loss, l2).apply(&direction, &mut product);
        let mut workspace = case.network.workspace();
        let mut gradient_at = |step: f64| {
            let theta: Vec<f64> = case.theta.iter().zip(&direction).map(|(t, d)| t + step * d).collect();
            let mut gradient = vec![0.0; n];
            case.network.gradient(&theta, &batch, loss, l2, &mut workspace, &mut gradient);
            gradient
        };
        for (i, (above, below)) in gradient_at(h).into_iter().zip(gradient_at(-h)).enumerate() {
            let error = (product[i] - (above - below) / (2.0 * h)).abs();
            assert!(error < 2e-8, "{loss:?} {:?} θ[{i}]: {error:e}", case.network);
        }
    }
}

#[test]
fn dual_numbers_carry_the_bits_of_f64() {
    for (loss, case) in every_case(70) {
        let mut gradient = vec![0.0; case.theta.len()];
        let batch = Batch { features: &case.features, targets: &case.targets };
        let value = case.network.loss_and_gradient(
            &case.theta,
            &batch,
            loss,
            0.01,
            &mut case.network.workspace(),
            &mut gradient,
        );
        let (theta, features, targets) =
            (cast::<Dual>(&case.theta), cast(&case.features), cast(&case.targets));
        let mut dual = vec![Dual::ZERO; theta.len()];
        let batch = Batch { features: &features, targets: &targets };
        let mut workspace = case.network.workspace();
        let dual_value =
            case.network.loss_and_gradient(&theta, &batch, loss, 0.01, &mut workspace, &mut dual);
        assert_eq!(value.to_bits(), dual_value.value.to_bits());
        assert!(gradient.iter().zip(&dual).all(|(g, d)| g.to_bits() == d.value.to_bits()));
    }
}

fn normal_distribution<S: Scalar>(z: S) -> S {
    S::from_f64(0.5).fma(z.mul(S::from_f64(0.5_f64.sqrt())).erf(), S::from_f64(0.5))
}

/// The numeric contract as plainly as it can be written, one number at a time.
fn by_definition<S: Scalar>(
    network: &Network,
    theta: &[S],
    batch: &Batch<'_, S>,
    loss: Loss,
    l2: f64,
) -> Vec<S> {
    let rows = batch.features.len() / network.input_width();
    let last = network.layers().len() - 1;
    let mut gradient = vec![S::ZERO; theta.len()];
    for s in 0..rows {
        let mut values = vec![batch.features[s * network.input_width()..][..network.input_width()].to_vec()];
        let mut before = vec![Vec::new()];
        for (l, layer) in network.layers().iter().enumerate() {
            let (weights, biases) = layer.parameters(theta);
            let mut sums = Vec::new();
            for u in 0..layer.outputs {
                let mut sum = biases[u];
                for k in 0..layer.inputs {
                    sum = weights[u * layer.inputs + k].fma(values[l][k], sum);
                }
                sums.push(sum);
            }
            before.push(sums.clone());
            if l < last {
                for sum in &mut sums {
                    *sum = match network.activation() {
                        Activation::Relu => S::select(sum.gt(S::ZERO), *sum, S::ZERO),
                        Activation::LeakyRelu => {
                            S::select(sum.gt(S::ZERO), *sum, S::from_f64(0.01).mul(*sum))
                        }
                        Activation::Gelu => sum.mul(normal_distribution(*sum)),
                        Activation::Tanh => sum.tanh(),
                        Activation::Sigmoid => sum.sigmoid(),
                        Activation::Identity => *sum,
                    };
                }
            }
            values.push(sums);
        }
        let width = network.output_width();
        let mut delta = vec![S::ZERO; width];
        let share = S::from_f64(1.0 / rows as f64);
        let targets = &batch.targets[s * width..][..width];
        loss::output_deltas(loss, &values[last + 1], targets, width, share, &mut delta);
        for (l, layer) in network.layers().iter().enumerate().rev() {
            let (weights, biases) = layer.parameters_mut(&mut gradient);
            for u in 0..layer.outputs {
                for k in 0..layer.inputs {
                    let g = &mut weights[u * layer.inputs + k];
                    *g = delta[u].fma(values[l][k], *g);
                }
                biases[u] = biases[u].add(delta[u]);
            }
            let (weights, _) = layer.parameters(theta);
            let mut below = Vec::new();
            for k in 0..layer.inputs {
                let mut sum = S::ZERO;
                for u in 0..layer.outputs {
                    sum = weights[u * layer.inputs + k].fma(delta[u], sum);
                }
                let a = values[l][k];
                if l == 0 {
                    below.push(sum);
                    continue;
                }
                below.push(sum.mul(match network.activation() {
                    Activation::Relu => S::select(a.gt(S::ZERO), S::ONE, S::ZERO),
                    Activation::LeakyRelu => S::select(a.gt(S::ZERO), S::ONE, S::from_f64(0.01)),
                    Activation::Gelu => {
                        let z = before[l][k];
                        let t = z.mul(S::from_f64(0.5_f64.sqrt()));
                        let height = S::from_f64(1.0 / (2.0 * std::f64::consts::PI).sqrt());
                        z.fma(height.mul(t.neg().mul(t).exp()), normal_distribution(z))
                    }
                    Activation::Tanh => a.neg().fma(a, S::ONE),
                    Activation::Sigmoid => a.neg().fma(a, a),
                    Activation::Identity => S::ONE,
                }));
            }
            delta = below;
        }
    }
    for (g, &t) in gradient.iter_mut().zip(theta) {
        *g = S::from_f64(2.0 * l2).fma(t, *g);
    }
    gradient
}

fn bits_equal_at_every_level<S: Scalar>() {
    for layers in [&[5, 3][..], &[2, 7, 3], &[9, 33, 17, 3], &[20, 16, 3]] {
        for loss in [Loss::Mse, Loss::CrossEntropy] {
            for activation in ACTIVATIONS {
                for rows in [1, 2, 63, 64, 65, 150] {
                    let case = case(layers, activation, loss, rows, 3);
                    let (theta, features, targets) =
                        (cast::<S>(&case.theta), cast::<S>(&case.features), cast::<S>(&case.targets));
                    let batch = Batch { features: &features, targets: &targets };
                    let bits = |values: &[S]| values.iter().map(|v| v.to_f64().to_bits()).collect::<Vec<_>>();
                    let expected = bits(&by_definition(&case.network, &theta, &batch, loss, 0.01));
                    let mut losses = Vec::new();
                    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
                        let Some(lanes) = Lanes::force(level) else { continue };
                        let mut workspace = case.network.workspace_on(lanes);
                        let mut gradient = vec![S::ZERO; theta.len()];
                        let value = case.network.loss_and_gradient(
                            &theta,
                            &batch,
                            loss,
                            0.01,
                            &mut workspace,
                            &mut gradient,
                        );
                        losses.push(value.to_f64().to_bits());
                        assert_eq!(bits(&gradient), expected, "{level:?} {layers:?} {activation:?} {rows}");
                    }
                    assert!(losses.windows(2).all(|pair| pair[0] == pair[1]));
                }
            }
        }
    }
}

#[test]
fn single_precision_bits_are_those_of_the_definition_at_every_level() {
    bits_equal_at_every_level::<f32>();
}

#[test]
fn double_precision_bits_are_those_of_the_definition_at_every_level() {
    bits_equal_at_every_level::<f64>();
}

#[test]
fn pre_activations_are_what_the_activation_sees() {
    let case = case(&[2, 4, 3, 1], Activation::Tanh, Loss::Logistic, 5, 1);
    let sums = case.network.pre_activations(&case.theta, &case.features);
    assert_eq!(sums.iter().map(Vec::len).collect::<Vec<_>>(), [20, 15]);
    let (weights, biases) = case.network.layers()[2].parameters(&case.theta);
    let outputs = case.network.outputs(&case.theta, &case.features, &mut case.network.workspace());
    for (row, output) in sums[1].chunks_exact(3).zip(outputs) {
        let mut sum = biases[0];
        for (w, z) in weights.iter().zip(row) {
            sum = w.mul_add(Number::tanh(*z), sum);
        }
        assert_eq!(sum.to_bits(), output.to_bits());
    }
}
