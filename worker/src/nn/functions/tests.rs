//! Error bounds, measured. `cargo test -p seedsweep-worker ulp -- --nocapture` prints the table of docs/engine.md.

use super::{double, single};
use crate::nn::lane::{Job, Lanes, Level};
use crate::nn::layer;

use seedsweep_common::spec::Activation;

/// The bounds stated in the documentation, in f32 and in f64.
const BOUNDS: [(&str, [f64; 2]); 5] =
    [("exp", [1.0; 2]), ("log", [1.0; 2]), ("tanh", [1.5, 2.0]), ("sigmoid", [2.5; 2]), ("erf", [1.5; 2])];

type Single = fn(f32) -> f32;
type Double = fn(f64) -> f64;

fn single_function(name: &str) -> (Single, Double) {
    match name {
        "exp" => (single::exp, f64::exp),
        "log" => (single::log, f64::ln),
        "tanh" => (single::tanh, f64::tanh),
        "sigmoid" => (single::sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        // the standard library has none; ours in f64 is measured against 300 bits
        "erf" => (single::erf, double::erf),
        other => unreachable!("{other}"),
    }
}

fn double_function(name: &str) -> Double {
    match name {
        "exp" => double::exp,
        "log" => double::log,
        "tanh" => double::tanh,
        "sigmoid" => double::sigmoid,
        "erf" => double::erf,
        other => unreachable!("{other}"),
    }
}

/// Distance of `y` from `exact`, in units in the last place of the f32 nearest to `exact`.
pub(super) fn single_ulps(y: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if !nearest.is_finite() {
        let same = y == nearest || (y.is_nan() && nearest.is_nan());
        return if same { 0.0 } else { f64::INFINITY };
    }
    let exponent = (nearest.to_bits() >> 23 & 255).max(1);
    let ulp = f64::from_bits(u64::from(exponent + 1023 - 127 - 23) << 52);
    (f64::from(y) - exact).abs() / ulp
}

/// Distance of `y` from `high + low`, in units in the last place of `high`.
pub(super) fn double_ulps(y: f64, high: f64, low: f64) -> f64 {
    // the last place of a normal number, found by a step; divided in two steps where it underflows
    let ulp = f64::from_bits(high.abs().to_bits() + 1) - high.abs();
    let ulp = if ulp.is_finite() { ulp } else { high.abs() - f64::from_bits(high.abs().to_bits() - 1) };
    ((y - high) - low).abs() / ulp
}

/// Largest error of a function over every `stride`-th f32 of all.
struct Sweep {
    ours: Single,
    exact: Double,
    stride: u32,
}

impl Job for Sweep {
    type Output = (f64, f32);

    #[inline(always)]
    fn run(self) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        let mut next = Some(0_u32);
        while let Some(bits) = next {
            let x = f32::from_bits(bits);
            let error = single_ulps((self.ours)(x), (self.exact)(f64::from(x)));
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
            next = bits.checked_add(self.stride);
        }
        worst
    }
}

/// With `SEEDSWEEP_TEST_THOROUGH` set the tests look at every f32 (a quarter of an hour), else at a sample.
pub(super) fn thorough() -> bool {
    std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_some()
}

#[test]
fn single_precision_stays_within_its_ulp_bounds() {
    let stride = if thorough() { 1 } else { 293 };
    println!("| function | largest error, f32 (ulp) | at |");
    for (name, [bound, _]) in BOUNDS {
        let (ours, exact) = single_function(name);
        let (error, x) = Lanes::detect().run(Sweep { ours, exact, stride });
        println!("| {name} | {error:.2} | {x:e} |");
        assert!(error <= bound, "{name}({x:e}) is {error} ulp off");
    }
}

