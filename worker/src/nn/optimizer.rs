//! Update rules. Moments and velocities are kept in the training precision; what depends on the step alone (learning
//! rate, Adam's powers) is computed in f64 and rounded once per update.

use std::ops::Range;

use seedsweep_common::spec;

use crate::nn::lane::{self, Finish, Job, Lane, Lanes, elements_mut};
use crate::nn::network::Decay;
use crate::nn::scalar::Number;

/// An update rule with what it remembers.
#[derive(Debug, Clone)]
pub struct Optimizer<S> {
    rule: Rule,
    /// βᵗ of Adam, by repeated multiplication.
    powers: [f64; 2],
    /// Velocity, or means of gradients and of their squares, (parameters) each; empty where the rule has none.
    moments: [Vec<S>; 2],
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Descent,
    Momentum { momentum: f64 },
    Nesterov { momentum: f64 },
    Adam { betas: [f64; 2], eps: f64 },
    RmsProp { alpha: f64, eps: f64 },
}

impl Rule {
    fn new(spec: &spec::Optimizer) -> Self {
        match *spec {
            spec::Optimizer::Gd | spec::Optimizer::Sgd { momentum: 0.0 } => Self::Descent,
            spec::Optimizer::Sgd { momentum } => Self::Momentum { momentum },
            spec::Optimizer::Nesterov { momentum } => Self::Nesterov { momentum },
            spec::Optimizer::RmsProp { alpha, eps } => Self::RmsProp { alpha, eps },
            spec::Optimizer::Adam { beta1, beta2, eps } | spec::Optimizer::AdamW { beta1, beta2, eps } => {
                Self::Adam { betas: [beta1, beta2], eps }
            }
        }
    }

    /// Numbers to remember for each parameter.
    fn moments(self) -> usize {
        match self {
            Self::Descent => 0,
            Self::Momentum { .. } | Self::Nesterov { .. } | Self::RmsProp { .. } => 1,
            Self::Adam { .. } => 2,
        }
    }
}

/// One update: a rule with its numbers, each rounded once.
#[derive(Debug, Clone, Copy)]
enum Update<S> {
    /// θ = fma(−lr, g, θ).
    Descent { minus_lr: S },
    /// v = fma(μ, v, g); θ = fma(−lr, v, θ). The velocity starts at 0.
    Momentum { momentum: S, minus_lr: S },
    /// v = fma(μ, v, g); θ = fma(−lr, fma(μ, v, g), θ), as PyTorch has Nesterov's momentum.
    Nesterov { momentum: S, minus_lr: S },
    /// Adam (Kingma & Ba 2015, algorithm 1) with eps outside the root, as PyTorch has it:
    /// m = fma(β₁, m, (1 − β₁)·g); v = fma(β₂, v, ((1 − β₂)·g)·g);
    /// θ = fma(−lr/(1 − β₁ᵗ), m / fma(√v, 1/√(1 − β₂ᵗ), eps), θ).
    Adam { keep: [S; 2], take: [S; 2], minus_step: S, unbias: S, eps: S },
    /// v = fma(α, v, ((1 − α)·g)·g); θ = fma(−lr, g / (√v + eps), θ), as PyTorch has it.
    RmsProp { keep: S, take: S, minus_lr: S, eps: S },
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
        lanes.run(Pull { decay: self, theta, gradient, lr });
    }
}

/// See [`WeightDecay::apply`].
struct Pull<'a, S> {
    decay: WeightDecay,
    theta: &'a mut [S],
    gradient: &'a mut [S],
    lr: f64,
}

impl<S: Number> Job for Pull<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { decay, theta, gradient, lr } = self;
        match decay {
            WeightDecay::None => {}
            WeightDecay::Coupled(amount) => Decay { theta, factor: S::from_f64(amount), gradient }.run(),
            WeightDecay::Decoupled(amount) => {
                let factor = S::from_f64(1.0 - lr * amount);
                for theta in theta {
                    *theta = factor.mul(*theta);
                }
            }
        }
    }
}

