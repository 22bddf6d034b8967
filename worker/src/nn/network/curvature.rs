//! Products with the Hessian, exact up to rounding: the gradient once more, in dual numbers.

use seedsweep_common::spec::Loss;

use crate::nn::network::{Batch, Network, Workspace};
use crate::nn::scalar::{Dual, Number};

/// The Hessian of a loss at one point, applied to directions by dual numbers.
#[derive(Debug)]
pub struct Curvature<'a> {
    network: &'a Network,
    theta: Vec<Dual>,
    features: Vec<Dual>,
    targets: Vec<Dual>,
    loss: Loss,
    l2: f64,
    gradient: Vec<Dual>,
    workspace: Workspace<Dual>,
}

impl<'a> Curvature<'a> {
    /// Bytes of all that is kept for `network` and `rows` rows.
    pub(crate) fn bytes(network: &Network, rows: usize) -> usize {
        let data = rows * (network.input_width() + network.output_width());
        (2 * network.parameter_count() + data) * size_of::<Dual>() + network.workspace_bytes::<Dual>()
    }

    /// The Hessian of `loss` over `batch` with l2 · ‖θ‖², at `theta`.
    pub fn new(network: &'a Network, theta: &[f64], batch: &Batch<'_, f64>, loss: Loss, l2: f64) -> Self {
        let constant = |values: &[f64]| values.iter().map(|&value| Dual::from_f64(value)).collect::<Vec<_>>();
        Self {
            network,
            theta: constant(theta),
            features: constant(batch.features),
            targets: constant(batch.targets),
            loss,
            l2,
            gradient: vec![Dual::ZERO; theta.len()],
            workspace: network.workspace(),
        }
    }

    /// Moves to another point of the same loss.
    pub fn move_to(&mut self, theta: &[f64]) {
        for (dual, &value) in self.theta.iter_mut().zip(theta) {
            dual.value = value;
        }
    }

    /// H · `direction` into `product` (parameters each).
    pub fn apply(&mut self, direction: &[f64], product: &mut [f64]) {
        // what is not trained is a constant
        for (dual, &slope) in self.theta[..self.network.trained_count()].iter_mut().zip(direction) {
            dual.slope = slope;
        }
        let batch = Batch { features: &self.features, targets: &self.targets };
        self.network.gradient(
            &self.theta,
            &batch,
            self.loss,
            self.l2,
            &mut self.workspace,
            &mut self.gradient,
        );
        for (product, dual) in product.iter_mut().zip(&self.gradient) {
            *product = dual.slope;
        }
    }
}