/// `reference.txt` holds x, the correctly rounded f(x), and the rest of f(x), as bits. Produced by (mpmath 1.3):
/// ```python
/// import random, struct
/// from mpmath import mp, mpf, exp, log, tanh
/// mp.prec = 300
/// F = {"exp": exp, "log": log, "tanh": tanh, "sigmoid": lambda x: 1 / (1 + exp(-x))}
/// R = {"exp": [(-745, 709), (-1, 1), (-1e-3, 1e-3)], "log": [(0.5, 2), (0.99, 1.01), (1e-3, 1e3)],
///      "tanh": [(-20, 20), (-1, 1), (0.5, 0.75), (-1e-2, 1e-2)], "sigmoid": [(-745, 40), (-5, 5), (-1, 1)]}
/// E = {"exp": [709.782712893384, -745.1332191019411, 5e-324, -0.0], "log": [5e-324, 1.7976931348623157e308, 1.0],
///      "tanh": [0.625, 0.6249999999999999, 5e-324, 19.0], "sigmoid": [-745.1332191019411, 0.0, 36.7, -36.7]}
/// hexed = lambda v: struct.pack(">d", v).hex()
/// random.seed(1)
/// for name, f in F.items():
///     xs = E[name] + [random.uniform(*R[name][i % len(R[name])]) for i in range(90)]
///     for x in xs + ([2.0 ** random.uniform(-1074, 1024) for _ in range(30)] if name == "log" else []):
///         y = f(mpf(x)); high = float(y); low = float(y - mpf(high))
///         print(name, hexed(x), hexed(high), hexed(low))
/// # erf
/// random.seed(2); R = [(-6, 6), (-0.875, 0.875), (0.8, 1.2), (-1e-2, 1e-2)]
/// for x in [.875, .8749999999999999, 5e-324, 5.9, -1.] + [random.uniform(*R[i % 4]) for i in range(100)]:
///     y = mpmath.erf(mpf(x)); high = float(y); low = float(y - mpf(high))
///     print("erf", hexed(x), hexed(high), hexed(low))
/// # atan2 (y, x) for the tests of `inverse.rs`
/// def line(name, arguments, y):
///     high = float(y); print(name, *map(hexed, arguments), hexed(high), hexed(float(y - mpf(high))))
/// random.seed(4); power = lambda a, b: random.choice([-1, 1]) * 2.0 ** random.uniform(a, b)
/// for i in range(240):
///     y, x = [(power(-2, 2), power(-2, 2)), (power(-30, 0), power(0, 1)), (power(0, 1), power(-30, 0)),
///             (power(-1060, 1023), power(-1060, 1023))][i % 4]
///     if i % 16 == 0: y = x * random.choice([1, 1 + 2.0 ** -52, 1 - 2.0 ** -53])
///     line("atan2", [y, x], mpmath.atan2(mpf(y), mpf(x)))
/// ```
#[test]
fn double_precision_stays_within_its_ulp_bounds() {
    println!("| function | largest error, f64 (ulp) | at |");
    for (name, [_, bound]) in BOUNDS {
        let mut worst = (0.0, 0.0);
        let mut count = 0;
        for line in include_str!("reference.txt").lines() {
            let (function, numbers) = line.split_once(' ').unwrap();
            if function != name {
                continue;
            }
            let mut bits =
                numbers.split(' ').map(|hex| f64::from_bits(u64::from_str_radix(hex, 16).unwrap()));
            let (x, high, low) = (bits.next().unwrap(), bits.next().unwrap(), bits.next().unwrap());
            let error = double_ulps(double_function(name)(x), high, low);
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
            count += 1;
        }
        assert!(count >= 90, "{name}: {count} points");
        println!("| {name} | {:.2} | {:e} |", worst.0, worst.1);
        assert!(worst.0 <= bound, "{name}({:e}) is {} ulp off", worst.1, worst.0);
    }
}

#[test]
fn double_precision_agrees_with_the_platform_within_both_errors() {
    let platform: [Double; 4] = [f64::exp, f64::ln, f64::tanh, |x| 1.0 / (1.0 + (-x).exp())];
    // the standard library has no erf: the zip ends before it
    for ((name, [_, bound]), platform) in BOUNDS.into_iter().zip(platform) {
        for i in 0..100_000_u32 {
            let x = if name == "log" {
                f64::from_bits(u64::from(i) * (f64::INFINITY.to_bits() / 100_000))
            } else {
                f64::from(i) * 4e-4 - 20.0
            };
            let y = platform(x);
            if y.is_finite() {
                // what glibc claims is at most 2 ulp; the sigmoid made of it 3
                let error = double_ulps(double_function(name)(x), y, 0.0);
                assert!(error <= bound + 3.0, "{name}({x:e}): {error} ulp");
            }
        }
    }
}

/// Counts the neighbours between two positive f32 where tanh falls, and where it is not odd or above 1.
struct Neighbours {
    from: f32,
    to: f32,
}

impl Job for Neighbours {
    type Output = u32;

    #[inline(always)]
    fn run(self) -> u32 {
        let mut wrong = 0;
        let mut before = 0.0;
        for bits in self.from.to_bits()..=self.to.to_bits() {
            let y = single::tanh(f32::from_bits(bits));
            let odd = single::tanh(-f32::from_bits(bits)).to_bits() == (-y).to_bits();
            wrong += u32::from(y < before || y > 1.0 || !odd);
            before = y;
        }
        wrong
    }
}

/// Where one polynomial of tanh ends and the next begins, the offset not yet taken off.
const JOINS: [f32; 15] = [0.75, 0.875, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0];

