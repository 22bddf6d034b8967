//! Loss and gradient over the rows of a batch, piece by piece.

use seedsweep_common::spec::Loss;

use crate::nn::lane::Job;
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::{Batch, Forward, Network, Workspace};
use crate::nn::relu_sum::Errors;
use crate::nn::scalar::{Number, Scalar};

/// A walk over the rows of a batch, piece by piece, so that the caller can look up between pieces.
#[derive(Debug)]
pub struct Pass<'a, S> {
    network: &'a Network,
    theta: &'a [S],
    batch: &'a Batch<'a, S>,
    loss: Loss,
    workspace: &'a mut Workspace<S>,
    /// Rows done, and of these the ones before the last piece.
    done: usize,
    before: usize,
    /// Sum of the losses of the rows done.
    sum: S,
}

impl<'a, S: Scalar> Pass<'a, S> {
    /// A walk that has not begun.
    pub fn new(
        network: &'a Network,
        theta: &'a [S],
        batch: &'a Batch<'a, S>,
        loss: Loss,
        workspace: &'a mut Workspace<S>,
    ) -> Self {
        workspace.load(network, theta);
        Self { network, theta, batch, loss, workspace, done: 0, before: 0, sum: S::ZERO }
    }

    /// Adds the next rows to the loss (if `with_loss`) and to `gradient` (if given). Says whether rows are left.
    pub fn add_piece(&mut self, with_loss: bool, gradient: Option<&mut [S]>) -> bool {
        let (inputs, outputs) = (self.network.input_width(), self.network.output_width());
        let rows = self.batch.features.len() / inputs;
        let end = match self.loss {
            // the teacher's directions are no rows to go over
            Loss::Population => rows,
            _ => rows.min(self.done + self.workspace.piece),
        };
        if let (Some(sum), Some(buffers)) = (self.network.sum(), &mut self.workspace.sum) {
            let lanes = self.workspace.lanes;
            self.sum = if self.loss == Loss::Population {
                lanes.run(buffers.population(sum, self.theta, rows, with_loss, gradient))
            } else {
                let errors = Errors {
                    targets: &self.batch.targets[self.done..end],
                    slope: S::from_f64(2.0),
                    share: S::from_f64(1.0 / rows as f64),
                    so_far: self.sum,
                    gradient,
                };
                let features = &self.batch.features[self.done * inputs..end * inputs];
                lanes.run(buffers.rows(sum, self.theta, features, Some(errors)))
            };
            (self.before, self.done) = (self.done, end);
            return end < rows;
        }
        self.sum = self.workspace.lanes.run(Piece {
            network: self.network,
            theta: self.theta,
            features: &self.batch.features[self.done * inputs..end * inputs],
            targets: &self.batch.targets[self.done * outputs..end * outputs],
            loss: self.loss,
            share: S::from_f64(1.0 / rows as f64),
            sum: with_loss.then_some(self.sum),
            gradient,
            workspace: self.workspace,
        });
        (self.before, self.done) = (self.done, end);
        end < rows
    }

    /// Outputs and targets of the rows added last, (rows, outputs) each; a population has none.
    pub fn last_piece(&self) -> (&[S], &[S]) {
        let width = self.network.output_width();
        let outputs = match (&self.workspace.sum, self.loss) {
            (_, Loss::Population) => return (&[], &[]),
            (Some(sum), _) => sum.outputs.as_slice(),
            (None, _) => self.workspace.values.last().map_or(&[][..], Vec::as_slice),
        };
        let outputs = &outputs[..(self.done - self.before) * width];
        (outputs, &self.batch.targets[self.before * width..self.done * width])
    }

    /// Ends the gradient: fma(2·l2, θ, g), where l2 is not 0.
    pub fn finish_gradient(&self, l2: f64, gradient: &mut [S]) {
        if l2 != 0.0 {
            self.workspace.lanes.run(Decay { theta: self.theta, factor: S::from_f64(2.0 * l2), gradient });
        }
    }

