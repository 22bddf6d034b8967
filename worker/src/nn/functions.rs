//! Our own exp, log, tanh, sigmoid, erf and atan2: the same bits on every machine.
//!
//! They are built from IEEE additions, multiplications, fused multiply-adds, divisions, comparisons and
//! operations on bits; no libm is asked, and every choice is a select or a place in a table of sixteen numbers, so that
//! vector lanes can evaluate the very same expression trees. Polynomials are minimax fits (Remez in 200-bit arithmetic). The
//! bounds in ulp stated at each function are measured by the tests and listed in `docs/engine.md`.

use crate::nn::lane::Lane;

mod inverse;
mod tanh;

/// The expression trees, written once for both precisions and for lanes of any width; the constants stand in the
/// calling module.
macro_rules! elementary {
    ($float:ident, $bits:ident) => {
        /// e^x; at most 1 ulp off. Overflows to infinity, underflows gradually to 0.
        #[inline(always)]
        pub fn exp<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            let x = V::select(x.gt(V::splat(EXP_OVERFLOW)), V::splat(EXP_OVERFLOW), x);
            let x = V::select(V::splat(EXP_UNDERFLOW).gt(x), V::splat(EXP_UNDERFLOW), x);
            // the sum is so large that its last bit counts ones: adding rounds x / ln 2 to an integer
            let shifted = x.fma(V::splat(std::$float::consts::LOG2_E), V::splat(ROUNDER));
            let n = shifted.sub(V::splat(ROUNDER));
            let r = n.fma(V::splat(-LN2_LOW), n.fma(V::splat(-LN2_HIGH), x));
            let y = V::ONE.add(r.mul(r).fma(horner(r, &EXP), r));
            // two factors, so that the largest results do not overflow early and subnormal ones are rounded once
            let power = V::bits_sub(shifted.to_bits(), V::splat_bits(ROUNDER.to_bits()));
            let half = shift_right::<V>(power, 1);
            y.mul(power_of_two::<V>(half)).mul(power_of_two::<V>(V::bits_sub(power, half)))
        }

        /// Natural logarithm; at most 1 ulp off. −∞ at 0, NaN below.
        #[inline(always)]
        pub fn log<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            let subnormal = V::splat($float::MIN_POSITIVE).gt(x);
            let normal = V::select(subnormal, x.mul(V::splat(SUBNORMAL_SCALE)), x);
            let shift = V::select(subnormal, V::splat(SUBNORMAL_SHIFT), V::ZERO);
            // x = 2^k · (1 + f) with √½ ≤ 1 + f < √2
            let offset = V::bits_sub(normal.to_bits(), V::splat_bits(SQRT_HALF_BITS));
            let k = integer::<V>(shift_right::<V>(offset, MANTISSA_BITS)).sub(shift);
            let mantissa = V::bits_and(offset, V::splat_bits(MANTISSA_MASK));
            let f = V::from_bits(V::bits_add(mantissa, V::splat_bits(SQRT_HALF_BITS))).sub(V::ONE);
            // log(1 + f) = 2 atanh(s) = f − (f²/2 − s·(f²/2 + z·P(z))): f itself is exact
            let s = f.div(V::splat(2.0).add(f));
            let z = s.mul(s);
            let half_square = V::splat(0.5).mul(f).mul(f);
            let low = s.fma(z.fma(horner(z, &LOG), half_square), k.mul(V::splat(LN2_LOW)));
            let y = k.fma(V::splat(LN2_HIGH), f.sub(half_square.sub(low)));
            let y = V::select(V::splat(SMALLEST).gt(x), V::splat($float::NEG_INFINITY), y);
            let y = V::select(V::ZERO.gt(x), V::splat($float::NAN), y);
            // infinity and NaN are their own logarithms
            V::select(V::splat($float::INFINITY).gt(x), y, x)
        }

        /// Without its sign.
        #[inline(always)]
        pub(super) fn size<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            V::from_bits(V::bits_and(x.to_bits(), V::splat_bits(!SIGN)))
        }

        /// `size`, which has no sign, with that of `x`.
        #[inline(always)]
        pub(super) fn with_sign_of<V: Lane<Elem = $float, Word = $bits>>(size: V, x: V) -> V {
            V::from_bits(V::bits_xor(size.to_bits(), V::bits_and(x.to_bits(), V::splat_bits(SIGN))))
        }

        /// 1 / (1 + e^−x); at most 2.5 ulp off, also where it is tiny.
        #[inline(always)]
        pub fn sigmoid<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            // exp of a number at most 0 cannot overflow, so small results keep their bits
            let negative = V::ZERO.gt(x);
            let e = exp(V::select(negative, x, x.neg()));
            let numerator = V::select(negative, e, V::ONE);
            numerator.div(V::ONE.add(e))
        }

        /// The error function, 2/√π·∫₀ˣ exp(−t²) dt; at most 1.5 ulp off, odd, never above 1 in size.
        #[inline(always)]
        pub fn erf<V: Lane<Elem = $float, Word = $bits>>(x: V) -> V {
            let sign = V::bits_and(x.to_bits(), V::splat_bits(SIGN));
            let size = V::from_bits(V::bits_xor(x.to_bits(), sign));
            let size = V::select(size.gt(V::splat(ERF_ONE)), V::splat(ERF_ONE), size);
            let near_zero = size.fma(horner(size.mul(size), &ERF), size);
            let beyond = V::ONE.sub(exp(size.mul(horner(size, &ERFC))));
            let y = V::select(V::splat(ERF_SEAM).gt(size), near_zero, beyond);
            V::from_bits(V::bits_xor(y.to_bits(), sign))
        }

        /// Σ c[i]·x^i, highest power first.
        #[inline(always)]
        pub(super) fn horner<V: Lane<Elem = $float, Word = $bits>, const N: usize>(
            x: V,
            coefficients: &[$float; N],
        ) -> V {
            let mut sum = V::splat(coefficients[N - 1]);
            for i in (0..N - 1).rev() {
                sum = sum.fma(x, V::splat(coefficients[i]));
            }
            sum
        }

        /// An integer, as a float, from its two's complement; its size at most 2^(mantissa bits − 2).
        #[inline(always)]
        fn integer<V: Lane<Elem = $float, Word = $bits>>(value: V::Bits) -> V {
            let shifted = V::from_bits(V::bits_add(value, V::splat_bits(ROUNDER.to_bits())));
            shifted.sub(V::splat(ROUNDER))
        }

        /// An integer divided by 2^count, rounded down. Not every vector unit shifts negative integers of 64 bits,
        /// so a multiple of 2^count is added before and taken off after; integers stay below it in size.
        #[inline(always)]
        fn shift_right<V: Lane<Elem = $float, Word = $bits>>(value: V::Bits, count: u32) -> V::Bits {
            let lifted = V::bits_add(value, V::splat_bits(LIFT));
            V::bits_sub(V::bits_shift_right(lifted, count), V::splat_bits(LIFT >> count))
        }

        /// 2^power for powers of normal numbers; any bits elsewhere.
        #[inline(always)]
        fn power_of_two<V: Lane<Elem = $float, Word = $bits>>(power: V::Bits) -> V {
            let biased = V::bits_add(power, V::splat_bits(EXPONENT_BIAS));
            V::from_bits(V::bits_shift_left(biased, MANTISSA_BITS))
        }

        const SIGN: $bits = 1 << ($bits::BITS - 1);
        /// Half of what an integer can hold.
        const LIFT: $bits = 1 << ($bits::BITS - 1);
        /// The smallest number above 0.
        const SMALLEST: $float = $float::from_bits(1);
    };
}

