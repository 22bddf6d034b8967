//! The polish: from where training stopped to where the gradient vanishes, without leaving the basin.
//!
//! The gradient flow decides where the point belongs. Small networks follow it by its implicit method, which ends as
//! Newton's; larger ones, and those with equal units, by an explicit one, then by L-BFGS with short steps that never go
//! uphill, then by damped Newton. Each looks at this trial only.

use seedsweep_common::limits;
use seedsweep_common::outcome::{Certificate, Polish};

use super::certificate::{self, Verdict};
use super::flow::{self, Stiffness};
use super::implicit;
use super::lbfgs::Memory;
use super::newton;
use super::surface::{Cancelled, Point, Surface, dot, largest};
use super::symmetry;

/// Largest absolute entry of the gradient at which the polish is done.
pub(super) const GRADIENT_TARGET: f64 = 1e-10;
/// Euclidean norm of the gradient at which following the flow ends.
const FLOW_GRADIENT: f64 = 1e-3;
/// Most gradients of following the flow: tuned on MOONS (`docs/minima.md`).
const FLOW_STEPS: u32 = 120;
/// Cuts in a row until the flow is given up: at a kink it has no small steps.
const FLOW_CUTS: u32 = 8;
/// Longest step of any phase, in the largest absolute change of a parameter.
pub(super) const LONGEST_STEP: f64 = 0.1;
/// Parameters up to which Hessians are cheap enough for the implicit method: about a quarter of a gradient for each.
const FEW_PARAMETERS: usize = 64;
/// Largest absolute entry of the gradient at which Newton is tried first; ten times less after each refusal.
const NEWTON_GRADIENT: f64 = 1e-6;
/// Halvings of a step until it counts as impossible.
pub(super) const HALVINGS: u32 = 50;
/// At a kink steps go to and fro for ever: if the loss falls by at most this share in so many steps, they end.
const KINK_PROGRESS: f64 = 1e-10;
/// See [`KINK_PROGRESS`].
const KINK_STEPS: u32 = 16;
/// Share of the slope by which an L-BFGS step must go down (Armijo).
pub(super) const DESCENT: f64 = 1e-4;

/// Polishes `theta` in at most `budget` steps; the polished point, or `theta` itself where that failed.
pub(super) fn polish(
    surface: &mut Surface<'_>,
    theta: &[f64],
    budget: u32,
) -> Result<(Polish, Vec<f64>), Cancelled> {
    let start = surface.at(theta.to_vec())?;
    let mut walk = Walk { looked: (0, start.loss), point: start.clone(), steps: 0, budget, surface };
    if start.is_finite() {
        walk.go_down()?;
    }
    let Walk { point, steps, surface, .. } = walk;
    let Verdict { certificate, lambda_min, lambda_max, null_directions, explained, null_space } =
        certificate::judge(surface, &point)?;
    let kept = if certificate == Certificate::NotConverged && lambda_min.is_nan() { start } else { point };
    let squares = kept.theta.iter().zip(theta).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
    let polish = Polish {
        certificate,
        loss: kept.loss,
        displacement: squares.sqrt(),
        steps,
        grad_max: kept.gradient_max(),
        lambda_min,
        lambda_max,
        null_directions,
        explained,
        null_space,
    };
    Ok((polish, kept.theta))
}

/// A point on its way down.
pub(super) struct Walk<'w, 'a> {
    pub(super) surface: &'w mut Surface<'a>,
    pub(super) point: Point,
    pub(super) steps: u32,
    budget: u32,
    /// Steps and loss when a kink was last looked for.
    looked: (u32, f64),
}

impl Walk<'_, '_> {
    /// Whether the budget is out.
    pub(super) fn is_spent(&self) -> bool {
        self.steps >= self.budget
    }

    /// To where the gradient vanishes, as far as that goes.
    fn go_down(&mut self) -> Result<(), Cancelled> {
        let theta = &self.point.theta;
        let is_implicit =
            theta.len() <= FEW_PARAMETERS && !symmetry::has_equal_units(self.surface.network, theta);
        if is_implicit && implicit::follow(self)? {
            return Ok(());
        }
        self.follow_flow()?;
        self.converge()
    }

