//! exp and ln from IEEE additions, multiplications and divisions alone, so that a report has the same bytes on
//! every machine: the platform's own may differ in the last bit.
//!
//! Both follow fdlibm (Sun Microsystems, 1993: `e_exp.c`, `e_log.c`), whose error is below one ulp.

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// Natural logarithm: −∞ at 0, NaN below.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return if x == 0.0 { f64::NEG_INFINITY } else { x };
    }
    // subnormals have no exponent of their own: scale them up by 2⁵⁴
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * (1_u64 << 54) as f64, -54) } else { (x, 0) };
    // x = 2^k · (1 + f) with √½ < 1 + f < √2
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_0000_0000;
    let bits = x.to_bits() + (1.0_f64.to_bits() - SQRT_HALF_BITS);
    let k = f64::from((bits >> 52) as i32 - 1023 + shift);
    let f = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + SQRT_HALF_BITS) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even =
        w * (3.999_999_999_940_942e-1 + w * (2.222_219_843_214_978_4e-1 + w * 1.531_383_769_920_937_3e-1));
    let odd = z
        * (6.666_666_666_666_735e-1
            + w * (2.857_142_874_366_239e-1
                + w * (1.818_357_216_161_805e-1 + w * 1.479_819_860_511_658_6e-1)));
    let half_square = 0.5 * f * f;
    s * (half_square + even + odd) + k * LN2_LO - half_square + f + k * LN2_HI
}

/// e^x: 0 below −745.2, ∞ above 709.8.
pub(crate) fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 709.782_712_893_384 {
        return f64::INFINITY;
    }
    if x < -745.133_219_101_941_1 {
        return 0.0;
    }
    // x = k·ln 2 + r with |r| ≤ ½·ln 2
    let k = (x * std::f64::consts::LOG2_E).round_ties_even();
    let hi = x - k * LN2_HI;
    let lo = k * LN2_LO;
    let r = hi - lo;
    let rr = r * r;
    let c = r - rr
        * (1.666_666_666_666_660_2e-1
            + rr * (-2.777_777_777_701_559_3e-3
                + rr * (6.613_756_321_437_934e-5
                    + rr * (-1.653_390_220_546_525_2e-6 + rr * 4.138_136_797_057_238_5e-8))));
    let y = 1.0 + (r * c / (2.0 - c) - lo + hi);
    // 2^k in two factors: one alone may leave the range where the product does not
    let half = (k as i32) / 2;
    y * power_of_two(half) * power_of_two(k as i32 - half)
}

/// 2^k for −1022 ≤ k ≤ 1023.
fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((1023 + k) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, theirs: f64) -> bool {
        ours == theirs || (ours - theirs).abs() <= 2.3e-16 * theirs.abs().max(f64::MIN_POSITIVE)
    }

    #[test]
    fn exp_and_ln_equal_the_platforms_within_an_ulp_or_so() {
        for i in -7450..7100 {
            let x = f64::from(i) * 0.1 + 0.013;
            assert!(close(exp(x), x.exp()), "exp({x}) = {:e}, not {:e}", exp(x), x.exp());
        }
        let mut x = 5e-324;
        while x < 1e300 {
            assert!(close(ln(x), x.ln()), "ln({x:e}) = {:e}, not {:e}", ln(x), x.ln());
            x *= 1.37;
            x = x.max(x.next_up());
        }
    }

    #[test]
    fn ends_of_the_range_are_exact() {
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
        assert_eq!((exp(-800.0), exp(f64::NEG_INFINITY), exp(710.0)), (0.0, 0.0, f64::INFINITY));
        assert_eq!((ln(0.0), ln(f64::INFINITY)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(ln(-1.0).is_nan() && exp(f64::NAN).is_nan());
        assert!(exp(709.7).is_finite() && exp(-745.0) > 0.0);
    }
}
