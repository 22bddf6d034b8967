//! The exact Hessian of a small network, from how each unit's sum answers to the others'.
//!
//! All weights into one unit move its sum z, each by its input, so one answer per unit and row serves them all:
//! with Rx the derivative of x by z[u], the entries of the weights (u, k) and (v, j), v in the same or a later layer, are
//! Σ a[k]·(Rδ[v]·a[j] + δ[v]·Ra[j]) over the rows (Pearlmutter 1994, Bishop 1992). That is units, not parameters, many
//! walks through the network, none of which evaluates an activation.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::Range;

use seedsweep_common::spec::{Activation, Loss};

use super::PIECE;
use super::pass::{Blocks, Buffers, Forward, Rowed, Theta, backward, losses};
use crate::nn::lane::Job;
use crate::nn::layer::{self, Layer};
use crate::nn::loss;
use crate::nn::network::Network;
use crate::nn::scalar::Number;

/// What the answers are made of and what they are: for each layer (blocks, outputs).
#[derive(Debug)]
pub(super) struct Answers<R> {
    /// act′.
    slopes: Vec<Vec<R>>,
    /// act″ times the loss's derivative by the unit's value.
    bends: Vec<Vec<R>>,
    /// The loss's second derivative by an output, or the probabilities, (blocks, outputs).
    outputs: Vec<R>,
    /// Rz, Ra and Rδ.
    sums: Vec<Vec<R>>,
    values: Vec<Vec<R>>,
    deltas: Vec<Vec<R>>,
}

impl<R: Number> Answers<R> {
    pub(super) fn new(network: &Network) -> Self {
        let zeros = || network.layers().iter().map(|layer| vec![R::ZERO; PIECE * layer.outputs]).collect();
        let outputs = vec![R::ZERO; PIECE * network.output_width()];
        Self { slopes: zeros(), bends: zeros(), outputs, sums: zeros(), values: zeros(), deltas: zeros() }
    }
}

/// What some blocks give to the Hessian, each pair of parameters at both its places.
pub(super) struct HessianPiece<'a, R: Rowed> {
    pub(super) forward: Forward<'a, R>,
    pub(super) answers: &'a mut Answers<R>,
    pub(super) loss: Loss,
    /// 1/B, rounded.
    pub(super) share: f64,
    /// (parameters, parameters).
    pub(super) hessian: &'a mut [f64],
}

impl<R: Rowed> Job for HessianPiece<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { forward: Forward { network, theta, blocks, buffers }, answers, loss, share, hessian } =
            self;
        Forward { network, theta, blocks, buffers: &mut *buffers }.run();
        let share = R::from_f64(share);
        losses(network, loss, share, blocks, buffers);
        let mut piece = Point { network, theta, blocks, loss, share, buffers, answers };
        piece.bend();
        for l in 0..network.layers().len() {
            for unit in 0..network.layers()[l].outputs {
                piece.answer(l, unit);
                piece.add_unit(l, unit, hessian);
            }
        }
    }
}

/// Blocks of rows with all that is known about them.
struct Point<'a, R: Rowed> {
    network: &'a Network,
    theta: Theta<'a, R::Slope>,
    blocks: Blocks<'a>,
    loss: Loss,
    share: R,
    buffers: &'a mut Buffers<R>,
    answers: &'a mut Answers<R>,
}