/// The functions in IEEE binary32.
pub mod single {
    #![expect(clippy::excessive_precision, reason = "the fitted values, as fitted")]

    use super::Lane;
    pub use super::inverse::single::atan2;
    pub use super::tanh::single::{tanh, tanh_each};

    const MANTISSA_BITS: u32 = 23;
    const MANTISSA_MASK: u32 = (1 << MANTISSA_BITS) - 1;
    const EXPONENT_BIAS: u32 = 127;
    const ROUNDER: f32 = 12_582_912.0;
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    const SUBNORMAL_SHIFT: f32 = 25.0;
    const SUBNORMAL_SCALE: f32 = 33_554_432.0;
    /// ln 2 to 15 bits, so that its product with a small integer is exact, and the rest.
    const LN2_HIGH: f32 = 0.693_145_751_953_125;
    const LN2_LOW: f32 = 1.428_606_820_309_417_3e-6;
    const EXP_OVERFLOW: f32 = 89.0;
    const EXP_UNDERFLOW: f32 = -104.0;
    /// (e^r − 1 − r) / r² on ±ln 2 / 2; relative error of the whole 1.1e-9 once rounded.
    const EXP: [f32; 6] = [
        0.500_000_006_775_424_8,
        0.166_666_658_620_809_98,
        0.041_666_294_477_505_01,
        0.008_333_498_210_163_753,
        0.001_394_470_037_130_788,
        0.000_197_899_186_780_000_4,
    ];
    /// (2·atanh(s)/s − 2) / s² in s², s up to (√2 − 1)/(√2 + 1); relative error of the whole 4.9e-12.
    const LOG: [f32; 4] =
        [0.666_666_656_418_098_6, 0.400_003_361_421_021_5, 0.285_372_411_767_343_5, 0.235_835_418_799_751_73];

