//! Restart lanes: networks of one shape and one experiment, each in its own lane of every number.
//!
//! Every lane's sums are the reference's own chains (`nn/network.rs`), so a lane ends with the bits that its trial
//! alone would have. A lane that overflows stays alone with its NaNs.

use seedsweep_common::spec::{Activation, Loss};

use crate::nn::lane::{
    Each, Job, Lane, Lanes, Matrix, Operand, Product, Shared, Start, elements, elements_mut,
};
use crate::nn::layer::{self, Layer};
use crate::nn::loss;
use crate::nn::network::{Batch, Decay, Network};
use crate::nn::scalar::Number;

/// Whether networks of this kind can be trained side by side: gelu's derivative needs sums that a pod does not keep,
/// and its outputs are linear.
pub(crate) fn supports(network: &Network) -> bool {
    !layer::needs_sums(network.activation()) && network.output_activation() == Activation::Identity
}

/// Most rows worked off at once: long enough for the sums over rows, short enough for the cache.
const PIECE_ROWS: usize = 48;
/// From this width on rows are padded to an odd length, so that they do not fall on the same sets of the cache.
const PADDED_WIDTH: usize = 16;

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

/// A layer's place among the pod's parameters: weights (outputs, stride), then biases.
#[derive(Debug, Clone, Copy)]
struct Strip {
    layer: Layer,
    offset: usize,
    stride: usize,
}

impl Strip {
    #[inline(always)]
    fn weight_count(&self) -> usize {
        self.layer.outputs * self.stride
    }

    /// Weights and biases in a vector laid out like the parameters.
    #[inline(always)]
    fn split<'v, V>(&self, vector: &'v [V]) -> (&'v [V], &'v [V]) {
        vector[self.offset..self.offset + self.weight_count() + self.layer.outputs]
            .split_at(self.weight_count())
    }

    #[inline(always)]
    fn split_mut<'v, V>(&self, vector: &'v mut [V]) -> (&'v mut [V], &'v mut [V]) {
        vector[self.offset..self.offset + self.weight_count() + self.layer.outputs]
            .split_at_mut(self.weight_count())
    }
}

