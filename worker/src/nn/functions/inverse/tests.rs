//! Bounds, edges and bits of atan2.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::nn::functions::tests::{double_ulps, single_ulps, thorough};
use crate::nn::functions::{double, single};
use crate::nn::lane::{Job, Lanes, Level};
use crate::nn::scalar::{Dual, Number};

const ATAN2_BOUND: f64 = 2.0;

/// Largest error of atan2 over random points: any bits, and points near each other in size.
struct Points {
    count: u32,
}

impl Job for Points {
    type Output = (f64, [f32; 2]);

    #[inline(always)]
    fn run(self) -> (f64, [f32; 2]) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut worst = (0.0, [0.0; 2]);
        for _ in 0..self.count {
            let bits = rng.next_u64();
            let y = f32::from_bits(bits as u32);
            // in half of the points with an exponent that differs by less than 8
            let near = (bits >> 32) as u32 & 0x83ff_ffff | y.to_bits() & 0x7c00_0000;
            let x = f32::from_bits(if bits % 2 == 0 { near } else { (bits >> 32) as u32 });
            let error = single_ulps(single::atan2(y, x), f64::from(y).atan2(f64::from(x)));
            if error > worst.0 || error.is_nan() {
                worst = (error, [y, x]);
            }
        }
        worst
    }
}

#[test]
fn atan2_stays_within_its_ulp_bound() {
    let count = if thorough() { 1_000_000_000 } else { 10_000_000 };
    let (error, [y, x]) = Lanes::detect().run(Points { count });
    println!("| atan2 | {error:.2} (f32) | {y:e}, {x:e} |");
    assert!(error <= ATAN2_BOUND, "atan2({y:e}, {x:e}) is {error} ulp off");

    let mut worst = (0.0, 0.0, 0.0);
    let mut count = 0;
    // how they were produced stands in `functions/tests.rs`
    for line in include_str!("../reference.txt").lines().filter_map(|line| line.strip_prefix("atan2 ")) {
        let bits: Vec<f64> =
            line.split(' ').map(|hex| f64::from_bits(u64::from_str_radix(hex, 16).unwrap())).collect();
        let error = double_ulps(double::atan2(bits[0], bits[1]), bits[2], bits[3]);
        if error > worst.0 || error.is_nan() {
            worst = (error, bits[0], bits[1]);
        }
        count += 1;
    }
    assert_eq!(count, 240);
    println!("| atan2 | {:.2} (f64) | {:e}, {:e} |", worst.0, worst.1, worst.2);
    assert!(worst.0 <= ATAN2_BOUND, "{worst:?}");
}

/// C's Annex F has the same table; the platform follows it.
#[test]
fn angles_at_the_edges_are_those_of_ieee_754() {
    let edges = [0.0, -0.0, 5e-324, -1e-310, 1.0, -1.0, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY];
    for y in edges {
        for x in edges {
            let (found, expected) = (double::atan2(y, x), y.atan2(x));
            assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "atan2({y:e}, {x:e})");
            assert!(double_ulps(found, expected, 0.0) <= 2.0, "atan2({y:e}, {x:e}) is not {found:e}");
            let (y, x) = (y as f32, x as f32);
            let (found, expected) = (single::atan2(y, x), y.atan2(x));
            assert_eq!(found.is_sign_negative(), expected.is_sign_negative(), "atan2({y:e}, {x:e})");
            assert!(single_ulps(found, f64::from(expected)) <= 2.0, "atan2({y:e}, {x:e}) is not {found:e}");
        }
        assert!(double::atan2(y, f64::NAN).is_nan() && double::atan2(f64::NAN, y).is_nan());
        assert!(single::atan2(y as f32, f32::NAN).is_nan() && single::atan2(f32::NAN, y as f32).is_nan());
    }
}

/// An angle between vectors by sums and differences keeps its digits where they are all but parallel.
#[test]
fn a_tiny_angle_keeps_its_relative_accuracy() {
    for power in [1, 8, 40, 200, 1000] {
        let angle = 0.5_f64.powi(power);
        let found = 2.0 * double::atan2((angle / 2.0).sin(), (angle / 2.0).cos());
        assert!((found - angle).abs() <= 4e-16 * angle, "{found:e} is not {angle:e}");
    }
}

#[test]
fn slopes_of_angles_are_their_derivatives() {
    for (y, x) in [(0.3, 0.8), (-2.0, 0.1), (1e-3, -0.5), (-0.7, -0.4)] {
        let step = 1e-6;
        let along = |t: f64| (y + 0.7 * t, x - 1.3 * t);
        let difference = |f: fn(f64, f64) -> f64| {
            let ((y1, x1), (y0, x0)) = (along(step), along(-step));
            (f(y1, x1) - f(y0, x0)) / (2.0 * step)
        };
        let (dual_y, dual_x) = (Dual { value: y, slope: 0.7 }, Dual { value: x, slope: -1.3 });
        let angle = dual_y.atan2(dual_x);
        assert_eq!(angle.value, double::atan2(y, x));
        assert!((angle.slope - difference(f64::atan2)).abs() < 1e-8, "{y}, {x}");
    }
}

/// A digest over random bits, to be equal at every level.
struct Values;

impl Job for Values {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut hash = 0_u64;
        for _ in 0..50_000 {
            let (y, x) = (rng.next_u64(), rng.next_u64());
            let single = [f32::from_bits(y as u32), f32::from_bits(x as u32)];
            let double = [f64::from_bits(y), f64::from_bits(x)];
            for y in [f64::from(single::atan2(single[0], single[1])), double::atan2(double[0], double[1])] {
                let bits = if y.is_nan() { 0 } else { y.to_bits() };
                hash = hash.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bits;
            }
        }
        hash
    }
}

#[test]
fn bits_of_angles_are_the_same_at_every_level_and_for_ever() {
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        if let Some(lanes) = Lanes::force(level) {
            assert_eq!(lanes.run(Values), 15_802_965_903_480_303_915, "{level:?}");
        }
    }
}
