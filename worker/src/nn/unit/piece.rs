//! Forward, backward, gradient and update over some rows.

use seedsweep_common::spec::{Activation, Loss};

use super::Buffers;
use super::layout::{Sheet, Side, mirror};
use super::panels::{Panels, registers, stride};
use crate::nn::lane::{Each, Job, Lane, Matrix, Product, Shared, Start, elements, elements_mut};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::Decay;
use crate::nn::optimizer::Step;
use crate::nn::scalar::Number as _;

/// Rows of a panel whose gradient is summed before they are updated: a few tiles of the kernel.
const TILE_ROWS: usize = 24;
/// Registers of biases whose sums grow side by side.
const BIAS_REGISTERS: usize = 4;

/// Lane values of the largest tile of a gradient.
pub(super) fn tile_length<V: Lane>(sheets: &[Sheet]) -> usize {
    let lengths = sheets.iter().map(|sheet| {
        let panels = sheet.panels(sheet.side);
        let widest = panels.iter::<V>().map(|panel| panel.registers).max().unwrap_or(0);
        (widest * panels.depth.min(TILE_ROWS)).max(registers::<V>(sheet.layer.outputs))
    });
    lengths.max().unwrap_or(0)
}

/// What is done with the gradient.
pub(super) enum Task<'t, 'a, V> {
    /// There is none.
    Forward,
    /// It is left in memory, begun anew at the first piece and with l2 added at the last.
    Gradient { first: bool, last: bool },
    /// It goes into this update; where this is not the first piece, what is in memory is a part of it.
    Update { first: bool, step: &'t mut Step<'a, V> },
}

/// The work on some rows.
pub(super) struct Piece<'p, 't, 'a, V: Lane> {
    pub(super) sheets: &'p [Sheet],
    pub(super) activation: Activation,
    pub(super) output_activation: Activation,
    pub(super) loss: Loss,
    /// 2·l2, where it is not 0.
    pub(super) l2: Option<V>,
    pub(super) theta: &'p mut [V],
    pub(super) gradient: &'p mut [V],
    pub(super) mirrors: &'p mut [V],
    /// (rows, input stride).
    pub(super) features: &'p [V::Elem],
    pub(super) input_stride: usize,
    /// (rows, outputs).
    pub(super) targets: &'p [V::Elem],
    /// Rows.
    pub(super) count: usize,
    /// 1/B, rounded.
    pub(super) share: V,
    /// The sum of losses so far, if it is wanted.
    pub(super) sum: Option<V::Elem>,
    pub(super) buffers: &'p mut Buffers<V>,
    pub(super) task: Task<'t, 'a, V>,
}

impl<V: Lane> Job for Piece<'_, '_, '_, V> {
    /// The sum of losses, grown by these rows.
    type Output = V::Elem;

    #[inline(always)]
    fn run(mut self) -> V::Elem {
        self.forward();
        let with_gradient = !matches!(self.task, Task::Forward);
        let mut sum = V::Elem::ZERO;
        if self.sum.is_some() || with_gradient {
            sum = self.judge_outputs(with_gradient);
        }
        if with_gradient {
            for l in (0..self.sheets.len()).rev() {
                if l > 0 {
                    self.backward(l);
                }
                self.weight_gradient(l);
                self.bias_gradient(l);
            }
        }
        sum
    }
}

