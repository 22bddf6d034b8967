//! Special functions: log-gamma, the incomplete beta function and its inverse, Student's t.

use super::elementary::{exp, ln};

/// The normal quantile of .975: two-sided 95 % intervals.
pub(crate) const Z_975: f64 = 1.959_963_984_540_054;

/// ln Γ(x) for x > 0, relative error about 1e-15 (Lanczos 1964 with g = 7, coefficients of Godfrey).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;
    let x = x - 1.0;
    let mut series = 0.999_999_999_999_809_9;
    for (i, coefficient) in COEFFICIENTS.iter().enumerate() {
        series += coefficient / (x + i as f64 + 1.0);
    }
    let t = x + 7.5;
    HALF_LN_TWO_PI + (x + 0.5) * ln(t) - t + ln(series)
}

/// Regularised incomplete beta function I_x(a, b) for a, b > 0 (continued fraction, DLMF 8.17.22).
pub(crate) fn beta_regularised(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // the fraction converges fast below the mean, and I_x(a, b) = 1 − I_{1−x}(b, a)
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_regularised_below(1.0 - x, b, a);
    }
    beta_regularised_below(x, a, b)
}

fn beta_regularised_below(x: f64, a: f64, b: f64) -> f64 {
    let ln_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * ln(x) + b * ln(1.0 - x);
    exp(ln_front) * beta_fraction(x, a, b) / a
}

/// The continued fraction of the incomplete beta function, by the modified Lentz method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    // needs about √max(a, b) terms; counts stay below 10⁷
    const TERMS: u32 = 20_000;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// The x with I_x(a, b) = p, by bisection to the last bit.
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // 1,100 halvings reach the smallest f64
    for _ in 0..1_100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if beta_regularised(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The .975 quantile of Student's t with `freedom` ≥ 1 degrees of freedom.
pub(crate) fn student_975(freedom: f64) -> f64 {
    let x = beta_quantile(0.05, freedom / 2.0, 0.5);
    (freedom * (1.0 - x) / x).sqrt()
}

/// The probability that Student's t with `freedom` ≥ 1 degrees of freedom lies above `t` ≥ 0.
pub(crate) fn student_above(t: f64, freedom: f64) -> f64 {
    0.5 * beta_regularised(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The probability that a standard normal lies above `z` ≥ 0, to about 1e-7 (Student's t of 10⁷ degrees of freedom).
pub(crate) fn normal_above(z: f64) -> f64 {
    student_above(z, 1e7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(ours: f64, theirs: f64) -> f64 {
        ((ours - theirs) / theirs).abs()
    }

    // scipy: from scipy import special, stats
    #[test]
    fn special_functions_equal_scipys() {
        // special.gammaln([0.5, 1.5, 10, 123.4, 1e6])
        for (x, expected) in SCIPY_GAMMALN {
            assert!(relative(ln_gamma(x), expected) < 1e-14, "{x}: {}", ln_gamma(x));
        }
        // special.betainc(a, b, x)
        for (x, a, b, expected) in SCIPY_BETAINC {
            let ours = beta_regularised(x, a, b);
            assert!(relative(ours, expected) < 1e-9, "I_{x}({a}, {b}) = {ours}");
            assert!(relative(beta_quantile(expected, a, b), x) < 1e-9, "inverse at {x}, {a}, {b}");
        }
        // stats.t.ppf(.975, [1, 2, 4, 9, 59, 1e6])
        for (freedom, expected) in SCIPY_T {
            assert!(relative(student_975(freedom), expected) < 1e-9, "{freedom}: {}", student_975(freedom));
        }
    }

    // stats.norm.sf([0, 1, Z_975, 3.1])
    #[test]
    fn normal_tail_equals_scipys() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.158_655_253_931), (Z_975, 0.025), (3.1, 0.000_967_603_213)]
        {
            assert!((normal_above(z) - expected).abs() < 1e-7, "{z}: {}", normal_above(z));
        }
    }

    const SCIPY_GAMMALN: [(f64, f64); 5] = [
        (0.5, 0.5723649429247),
        (1.5, -0.12078223763524526),
        (10.0, 12.801827480081469),
        (123.4, 469.3360974421906),
        (1000000.0, 12815504.569147611),
    ];
    const SCIPY_BETAINC: [(f64, f64, f64, f64); 6] = [
        (0.1, 0.5, 0.5, 0.20483276469913345),
        (0.3, 2.0, 5.0, 0.5798250000000003),
        (0.7, 30.0, 1.0, 2.2539340290692213e-05),
        (0.01, 3.0, 998.0, 0.9973205680062085),
        (0.35, 346.0, 655.0, 0.6161177284607237),
        (0.5, 50000.0, 50100.0, 0.6240257337657027),
    ];
    const SCIPY_T: [(f64, f64); 6] = [
        (1.0, 12.706204736174694),
        (2.0, 4.302652729749462),
        (4.0, 2.7764451051977934),
        (9.0, 2.262157162798205),
        (59.0, 2.000995378088267),
        (1000000.0, 1.959966356814107),
    ];
}
