//! Updates of tiny networks: one hidden layer, its size known to the compiler, four rows at a time and unit by unit.
//!
//! A hidden unit's weights are read once for four rows, which go through it side by side; only its four values are
//! stored. Backward, its sums are complete after four rows, so that they need no memory: of a batch of four rows, plain
//! descent takes them from their registers to the parameters. Units follow each other without a call, so that what one
//! waits for is hidden by the next. Every chain is that of the general path (`nn/pod.rs`), and so is every bit.

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

/// Rows side by side: as many as hide what each waits for in tanh, and few enough for their registers.
const ROWS: usize = 4;

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

/// The parameters of one hidden unit, or what is laid out like them.
#[derive(Clone, Copy)]
struct Unit<V, const I: usize, const O: usize> {
    inputs: [V; I],
    bias: V,
    outputs: [V; O],
}

impl<V: Number, const I: usize, const O: usize> Unit<V, I, O> {
    const ZERO: Self = Self { inputs: [V::ZERO; I], bias: V::ZERO, outputs: [V::ZERO; O] };

    /// From a vector in drawing order, of unit `h` of `H`.
    #[inline(always)]
    fn read<const H: usize>(vector: &[V], h: usize) -> Self {
        let mut unit = Self::ZERO;
        for k in 0..I {
            unit.inputs[k] = vector[h * I + k];
        }
        unit.bias = vector[H * I + h];
        for u in 0..O {
            unit.outputs[u] = vector[H * I + H + u * H + h];
        }
        unit
    }

    #[inline(always)]
    fn write<const H: usize>(&self, vector: &mut [V], h: usize) {
        for k in 0..I {
            vector[h * I + k] = self.inputs[k];
        }
        vector[H * I + h] = self.bias;
        for u in 0..O {
            vector[H * I + H + u * H + h] = self.outputs[u];
        }
    }

    /// θ = fma(−lr, g, θ) of each.
    #[inline(always)]
    fn descend(mut self, minus_lr: V, gradient: &Self) -> Self {
        for k in 0..I {
            self.inputs[k] = minus_lr.fma(gradient.inputs[k], self.inputs[k]);
        }
        self.bias = minus_lr.fma(gradient.bias, self.bias);
        for u in 0..O {
            self.outputs[u] = minus_lr.fma(gradient.outputs[u], self.outputs[u]);
        }
        self
    }
}

struct Kernel<'a, V: Lane, const I: usize, const H: usize, const O: usize>(Updates<'a, V>);

impl<V: Lane, const I: usize, const H: usize, const O: usize> Job for Kernel<'_, V, I, H, O> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // a body for each, so that nothing is chosen between two units; the loss is chosen once for four rows
        let loss = self.0.loss;
        match self.0.activation {
            Activation::Tanh => self.updates(Activation::Tanh, loss),
            Activation::Sigmoid => self.updates(Activation::Sigmoid, loss),
            Activation::Relu => self.updates(Activation::Relu, loss),
            Activation::LeakyRelu => self.updates(Activation::LeakyRelu, loss),
            Activation::Identity => self.updates(Activation::Identity, loss),
            Activation::Gelu => unreachable!("gelu has no kernel"),
        }
    }
}

impl<V: Lane, const I: usize, const H: usize, const O: usize> Kernel<'_, V, I, H, O> {
    #[inline(always)]
    fn updates(self, activation: Activation, loss: Loss) {
        let Updates { l2, inputs, targets, theta, gradient, optimizer, decay, lrs, .. } = self.0;
        let pass = Pass { activation, loss, share: V::splat(self.0.share) };
        let count = H * I + H + O * H + O;
        let (theta, gradient) = (&mut theta[..count], &mut gradient[..count]);
        let (blocks, rest) = inputs.as_chunks::<I>().0.as_chunks::<ROWS>();
        let (block_targets, rest_targets) = targets.as_chunks::<O>().0.as_chunks::<ROWS>();
        // one block and nothing else to do: its sums need not leave their registers
        let is_whole = blocks.len() == 1 && rest.is_empty() && l2 == 0.0 && optimizer.is_plain(decay);
        // made once: zeros for each block would be as many stores as its values
        let (mut values, mut value) = ([[V::ZERO; ROWS]; H], [[V::ZERO; 1]; H]);
        for &lr in lrs {
            if !is_whole {
                gradient.fill(V::ZERO);
            }
            for (inputs, targets) in blocks.iter().zip(block_targets) {
                let rows = Rows { inputs, targets };
                let deltas = pass.forward(&rows, &mut values, theta);
                if is_whole {
                    pass.descend(&rows, &values, &deltas, theta, V::from_f64(-lr));
                } else {
                    pass.add(&rows, &values, &deltas, theta, gradient);
                }
            }
            if is_whole {
                continue;
            }
            for (inputs, targets) in rest.iter().zip(rest_targets) {
                let rows =
                    Rows { inputs: std::array::from_ref(inputs), targets: std::array::from_ref(targets) };
                let deltas = pass.forward(&rows, &mut value, theta);
                pass.add(&rows, &value, &deltas, theta, gradient);
            }
            if l2 != 0.0 {
                Decay { theta, factor: V::from_f64(2.0 * l2), gradient }.run();
            }
            optimizer.begin(decay, lr).apply(theta, gradient, 0..count);
        }
    }
}

