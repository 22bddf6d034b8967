//! A network, fully connected or a sum of relus ([`ReluSum`]): outputs, loss and gradient over rows of data, for any
//! [`Scalar`].
//!
//! Parameters lie in one flat vector in drawing order: layer by layer, weights row-major (out, in), then biases.
//! This is the definition of the numeric contract (`docs/engine.md`): each sum is one chain of fused multiply-adds
//! in a fixed order. Rows are worked off in pieces that fit the workspace, and chains run side by side where the
//! compiler can vectorise them; neither changes a bit.

use seedsweep_common::spec::{self, Activation, Loss};

use crate::nn::lane::{Job, Lanes};
use crate::nn::layer::{self, Layer};
use crate::nn::relu_sum::{self, ReluSum};
use crate::nn::scalar::Scalar;

mod curvature;
mod pass;

pub use curvature::Curvature;
pub use pass::Pass;
pub(crate) use pass::{Decay, SquaredNorm};

/// Most rows worked off at once: enough for the inner loops, few enough for the cache.
const PIECE_ROWS: usize = 64;
/// Rows × parameters worked off at once at most, so that whoever waits for a piece waits milliseconds.
const PIECE_WORK: usize = 1 << 24;

/// Shape of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// None in a sum of relus.
    layers: Vec<Layer>,
    /// The shape of a sum of relus.
    sum: Option<ReluSum>,
    activation: Activation,
    output_activation: Activation,
    parameters: usize,
}

/// Rows to compute a loss on. The features are (rows, inputs), the targets (rows, outputs), both row-major.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a, S> {
    /// (rows, inputs).
    pub features: &'a [S],
    /// (rows, outputs).
    pub targets: &'a [S],
}

/// Buffers for [`Network`], allocated once.
#[derive(Debug)]
pub struct Workspace<S> {
    /// Weights of each layer as (inputs, outputs), at the layer's own offset.
    transposed: Vec<S>,
    /// For each layer its values after the activation, (piece, outputs).
    values: Vec<Vec<S>>,
    /// For each hidden layer its values before the activation, (piece, outputs); empty where no derivative needs them.
    sums: Vec<Vec<S>>,
    /// For each layer the loss's derivatives by its sums, (piece, outputs).
    deltas: Vec<Vec<S>>,
    /// Rows that fit.
    piece: usize,
    /// Those of a sum of relus.
    sum: Option<relu_sum::Workspace<S>>,
    lanes: Lanes,
}

impl Network {
    /// The network that `spec` describes.
    pub fn new(spec: &spec::Network) -> Self {
        let mlp = match spec {
            spec::Network::Mlp(mlp) => mlp,
            spec::Network::ReluSum(sum) => {
                let sum = ReluSum::new(sum);
                return Self {
                    layers: Vec::new(),
                    activation: Activation::Relu,
                    output_activation: Activation::Identity,
                    parameters: sum.parameter_count(),
                    sum: Some(sum),
                };
            }
        };
        let mut offset = 0;
        let mut layers = Vec::with_capacity(mlp.layers.len() - 1);
        for pair in mlp.layers.windows(2) {
            let layer = Layer { inputs: pair[0] as usize, outputs: pair[1] as usize, offset };
            offset += layer.parameter_count();
            layers.push(layer);
        }
        let (activation, output_activation) = (mlp.activation, mlp.output_activation);
        Self { layers, sum: None, activation, output_activation, parameters: offset }
    }

    /// The shape of a sum of relus; `None` where the network is layers.
    pub fn sum(&self) -> Option<&ReluSum> {
        self.sum.as_ref()
    }

    /// How many parameters, from the first on, are trained: all but the signs of a sum of relus.
    pub fn trained_count(&self) -> usize {
        self.sum.map_or(self.parameters, |sum| sum.weight_count())
    }

    /// The layers, from input to output; a sum of relus has none.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What follows each layer but the last.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// What follows the last layer.
    pub fn output_activation(&self) -> Activation {
        self.output_activation
    }

