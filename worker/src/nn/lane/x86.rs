//! Lanes in the vector registers of x86-64: AVX-512 (16 f32, 8 f64) and AVX2 with FMA (8 f32, 4 f64).
//!
//! A value may only be used below [`super::Lanes::run`] at a level that has its registers; each `unsafe` line here is
//! an instruction of such a level.

mod transpose;

use std::arch::x86_64::*;

use crate::nn::functions::{double, single};
use crate::nn::lane::{Job, Lane, Picks, Table, avx2, avx512, elements_mut};
use crate::nn::scalar::Number;

/// One lane type: its register, its numbers and the instruction for each operation.
macro_rules! lanes {
    (
        $(#[$doc:meta])*
        $name:ident($register:ident): [$float:ident; $width:literal], $functions:ident, $enter:ident, registers $registers:literal,
        stages [$($distance:literal)*],
        bits $bits:ident of $word:ident as $int:ident, mask $mask:ident,
        splat $splat:ident, add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident,
        sqrt $sqrt:ident, min $min:ident, gt |$a:ident, $b:ident| $gt:expr,
        select |$condition:ident, $chosen:ident, $otherwise:ident| $select:expr,
        to_bits $to_bits:ident, from_bits $from_bits:ident, splat_bits $splat_bits:ident,
        bits_add $bits_add:ident, bits_sub $bits_sub:ident, bits_and $bits_and:ident, bits_xor $bits_xor:ident,
        shift_left $shift_left:ident, shift_right $shift_right:ident
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        #[repr(transparent)]
        pub(crate) struct $name($register);

        impl Number for $name {
            type Mask = $mask;

            // SAFETY: a register is its numbers side by side
            const ZERO: Self = Self(unsafe { std::mem::transmute::<[$float; $width], $register>([0.0; $width]) });
            // SAFETY: as above
            const ONE: Self = Self(unsafe { std::mem::transmute::<[$float; $width], $register>([1.0; $width]) });

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                Self::splat(value as $float)
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $div(self.0, other.0) })
            }
            #[inline(always)]
            fn fma(self, factor: Self, addend: Self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $fma(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            fn neg(self) -> Self {
                let sign = Self::splat(-0.0).to_bits();
                Self::from_bits(Self::bits_xor(self.to_bits(), sign))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            fn gt(self, other: Self) -> $mask {
                let ($a, $b) = (self.0, other.0);
                // SAFETY: the level has this instruction
                unsafe { $gt }
            }
            #[inline(always)]
            fn select($condition: $mask, chosen: Self, otherwise: Self) -> Self {
                let ($chosen, $otherwise) = (chosen.0, otherwise.0);
                // SAFETY: the level has this instruction
                Self(unsafe { $select })
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

        impl Lane for $name {
            type Elem = $float;
            type Word = $word;
            type Bits = $bits;
            const WIDTH: usize = $width;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            fn enter<J: Job>(job: J) -> J::Output {
                // SAFETY: whoever names this type has asked the CPU
                unsafe { $enter(job) }
            }
            #[inline(always)]
            fn splat(value: $float) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            fn columns(rows: &[&[$float]], from: usize, columns: &mut [Self]) {
                let mut square = [Self::ZERO; $width];
                for (row, numbers) in square.iter_mut().zip(rows) {
                    elements_mut(std::slice::from_mut(row)).copy_from_slice(&numbers[from..from + $width]);
                }
                $(transpose::stage::<Self, $distance, $width>(&mut square);)*
                for (to, column) in columns.iter_mut().zip(square) {
                    *to = column;
                }
            }
            #[inline(always)]
            fn at_most(self, bound: Self) -> Self {
                // SAFETY: the level has this instruction; it gives its second operand unless the first is less
                Self(unsafe { $min(bound.0, self.0) })
            }
            #[inline(always)]
            fn to_bits(self) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $to_bits(self.0) }
            }
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                // SAFETY: the level has this instruction
                Self(unsafe { $from_bits(bits) })
            }
            #[inline(always)]
            fn splat_bits(word: $word) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $splat_bits(word as $int) }
            }
            #[inline(always)]
            fn bits_add(a: $bits, b: $bits) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $bits_add(a, b) }
            }
            #[inline(always)]
            fn bits_sub(a: $bits, b: $bits) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $bits_sub(a, b) }
            }
            #[inline(always)]
            fn bits_and(a: $bits, b: $bits) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $bits_and(a, b) }
            }
            #[inline(always)]
            fn bits_xor(a: $bits, b: $bits) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $bits_xor(a, b) }
            }
            #[inline(always)]
            fn bits_shift_left(bits: $bits, count: u32) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $shift_left(bits, _mm_cvtsi32_si128(count.cast_signed())) }
            }
            #[inline(always)]
            fn bits_shift_right(bits: $bits, count: u32) -> $bits {
                // SAFETY: the level has this instruction
                unsafe { $shift_right(bits, _mm_cvtsi32_si128(count.cast_signed())) }
            }
        }
    };
}

