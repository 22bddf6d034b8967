//! The neural tangent kernel at a point: how fast the outputs can follow their targets (Jacot et al. 2018; Du et al.
//! 2018).

use crate::minima::eigen;
use ndarray::Array2;

use super::jacobi::dot;
use crate::nn::data::Rows;
use crate::nn::layer;
use crate::nn::network::Network;
use crate::nn::relu_sum::ReluSum;

/// Rows of the Gram matrix, which are rows of data × outputs: all eigenvalues of so many take milliseconds.
const SIDE: usize = 128;

/// Smallest eigenvalue of the Gram matrix of ∂f_o(x_s)/∂θ over all parameters, for the first training rows, as many as
/// fit [`SIDE`], and all outputs; NaN where a parameter is not finite.
pub(super) fn lambda_min(network: &Network, theta: &[f64], rows: &Rows) -> f64 {
    let gram = match network.sum() {
        Some(sum) => gram_of_sum(sum, theta, rows),
        None => gram(network, theta, rows),
    };
    eigen::values(&gram).and_then(|values| values.first().copied()).unwrap_or(f64::NAN)
}

/// The Gram matrix (rows, squared) of a sum of relus: scale² · x_i·x_j · Σ a² over the units that are on at both rows
/// (Du et al. 2018, the H(t) of theorem 3.2).
fn gram_of_sum(sum: &ReluSum, theta: &[f64], rows: &Rows) -> Array2<f64> {
    let count = SIDE.min(rows.features.nrows());
    let row = |s: usize| rows.features.row(s).to_vec();
    let unit = |u: usize| &theta[u * sum.inputs..(u + 1) * sum.inputs];
    let on = |x: &[f64]| -> Vec<bool> { (0..sum.units).map(|u| dot(unit(u), x) > 0.0).collect() };
    let seen: Vec<(Vec<f64>, Vec<bool>)> = (0..count).map(|s| (row(s), on(&row(s)))).collect();
    // the signs are ±1
    let square = sum.scale_of::<f64>() * sum.scale_of::<f64>();
    Array2::from_shape_fn((count, count), |(i, j)| {
        let ((x, on), (y, other)) = (&seen[i], &seen[j]);
        let both = on.iter().zip(other).filter(|(a, b)| **a && **b).count();
        square * both as f64 * dot(x, y)
    })
}

