//! Our own tanh. In f32 sixteen polynomials, whose coefficients lanes pick from registers; in f64 one quotient.

/// An expression for each i below N, as an array. A loop: closures would not be inlined, and what is not inlined is not
/// compiled for the lanes.
macro_rules! each {
    ($count:expr, $i:ident, $value:expr) => {{
        let mut values = [V::ZERO; $count];
        for ($i, place) in values.iter_mut().enumerate() {
            *place = $value;
        }
        values
    }};
}

/// tanh in IEEE binary32.
pub(super) mod single {
    #![expect(clippy::excessive_precision, reason = "the fitted values, as fitted")]

    use crate::nn::functions::single::{size, with_sign_of};
    use crate::nn::lane::{Picks, Table};

    /// Beyond it tanh rounds to 1.
    const ONE: f32 = 9.02;
    /// Added to |x| before its bits name a piece. A quarter of an octave of the sum is one: pieces of 1/8 up to 0.367,
    /// of 1/4 up to 1.367, then of 1/2, of 1 and of 2. With less, tanh would fall by a rounding at the end of the first.
    const OFFSET: f32 = 0.632_812_5;
    /// Bits of the sum below those that name a piece, and of these the lowest four tell one from another.
    const REST_BITS: u32 = 21;
    /// Where the polynomial of each piece is around.
    static CENTRES: Table = Table([
        1.612_304_687_5,
        2.108_398_437_5,
        2.605_468_75,
        3.123_046_875,
        3.839_843_75,
        4.894_531_25,
        5.863_281_25,
        6.886_718_75,
        8.115_478_515_625,
        0.0,
        0.183_349_609_375,
        0.303_466_796_875,
        0.489_257_812_5,
        0.744_140_625,
        0.980_957_031_25,
        1.248_046_875,
    ]);
    /// The polynomials' coefficients, lowest power first.
    static COEFFICIENTS: [Table; 6] = [
        Table([
            0.923_499_882_221_221_9,
            0.970_936_954_021_453_9,
            0.989_146_113_395_690_9,
            0.996_131_479_740_142_8,
            0.999_076_187_610_626_2,
            0.999_887_883_663_177_5,
            0.999_983_847_141_265_9,
            0.999_997_913_837_432_9,
            0.999_999_821_186_065_7,
            0.0,
            0.181_322_306_394_577_03,
            0.294_481_992_721_557_6,
            0.453_627_169_132_232_67,
            0.631_640_315_055_847_2,
            0.753_479_897_975_921_6,
            0.847_735_047_340_393_1,
        ]),
        Table([
            0.147_147_908_806_800_84,
            0.057_281_401_008_367_54,
            0.021_589_946_001_768_112,
            0.007_722_085_341_811_18,
            0.001_846_671_337_261_796,
            0.000_224_242_816_329_933_7,
            3.230_581_205_571_07e-5,
            4.171_871_751_168_51e-6,
            3.570_936_542_018_899e-7,
            1.0,
            0.967_122_197_151_184_1,
            0.913_280_367_851_257_3,
            0.794_222_414_493_560_8,
            0.601_030_528_545_379_6,
            0.432_268_083_095_550_54,
            0.281_345_278_024_673_46,
        ]),
        Table([
            -0.135_898_590_087_890_62,
            -0.055_615_779_012_441_635,
            -0.021_354_582_160_711_29,
            -0.007_691_845_763_474_703,
            -0.001_842_901_227_064_430_7,
            -0.000_223_935_756_366_699_93,
            -3.226_219_268_981_367_3e-5,
            -4.159_837_772_022_001_4e-6,
            -3.534_909_751_579_107e-7,
            2.262_846_123_812_778_4e-7,
            -0.175_360_828_638_076_78,
            -0.268_943_995_237_350_46,
            -0.360_275_387_763_977_05,
            -0.379_634_976_387_023_9,
            -0.325_707_197_189_331_05,
            -0.238_507_971_167_564_4,
        ]),
        Table([
            0.076_453_067_362_308_5,
            0.034_909_490_495_920_18,
            0.013_929_321_430_623_531,
            0.005_087_553_057_819_605,
            0.001_230_047_200_806_439,
            0.000_148_830_877_151_340_25,
            2.151_512_489_945_162e-5,
            2.780_240_038_191_550_4e-6,
            2.402_050_824_912_294e-7,
            -0.333_350_569_009_780_9,
            -0.290_566_444_396_972_66,
            -0.225_237_458_944_320_68,
            -0.101_314_410_567_283_63,
            0.039_442_609_995_603_56,
            0.101_306_378_841_400_15,
            0.108_416_311_442_852_02,
        ]),
        Table([
            -0.024_917_323_142_290_115,
            -0.015_397_599_898_278_713,
            -0.006_712_766_364_216_804_5,
            -0.002_528_940_327_465_534,
            -0.000_639_347_475_953_400_1,
            -7.809_881_208_231_673e-5,
            -1.128_562_234_953_278_7e-5,
            -1.486_181_872_678_571_4e-6,
            -1.346_461_431_239_731_6e-7,
            0.000_389_717_082_725_837_8,
            0.110_949_695_110_321_04,
            0.155_553_802_847_862_24,
            0.164_913_892_745_971_68,
            0.101_588_629_186_153_41,
            0.032_606_467_604_637_146,
            -0.012_068_441_137_671_47,
        ]),
        Table([
            0.000_895_271_543_413_400_7,
            0.004_475_604_277_104_139,
            0.002_389_903_645_962_476_7,
            0.000_990_037_457_086_145_9,
            0.000_237_491_636_653_430_76,
            3.298_941_373_941_488_6e-5,
            4.474_450_634_006_644e-6,
            5.728_849_714_614_626e-7,
            4.672_619_269_285_860_4e-8,
            0.130_389_943_718_910_22,
            0.097_620_137_035_846_71,
            0.051_149_584_352_970_12,
            -0.023_275_779_560_208_32,
            -0.063_265_398_144_721_98,
            -0.047_217_726_707_458_496,
            -0.020_020_468_160_510_063,
        ]),
    ];