/// Thoroughly: all f32 from 0 to where tanh is 1. Otherwise around the joins, and at both ends.
#[test]
fn tanh_is_odd_monotone_and_never_above_one() {
    let joins = JOINS.map(|join| join - 0.632_812_5);
    let mut sample = vec![(0.0, f32::from_bits(1 << 20)), (8.5, 9.5)];
    sample.extend(joins.map(|join| (0.999 * join, 1.001 * join)));
    let all = [(0.0, 10.0)];
    for &(from, to) in if thorough() { &all[..] } else { &sample[..] } {
        assert_eq!(Lanes::detect().run(Neighbours { from, to }), 0, "between {from} and {to}");
    }
    let mut before = 0.0;
    for i in 0..2_000_000 {
        let y = double::tanh(f64::from(i) * 1e-5);
        assert!((before..=1.0).contains(&y), "{i}");
        before = y;
    }
}

#[test]
fn edges_are_what_mathematics_says() {
    macro_rules! edges {
        ($module:ident, $float:ident) => {{
            use $module::{exp, log, sigmoid, tanh};
            let (inf, nan, tiny) = ($float::INFINITY, $float::NAN, $float::from_bits(1));
            for (y, expected) in [
                (exp(0.0), 1.0),
                (exp(-0.0), 1.0),
                (exp(inf), inf),
                (exp(-inf), 0.0),
                (exp(tiny), 1.0),
                (log(1.0), 0.0),
                (log(0.0), -inf),
                (log(-0.0), -inf),
                (log(inf), inf),
                (tanh(0.0), 0.0),
                (tanh(-0.0), -0.0),
                (tanh(inf), 1.0),
                (tanh(-inf), -1.0),
                (tanh(tiny), tiny),
                (sigmoid(0.0), 0.5),
                (sigmoid(inf), 1.0),
                (sigmoid(-inf), 0.0),
            ] {
                assert_eq!(y.to_bits(), expected.to_bits(), "{y} is not {expected}");
            }
            for y in [exp(nan), log(nan), log(-1.0), log(-inf), log(-tiny), tanh(nan), sigmoid(nan)] {
                assert!(y.is_nan());
            }
        }};
    }
    edges!(single, f32);
    edges!(double, f64);
    assert_eq!(single::exp(-103.2_f32).to_bits(), 1, "gradual underflow");
    assert_eq!(double::exp(-745.0_f64).to_bits(), 1, "gradual underflow");
}

/// A digest of function values over a large sample, to be equal at every level.
struct Values {
    stride: u32,
}

impl Job for Values {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let mut hash = 0_u64;
        for i in 0..u32::MAX / self.stride {
            let x = f32::from_bits(i * self.stride);
            let wide = f64::from(x);
            let single = [single::exp(x), single::log(x), single::tanh(x), single::sigmoid(x)];
            let double = [double::exp(wide), double::log(wide), double::tanh(wide), double::sigmoid(wide)];
            for y in single.into_iter().map(f64::from).chain(double) {
                let bits = if y.is_nan() { 0 } else { y.to_bits() };
                hash = hash.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bits;
            }
        }
        hash
    }
}

#[test]
fn function_bits_are_the_same_at_every_level_and_for_ever() {
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        if let Some(lanes) = Lanes::force(level) {
            assert_eq!(lanes.run(Values { stride: 99_991 }), 3_061_463_216_182_920_142, "{level:?}");
        }
    }
}

/// Steps of erf that fall, are not odd, or leave [−1, 1], over neighbouring f32 from `from` to `to`.
struct ErfNeighbours {
    from: f32,
    to: f32,
}

impl Job for ErfNeighbours {
    /// Largest fall, in ulp, and the count of the other faults.
    type Output = (u32, u32);

    #[inline(always)]
    fn run(self) -> (u32, u32) {
        let (mut fall, mut wrong, mut before) = (0, 0, 0.0_f32);
        for bits in self.from.to_bits()..=self.to.to_bits() {
            let y = single::erf(f32::from_bits(bits));
            let odd = single::erf(-f32::from_bits(bits)).to_bits() == (-y).to_bits();
            wrong += u32::from(!(0.0..=1.0).contains(&y) || !odd);
            fall = fall.max(before.to_bits().saturating_sub(y.to_bits()));
            before = y;
        }
        (fall, wrong)
    }
}

#[test]
fn erf_is_odd_never_above_one_and_falls_by_rounding_alone() {
    let sample = [(1e-3, 1.1e-3), (0.8, 1.0), (3.8, 4.1)];
    let all = [(0.0, 5.0)];
    for &(from, to) in if thorough() { &all[..] } else { &sample } {
        let (fall, wrong) = Lanes::detect().run(ErfNeighbours { from, to });
        assert_eq!(wrong, 0, "between {from} and {to}");
        assert!(fall <= 1, "falls by {fall} ulp between {from} and {to}");
    }
    for i in 0..600_000 {
        let y = double::erf(f64::from(i) * 1e-5);
        assert!((0.0..=1.0).contains(&y), "{i}");
    }
}

