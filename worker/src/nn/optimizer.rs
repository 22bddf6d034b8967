//! Update rules. Moments and velocities are kept in the training precision; what depends on the step alone (learning
//! rate, Adam's powers) is computed in f64 and rounded once per update.

use seedsweep_common::spec;

use crate::nn::lane::{Job, Lanes};
use crate::nn::network::Decay;
use crate::nn::scalar::Number;

/// An update rule with what it remembers.
#[derive(Debug, Clone)]
pub enum Optimizer<S> {
    /// θ = fma(−lr, g, θ).
    Descent,
    /// v = fma(μ, v, g); θ = fma(−lr, v, θ). The velocity starts at 0.
    Momentum {
        /// μ.
        momentum: S,
        /// v, (parameters).
        velocity: Vec<S>,
    },
    /// v = fma(μ, v, g); θ = fma(−lr, fma(μ, v, g), θ), as PyTorch has Nesterov's momentum.
    Nesterov {
        /// μ.
        momentum: S,
        /// v, (parameters).
        velocity: Vec<S>,
    },
    /// Adam (Kingma & Ba 2015, algorithm 1) with eps outside the root, as PyTorch has it.
    Adam(Adam<S>),
    /// v = fma(α, v, ((1 − α)·g)·g); θ = fma(−lr, g / (√v + eps), θ), as PyTorch has it.
    RmsProp {
        /// α, and 1 − α as f64 has it.
        alpha: [S; 2],
        /// Added to the root.
        eps: S,
        /// v, (parameters).
        square: Vec<S>,
    },
}

/// What pulls the parameters to 0 before each update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightDecay {
    /// Nothing.
    None,
    /// g = fma(amount, θ, g).
    Coupled(f64),
    /// θ = (1 − lr·amount)·θ, the factor in f64 and rounded once (Loshchilov & Hutter 2019, as PyTorch has it).
    Decoupled(f64),
}

impl WeightDecay {
    /// The decay of `amount` that belongs to the rule `spec`.
    pub fn new(spec: &spec::Optimizer, amount: f64) -> Self {
        match spec {
            _ if amount == 0.0 => Self::None,
            spec::Optimizer::AdamW { .. } => Self::Decoupled(amount),
            spec::Optimizer::Gd
            | spec::Optimizer::Sgd { .. }
            | spec::Optimizer::Nesterov { .. }
            | spec::Optimizer::Adam { .. }
            | spec::Optimizer::RmsProp { .. } => Self::Coupled(amount),
        }
    }

    /// Changes `gradient` or `theta` (parameters) ahead of an update with learning rate `lr`.
    pub fn apply<S: Number>(self, theta: &mut [S], gradient: &mut [S], lr: f64, lanes: Lanes) {
        match self {
            Self::None => {}
            Self::Coupled(amount) => lanes.run(Decay { theta, factor: S::from_f64(amount), gradient }),
            Self::Decoupled(amount) => lanes.run(Shrink { theta, factor: S::from_f64(1.0 - lr * amount) }),
        }
    }
}

/// Adam's constants and moments.
#[derive(Debug, Clone)]
pub struct Adam<S> {
    betas: [f64; 2],
    eps: f64,
    /// βᵗ, by repeated multiplication.
    powers: [f64; 2],
    /// Mean of gradients and of their squares, (parameters) each.
    moments: [Vec<S>; 2],
}

