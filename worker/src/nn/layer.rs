//! One fully connected layer on plain slices: forward, backward and gradient.
//!
//! All three are the same few loops over `chains`, which lets many sums grow side by side while each keeps the
//! order that the numeric contract (`docs/engine.md`) gives it.

use seedsweep_common::spec::Activation;

use crate::nn::lane::Lanes;
use crate::nn::scalar::{Number, Scalar};

/// Slope of leaky_relu below 0 (PyTorch's default).
pub(crate) const LEAKY_SLOPE: f64 = 0.01;
/// Values whose tanh is computed side by side.
const TANH_ABREAST: usize = 4;
/// 1/√(2π).
const NORMAL_HEIGHT: f64 = 0.398_942_280_401_432_7;

/// Where a layer's parameters lie in the flat vector: weights (outputs, inputs) row-major, then biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Width of what comes in.
    pub inputs: usize,
    /// Width of what goes out.
    pub outputs: usize,
    /// Index of the first weight; the biases follow the weights.
    pub offset: usize,
}

impl Layer {
    /// Number of weights.
    #[inline(always)]
    pub fn weight_count(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.weight_count() + self.outputs
    }

    /// The layer's weights (outputs, inputs) and biases (outputs) in `theta`, all parameters.
    #[inline(always)]
    pub fn parameters<'a, S>(&self, theta: &'a [S]) -> (&'a [S], &'a [S]) {
        theta[self.offset..self.offset + self.weight_count() + self.outputs].split_at(self.weight_count())
    }

    /// As [`Layer::parameters`], to write to.
    #[inline(always)]
    pub fn parameters_mut<'a, S>(&self, theta: &'a mut [S]) -> (&'a mut [S], &'a mut [S]) {
        theta[self.offset..self.offset + self.weight_count() + self.outputs].split_at_mut(self.weight_count())
    }
}

/// Side of the squares in which [`transpose`] works, so that both sides stay in the cache.
const BLOCK: usize = 16;

/// Copies weights (outputs, inputs) to `transposed` (inputs, outputs).
#[inline(always)]
pub fn transpose<S: Number>(layer: &Layer, weights: &[S], transposed: &mut [S]) {
    for (block, rows) in weights.chunks(BLOCK * layer.inputs).enumerate() {
        let rows_here = rows.len() / layer.inputs;
        for from in (0..layer.inputs).step_by(BLOCK) {
            for k in from..layer.inputs.min(from + BLOCK) {
                let column = &mut transposed[k * layer.outputs + block * BLOCK..][..rows_here];
                for (u, to) in column.iter_mut().enumerate() {
                    *to = rows[u * layer.inputs + k];
                }
            }
        }
    }
}

/// [`forward`], [`backward`] before the derivative, and the weights of [`add_gradient`], in vector lanes where there
/// are some for this width; each says whether it has done it.
pub mod lanes {
    use super::Layer;
    use crate::nn::lane::{Across, Lanes, Matrix, Shared, Start};
    use crate::nn::scalar::Scalar;

    /// The sums of [`super::forward`].
    #[inline(always)]
    pub fn forward<S: Scalar>(
        layer: &Layer,
        transposed: &[S],
        biases: &[S],
        inputs: &[S],
        sums: &mut [S],
        lanes: Lanes,
    ) -> bool {
        let product = Across {
            vectors: transposed,
            singles: Matrix { operand: Shared(inputs), along: 1, across: layer.inputs },
            depth: layer.inputs,
            start: Start::Values(biases),
            sums,
            columns: layer.outputs,
        };
        S::in_lanes(product, lanes)
    }

    /// The sums of [`super::backward`].
    #[inline(always)]
    pub fn backward<S: Scalar>(
        layer: &Layer,
        weights: &[S],
        deltas: &[S],
        below: &mut [S],
        lanes: Lanes,
    ) -> bool {
        let product = Across {
            vectors: weights,
            singles: Matrix { operand: Shared(deltas), along: 1, across: layer.outputs },
            depth: layer.outputs,
            start: Start::Zero,
            sums: below,
            columns: layer.inputs,
        };
        S::in_lanes(product, lanes)
    }

