//! The loss as a surface over the parameters: value, gradient, Hessian, all in f64 over all training rows.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array2;
use seedsweep_common::limits;
use seedsweep_common::spec::Loss;

use super::Problem;
use super::rows::{At, RowLanes, Rows};
use crate::nn::lane::Lanes;
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
    axis: Axis<'a>,
    cancelled: &'a AtomicBool,
}

/// What lies side by side in vector lanes: a matter of the network's shape, since it decides the order of sums over
/// rows.
enum Axis<'a> {
    /// Rows, where a Hessian is affordable.
    Rows(RowLanes, Rows),
    /// Units.
    Units(Box<Workspace<f64>>, Option<Box<Curvature<'a>>>),
}

impl<'a> Surface<'a> {
    /// The surface of `problem`.
    pub(super) fn new(problem: &Problem<'a>, cancelled: &'a AtomicBool) -> Self {
        Self::on(problem, Lanes::detect(), cancelled)
    }

    /// The surface of `problem`, computed on `lanes`.
    pub(super) fn on(problem: &Problem<'a>, lanes: Lanes, cancelled: &'a AtomicBool) -> Self {
        let network = problem.network;
        let features = row_major(&problem.dataset.train.features);
        let targets = row_major(&problem.dataset.train.targets);
        let axis = if has_row_lanes(network) {
            Axis::Rows(RowLanes::new(network, lanes), Rows::new(network, &features, &targets))
        } else {
            Axis::Units(Box::new(network.workspace_on(lanes)), None)
        };
        Self { network, loss: problem.loss, l2: problem.l2, features, targets, axis, cancelled }
    }

    /// An error if the trial was told to stop.
    pub(super) fn check(&self) -> Result<(), Cancelled> {
        check(self.cancelled)
    }

    /// Loss and gradient at `theta`.
    pub(super) fn at(&mut self, theta: Vec<f64>) -> Result<Point, Cancelled> {
        let mut gradient = vec![0.0; theta.len()];
        let loss = match &mut self.axis {
            Axis::Rows(lanes, rows) => {
                let (network, loss, l2) = (self.network, self.loss, self.l2);
                let at = At { network, loss, l2, rows, theta: &theta, cancelled: self.cancelled };
                lanes.gradient(at, &mut gradient)?
            }
            Axis::Units(workspace, _) => {
                let batch = Batch { features: &self.features, targets: &self.targets };
                let mut pass = Pass::new(self.network, &theta, &batch, self.loss, workspace);
                while pass.add_piece(true, Some(&mut gradient)) {
                    check(self.cancelled)?;
                }
                pass.finish_gradient(self.l2, &mut gradient);
                pass.finish_loss(self.l2)
            }
        };
        Ok(Point { theta, loss, gradient })
    }

    /// Units of the teacher of a population loss.
    pub(super) fn teacher_units(&self) -> usize {
        self.targets.len()
    }

    /// How large the terms are that make up `loss`: its rounding is relative to them. Those of a population loss cancel
    /// where it vanishes; they are as large as what the teacher has with itself.
    pub(super) fn terms(&self, loss: f64) -> f64 {
        match self.loss {
            Loss::Population => loss.abs() + (self.teacher_units() * self.teacher_units()) as f64,
            Loss::Mse | Loss::CrossEntropy | Loss::Logistic => loss.abs(),
        }
    }

    /// The Hessian at `theta` times `direction`.
    pub(super) fn hessian_times(&mut self, theta: &[f64], direction: &[f64]) -> Result<Vec<f64>, Cancelled> {
        check(self.cancelled)?;
        let mut product = vec![0.0; theta.len()];
        match &mut self.axis {
            Axis::Rows(lanes, rows) => {
                let (network, loss, l2) = (self.network, self.loss, self.l2);
                let at = At { network, loss, l2, rows, theta, cancelled: self.cancelled };
                lanes.hessian_times(at, direction, &mut product)?;
            }
            Axis::Units(_, curvature) => {
                let batch = Batch { features: &self.features, targets: &self.targets };
                let new = || Box::new(Curvature::new(self.network, theta, &batch, self.loss, self.l2));
                let curvature = curvature.get_or_insert_with(new);
                curvature.move_to(theta);
                curvature.apply(direction, &mut product);
            }
        }
        Ok(product)
    }

    /// The exact Hessian at `theta`: (parameters, parameters).
    pub(super) fn hessian(&mut self, theta: &[f64]) -> Result<Array2<f64>, Cancelled> {
        if let Axis::Rows(lanes, rows) = &mut self.axis {
            let (network, loss, l2) = (self.network, self.loss, self.l2);
            return lanes.hessian(At { network, loss, l2, rows, theta, cancelled: self.cancelled });
        }
        let n = theta.len();
        let mut columns = Vec::with_capacity(n);
        let mut direction = vec![0.0; n];
        for i in 0..n {
            direction[i] = 1.0;
            columns.push(self.hessian_times(theta, &direction)?);
            direction[i] = 0.0;
        }
        // rounding makes it slightly asymmetric
        Ok(Array2::from_shape_fn((n, n), |(i, j)| 0.5 * (columns[i][j] + columns[j][i])))
    }

    /// What the network gives for each of `points`: (points, outputs).
    pub(super) fn outputs(&mut self, theta: &[f64], points: &Points) -> Vec<f64> {
        match (&mut self.axis, points) {
            (Axis::Rows(lanes, _), Points::Blocks(rows)) => lanes.outputs(self.network, rows, theta),
            (Axis::Units(workspace, _), Points::Rows(rows)) => self.network.outputs(theta, rows, workspace),
            _ => unreachable!("points laid out for another network"),
        }
    }
}

pub(super) fn check(cancelled: &AtomicBool) -> Result<(), Cancelled> {
    if cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
}

/// Points to evaluate a network at, laid out for its shape.
#[derive(Debug)]
pub(super) enum Points {
    /// For row lanes.
    Blocks(Rows),
    /// (points, inputs).
    Rows(Vec<f64>),
}

impl Points {
    /// `points` (points, inputs) for `network`.
    pub(super) fn new(network: &Network, points: Vec<f64>) -> Self {
        if has_row_lanes(network) {
            Self::Blocks(Rows::new(network, &points, &[]))
        } else {
            Self::Rows(points)
        }
    }
}

/// Whether the rows of a network's data lie side by side, else its units; a sum of relus has neither.
pub(super) fn has_row_lanes(network: &Network) -> bool {
    network.sum().is_none() && network.parameter_count() <= limits::DENSE_HESSIAN_PARAMETERS
}

/// The values row by row.
pub(super) fn row_major(table: &Array2<f64>) -> Cow<'_, [f64]> {
    table.as_slice().map_or_else(|| Cow::Owned(table.iter().copied().collect()), Cow::Borrowed)
}

/// Σ aᵢ·bᵢ in eight chains, i in chain i mod 8, added up by one fixed tree.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut chains = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            chains[i] += a[i] * b[i];
        }
    }
    for (chain, (a, b)) in chains.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *chain += a * b;
    }
    let [a, b, c, d, e, f, g, h] = chains;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Largest absolute entry.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |max, value| value.abs().max(max))
}
