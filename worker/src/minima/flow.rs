//! The gradient flow dθ/dt = −∇f(θ), followed by a stabilised explicit method.
//!
//! Gradient descent follows the flow only in steps below 2 / (largest curvature), and a plateau is hundreds of such
//! steps long. The Runge-Kutta-Chebyshev method of first order (van der Houwen & Sommeijer 1980; Verwer 1996) is
//! stable over a time that grows with the square of its stages, so s gradients go about s times as far. Each stage
//! is a sum of gradients with the same factors for all coordinates, so bit-equal units stay bit-equal.

use super::surface::{Cancelled, Point, Surface, dot, largest};

/// Most stages of one step.
const STAGES: usize = 10;
/// Damping ε: how far inside the stability region fast directions are kept.
const DAMPING: f64 = 0.05;
/// The curvature's estimate is a lower bound; the true one may be larger by this factor.
const SAFETY: f64 = 1.2;

/// Iterations of the power method at the first point, and at each later one.
const ITERATIONS: [usize; 2] = [5, 1];

/// The largest absolute curvature, by a power iteration that goes on from point to point.
#[derive(Debug)]
pub(super) struct Stiffness {
    direction: Vec<f64>,
    iterations: usize,
}

impl Stiffness {
    /// Begins with the gradient.
    pub(super) fn new(point: &Point) -> Self {
        Self { direction: point.gradient.clone(), iterations: ITERATIONS[0] }
    }

    /// The estimate at `theta`, on the safe side; 0 if there is no curvature.
    pub(super) fn at(&mut self, surface: &mut Surface<'_>, theta: &[f64]) -> Result<f64, Cancelled> {
        let mut curvature = 0.0;
        for _ in 0..self.iterations {
            let norm = dot(&self.direction, &self.direction).sqrt();
            if norm == 0.0 {
                return Ok(0.0);
            }
            self.direction.iter_mut().for_each(|d| *d /= norm);
            self.direction = surface.hessian_times(theta, &self.direction)?;
            curvature = dot(&self.direction, &self.direction).sqrt();
        }
        self.iterations = ITERATIONS[1];
        Ok(SAFETY * curvature)
    }
}

/// How long the next step lasts and in how many stages, 2 to `most`: stable up to `curvature`, and no parameter
/// moves by more than about `longest`.
pub(super) fn plan(gradient: &[f64], curvature: f64, longest: f64, most: usize) -> (f64, usize) {
    let most = most.min(STAGES);
    let stable = 2.0 - 4.0 / 3.0 * DAMPING;
    let time = (stable * (most * most) as f64 / curvature).min(longest / largest(gradient));
    let stages = (time * curvature / stable).sqrt().ceil() as usize;
    (time, stages.clamp(2, most))
}

/// The point that the flow reaches after `time`, in `stages` gradients (that of `from` included).
pub(super) fn advance(
    surface: &mut Surface<'_>,
    from: &Point,
    time: f64,
    stages: usize,
) -> Result<Point, Cancelled> {
    // Chebyshev polynomials at w0, and the derivative of the last
    let w0 = 1.0 + DAMPING / (stages * stages) as f64;
    let (mut t, mut slope) = (vec![1.0, w0], [0.0, 1.0]);
    for j in 2..=stages {
        slope = [slope[1], 2.0 * t[j - 1] + 2.0 * w0 * slope[1] - slope[0]];
        t.push(2.0 * w0 * t[j - 1] - t[j - 2]);
    }
    let w1 = t[stages] / slope[1];
    let mut before = from.theta.clone();
    let first = time * w1 / w0;
    let mut theta: Vec<f64> = from.theta.iter().zip(&from.gradient).map(|(x, g)| x - first * g).collect();
    for j in 2..=stages {
        let here = surface.at(theta)?;
        let ratio = t[j - 1] / t[j];
        let (mu, nu) = (2.0 * w1 * ratio * time, 2.0 * w0 * ratio);
        let next = (0..here.theta.len())
            .map(|i| nu * here.theta[i] + (1.0 - nu) * before[i] - mu * here.gradient[i])
            .collect();
        before = here.theta;
        theta = next;
    }
    surface.at(theta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_stable_and_short() {
        // ten stages reach (2 − 4ε/3)·10² / curvature
        let (time, stages) = plan(&[1e-6], 4.0, 0.1, 100);
        assert!(
            (time - 1.933_333_333_333_333_4 * 100.0 / 4.0).abs() < 1e-12 && stages == 10,
            "{time} {stages}"
        );
        // 0.1 in the fastest parameter
        assert_eq!(plan(&[0.5, -2.0], 4.0, 0.1, 100), (0.05, 2));
        assert_eq!(plan(&[1e-6], 0.0, 0.1, 100), (0.1 / 1e-6, 2));
        assert_eq!(plan(&[1e-6], 4.0, 0.1, 3).1, 3);
    }
}
