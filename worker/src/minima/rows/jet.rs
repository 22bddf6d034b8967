//! A number with its derivative along a direction: a gradient computed in them carries the Hessian's product with
//! the direction (forward over reverse, Pearlmutter 1994), exact up to rounding.

use crate::nn::scalar::Number;

/// A value and its derivative; the value has the bits that it has alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jet<N> {
    pub(super) value: N,
    pub(super) slope: N,
}

impl<N: Number> Jet<N> {
    #[inline(always)]
    const fn constant(value: N) -> Self {
        Self { value, slope: N::ZERO }
    }

    /// f(self), given its value and its derivative there.
    #[inline(always)]
    fn chain(mut self, value: N, derivative: N) -> Self {
        self.value = value;
        self.slope = self.slope.mul(derivative);
        self
    }
}

impl<N: Number> Number for Jet<N> {
    type Mask = N::Mask;
    const ZERO: Self = Self::constant(N::ZERO);
    const ONE: Self = Self::constant(N::ONE);

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self::constant(N::from_f64(value))
    }
    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        self.value = self.value.add(other.value);
        self.slope = self.slope.add(other.slope);
        self
    }
    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        self.value = self.value.sub(other.value);
        self.slope = self.slope.sub(other.slope);
        self
    }
    #[inline(always)]
    fn mul(mut self, other: Self) -> Self {
        self.slope = self.slope.fma(other.value, self.value.mul(other.slope));
        self.value = self.value.mul(other.value);
        self
    }
    #[inline(always)]
    fn div(mut self, other: Self) -> Self {
        self.value = self.value.div(other.value);
        self.slope = self.value.neg().fma(other.slope, self.slope).div(other.value);
        self
    }
    #[inline(always)]
    fn fma(mut self, factor: Self, addend: Self) -> Self {
        let slope = self.value.fma(factor.slope, addend.slope);
        self.slope = self.slope.fma(factor.value, slope);
        self.value = self.value.fma(factor.value, addend.value);
        self
    }
    #[inline(always)]
    fn neg(mut self) -> Self {
        self.value = self.value.neg();
        self.slope = self.slope.neg();
        self
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, N::from_f64(0.5).div(root))
    }
    #[inline(always)]
    fn gt(self, other: Self) -> N::Mask {
        self.value.gt(other.value)
    }
    #[inline(always)]
    fn select(condition: N::Mask, mut chosen: Self, otherwise: Self) -> Self {
        chosen.value = N::select(condition, chosen.value, otherwise.value);
        chosen.slope = N::select(condition, chosen.slope, otherwise.slope);
        chosen
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = N::exp(self.value);
        self.chain(value, value)
    }
    #[inline(always)]
    fn log(self) -> Self {
        self.chain(self.value.log(), N::ONE.div(self.value))
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let value = N::tanh(self.value);
        self.chain(value, value.neg().fma(value, N::ONE))
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let value = self.value.sigmoid();
        self.chain(value, value.neg().fma(value, value))
    }
    #[inline(always)]
    fn erf(self) -> Self {
        let density =
            N::from_f64(std::f64::consts::FRAC_2_SQRT_PI).mul(N::exp(self.value.mul(self.value).neg()));
        self.chain(self.value.erf(), density)
    }
    #[inline(always)]
    fn atan2(mut self, other: Self) -> Self {
        let (y, x) = (self.value, other.value);
        let turned = x.fma(self.slope, y.mul(other.slope).neg());
        self.value = y.atan2(x);
        self.slope = turned.div(y.fma(y, x.mul(x)));
        self
    }
}
