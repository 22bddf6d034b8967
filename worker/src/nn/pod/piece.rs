//! Some rows forward and backward through all layers.
//!
//! The δ of a hidden layer takes the place of the values that its derivative is written in, as soon as the gradient
//! has been taken from them: half as much passes through the cache.

use std::marker::PhantomData;

use seedsweep_common::spec::{Activation, Loss};

use super::Wanted;
use super::strip::{Strip, padded};
use crate::nn::lane::{
    Each, Finish, Job, Lane, Matrix, Operand, Product, Start, Unchanged, elements, elements_mut,
};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::optimizer::Light;

/// Biases whose gradient is summed side by side.
const BIASES: usize = 4;

/// What a layer leaves for the way back.
#[derive(Debug)]
pub(super) struct Values<V> {
    /// After the activation, (piece, padded outputs).
    pub(super) activated: Vec<V>,
    /// The activation's derivative, likewise; empty where it can be written in the values.
    pub(super) slopes: Vec<V>,
}

/// Loss and gradient of some rows.
pub(super) struct Piece<'a, 'l, V: Lane, O> {
    pub(super) strips: &'a [Strip],
    pub(super) activation: Activation,
    pub(super) output_activation: Activation,
    pub(super) loss: Loss,
    pub(super) theta: &'a mut [V],
    pub(super) gradient: &'a mut [V],
    /// The update that the first layer's weights take of their gradient at once, which then is not left in memory:
    /// only where these are all rows of it.
    pub(super) light: Option<Light<'l, V>>,
    /// For each layer.
    pub(super) values: &'a mut [Values<V>],
    /// δ at the outputs, (rows, outputs).
    pub(super) output_deltas: &'a mut [V],
    /// (rows, outputs).
    pub(super) targets: &'a [V],
    /// (r = input, i = row).
    pub(super) input: Matrix<O>,
    /// Rows.
    pub(super) count: usize,
    pub(super) state: State<V>,
}

/// Where a pass stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<V: Lane> {
    /// 1/B, rounded.
    pub(super) share: V::Elem,
    /// The sum of losses so far.
    pub(super) sum: V,
    /// Whether sums over rows begin here.
    pub(super) first: bool,
    pub(super) wanted: Wanted,
}

impl<V: Lane, O: Operand<V>> Job for Piece<'_, '_, V, O> {
    /// The sum of losses, grown by these rows.
    type Output = V;

    #[inline(always)]
    fn run(mut self) -> V {
        self.forward();
        let last = self.strips.len() - 1;
        let width = self.strips[last].layer.outputs;
        let outputs = &self.values[last].activated[..self.count * width];
        let mut sum = self.state.sum;
        if self.state.wanted.loss {
            sum = loss::add_rows(self.loss, outputs, self.targets, width, sum);
        }
        if self.state.wanted.gradient {
            let share = V::splat(self.state.share);
            loss::output_deltas(self.loss, outputs, self.targets, width, share, self.output_deltas);
            // never one that needs the sums
            layer::multiply_by_derivative(self.output_activation, outputs, &[], self.output_deltas);
            self.backward();
        }
        sum
    }
}

impl<V: Lane, O: Operand<V>> Piece<'_, '_, V, O> {
    #[inline(always)]
    fn forward(&mut self) {
        let last = self.strips.len() - 1;
        for (l, strip) in self.strips.iter().enumerate() {
            let (below, from_here) = self.values.split_at_mut(l);
            let stride = row_of(strip, l == last);
            let Values { activated, slopes } = &mut from_here[0];
            let activation = if l == last { self.output_activation } else { self.activation };
            let sums = &mut activated[..self.count * stride];
            match below.last() {
                None => forward(strip, self.theta, self.input, activation, sums, stride),
                Some(below) => {
                    let input = of_lanes(&below.activated, 1, padded(strip.layer.inputs));
                    forward(strip, self.theta, input, activation, sums, stride);
                }
            }
            match activation {
                _ if is_light(activation) => {}
                Activation::Gelu if self.state.wanted.gradient && !slopes.is_empty() => {
                    layer::activate_gelu(sums, slopes);
                }
                _ => layer::activate(activation, sums),
            }
        }
    }

