//! The gradient flow and, at its end, Newton's method, in one: the linearly implicit method of Euler with the exact
//! Hessian (pseudo-transient continuation, Kelley & Keyes 1998).
//!
//! A step of time t is −(H + I/t)⁻¹·∇f: stable for any t, close to the flow as long as it is short, and Newton's own as
//! t grows while the gradient vanishes. One Hessian of a small network costs a few gradients, and saves hundreds.

use ndarray::Array2;

use super::cholesky::Factor;
use super::newton::DAMPING;
use super::polish::{DESCENT, GRADIENT_TARGET, HALVINGS, Walk};
use super::surface::{Cancelled, Point, dot, largest};

/// Longest step, in the largest absolute change of a parameter: tuned on MOONS (`docs/minima.md`).
const LONGEST_STEP: f64 = 0.3;
/// 1/t is a rate times the largest entry of the gradient; at first no parameter moves by more than 0.1.
const FIRST_RATE: f64 = 10.0;
/// By how much the rate falls after a step, and rises where one was not possible.
const FALLS: f64 = 0.5;
const RISES: f64 = 4.0;

/// Follows the flow until the gradient vanishes. Says whether that is all that can be done: `false` where no step goes
/// down.
pub(super) fn follow(walk: &mut Walk<'_, '_>) -> Result<bool, Cancelled> {
    let mut rate = FIRST_RATE;
    while walk.point.gradient_max() > GRADIENT_TARGET && !walk.is_spent() && !walk.is_stuck_at_a_kink() {
        let hessian = walk.surface.hessian(&walk.point.theta)?;
        let norm = hessian.rows().into_iter().map(|row| row.iter().fold(0.0, |sum, x| sum + x.abs()));
        let least = DAMPING * norm.fold(0.0, f64::max);
        let downhill: Vec<f64> = walk.point.gradient.iter().map(|g| -g).collect();
        let mut next = None;
        for _ in 0..HALVINGS {
            let shift = (rate * largest(&downhill)).max(least);
            next = step(walk, &hessian, shift, &downhill)?;
            if next.is_some() {
                break;
            }
            rate *= RISES;
        }
        let Some(next) = next else { return Ok(false) };
        walk.accept(next);
        rate *= FALLS;
    }
    Ok(true)
}

/// Where a step of time 1/`shift` leads, if it is short and goes down.
fn step(
    walk: &mut Walk<'_, '_>,
    hessian: &Array2<f64>,
    shift: f64,
    downhill: &[f64],
) -> Result<Option<Point>, Cancelled> {
    let Some(factor) = Factor::new(hessian, shift) else { return Ok(None) };
    let step = factor.solve(downhill);
    if largest(&step) > LONGEST_STEP {
        return Ok(None);
    }
    let next = walk.surface.at(walk.point.theta.iter().zip(&step).map(|(x, d)| x + d).collect())?;
    let is_lower = next.loss <= walk.point.loss - DESCENT * dot(&step, downhill);
    let goes_down = next.is_finite() && (is_lower || walk.is_lower_in_the_noise(&next));
    Ok(goes_down.then_some(next))
}
