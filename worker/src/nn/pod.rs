//! Restart lanes: networks of one shape and one experiment, each in its own lane of every number.
//!
//! Every lane's sums are the reference's own chains (`nn/network.rs`), so a lane ends with the bits that its trial
//! alone would have. A lane that overflows stays alone with its NaNs.

mod gather;
mod piece;
mod strip;
mod sums;
mod tiny;

use std::ops::Range;

use seedsweep_common::spec::{Activation, Loss};

use crate::nn::lane::{Job, Lane, Lanes, Matrix, Operand, Shared, elements, elements_mut};
use crate::nn::layer;
use crate::nn::network::{Batch, Decay, Network};
use crate::nn::optimizer::{Light, Step};
use crate::nn::scalar::Number;
use gather::Gather;
use piece::{Piece, State, Values, of, of_lanes};
use strip::{Strip, padded, places};
use sums::{Finite, Mean, SquaredNorm};
pub(crate) use tiny::{MOST_UPDATES, Rule, is_tiny};

/// Most rows worked off at once: long enough for the sums over rows, short enough for the cache.
const PIECE_ROWS: usize = 64;

/// Registers from which on a gradient goes into the update before it is stored. With AVX2's sixteen, twelve of which
/// hold sums, that gains nothing over an update of its own.
const REGISTERS_TO_UPDATE_IN: usize = 32;

/// Which rows of the data a pass is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick<'a> {
    /// All, in file order.
    All,
    /// These, the same for every lane.
    Same(&'a [usize]),
    /// For each lane its own, equally many.
    Own(&'a [&'a [usize]]),
}

/// What a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) loss: bool,
    pub(crate) gradient: bool,
}

/// Networks side by side, with the buffers to train them.
#[derive(Debug)]
pub(crate) struct Pod<'a, V: Lane> {
    strips: Vec<Strip>,
    activation: Activation,
    output_activation: Activation,
    loss: Loss,
    l2: f64,
    rows: Batch<'a, V::Elem>,
    /// The parameters, strip after strip; what pads them out is never read.
    pub(crate) theta: Vec<V>,
    /// The gradient, laid out like the parameters.
    pub(crate) gradient: Vec<V>,
    /// Of each layer.
    values: Vec<Values<V>>,
    /// The loss's derivatives by the sums of the last layer, (piece, outputs).
    output_deltas: Vec<V>,
    /// Gathered rows: (piece, inputs) the same for all lanes, or (piece, padded inputs) each lane's own.
    same: Vec<V::Elem>,
    own: Vec<V>,
    /// (piece, outputs).
    targets: Vec<V>,
    /// Which rows of all the targets are, where they are those of a piece of all rows.
    loaded: Option<(usize, usize)>,
    /// Most rows worked off at once; [`PIECE_ROWS`] fit.
    piece: usize,
    pub(crate) lanes: Lanes,
    /// The widths of a network with a kernel of its own.
    tiny: Option<tiny::Widths>,
}

impl<'a, V: Lane> Pod<'a, V> {
    /// Lanes of `network` to be trained on `rows`; all parameters are 0.
    pub(crate) fn new(
        network: &Network,
        loss: Loss,
        l2: f64,
        rows: Batch<'a, V::Elem>,
        lanes: Lanes,
    ) -> Self {
        let (strips, length) = Strip::of(network);
        let kept = if layer::needs_sums(network.activation()) { PIECE_ROWS } else { 0 };
        let values = strips.iter().map(|strip| {
            let width = padded(strip.layer.outputs);
            let kept = if strip.end() < length { kept } else { 0 };
            Values { activated: vec![V::ZERO; PIECE_ROWS * width], slopes: vec![V::ZERO; kept * width] }
        });
        Self {
            activation: network.activation(),
            output_activation: network.output_activation(),
            loss,
            l2,
            rows,
            theta: vec![V::ZERO; length],
            gradient: vec![V::ZERO; length],
            values: values.collect(),
            output_deltas: vec![V::ZERO; PIECE_ROWS * network.output_width()],
            loaded: None,
            piece: PIECE_ROWS,
            same: Vec::new(),
            own: Vec::new(),
            targets: vec![V::ZERO; PIECE_ROWS * network.output_width()],
            strips,
            lanes,
            tiny: tiny::widths(network),
        }
    }

