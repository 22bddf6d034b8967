//! Lanes without vector instructions of their own: one number, and arrays of lanes.

use crate::nn::lane::{Job, Lane, Picks, Table, one_by_one};
use crate::nn::scalar::Number;

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

/// Several lane values side by side as one: of numbers the definition of lanes, one by one; of registers enough work
/// at once for one's quotients and roots to be computed while another's are waited for.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Array<V, const N: usize>(pub(crate) [V; N]);

/// The same operation on each. Loops, not closures: those would be compiled without the instructions of the lanes.
macro_rules! each {
    ($($operation:ident($($other:ident),*);)*) => {$(
        #[inline(always)]
        fn $operation(mut self $(, $other: Self)*) -> Self {
            for n in 0..N {
                self.0[n] = self.0[n].$operation($($other.0[n]),*);
            }
            self
        }
    )*};
}

impl<V: Number, const N: usize> Number for Array<V, N> {
    type Mask = [V::Mask; N];
    const ZERO: Self = Self([V::ZERO; N]);
    const ONE: Self = Self([V::ONE; N]);

    each! {
        add(other); sub(other); mul(other); div(other); fma(factor, addend); neg(); sqrt();
        exp(); log(); tanh(); sigmoid(); erf(); acos(); atan2(other);
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self([V::from_f64(value); N])
    }
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        let mut mask = [self.0[0].gt(other.0[0]); N];
        for (mask, (a, b)) in mask.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *mask = a.gt(*b);
        }
        mask
    }
    #[inline(always)]
    fn select(condition: Self::Mask, mut chosen: Self, otherwise: Self) -> Self {
        for (condition, (chosen, other)) in condition.iter().zip(chosen.0.iter_mut().zip(&otherwise.0)) {
            *chosen = V::select(*condition, *chosen, *other);
        }
        chosen
    }
}

impl<V: Lane, const N: usize> Lane for Array<V, N> {
    type Elem = V::Elem;
    type Word = V::Word;
    type Bits = [V::Bits; N];
    const WIDTH: usize = N * V::WIDTH;
    const REGISTERS: usize = V::REGISTERS / N;

    #[inline(always)]
    fn enter<J: Job>(job: J) -> J::Output {
        V::enter(job)
    }
    #[inline(always)]
    fn splat(value: V::Elem) -> Self {
        Self([V::splat(value); N])
    }
    #[inline(always)]
    fn to_bits(self) -> Self::Bits {
        let mut bits = [self.0[0].to_bits(); N];
        for (bits, value) in bits.iter_mut().zip(&self.0) {
            *bits = value.to_bits();
        }
        bits
    }
    #[inline(always)]
    fn from_bits(bits: Self::Bits) -> Self {
        let mut values = [V::from_bits(bits[0]); N];
        for n in 1..N {
            values[n] = V::from_bits(bits[n]);
        }
        Self(values)
    }
    #[inline(always)]
    fn splat_bits(word: V::Word) -> Self::Bits {
        [V::splat_bits(word); N]
    }
    #[inline(always)]
    fn bits_add(mut a: Self::Bits, b: Self::Bits) -> Self::Bits {
        for n in 0..N {
            a[n] = V::bits_add(a[n], b[n]);
        }
        a
    }
    #[inline(always)]
    fn bits_sub(mut a: Self::Bits, b: Self::Bits) -> Self::Bits {
        for n in 0..N {
            a[n] = V::bits_sub(a[n], b[n]);
        }
        a
    }
    #[inline(always)]
    fn bits_and(mut a: Self::Bits, b: Self::Bits) -> Self::Bits {
        for n in 0..N {
            a[n] = V::bits_and(a[n], b[n]);
        }
        a
    }
    #[inline(always)]
    fn bits_xor(mut a: Self::Bits, b: Self::Bits) -> Self::Bits {
        for n in 0..N {
            a[n] = V::bits_xor(a[n], b[n]);
        }
        a
    }
    #[inline(always)]
    fn bits_shift_left(mut bits: Self::Bits, count: u32) -> Self::Bits {
        for bits in &mut bits {
            *bits = V::bits_shift_left(*bits, count);
        }
        bits
    }
    #[inline(always)]
    fn bits_shift_right(mut bits: Self::Bits, count: u32) -> Self::Bits {
        for bits in &mut bits {
            *bits = V::bits_shift_right(*bits, count);
        }
        bits
    }
}