/// Networks side by side, with the buffers to train them.
#[derive(Debug)]
pub(crate) struct Pod<'a, V: Lane> {
    strips: Vec<Strip>,
    activation: Activation,
    loss: Loss,
    l2: f64,
    rows: Batch<'a, V::Elem>,
    /// The parameters, strip after strip; what pads them out is never read.
    pub(crate) theta: Vec<V>,
    /// The gradient, laid out like the parameters.
    pub(crate) gradient: Vec<V>,
    /// For each layer its values after the activation, (piece, padded outputs).
    values: Vec<Vec<V>>,
    /// For each layer the loss's derivatives by its sums, likewise.
    deltas: Vec<Vec<V>>,
    /// Gathered rows: (piece, inputs) the same for all lanes, or (piece, padded inputs) each lane's own.
    same: Vec<V::Elem>,
    own: Vec<V>,
    /// (piece, outputs).
    targets: Vec<V>,
    /// Which rows of all the targets are, where they are those of a piece of all rows.
    loaded: Option<(usize, usize)>,
    pub(crate) lanes: Lanes,
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
        let mut strips = Vec::with_capacity(network.layers().len());
        let mut offset = 0;
        for &layer in network.layers() {
            let strip = Strip { layer, offset, stride: padded(layer.inputs) };
            offset += strip.weight_count() + layer.outputs;
            strips.push(strip);
        }
        let per_layer =
            || strips.iter().map(|strip| vec![V::ZERO; PIECE_ROWS * padded(strip.layer.outputs)]).collect();
        Self {
            activation: network.activation(),
            loss,
            l2,
            rows,
            theta: vec![V::ZERO; offset],
            gradient: vec![V::ZERO; offset],
            values: per_layer(),
            deltas: per_layer(),
            loaded: None,
            same: Vec::new(),
            own: Vec::new(),
            targets: vec![V::ZERO; PIECE_ROWS * network.output_width()],
            strips,
            lanes,
        }
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
        places(&self.strips).map(|place| all[place * V::WIDTH + lane]).collect()
    }

    /// Goes over the picked rows: the gradient with l2 is left in `gradient`, the mean loss with l2 is returned.
    /// After each piece of rows `look` is told how many rows it had, with their outputs (rows, padded) and targets
    /// (rows, outputs); it may end the pass early.
    pub(crate) fn pass<E>(
        &mut self,
        pick: Pick<'_>,
        wanted: Wanted,
        mut look: impl FnMut(&[V], &[V]) -> Result<(), E>,
    ) -> Result<V, E> {
        let (inputs, width) = (self.strips[0].layer.inputs, self.output_width());
        let count = match pick {
            Pick::All => self.rows.targets.len() / width,
            Pick::Same(rows) => rows.len(),
            Pick::Own(rows) => rows[0].len(),
        };
        let share = V::Elem::from_f64(1.0 / count as f64);
        let mut sum = V::ZERO;
        let mut from = 0;
        while from < count {
            let to = count.min(from + PIECE_ROWS);
            self.gather(pick, from, to);
            let state = State { share, sum, first: from == 0, wanted };
            sum = match pick {
                Pick::All => {
                    let rows = &self.rows.features[from * inputs..to * inputs];
                    self.piece(of(Shared(rows), 1, inputs), to - from, state)
                }
                Pick::Same(_) => {
                    let same = std::mem::take(&mut self.same);
                    let sum = self.piece(of(Shared(&same), 1, inputs), to - from, state);
                    self.same = same;
                    sum
                }
                Pick::Own(_) => {
                    let own = std::mem::take(&mut self.own);
                    let sum = self.piece(of_lanes(&own, 1, padded(inputs)), to - from, state);
                    self.own = own;
                    sum
                }
            };
            let outputs = &self.values[self.strips.len() - 1][..(to - from) * padded(width)];
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

    /// Works off `count` rows.
    fn piece<O: Operand<V>>(&mut self, input: Matrix<O>, count: usize, state: State<V>) -> V {
        V::enter(Piece {
            strips: &self.strips,
            activation: self.activation,
            loss: self.loss,
            theta: &self.theta,
            gradient: &mut self.gradient,
            values: &mut self.values,
            deltas: &mut self.deltas,
            targets: &self.targets[..count * self.strips[self.strips.len() - 1].layer.outputs],
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
                let (own, own_targets) = (elements_mut(&mut self.own), elements_mut(&mut self.targets));
                let own = own.chunks_exact_mut(stride * V::WIDTH);
                let own_targets = own_targets.chunks_exact_mut(width * V::WIDTH);
                // row by row, so that what the lanes write to stays in the cache
                for (s, (own, own_targets)) in (from..to).zip(own.zip(own_targets)) {
                    for (lane, rows) in rows.iter().enumerate() {
                        scatter::<V>(feature(rows[s]), lane, own);
                        scatter::<V>(target(rows[s]), lane, own_targets);
                    }
                }
            }
        }
    }
}

/// Writes `values` to lane `lane` of lane values one after the other.
#[inline(always)]
fn scatter<V: Lane>(values: &[V::Elem], lane: usize, lanes: &mut [V::Elem]) {
    for (place, &value) in lanes.chunks_exact_mut(V::WIDTH).zip(values) {
        place[lane] = value;
    }
}

/// Length of a row of `width` values in memory.
pub(crate) fn padded(width: usize) -> usize {
    if width < PADDED_WIDTH { width } else { width | 1 }
}

/// Places of the parameters, in drawing order.
#[inline(always)]
fn places(strips: &[Strip]) -> impl Iterator<Item = usize> {
    strips.iter().flat_map(|strip| {
        let Strip { layer, offset, stride } = *strip;
        let weights =
            (0..layer.outputs).flat_map(move |u| (0..layer.inputs).map(move |k| offset + u * stride + k));
        weights.chain((0..layer.outputs).map(move |u| offset + layer.outputs * stride + u))
    })
}

/// Loss and gradient of some rows.
struct Piece<'a, V: Lane, O> {
    strips: &'a [Strip],
    activation: Activation,
    loss: Loss,
    theta: &'a [V],
    gradient: &'a mut [V],
    values: &'a mut [Vec<V>],
    deltas: &'a mut [Vec<V>],
    /// (rows, outputs).
    targets: &'a [V],
    /// (r = input, i = row).
    input: Matrix<O>,
    /// Rows.
    count: usize,
    state: State<V>,
}