impl<V: Lane> Piece<'_, '_, '_, V> {
    #[inline(always)]
    fn forward(&mut self) {
        let last = self.sheets.len() - 1;
        for (l, sheet) in self.sheets.iter().enumerate() {
            let outputs = sheet.layer.outputs;
            let stride = stride::<V>(outputs);
            let (below, from_here) = self.buffers.values.split_at_mut(l);
            let sums = &mut from_here[0][..self.count * stride];
            let (inputs, input_stride) = match below.last() {
                Some(values) => (elements(values), self::stride::<V>(sheet.layer.inputs) * V::WIDTH),
                None => (self.features, self.input_stride),
            };
            let biases = elements(&self.theta[sheet.biases..sheet.biases + registers::<V>(outputs)]);
            if outputs == 1 {
                let weights = elements(&self.theta[sheet.weights..sheet.biases]);
                one_output((weights, sheet.layer.inputs), biases, (inputs, input_stride), sums);
            } else {
                let (panels, weights) = sheet.weights(Side::Outputs, self.theta, self.mirrors);
                by_panels(panels, weights, Start::Values(biases), (inputs, input_stride), (sums, stride));
            }
            if l == last {
                layer::activate(self.output_activation, sums);
                return;
            }
            if let Some(kept) = self.buffers.sums.get_mut(l) {
                kept[..sums.len()].copy_from_slice(sums);
            }
            layer::activate(self.activation, sums);
        }
    }

    /// Adds to the sum of losses and computes the δ at the outputs, as many rows at once as there are lanes.
    #[inline(always)]
    fn judge_outputs(&mut self, with_gradient: bool) -> V::Elem {
        let last = self.sheets.len() - 1;
        let width = self.sheets[last].layer.outputs;
        let row = stride::<V>(width) * V::WIDTH;
        let outputs = elements(&self.buffers.values[last]);
        let deltas = elements_mut(&mut self.buffers.deltas[last]);
        let [turned, turned_targets, turned_deltas] = &mut self.buffers.turned;
        let mut sum = self.sum;
        for from in (0..self.count).step_by(V::WIDTH) {
            let lanes = V::WIDTH.min(self.count - from);
            turn::<V>(&outputs[from * row..], row, lanes, turned);
            turn::<V>(&self.targets[from * width..], width, lanes, turned_targets);
            if let Some(sum) = &mut sum {
                let terms = loss::terms(self.loss, turned, turned_targets, turned_deltas);
                for lane in 0..lanes {
                    for &term in elements(terms)[lane..].iter().step_by(V::WIDTH) {
                        *sum = loss::add(self.loss, *sum, term);
                    }
                }
            }
            if with_gradient {
                loss::output_deltas(self.loss, turned, turned_targets, width, self.share, turned_deltas);
                // never one that needs the sums
                layer::multiply_by_derivative(self.output_activation, turned, &[], turned_deltas);
                let turned_deltas = elements(turned_deltas);
                for (lane, deltas) in deltas[from * row..].chunks_exact_mut(row).take(lanes).enumerate() {
                    let column = turned_deltas[lane..].iter().step_by(V::WIDTH);
                    deltas.iter_mut().zip(column).for_each(|(to, &delta)| *to = delta);
                }
            }
        }
        sum.unwrap_or(V::Elem::ZERO)
    }

    /// δ of the layer below layer `l`.
    #[inline(always)]
    fn backward(&mut self, l: usize) {
        let sheet = &self.sheets[l];
        let (below, from_here) = self.buffers.deltas.split_at_mut(l);
        let deltas = elements(&from_here[0]);
        let stride = stride::<V>(sheet.layer.inputs);
        let below = &mut below[l - 1][..self.count * stride];
        let (panels, weights) = sheet.weights(Side::Inputs, self.theta, self.mirrors);
        let delta_stride = self::stride::<V>(sheet.layer.outputs) * V::WIDTH;
        by_panels(panels, weights, Start::Zero, (deltas, delta_stride), (below, stride));
        let values = &self.buffers.values[l - 1][..below.len()];
        let sums = self.buffers.sums.get(l - 1).map_or(&[][..], |sums| &sums[..below.len()]);
        layer::multiply_by_derivative(self.activation, values, sums, below);
    }

    /// The gradient by the weights of layer `l`, tile by tile: left in memory or put into the update.
    #[inline(always)]
    fn weight_gradient(&mut self, l: usize) {
        let sheet = &self.sheets[l];
        let panels = sheet.panels(sheet.side);
        let deltas = elements(&self.buffers.deltas[l]);
        let delta_stride = stride::<V>(sheet.layer.outputs) * V::WIDTH;
        let (inputs, input_stride) = match l.checked_sub(1) {
            Some(below) => {
                (elements(&self.buffers.values[below]), stride::<V>(sheet.layer.inputs) * V::WIDTH)
            }
            None => (self.features, self.input_stride),
        };
        let (vectors, vector_stride, singles, single_stride) = match sheet.side {
            Side::Outputs => (deltas, delta_stride, inputs, input_stride),
            Side::Inputs => (inputs, input_stride, deltas, delta_stride),
        };
        for panel in panels.iter::<V>() {
            for r in (0..panels.depth).step_by(TILE_ROWS) {
                let rows = TILE_ROWS.min(panels.depth - r);
                let from = sheet.weights + panel.offset + r * panel.registers;
                let range = from..from + rows * panel.registers;
                if let Task::Update { step, .. } = &self.task {
                    step.prefetch(self.theta, range.clone());
                }
                let (tile, start) = match self.task {
                    Task::Update { first: true, .. } => (&mut self.buffers.tile[..range.len()], Start::Zero),
                    Task::Gradient { first: true, .. } => (&mut self.gradient[range.clone()], Start::Zero),
                    _ => (&mut self.gradient[range.clone()], Start::Present),
                };
                multiply(Product::<V, _> {
                    a: Matrix {
                        operand: Each(&vectors[panel.first * V::WIDTH..]),
                        along: vector_stride,
                        across: V::WIDTH,
                    },
                    b: Matrix { operand: Shared(&singles[r..]), along: single_stride, across: 1 },
                    depth: self.count,
                    start,
                    sums: elements_mut(tile),
                    strides: (V::WIDTH, panel.registers * V::WIDTH),
                    size: (panel.registers, rows),
                });
                finish(&mut self.task, self.l2, self.theta, tile, range);
            }
        }
        if matches!(self.task, Task::Update { .. }) {
            mirror(sheet, self.theta, self.mirrors);
        }
    }

    /// The gradient by the biases of layer `l`, likewise.
    #[inline(always)]
    fn bias_gradient(&mut self, l: usize) {
        let sheet = &self.sheets[l];
        let count = registers::<V>(sheet.layer.outputs);
        let stride = stride::<V>(sheet.layer.outputs);
        let deltas = &self.buffers.deltas[l][..self.count * stride];
        let range = sheet.biases..sheet.biases + count;
        let (sums, first) = match self.task {
            Task::Update { first: true, .. } => (&mut self.buffers.tile[..count], true),
            Task::Gradient { first: true, .. } => (&mut self.gradient[range.clone()], true),
            _ => (&mut self.gradient[range.clone()], false),
        };
        if first {
            sums.fill(V::ZERO);
        }
        for (i, sums) in sums.chunks_mut(BIAS_REGISTERS).enumerate() {
            let deltas = &deltas[i * BIAS_REGISTERS..];
            match sums.first_chunk_mut::<BIAS_REGISTERS>() {
                Some(sums) => add_rows(deltas, stride, sums),
                None => sums.iter_mut().enumerate().for_each(|(i, sum)| {
                    add_rows(&deltas[i..], stride, std::array::from_mut(sum));
                }),
            }
        }
        finish(&mut self.task, self.l2, self.theta, sums, range);
    }
}

