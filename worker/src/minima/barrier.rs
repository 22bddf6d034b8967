//! Barriers between two ends of training: how far the loss rises on the straight way from one to the other.
//!
//! The way is drawn after the units of one network were matched to the other's, since copies of one network lie far apart
//! in parameter space (Frankle et al. 2020; Ainsworth et al. 2023). What is found is at most what stands between the
//! basins: another image, or a bent way, may lie lower. It is at least what [`POINTS`] points of the segment show.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use seedsweep_common::barrier::POINTS;

use super::Problem;
use super::canonical::align;
use super::surface::{Cancelled, check, row_major};
use crate::nn::network::{Batch, Pass, Workspace};

/// What lies between two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// Training loss with l2 at the first end.
    pub loss_a: f64,
    /// At the second.
    pub loss_b: f64,
    /// Largest loss on the way above the straight line of the two, at least 0; infinite where it is not finite, and
    /// where there is no way.
    pub height: f64,
}

/// What lies between `a` and `b` (finite). `None` if cancelled, which is looked at before each of its points and
/// between pieces of the data.
pub fn between(problem: &Problem<'_>, a: &[f64], b: &[f64], cancelled: &AtomicBool) -> Option<Between> {
    let mut losses = Losses::new(problem, cancelled);
    let Some([a, b]) = align(problem.network, problem.loss, problem.l2, a, b) else {
        return losses.apart(a, b).ok();
    };
    losses.along(&a, &b).ok()
}

/// Computes training losses.
pub(super) struct Losses<'a> {
    problem: &'a Problem<'a>,
    /// (rows, inputs) and (rows, outputs).
    features: Cow<'a, [f64]>,
    targets: Cow<'a, [f64]>,
    workspace: Workspace<f64>,
    cancelled: &'a AtomicBool,
}

impl<'a> Losses<'a> {
    pub(super) fn new(problem: &'a Problem<'a>, cancelled: &'a AtomicBool) -> Self {
        let train = &problem.dataset.train;
        Self {
            problem,
            features: row_major(&train.features),
            targets: row_major(&train.targets),
            workspace: problem.network.workspace(),
            cancelled,
        }
    }

    /// The loss at `theta`, with l2.
    fn at(&mut self, theta: &[f64]) -> Result<f64, Cancelled> {
        check(self.cancelled)?;
        let Problem { network, loss, l2, .. } = *self.problem;
        let batch = Batch { features: &self.features, targets: &self.targets };
        let mut pass = Pass::new(network, theta, &batch, loss, &mut self.workspace);
        while pass.add_piece(true, None) {
            check(self.cancelled)?;
        }
        Ok(pass.finish_loss(l2))
    }

    /// What lies on the segment from `a` to `b`: the same, whichever is called which.
    pub(super) fn along(&mut self, a: &[f64], b: &[f64]) -> Result<Between, Cancelled> {
        let (loss_a, loss_b) = (self.at(a)?, self.at(b)?);
        let mut height: f64 = 0.0;
        let last = POINTS - 1;
        for point in 1..last {
            let [of_a, of_b] = [(last - point) as f64 / last as f64, point as f64 / last as f64];
            let theta: Vec<f64> = a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect();
            let above = self.at(&theta)? - (of_a * loss_a + of_b * loss_b);
            height = height.max(if above.is_finite() { above } else { f64::INFINITY });
        }
        Ok(Between { loss_a, loss_b, height })
    }

    /// What lies between ends that no segment joins.
    fn apart(&mut self, a: &[f64], b: &[f64]) -> Result<Between, Cancelled> {
        Ok(Between { loss_a: self.at(a)?, loss_b: self.at(b)?, height: f64::INFINITY })
    }
}