lanes! {
    /// Sixteen f32 (AVX-512).
    Single16(__m512): [f32; 16], single, avx512, registers 32,
    stages [8 4 2 1],
    bits __m512i of u32 as i32, mask __mmask16,
    splat _mm512_set1_ps, add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps,
    fma _mm512_fmadd_ps, sqrt _mm512_sqrt_ps, min _mm512_min_ps, gt |a, b| _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b),
    select |condition, chosen, otherwise| _mm512_mask_blend_ps(condition, otherwise, chosen),
    to_bits _mm512_castps_si512, from_bits _mm512_castsi512_ps, splat_bits _mm512_set1_epi32,
    bits_add _mm512_add_epi32, bits_sub _mm512_sub_epi32, bits_and _mm512_and_si512, bits_xor _mm512_xor_si512,
    shift_left _mm512_sll_epi32, shift_right _mm512_srl_epi32
}

lanes! {
    /// Eight f64 (AVX-512).
    Double8(__m512d): [f64; 8], double, avx512, registers 32,
    stages [4 2 1],
    bits __m512i of u64 as i64, mask __mmask8,
    splat _mm512_set1_pd, add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd,
    fma _mm512_fmadd_pd, sqrt _mm512_sqrt_pd, min _mm512_min_pd, gt |a, b| _mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b),
    select |condition, chosen, otherwise| _mm512_mask_blend_pd(condition, otherwise, chosen),
    to_bits _mm512_castpd_si512, from_bits _mm512_castsi512_pd, splat_bits _mm512_set1_epi64,
    bits_add _mm512_add_epi64, bits_sub _mm512_sub_epi64, bits_and _mm512_and_si512, bits_xor _mm512_xor_si512,
    shift_left _mm512_sll_epi64, shift_right _mm512_srl_epi64
}

lanes! {
    /// Eight f32 (AVX2 and FMA).
    Single8(__m256): [f32; 8], single, avx2, registers 16,
    stages [4 2 1],
    bits __m256i of u32 as i32, mask __m256,
    splat _mm256_set1_ps, add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps,
    fma _mm256_fmadd_ps, sqrt _mm256_sqrt_ps, min _mm256_min_ps, gt |a, b| _mm256_cmp_ps::<_CMP_GT_OQ>(a, b),
    select |condition, chosen, otherwise| _mm256_blendv_ps(otherwise, chosen, condition),
    to_bits _mm256_castps_si256, from_bits _mm256_castsi256_ps, splat_bits _mm256_set1_epi32,
    bits_add _mm256_add_epi32, bits_sub _mm256_sub_epi32, bits_and _mm256_and_si256, bits_xor _mm256_xor_si256,
    shift_left _mm256_sll_epi32, shift_right _mm256_srl_epi32
}

lanes! {
    /// Four f64 (AVX2 and FMA).
    Double4(__m256d): [f64; 4], double, avx2, registers 16,
    stages [2 1],
    bits __m256i of u64 as i64, mask __m256d,
    splat _mm256_set1_pd, add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd,
    fma _mm256_fmadd_pd, sqrt _mm256_sqrt_pd, min _mm256_min_pd, gt |a, b| _mm256_cmp_pd::<_CMP_GT_OQ>(a, b),
    select |condition, chosen, otherwise| _mm256_blendv_pd(otherwise, chosen, condition),
    to_bits _mm256_castpd_si256, from_bits _mm256_castsi256_pd, splat_bits _mm256_set1_epi64x,
    bits_add _mm256_add_epi64, bits_sub _mm256_sub_epi64, bits_and _mm256_and_si256, bits_xor _mm256_xor_si256,
    shift_left _mm256_sll_epi64, shift_right _mm256_srl_epi64
}

impl Picks for Single16 {
    #[inline(always)]
    fn pick(table: &Table, index: __m512i) -> Self {
        // SAFETY: the level has these instructions; a table is the sixteen numbers of a register, aligned like it
        Self(unsafe { _mm512_permutexvar_ps(index, _mm512_load_ps(table.0.as_ptr())) })
    }
}

impl Picks for Single8 {
    #[inline(always)]
    fn pick(table: &Table, index: __m256i) -> Self {
        // SAFETY: the level has these instructions; a table is the numbers of two registers, aligned like them
        unsafe {
            let low = _mm256_permutevar8x32_ps(_mm256_load_ps(table.0.as_ptr()), index);
            let high = _mm256_permutevar8x32_ps(_mm256_load_ps(table.0.as_ptr().add(8)), index);
            // a blend looks at the sign, which the fourth bit becomes
            Self(_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index))))
        }
    }
}
