//! Newton's method with the exact Hessian, slightly damped, for the last digits.

use super::cholesky::Factor;
use super::polish::{GRADIENT_TARGET, Walk, longest};
use super::surface::{Cancelled, Point};

/// Added to the diagonal, as a share of the Hessian's largest row sum: null directions of a flat family stay put,
/// and a curvature of the certificate's smallest kind still gains two digits a step.
pub(super) const DAMPING: f64 = 1e-8;
/// A step must shrink the gradient to at most this share.
const SHRINKS: f64 = 0.5;
/// A step that shrinks the gradient to at most this share makes the Hessian worth another step.
const SHRINKS_WELL: f64 = 0.1;

/// Steps until the gradient vanishes. Says whether it did: `false` where the curvature is negative, a step does
/// not help or the budget is out.
pub(super) fn converge(walk: &mut Walk<'_, '_>) -> Result<bool, Cancelled> {
    while !walk.is_spent() {
        let hessian = walk.surface.hessian(&walk.point.theta)?;
        let norm = hessian.rows().into_iter().map(|row| row.iter().fold(0.0, |sum, x| sum + x.abs()));
        let Some(factor) = Factor::new(&hessian, DAMPING * norm.fold(0.0, f64::max)) else {
            return Ok(false);
        };
        let mut is_fresh = true;
        while !walk.is_spent() {
            walk.surface.check()?;
            let before = walk.point.gradient_norm();
            let next = step(walk, &factor)?;
            let share = next.gradient_norm() / before;
            let goes_down = next.loss <= walk.point.loss || walk.is_lower_in_the_noise(&next);
            if !(next.is_finite() && goes_down && share <= SHRINKS) {
                if is_fresh {
                    return Ok(false);
                }
                break;
            }
            walk.accept(next);
            if walk.point.gradient_max() <= GRADIENT_TARGET {
                return Ok(true);
            }
            if share > SHRINKS_WELL {
                break;
            }
            is_fresh = false;
        }
    }
    Ok(false)
}

fn step(walk: &mut Walk<'_, '_>, factor: &Factor) -> Result<Point, Cancelled> {
    let downhill: Vec<f64> = walk.point.gradient.iter().map(|g| -g).collect();
    let direction = factor.solve(&downhill);
    let length = longest(&direction);
    walk.surface.at(walk.point.theta.iter().zip(&direction).map(|(x, d)| x + length * d).collect())
}
