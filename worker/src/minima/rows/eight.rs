//! Eight rows side by side: one register of AVX-512, two of AVX2, eight numbers elsewhere. The same bits.

use crate::nn::lane::{Lane, elements, elements_mut};
use crate::nn::scalar::Number;

/// Rows in one value.
pub(super) const ROWS: usize = 8;

/// `N` registers of together eight f64, each with the arithmetic of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eight<V, const N: usize>([V; N]);

impl<V: Lane<Elem = f64>, const N: usize> Eight<V, N> {
    /// `value` for each row.
    #[inline(always)]
    pub(super) fn splat(value: f64) -> Self {
        Self([V::splat(value); N])
    }

    /// One number for each row.
    #[inline(always)]
    pub(super) fn load(rows: &[f64; ROWS]) -> Self {
        let mut lanes = [V::ZERO; N];
        elements_mut(&mut lanes).copy_from_slice(rows);
        Self(lanes)
    }

    /// The number of each row.
    #[inline(always)]
    pub(super) fn rows(self) -> [f64; ROWS] {
        let mut rows = [0.0; ROWS];
        rows.copy_from_slice(elements(&self.0));
        rows
    }

    /// The sum over the rows: halves added lane by lane until one number is left.
    #[inline(always)]
    pub(super) fn total(self) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.rows();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

/// Operations of each register alone. No closures: what is not inlined loses the CPU's features.
macro_rules! register_by_register {
    (one: $($one:ident)*, two: $($two:ident)*) => {
        $(#[inline(always)]
        fn $one(mut self) -> Self {
            for value in &mut self.0 {
                *value = value.$one();
            }
            self
        })*
        $(#[inline(always)]
        fn $two(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].$two(other.0[i]);
            }
            self
        })*
    };
}

impl<V: Lane<Elem = f64>, const N: usize> Number for Eight<V, N> {
    type Mask = [V::Mask; N];
    const ZERO: Self = Self([V::ZERO; N]);
    const ONE: Self = Self([V::ONE; N]);

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self::splat(value)
    }

    register_by_register!(one: neg sqrt exp log tanh sigmoid erf, two: add sub mul div atan2);

    #[inline(always)]
    fn fma(mut self, factor: Self, addend: Self) -> Self {
        for i in 0..N {
            self.0[i] = self.0[i].fma(factor.0[i], addend.0[i]);
        }
        self
    }
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        let mut mask = [V::ZERO.gt(V::ZERO); N];
        for (mask, (a, b)) in mask.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *mask = a.gt(*b);
        }
        mask
    }
    #[inline(always)]
    fn select(condition: Self::Mask, mut chosen: Self, otherwise: Self) -> Self {
        for ((chosen, condition), otherwise) in chosen.0.iter_mut().zip(&condition).zip(&otherwise.0) {
            *chosen = V::select(*condition, *chosen, *otherwise);
        }
        chosen
    }
}