    /// Number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.parameters
    }

    /// Width of the input.
    pub fn input_width(&self) -> usize {
        self.sum.map_or_else(|| self.layers[0].inputs, |sum| sum.inputs)
    }

    /// Width of the output.
    pub fn output_width(&self) -> usize {
        self.layers.last().map_or(1, |layer| layer.outputs)
    }

    /// Units of all hidden layers, or of a sum of relus.
    pub(crate) fn hidden_units(&self) -> usize {
        let all: usize = self.layers.iter().map(|layer| layer.outputs).sum();
        self.sum.map_or(all - self.layers.last().map_or(0, |last| last.outputs), |sum| sum.units)
    }

    /// Bytes of [`Network::workspace`].
    pub(crate) fn workspace_bytes<S: Scalar>(&self) -> usize {
        let hidden = self.hidden_units();
        let kept = if layer::needs_sums(self.activation) { hidden } else { 0 };
        let per_row = 2 * (hidden + self.output_width()) + kept;
        (self.parameters + self.piece() * per_row) * size_of::<S>()
    }

    /// Most rows worked off at once.
    fn piece(&self) -> usize {
        (PIECE_WORK / self.parameters).clamp(1, PIECE_ROWS)
    }

    /// Buffers for this network, to run on the widest lanes of this machine.
    pub fn workspace<S: Scalar>(&self) -> Workspace<S> {
        self.workspace_on(Lanes::detect())
    }

    /// Buffers for this network, to run on `lanes`.
    pub fn workspace_on<S: Scalar>(&self, lanes: Lanes) -> Workspace<S> {
        let piece = self.piece();
        let per_layer = || self.layers.iter().map(|layer| vec![S::ZERO; piece * layer.outputs]).collect();
        let hidden = &self.layers[..self.layers.len().saturating_sub(1)];
        let kept = if layer::needs_sums(self.activation) { piece } else { 0 };
        Workspace {
            transposed: vec![S::ZERO; self.parameters],
            values: per_layer(),
            sums: hidden.iter().map(|layer| vec![S::ZERO; kept * layer.outputs]).collect(),
            deltas: per_layer(),
            piece,
            sum: self.sum.as_ref().map(relu_sum::Workspace::new),
            lanes,
        }
    }

    /// The loss over all rows of `batch` with l2 · ‖θ‖²; its gradient replaces what is in `gradient` (parameters).
    pub fn loss_and_gradient<S: Scalar>(
        &self,
        theta: &[S],
        batch: &Batch<'_, S>,
        loss: Loss,
        l2: f64,
        workspace: &mut Workspace<S>,
        gradient: &mut [S],
    ) -> S {
        let mut pass = Pass::new(self, theta, batch, loss, workspace);
        gradient.fill(S::ZERO);
        while pass.add_piece(true, Some(gradient)) {}
        pass.finish_gradient(l2, gradient);
        pass.finish_loss(l2)
    }

    /// The gradient alone, cheaper than with the loss; the same bits.
    pub fn gradient<S: Scalar>(
        &self,
        theta: &[S],
        batch: &Batch<'_, S>,
        loss: Loss,
        l2: f64,
        workspace: &mut Workspace<S>,
        gradient: &mut [S],
    ) {
        let mut pass = Pass::new(self, theta, batch, loss, workspace);
        gradient.fill(S::ZERO);
        while pass.add_piece(false, Some(gradient)) {}
        pass.finish_gradient(l2, gradient);
    }

    /// The loss over all rows of `batch` with l2 · ‖θ‖².
    pub fn loss<S: Scalar>(
        &self,
        theta: &[S],
        batch: &Batch<'_, S>,
        loss: Loss,
        l2: f64,
        workspace: &mut Workspace<S>,
    ) -> S {
        let mut pass = Pass::new(self, theta, batch, loss, workspace);
        while pass.add_piece(true, None) {}
        pass.finish_loss(l2)
    }

    /// What the network gives for each row of `features` (rows, inputs): (rows, outputs).
    pub fn outputs<S: Scalar>(&self, theta: &[S], features: &[S], workspace: &mut Workspace<S>) -> Vec<S> {
        let mut outputs = Vec::with_capacity(features.len() / self.input_width() * self.output_width());
        workspace.load(self, theta);
        for piece in features.chunks(workspace.piece * self.input_width()) {
            if let (Some(sum), Some(buffers)) = (&self.sum, &mut workspace.sum) {
                workspace.lanes.run(buffers.rows(sum, theta, piece, None));
                outputs.extend_from_slice(&buffers.outputs);
                continue;
            }
            let rows = piece.len() / self.input_width();
            workspace.lanes.run(Forward { network: self, theta, features: piece, workspace });
            outputs.extend_from_slice(&workspace.values[self.layers.len() - 1][..rows * self.output_width()]);
        }
        outputs
    }

    /// The sums of each hidden layer before its activation, (rows, outputs) per layer, or of the units of a sum of
    /// relus: where they are near 0 a relu network has a kink.
    pub fn pre_activations<S: Scalar>(&self, theta: &[S], features: &[S]) -> Vec<Vec<S>> {
        if let Some(sum) = &self.sum {
            return vec![relu_sum::pre_activations(sum, theta, features)];
        }
        Lanes::detect().run(PreActivations { network: self, theta, features })
    }
}