    /// Lane values of the parameters of `network`, and bytes of all buffers of a pod whose lanes have their own rows
    /// or not.
    pub(crate) fn bytes(network: &Network, own_rows: bool) -> (usize, usize) {
        let (strips, parameters) = Strip::of(network);
        let mut per_row = 2 * network.output_width();
        for strip in &strips {
            let keeps_slopes = layer::needs_sums(network.activation()) && strip.end() < parameters;
            per_row += padded(strip.layer.outputs) * (1 + usize::from(keeps_slopes));
        }
        let inputs = network.input_width();
        let (own, same) = if own_rows { (padded(inputs), 0) } else { (0, inputs) };
        let lanes = 2 * parameters + PIECE_ROWS * (per_row + own);
        (parameters, lanes * size_of::<V>() + PIECE_ROWS * same * size_of::<V::Elem>())
    }

    /// Works off at most `rows` rows at once.
    pub(crate) fn limit_piece(&mut self, rows: usize) {
        self.piece = self.piece.min(rows);
    }

    /// Puts the parameters `theta`, in drawing order, into lane `lane`.
    pub(crate) fn set(&mut self, lane: usize, theta: &[V::Elem]) {
        let places = places(&self.strips);
        for (place, &value) in places.zip(theta) {
            elements_mut(&mut self.theta)[place * V::WIDTH + lane] = value;
        }
    }

    /// The parameters of lane `lane`, in drawing order.
    pub(crate) fn get(&self, lane: usize) -> Vec<V::Elem> {
        let all = elements(&self.theta);
        // the places do not say how many they are, and ends are kept
        let mut theta =
            Vec::with_capacity(self.strips.iter().map(|strip| strip.layer.parameter_count()).sum());
        theta.extend(places(&self.strips).map(|place| all[place * V::WIDTH + lane]));
        theta
    }

    /// The parameters of all lanes, in drawing order.
    pub(crate) fn values(&self) -> Vec<V> {
        places(&self.strips).map(|place| self.theta[place]).collect()
    }

    /// Goes over the picked rows: the gradient with l2 is left in `gradient`, the mean loss with l2 is returned.
    /// After each piece of rows `look` is told how many rows it had, with their outputs and targets,
    /// (rows, outputs); it may end the pass early.
    pub(crate) fn pass<E>(
        &mut self,
        pick: Pick<'_>,
        wanted: Wanted,
        mut look: impl FnMut(&[V], &[V]) -> Result<(), E>,
    ) -> Result<V, E> {
        let (width, count) = (self.output_width(), self.count(pick));
        let share = V::Elem::from_f64(1.0 / count as f64);
        // pieces of about the same length: sums over few rows are short of work between their loads and stores
        let piece = count.div_ceil(count.div_ceil(self.piece).max(1)).max(1);
        let mut sum = V::ZERO;
        let mut from = 0;
        while from < count {
            let to = count.min(from + piece);
            let state = State { share, sum, first: from == 0, wanted };
            sum = self.some_rows(pick, from..to, state, None);
            let outputs = &self.values[self.strips.len() - 1].activated[..(to - from) * width];
            look(outputs, &self.targets[..(to - from) * width])?;
            from = to;
        }
        if wanted.gradient && self.l2 != 0.0 {
            let factor = V::from_f64(2.0 * self.l2);
            V::enter(Decay { theta: &self.theta, factor, gradient: &mut self.gradient });
        }
        if !wanted.loss {
            return Ok(V::ZERO);
        }
        Ok(V::enter(Mean { pod: self, sum, count }))
    }

    /// Makes an update on the picked rows, as [`Pod::pass`] for the gradient and then the rule would, but where the
    /// rule is a few instructions and registers are many the first layer's gradient goes into it from them. Says no
    /// and does nothing where the rows are more than a piece or the loss has l2.
    pub(crate) fn descend(&mut self, pick: Pick<'_>, rule: Rule<'_, V>) -> bool {
        let count = self.count(pick);
        if count > self.piece || self.l2 != 0.0 {
            return false;
        }
        let Rule { optimizer, decay, rates } = rule;
        let mut step = optimizer.begin(decay, rates.next_rate());
        let share = V::Elem::from_f64(1.0 / count as f64);
        let wanted = Wanted { loss: false, gradient: true };
        let light = if V::REGISTERS >= REGISTERS_TO_UPDATE_IN { step.light() } else { None };
        let done = if light.is_some() { self.strips[0].weight_count() } else { 0 };
        self.some_rows(pick, 0..count, State { share, sum: V::ZERO, first: true, wanted }, light);
        V::enter(Rest { step, theta: &mut self.theta, gradient: &mut self.gradient, done });
        true
    }

    /// How many rows are picked.
    fn count(&self, pick: Pick<'_>) -> usize {
        match pick {
            Pick::All => self.rows.targets.len() / self.output_width(),
            Pick::Same(rows) => rows.len(),
            Pick::Own(rows) => rows[0].len(),
        }
    }

