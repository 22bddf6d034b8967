//! The loss as a surface over the parameters: value, gradient, Hessian, all in f64 over all training rows.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array2;
use seedsweep_common::spec::Loss;

use super::Problem;
use crate::nn::network::{Batch, Curvature, Network, Pass, Workspace};

/// The trial was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cancelled;

/// A point with what is known there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) theta: Vec<f64>,
    /// With the l2 term.
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
}

impl Point {
    /// Largest absolute entry of the gradient; NaN if one is.
    pub(super) fn gradient_max(&self) -> f64 {
        self.gradient.iter().fold(0.0, |max: f64, g| if g.abs() > max || g.is_nan() { g.abs() } else { max })
    }

    /// Euclidean norm of the gradient.
    pub(super) fn gradient_norm(&self) -> f64 {
        dot(&self.gradient, &self.gradient).sqrt()
    }

    /// Whether loss and gradient can be gone on with.
    pub(super) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

/// The loss of a network on its training rows.
pub(super) struct Surface<'a> {
    pub(super) network: &'a Network,
    pub(super) loss: Loss,
    pub(super) l2: f64,
    /// (rows, inputs).
    pub(super) features: Cow<'a, [f64]>,
    /// (rows, outputs).
    targets: Cow<'a, [f64]>,
    pub(super) workspace: Workspace<f64>,
    curvature: Option<Curvature<'a>>,
    cancelled: &'a AtomicBool,
}

impl<'a> Surface<'a> {
    /// The surface of `problem`.
    pub(super) fn new(problem: &Problem<'a>, cancelled: &'a AtomicBool) -> Self {
        Self {
            network: problem.network,
            loss: problem.loss,
            l2: problem.l2,
            features: row_major(&problem.dataset.train.features),
            targets: row_major(&problem.dataset.train.targets),
            workspace: problem.network.workspace(),
            curvature: None,
            cancelled,
        }
    }

    /// An error if the trial was told to stop.
    pub(super) fn check(&self) -> Result<(), Cancelled> {
        check(self.cancelled)
    }

    /// Loss and gradient at `theta`.
    pub(super) fn at(&mut self, theta: Vec<f64>) -> Result<Point, Cancelled> {
        let mut gradient = vec![0.0; theta.len()];
        let batch = Batch { features: &self.features, targets: &self.targets };
        let mut pass = Pass::new(self.network, &theta, &batch, self.loss, &mut self.workspace);
        while pass.add_piece(true, Some(&mut gradient)) {
            check(self.cancelled)?;
        }
        pass.finish_gradient(self.l2, &mut gradient);
        let loss = pass.finish_loss(self.l2);
        Ok(Point { theta, loss, gradient })
    }

    /// The Hessian at `theta` times `direction`.
    pub(super) fn hessian_times(&mut self, theta: &[f64], direction: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; theta.len()];
        self.curvature(theta).apply(direction, &mut product);
        product
    }

    /// The exact Hessian at `theta`, made symmetric by averaging: (parameters, parameters).
    pub(super) fn hessian(&mut self, theta: &[f64]) -> Result<Array2<f64>, Cancelled> {
        let n = theta.len();
        let cancelled = self.cancelled;
        let curvature = self.curvature(theta);
        let mut columns = vec![0.0; n * n];
        let mut direction = vec![0.0; n];
        for (i, column) in columns.chunks_exact_mut(n).enumerate() {
            check(cancelled)?;
            direction[i] = 1.0;
            curvature.apply(&direction, column);
            direction[i] = 0.0;
        }
        Ok(Array2::from_shape_fn((n, n), |(i, j)| 0.5 * (columns[i * n + j] + columns[j * n + i])))
    }

    fn curvature(&mut self, theta: &[f64]) -> &mut Curvature<'a> {
        let batch = Batch { features: &self.features, targets: &self.targets };
        let curvature = self
            .curvature
            .get_or_insert_with(|| Curvature::new(self.network, theta, &batch, self.loss, self.l2));
        curvature.move_to(theta);
        curvature
    }
}

fn check(cancelled: &AtomicBool) -> Result<(), Cancelled> {
    if cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
}

fn row_major(table: &Array2<f64>) -> Cow<'_, [f64]> {
    table.as_slice().map_or_else(|| Cow::Owned(table.iter().copied().collect()), Cow::Borrowed)
}

/// Σ aᵢ·bᵢ, ascending.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// Largest absolute entry.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |max, value| value.abs().max(max))
}