impl<S: Number> Optimizer<S> {
    /// The rule that `spec` names, for so many parameters, with nothing remembered.
    pub fn new(spec: &spec::Optimizer, parameters: usize) -> Self {
        match *spec {
            spec::Optimizer::Gd | spec::Optimizer::Sgd { momentum: 0.0 } => Self::Descent,
            spec::Optimizer::Sgd { momentum } => {
                Self::Momentum { momentum: S::from_f64(momentum), velocity: vec![S::ZERO; parameters] }
            }
            spec::Optimizer::Nesterov { momentum } => {
                Self::Nesterov { momentum: S::from_f64(momentum), velocity: vec![S::ZERO; parameters] }
            }
            spec::Optimizer::RmsProp { alpha, eps } => Self::RmsProp {
                alpha: [S::from_f64(alpha), S::from_f64(1.0 - alpha)],
                eps: S::from_f64(eps),
                square: vec![S::ZERO; parameters],
            },
            spec::Optimizer::Adam { beta1, beta2, eps } | spec::Optimizer::AdamW { beta1, beta2, eps } => {
                Self::Adam(Adam {
                    betas: [beta1, beta2],
                    eps,
                    powers: [1.0, 1.0],
                    moments: [vec![S::ZERO; parameters], vec![S::ZERO; parameters]],
                })
            }
        }
    }

    /// One update of `theta` with learning rate `lr`. `theta` and `gradient` (parameters).
    pub fn step(&mut self, theta: &mut [S], gradient: &[S], lr: f64, lanes: Lanes) {
        match self {
            Self::Descent => lanes.run(Descend { theta, direction: gradient, minus_lr: S::from_f64(-lr) }),
            Self::Momentum { momentum, velocity } => lanes.run(Accelerate {
                theta,
                gradient,
                velocity,
                momentum: *momentum,
                minus_lr: S::from_f64(-lr),
            }),
            Self::Nesterov { momentum, velocity } => lanes.run(LookAhead {
                theta,
                gradient,
                velocity,
                momentum: *momentum,
                minus_lr: S::from_f64(-lr),
            }),
            Self::Adam(adam) => lanes.run(adam.update(theta, gradient, lr)),
            Self::RmsProp { alpha, eps, square } => lanes.run(Normalise {
                theta,
                gradient,
                square,
                alpha: *alpha,
                minus_lr: S::from_f64(-lr),
                eps: *eps,
            }),
        }
    }
}

impl<S: Number> Adam<S> {
    fn update<'a>(&'a mut self, theta: &'a mut [S], gradient: &'a [S], lr: f64) -> Adapt<'a, S> {
        for (power, beta) in self.powers.iter_mut().zip(self.betas) {
            *power *= beta;
        }
        let [mean, square] = &mut self.moments;
        Adapt {
            theta,
            gradient,
            mean,
            square,
            keep: self.betas.map(S::from_f64),
            take: self.betas.map(|beta| S::from_f64(1.0 - beta)),
            minus_step: S::from_f64(-(lr / (1.0 - self.powers[0]))),
            unbias: S::from_f64(1.0 / (1.0 - self.powers[1]).sqrt()),
            eps: S::from_f64(self.eps),
        }
    }
}

struct Descend<'a, S> {
    theta: &'a mut [S],
    direction: &'a [S],
    minus_lr: S,
}

impl<S: Number> Job for Descend<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (theta, &d) in self.theta.iter_mut().zip(self.direction) {
            *theta = self.minus_lr.fma(d, *theta);
        }
    }
}

struct Accelerate<'a, S> {
    theta: &'a mut [S],
    gradient: &'a [S],
    velocity: &'a mut [S],
    momentum: S,
    minus_lr: S,
}

impl<S: Number> Job for Accelerate<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((theta, v), &g) in self.theta.iter_mut().zip(self.velocity).zip(self.gradient) {
            *v = self.momentum.fma(*v, g);
            *theta = self.minus_lr.fma(*v, *theta);
        }
    }
}

struct LookAhead<'a, S> {
    theta: &'a mut [S],
    gradient: &'a [S],
    velocity: &'a mut [S],
    momentum: S,
    minus_lr: S,
}

impl<S: Number> Job for LookAhead<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((theta, v), &g) in self.theta.iter_mut().zip(self.velocity).zip(self.gradient) {
            *v = self.momentum.fma(*v, g);
            *theta = self.minus_lr.fma(self.momentum.fma(*v, g), *theta);
        }
    }
}

