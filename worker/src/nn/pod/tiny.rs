//! Updates of tiny networks: one hidden layer, its size known to the compiler, row by row.
//!
//! Some rows go forward and backward, which needs no sums in registers but the tables of tanh; then all their parts are
//! added to the gradient's sums, which need nothing else. Rows follow each other without a call, so that one row's
//! activations run beside another's. Every chain is that of the general path (`nn/pod.rs`), and so is every bit.

use std::hint::black_box;

use seedsweep_common::spec::{Activation, Loss};

use super::{PIECE_ROWS, Pick, Pod};
use crate::nn::lane::{Job, Lane, elements_mut};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::{Decay, Network};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::scalar::Number;
use crate::nn::schedule::Rates;

/// Updates made at once: enough to make what is done between them cheap, few enough to repeat.
pub(crate) const MOST_UPDATES: usize = 64;

/// What makes an update of a gradient.
#[derive(Debug)]
pub(crate) struct Rule<'a, V> {
    pub(crate) optimizer: &'a mut Optimizer<V>,
    pub(crate) decay: WeightDecay,
    pub(crate) rates: &'a mut Rates,
}

/// Rows that go forward and backward before their parts are added: what is kept of them is small beside the cache.
const ROWS: usize = 8;

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
    /// Makes `count` updates, at most [`MOST_UPDATES`], on the picked rows, each as [`Pod::pass`] for the gradient and then the rule would.
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
        let Rule { optimizer, decay, rates } = rule;
        let mut lrs = [0.0; MOST_UPDATES];
        let lrs = &mut lrs[..count as usize];
        lrs.fill_with(|| rates.next_rate());
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
                optimizer,
                decay,
                lrs,
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
    optimizer: &'a mut Optimizer<V>,
    decay: WeightDecay,
    /// The learning rate of each update.
    lrs: &'a [f64],
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

    /// θ = fma(−lr, g, θ) of each parameter, these sums being the gradient.
    #[inline(always)]
    fn descend(&self, minus_lr: V, theta: &mut [V]) {
        let mut weights = Self::read(theta);
        for h in 0..H {
            for k in 0..I {
                weights.hidden[h][k] = minus_lr.fma(self.hidden[h][k], weights.hidden[h][k]);
            }
            weights.hidden_bias[h] = minus_lr.fma(self.hidden_bias[h], weights.hidden_bias[h]);
        }
        for u in 0..O {
            for h in 0..H {
                weights.output[u][h] = minus_lr.fma(self.output[u][h], weights.output[u][h]);
            }
            weights.output_bias[u] = minus_lr.fma(self.output_bias[u], weights.output_bias[u]);
        }
        weights.write(theta);
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
        // a body for each, so that nothing is chosen between two rows; mse is what tiny networks are mostly trained on
        let Kernel(Updates { activation, loss, .. }) = self;
        match (activation, loss) {
            (Activation::Tanh, Loss::Mse) => self.updates(Activation::Tanh, Loss::Mse),
            (Activation::Sigmoid, Loss::Mse) => self.updates(Activation::Sigmoid, Loss::Mse),
            (Activation::Relu, loss) => self.updates(Activation::Relu, loss),
            (Activation::LeakyRelu, loss) => self.updates(Activation::LeakyRelu, loss),
            (Activation::Tanh, loss) => self.updates(Activation::Tanh, loss),
            (Activation::Sigmoid, loss) => self.updates(Activation::Sigmoid, loss),
            (Activation::Identity, loss) => self.updates(Activation::Identity, loss),
            (Activation::Gelu, _) => unreachable!("gelu has no kernel"),
        }
    }
}

impl<V: Lane, const I: usize, const H: usize, const O: usize> Kernel<'_, V, I, H, O> {
    #[inline(always)]
    fn updates(self, activation: Activation, loss: Loss) {
        let Updates { l2, inputs, targets, theta, gradient, optimizer, decay, lrs, .. } = self.0;
        let share = V::splat(self.0.share);
        let mut parts = [Part { values: [V::ZERO; H], deltas: [V::ZERO; O], below: [V::ZERO; H] }; ROWS];
        for &lr in lrs {
            let mut sums = Weights::<V, I, H, O>::ZERO;
            for (inputs, targets) in inputs.chunks(ROWS * I).zip(targets.chunks(ROWS * O)) {
                let rows = inputs.chunks_exact(I).zip(targets.chunks_exact(O));
                for ((inputs, targets), part) in rows.zip(&mut parts) {
                    // read anew for each row, as operands in memory: kept over the rows they would be copied to the stack
                    let weights = Weights::<V, I, H, O>::read(black_box(&*theta));
                    *part = weights.row(Row { inputs, targets, share }, activation, loss);
                }
                for (inputs, part) in inputs.chunks_exact(I).zip(&parts) {
                    sums.add(inputs, part);
                }
            }
            let mut step = optimizer.begin(decay, lr);
            match step.plain() {
                Some(minus_lr) if l2 == 0.0 => sums.descend(minus_lr, theta),
                _ => {
                    sums.write(gradient);
                    if l2 != 0.0 {
                        Decay { theta, factor: V::from_f64(2.0 * l2), gradient }.run();
                    }
                    step.apply(theta, gradient, 0..theta.len());
                }
            }
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

/// What a row adds to the sums is made of.
#[derive(Clone, Copy)]
struct Part<V, const H: usize, const O: usize> {
    /// Of the hidden units.
    values: [V; H],
    /// δ at the outputs.
    deltas: [V; O],
    /// δ of the hidden units.
    below: [V; H],
}

impl<V: Number, const I: usize, const H: usize, const O: usize> Weights<V, I, H, O> {
    /// A row forward and backward.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn row(&self, row: Row<'_, V>, activation: Activation, loss: Loss) -> Part<V, H, O> {
        let mut values = self.hidden_bias;
        for h in 0..H {
            for k in 0..I {
                values[h] = self.hidden[h][k].fma(row.inputs[k], values[h]);
            }
        }
        layer::activate(activation, &mut values);
        let mut outputs = self.output_bias;
        for u in 0..O {
            for h in 0..H {
                outputs[u] = self.output[u][h].fma(values[h], outputs[u]);
            }
        }
        let mut deltas = [V::ZERO; O];
        loss::output_deltas(loss, &outputs, row.targets, O, row.share, &mut deltas);
        let mut below = [V::ZERO; H];
        for u in 0..O {
            for h in 0..H {
                below[h] = self.output[u][h].fma(deltas[u], below[h]);
            }
        }
        layer::multiply_by_derivative(activation, &values, &[], &mut below);
        Part { values, deltas, below }
    }

    /// Adds a row's part to each sum of the gradient.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn add(&mut self, inputs: &[V], part: &Part<V, H, O>) {
        let Part { values, deltas, below } = part;
        for u in 0..O {
            for h in 0..H {
                self.output[u][h] = deltas[u].fma(values[h], self.output[u][h]);
            }
            self.output_bias[u] = self.output_bias[u].add(deltas[u]);
        }
        for h in 0..H {
            for k in 0..I {
                self.hidden[h][k] = below[h].fma(inputs[k], self.hidden[h][k]);
            }
            self.hidden_bias[h] = self.hidden_bias[h].add(below[h]);
        }
    }
}