impl<S: Scalar> Workspace<S> {
    /// What jobs run on.
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Refreshes the transposed weights.
    #[inline(always)]
    fn load(&mut self, network: &Network, theta: &[S]) {
        for layer in &network.layers {
            let (weights, _) = layer.parameters(theta);
            let end = layer.offset + layer.weight_count();
            layer::transpose(layer, weights, &mut self.transposed[layer.offset..end]);
        }
    }
}

/// Outputs of some rows, left in the workspace.
struct Forward<'a, S> {
    network: &'a Network,
    theta: &'a [S],
    /// (rows, inputs); at most a piece.
    features: &'a [S],
    workspace: &'a mut Workspace<S>,
}

impl<S: Scalar> Job for Forward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { network, theta, features, workspace } = self;
        let rows = features.len() / network.input_width();
        let last = network.layers.len() - 1;
        for (l, layer) in network.layers.iter().enumerate() {
            let (_, biases) = layer.parameters(theta);
            let transposed = &workspace.transposed[layer.offset..layer.offset + layer.weight_count()];
            let (below, from_here) = workspace.values.split_at_mut(l);
            let inputs = below.last().map_or(features, |values| &values[..rows * layer.inputs]);
            let sums = &mut from_here[0][..rows * layer.outputs];
            layer::forward(layer, transposed, biases, inputs, sums, workspace.lanes);
            if l == last {
                layer::activate(network.output_activation, sums);
                return;
            }
            if layer::needs_sums(network.activation) {
                workspace.sums[l][..sums.len()].copy_from_slice(sums);
            }
            layer::activate(network.activation, sums);
        }
    }
}

/// See [`Network::pre_activations`].
struct PreActivations<'a, S> {
    network: &'a Network,
    theta: &'a [S],
    /// (rows, inputs).
    features: &'a [S],
}

impl<S: Scalar> Job for PreActivations<'_, S> {
    type Output = Vec<Vec<S>>;

    #[inline(always)]
    fn run(self) -> Vec<Vec<S>> {
        let Self { network, theta, features } = self;
        let rows = features.len() / network.input_width();
        let hidden = &network.layers[..network.layers.len() - 1];
        let mut all = Vec::with_capacity(hidden.len());
        let mut values = features.to_vec();
        for layer in hidden {
            let (weights, biases) = layer.parameters(theta);
            let mut transposed = vec![S::ZERO; layer.weight_count()];
            layer::transpose(layer, weights, &mut transposed);
            let mut sums = vec![S::ZERO; rows * layer.outputs];
            layer::forward(layer, &transposed, biases, &values, &mut sums, Lanes::detect());
            all.push(sums.clone());
            layer::activate(network.activation, &mut sums);
            values = sums;
        }
        all
    }
}

#[cfg(test)]
mod tests;