impl<S: Number> Optimizer<S> {
    /// The rule that `spec` names, for so many parameters, with nothing remembered.
    pub fn new(spec: &spec::Optimizer, parameters: usize) -> Self {
        let rule = Rule::new(spec);
        let of = |number| vec![S::ZERO; if number < rule.moments() { parameters } else { 0 }];
        Self { rule, powers: [1.0, 1.0], moments: [of(0), of(1)] }
    }

    /// Bytes that the rule `spec` takes to remember so many parameters.
    pub(crate) fn bytes(spec: &spec::Optimizer, parameters: usize) -> usize {
        Rule::new(spec).moments() * parameters * size_of::<S>()
    }

    /// Whether θ = fma(−lr, g, θ) is all there is to an update.
    pub(crate) fn is_plain(&self, decay: WeightDecay) -> bool {
        matches!(self.rule, Rule::Descent) && decay == WeightDecay::None
    }

    /// Begins the update with learning rate `lr`, `decay` ahead of it.
    pub(crate) fn begin(&mut self, decay: WeightDecay, lr: f64) -> Step<'_, S> {
        let minus_lr = S::from_f64(-lr);
        let update = match self.rule {
            Rule::Descent => Update::Descent { minus_lr },
            Rule::Momentum { momentum } => Update::Momentum { momentum: S::from_f64(momentum), minus_lr },
            Rule::Nesterov { momentum } => Update::Nesterov { momentum: S::from_f64(momentum), minus_lr },
            Rule::RmsProp { alpha, eps } => Update::RmsProp {
                keep: S::from_f64(alpha),
                take: S::from_f64(1.0 - alpha),
                minus_lr,
                eps: S::from_f64(eps),
            },
            Rule::Adam { betas, eps } => {
                for (power, beta) in self.powers.iter_mut().zip(betas) {
                    *power *= beta;
                }
                Update::Adam {
                    keep: betas.map(S::from_f64),
                    take: betas.map(|beta| S::from_f64(1.0 - beta)),
                    minus_step: S::from_f64(-(lr / (1.0 - self.powers[0]))),
                    unbias: S::from_f64(1.0 / (1.0 - self.powers[1]).sqrt()),
                    eps: S::from_f64(eps),
                }
            }
        };
        let [first, second] = &mut self.moments;
        Step { decay, lr, update, moments: [first, second] }
    }

    /// One update of `theta` with learning rate `lr`. `theta` and `gradient` (parameters).
    pub fn step(&mut self, theta: &mut [S], gradient: &[S], lr: f64, lanes: Lanes) {
        let Step { update, moments, .. } = self.begin(WeightDecay::None, lr);
        lanes.run(Apply { update, theta, gradient, moments });
    }
}

impl<V: Lane> Optimizer<V> {
    /// Forgets what is remembered of lane `lane`, but not how many updates were made.
    pub(crate) fn forget(&mut self, lane: usize) {
        for moments in &mut self.moments {
            for value in elements_mut(moments).iter_mut().skip(lane).step_by(V::WIDTH) {
                *value = V::Elem::ZERO;
            }
        }
    }
}

/// An update under way: any part of the parameters at a time, each once.
#[derive(Debug)]
pub(crate) struct Step<'a, S> {
    decay: WeightDecay,
    lr: f64,
    update: Update<S>,
    moments: [&'a mut [S]; 2],
}

impl<V: Lane> Step<'_, V> {
    /// Asks for what will be needed to update `range` of `theta`.
    #[inline(always)]
    pub(crate) fn prefetch(&self, theta: &[V], range: Range<usize>) {
        lane::prefetch(&theta[range.clone()]);
        for moments in &self.moments {
            lane::prefetch(moments.get(range.clone()).unwrap_or_default());
        }
    }
}