    #[inline(always)]
    fn backward(&mut self) {
        let last = self.strips.len() - 1;
        for (l, strip) in self.strips.iter().enumerate().rev() {
            let (below, from_here) = self.values.split_at_mut(l);
            let Values { activated, slopes } = &from_here[0];
            let deltas = match () {
                () if l == last => &*self.output_deltas,
                () if slopes.is_empty() => activated,
                () => slopes,
            };
            let stride = row_of(strip, l == last);
            let deltas = Rows { values: &deltas[..self.count * stride], stride, count: self.count };
            let first = self.state.first;
            let (sums, biases) = strip.split_mut(self.gradient);
            add_bias_gradient(deltas, first, biases);
            let Some(Values { activated, slopes }) = below.last_mut() else {
                // nothing else waits for these weights as they were
                let (theta, _) = strip.split_mut(self.theta);
                match self.light.take() {
                    Some(Light::Descent(rule)) => {
                        weight_gradient(strip, deltas, self.input, true, theta).enter_and(rule);
                    }
                    Some(Light::Momentum(rule)) => {
                        weight_gradient(strip, deltas, self.input, true, theta).enter_and(rule);
                    }
                    None => V::enter(weight_gradient(strip, deltas, self.input, first, sums)),
                }
                break;
            };
            let stride = padded(strip.layer.inputs);
            V::enter(weight_gradient(strip, deltas, of_lanes(activated, 1, stride), first, sums));
            let below = if slopes.is_empty() { activated } else { slopes };
            backward(strip, self.theta, deltas, &mut below[..self.count * stride], self.activation);
        }
    }
}

/// Length of a row of a layer's values: those of the outputs are not padded.
#[inline(always)]
fn row_of(strip: &Strip, is_last: bool) -> usize {
    if is_last { strip.layer.outputs } else { padded(strip.layer.outputs) }
}

/// A matrix of lane values: (r, i) is lane value r · along + i · across.
#[inline(always)]
pub(super) fn of_lanes<V: Lane>(values: &[V], along: usize, across: usize) -> Matrix<Each<'_, V::Elem>> {
    of(Each(elements(values)), V::WIDTH * along, V::WIDTH * across)
}

/// A matrix inside `operand`.
#[inline(always)]
pub(super) fn of<O>(operand: O, along: usize, across: usize) -> Matrix<O> {
    Matrix { operand, along, across }
}

/// Names an activation to the compiler.
trait Named {
    const ACTIVATION: Activation;
}

macro_rules! named {
    ($($name:ident),*) => { $(
        struct $name;

        impl Named for $name {
            const ACTIVATION: Activation = Activation::$name;
        }
    )* };
}

named!(Relu, LeakyRelu, Tanh, Sigmoid);

/// Whether the activation is a few instructions, to be done before sums are stored.
#[inline(always)]
fn is_light(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::LeakyRelu | Activation::Identity)
}

/// A sum becomes the activation's value.
struct Activated<A>(PhantomData<A>);

impl<V: Lane, A: Named> Finish<V> for Activated<A> {
    #[inline(always)]
    fn finish(&mut self, sum: V, _: V, _: usize) -> V {
        let mut value = [sum];
        layer::activate(A::ACTIVATION, &mut value);
        value[0]
    }
}

/// A sum is multiplied by the derivative of an activation, written in the value that is in its place.
struct TimesDerivative<A>(PhantomData<A>);

impl<V: Lane, A: Named> Finish<V> for TimesDerivative<A> {
    #[inline(always)]
    fn finish(&mut self, sum: V, present: V, _: usize) -> V {
        let mut delta = [sum];
        layer::multiply_by_derivative(A::ACTIVATION, &[present], &[], &mut delta);
        delta[0]
    }
}

/// A sum is multiplied by the slope that is in its place.
struct TimesPresent;

impl<V: Lane> Finish<V> for TimesPresent {
    #[inline(always)]
    fn finish(&mut self, sum: V, present: V, _: usize) -> V {
        sum.mul(present)
    }
}

/// Values of some rows, `stride` apart.
#[derive(Debug, Clone, Copy)]
struct Rows<'a, V> {
    values: &'a [V],
    stride: usize,
    count: usize,
}

