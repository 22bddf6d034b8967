//! The numbers that networks are computed in: f32, f64, f64 with a directional derivative beside it, or lanes of
//! several at once.
//!
//! Code that is generic over [`Number`] writes each expression tree once; the trait offers only operations with
//! the same bits on every machine.

use std::fmt::Debug;

use crate::nn::functions::{double, single};
use crate::nn::lane::{Across, Lanes};

/// One number, or lanes of several side by side, with exactly specified arithmetic. Comparisons look at values
/// only, and choices are selects.
pub trait Number: Copy + Debug + Send + Sync + 'static {
    /// What a comparison gives: a `bool`, or one for each lane.
    type Mask: Copy;

    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// self + other, rounded.
    fn add(self, other: Self) -> Self;
    /// self − other, rounded.
    fn sub(self, other: Self) -> Self;
    /// self · other, rounded.
    fn mul(self, other: Self) -> Self;
    /// self / other, rounded.
    fn div(self, other: Self) -> Self;
    /// self · factor + addend, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// −self.
    fn neg(self) -> Self;
    /// √self, rounded.
    fn sqrt(self) -> Self;
    /// Whether self > other; false if either is NaN.
    fn gt(self, other: Self) -> Self::Mask;
    /// `chosen` where `condition` holds, else `otherwise`; both are evaluated.
    fn select(condition: Self::Mask, chosen: Self, otherwise: Self) -> Self;
    /// e^self.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn log(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The hyperbolic tangent of each: faster than one after the other, with the same bits.
    #[inline(always)]
    fn tanh_each<const N: usize>(values: [Self; N]) -> [Self; N] {
        let mut values = values;
        for value in &mut values {
            *value = value.tanh();
        }
        values
    }
    /// 1 / (1 + e^−self).
    fn sigmoid(self) -> Self;
    /// 2/√π·∫₀ exp(−t²) dt up to self.
    fn erf(self) -> Self;
    /// The angle of the point (`other`, self) from the first axis, in [−π, π].
    fn atan2(self, other: Self) -> Self;
}

/// A single number.
pub trait Scalar: Number<Mask = bool> {
    /// The value, exactly (without its derivative).
    fn to_f64(self) -> f64;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// Computes `product` in vector lanes, or says no and does nothing. The bits are those of the plain loops.
    fn in_lanes(product: Across<'_, Self>, lanes: Lanes) -> bool;
}

macro_rules! float_scalar {
    ($float:ident, $functions:ident) => {
        impl Number for $float {
            type Mask = bool;

            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn fma(self, factor: Self, addend: Self) -> Self {
                self.mul_add(factor, addend)
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn gt(self, other: Self) -> bool {
                self > other
            }
            #[inline(always)]
            fn select(condition: bool, chosen: Self, otherwise: Self) -> Self {
                if condition { chosen } else { otherwise }
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $functions::exp(self)
            }
            #[inline(always)]
            fn log(self) -> Self {
                $functions::log(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $functions::tanh(self)
            }
            #[inline(always)]
            fn tanh_each<const N: usize>(values: [Self; N]) -> [Self; N] {
                $functions::tanh_each(values)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                $functions::sigmoid(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $functions::erf(self)
            }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self {
                $functions::atan2(self, other)
            }
        }

        impl Scalar for $float {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            #[inline(always)]
            fn in_lanes(product: Across<'_, Self>, lanes: Lanes) -> bool {
                product.run(lanes)
            }
        }
    };
}

float_scalar!(f32, single);
float_scalar!(f64, double);

/// A value and its derivative along one direction, both f64. A gradient computed in dual numbers carries the
/// Hessian's product with the direction (forward over reverse, Pearlmutter 1994), exact up to rounding; the value
/// part has the bits of the f64 computation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its derivative along the direction.
    pub slope: f64,
}

impl Dual {
    #[inline(always)]
    const fn new(value: f64, slope: f64) -> Self {
        Self { value, slope }
    }
}

impl Number for Dual {
    type Mask = bool;

    const ZERO: Self = Self::new(0.0, 0.0);
    const ONE: Self = Self::new(1.0, 0.0);

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self::new(value, 0.0)
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.value + other.value, self.slope + other.slope)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self::new(self.value - other.value, self.slope - other.slope)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self::new(self.value * other.value, self.slope.mul_add(other.value, self.value * other.slope))
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self::new(value, (-value).mul_add(other.slope, self.slope) / other.value)
    }
    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        let slope = self.value.mul_add(factor.slope, addend.slope);
        Self::new(self.value.mul_add(factor.value, addend.value), self.slope.mul_add(factor.value, slope))
    }
    #[inline(always)]
    fn neg(self) -> Self {
        Self::new(-self.value, -self.slope)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Self::new(root, self.slope / (2.0 * root))
    }
    #[inline(always)]
    fn gt(self, other: Self) -> bool {
        self.value > other.value
    }
    #[inline(always)]
    fn select(condition: bool, chosen: Self, otherwise: Self) -> Self {
        if condition { chosen } else { otherwise }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = double::exp(self.value);
        Self::new(value, self.slope * value)
    }
    #[inline(always)]
    fn log(self) -> Self {
        Self::new(double::log(self.value), self.slope / self.value)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let value = double::tanh(self.value);
        Self::new(value, self.slope * (-value).mul_add(value, 1.0))
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let value = double::sigmoid(self.value);
        Self::new(value, self.slope * (-value).mul_add(value, value))
    }
    #[inline(always)]
    fn erf(self) -> Self {
        let density = std::f64::consts::FRAC_2_SQRT_PI * double::exp(-(self.value * self.value));
        Self::new(double::erf(self.value), self.slope * density)
    }
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        let (y, x) = (self.value, other.value);
        let turned = x.mul_add(self.slope, -(y * other.slope));
        Self::new(double::atan2(y, x), turned / y.mul_add(y, x * x))
    }
}

impl Scalar for Dual {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.value
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    #[inline(always)]
    fn in_lanes(_: Across<'_, Self>, _: Lanes) -> bool {
        false
    }
}
