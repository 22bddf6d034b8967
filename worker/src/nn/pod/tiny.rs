//! Updates of tiny networks: one hidden layer, its size known to the compiler, row by row.
//!
//! The gradient's sums stay in registers, and rows follow each other without a call, so that one row's activations
//! run beside another's. Every chain is that of the general path (`nn/pod.rs`), and so is every bit.

use seedsweep_common::spec::{Activation, Loss};

use super::{PIECE_ROWS, Pick, Pod};
use crate::nn::lane::{Job, Lane, Lanes, Shared};
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

        fn run<V: Lane, X: Inputs<V>>(widths: Widths, updates: Updates<'_, V, X>) {
            match widths {
                $([$inputs, $hidden, $outputs] => {
                    V::enter(Kernel::<V, X, $inputs, $hidden, $outputs>(updates));
                })+
                _ => unreachable!("{widths:?} has no kernel"),
            }
        }
    };
}

kernels!(2 - 2 - 1, 2 - 3 - 1, 2 - 4 - 1);

impl<V: Lane> Pod<'_, V> {
    /// Makes `count` updates on the picked rows, each as [`Pod::pass`] for the gradient and then the rule alone would.
    /// Says no and does nothing where there is no kernel for the network, or where the rows are more than a piece.
    pub(crate) fn update(&mut self, pick: Pick<'_>, count: u64, rule: Rule<'_, V>) -> bool {
        let rows = match pick {
            Pick::All => self.rows.targets.len() / self.output_width(),
            Pick::Same(rows) => rows.len(),
            Pick::Own(rows) => rows[0].len(),
        };
        let Some(widths) = self.tiny.filter(|_| rows <= PIECE_ROWS) else { return false };
        self.gather(pick, 0, rows);
        let task = Task {
            activation: self.activation,
            loss: self.loss,
            l2: self.l2,
            share: V::from_f64(1.0 / rows as f64),
            targets: &self.targets[..rows * widths[2]],
            theta: &mut self.theta,
            gradient: &mut self.gradient,
            lanes: self.lanes,
        };
        match pick {
            Pick::All => run(widths, Updates { inputs: Shared(self.rows.features), task, rule, count }),
            Pick::Same(_) => run(widths, Updates { inputs: Shared(&self.same[..]), task, rule, count }),
            Pick::Own(_) => run(widths, Updates { inputs: Own(&self.own), task, rule, count }),
        }
        true
    }
}

/// Rows of inputs, one after the other.
trait Inputs<V>: Copy {
    /// The inputs of row `row`.
    fn row<const I: usize>(self, row: usize) -> [V; I];
}

impl<V: Lane> Inputs<V> for Shared<'_, V::Elem> {
    #[inline(always)]
    fn row<const I: usize>(self, row: usize) -> [V; I] {
        let values = &self.0[row * I..][..I];
        std::array::from_fn(|k| V::splat(values[k]))
    }
}

/// Each lane has its own.
#[derive(Debug, Clone, Copy)]
struct Own<'a, V>(&'a [V]);

impl<V: Lane> Inputs<V> for Own<'_, V> {
    #[inline(always)]
    fn row<const I: usize>(self, row: usize) -> [V; I] {
        let values = &self.0[row * I..][..I];
        std::array::from_fn(|k| values[k])
    }
}

/// A loss on some rows, and the parameters to lower it with.
struct Task<'a, V> {
    activation: Activation,
    loss: Loss,
    l2: f64,
    /// 1/B, rounded.
    share: V,
    /// (rows, outputs).
    targets: &'a [V],
    theta: &'a mut [V],
    gradient: &'a mut [V],
    lanes: Lanes,
}

struct Updates<'a, V, X> {
    /// (rows, inputs).
    inputs: X,
    task: Task<'a, V>,
    rule: Rule<'a, V>,
    count: u64,
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

struct Kernel<'a, V, X, const I: usize, const H: usize, const O: usize>(Updates<'a, V, X>);

impl<V: Lane, X: Inputs<V>, const I: usize, const H: usize, const O: usize> Job
    for Kernel<'_, V, X, I, H, O>
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Updates { inputs, task, rule: Rule { optimizer, decay, rates }, count } = self.0;
        let Task { l2, theta, gradient, lanes, targets, .. } = task;
        for _ in 0..count {
            let weights = Weights::<V, I, H, O>::read(theta);
            let mut sums = Weights::ZERO;
            for (row, targets) in targets.chunks_exact(O).enumerate() {
                let row = Row { inputs: inputs.row(row), targets, share: task.share };
                row.add_gradient(task.activation, task.loss, &weights, &mut sums);
            }
            sums.write(gradient);
            if l2 != 0.0 {
                Decay { theta, factor: V::from_f64(2.0 * l2), gradient }.run();
            }
            let lr = rates.next_rate();
            decay.apply(theta, gradient, lr, lanes);
            optimizer.step(theta, gradient, lr, lanes);
        }
    }
}

struct Row<'a, V, const I: usize> {
    inputs: [V; I],
    /// (outputs).
    targets: &'a [V],
    share: V,
}

impl<V: Number, const I: usize> Row<'_, V, I> {
    /// Adds this row's part to each sum of the gradient.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn add_gradient<const H: usize, const O: usize>(
        &self,
        activation: Activation,
        loss: Loss,
        weights: &Weights<V, I, H, O>,
        sums: &mut Weights<V, I, H, O>,
    ) {
        let mut values = weights.hidden_bias;
        for h in 0..H {
            for k in 0..I {
                values[h] = weights.hidden[h][k].fma(self.inputs[k], values[h]);
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
        loss::output_deltas(loss, &outputs, self.targets, O, self.share, &mut deltas);
        let mut below = [V::ZERO; H];
        for u in 0..O {
            for h in 0..H {
                below[h] = weights.output[u][h].fma(deltas[u], below[h]);
                sums.output[u][h] = deltas[u].fma(values[h], sums.output[u][h]);
            }
            sums.output_bias[u] = sums.output_bias[u].add(deltas[u]);
        }
        layer::multiply_by_derivative(activation, &values, &[], &mut below);
        for h in 0..H {
            for k in 0..I {
                sums.hidden[h][k] = below[h].fma(self.inputs[k], sums.hidden[h][k]);
            }
            sums.hidden_bias[h] = sums.hidden_bias[h].add(below[h]);
        }
    }
}