#[test]
fn erf_at_the_edges_is_what_mathematics_says() {
    for (x, expected) in
        [(0.0_f64, 0.0_f64), (-0.0, -0.0), (f64::INFINITY, 1.0), (f64::NEG_INFINITY, -1.0), (7.0, 1.0)]
    {
        assert_eq!(double::erf(x).to_bits(), expected.to_bits(), "{x}");
        assert_eq!(single::erf(x as f32).to_bits(), (expected as f32).to_bits(), "{x}");
    }
    assert!(double::erf(f64::NAN).is_nan() && single::erf(f32::NAN).is_nan());
    assert_eq!(single::erf(f32::from_bits(1)).to_bits(), 1);
}

/// A digest of erf over a large sample, to be equal at every level.
struct ErfValues;

impl Job for ErfValues {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let mut hash = 0_u64;
        for i in 0..u32::MAX / 99_991 {
            let x = f32::from_bits(i * 99_991);
            for y in [f64::from(single::erf(x)), double::erf(f64::from(x))] {
                let bits = if y.is_nan() { 0 } else { y.to_bits() };
                hash = hash.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bits;
            }
        }
        hash
    }
}

#[test]
fn erf_bits_are_the_same_at_every_level_and_for_ever() {
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        if let Some(lanes) = Lanes::force(level) {
            assert_eq!(lanes.run(ErfValues), 2_283_492_325_861_786_487, "{level:?}");
        }
    }
}

/// gelu as a network computes it, z·Φ(z), in units in the last place of z: below 0, where Φ is a difference, it is right
/// beside z and not beside itself. Above 0 the two are alike.
struct GeluSweep {
    stride: u32,
}

impl Job for GeluSweep {
    /// The largest errors below 0 and above, each with where.
    type Output = [(f64, f32); 2];

    #[inline(always)]
    fn run(self) -> Self::Output {
        let mut worst = [(0.0, 0.0); 2];
        for bits in (0..=u32::MAX).step_by(self.stride as usize) {
            let z = f32::from_bits(bits);
            if !z.is_finite() {
                continue;
            }
            let mut found = [z];
            layer::activate(Activation::Gelu, &mut found);
            let wide = f64::from(z);
            let exact = wide * (0.5 + 0.5 * double::erf(wide * std::f64::consts::FRAC_1_SQRT_2));
            let ulp = f64::from(f32::from_bits(z.abs().to_bits() + 1)) - f64::from(z.abs());
            let error = (f64::from(found[0]) - exact).abs() / ulp;
            let worst = &mut worst[usize::from(z > 0.0)];
            if error > worst.0 || error.is_nan() {
                *worst = (error, z);
            }
        }
        worst
    }
}

#[test]
fn gelu_stays_within_its_ulp_bounds() {
    let stride = if thorough() { 1 } else { 293 };
    let [below, above] = Lanes::detect().run(GeluSweep { stride });
    println!(
        "| gelu, f32 | below 0 {:.2} at {:e} | above {:.2} at {:e} |",
        below.0, below.1, above.0, above.1
    );
    assert!(below.0 <= 1.0 && above.0 <= 1.6, "{below:?} {above:?}");
    // f64 against Φ from the stored 300-bit erf: z = x·√2
    let mut worst = (0.0, 0.0);
    for line in include_str!("reference.txt").lines().filter(|line| line.starts_with("erf ")) {
        let mut bits =
            line.split(' ').skip(1).map(|hex| f64::from_bits(u64::from_str_radix(hex, 16).unwrap()));
        let (x, erf, rest) = (bits.next().unwrap(), bits.next().unwrap(), bits.next().unwrap());
        let z = x * std::f64::consts::SQRT_2;
        // what rounding of z does to erf: by its slope
        let slope = 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp();
        let moved = z.mul_add(std::f64::consts::FRAC_1_SQRT_2, -x) + z * SQRT_HALF_REST;
        let distribution = 0.5 + 0.5 * (erf + (rest + slope * moved));
        let mut found = [z];
        layer::activate(Activation::Gelu, &mut found);
        let ulp = f64::from_bits(z.abs().to_bits() + 1) - z.abs();
        // the reference is rounded too, by half of its last place
        let error = (found[0] - z * distribution).abs() / ulp;
        if error > worst.0 || error.is_nan() {
            worst = (error, z);
        }
    }
    println!("| gelu, f64 | {:.2} at {:e} |", worst.0, worst.1);
    assert!(worst.0 <= 1.5, "{worst:?}");
}

/// √½ less its nearest f64.
const SQRT_HALF_REST: f64 = -4.833646656726457e-17;
