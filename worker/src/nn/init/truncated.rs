//! The truncated normal, by the inverse of its distribution: one uniform draw for each value.

use seedsweep_common::seed;

use crate::nn::functions::double;

/// A normal on the condition that it lies between two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truncated {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
    /// Share of the whole normal below the first end, and between both; counted from the tail that is nearer.
    below: f64,
    between: f64,
    /// Whether that is the upper tail.
    is_mirrored: bool,
}

impl Truncated {
    /// N(mean, std²) within [low, high].
    pub(super) fn new(mean: f64, std: f64, low: f64, high: f64) -> Self {
        let (a, b) = ((low - mean) / std, (high - mean) / std);
        // in the lower tail shares keep all their digits
        let is_mirrored = a > 0.0;
        let (a, b) = if is_mirrored { (-b, -a) } else { (a, b) };
        let below = distribution(a);
        Self { mean, std, low, high, below, between: distribution(b) - below, is_mirrored }
    }

    /// The value that one `u64` gives.
    pub(super) fn value(&self, bits: u64) -> f64 {
        let z = quantile(self.below + seed::uniform(bits) * self.between);
        let z = if self.is_mirrored { -z } else { z };
        // −∞ where the draw is 0 and the end is far out
        (self.mean + self.std * z).clamp(self.low, self.high)
    }
}

/// Φ(z), accurate in the lower tail.
fn distribution(z: f64) -> f64 {
    let tail = 0.5 * double::erfc_of_positive(z.abs() * std::f64::consts::FRAC_1_SQRT_2);
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// Φ⁻¹(p): Wichura's algorithm AS 241 (1988), PPND16, good to about 10⁻¹⁶.
fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * (polynomial(&CENTRE[0], r) / polynomial(&CENTRE[1], r));
    }
    let r = (-double::log(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let size = if r <= 5.0 {
        polynomial(&TAIL[0], r - 1.6) / polynomial(&TAIL[1], r - 1.6)
    } else if r < f64::INFINITY {
        polynomial(&FAR_TAIL[0], r - 5.0) / polynomial(&FAR_TAIL[1], r - 5.0)
    } else {
        r
    };
    size.copysign(q)
}

/// Highest power first.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| f64::mul_add(sum, x, *c))
}

/// Numerator and denominator up to |p − ½| = 0.425.
const CENTRE: [[f64; 8]; 2] = [
    [
        2509.0809287301227,
        33430.57558358813,
        67265.7709270087,
        45921.95393154987,
        13731.69376550946,
        1971.5909503065513,
        133.14166789178438,
        3.3871328727963665,
    ],
    [
        5226.495278852854,
        28729.085735721943,
        39307.89580009271,
        21213.794301586597,
        5394.196021424751,
        687.1870074920579,
        42.31333070160091,
        1.0,
    ],
];
/// Down to p = e⁻²⁵.
const TAIL: [[f64; 8]; 2] = [
    [
        0.0007745450142783414,
        0.022723844989269184,
        0.2417807251774506,
        1.2704582524523684,
        3.6478483247632045,
        5.769497221460691,
        4.630337846156546,
        1.4234371107496835,
    ],
    [
        1.0507500716444169e-09,
        0.0005475938084995345,
        0.015198666563616457,
        0.14810397642748008,
        0.6897673349851,
        1.6763848301838038,
        2.053191626637759,
        1.0,
    ],
];
/// Below.
const FAR_TAIL: [[f64; 8]; 2] = [
    [
        2.0103343992922881e-07,
        2.7115555687434876e-05,
        0.0012426609473880784,
        0.026532189526576124,
        0.29656057182850487,
        1.7848265399172913,
        5.463784911164114,
        6.657904643501103,
    ],
    [
        2.0442631033899397e-15,
        1.421511758316446e-07,
        1.8463183175100548e-05,
        0.0007868691311456133,
        0.014875361290850615,
        0.1369298809227358,
        0.599832206555888,
        1.0,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.special.ndtr` and `ndtri` (SciPy 1.17).
    #[test]
    fn distribution_and_quantile_are_scipys() {
        let close = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 5e-12, "{found} instead of {expected}");
        };
        for (z, p) in [
            (-8.0, (6.22096057427174e-16)),
            (-5.0, (2.866515718791933e-07)),
            (-2.0, (0.022750131948179195)),
            (-1.2, (0.11506967022170822)),
            (-0.3, (0.3820885778110474)),
            (0.7, (0.758036347776927)),
            (2.5, (0.9937903346742238)),
        ] {
            close(distribution(z), p);
        }
        for (p, z) in [
            (1e-15, -7.941345326170998),
            (1e-11, -6.706023155495137),
            (0.0001, -3.7190164854556804),
            (0.05, -1.6448536269514729),
            (0.3, -0.5244005127080409),
            (0.9, 1.2815515655446004),
            (0.999, 3.090232306167813),
        ] {
            close(quantile(p), z);
        }
        assert_eq!(quantile(0.5), 0.0);
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn values_fill_the_interval_and_never_leave_it() {
        for (low, high) in [(-2.0, 2.0), (-1e9, 1e9), (1.0, 1.5), (3.0, 30.0), (-30.0, -7.5), (7.9, 8.0)] {
            let normal = Truncated::new(0.0, 1.0, low, high);
            let mut before = f64::NEG_INFINITY;
            let values = (0..=1000_u64).map(|i| normal.value(i * (u64::MAX / 1000)));
            let mut values: Vec<f64> = values.collect();
            if normal.is_mirrored {
                values.reverse();
            }
            for &x in &values {
                assert!((low..=high).contains(&x) && x >= before, "{x} of {low} to {high}");
                before = x;
            }
            assert!(values[1000] > values[0]);
            assert!(high > 4.0 || (high - values[1000]) < 1e-6 * (high - low), "{}", values[1000]);
        }
    }
}
