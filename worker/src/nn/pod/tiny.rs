//! Updates of tiny networks: one hidden layer, its size known to the compiler, row by row.
//!
//! The gradient's sums stay in registers, and rows follow each other without a call, so that one row's activations
//! run beside another's. Every chain is that of the general path (`nn/pod.rs`), and so is every bit.

use std::hint::black_box;

use seedsweep_common::spec::{Activation, Loss};

use super::{PIECE_ROWS, Pick, Pod};
use crate::nn::lane::{Job, Lane, Lanes, elements_mut};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::{Decay, Network};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::scalar::Number;
use crate::nn::schedule::Rates;

/// What makes an update of a gradient.
#[derive(Debug)]
pub(crate) struct Rule<'a, V> {
    pub(crate) optimizer: &'a mut Optimizer<V>,
    pub(crate) decay: WeightDecay,
    pub(crate) rates: &'a mut Rates,
}

/// Inputs, hidden units and outputs.
pub(super) type Widths = [usize; 3];

/// The widths with a kernel.
macro_rules! kernels {
    ($($inputs:literal-$hidden:literal-$outputs:literal),+ $(,)?) => {
        /// The widths of a network, if there is a kernel for it.
        pub(super) fn widths(network: &Network) -> Option<Widths> {
            let &[hidden, output] = network.layers() else { return None };
            let is_plain = !layer::needs_sums(network.activation())
                && network.output_activation() == Activation::Identity;
            match [hidden.inputs, hidden.outputs, output.outputs] {
                $([$inputs, $hidden, $outputs] if is_plain => Some([$inputs, $hidden, $outputs]),)+
                _ => None,
            }
        }

        fn run<V: Lane>(widths: Widths, updates: Updates<'_, V>) {
            match widths {
                $([$inputs, $hidden, $outputs] => V::enter(Kernel::<V, $inputs, $hidden, $outputs>(updates)),)+
                _ => unreachable!("{widths:?} has no kernel"),
            }
        }
    };
}

kernels!(2 - 2 - 1, 2 - 3 - 1, 2 - 4 - 1, 2 - 2 - 2, 2 - 4 - 2);

/// Whether there is a kernel for `network`.
pub(crate) fn is_tiny(network: &Network) -> bool {
    widths(network).is_some()
}

impl<V: Lane> Pod<'_, V> {
    /// Makes `count` updates on the picked rows, each as [`Pod::pass`] for the gradient and then the rule would.
    /// Says no and does nothing where there is no kernel for the network, or where the rows are more than a piece.
    pub(crate) fn update(&mut self, pick: Pick<'_>, count: u64, rule: Rule<'_, V>) -> bool {
        let rows = match pick {
            Pick::All => self.rows.targets.len() / self.output_width(),
            Pick::Same(rows) => rows.len(),
            Pick::Own(rows) => rows[0].len(),
        };
        let Some(widths) = self.tiny.filter(|_| rows <= PIECE_ROWS) else { return false };
        self.gather(pick, 0, rows);
        let shared = match pick {
            Pick::All => self.rows.features,
            Pick::Same(_) => &self.same,
            Pick::Own(_) => &[],
        };
        self.own.resize(PIECE_ROWS * widths[0], V::ZERO);
        for (lanes, &value) in self.own.iter_mut().zip(shared) {
            elements_mut(std::slice::from_mut(lanes)).fill(value);
        }
        run(
            widths,
            Updates {
                activation: self.activation,
                loss: self.loss,
                l2: self.l2,
                share: V::Elem::from_f64(1.0 / rows as f64),
                inputs: &self.own[..rows * widths[0]],
                targets: &self.targets[..rows * widths[2]],
                theta: &mut self.theta,
                gradient: &mut self.gradient,
                rule,
                count,
                lanes: self.lanes,
            },
        );
        true
    }
}

/// Updates on some rows.
struct Updates<'a, V: Lane> {
    activation: Activation,
    loss: Loss,
    l2: f64,
    /// 1/B, rounded.
    share: V::Elem,
    /// (rows, inputs).
    inputs: &'a [V],
    /// (rows, outputs).
    targets: &'a [V],
    theta: &'a mut [V],
    gradient: &'a mut [V],
    rule: Rule<'a, V>,
    count: u64,
    lanes: Lanes,
}

/// The parameters of a network, or what is laid out like them.
#[derive(Clone, Copy)]
struct Weights<V, const I: usize, const H: usize, const O: usize> {
    hidden: [[V; I]; H],
    hidden_bias: [V; H],
    output: [[V; H]; O],
    output_bias: [V; O],
}

impl<V: Number, const I: usize, const H: usize, const O: usize> Weights<V, I, H, O> {
    const ZERO: Self = Self {
        hidden: [[V::ZERO; I]; H],
        hidden_bias: [V::ZERO; H],
        output: [[V::ZERO; H]; O],
        output_bias: [V::ZERO; O],
    };

