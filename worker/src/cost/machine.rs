//! How fast this machine is, measured in some milliseconds: the units of the cost model.
//!
//! The shortest of a few runs counts: what else the machine does can only make one longer.

use std::hint::black_box;
use std::time::Instant;

use seedsweep_common::spec::{Activation, Precision};

use crate::nn::lane::{Job, Lane, Lanes, Level, Precise, peak};
use crate::nn::layer;

/// Runs of each measurement.
const RUNS: u32 = 7;
/// Rounds of the loop of multiply-adds in one run: some hundredths of a millisecond.
const ROUNDS: u64 = 20_000;
/// Registers that an elementary function is taken of in one run.
const VECTORS: usize = 1_024;

/// Speeds of one thread at one level and precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Seconds of a vector multiply-add at its best.
    pub fma_s: f64,
    /// Seconds of a clock cycle, or what behaves like one.
    pub cycle_s: f64,
    /// Seconds of tanh of a vector.
    pub tanh_s: f64,
    /// Seconds of a sigmoid of a vector: an exponential and a quotient.
    pub exp_s: f64,
    /// The same two of a vector of double precision.
    pub double_s: [f64; 2],
    /// Floating-point operations a second of multiply-adds of single precision.
    pub peak_flops: f64,
}

impl Machine {
    /// Measures this machine. Takes some milliseconds.
    pub fn measure(lanes: Lanes, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::of::<f32>(lanes),
            Precision::F64 => Self::of::<f64>(lanes),
        }
    }

    fn of<S: Precise>(lanes: Lanes) -> Self {
        let mut flops = 0.0;
        let spin_s = shortest(|| flops = peak::spin(lanes, ROUNDS));
        let peak_flops = flops / spin_s;
        let width = match lanes.level() {
            Level::Baseline => 1,
            Level::Avx2 => <f32 as Precise>::Avx2::WIDTH,
            Level::Avx512 => <f32 as Precise>::Avx512::WIDTH,
        };
        let [tanh_s, exp_s] = functions_s::<S>(lanes);
        let double_s = functions_s::<f64>(lanes);
        let fma_s = 2.0 * width as f64 / peak_flops;
        Self { fma_s, cycle_s: cycle_s(), tanh_s, exp_s, double_s, peak_flops }
    }

    /// This machine in double precision.
    pub(super) fn in_double(&self) -> Self {
        let [tanh_s, exp_s] = self.double_s;
        Self { tanh_s, exp_s, ..*self }
    }

    /// Multiply-adds in the time of a clock cycle.
    pub(super) fn cycle_fmas(&self) -> f64 {
        self.cycle_s / self.fma_s
    }

    /// Multiply-adds in the time of a tanh.
    pub(super) fn tanh_fmas(&self) -> f64 {
        self.tanh_s / self.fma_s
    }

    /// Multiply-adds in the time of an exponential.
    pub(super) fn exp_fmas(&self) -> f64 {
        self.exp_s / self.fma_s
    }
}

/// Seconds of tanh and of a sigmoid of one register.
fn functions_s<S: Precise>(lanes: Lanes) -> [f64; 2] {
    [Activation::Tanh, Activation::Sigmoid].map(|activation| match lanes.level() {
        Level::Baseline => function_s::<S>(activation),
        Level::Avx2 => function_s::<S::Avx2>(activation),
        Level::Avx512 => function_s::<S::Avx512>(activation),
    })
}

/// Seconds of `activation` of one register.
fn function_s<V: Lane>(activation: Activation) -> f64 {
    let inputs: Vec<V> = (0..VECTORS).map(|i| V::from_f64(i as f64 / 256.0 - 2.0)).collect();
    let mut values = inputs.clone();
    let seconds = shortest(|| {
        values.copy_from_slice(&inputs);
        V::enter(Activate { activation, values: &mut values });
        black_box(&values);
    });
    seconds / VECTORS as f64
}

/// Seconds of a cycle, by a chain of multiplications of integers, each of which takes three on today's processors.
fn cycle_s() -> f64 {
    const LATENCY: f64 = 3.0;
    let mut word = black_box(3_u64);
    let seconds = shortest(|| {
        for _ in 0..ROUNDS {
            word = word.wrapping_mul(black_box(5));
        }
        black_box(word);
    });
    seconds / (LATENCY * ROUNDS as f64)
}

fn shortest(mut run: impl FnMut()) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    // a clock that stands still must not make anything free
    runs.fold(f64::INFINITY, f64::min).max(1e-9)
}

struct Activate<'a, V> {
    activation: Activation,
    values: &'a mut [V],
}

impl<V: Lane> Job for Activate<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        layer::activate(self.activation, self.values);
    }
}