/// Where a pass stands.
#[derive(Debug, Clone, Copy)]
struct State<V: Lane> {
    /// 1/B, rounded.
    share: V::Elem,
    /// The sum of losses so far.
    sum: V,
    /// Whether sums over rows begin here.
    first: bool,
    wanted: Wanted,
}

impl<V: Lane, O: Operand<V>> Job for Piece<'_, V, O> {
    /// The sum of losses, grown by these rows.
    type Output = V;

    #[inline(always)]
    fn run(mut self) -> V {
        self.forward();
        let last = self.strips.len() - 1;
        let width = self.strips[last].layer.outputs;
        let stride = padded(width);
        let rows = self.values[last].chunks_exact(stride).zip(self.targets.chunks_exact(width));
        let mut sum = self.state.sum;
        if self.state.wanted.loss {
            for (outputs, targets) in rows.clone() {
                sum = loss::add_rows(self.loss, &outputs[..width], targets, width, sum);
            }
        }
        if self.state.wanted.gradient {
            let share = V::splat(self.state.share);
            for (deltas, (outputs, targets)) in self.deltas[last].chunks_exact_mut(stride).zip(rows) {
                let (outputs, deltas) = (&outputs[..width], &mut deltas[..width]);
                loss::output_deltas(self.loss, outputs, targets, width, share, deltas);
            }
            self.backward();
        }
        sum
    }
}

impl<V: Lane, O: Operand<V>> Piece<'_, V, O> {
    #[inline(always)]
    fn forward(&mut self) {
        for (l, strip) in self.strips.iter().enumerate() {
            let (below, from_here) = self.values.split_at_mut(l);
            let stride = padded(strip.layer.outputs);
            let sums = &mut from_here[0][..self.count * stride];
            match below.last() {
                None => forward(strip, self.theta, self.input, self.count, sums),
                Some(values) => {
                    let input = of_lanes(values, 1, padded(strip.layer.inputs));
                    forward(strip, self.theta, input, self.count, sums);
                }
            }
            if l + 1 < self.strips.len() {
                layer::activate(self.activation, sums);
            }
        }
    }

    #[inline(always)]
    fn backward(&mut self) {
        for (l, strip) in self.strips.iter().enumerate().rev() {
            let (below, from_here) = self.deltas.split_at_mut(l);
            let stride = padded(strip.layer.outputs);
            let deltas = Rows { values: &from_here[0][..self.count * stride], stride, count: self.count };
            let gradient = &mut *self.gradient;
            let Some(below) = below.last_mut() else {
                add_gradient(strip, deltas, self.input, self.state.first, gradient);
                break;
            };
            let stride = padded(strip.layer.inputs);
            let inputs = &self.values[l - 1][..self.count * stride];
            let below = &mut below[..self.count * stride];
            backward(strip, self.theta, deltas, below);
            layer::multiply_by_derivative(self.activation, inputs, &[], below);
            let input = of_lanes(inputs, 1, stride);
            add_gradient(strip, deltas, input, self.state.first, gradient);
        }
    }
}

/// A matrix of lane values: (r, i) is lane value r · along + i · across.
#[inline(always)]
fn of_lanes<V: Lane>(values: &[V], along: usize, across: usize) -> Matrix<Each<'_, V::Elem>> {
    of(Each(elements(values)), V::WIDTH * along, V::WIDTH * across)
}

/// A matrix inside `operand`.
#[inline(always)]
fn of<O>(operand: O, along: usize, across: usize) -> Matrix<O> {
    Matrix { operand, along, across }
}

/// Values of some rows, `stride` apart.
#[derive(Debug, Clone, Copy)]
struct Rows<'a, V> {
    values: &'a [V],
    stride: usize,
    count: usize,
}

/// The sums of a layer, before its activation: (rows, padded outputs).
#[inline(always)]
fn forward<V: Lane, O: Operand<V>>(
    strip: &Strip,
    theta: &[V],
    input: Matrix<O>,
    count: usize,
    sums: &mut [V],
) {
    let (weights, biases) = strip.split(theta);
    V::enter(Product::<V, _> {
        a: of_lanes(weights, 1, strip.stride),
        b: input,
        depth: strip.layer.inputs,
        start: Start::Values(elements(biases)),
        sums: elements_mut(sums),
        strides: (V::WIDTH, V::WIDTH * padded(strip.layer.outputs)),
        size: (strip.layer.outputs, count),
    });
}

