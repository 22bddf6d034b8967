//! Unit lanes: one network whose sums that lie side by side fill the registers.
//!
//! Each sum is the reference's own chain (`nn/network.rs`), so a network ends with the bits that the plain loops give.
//! The weights of a layer lie the way their gradient is summed, in panels; where a product needs them the other way
//! round, a mirror is refreshed after each update. A batch that fits the buffers is updated tile by tile, while
//! the tile's gradient is in the cache.

use seedsweep_common::spec::{Activation, Loss};

use crate::nn::lane::{Job, Lane, elements, elements_mut};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::{Batch, Network, SquaredNorm};
use crate::nn::optimizer::Step;
use crate::nn::scalar::{Number as _, Scalar};

mod layout;
mod panels;
mod piece;
mod rows;

use layout::{Layout, Sheet, copy_in, copy_out, mirror};
use panels::{registers, stride};
use piece::{Piece, Task};
use rows::{Gathered, Seen};

/// A network with the buffers to train it.
#[derive(Debug)]
pub(crate) struct Unit<V: Lane> {
    layout: Layout,
    activation: Activation,
    output_activation: Activation,
    loss: Loss,
    /// The parameters, sheet after sheet: weights, biases.
    theta: Vec<V>,
    /// The gradient, laid out likewise; empty until a pass leaves it.
    gradient: Vec<V>,
    mirrors: Vec<V>,
    gathered: Gathered<V::Elem>,
    buffers: Buffers<V>,
}

/// What a pass over some rows leaves behind.
#[derive(Debug)]
struct Buffers<V> {
    /// For each layer its values after the activation, (piece, stride).
    values: Vec<Vec<V>>,
    /// For each hidden layer its sums before it; empty where no derivative needs them.
    sums: Vec<Vec<V>>,
    /// For each layer the loss's derivatives by its sums.
    deltas: Vec<Vec<V>>,
    /// Some rows in lanes: outputs, targets, δ (outputs each).
    turned: [Vec<V>; 3],
    /// A tile's gradient that goes into the update at once.
    tile: Vec<V>,
}

/// What a pass is for.
#[derive(Debug)]
pub(crate) enum Aim<'a, V> {
    /// The mean loss.
    Loss,
    /// The outputs only.
    Outputs,
    /// The gradient; the mean loss too, if so.
    Gradient {
        /// Whether it is wanted.
        loss: bool,
    },
    /// The gradient, which goes into this update at once.
    Update(Step<'a, V>),
}

impl<V: Lane> Unit<V> {
    /// A network with all parameters 0.
    pub(crate) fn new(network: &Network, loss: Loss) -> Self {
        let layout = Layout::new::<V>(network);
        let keeps_sums = layer::needs_sums(network.activation());
        let per_layer = |sheets: &[Sheet]| -> Vec<Vec<V>> {
            let lengths = sheets.iter().map(|sheet| layout.piece * stride::<V>(sheet.layer.outputs));
            lengths.map(|length| vec![V::ZERO; length]).collect()
        };
        let hidden = &layout.sheets[..layout.sheets.len() - 1];
        let width = network.output_width();
        let buffers = Buffers {
            values: per_layer(&layout.sheets),
            sums: if keeps_sums { per_layer(hidden) } else { Vec::new() },
            deltas: per_layer(&layout.sheets),
            turned: std::array::from_fn(|_| vec![V::ZERO; width]),
            tile: vec![V::ZERO; piece::tile_length::<V>(&layout.sheets)],
        };
        Self {
            activation: network.activation(),
            output_activation: network.output_activation(),
            loss,
            theta: vec![V::ZERO; layout.parameters],
            gradient: Vec::new(),
            mirrors: vec![V::ZERO; layout.mirrors],
            gathered: Gathered { features: Vec::new(), targets: Vec::new() },
            buffers,
            layout,
        }
    }

    /// Lane values of the parameters of `network`, and bytes of all buffers to train it with batches of `rows` rows,
    /// gathered or not, the gradient left in memory or not.
    pub(crate) fn bytes(
        network: &Network,
        rows: usize,
        is_gathered: bool,
        leaves_gradient: bool,
    ) -> (usize, usize) {
        let layout = Layout::new::<V>(network);
        let Layout { ref sheets, parameters, mirrors, piece, input_stride } = layout;
        let per_row: usize = sheets.iter().map(|sheet| stride::<V>(sheet.layer.outputs)).sum();
        let width = network.output_width();
        let sums = match layer::needs_sums(network.activation()) {
            true => per_row - stride::<V>(width),
            false => 0,
        };
        let gradient = if leaves_gradient || rows > piece { parameters } else { 0 };
        let lanes = parameters
            + mirrors
            + gradient
            + piece * (2 * per_row + sums)
            + 3 * width
            + piece::tile_length::<V>(sheets);
        let here = rows.div_ceil(rows.div_ceil(piece).max(1));
        let features =
            if is_gathered || input_stride > network.input_width() { here * input_stride } else { 0 };
        let targets = if is_gathered { here * width } else { 0 };
        (parameters, lanes * size_of::<V>() + (features + targets) * size_of::<V::Elem>())
    }

