//! Learning rates over the updates: a linear warm-up, then a shape. f64; the update rounds each once.

use seedsweep_common::spec::{LrShape, Schedule};

use crate::nn::angle;

/// The learning rates of one trial, one after the other.
///
/// With W updates of warm-up the first W rates are lr·(t + 1)/W, t from 0. Let u count the updates after them, from 0:
/// - constant: lr;
/// - step: lr, multiplied by gamma once after each `step_size` updates;
/// - cosine: eta_min + (lr − eta_min)·((1 + cos(π·u/t_max))/2) for u < t_max, and eta_min from there on.
#[derive(Debug, Clone)]
pub struct Rates {
    lr: f64,
    schedule: Schedule,
    /// Updates of the cosine.
    t_max: u64,
    /// Rates given.
    count: u64,
    /// lr·gamma·gamma·…, of the shape `step`.
    stepped: f64,
}

impl Rates {
    /// The rates of `schedule` around `lr`, for a trial of at most `updates` updates.
    pub fn new(lr: f64, schedule: Schedule, updates: u64) -> Self {
        let rest = updates.saturating_sub(schedule.warmup).max(1);
        let t_max = match schedule.shape {
            LrShape::Cosine { t_max: Some(t_max), .. } => t_max,
            _ => rest,
        };
        Self { lr, schedule, t_max, count: 0, stepped: lr }
    }

    /// The rate of the next update.
    pub fn next_rate(&mut self) -> f64 {
        let (t, warmup) = (self.count, self.schedule.warmup);
        self.count += 1;
        let Some(u) = t.checked_sub(warmup) else {
            return self.lr * ((t + 1) as f64 / warmup as f64);
        };
        match self.schedule.shape {
            LrShape::Constant => self.lr,
            LrShape::Step { step_size, gamma } => {
                if u > 0 && u.is_multiple_of(step_size) {
                    self.stepped *= gamma;
                }
                self.stepped
            }
            LrShape::Cosine { eta_min, .. } => eta_min + (self.lr - eta_min) * half_cosine(u, self.t_max),
        }
    }
}

/// (1 + cos(π·u/t))/2, and 0 from `t` on. Limits keep `t` far below 2³².
fn half_cosine(u: u64, t: u64) -> f64 {
    match (u32::try_from(u), u32::try_from(t)) {
        (Ok(u), Ok(t)) if u < t => 0.5 * (1.0 + angle::of_pi(u, t).0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(lr: f64, schedule: Schedule, updates: u64) -> Vec<f64> {
        let mut rates = Rates::new(lr, schedule, updates);
        (0..updates).map(|_| rates.next_rate()).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-15, "{found} instead of {expected}");
        }
    }

    /// Optax 0.2.8 in f64:
    /// ```python
    /// import jax, optax
    /// jax.config.update("jax_enable_x64", True)
    /// f = optax.exponential_decay(.3, 3, .5, staircase=True); print([float(f(t)) for t in range(10)])
    /// f = optax.cosine_decay_schedule(.3, 6, alpha=.1); print([float(f(t)) for t in range(10)])
    /// f = optax.join_schedules([optax.linear_schedule(.1, .4, 3), optax.cosine_decay_schedule(.4, 4)], [4])
    /// print([float(f(t)) for t in range(8)])
    /// ```
    #[test]
    fn rates_are_those_of_optax() {
        let step = Schedule { warmup: 0, shape: LrShape::Step { step_size: 3, gamma: 0.5 } };
        assert_close(&rates(0.3, step, 10), &[0.3, 0.3, 0.3, 0.15, 0.15, 0.15, 0.075, 0.075, 0.075, 0.0375]);
        let cosine = Schedule { warmup: 0, shape: LrShape::Cosine { t_max: Some(6), eta_min: 0.03 } };
        let expected =
            [0.3, 0.2819134295108992, 0.2325, 0.165, 0.0975, 0.048086570489100776, 0.03, 0.03, 0.03, 0.03];
        assert_close(&rates(0.3, cosine, 10), &expected);
        let warm = Schedule { warmup: 4, shape: LrShape::Cosine { t_max: None, eta_min: 0.0 } };
        assert_close(
            &rates(0.4, warm, 8),
            &[0.1, 0.2, 0.3, 0.4, 0.4, 0.3414213562373095, 0.2, 0.05857864376269051],
        );
    }

    #[test]
    fn a_constant_rate_is_the_rate_itself() {
        assert_eq!(rates(0.1, Schedule::default(), 3), [0.1; 3]);
        let warm = Schedule { warmup: 2, shape: LrShape::Constant };
        assert_eq!(rates(0.1, warm, 4), [0.05, 0.1, 0.1, 0.1]);
        let longer = Schedule { warmup: 10, shape: LrShape::Cosine { t_max: None, eta_min: 0.0 } };
        assert_eq!(rates(1.0, longer, 3), [0.1, 0.2, 0.3]);
    }

    #[test]
    fn cosine_falls_from_the_rate_to_its_end_and_stays_there() {
        let schedule = Schedule { warmup: 0, shape: LrShape::Cosine { t_max: Some(1000), eta_min: 0.01 } };
        let rates = rates(0.7, schedule, 1010);
        assert_eq!((rates[0], rates[1000], rates[1009]), (0.7, 0.01, 0.01));
        assert!(rates.windows(2).all(|pair| pair[1] <= pair[0]));
    }
}
