//! The eigenvalue that the late part of a loss curve decays with (science of the lazy regime: Du et al. 2018).

use seedsweep_common::spec::{Batch, Loss, LrShape, Optimizer, Schedule, Train};

use crate::nn::data::Dataset;
use crate::nn::scalar::Number;

/// The losses that are fitted, as shares of the first and as numbers: after the fast phase, which the largest eigenvalues
/// rule, and before rounding does.
const FROM_SHARE: f64 = 1e-8;
const TO: f64 = 1e-20;
/// Fewest points of a fit.
const POINTS: usize = 3;

/// λ of the curve's late part: with full-batch steps of size η on a mean of squares over N numbers the residual
/// along an eigenvector of the Gram matrix shrinks by 1 − 2ηλ/N a step, the loss by its square, so that a slope s of
/// log loss gives λ = (1 − e^{s/2})·N/(2η). NaN for other losses, rules and batches, where nothing says so, and where
/// fewer than three points lie between a hundred-millionth of the first loss and 1e-20.
pub(super) fn late(train: &Train, dataset: &Dataset, curve: impl Iterator<Item = (u64, f64)>) -> f64 {
    let plain = matches!(train.optimizer, Optimizer::Gd | Optimizer::Sgd { momentum: 0.0 })
        && matches!(train.schedule, Schedule { warmup: 0, shape: LrShape::Constant })
        && train.batch == Batch::Full
        && train.loss == Loss::Mse
        && train.l2 == 0.0
        && train.weight_decay == 0.0;
    if !plain {
        return f64::NAN;
    }
    let mut curve = curve.peekable();
    let Some(&(_, first)) = curve.peek() else { return f64::NAN };
    let late: Vec<(f64, f64)> = curve
        .filter(|&(_, loss)| loss <= FROM_SHARE * first && loss >= TO)
        .map(|(step, loss)| (step as f64, Number::log(loss)))
        .collect();
    let numbers = dataset.train.targets.len() as f64;
    slope(&late).map_or(f64::NAN, |slope| (1.0 - Number::exp(0.5 * slope)) * numbers / (2.0 * train.lr))
}

/// Least squares' slope of the points (x, y).
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < POINTS {
        return None;
    }
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().fold(0.0, |sum, point| sum + of(point)) / n;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        xx += (x - x_mean) * (x - x_mean);
        xy += (x - x_mean) * (y - y_mean);
    }
    Some(xy / xx)
}