    /// Works off the rows `range` of those picked.
    fn some_rows(
        &mut self,
        pick: Pick<'_>,
        range: Range<usize>,
        state: State<V>,
        light: Option<Light<'_, V>>,
    ) -> V {
        let inputs = self.strips[0].layer.inputs;
        self.gather(pick, range.start, range.end);
        match pick {
            Pick::All => {
                let rows = &self.rows.features[range.start * inputs..range.end * inputs];
                self.piece(of(Shared(rows), 1, inputs), range.len(), state, light)
            }
            Pick::Same(_) => {
                let same = std::mem::take(&mut self.same);
                let sum = self.piece(of(Shared(&same), 1, inputs), range.len(), state, light);
                self.same = same;
                sum
            }
            Pick::Own(_) => {
                let own = std::mem::take(&mut self.own);
                let sum = self.piece(of_lanes(&own, 1, padded(inputs)), range.len(), state, light);
                self.own = own;
                sum
            }
        }
    }

    /// Works off `count` rows.
    fn piece<O: Operand<V>>(
        &mut self,
        input: Matrix<O>,
        count: usize,
        state: State<V>,
        light: Option<Light<'_, V>>,
    ) -> V {
        let width = self.output_width();
        V::enter(Piece {
            strips: &self.strips,
            activation: self.activation,
            output_activation: self.output_activation,
            loss: self.loss,
            theta: &mut self.theta,
            gradient: &mut self.gradient,
            light,
            values: &mut self.values,
            output_deltas: &mut self.output_deltas[..count * width],
            targets: &self.targets[..count * width],
            input,
            count,
            state,
        })
    }

    /// Σ g² of each lane, in drawing order.
    pub(crate) fn squared_gradient_norm(&self) -> V {
        V::enter(SquaredNorm { strips: &self.strips, vector: &self.gradient })
    }

    /// 0 where all parameters are finite, else NaN.
    pub(crate) fn finite_or_nan(&self) -> V {
        V::enter(Finite { strips: &self.strips, vector: &self.theta })
    }

    /// Width of the output.
    pub(crate) fn output_width(&self) -> usize {
        self.strips[self.strips.len() - 1].layer.outputs
    }

    /// Brings all picked rows together, as a pass does piece by piece: for measurements.
    pub(crate) fn bring_together(&mut self, pick: Pick<'_>) {
        let count = self.count(pick);
        for from in (0..count).step_by(PIECE_ROWS) {
            self.gather(pick, from, count.min(from + PIECE_ROWS));
        }
    }

    /// Fills the buffers with rows `from..to` of those picked.
    fn gather(&mut self, pick: Pick<'_>, from: usize, to: usize) {
        let (inputs, width) = (self.strips[0].layer.inputs, self.output_width());
        let Batch { features, targets } = self.rows;
        let feature = |row: usize| &features[row * inputs..(row + 1) * inputs];
        let target = |row: usize| &targets[row * width..(row + 1) * width];
        let loaded = std::mem::take(&mut self.loaded);
        match pick {
            Pick::All if loaded == Some((from, to)) => self.loaded = loaded,
            Pick::All => {
                self.loaded = Some((from, to));
                let targets = &targets[from * width..to * width];
                for (lanes, &value) in self.targets.iter_mut().zip(targets) {
                    elements_mut(std::slice::from_mut(lanes)).fill(value);
                }
            }
            Pick::Same(rows) => {
                self.same.clear();
                for (lanes, &row) in self.targets.chunks_exact_mut(width).zip(&rows[from..to]) {
                    self.same.extend_from_slice(feature(row));
                    for (lanes, &value) in lanes.iter_mut().zip(target(row)) {
                        elements_mut(std::slice::from_mut(lanes)).fill(value);
                    }
                }
            }
            Pick::Own(rows) => {
                let stride = padded(inputs);
                self.own.resize(PIECE_ROWS * stride, V::ZERO);
                let gathered = &mut self.own;
                V::enter(Gather { table: features, width: inputs, picks: rows, from, to, gathered, stride });
                let gathered = &mut self.targets;
                V::enter(Gather { table: targets, width, picks: rows, from, to, gathered, stride: width });
            }
        }
    }
}

/// An update of all parameters but the first `done`, which have had it.
struct Rest<'a, V> {
    step: Step<'a, V>,
    theta: &'a mut [V],
    gradient: &'a mut [V],
    done: usize,
}

impl<V: Lane> Job for Rest<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let range = self.done..self.theta.len();
        self.step.apply(&mut self.theta[range.clone()], &mut self.gradient[range.clone()], range);
    }
}

#[cfg(test)]
mod tests;