    /// Works off at most `rows` rows at once.
    pub(crate) fn limit_piece(&mut self, rows: usize) {
        self.layout.piece = self.layout.piece.min(rows);
    }

    /// Lane values of the parameters: as many as an update rule has to remember.
    pub(crate) fn parameters(&self) -> usize {
        self.theta.len()
    }

    /// Puts the parameters `theta`, in drawing order.
    pub(crate) fn set(&mut self, theta: &[V::Elem]) {
        let all = elements_mut(&mut self.theta);
        for sheet in &self.layout.sheets {
            let (weights, biases) = sheet.layer.parameters(theta);
            let to = &mut all[sheet.weights * V::WIDTH..];
            copy_in::<V>(sheet, weights, to);
            all[sheet.biases * V::WIDTH..][..biases.len()].copy_from_slice(biases);
        }
        V::enter(Mirror { sheets: &self.layout.sheets, theta: &self.theta, mirrors: &mut self.mirrors });
    }

    /// The parameters, in drawing order.
    pub(crate) fn get(&self) -> Vec<V::Elem> {
        self.in_drawing_order(&self.theta)
    }

    /// A vector laid out like the parameters.
    fn in_drawing_order(&self, vector: &[V]) -> Vec<V::Elem> {
        let count = self.layout.sheets.iter().map(|sheet| sheet.layer.parameter_count()).sum();
        let all = elements(vector);
        let mut ordered = vec![V::Elem::ZERO; count];
        for sheet in &self.layout.sheets {
            let (weights, biases) = sheet.layer.parameters_mut(&mut ordered);
            copy_out::<V>(sheet, &all[sheet.weights * V::WIDTH..], weights);
            let count = biases.len();
            biases.copy_from_slice(&all[sheet.biases * V::WIDTH..][..count]);
        }
        ordered
    }

