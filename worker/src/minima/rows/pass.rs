//! One network over some blocks of eight rows: outputs, and what these rows give to loss and gradient.
//!
//! The expression trees of one row are those of `nn/network.rs`; only sums over rows differ, which are eight chains,
//! row r in chain r mod 8.

use seedsweep_common::spec::Loss;

use super::eight::{Eight, ROWS};
use super::jet::Jet;
use crate::nn::lane::{Job, Lane};
use crate::nn::layer::{self, Layer};
use crate::nn::loss;
use crate::nn::network::Network;
use crate::nn::scalar::Number;

/// Units whose sums grow side by side.
const STRIP: usize = 4;

/// Eight rows in one value, perhaps with derivatives.
pub(super) trait Rowed: Number {
    /// Derivative of a parameter.
    type Slope: Copy;
    /// A parameter, the same for all rows.
    fn parameter(value: f64, slope: Self::Slope) -> Self;
    /// A number of the data for each row.
    fn datum(rows: &[f64; ROWS]) -> Self;
    /// The sum over the rows, of the value.
    fn total(self) -> f64;
}

impl<V: Lane<Elem = f64>, const N: usize> Rowed for Eight<V, N> {
    type Slope = ();

    #[inline(always)]
    fn parameter(value: f64, (): ()) -> Self {
        Self::splat(value)
    }
    #[inline(always)]
    fn datum(rows: &[f64; ROWS]) -> Self {
        Self::load(rows)
    }
    #[inline(always)]
    fn total(self) -> f64 {
        Self::total(self)
    }
}

impl<V: Lane<Elem = f64>, const N: usize> Rowed for Jet<Eight<V, N>> {
    type Slope = f64;

    #[inline(always)]
    fn parameter(value: f64, slope: f64) -> Self {
        Self { value: Eight::splat(value), slope: Eight::splat(slope) }
    }
    #[inline(always)]
    fn datum(rows: &[f64; ROWS]) -> Self {
        Self { value: Eight::load(rows), slope: Eight::ZERO }
    }
    #[inline(always)]
    fn total(self) -> f64 {
        self.value.total()
    }
}

/// Parameters with their derivatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theta<'a, S> {
    pub(super) values: &'a [f64],
    pub(super) slopes: &'a [S],
}

impl<S: Copy> Theta<'_, S> {
    #[inline(always)]
    pub(super) fn get<R: Rowed<Slope = S>>(&self, index: usize) -> R {
        R::parameter(self.values[index], self.slopes[index])
    }
}

/// What a walk over the rows leaves, and what it works with.
#[derive(Debug)]
pub(super) struct Buffers<R> {
    /// (blocks, inputs).
    pub(super) features: Vec<R>,
    /// (blocks, outputs).
    pub(super) targets: Vec<R>,
    /// For each layer its values after the activation, (blocks, outputs).
    pub(super) values: Vec<Vec<R>>,
    /// For each hidden layer its values before the activation; empty where no derivative needs them.
    pub(super) sums: Vec<Vec<R>>,
    /// For each layer the loss's derivatives by its sums, (blocks, outputs).
    pub(super) deltas: Vec<Vec<R>>,
    /// Chains of the gradient, in drawing order.
    pub(super) gradient: Vec<R>,
    /// Chains of the losses.
    pub(super) loss: R,
}

impl<R: Number> Buffers<R> {
    /// For at most `blocks` blocks at once.
    pub(super) fn new(network: &Network, blocks: usize) -> Self {
        let layers = network.layers();
        let hidden = &layers[..layers.len() - 1];
        let zeros = |width: usize| vec![R::ZERO; blocks * width];
        let with_sums = layer::needs_sums(network.activation());
        Self {
            features: zeros(network.input_width()),
            targets: zeros(network.output_width()),
            values: layers.iter().map(|layer| zeros(layer.outputs)).collect(),
            sums: hidden.iter().map(|layer| zeros(if with_sums { layer.outputs } else { 0 })).collect(),
            deltas: layers.iter().map(|layer| zeros(layer.outputs)).collect(),
            gradient: vec![R::ZERO; network.parameter_count()],
            loss: R::ZERO,
        }
    }
}

/// Some blocks of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// (blocks, inputs).
    pub(super) features: &'a [[f64; ROWS]],
    /// (blocks, outputs).
    pub(super) targets: &'a [[f64; ROWS]],
    /// Rows in the last block; the others are full.
    pub(super) in_last: usize,
}