impl<S: Number> Step<'_, S> {
    /// The update as one of a few instructions for each parameter; `None` where it is more.
    #[inline(always)]
    pub(crate) fn light(&mut self) -> Option<Light<'_, S>> {
        match self.update {
            _ if self.decay != WeightDecay::None => None,
            Update::Descent { minus_lr } => Some(Light::Descent(Descent { minus_lr })),
            Update::Momentum { momentum, minus_lr } => {
                Some(Light::Momentum(Momentum { momentum, minus_lr, velocities: &mut *self.moments[0] }))
            }
            Update::Nesterov { .. } | Update::Adam { .. } | Update::RmsProp { .. } => None,
        }
    }

    /// Updates the parameters `range`, which are `theta`, by their `gradient`, which weight decay may change.
    #[inline(always)]
    pub(crate) fn apply(&mut self, theta: &mut [S], gradient: &mut [S], range: Range<usize>) {
        Pull { decay: self.decay, theta, gradient, lr: self.lr }.run();
        let [first, second] = &mut self.moments;
        let moments =
            [first.get_mut(range.clone()).unwrap_or_default(), second.get_mut(range).unwrap_or_default()];
        Apply { update: self.update, theta, gradient, moments }.run();
    }
}

/// An update that a gradient can go into before it has left its register.
#[derive(Debug)]
pub(crate) enum Light<'a, S> {
    /// Gradient descent.
    Descent(Descent<S>),
    /// With momentum.
    Momentum(Momentum<'a, S>),
}

/// See [`Light`].
#[derive(Debug)]
pub(crate) struct Descent<S> {
    minus_lr: S,
}

/// See [`Light`].
#[derive(Debug)]
pub(crate) struct Momentum<'a, S> {
    momentum: S,
    minus_lr: S,
    velocities: &'a mut [S],
}

impl<V: Lane> Finish<V> for Descent<V> {
    #[inline(always)]
    fn finish(&mut self, sum: V, present: V, _: usize) -> V {
        let Self { minus_lr } = *self;
        one(Update::Descent { minus_lr }, present, sum, &mut [])
    }
}

impl<V: Lane> Finish<V> for Momentum<'_, V> {
    #[inline(always)]
    fn finish(&mut self, sum: V, present: V, place: usize) -> V {
        let Self { momentum, minus_lr, .. } = *self;
        let velocity = std::slice::from_mut(&mut self.velocities[place / V::WIDTH]);
        one(Update::Momentum { momentum, minus_lr }, present, sum, velocity)
    }
}

/// What `update` makes of one parameter.
#[inline(always)]
fn one<S: Number>(update: Update<S>, theta: S, gradient: S, moment: &mut [S]) -> S {
    let mut theta = [theta];
    Apply { update, theta: &mut theta, gradient: &[gradient], moments: [moment, &mut []] }.run();
    theta[0]
}

/// An update of `theta`; `gradient` and each moment the rule has (parameters).
struct Apply<'a, S> {
    update: Update<S>,
    theta: &'a mut [S],
    gradient: &'a [S],
    moments: [&'a mut [S]; 2],
}

impl<S: Number> Job for Apply<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { update, theta, gradient, moments: [first, second] } = self;
        let all = theta.iter_mut().zip(gradient);
        match update {
            Update::Descent { minus_lr } => {
                for (theta, &g) in all {
                    *theta = minus_lr.fma(g, *theta);
                }
            }
            Update::Momentum { momentum, minus_lr } => {
                for ((theta, &g), v) in all.zip(first) {
                    *v = momentum.fma(*v, g);
                    *theta = minus_lr.fma(*v, *theta);
                }
            }
            Update::Nesterov { momentum, minus_lr } => {
                for ((theta, &g), v) in all.zip(first) {
                    *v = momentum.fma(*v, g);
                    *theta = minus_lr.fma(momentum.fma(*v, g), *theta);
                }
            }
            Update::Adam { keep, take, minus_step, unbias, eps } => {
                for ((theta, &g), (m, v)) in all.zip(first.iter_mut().zip(second)) {
                    *m = keep[0].fma(*m, take[0].mul(g));
                    *v = keep[1].fma(*v, take[1].mul(g).mul(g));
                    let root = v.sqrt().fma(unbias, eps);
                    *theta = minus_step.fma(m.div(root), *theta);
                }
            }
            Update::RmsProp { keep, take, minus_lr, eps } => {
                for ((theta, &g), v) in all.zip(first) {
                    *v = keep.fma(*v, take.mul(g).mul(g));
                    *theta = minus_lr.fma(g.div(v.sqrt().add(eps)), *theta);
                }
            }
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
