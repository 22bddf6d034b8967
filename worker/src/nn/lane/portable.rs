//! Lanes without vector instructions: one number, and in tests arrays, which are the reference for the others.

use crate::nn::lane::{Job, Lane, Picks, Table, one_by_one};

/// One number is one lane.
macro_rules! one_lane {
    ($float:ident, $word:ident) => {
        impl Lane for $float {
            type Elem = Self;
            type Word = $word;
            type Bits = $word;
            const WIDTH: usize = 1;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn enter<J: Job>(job: J) -> J::Output {
                one_by_one(job)
            }
            #[inline(always)]
            fn splat(value: Self) -> Self {
                value
            }
            #[inline(always)]
            fn to_bits(self) -> $word {
                $float::to_bits(self)
            }
            #[inline(always)]
            fn from_bits(bits: $word) -> Self {
                $float::from_bits(bits)
            }
            #[inline(always)]
            fn splat_bits(word: $word) -> $word {
                word
            }
            #[inline(always)]
            fn bits_add(a: $word, b: $word) -> $word {
                a.wrapping_add(b)
            }
            #[inline(always)]
            fn bits_sub(a: $word, b: $word) -> $word {
                a.wrapping_sub(b)
            }
            #[inline(always)]
            fn bits_and(a: $word, b: $word) -> $word {
                a & b
            }
            #[inline(always)]
            fn bits_xor(a: $word, b: $word) -> $word {
                a ^ b
            }
            #[inline(always)]
            fn bits_shift_left(bits: $word, count: u32) -> $word {
                bits << count
            }
            #[inline(always)]
            fn bits_shift_right(bits: $word, count: u32) -> $word {
                bits >> count
            }
        }
    };
}

one_lane!(f32, u32);
one_lane!(f64, u64);

impl Picks for f32 {
    #[inline(always)]
    fn pick(table: &Table, index: u32) -> Self {
        table.0[index as usize % 16]
    }
}

#[cfg(test)]
pub(crate) use array::Array;

#[cfg(test)]
mod array {
    use std::array::from_fn;

    use crate::nn::lane::{Job, Lane, one_by_one};
    use crate::nn::scalar::{Number, Scalar};

    /// Lanes as an array: the definition, lane by lane.
    #[derive(Debug, Clone, Copy)]
    #[repr(transparent)]
    pub(crate) struct Array<S, const W: usize>(pub(crate) [S; W]);

    impl<S: Scalar, const W: usize> Array<S, W> {
        fn map(self, f: impl Fn(S) -> S) -> Self {
            Self(self.0.map(f))
        }
        fn zip(self, other: Self, f: impl Fn(S, S) -> S) -> Self {
            Self(from_fn(|i| f(self.0[i], other.0[i])))
        }
    }

    impl<S: Scalar, const W: usize> Number for Array<S, W> {
        type Mask = [bool; W];
        const ZERO: Self = Self([S::ZERO; W]);
        const ONE: Self = Self([S::ONE; W]);

        fn from_f64(value: f64) -> Self {
            Self([S::from_f64(value); W])
        }
        fn add(self, other: Self) -> Self {
            self.zip(other, S::add)
        }
        fn sub(self, other: Self) -> Self {
            self.zip(other, S::sub)
        }
        fn mul(self, other: Self) -> Self {
            self.zip(other, S::mul)
        }
        fn div(self, other: Self) -> Self {
            self.zip(other, S::div)
        }
        fn fma(self, factor: Self, addend: Self) -> Self {
            Self(from_fn(|i| self.0[i].fma(factor.0[i], addend.0[i])))
        }
        fn neg(self) -> Self {
            self.map(S::neg)
        }
        fn sqrt(self) -> Self {
            self.map(S::sqrt)
        }
        fn gt(self, other: Self) -> [bool; W] {
            from_fn(|i| self.0[i].gt(other.0[i]))
        }
        fn select(condition: [bool; W], chosen: Self, otherwise: Self) -> Self {
            Self(from_fn(|i| S::select(condition[i], chosen.0[i], otherwise.0[i])))
        }
        fn exp(self) -> Self {
            self.map(S::exp)
        }
        fn log(self) -> Self {
            self.map(S::log)
        }
        fn tanh(self) -> Self {
            self.map(S::tanh)
        }
        fn sigmoid(self) -> Self {
            self.map(S::sigmoid)
        }
        fn erf(self) -> Self {
            self.map(S::erf)
        }
        fn atan2(self, other: Self) -> Self {
            self.zip(other, S::atan2)
        }
    }

    impl<S: Scalar + Lane<Elem = S, Bits = <S as Lane>::Word>, const W: usize> Lane for Array<S, W> {
        type Elem = S;
        type Word = S::Word;
        type Bits = [S::Word; W];
        const WIDTH: usize = W;
        const REGISTERS: usize = 16;

        fn enter<J: Job>(job: J) -> J::Output {
            one_by_one(job)
        }
        fn splat(value: S) -> Self {
            Self([value; W])
        }
        fn to_bits(self) -> Self::Bits {
            self.0.map(S::to_bits)
        }
        fn from_bits(bits: Self::Bits) -> Self {
            Self(bits.map(S::from_bits))
        }
        fn splat_bits(word: S::Word) -> Self::Bits {
            [word; W]
        }
        fn bits_add(a: Self::Bits, b: Self::Bits) -> Self::Bits {
            from_fn(|i| S::bits_add(a[i], b[i]))
        }
        fn bits_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits {
            from_fn(|i| S::bits_sub(a[i], b[i]))
        }
        fn bits_and(a: Self::Bits, b: Self::Bits) -> Self::Bits {
            from_fn(|i| S::bits_and(a[i], b[i]))
        }
        fn bits_xor(a: Self::Bits, b: Self::Bits) -> Self::Bits {
            from_fn(|i| S::bits_xor(a[i], b[i]))
        }
        fn bits_shift_left(bits: Self::Bits, count: u32) -> Self::Bits {
            bits.map(|bits| S::bits_shift_left(bits, count))
        }
        fn bits_shift_right(bits: Self::Bits, count: u32) -> Self::Bits {
            bits.map(|bits| S::bits_shift_right(bits, count))
        }
    }
}
