//! Sums of relus, f(x) = scale · Σ aᵣ relu(wᵣ·x) without biases, of which only the wᵣ are trained: the networks of
//! Safran & Shamir 2018 (aᵣ = 1, against a teacher over all inputs) and of Du et al. 2019 (random signs, on rows).
//!
//! The parameters are the weights (units, inputs), and where the signs are random the signs behind them, which have
//! no gradient. Everything here is one expression tree for single numbers, dual numbers and lanes.

mod angle;
pub(crate) mod pod;
mod population;
mod rows;
#[cfg(test)]
mod tests;

use seedsweep_common::spec::{self, SumOutput, SumScale};

use crate::nn::lane::Lanes;
use crate::nn::scalar::{Number, Scalar};
use population::Population;
pub(super) use rows::Errors;
use rows::Rows;

/// Shape of a sum of relus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReluSum {
    /// Length of x.
    pub inputs: usize,
    /// How many wᵣ.
    pub units: usize,
    /// Whether the aᵣ are signs behind the weights; else they are 1.
    pub has_signs: bool,
    scale: SumScale,
}

impl ReluSum {
    /// The sum that `spec` describes.
    pub(super) fn new(spec: &spec::ReluSum) -> Self {
        Self {
            inputs: spec.inputs as usize,
            units: spec.units as usize,
            has_signs: spec.output == SumOutput::RandomSigns,
            scale: spec.scale,
        }
    }

    /// Number of weights: the parameters that are trained. They come first.
    pub fn weight_count(&self) -> usize {
        self.units * self.inputs
    }

    /// Weights, and signs where there are any.
    pub fn parameter_count(&self) -> usize {
        self.weight_count() + if self.has_signs { self.units } else { 0 }
    }

    /// What the sum is multiplied by.
    #[inline(always)]
    pub(crate) fn scale_of<V: Number>(&self) -> V {
        match self.scale {
            SumScale::One => V::ONE,
            SumScale::InverseSqrtUnits => V::from_f64(1.0 / (self.units as f64).sqrt()),
        }
    }
}

/// Buffers for a [`ReluSum`], allocated once.
#[derive(Debug)]
pub(super) struct Workspace<V> {
    population: population::Scratch<V>,
    /// Where a gradient goes that nobody wants: (parameters).
    unwanted: Vec<V>,
    /// wᵣ·x of one row: (units).
    sums: Vec<V>,
    /// Of the rows done last.
    pub(super) outputs: Vec<V>,
}

impl<V: Number> Workspace<V> {
    pub(super) fn new(sum: &ReluSum) -> Self {
        Self {
            population: population::Scratch::default(),
            unwanted: Vec::new(),
            sums: vec![V::ZERO; sum.units],
            outputs: Vec::new(),
        }
    }

    /// What computes the population loss, and its gradient if it is wanted.
    #[inline(always)]
    pub(super) fn population<'a>(
        &'a mut self,
        sum: &ReluSum,
        theta: &'a [V],
        teacher: usize,
        with_loss: bool,
        gradient: Option<&'a mut [V]>,
    ) -> Population<'a, V> {
        self.population.fit(sum.inputs, sum.units);
        let gradient = gradient.unwrap_or_else(|| {
            self.unwanted.resize(theta.len(), V::ZERO);
            &mut self.unwanted
        });
        Population {
            weights: theta,
            inputs: sum.inputs,
            teacher,
            with_loss,
            gradient,
            scratch: &mut self.population,
        }
    }

    /// What goes over some rows (rows, inputs), leaves their outputs here, and goes on with `errors`.
    #[inline(always)]
    pub(super) fn rows<'a>(
        &'a mut self,
        sum: &'a ReluSum,
        theta: &'a [V],
        features: &'a [V],
        errors: Option<Errors<'a, V>>,
    ) -> Rows<'a, V> {
        self.outputs.resize(features.len() / sum.inputs, V::ZERO);
        Rows { sum, theta, features, errors, sums: &mut self.sums, outputs: &mut self.outputs }
    }
}

/// wᵣ·x for each row of `features` (rows, inputs): (rows, units).
pub(super) fn pre_activations<S: Scalar>(sum: &ReluSum, theta: &[S], features: &[S]) -> Vec<S> {
    let mut all = vec![S::ZERO; features.len() / sum.inputs * sum.units];
    Lanes::detect().run(rows::PreActivations { sum, theta, features, all: &mut all });
    all
}