    /// The sums of the weights of [`super::add_gradient`].
    #[inline(always)]
    pub fn add_gradient<S: Scalar>(
        layer: &Layer,
        deltas: &[S],
        inputs: &[S],
        weights: &mut [S],
        lanes: Lanes,
    ) -> bool {
        let product = Across {
            vectors: inputs,
            singles: Matrix { operand: Shared(deltas), along: layer.outputs, across: 1 },
            depth: deltas.len() / layer.outputs,
            start: Start::Present,
            sums: weights,
            columns: layer.inputs,
        };
        S::in_lanes(product, lanes)
    }
}

/// `z[s][u] = b[u]`, then `fma(w[u][k], a[s][k], z[s][u])` for k ascending.
/// `transposed` (inputs, outputs), `inputs` (rows, inputs), `sums` (rows, outputs).
#[inline(always)]
pub fn forward<S: Scalar>(
    layer: &Layer,
    transposed: &[S],
    biases: &[S],
    inputs: &[S],
    sums: &mut [S],
    on: Lanes,
) {
    if lanes::forward(layer, transposed, biases, inputs, sums, on) {
        return;
    }
    for row in sums.chunks_exact_mut(layer.outputs) {
        row.copy_from_slice(biases);
    }
    for (k, row) in transposed.chunks_exact(layer.outputs).enumerate() {
        chains(row, &inputs[k..], layer.inputs, sums);
    }
}

/// `d[s][k] = 0`, then `fma(w[u][k], δ[s][u], d[s][k])` for u ascending. What follows is one multiplication by the
/// derivative of the activation below. `weights` (outputs, inputs), `deltas` (rows, outputs), `below` (rows, inputs).
#[inline(always)]
pub fn backward<S: Scalar>(layer: &Layer, weights: &[S], deltas: &[S], below: &mut [S], on: Lanes) {
    if !lanes::backward(layer, weights, deltas, below, on) {
        below.fill(S::ZERO);
        for (u, row) in weights.chunks_exact(layer.inputs).enumerate() {
            chains(row, &deltas[u..], layer.outputs, below);
        }
    }
}

/// Goes on with the sums over rows: `fma(δ[s][u], a[s][k], g[u][k])` and `g[u] + δ[s][u]`, s ascending.
/// `deltas` (rows, outputs), `inputs` (rows, inputs), `weights` (outputs, inputs), `biases` (outputs).
#[inline(always)]
pub fn add_gradient<S: Scalar>(
    layer: &Layer,
    deltas: &[S],
    inputs: &[S],
    weights: &mut [S],
    biases: &mut [S],
    on: Lanes,
) {
    let done = lanes::add_gradient(layer, deltas, inputs, weights, on);
    for (delta, input) in deltas.chunks_exact(layer.outputs).zip(inputs.chunks_exact(layer.inputs)) {
        if !done {
            chains(input, delta, 1, weights);
        }
        for (sum, &d) in biases.iter_mut().zip(delta) {
            *sum = sum.add(d);
        }
    }
}

/// One step of many chains: `sums[i][j] = fma(factors[i · stride], row[j], sums[i][j])`.
/// `row` (n), `sums` (m, n). Which i and j go first changes no bit.
#[inline(always)]
fn chains<S: Number>(row: &[S], factors: &[S], stride: usize, sums: &mut [S]) {
    for (i, sums) in sums.chunks_exact_mut(row.len()).enumerate() {
        let factor = factors[i * stride];
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum = factor.fma(x, *sum);
        }
    }
}