impl Blocks<'_> {
    /// Which lanes of the last block hold rows.
    #[inline(always)]
    pub(super) fn is_row<R: Rowed>(&self) -> R::Mask {
        let mut is_row = [0.0; ROWS];
        is_row[..self.in_last].fill(1.0);
        R::datum(&is_row).gt(R::ZERO)
    }
}

/// Outputs of some blocks, left in the buffers.
pub(super) struct Forward<'a, R: Rowed> {
    pub(super) network: &'a Network,
    pub(super) theta: Theta<'a, R::Slope>,
    pub(super) blocks: Blocks<'a>,
    pub(super) buffers: &'a mut Buffers<R>,
}

impl<R: Rowed> Job for Forward<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { network, theta, blocks: Blocks { features, .. }, buffers } = self;
        let blocks = features.len() / network.input_width();
        for (value, rows) in buffers.features.iter_mut().zip(features) {
            *value = R::datum(rows);
        }
        let last = network.layers().len() - 1;
        for (l, layer) in network.layers().iter().enumerate() {
            let (below, from_here) = buffers.values.split_at_mut(l);
            let inputs = &below.last().unwrap_or(&buffers.features)[..blocks * layer.inputs];
            let values = &mut from_here[0][..blocks * layer.outputs];
            forward(layer, &theta, inputs, values);
            if l == last {
                layer::activate(network.output_activation(), values);
                return;
            }
            if layer::needs_sums(network.activation()) {
                buffers.sums[l][..values.len()].copy_from_slice(values);
            }
            layer::activate(network.activation(), values);
        }
    }
}

/// What some blocks give to loss and gradient.
pub(super) struct Piece<'a, R: Rowed> {
    pub(super) forward: Forward<'a, R>,
    pub(super) loss: Loss,
    /// 1/B, rounded.
    pub(super) share: f64,
    /// Whether the chains begin here.
    pub(super) is_first: bool,
}

impl<R: Rowed> Job for Piece<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { forward: Forward { network, theta, blocks, buffers }, loss, share, is_first } = self;
        Forward { network, theta, blocks, buffers: &mut *buffers }.run();
        if is_first {
            buffers.loss = R::ZERO;
            buffers.gradient.fill(R::ZERO);
        }
        let count = blocks.features.len() / network.input_width();
        self::losses(network, loss, R::from_f64(share), blocks, buffers);
        for (l, layer) in network.layers().iter().enumerate().rev() {
            let (below, from_here) = buffers.deltas.split_at_mut(l);
            let deltas = &from_here[0][..count * layer.outputs];
            let inputs = match l.checked_sub(1) {
                Some(l) => &buffers.values[l][..count * layer.inputs],
                None => &buffers.features[..count * layer.inputs],
            };
            add_gradient(layer, deltas, inputs, &mut buffers.gradient);
            if let Some(below) = below.last_mut() {
                let below = &mut below[..count * layer.inputs];
                backward(layer, &theta, deltas, below);
                let sums = buffers.sums[l - 1].get(..below.len()).unwrap_or_default();
                layer::multiply_by_derivative(network.activation(), inputs, sums, below);
            }
        }
    }
}

/// The losses of some blocks, and δ at their outputs. Rows beyond the last give nothing.
#[inline(always)]
pub(super) fn losses<R: Rowed>(
    network: &Network,
    loss: Loss,
    share: R,
    blocks: Blocks<'_>,
    buffers: &mut Buffers<R>,
) {
    let width = network.output_width();
    let Buffers { targets, values, deltas, .. } = buffers;
    for (value, rows) in targets.iter_mut().zip(blocks.targets) {
        *value = R::datum(rows);
    }
    let last = network.layers().len() - 1;
    let end = blocks.targets.len();
    let (outputs, targets, deltas) = (&values[last][..end], &targets[..end], &mut deltas[last][..end]);
    let full = end - width;
    let before = loss::add_rows(loss, &outputs[..full], &targets[..full], width, buffers.loss);
    let after = loss::add_rows(loss, &outputs[full..], &targets[full..], width, before);
    loss::output_deltas(loss, outputs, targets, width, share, deltas);
    // never one that needs the sums
    layer::multiply_by_derivative(network.output_activation(), outputs, &[], deltas);
    let is_row = blocks.is_row::<R>();
    buffers.loss = R::select(is_row, after, before);
    for delta in &mut deltas[full..] {
        *delta = R::select(is_row, *delta, R::ZERO);
    }
}