    /// Goes over the rows `pick` of `rows`, or all of them, in file order. After each piece `look` is shown its
    /// outputs and targets; it may end the pass early. The mean loss with `l2` where it is wanted, else 0.
    pub(crate) fn pass<E>(
        &mut self,
        rows: Batch<'_, V::Elem>,
        pick: Option<&[usize]>,
        l2: f64,
        mut aim: Aim<'_, V>,
        mut look: impl FnMut(Seen<'_, V::Elem>) -> Result<(), E>,
    ) -> Result<V::Elem, E> {
        let width = self.layout.last().layer.outputs;
        let count = pick.map_or(rows.targets.len() / width, <[usize]>::len);
        let with_loss = matches!(aim, Aim::Loss | Aim::Gradient { loss: true });
        let pieces = count.div_ceil(self.layout.piece).max(1);
        if (matches!(aim, Aim::Update(_)) && pieces > 1) || matches!(aim, Aim::Gradient { .. }) {
            self.gradient.resize(self.layout.parameters, V::ZERO);
        }
        let mut sum = V::Elem::ZERO;
        // pieces of about equal size
        for piece in 0..pieces {
            let (from, to) = (count * piece / pieces, count * (piece + 1) / pieces);
            let task = match &mut aim {
                Aim::Loss | Aim::Outputs => Task::Forward,
                Aim::Gradient { .. } => Task::Gradient { first: from == 0, last: to == count },
                Aim::Update(_) if to < count => Task::Gradient { first: from == 0, last: false },
                Aim::Update(step) => Task::Update { first: from == 0, step },
            };
            let sizes = (self.layout.sheets[0].layer.inputs, width);
            let here = self.gathered.rows(rows, pick, from..to, sizes, self.layout.input_stride);
            sum = V::enter(Piece {
                sheets: &self.layout.sheets,
                activation: self.activation,
                output_activation: self.output_activation,
                loss: self.loss,
                l2: (l2 != 0.0).then(|| V::from_f64(2.0 * l2)),
                theta: &mut self.theta,
                gradient: &mut self.gradient,
                mirrors: &mut self.mirrors,
                features: here.features,
                input_stride: self.layout.input_stride,
                targets: here.targets,
                count: to - from,
                share: V::from_f64(1.0 / count as f64),
                sum: with_loss.then_some(sum),
                buffers: &mut self.buffers,
                task,
            });
            let outputs = &self.buffers.values[self.layout.sheets.len() - 1];
            look(Seen {
                outputs: elements(&outputs[..(to - from) * stride::<V>(width)]),
                stride: stride::<V>(width) * V::WIDTH,
                targets: here.targets,
                width,
            })?;
        }
        if !with_loss {
            return Ok(V::Elem::ZERO);
        }
        let mean = loss::mean(self.loss, sum, count, width);
        if l2 == 0.0 {
            return Ok(mean);
        }
        Ok(V::Elem::from_f64(l2).fma(self.squared_norm(&self.theta), mean))
    }

    /// Brings the rows `pick` together, as a pass does piece by piece: for measurements.
    pub(crate) fn bring_together(&mut self, rows: Batch<'_, V::Elem>, pick: &[usize]) {
        let sizes = (self.layout.sheets[0].layer.inputs, self.layout.last().layer.outputs);
        for piece in pick.chunks(self.layout.piece) {
            self.gathered.rows(rows, Some(piece), 0..piece.len(), sizes, self.layout.input_stride);
        }
    }

    /// One update from the gradient that the last pass left.
    pub(crate) fn update(&mut self, step: Step<'_, V>) {
        V::enter(Whole { step, theta: &mut self.theta, gradient: &mut self.gradient });
        V::enter(Mirror { sheets: &self.layout.sheets, theta: &self.theta, mirrors: &mut self.mirrors });
    }

    /// Σ g² over the gradient that the last pass left, in drawing order.
    pub(crate) fn squared_gradient_norm(&self) -> V::Elem {
        self.squared_norm(&self.gradient)
    }

    fn squared_norm(&self, vector: &[V]) -> V::Elem {
        V::enter(SquaredNorm { values: &self.in_drawing_order(vector) })
    }

    /// Whether all parameters are finite.
    pub(crate) fn is_finite(&self) -> bool {
        let sum = V::enter(Finite { sheets: &self.layout.sheets, theta: &self.theta });
        elements(std::slice::from_ref(&sum)).iter().all(|value| value.is_finite())
    }
}

/// An update of all parameters.
struct Whole<'a, V> {
    step: Step<'a, V>,
    theta: &'a mut [V],
    gradient: &'a mut [V],
}

impl<V: Lane> Job for Whole<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let range = 0..self.theta.len();
        self.step.apply(self.theta, self.gradient, range);
    }
}

/// Refreshes all mirrors.
struct Mirror<'a, V> {
    sheets: &'a [Sheet],
    theta: &'a [V],
    mirrors: &'a mut [V],
}

impl<V: Lane> Job for Mirror<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for sheet in self.sheets {
            mirror(sheet, self.theta, self.mirrors);
        }
    }
}

/// 0 if all parameters are finite, else NaN in some lane: x − x is 0 for finite x, else NaN, and NaN survives sums.
struct Finite<'a, V> {
    sheets: &'a [Sheet],
    theta: &'a [V],
}

impl<V: Lane> Job for Finite<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sum = V::ZERO;
        for sheet in self.sheets {
            let panels = sheet.panels(sheet.side);
            let weights = &self.theta[sheet.weights..sheet.biases];
            for panel in panels.iter::<V>() {
                let rows = &weights[panel.offset..panel.offset + panels.depth * panel.registers];
                sum = sum.add(differences(rows, panel.registers, panels.columns - panel.first * V::WIDTH));
            }
            let outputs = sheet.layer.outputs;
            let biases = &self.theta[sheet.biases..sheet.biases + registers::<V>(outputs)];
            sum = sum.add(differences(biases, biases.len(), outputs));
        }
        sum
    }
}

/// Σ (x − x) over rows of some registers, of which the first `columns` lanes count.
#[inline(always)]
fn differences<V: Lane>(rows: &[V], registers: usize, columns: usize) -> V {
    let mut ones = V::ZERO;
    let last = (columns - (registers - 1) * V::WIDTH).min(V::WIDTH);
    elements_mut(std::slice::from_mut(&mut ones))[..last].fill(V::Elem::ONE);
    let mut sums = [V::ZERO; 2];
    for row in rows.chunks_exact(registers) {
        let (tail, whole) = (row[registers - 1], &row[..registers - 1]);
        for &x in whole {
            sums[0] = sums[0].add(x.sub(x));
        }
        sums[1] = sums[1].add(V::select(ones.gt(V::ZERO), tail.sub(tail), V::ZERO));
    }
    sums[0].add(sums[1])
}

#[cfg(test)]
mod tests;