/// The Gram matrix (rows × outputs, squared). Gradients by one layer's parameters are products of its inputs and of
/// its deltas, so their inner products are products of inner products, and no gradient is ever written down.
fn gram(network: &Network, theta: &[f64], rows: &Rows) -> Array2<f64> {
    let (inputs, outputs) = (network.input_width(), network.output_width());
    let count = (SIDE / outputs).clamp(1, rows.features.nrows());
    let features: Vec<f64> = rows.features.iter().copied().take(count * inputs).collect();
    let layers = network.layers();
    let sums = network.pre_activations(theta, &features);
    // what enters each layer
    let mut entering = vec![features];
    entering.extend(sums.iter().map(|sums| {
        let mut values = sums.clone();
        layer::activate(network.activation(), &mut values);
        values
    }));
    let mut outputs_of_rows = Vec::with_capacity(count * outputs);
    let last = layers[layers.len() - 1];
    for row in entering[layers.len() - 1].chunks_exact(last.inputs) {
        let (weights, biases) = last.parameters(theta);
        outputs_of_rows.extend(weights.chunks_exact(last.inputs).zip(biases).map(|(w, b)| b + dot(w, row)));
    }
    layer::activate(network.output_activation(), &mut outputs_of_rows);

    let side = count * outputs;
    // ∂f_o/∂f_o is 1; row s·outputs + o stands for output o of row s
    let mut deltas: Vec<f64> = vec![0.0; side * outputs];
    (0..side).for_each(|at| deltas[at * outputs + at % outputs] = 1.0);
    let repeated: Vec<f64> =
        outputs_of_rows.chunks_exact(outputs).flat_map(|row| row.repeat(outputs)).collect();
    layer::multiply_by_derivative(network.output_activation(), &repeated, &[], &mut deltas);
    let mut gram = Array2::zeros((side, side));
    for (l, one) in layers.iter().enumerate().rev() {
        let row = |number: usize, width: usize, of: &[f64]| of[number * width..(number + 1) * width].to_vec();
        for i in 0..side {
            let (delta, entered) = (row(i, one.outputs, &deltas), row(i / outputs, one.inputs, &entering[l]));
            for j in 0..=i {
                let other = &deltas[j * one.outputs..(j + 1) * one.outputs];
                let entered_other = &entering[l][j / outputs * one.inputs..(j / outputs + 1) * one.inputs];
                // + 1 for the bias
                gram[[i, j]] += dot(&delta, other) * (dot(&entered, entered_other) + 1.0);
            }
        }
        if l > 0 {
            let (weights, _) = one.parameters(theta);
            let mut below = vec![0.0; side * one.inputs];
            for (below, delta) in below.chunks_exact_mut(one.inputs).zip(deltas.chunks_exact(one.outputs)) {
                for (&d, weights) in delta.iter().zip(weights.chunks_exact(one.inputs)) {
                    below.iter_mut().zip(weights).for_each(|(below, w)| *below += d * w);
                }
            }
            let each = |of: &[f64]| -> Vec<f64> {
                of.chunks_exact(one.inputs).flat_map(|row| row.repeat(outputs)).collect()
            };
            let (values, sums) = (each(&entering[l]), each(&sums[l - 1]));
            layer::multiply_by_derivative(network.activation(), &values, &sums, &mut below);
            deltas = below;
        }
    }
    for i in 0..side {
        for j in 0..i {
            gram[[j, i]] = gram[[i, j]];
        }
    }
    gram
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::{RngExt, SeedableRng};
    use seedsweep_common::spec::{self, Activation, SumOutput, SumScale};

    use super::*;

    /// science.md S6: ten points in five dimensions, to be scaled to length 1.
    const POINTS: [[f64; 5]; 10] = [
        [0.3062, 0.5165, -0.7423, -0.0401, 0.2947],
        [0.6118, 0.2958, 0.6774, 0.1312, 0.2494],
        [0.1158, -0.6957, -0.5485, 0.2459, -0.3759],
        [0.4377, 0.4449, 0.6192, -0.009, 0.4763],
        [-0.4458, -0.4017, 0.04, 0.1385, -0.7869],
        [-0.7393, 0.1517, -0.3683, 0.5162, 0.1685],
        [0.2099, 0.1424, 0.6119, -0.1046, 0.7418],
        [-0.4907, -0.2099, -0.6349, 0.5576, 0.0335],
        [-0.3836, 0.8906, -0.1618, -0.0517, 0.1754],
        [0.7305, -0.062, 0.2939, 0.0413, -0.6119],
    ];

    #[test]
    fn the_infinite_kernel_has_the_eigenvalue_of_du_et_al() {
        let unit: Vec<Vec<f64>> =
            POINTS.iter().map(|x| x.iter().map(|v| v / dot(x, x).sqrt()).collect()).collect();
        let kernel = Array2::from_shape_fn((10, 10), |(i, j)| {
            let cosine = dot(&unit[i], &unit[j]).clamp(-1.0, 1.0);
            cosine * (std::f64::consts::PI - cosine.acos()) / (2.0 * std::f64::consts::PI)
        });
        let values = eigen::values(&kernel).unwrap();
        // science.md S6: λ₀ and λ_max in closed form
        assert!((values[0] - 0.055_002_947_5).abs() < 1e-10, "{}", values[0]);
        assert!((values[9] - 1.427_659_87).abs() < 1e-8, "{}", values[9]);
    }

    /// science.md S6: λ_min(H(0)) / λ₀ is .98 to 1.00 for wide networks, unit inputs and standard normal weights.
    #[test]
    fn a_wide_sum_of_relus_starts_with_the_infinite_kernel() {
        let (output, scale) = (SumOutput::RandomSigns, SumScale::InverseSqrtUnits);
        let network =
            Network::new(&spec::Network::ReluSum(spec::ReluSum { inputs: 5, units: 16_384, output, scale }));
        let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(6);
        let mut theta: Vec<f64> = (0..5 * 16_384).map(|_| rng.sample(rand_distr::StandardNormal)).collect();
        theta.extend((0..16_384).map(|unit| if unit % 2 == 0 { 1.0 } else { -1.0 }));
        let features =
            Array2::from_shape_fn((10, 5), |(i, j)| POINTS[i][j] / dot(&POINTS[i], &POINTS[i]).sqrt());
        let rows = Rows { features, targets: Array2::zeros((10, 1)) };
        let ratio = lambda_min(&network, &theta, &rows) / 0.055_002_947_5;
        assert!((0.95..1.03).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_gram_matrix_is_that_of_finite_differences() {
        for activation in [Activation::Tanh, Activation::Gelu, Activation::Relu, Activation::Sigmoid] {
            for output_activation in [Activation::Identity, Activation::Tanh] {
                let layers = vec![5, 4, 3, 2];
                let network = Network::new(&spec::Mlp { layers, activation, output_activation }.into());
                let theta: Vec<f64> =
                    (0..network.parameter_count()).map(|i| 0.8 * (1.7 * i as f64).sin()).collect();
                let features = Array2::from_shape_fn((10, 5), |(i, j)| POINTS[i][j]);
                let targets = Array2::zeros((10, 2));
                let found = gram(&network, &theta, &Rows { features: features.clone(), targets });
                let mut workspace = network.workspace();
                let step = 1e-5;
                let mut outputs_at = |parameter: usize, step: f64| {
                    let mut theta = theta.clone();
                    theta[parameter] += step;
                    network.outputs(&theta, features.as_slice().unwrap(), &mut workspace)
                };
                let mut expected = Array2::<f64>::zeros((20, 20));
                for parameter in 0..theta.len() {
                    let (up, down) = (outputs_at(parameter, step), outputs_at(parameter, -step));
                    let slopes: Vec<f64> =
                        up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * step)).collect();
                    expected += &Array2::from_shape_fn((20, 20), |(i, j)| slopes[i] * slopes[j]);
                }
                let error = (&found - &expected).iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                assert!(error < 1e-7, "{activation:?} {output_activation:?}: {error}");
            }
        }
    }
}
