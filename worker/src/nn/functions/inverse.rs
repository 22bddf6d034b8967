//! Our own atan2: one quotient, one polynomial, no table.
//!
//! It ends as base + s + s·z·P(z) with a base that is 0, π/2 or π. The base and s are added exactly, in two parts, so
//! that only the last addition rounds what matters.

/// The expression tree, written once for both precisions; the constants stand in the calling module.
macro_rules! inverse {
    ($float:ident, $bits:ident) => {
        /// The angle of the point (`x`, `y`) from the positive x axis, in [−π, π], with the signs and edges of
        /// IEEE 754; at most 2 ulp off, also where it is tiny.
        #[inline(always)]
        pub fn atan2<V: Lane<Elem = $float, Word = $bits>>(y: V, x: V) -> V {
            let (sign_x, sign_y) = (sign::<V>(x), sign::<V>(y));
            let (width, height) = (flip(x, sign_x), flip(y, sign_y));
            let steep = height.gt(width);
            let small = V::select(steep, width, height);
            let large = V::select(steep, height, width);
            // two infinities are like two largest numbers, and 0 over 0 is 0; NaN stays in the quotient
            let max = V::splat($float::MAX);
            let bounded = V::select(large.gt(max), max, large);
            let infinite = small.gt(max);
            let (small, large) = (V::select(infinite, max, small), V::select(infinite, bounded, large));
            let tiny = V::splat($float::from_bits(1));
            let t = small.div(V::select(tiny.gt(large), tiny, large));
            // t, π/2 − t, π/2 + t, π − t: the angles grow with t in the first and the third
            let rising = V::select(steep, V::ONE.neg(), V::ONE);
            let signed = flip(t, V::bits_xor(sign::<V>(rising), sign_x));
            let backward = V::select(V::ZERO.gt(flip(V::ONE, sign_x)), V::splat(2.0), V::ZERO);
            let quarters = V::select(steep, V::ONE, backward);
            flip(angle(quarters, signed, t.mul(t), &ATAN), sign_y)
        }

        /// quarters·π/2 + s + s·z·P(z).
        #[inline(always)]
        fn angle<V: Lane<Elem = $float, Word = $bits>, const N: usize>(
            quarters: V,
            s: V,
            z: V,
            coefficients: &[$float; N],
        ) -> V {
            let base = quarters.mul(V::splat(std::$float::consts::FRAC_PI_2));
            let high = base.add(s);
            let lost = base.sub(high).add(s);
            let low = quarters.mul(V::splat(FRAC_PI_2_LOW));
            high.add(lost.add(s.fma(z.mul(horner(z, coefficients)), low)))
        }

        /// The sign bit alone.
        #[inline(always)]
        fn sign<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V::Bits {
            V::bits_and(x.to_bits(), V::splat_bits(1 << ($bits::BITS - 1)))
        }

        /// `x` with its sign turned where `sign` is set.
        #[inline(always)]
        fn flip<V: Lane<Elem = $float, Word = $bits>>(x: V, sign: V::Bits) -> V {
            V::from_bits(V::bits_xor(x.to_bits(), sign))
        }
    };
}

/// The function in IEEE binary32.
pub(super) mod single {
    use crate::nn::functions::single::horner;
    use crate::nn::lane::Lane;

    /// π/2 less its f32.
    const FRAC_PI_2_LOW: f32 = -4.371_139e-8;
    /// (atan(t)/t − 1) / t² in t², up to 1; relative error of the whole 2.6e-9.
    const ATAN: [f32; 9] = [
        -0.333_333,
        0.199_985_3,
        -0.142_640_16,
        0.109_508_805,
        -0.083_993_03,
        0.057_881_203,
        -0.031_096_566,
        0.010_868_28,
        -0.001_782_678,
    ];

    inverse!(f32, u32);
}

/// The function in IEEE binary64.
pub(super) mod double {
    use crate::nn::functions::double::horner;
    use crate::nn::lane::Lane;

    /// π/2 less its f64.
    const FRAC_PI_2_LOW: f64 = 6.123_233_995_736_766e-17;
    /// (atan(t)/t − 1) / t² in t², up to 1; relative error of the whole 4.1e-17.
    const ATAN: [f64; 20] = [
        -0.333_333_333_333_330_7,
        0.199_999_999_999_514_95,
        -0.142_857_142_825_770_6,
        0.111_111_110_070_790_48,
        -0.090_909_070_038_502_21,
        0.076_922_798_484_877_17,
        -0.066_664_041_264_897_18,
        0.058_805_281_908_753_865,
        -0.052_535_200_908_869_05,
        0.047_223_270_113_275_435,
        -0.042_191_904_903_076_63,
        0.036_642_126_432_100_65,
        -0.029_904_171_590_377_303,
        0.021_985_205_499_816_484,
        -0.013_900_863_400_677_893,
        0.007_196_699_301_317_316_6,
        -0.002_885_010_485_398_722,
        0.000_831_351_410_300_959_4,
        -0.000_152_166_673_830_355_33,
        1.322_560_143_162_561_5e-05,
    ];

    inverse!(f64, u64);
}

#[cfg(test)]
mod tests;