/// The sums of δ over a layer's outputs, before the derivative of the activation: (rows, padded inputs).
#[inline(always)]
fn backward<V: Lane>(strip: &Strip, theta: &[V], deltas: Rows<'_, V>, below: &mut [V]) {
    let (weights, _) = strip.split(theta);
    V::enter(Product::<V, _> {
        a: of_lanes(weights, strip.stride, 1),
        b: of_lanes(deltas.values, 1, deltas.stride),
        depth: strip.layer.outputs,
        start: Start::Zero,
        sums: elements_mut(below),
        strides: (V::WIDTH, V::WIDTH * padded(strip.layer.inputs)),
        size: (strip.layer.inputs, deltas.count),
    });
}

/// Goes on with the sums over rows, or begins them.
#[inline(always)]
fn add_gradient<V: Lane, O: Operand<V>>(
    strip: &Strip,
    deltas: Rows<'_, V>,
    input: Matrix<O>,
    first: bool,
    gradient: &mut [V],
) {
    let (weights, biases) = strip.split_mut(gradient);
    // (r = row, i = input) instead of (r = input, i = row)
    let input = Matrix { operand: input.operand, along: input.across, across: input.along };
    V::enter(Product::<V, _> {
        a: of_lanes(deltas.values, deltas.stride, 1),
        b: input,
        depth: deltas.count,
        start: if first { Start::Zero } else { Start::Present },
        sums: elements_mut(weights),
        strides: (V::WIDTH * strip.stride, V::WIDTH),
        size: (strip.layer.outputs, strip.layer.inputs),
    });
    if first {
        biases.fill(V::ZERO);
    }
    for row in deltas.values.chunks_exact(deltas.stride) {
        for (sum, &delta) in biases.iter_mut().zip(row) {
            *sum = sum.add(delta);
        }
    }
}

/// The mean loss over `count` rows, with fma(l2, ‖θ‖², loss) where l2 is not 0.
struct Mean<'a, 'p, V: Lane> {
    pod: &'p Pod<'a, V>,
    sum: V,
    count: usize,
}

impl<V: Lane> Job for Mean<'_, '_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let Pod { strips, theta, loss, l2, .. } = self.pod;
        let mean = loss::mean(*loss, self.sum, self.count, self.pod.output_width());
        if *l2 == 0.0 {
            return mean;
        }
        let norm = SquaredNorm { strips, vector: theta }.run();
        V::from_f64(*l2).fma(norm, mean)
    }
}

/// Σ x² over a vector laid out like the parameters, one chain in drawing order.
struct SquaredNorm<'a, V> {
    strips: &'a [Strip],
    vector: &'a [V],
}

impl<V: Lane> Job for SquaredNorm<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sum = V::ZERO;
        for strip in self.strips {
            let (weights, biases) = strip.split(self.vector);
            for row in weights.chunks_exact(strip.stride).map(|row| &row[..strip.layer.inputs]) {
                for &x in row {
                    sum = x.fma(x, sum);
                }
            }
            for &x in biases {
                sum = x.fma(x, sum);
            }
        }
        sum
    }
}

/// x − x is 0 for finite x, else NaN, and NaN survives every sum.
struct Finite<'a, V> {
    strips: &'a [Strip],
    vector: &'a [V],
}

impl<V: Lane> Job for Finite<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sum = V::ZERO;
        for strip in self.strips {
            let (weights, biases) = strip.split(self.vector);
            for row in weights.chunks_exact(strip.stride).map(|row| &row[..strip.layer.inputs]) {
                sum = sum.add(differences(row));
            }
            sum = sum.add(differences(biases));
        }
        sum
    }
}

/// Σ (x − x), in four chains: only whether it is NaN is looked at.
#[inline(always)]
fn differences<V: Number>(values: &[V]) -> V {
    let mut sums = [V::ZERO; 4];
    let mut chunks = values.chunks_exact(4);
    for chunk in &mut chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum = sum.add(x.sub(x));
        }
    }
    for &x in chunks.remainder() {
        sums[0] = sums[0].add(x.sub(x));
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}