impl<R: Rowed> Point<'_, R> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.blocks.features.len() / self.network.input_width()
    }

    /// Slopes and bends of all units, and what the loss makes of outputs.
    #[inline(always)]
    fn bend(&mut self) {
        let (loss, share) = (self.loss, self.share);
        let (layers, count) = (self.network.layers(), self.count());
        let last = layers.len() - 1;
        let Answers { slopes, bends, outputs, .. } = &mut *self.answers;
        let Buffers { targets, values, sums, deltas, .. } = &mut *self.buffers;
        for (l, layer) in layers.iter().enumerate().rev() {
            let size = count * layer.outputs;
            let (slopes, bends, values) = (&mut slopes[l][..size], &mut bends[l][..size], &values[l][..size]);
            let activation =
                if l == last { self.network.output_activation() } else { self.network.activation() };
            let sums = sums.get(l).and_then(|sums| sums.get(..size)).unwrap_or_default();
            slopes.fill(R::ONE);
            layer::multiply_by_derivative(activation, values, sums, slopes);
            if l == last {
                let width = layer.outputs;
                loss::output_deltas(loss, values, &targets[..size], width, share, bends);
                bend_outputs(loss, values, width, share, &mut outputs[..size]);
            } else {
                backward(&layers[l + 1], &self.theta, &deltas[l + 1][..count * layers[l + 1].outputs], bends);
                for (delta, (e, slope)) in deltas[l].iter_mut().zip(bends.iter().zip(&*slopes)) {
                    *delta = e.mul(*slope);
                }
            }
            multiply_by_bend(activation, values, sums, slopes, bends);
        }
    }

    /// How sums, values and δ of layer `l` and all later ones answer to the sum of `unit` there.
    #[inline(always)]
    fn answer(&mut self, l: usize, unit: usize) {
        let (layers, count) = (self.network.layers(), self.count());
        let last = layers.len() - 1;
        let Answers { slopes, bends, outputs, sums, values, deltas } = &mut *self.answers;
        sums[l].fill(R::ZERO);
        values[l].fill(R::ZERO);
        let width = layers[l].outputs;
        for at in (unit..count * width).step_by(width) {
            sums[l][at] = R::ONE;
            values[l][at] = slopes[l][at];
        }
        for m in l + 1..=last {
            let layer = &layers[m];
            let (below, here) = values.split_at_mut(m);
            let (inputs, sums) =
                (&below[m - 1][..count * layer.inputs], &mut sums[m][..count * layer.outputs]);
            // below the first of these layers only one unit has moved
            let moved = if m == l + 1 { unit..unit + 1 } else { 0..layer.inputs };
            multiply(layer, &self.theta, inputs, moved, sums);
            for (value, (sum, slope)) in here[0].iter_mut().zip(sums.iter().zip(&slopes[m])) {
                *value = sum.mul(*slope);
            }
        }
        let width = self.network.output_width();
        let size = count * width;
        let answers = &mut deltas[last][..size];
        answer_of_loss(self.loss, self.share, &values[last][..size], &outputs[..size], width, answers);
        for m in (l..=last).rev() {
            let size = count * layers[m].outputs;
            if m < last {
                let (here, above) = deltas.split_at_mut(m + 1);
                backward(
                    &layers[m + 1],
                    &self.theta,
                    &above[0][..count * layers[m + 1].outputs],
                    &mut here[m][..size],
                );
            }
            for at in 0..size {
                let bent = bends[m][at].mul(sums[m][at]);
                deltas[m][at] = deltas[m][at].fma(slopes[m][at], bent);
            }
            if m == last {
                let full = size - layers[m].outputs;
                let is_row = self.blocks.is_row::<R>();
                for delta in &mut deltas[m][full..size] {
                    *delta = R::select(is_row, *delta, R::ZERO);
                }
            }
        }
    }

    /// The pairs of the parameters into `unit` of layer `l` with themselves and with those of later units.
    #[inline(always)]
    fn add_unit(&self, l: usize, unit: usize, hessian: &mut [f64]) {
        let (layers, count) = (self.network.layers(), self.count());
        let Answers { values, deltas, .. } = &*self.answers;
        let mut terms = [R::ZERO; PIECE];
        let terms = &mut terms[..count];
        for (m, layer) in layers.iter().enumerate().skip(l) {
            let inputs = self.inputs(m);
            for v in if m == l { unit } else { 0 }..layer.outputs {
                for j in 0..layer.inputs {
                    let has_moved = m > l + 1 || m == l + 1 && j == unit;
                    for (b, term) in terms.iter_mut().enumerate() {
                        let (of_unit, of_input) = (b * layer.outputs + v, b * layer.inputs + j);
                        *term = deltas[m][of_unit].mul(inputs[of_input]);
                        if has_moved {
                            *term = self.buffers.deltas[m][of_unit].fma(values[m - 1][of_input], *term);
                        }
                    }
                    let column = layer.offset + v * layer.inputs + j;
                    let rows = if m == l && v == unit { j + 1 } else { layers[l].inputs + 1 };
                    self.add_column(l, unit, rows, column, terms, hessian);
                }
                for (b, term) in terms.iter_mut().enumerate() {
                    *term = deltas[m][b * layer.outputs + v];
                }
                let column = layer.offset + layer.weight_count() + v;
                self.add_column(l, unit, layers[l].inputs + 1, column, terms, hessian);
            }
        }
    }

    /// Adds Σ a[k]·term for the first `rows` parameters into `unit` of layer `l`: weights, then the bias.
    #[inline(always)]
    fn add_column(
        &self,
        l: usize,
        unit: usize,
        rows: usize,
        column: usize,
        terms: &[R],
        hessian: &mut [f64],
    ) {
        let layer = &self.network.layers()[l];
        let n = self.network.parameter_count();
        let inputs = self.inputs(l);
        for k in 0..rows.min(layer.inputs) {
            let mut chains = R::ZERO;
            for (b, term) in terms.iter().enumerate() {
                chains = inputs[b * layer.inputs + k].fma(*term, chains);
            }
            add_pair(hessian, n, layer.offset + unit * layer.inputs + k, column, chains.total());
        }
        if rows > layer.inputs {
            let mut chains = R::ZERO;
            for term in terms {
                chains = chains.add(*term);
            }
            add_pair(hessian, n, layer.offset + layer.weight_count() + unit, column, chains.total());
        }
    }

    /// What enters layer `l`.
    #[inline(always)]
    fn inputs(&self, l: usize) -> &[R] {
        l.checked_sub(1).map_or(&self.buffers.features, |l| &self.buffers.values[l])
    }
}