/// `sums[s][i] = start; for r ascending: fma(weights[r][i], inputs[s][r], sums[s][i])`, panel by panel. `inputs` numbers
/// and `sums` lane values, each with what lies between two rows.
#[inline(always)]
fn by_panels<V: Lane>(
    panels: Panels,
    weights: &[V],
    start: Start<'_, V::Elem>,
    (inputs, input_stride): (&[V::Elem], usize),
    (sums, stride): (&mut [V], usize),
) {
    let rows = sums.len() / stride;
    for panel in panels.iter::<V>() {
        let from = panel.first * V::WIDTH;
        multiply(Product::<V, _> {
            a: Matrix {
                operand: Each(&elements(weights)[panel.offset * V::WIDTH..]),
                along: panel.registers * V::WIDTH,
                across: V::WIDTH,
            },
            b: Matrix { operand: Shared(inputs), along: 1, across: input_stride },
            depth: panels.depth,
            start: match start {
                Start::Values(values) => Start::Values(&values[from..]),
                other => other,
            },
            sums: &mut elements_mut(sums)[from..],
            strides: (V::WIDTH, stride * V::WIDTH),
            size: (panel.registers, rows),
        });
    }
}

/// As [`by_panels`] for a layer of one output, whose weights lie side by side: number by number, since a register would
/// be filled with one. Sums are a register apart.
#[inline(always)]
fn one_output<V: Lane>(
    (weights, depth): (&[V::Elem], usize),
    biases: &[V::Elem],
    (inputs, input_stride): (&[V::Elem], usize),
    sums: &mut [V],
) {
    let rows = sums.len();
    V::Elem::enter(Product::<V::Elem, _> {
        a: Matrix { operand: Each(weights), along: 1, across: 1 },
        b: Matrix { operand: Shared(inputs), along: 1, across: input_stride },
        depth,
        start: Start::Values(biases),
        sums: elements_mut(sums),
        strides: (1, V::WIDTH),
        size: (1, rows),
    });
}