    /// Hyperbolic tangent; at most 1.5 ulp off, odd, monotone and never above 1 in size.
    #[inline(always)]
    pub fn tanh<V: Picks>(x: V) -> V {
        let [y] = tanh_each([x]);
        y
    }

    /// tanh of each, step by step side by side: one alone waits for itself.
    ///
    /// With c the centre of the piece of |x| it is T(c) + d·P(d), d = |x| − c exact, of degree 5 in d. The centres are
    /// such that tanh there is nearly a number of 24 bits; that of the first is 0, and its polynomial begins with d·1,
    /// so that small arguments keep all their digits.
    #[inline(always)]
    pub fn tanh_each<V: Picks, const N: usize>(x: [V; N]) -> [V; N] {
        let size = each!(N, i, size(x[i]).at_most(V::splat(ONE)));
        let mut piece = [V::splat_bits(0); N];
        for (piece, size) in piece.iter_mut().zip(size) {
            *piece = V::bits_shift_right(size.add(V::splat(OFFSET)).to_bits(), REST_BITS);
        }
        let d = each!(N, i, size[i].sub(V::pick(&CENTRES, piece[i])));
        let [rest @ .., last] = &COEFFICIENTS;
        let mut sum = each!(N, i, V::pick(last, piece[i]));
        for table in rest.iter().rev() {
            sum = each!(N, i, sum[i].fma(d[i], V::pick(table, piece[i])));
        }
        each!(N, i, with_sign_of(sum[i], x[i]))
    }
}

/// tanh in IEEE binary64.
pub(super) mod double {
    use crate::nn::functions::double::{EXPONENT_BIAS, MANTISSA_BITS, ROUNDER, horner, size, with_sign_of};
    use crate::nn::lane::Lane;

    /// Less the bits of 2ⁿ/2 those of 2⁻ⁿ/2.
    const HALVES_INVERSE: u64 = (2 * EXPONENT_BIAS - 2) << MANTISSA_BITS;
    /// Beyond it tanh rounds to 1.
    const ONE: f64 = 19.1;
    /// (tanh(r)/r − 1) / r² in r², r up to 0.64·ln 2/2; relative error of the whole 1.2e-18.
    const TANH: [f64; 7] = [
        -0.333_333_333_333_332_37,
        0.133_333_333_332_824,
        -0.053_968_253_878_164_105,
        0.021_869_480_974_482_044,
        -0.008_862_895_545_588_58,
        0.003_583_700_748_083_979_3,
        -0.001_346_724_413_478_937_2,
    ];

    /// Hyperbolic tangent; at most 2 ulp off, odd and never above 1 in size.
    #[inline(always)]
    pub fn tanh<V: Lane<Elem = f64, Word = u64>>(x: V) -> V {
        let [y] = tanh_each([x]);
        y
    }

    /// tanh of each, step by step side by side: one alone waits for its own quotient.
    ///
    /// With |x| = n·ln 2/2 + r, t = tanh r, s = 2ⁿ/2, w = 2⁻ⁿ/2, v = 1 − w and u = 1 − 2·w it is
    /// u² + (t + u·(v·t + w)) / ((s − ½)·t + s + ½). u² is close to the result, 0 for n = 0 and 1 for large n, so that
    /// the quotient's roundings hardly matter and there is no seam between two expressions.
    #[inline(always)]
    pub fn tanh_each<V: Lane<Elem = f64, Word = u64>, const N: usize>(x: [V; N]) -> [V; N] {
        // as in exp; what is added to the rounder turns the last bits of the sum into the exponent of s
        let rounder = V::splat(ROUNDER + (EXPONENT_BIAS - 1) as f64);
        let halves = V::splat(2.0 * std::f64::consts::LOG2_E);
        let size = each!(N, i, size(x[i]).at_most(V::splat(ONE)));
        let shifted = each!(N, i, size[i].mul(halves).add(rounder));
        let n = each!(N, i, shifted[i].sub(rounder));
        let r = each!(N, i, n[i].fma(V::splat(-0.5 * std::f64::consts::LN_2), size[i]));
        let z = each!(N, i, r[i].mul(r[i]));
        let p = each!(N, i, horner(z[i], &TANH));
        let t = each!(N, i, r[i].mul(z[i]).fma(p[i], r[i]));
        let s = each!(N, i, V::from_bits(V::bits_shift_left(shifted[i].to_bits(), MANTISSA_BITS)));
        let inverse = V::splat_bits(HALVES_INVERSE);
        let w = each!(N, i, V::from_bits(V::bits_sub(inverse, s[i].to_bits())));
        let twice = V::splat_bits(HALVES_INVERSE + (1 << MANTISSA_BITS));
        let u = each!(N, i, V::ONE.sub(V::from_bits(V::bits_sub(twice, s[i].to_bits()))));
        let v = each!(N, i, V::ONE.sub(w[i]));
        let half = V::splat(0.5);
        let denominator = each!(N, i, s[i].sub(half).fma(t[i], s[i].add(half)));
        let numerator = each!(N, i, u[i].fma(v[i].fma(t[i], w[i]), t[i]));
        let quotient = each!(N, i, numerator[i].div(denominator[i]));
        each!(N, i, with_sign_of(u[i].fma(u[i], quotient[i]), x[i]))
    }
}