/// v = fma(α, v, ((1 − α)·g)·g); θ = fma(−lr, g / (√v + eps), θ).
struct Normalise<'a, S> {
    theta: &'a mut [S],
    gradient: &'a [S],
    square: &'a mut [S],
    alpha: [S; 2],
    minus_lr: S,
    eps: S,
}

impl<S: Number> Job for Normalise<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((theta, v), &g) in self.theta.iter_mut().zip(self.square).zip(self.gradient) {
            *v = self.alpha[0].fma(*v, self.alpha[1].mul(g).mul(g));
            *theta = self.minus_lr.fma(g.div(v.sqrt().add(self.eps)), *theta);
        }
    }
}

/// θ = factor·θ.
struct Shrink<'a, S> {
    theta: &'a mut [S],
    factor: S,
}

impl<S: Number> Job for Shrink<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for theta in self.theta {
            *theta = self.factor.mul(*theta);
        }
    }
}

/// m = fma(β₁, m, (1 − β₁)·g); v = fma(β₂, v, ((1 − β₂)·g)·g);
/// θ = fma(−lr/(1 − β₁ᵗ), m / fma(√v, 1/√(1 − β₂ᵗ), eps), θ).
struct Adapt<'a, S> {
    theta: &'a mut [S],
    gradient: &'a [S],
    mean: &'a mut [S],
    square: &'a mut [S],
    keep: [S; 2],
    take: [S; 2],
    minus_step: S,
    unbias: S,
    eps: S,
}

impl<S: Number> Job for Adapt<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let moments = self.mean.iter_mut().zip(self.square);
        for ((theta, &g), (m, v)) in self.theta.iter_mut().zip(self.gradient).zip(moments) {
            *m = self.keep[0].fma(*m, self.take[0].mul(g));
            *v = self.keep[1].fma(*v, self.take[1].mul(g).mul(g));
            let root = v.sqrt().fma(self.unbias, self.eps);
            *theta = self.minus_step.fma(m.div(root), *theta);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::lane::Level;

    fn after_steps(lanes: Lanes, spec: &spec::Optimizer) -> Vec<u32> {
        let mut theta: Vec<f32> = (0..37).map(|i| 0.1 * i as f32 - 1.7).collect();
        let mut optimizer = Optimizer::new(spec, theta.len());
        for step in 0..20 {
            let mut gradient: Vec<f32> = theta.iter().map(|t| t * t - 0.3 + 0.01 * step as f32).collect();
            WeightDecay::new(spec, 0.05).apply(&mut theta, &mut gradient, 0.07, lanes);
            optimizer.step(&mut theta, &gradient, 0.07, lanes);
        }
        theta.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn update_bits_are_the_same_at_every_level() {
        for spec in [
            spec::Optimizer::Gd,
            spec::Optimizer::Sgd { momentum: 0.9 },
            spec::Optimizer::Nesterov { momentum: 0.9 },
            spec::Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            spec::Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            spec::Optimizer::RmsProp { alpha: 0.99, eps: 1e-8 },
        ] {
            let expected = after_steps(Lanes::detect(), &spec);
            for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
                if let Some(lanes) = Lanes::force(level) {
                    assert_eq!(after_steps(lanes, &spec), expected, "{spec:?} {level:?}");
                }
            }
        }
    }

    #[test]
    fn first_adam_step_has_the_size_of_the_learning_rate() {
        let adam = spec::Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 0.0 };
        let mut theta = [1.0_f64, 2.0, 3.0];
        Optimizer::new(&adam, 3).step(&mut theta, &[1e-3, -5.0, 0.25], 0.01, Lanes::detect());
        for (theta, expected) in theta.into_iter().zip([0.99, 2.01, 2.99]) {
            assert!((theta - expected).abs() < 1e-15, "{theta}");
        }
    }

    #[test]
    fn sgd_without_momentum_is_gradient_descent() {
        let lanes = Lanes::detect();
        assert_eq!(
            after_steps(lanes, &spec::Optimizer::Sgd { momentum: 0.0 }),
            after_steps(lanes, &spec::Optimizer::Gd)
        );
    }
}