/// Some rows: (rows, inputs) and (rows, outputs).
struct Rows<'a, V, const I: usize, const O: usize, const R: usize> {
    inputs: &'a [[V; I]; R],
    targets: &'a [[V; O]; R],
}

/// What is the same for all rows.
struct Pass<V> {
    activation: Activation,
    loss: Loss,
    share: V,
}

impl<V: Number> Pass<V> {
    /// A plain update by these rows alone.
    #[inline(always)]
    fn descend<const I: usize, const H: usize, const O: usize, const R: usize>(
        &self,
        rows: &Rows<'_, V, I, O, R>,
        values: &[[V; R]; H],
        deltas: &[[V; O]; R],
        theta: &mut [V],
        minus_lr: V,
    ) {
        for (h, values) in values.iter().enumerate() {
            let unit = Unit::<V, I, O>::read::<H>(theta, h);
            let sums = self.sums(rows, &unit, values, deltas, Unit::ZERO);
            unit.descend(minus_lr, &sums).write::<H>(theta, h);
        }
        for (u, theta) in theta[H * I + H + O * H..].iter_mut().enumerate() {
            let mut sum = V::ZERO;
            for delta in deltas {
                sum = sum.add(delta[u]);
            }
            *theta = minus_lr.fma(sum, *theta);
        }
    }

    /// Adds some rows to the sums of the gradient.
    #[inline(always)]
    fn add<const I: usize, const H: usize, const O: usize, const R: usize>(
        &self,
        rows: &Rows<'_, V, I, O, R>,
        values: &[[V; R]; H],
        deltas: &[[V; O]; R],
        theta: &[V],
        gradient: &mut [V],
    ) {
        for (h, values) in values.iter().enumerate() {
            let (unit, sums) = (Unit::<V, I, O>::read::<H>(theta, h), Unit::read::<H>(gradient, h));
            self.sums(rows, &unit, values, deltas, sums).write::<H>(gradient, h);
        }
        for (u, sum) in gradient[H * I + H + O * H..].iter_mut().enumerate() {
            for delta in deltas {
                *sum = sum.add(delta[u]);
            }
        }
    }

    /// To the δ at the outputs, which it returns, leaving the hidden units' values.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn forward<const I: usize, const H: usize, const O: usize, const R: usize>(
        &self,
        rows: &Rows<'_, V, I, O, R>,
        values: &mut [[V; R]; H],
        theta: &[V],
    ) -> [[V; O]; R] {
        for h in 0..H {
            let unit = Unit::<V, I, O>::read::<H>(theta, h);
            let mut abreast = [unit.bias; R];
            for k in 0..I {
                for r in 0..R {
                    abreast[r] = unit.inputs[k].fma(rows.inputs[r][k], abreast[r]);
                }
            }
            // of a row alone the units are what can go side by side
            if R == ROWS {
                layer::activate(self.activation, &mut abreast);
            }
            values[h] = abreast;
        }
        if R != ROWS {
            layer::activate(self.activation, values.as_flattened_mut());
        }
        let mut outputs = [[V::ZERO; O]; R];
        for u in 0..O {
            for r in 0..R {
                outputs[r][u] = theta[H * I + H + O * H + u];
            }
            for h in 0..H {
                for r in 0..R {
                    outputs[r][u] = theta[H * I + H + u * H + h].fma(values[h][r], outputs[r][u]);
                }
            }
        }
        let mut deltas = [[V::ZERO; O]; R];
        let targets = rows.targets.as_flattened();
        loss::output_deltas(
            self.loss,
            outputs.as_flattened(),
            targets,
            O,
            self.share,
            deltas.as_flattened_mut(),
        );
        deltas
    }

    /// The sums of a unit's gradient, after some more rows.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    fn sums<const I: usize, const O: usize, const R: usize>(
        &self,
        rows: &Rows<'_, V, I, O, R>,
        unit: &Unit<V, I, O>,
        values: &[V; R],
        deltas: &[[V; O]; R],
        sums: Unit<V, I, O>,
    ) -> Unit<V, I, O> {
        let mut sums = sums;
        for u in 0..O {
            for r in 0..R {
                sums.outputs[u] = deltas[r][u].fma(values[r], sums.outputs[u]);
            }
        }
        let mut below = [V::ZERO; R];
        for u in 0..O {
            for r in 0..R {
                below[r] = unit.outputs[u].fma(deltas[r][u], below[r]);
            }
        }
        layer::multiply_by_derivative(self.activation, values, &[], &mut below);
        for k in 0..I {
            for r in 0..R {
                sums.inputs[k] = below[r].fma(rows.inputs[r][k], sums.inputs[k]);
            }
        }
        for r in 0..R {
            sums.bias = sums.bias.add(below[r]);
        }
        sums
    }
}

#[cfg(test)]
mod tests;