/// Replaces each z by the activation's value.
#[inline(always)]
pub fn activate<S: Number>(activation: Activation, values: &mut [S]) {
    match activation {
        Activation::Relu => {
            for z in values {
                *z = S::select(z.gt(S::ZERO), *z, S::ZERO);
            }
        }
        Activation::LeakyRelu => {
            let slope = S::from_f64(LEAKY_SLOPE);
            for z in values {
                *z = S::select(z.gt(S::ZERO), *z, slope.mul(*z));
            }
        }
        Activation::Gelu => {
            for z in values {
                *z = z.mul(normal_distribution(*z));
            }
        }
        Activation::Tanh => {
            let (some, rest) = values.as_chunks_mut::<TANH_ABREAST>();
            for z in some {
                *z = S::tanh_each(*z);
            }
            for z in rest {
                *z = z.tanh();
            }
        }
        Activation::Sigmoid => {
            for z in values {
                *z = z.sigmoid();
            }
        }
        Activation::Identity => {}
    }
}

/// Whether the derivative needs the sum z; the others are written in the value a.
pub fn needs_sums(activation: Activation) -> bool {
    match activation {
        Activation::Gelu => true,
        Activation::Relu
        | Activation::LeakyRelu
        | Activation::Tanh
        | Activation::Sigmoid
        | Activation::Identity => false,
    }
}

/// Φ(z) = ½ + ½·erf(z·√½), the normal distribution.
#[inline(always)]
fn normal_distribution<S: Number>(z: S) -> S {
    let half = S::from_f64(0.5);
    half.fma(z.mul(S::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf(), half)
}

/// φ·z + Φ, gelu's derivative where Φ(z) is `distribution`; φ(z) = exp(−z²/2)/√(2π).
#[inline(always)]
fn gelu_slope<S: Number>(z: S, distribution: S) -> S {
    let t = z.mul(S::from_f64(std::f64::consts::FRAC_1_SQRT_2));
    let density = S::from_f64(NORMAL_HEIGHT).mul(t.neg().mul(t).exp());
    z.fma(density, distribution)
}

/// gelu: [`activate`] and, in `slopes`, the derivative that [`multiply_by_derivative`] has, from one Φ(z).
#[inline(always)]
pub(crate) fn activate_gelu<S: Number>(values: &mut [S], slopes: &mut [S]) {
    for (z, slope) in values.iter_mut().zip(slopes) {
        let distribution = normal_distribution(*z);
        *slope = gelu_slope(*z, distribution);
        *z = z.mul(distribution);
    }
}

/// Multiplies each δ by the derivative of the activation, written in its value a: relu 1 if a > 0 else 0,
/// leaky_relu 1 if a > 0 else 1/100, tanh 1 − a², sigmoid a − a², each rounded once; gelu in its sum z:
/// Φ(z) + z·exp(−z²/2)/√(2π). `values`, `deltas` and, where [`needs_sums`] says so, `sums` (rows, width).
#[inline(always)]
pub fn multiply_by_derivative<S: Number>(activation: Activation, values: &[S], sums: &[S], deltas: &mut [S]) {
    match activation {
        Activation::LeakyRelu => {
            let slope = S::from_f64(LEAKY_SLOPE);
            for (d, &a) in deltas.iter_mut().zip(values) {
                *d = d.mul(S::select(a.gt(S::ZERO), S::ONE, slope));
            }
        }
        Activation::Gelu => {
            for (d, &z) in deltas.iter_mut().zip(sums) {
                *d = d.mul(gelu_slope(z, normal_distribution(z)));
            }
        }
        Activation::Relu => {
            for (d, &a) in deltas.iter_mut().zip(values) {
                *d = d.mul(S::select(a.gt(S::ZERO), S::ONE, S::ZERO));
            }
        }
        Activation::Tanh => {
            for (d, &a) in deltas.iter_mut().zip(values) {
                *d = d.mul(a.neg().fma(a, S::ONE));
            }
        }
        Activation::Sigmoid => {
            for (d, &a) in deltas.iter_mut().zip(values) {
                *d = d.mul(a.neg().fma(a, a));
            }
        }
        Activation::Identity => {}
    }
}