/// `z[s][u] = b[u]`, then `fma(w[u][k], a[s][k], z[s][u])` for k ascending.
#[inline(always)]
fn forward<R: Rowed>(layer: &Layer, theta: &Theta<'_, R::Slope>, inputs: &[R], sums: &mut [R]) {
    let whole = layer.outputs - layer.outputs % STRIP;
    for unit in (0..whole).step_by(STRIP) {
        forward_strip::<R, STRIP>(layer, theta, inputs, sums, unit);
    }
    for unit in whole..layer.outputs {
        forward_strip::<R, 1>(layer, theta, inputs, sums, unit);
    }
}

#[inline(always)]
fn forward_strip<R: Rowed, const J: usize>(
    layer: &Layer,
    theta: &Theta<'_, R::Slope>,
    inputs: &[R],
    sums: &mut [R],
    unit: usize,
) {
    let (weights, biases) = (layer.offset, layer.offset + layer.weight_count());
    for (a, z) in inputs.chunks_exact(layer.inputs).zip(sums.chunks_exact_mut(layer.outputs)) {
        let mut chains = [R::ZERO; J];
        for (j, chain) in chains.iter_mut().enumerate() {
            *chain = theta.get(biases + unit + j);
        }
        for (k, &a) in a.iter().enumerate() {
            for (j, chain) in chains.iter_mut().enumerate() {
                let weight: R = theta.get(weights + (unit + j) * layer.inputs + k);
                *chain = weight.fma(a, *chain);
            }
        }
        z[unit..unit + J].copy_from_slice(&chains);
    }
}

/// `d[s][k] = 0`, then `fma(w[u][k], δ[s][u], d[s][k])` for u ascending.
#[inline(always)]
pub(super) fn backward<R: Rowed>(layer: &Layer, theta: &Theta<'_, R::Slope>, deltas: &[R], below: &mut [R]) {
    let whole = layer.inputs - layer.inputs % STRIP;
    for k in (0..whole).step_by(STRIP) {
        backward_strip::<R, STRIP>(layer, theta, deltas, below, k);
    }
    for k in whole..layer.inputs {
        backward_strip::<R, 1>(layer, theta, deltas, below, k);
    }
}

#[inline(always)]
fn backward_strip<R: Rowed, const J: usize>(
    layer: &Layer,
    theta: &Theta<'_, R::Slope>,
    deltas: &[R],
    below: &mut [R],
    k: usize,
) {
    for (delta, d) in deltas.chunks_exact(layer.outputs).zip(below.chunks_exact_mut(layer.inputs)) {
        let mut chains = [R::ZERO; J];
        for (u, &delta) in delta.iter().enumerate() {
            for (j, chain) in chains.iter_mut().enumerate() {
                let weight: R = theta.get(layer.offset + u * layer.inputs + k + j);
                *chain = weight.fma(delta, *chain);
            }
        }
        d[k..k + J].copy_from_slice(&chains);
    }
}

/// Goes on with the chains over blocks: `fma(δ[s][u], a[s][k], g[u][k])` and `g[u] + δ[s][u]`, s ascending.
#[inline(always)]
fn add_gradient<R: Number>(layer: &Layer, deltas: &[R], inputs: &[R], gradient: &mut [R]) {
    let (weights, biases) = layer.parameters_mut(gradient);
    let whole = layer.inputs - layer.inputs % STRIP;
    for (unit, (row, bias)) in weights.chunks_exact_mut(layer.inputs).zip(biases).enumerate() {
        let deltas = deltas.iter().skip(unit).step_by(layer.outputs);
        for delta in deltas.clone() {
            *bias = bias.add(*delta);
        }
        for k in (0..whole).step_by(STRIP) {
            gradient_strip::<R, STRIP>(deltas.clone(), &inputs[k..], layer.inputs, &mut row[k..]);
        }
        for k in whole..layer.inputs {
            gradient_strip::<R, 1>(deltas.clone(), &inputs[k..], layer.inputs, &mut row[k..]);
        }
    }
}

#[inline(always)]
fn gradient_strip<'a, R: Number, const J: usize>(
    deltas: impl Iterator<Item = &'a R>,
    inputs: &[R],
    stride: usize,
    sums: &mut [R],
) {
    let mut chains = [R::ZERO; J];
    chains.copy_from_slice(&sums[..J]);
    for (delta, a) in deltas.zip(inputs.chunks(stride)) {
        for (chain, a) in chains.iter_mut().zip(a) {
            *chain = delta.fma(*a, *chain);
        }
    }
    sums[..J].copy_from_slice(&chains);
}