/// Ends the gradient of the parameters `range`, if these were the last rows, and updates them where that is the task.
#[inline(always)]
fn finish<V: Lane>(
    task: &mut Task<'_, '_, V>,
    l2: Option<V>,
    theta: &mut [V],
    gradient: &mut [V],
    range: std::ops::Range<usize>,
) {
    if matches!(task, Task::Gradient { last: false, .. }) {
        return;
    }
    let theta = &mut theta[range.clone()];
    if let Some(factor) = l2 {
        Decay { theta, factor, gradient }.run();
    }
    if let Task::Update { step, .. } = task {
        step.apply(theta, gradient, range);
    }
}

/// Adds rows of registers, `stride` apart, to as many sums.
#[inline(always)]
fn add_rows<V: Lane, const N: usize>(rows: &[V], stride: usize, sums: &mut [V; N]) {
    let mut all = *sums;
    for row in rows.chunks(stride) {
        let Some(row) = row.first_chunk::<N>() else { break };
        // an index that is a constant names a register
        for i in 0..N {
            all[i] = all[i].add(row[i]);
        }
    }
    *sums = all;
}

/// Puts `rows` rows, `stride` apart, into a lane each: (width) lane values. Other lanes keep what they held.
#[inline(always)]
fn turn<V: Lane>(values: &[V::Elem], stride: usize, rows: usize, turned: &mut [V]) {
    let turned = elements_mut(turned);
    for (lane, row) in values.chunks(stride).take(rows).enumerate() {
        turned[lane..].iter_mut().step_by(V::WIDTH).zip(row).for_each(|(to, &value)| *to = value);
    }
}

/// Computes `product`; plain loops over its columns, which the compiler can vectorise, where a lane is one number.
#[inline(always)]
fn multiply<V: Lane>(product: Product<'_, V, Shared<'_, V::Elem>>) {
    if V::WIDTH == 1 { one_by_one(product) } else { V::enter(product) }
}

#[inline(always)]
fn one_by_one<V: Lane>(product: Product<'_, V, Shared<'_, V::Elem>>) {
    let Product { a, b, depth, start, sums, strides, size } = product;
    let (columns, rows) = size;
    for j in 0..rows {
        let sums = &mut sums[j * strides.1..][..columns];
        match start {
            Start::Zero => sums.fill(V::Elem::ZERO),
            Start::Values(values) => sums.copy_from_slice(&values[..columns]),
            Start::Present => {}
        }
        for r in 0..depth {
            let factor = b.operand.0[r * b.along + j * b.across];
            for (sum, &x) in sums.iter_mut().zip(&a.operand.0[r * a.along..][..columns]) {
                *sum = factor.fma(x, *sum);
            }
        }
    }
}