    /// From a vector in drawing order.
    #[inline(always)]
    fn read(vector: &[V]) -> Self {
        let (hidden, rest) = vector.split_at(H * I);
        let (hidden_bias, rest) = rest.split_at(H);
        let (output, output_bias) = rest.split_at(O * H);
        let mut weights = Self::ZERO;
        for h in 0..H {
            weights.hidden[h].copy_from_slice(&hidden[h * I..][..I]);
        }
        for u in 0..O {
            weights.output[u].copy_from_slice(&output[u * H..][..H]);
        }
        weights.hidden_bias.copy_from_slice(hidden_bias);
        weights.output_bias.copy_from_slice(output_bias);
        weights
    }

    #[inline(always)]
    fn write(&self, vector: &mut [V]) {
        let (hidden, rest) = vector.split_at_mut(H * I);
        let (hidden_bias, rest) = rest.split_at_mut(H);
        let (output, output_bias) = rest.split_at_mut(O * H);
        hidden.copy_from_slice(self.hidden.as_flattened());
        hidden_bias.copy_from_slice(&self.hidden_bias);
        output.copy_from_slice(self.output.as_flattened());
        output_bias.copy_from_slice(&self.output_bias);
    }
}

struct Kernel<'a, V: Lane, const I: usize, const H: usize, const O: usize>(Updates<'a, V>);

impl<V: Lane, const I: usize, const H: usize, const O: usize> Job for Kernel<'_, V, I, H, O> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // a body for each, so that nothing is chosen between two rows
        match self.0.activation {
            Activation::Relu => self.updates(Activation::Relu),
            Activation::LeakyRelu => self.updates(Activation::LeakyRelu),
            Activation::Tanh => self.updates(Activation::Tanh),
            Activation::Sigmoid => self.updates(Activation::Sigmoid),
            Activation::Identity => self.updates(Activation::Identity),
            Activation::Gelu => unreachable!("gelu has no kernel"),
        }
    }
}

impl<V: Lane, const I: usize, const H: usize, const O: usize> Kernel<'_, V, I, H, O> {
    #[inline(always)]
    fn updates(self, activation: Activation) {
        let Updates { loss, l2, inputs, targets, theta, gradient, rule, count, lanes, .. } = self.0;
        let share = V::splat(self.0.share);
        for _ in 0..count {
            let lr = rule.rates.next_rate();
            let mut sums = Weights::<V, I, H, O>::ZERO;
            for (inputs, targets) in inputs.chunks_exact(I).zip(targets.chunks_exact(O)) {
                // read anew for each row, as operands in memory: kept over the rows they would be copied to the stack
                let weights = Weights::read(black_box(&*theta));
                sums.add_row(&weights, Row { inputs, targets, share }, activation, loss);
            }
            sums.write(gradient);
            if l2 != 0.0 {
                Decay { theta, factor: V::from_f64(2.0 * l2), gradient }.run();
            }
            rule.decay.apply(theta, gradient, lr, lanes);
            rule.optimizer.step(theta, gradient, lr, lanes);
        }
    }
}

#[derive(Clone, Copy)]
struct Row<'a, V> {
    /// (inputs).
    inputs: &'a [V],
    /// (outputs).
    targets: &'a [V],
    share: V,
}

impl<V: Number, const I: usize, const H: usize, const O: usize> Weights<V, I, H, O> {
    /// Adds a row's part to each sum of the gradient.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn add_row(&mut self, weights: &Self, row: Row<'_, V>, activation: Activation, loss: Loss) {
        let mut values = weights.hidden_bias;
        for h in 0..H {
            for k in 0..I {
                values[h] = weights.hidden[h][k].fma(row.inputs[k], values[h]);
            }
        }
        layer::activate(activation, &mut values);
        let mut outputs = weights.output_bias;
        for u in 0..O {
            for h in 0..H {
                outputs[u] = weights.output[u][h].fma(values[h], outputs[u]);
            }
        }
        let mut deltas = [V::ZERO; O];
        loss::output_deltas(loss, &outputs, row.targets, O, row.share, &mut deltas);
        let mut below = [V::ZERO; H];
        for u in 0..O {
            for h in 0..H {
                below[h] = weights.output[u][h].fma(deltas[u], below[h]);
                self.output[u][h] = deltas[u].fma(values[h], self.output[u][h]);
            }
            self.output_bias[u] = self.output_bias[u].add(deltas[u]);
        }
        layer::multiply_by_derivative(activation, &values, &[], &mut below);
        for h in 0..H {
            for k in 0..I {
                self.hidden[h][k] = below[h].fma(row.inputs[k], self.hidden[h][k]);
            }
            self.hidden_bias[h] = self.hidden_bias[h].add(below[h]);
        }
    }
}