    const ERF_SEAM: f32 = 0.875;
    /// Beyond it erf rounds to 1.
    const ERF_ONE: f32 = 4.0;
    /// erf(x)/x − 1 in x², up to the seam; relative error of the whole 8.6e-10.
    const ERF: [f32; 7] = [
        0.128_379_166_126_251_22,
        -0.376_126_289_367_675_8,
        0.112_836_219_370_365_14,
        -0.026_855_276_897_549_63,
        0.005_190_637_893_974_781,
        -0.000_802_187_016_233_801_8,
        7.843_248_022_254_556e-05,
    ];
    /// log(1 − erf(x)) / x from the seam to where erf is 1; error of the whole 2.1e-11.
    const ERFC: [f32; 10] = [
        -1.128_412_485_122_680_7,
        -0.636_404_275_894_165,
        -0.103_380_121_290_683_75,
        0.020_100_522_786_378_86,
        -0.000_742_992_677_260_190_2,
        -0.001_144_459_936_767_816_5,
        0.000_462_362_833_786_755_8,
        -9.402_079_012_943_432e-05,
        1.046_698_980_644_578_1e-05,
        -5.054_600_364_928_774e-07,
    ];

    elementary!(f32, u32);
}

/// The functions in IEEE binary64.
pub mod double {
    use super::Lane;
    pub use super::inverse::double::atan2;
    pub use super::tanh::double::{tanh, tanh_each};

    pub(super) const MANTISSA_BITS: u32 = 52;
    const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;
    pub(super) const EXPONENT_BIAS: u64 = 1023;
    pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0;
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    const SUBNORMAL_SHIFT: f64 = 54.0;
    const SUBNORMAL_SCALE: f64 = 18_014_398_509_481_984.0;
    /// ln 2 to 32 bits, so that its product with a small integer is exact, and the rest.
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const EXP_OVERFLOW: f64 = 710.0;
    const EXP_UNDERFLOW: f64 = -746.0;
    /// (e^r − 1 − r) / r² on ±ln 2 / 2; relative error of the whole 5.4e-20.
    const EXP: [f64; 11] = [
        0.5,
        0.166_666_666_666_666_82,
        0.041_666_666_666_666_09,
        0.008_333_333_333_316_983,
        0.001_388_888_888_911_651_8,
        0.000_198_412_698_965_121_37,
        2.480_158_692_543_524_5e-5,
        2.755_723_473_015_622e-6,
        2.755_758_250_269_474e-7,
        2.511_208_388_213_22e-8,
        2.082_652_047_679_155e-9,
    ];
    /// (2·atanh(s)/s − 2) / s² in s², s up to (√2 − 1)/(√2 + 1); relative error of the whole 1.3e-18.
    const LOG: [f64; 7] = [
        0.666_666_666_666_673_5,
        0.399_999_999_994_124_5,
        0.285_714_287_429_843_67,
        0.222_221_985_013_775_5,
        0.181_835_685_944_475_1,
        0.153_139_282_660_389_79,
        0.147_972_966_842_372_13,
    ];

    const ERF_SEAM: f64 = 0.875;
    /// Beyond it erf rounds to 1.
    const ERF_ONE: f64 = 6.0;
    /// erf(x)/x − 1 in x², up to the seam; relative error of the whole 1.2e-17.
    const ERF: [f64; 14] = [
        0.128_379_167_095_512_6,
        -0.376_126_389_031_842_9,
        0.112_837_916_709_939_84,
        -0.026_866_170_656_156_54,
        0.005_223_977_788_207_343_5,
        -0.000_854_834_133_937_443_7,
        0.000_120_561_418_726_010_27,
        -1.495_629_462_326_678e-05,
        1.725_705_535_291_397_9e-06,
        -3.052_724_515_052_855_7e-07,
        1.851_627_608_117_935_8e-07,
        -1.334_585_069_830_175e-07,
        5.987_722_310_375_31e-08,
        -1.196_558_974_457_134_6e-08,
    ];
    /// log(1 − erf(x)) / x from the seam to where erf is 1; error of the whole 1.4e-18.
    const ERFC: [f64; 23] = [
        -1.128_379_203_061_23,
        -0.636_619_346_763_200_4,
        -0.102_774_970_769_817,
        0.019_136_680_690_460_765,
        0.000_189_110_123_718_059_16,
        -0.001_659_675_798_772_225_9,
        0.000_538_734_603_668_883_4,
        3.132_232_401_210_469e-05,
        -0.000_115_523_840_283_244_99,
        6.637_462_146_261_837e-05,
        -2.446_275_361_890_024_6e-05,
        6.599_632_977_770_309e-06,
        -1.316_048_048_690_847_5e-06,
        1.785_995_354_891_35e-07,
        -9.868_737_065_799_433e-09,
        -2.298_908_380_467_956e-09,
        7.928_945_791_219_421e-10,
        -1.331_568_897_680_568e-10,
        1.489_262_611_643_915e-11,
        -1.156_912_714_213_532_2e-12,
        6.056_734_840_597_667e-14,
        -1.934_263_341_189_918_8e-15,
        2.857_774_351_365_688_4e-17,
    ];

    elementary!(f64, u64);

    /// 1 − erf(x) for x ≥ 0, to 10⁻¹¹ of itself; from 6 on as at 6.
    pub fn erfc_of_positive(x: f64) -> f64 {
        let x = if x > ERF_ONE { ERF_ONE } else { x };
        if x < ERF_SEAM { 1.0 - erf(x) } else { exp(x * horner(x, &ERFC)) }
    }
}

#[cfg(test)]
mod tests;