    /// Phase (a): the flow, with steps cut to a quarter where the loss would rise.
    fn follow_flow(&mut self) -> Result<(), Cancelled> {
        let end = FLOW_STEPS.min(self.budget);
        let mut stiffness = Stiffness::new(&self.point);
        let mut cuts = 0;
        while self.steps + 2 <= end && cuts < FLOW_CUTS && self.point.gradient_norm() > FLOW_GRADIENT {
            self.surface.check()?;
            let curvature = stiffness.at(self.surface, &self.point.theta)? * f64::from(1 << (2 * cuts));
            let most = (end - self.steps) as usize;
            let (time, stages) = flow::plan(&self.point.gradient, curvature, LONGEST_STEP, most);
            let next = flow::advance(self.surface, &self.point, time, stages)?;
            self.steps += stages as u32;
            if next.is_finite() && next.loss < self.point.loss {
                self.point = next;
                cuts = 0;
            } else {
                cuts += 1;
            }
        }
        Ok(())
    }

    /// Phases (b) and (c), until the gradient vanishes, nothing goes down any more or the budget is out.
    fn converge(&mut self) -> Result<(), Cancelled> {
        let mut memory = Memory::default();
        let has_hessian = self.point.theta.len() <= limits::DENSE_HESSIAN_PARAMETERS;
        let mut newton_gradient = NEWTON_GRADIENT;
        while !self.is_spent() && self.point.gradient_max() > GRADIENT_TARGET {
            if has_hessian && self.point.gradient_max() <= newton_gradient {
                if !symmetry::has_equal_units(self.surface.network, &self.point.theta)
                    && newton::converge(self)?
                {
                    return Ok(());
                }
                newton_gradient *= 0.1;
            }
            if !self.quasi_newton_step(&mut memory)? {
                return Ok(());
            }
            if self.is_stuck_at_a_kink() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step of L-BFGS, or of gradient descent if that leads nowhere. Says whether there was one.
    fn quasi_newton_step(&mut self, memory: &mut Memory) -> Result<bool, Cancelled> {
        let before = self.point.clone();
        let mut direction = memory.direction(&before.gradient);
        if memory.is_empty() || dot(&direction, &before.gradient) >= 0.0 {
            memory.clear();
            direction = memory.direction(&before.gradient);
        }
        let mut taken = self.descend(&direction)?;
        if !taken && !memory.is_empty() {
            memory.clear();
            direction = memory.direction(&before.gradient);
            taken = self.descend(&direction)?;
        }
        if taken {
            let step = difference(&self.point.theta, &before.theta);
            memory.learn(step, difference(&self.point.gradient, &before.gradient));
        }
        Ok(taken)
    }

    /// Goes along `direction`, or a half, a quarter, … of it, to the first point that lies lower by at least
    /// [`DESCENT`] of what the slope promises. Says whether there is one.
    fn descend(&mut self, direction: &[f64]) -> Result<bool, Cancelled> {
        self.surface.check()?;
        let slope = dot(direction, &self.point.gradient);
        let mut factor = longest(direction);
        for _ in 0..HALVINGS {
            let theta = self.point.theta.iter().zip(direction).map(|(x, d)| x + factor * d).collect();
            let next = self.surface.at(theta)?;
            let is_lower = next.loss <= self.point.loss + DESCENT * factor * slope;
            if next.is_finite() && (is_lower || self.is_lower_in_the_noise(&next)) {
                self.accept(next);
                return Ok(true);
            }
            factor *= 0.5;
        }
        Ok(false)
    }

    /// Where the loss no longer tells two points apart, the gradient does.
    pub(super) fn is_lower_in_the_noise(&self, next: &Point) -> bool {
        next.loss <= self.point.loss + 8.0 * f64::EPSILON * self.surface.terms(self.point.loss)
            && next.gradient_norm() < self.point.gradient_norm()
    }

    /// Whether the point goes to and fro at a kink; looked at now and then.
    pub(super) fn is_stuck_at_a_kink(&mut self) -> bool {
        if self.steps - self.looked.0 < KINK_STEPS {
            return false;
        }
        let progress = self.looked.1 - self.point.loss;
        self.looked = (self.steps, self.point.loss);
        progress <= KINK_PROGRESS * self.point.loss.abs()
            && certificate::is_at_kink(self.surface, &self.point.theta)
    }

    /// Moves to `next`.
    pub(super) fn accept(&mut self, next: Point) {
        self.point = next;
        self.steps += 1;
    }
}

/// 1, or less so that no parameter moves by more than [`LONGEST_STEP`].
pub(super) fn longest(direction: &[f64]) -> f64 {
    (LONGEST_STEP / largest(direction)).min(1.0)
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
