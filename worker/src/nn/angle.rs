//! Cosine and sine of fractions of π, the same bits on every machine: IEEE operations only, never the
//! platform's libm.

use std::f64::consts::FRAC_PI_2;

/// (cos, sin) of π·`p`/`q`, `q` ≥ 1. The angle is reduced to at most π/4 in integers, so multiples of π/2
/// are exact; elsewhere the error is below 2 ulp of 1.
pub(crate) fn of_pi(p: u32, q: u32) -> (f64, f64) {
    let (p, q) = (u64::from(p), u64::from(q));
    let twice = 2 * (p % (2 * q));
    let (quarter, rest) = (twice / q, twice % q);
    let (cos, sin) = if 2 * rest <= q {
        first_octant(rest, q)
    } else {
        let (cos, sin) = first_octant(q - rest, q);
        (sin, cos)
    };
    match quarter {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

/// (cos, sin) of π/2 · `rest`/`q` for `rest`/`q` ≤ 1/2: the polynomials of fdlibm (`k_cos.c`, `k_sin.c`).
fn first_octant(rest: u64, q: u64) -> (f64, f64) {
    const COS: [f64; 6] = [
        -1.1359647557788195e-11,
        2.087572321298175e-9,
        -2.7557314351390663e-7,
        2.480158728947673e-5,
        -0.001388888888887411,
        0.0416666666666666,
    ];
    const SIN: [f64; 6] = [
        1.58969099521155e-10,
        -2.5050760253406863e-8,
        2.7557313707070068e-6,
        -0.0001984126982985795,
        0.00833333333332249,
        -0.16666666666666632,
    ];
    let x = FRAC_PI_2 * (rest as f64 / q as f64);
    let z = x * x;
    let horner = |coefficients: [f64; 6]| coefficients.into_iter().fold(0.0, |sum, c| sum * z + c);
    let cos = 1.0 - (0.5 * z - z * z * horner(COS));
    let sin = x + x * z * horner(SIN);
    (cos, sin)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn quarters_are_exact() {
        for q in [1, 2, 31, 1000] {
            for (p, expected) in [(0, (1.0, 0.0)), (q, (-1.0, 0.0)), (2 * q, (1.0, 0.0)), (4 * q, (1.0, 0.0))]
            {
                assert_eq!(of_pi(p, q), expected, "{p}/{q}");
            }
            assert_eq!(of_pi(q, 2 * q), (0.0, 1.0));
            assert_eq!(of_pi(3 * q, 2 * q), (0.0, -1.0));
        }
    }

    #[test]
    fn angles_agree_with_the_platform_to_rounding() {
        for q in 1..200 {
            for p in 0..=2 * q {
                let (cos, sin) = of_pi(p, q);
                let t = PI * f64::from(p) / f64::from(q);
                // the platform's argument is rounded, by up to 4.5e-16 at π and twice as much beyond
                let bound = if p <= q / 2 { 4e-16 } else { 2e-15 };
                assert!((cos - t.cos()).abs() < bound && (sin - t.sin()).abs() < bound, "{p}/{q}");
            }
        }
    }
}
