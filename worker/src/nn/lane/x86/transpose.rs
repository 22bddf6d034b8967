//! Squares of numbers in registers turned over: log₂(n) stages, each of which swaps between registers `D` apart the
//! numbers that stand on the wrong side.

use std::arch::x86_64::*;

use super::{Double4, Double8, Single8, Single16};

/// Swaps numbers between two registers.
pub(super) trait Exchange<const D: usize>: Copy {
    /// For each place j without bit `D`: what `self` has at j + D changes places with what `other` has at j.
    fn exchange(self, other: Self) -> (Self, Self);
}

/// One stage: registers `D` apart.
#[inline(always)]
pub(super) fn stage<V: Exchange<D>, const D: usize, const W: usize>(rows: &mut [V; W]) {
    for i in 0..W {
        if i & D == 0 {
            (rows[i], rows[i + D]) = rows[i].exchange(rows[i + D]);
        }
    }
}

/// Where the first (else the second) register after the exchange takes its numbers from, those of the second
/// register counted from `W` on.
const fn places<const W: usize>(distance: usize, first: bool) -> [i32; W] {
    let mut places = [0; W];
    let mut j = 0;
    while j < W {
        let is_low = j & distance == 0;
        let from = if is_low == first { j } else { j ^ distance };
        places[j] = (if is_low { from } else { W + from }) as i32;
        j += 1;
    }
    places
}

impl<const D: usize> Exchange<D> for Single16 {
    #[inline(always)]
    fn exchange(self, other: Self) -> (Self, Self) {
        let (first, second) = const { (places::<16>(D, true), places::<16>(D, false)) };
        // SAFETY: the level has these instructions; sixteen numbers of four bytes are a register
        unsafe {
            let first = _mm512_loadu_si512(first.as_ptr().cast());
            let second = _mm512_loadu_si512(second.as_ptr().cast());
            (
                Self(_mm512_permutex2var_ps(self.0, first, other.0)),
                Self(_mm512_permutex2var_ps(self.0, second, other.0)),
            )
        }
    }
}

impl<const D: usize> Exchange<D> for Double8 {
    #[inline(always)]
    fn exchange(self, other: Self) -> (Self, Self) {
        let (first, second) = const { (places::<8>(D, true), places::<8>(D, false)) };
        // SAFETY: the level has these instructions; eight numbers of four bytes are half a register
        unsafe {
            let first = _mm512_cvtepi32_epi64(_mm256_loadu_si256(first.as_ptr().cast()));
            let second = _mm512_cvtepi32_epi64(_mm256_loadu_si256(second.as_ptr().cast()));
            (
                Self(_mm512_permutex2var_pd(self.0, first, other.0)),
                Self(_mm512_permutex2var_pd(self.0, second, other.0)),
            )
        }
    }
}

/// What two registers become, in AVX2's own instructions.
macro_rules! exchange {
    ($lane:ident, $distance:literal, |$a:ident, $b:ident| $first:expr, $second:expr) => {
        impl Exchange<$distance> for $lane {
            #[inline(always)]
            fn exchange(self, other: Self) -> (Self, Self) {
                let ($a, $b) = (self.0, other.0);
                // SAFETY: the level has these instructions
                unsafe { (Self($first), Self($second)) }
            }
        }
    };
}

exchange!(Single8, 4, |a, b| _mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
exchange!(Single8, 2, |a, b| _mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
exchange!(
    Single8,
    1,
    |a, b| _mm256_blend_ps::<0xaa>(a, _mm256_moveldup_ps(b)),
    _mm256_blend_ps::<0xaa>(_mm256_movehdup_ps(a), b)
);
exchange!(Double4, 2, |a, b| _mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b));
exchange!(Double4, 1, |a, b| _mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