/// Adds to both places of a pair; `hessian` (n, n).
#[inline(always)]
fn add_pair(hessian: &mut [f64], n: usize, row: usize, column: usize, sum: f64) {
    hessian[row * n + column] += sum;
    if row != column {
        hessian[column * n + row] += sum;
    }
}

/// `z[s][u] = 0`, then `fma(w[u][k], a[s][k], z[s][u])` for k of `moved` ascending.
#[inline(always)]
fn multiply<R: Rowed>(
    layer: &Layer,
    theta: &Theta<'_, R::Slope>,
    inputs: &[R],
    moved: Range<usize>,
    sums: &mut [R],
) {
    for (a, z) in inputs.chunks_exact(layer.inputs).zip(sums.chunks_exact_mut(layer.outputs)) {
        for (u, z) in z.iter_mut().enumerate() {
            *z = R::ZERO;
            for k in moved.clone() {
                let weight: R = theta.get(layer.offset + u * layer.inputs + k);
                *z = weight.fma(a[k], *z);
            }
        }
    }
}

/// What [`answer_of_loss`] needs of outputs: mse 2/outputs·(1/B), logistic (p − p²)·(1/B), cross_entropy p.
#[inline(always)]
fn bend_outputs<R: Number>(loss: Loss, outputs: &[R], width: usize, share: R, bends: &mut [R]) {
    match loss {
        Loss::Mse => bends.fill(R::from_f64(2.0 / width as f64).mul(share)),
        Loss::Logistic => {
            for (bend, z) in bends.iter_mut().zip(outputs) {
                let p = z.sigmoid();
                *bend = p.neg().fma(p, p).mul(share);
            }
        }
        Loss::CrossEntropy => {
            for (p, z) in bends.chunks_exact_mut(width).zip(outputs.chunks_exact(width)) {
                loss::softmax(z, p);
            }
        }
        Loss::Population => unreachable!("it has no rows"),
    }
}

/// How the loss's derivatives by the outputs answer, from how the outputs do.
#[inline(always)]
fn answer_of_loss<R: Number>(
    loss: Loss,
    share: R,
    values: &[R],
    bends: &[R],
    width: usize,
    answers: &mut [R],
) {
    let rows = values.chunks_exact(width).zip(bends.chunks_exact(width));
    for (answers, (values, bends)) in answers.chunks_exact_mut(width).zip(rows) {
        let mut mean = R::ZERO;
        if loss == Loss::CrossEntropy {
            for (value, p) in values.iter().zip(bends) {
                mean = p.fma(*value, mean);
            }
        }
        for (answer, (value, bend)) in answers.iter_mut().zip(values.iter().zip(bends)) {
            *answer = bend.mul(value.sub(mean));
            if loss == Loss::CrossEntropy {
                *answer = answer.mul(share);
            }
        }
    }
}

/// Multiplies by act″: tanh −2a·act′, sigmoid (1 − 2a)·act′, gelu (2 − z²)·exp(−z²/2)/√(2π), else 0.
#[inline(always)]
fn multiply_by_bend<R: Number>(
    activation: Activation,
    values: &[R],
    sums: &[R],
    slopes: &[R],
    bends: &mut [R],
) {
    let two = R::from_f64(2.0);
    match activation {
        Activation::Tanh => {
            for (bend, (a, slope)) in bends.iter_mut().zip(values.iter().zip(slopes)) {
                *bend = bend.mul(two.neg().mul(*a).mul(*slope));
            }
        }
        Activation::Sigmoid => {
            for (bend, (a, slope)) in bends.iter_mut().zip(values.iter().zip(slopes)) {
                *bend = bend.mul(two.neg().fma(*a, R::ONE).mul(*slope));
            }
        }
        Activation::Gelu => {
            let height = R::from_f64(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
            for (bend, z) in bends.iter_mut().zip(sums) {
                let square = z.mul(*z);
                let density = height.mul(R::exp(R::from_f64(-0.5).mul(square)));
                *bend = bend.mul(two.sub(square).mul(density));
            }
        }
        Activation::Relu | Activation::LeakyRelu | Activation::Identity => bends.fill(R::ZERO),
    }
}
