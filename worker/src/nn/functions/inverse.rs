//! Our own acos and atan2: one quotient or one root each, one polynomial, no table.
//!
//! Both end as base + s + s·z·P(z) with a base that is 0, π/2 or π. The base and s are added exactly, in two parts, so
//! that only the last addition rounds what matters.

/// The expression trees, written once for both precisions; the constants stand in the calling module.
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

        /// The angle in [0, π] whose cosine is `x`; at most 1.5 ulp off, also near 1. NaN outside [−1, 1].
        #[inline(always)]
        pub fn acos<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            let sign_x = sign::<V>(x);
            let size = flip(x, sign_x);
            // where the cosine is flat, by half the angle: 1 − size = 2·sin², and the difference is exact
            let flat = size.gt(V::splat(0.5));
            let z = V::select(flat, V::splat(0.5).mul(V::ONE.sub(size)), x.mul(x));
            let root = z.sqrt();
            // 2·asin(√z), π/2 − asin(x), π − 2·asin(√z)
            let signed = V::select(flat, flip(root.add(root), sign_x), x.neg());
            let backward = V::select(V::ZERO.gt(x), V::splat(2.0), V::ZERO);
            angle(V::select(flat, backward, V::ONE), signed, z, &ASIN)
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

/// The functions in IEEE binary32.
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
    /// (asin(s)/s − 1) / s² in s², s² up to ¼; relative error of the whole 4.9e-9.
    const ASIN: [f32; 5] = [0.166_667_52, 0.074_953_094, 0.045_469_146, 0.024_184_82, 0.042_158_2];

    inverse!(f32, u32);
}

/// The functions in IEEE binary64.
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
    /// (asin(s)/s − 1) / s² in s², s² up to ¼; relative error of the whole 1.6e-17.
    const ASIN: [f64; 12] = [
        0.166_666_666_666_654_08,
        0.075_000_000_003_370_25,
        0.044_642_856_828_312_78,
        0.030_381_959_137_840_864,
        0.022_371_758_025_026_16,
        0.017_359_705_199_298_386,
        0.013_885_230_758_754_034,
        0.012_169_244_553_016_075,
        0.006_527_826_260_742_608_5,
        0.019_528_687_142_041_846,
        -0.016_224_932_074_494_162,
        0.031_912_744_404_018_076,
    ];

    inverse!(f64, u64);
}

#[cfg(test)]
mod tests;