/// The sums of a layer, rows `stride` apart; after the activation, if it is a light one.
#[inline(always)]
fn forward<V: Lane, O: Operand<V>>(
    strip: &Strip,
    theta: &[V],
    input: Matrix<O>,
    activation: Activation,
    sums: &mut [V],
    stride: usize,
) {
    let (weights, biases) = strip.split(theta);
    let product = Product::<V, _> {
        a: of_lanes(weights, 1, strip.stride),
        b: input,
        depth: strip.layer.inputs,
        start: Start::Values(elements(biases)),
        size: (strip.layer.outputs, sums.len() / stride),
        sums: elements_mut(sums),
        strides: (V::WIDTH, V::WIDTH * stride),
    };
    match activation {
        Activation::Relu => product.enter_and(Activated::<Relu>(PhantomData)),
        Activation::LeakyRelu => product.enter_and(Activated::<LeakyRelu>(PhantomData)),
        Activation::Gelu | Activation::Tanh | Activation::Sigmoid | Activation::Identity => {
            product.enter_and(Unchanged);
        }
    }
}

/// The δ below a layer, (rows, padded inputs), in the place of what the activation's derivative is written in.
#[inline(always)]
fn backward<V: Lane>(
    strip: &Strip,
    theta: &[V],
    deltas: Rows<'_, V>,
    below: &mut [V],
    activation: Activation,
) {
    let (weights, _) = strip.split(theta);
    let product = Product::<V, _> {
        a: of_lanes(weights, strip.stride, 1),
        b: of_lanes(deltas.values, 1, deltas.stride),
        depth: strip.layer.outputs,
        start: Start::Zero,
        sums: elements_mut(below),
        strides: (V::WIDTH, V::WIDTH * padded(strip.layer.inputs)),
        size: (strip.layer.inputs, deltas.count),
    };
    match activation {
        Activation::Relu => product.enter_and(TimesDerivative::<Relu>(PhantomData)),
        Activation::LeakyRelu => product.enter_and(TimesDerivative::<LeakyRelu>(PhantomData)),
        Activation::Tanh => product.enter_and(TimesDerivative::<Tanh>(PhantomData)),
        Activation::Sigmoid => product.enter_and(TimesDerivative::<Sigmoid>(PhantomData)),
        Activation::Gelu => product.enter_and(TimesPresent),
        Activation::Identity => product.enter_and(Unchanged),
    }
}

/// The gradient by a layer's weights: goes on with its sums over rows, or begins them.
#[inline(always)]
fn weight_gradient<'a, V: Lane, O: Operand<V>>(
    strip: &Strip,
    deltas: Rows<'a, V>,
    input: Matrix<O>,
    first: bool,
    sums: &'a mut [V],
) -> Product<'a, V, O> {
    Product {
        a: of_lanes(deltas.values, deltas.stride, 1),
        // (r = row, i = input) instead of (r = input, i = row)
        b: Matrix { operand: input.operand, along: input.across, across: input.along },
        depth: deltas.count,
        start: if first { Start::Zero } else { Start::Present },
        sums: elements_mut(sums),
        strides: (V::WIDTH * strip.stride, V::WIDTH),
        size: (strip.layer.outputs, strip.layer.inputs),
    }
}

/// The gradient by a layer's biases, likewise.
#[inline(always)]
fn add_bias_gradient<V: Lane>(deltas: Rows<'_, V>, first: bool, biases: &mut [V]) {
    let (chunks, rest) = biases.as_chunks_mut::<BIASES>();
    let whole = BIASES * chunks.len();
    for (chunk, sums) in chunks.iter_mut().enumerate() {
        add_chains(&deltas.values[chunk * BIASES..], deltas.stride, first, sums);
    }
    for (u, sum) in rest.iter_mut().enumerate() {
        add_chains(&deltas.values[whole + u..], deltas.stride, first, std::array::from_mut(sum));
    }
}

/// Goes on with N sums over rows `stride` apart, or begins them, all in registers.
#[inline(always)]
fn add_chains<V: Lane, const N: usize>(deltas: &[V], stride: usize, first: bool, sums: &mut [V; N]) {
    let mut chains = if first { [V::ZERO; N] } else { *sums };
    for row in deltas.chunks(stride) {
        for (sum, &delta) in chains.iter_mut().zip(row) {
            *sum = sum.add(delta);
        }
    }
    *sums = chains;
}