    /// The mean loss, with fma(l2, ‖θ‖², loss) where l2 is not 0.
    pub fn finish_loss(&self, l2: f64) -> S {
        let rows = self.batch.features.len() / self.network.input_width();
        let mean = loss::mean(self.loss, self.sum, rows, self.network.output_width());
        if l2 == 0.0 {
            return mean;
        }
        let norm = self.workspace.lanes.run(SquaredNorm { values: self.theta });
        S::from_f64(l2).fma(norm, mean)
    }
}

/// Loss and gradient of some rows.
struct Piece<'a, S> {
    network: &'a Network,
    theta: &'a [S],
    /// (rows, inputs); at most a piece.
    features: &'a [S],
    /// (rows, outputs).
    targets: &'a [S],
    loss: Loss,
    /// 1/B, rounded.
    share: S,
    /// The sum of losses so far, if it is wanted.
    sum: Option<S>,
    /// The gradient so far, if it is wanted.
    gradient: Option<&'a mut [S]>,
    workspace: &'a mut Workspace<S>,
}

impl<S: Scalar> Job for Piece<'_, S> {
    /// The sum of losses, grown by these rows.
    type Output = S;

    #[inline(always)]
    fn run(self) -> S {
        let Self { network, theta, features, targets, loss, share, sum, gradient, workspace } = self;
        Forward { network, theta, features, workspace }.run();
        let rows = features.len() / network.input_width();
        let last = network.layers.len() - 1;
        let width = network.output_width();
        let outputs = &workspace.values[last][..rows * width];
        let sum = match sum {
            Some(sum) => loss::add_rows(loss, outputs, targets, width, sum),
            None => S::ZERO,
        };
        let Some(gradient) = gradient else { return sum };
        loss::output_deltas(
            loss,
            outputs,
            targets,
            width,
            share,
            &mut workspace.deltas[last][..rows * width],
        );
        // never one that needs the sums
        layer::multiply_by_derivative(
            network.output_activation,
            outputs,
            &[],
            &mut workspace.deltas[last][..rows * width],
        );
        for (l, layer) in network.layers.iter().enumerate().rev() {
            let (below, from_here) = workspace.deltas.split_at_mut(l);
            let deltas = &from_here[0][..rows * layer.outputs];
            let inputs = match l.checked_sub(1) {
                Some(l) => &workspace.values[l][..rows * layer.inputs],
                None => features,
            };
            let (weights, biases) = layer.parameters_mut(gradient);
            layer::add_gradient(layer, deltas, inputs, weights, biases, workspace.lanes);
            if let Some(below) = below.last_mut() {
                let (weights, _) = layer.parameters(theta);
                let below = &mut below[..rows * layer.inputs];
                layer::backward(layer, weights, deltas, below, workspace.lanes);
                let sums = &workspace.sums[l - 1];
                let sums = if sums.is_empty() { &[] } else { &sums[..rows * layer.inputs] };
                layer::multiply_by_derivative(network.activation, inputs, sums, below);
            }
        }
        sum
    }
}

/// g = fma(factor, θ, g).
pub(crate) struct Decay<'a, S> {
    /// θ.
    pub(crate) theta: &'a [S],
    /// 2·l2, or the weight decay.
    pub(crate) factor: S,
    /// g.
    pub(crate) gradient: &'a mut [S],
}

impl<S: Number> Job for Decay<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (g, &theta) in self.gradient.iter_mut().zip(self.theta) {
            *g = self.factor.fma(theta, *g);
        }
    }
}

/// Σ x², one chain of fused multiply-adds, ascending.
pub(crate) struct SquaredNorm<'a, S> {
    /// The numbers.
    pub(crate) values: &'a [S],
}

impl<S: Number> Job for SquaredNorm<'_, S> {
    type Output = S;

    #[inline(always)]
    fn run(self) -> S {
        let mut sum = S::ZERO;
        for &x in self.values {
            sum = x.fma(x, sum);
        }
        sum
    }
}
