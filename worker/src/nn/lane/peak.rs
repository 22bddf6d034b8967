//! How fast fused multiply-adds can be: a loop in registers alone, to compare kernels with.

use crate::nn::lane::{Job, Lane, Lanes, Level, Precise};
use crate::nn::scalar::Number;

/// Chains side by side: more than an addition's latency times the units that add, and with the two operands that all
/// share fewer than the 16 registers of AVX2, so that none lives in memory.
const CHAINS: usize = 12;

/// Runs `steps` rounds of multiply-adds of single precision at the level of `lanes` and tells how many floating
/// point operations that were.
pub fn spin(lanes: Lanes, steps: u64) -> f64 {
    run::<f32>(lanes, steps)
}

/// As [`spin`], in double precision.
pub fn spin_double(lanes: Lanes, steps: u64) -> f64 {
    run::<f64>(lanes, steps)
}

fn run<E: Precise>(lanes: Lanes, steps: u64) -> f64 {
    match lanes.level() {
        Level::Baseline => run_on::<E>(steps),
        Level::Avx2 => run_on::<E::Avx2>(steps),
        Level::Avx512 => run_on::<E::Avx512>(steps),
    }
}

fn run_on<V: Lane>(steps: u64) -> f64 {
    let sums = V::enter(Spin { factor: V::from_f64(0.5), addend: V::ONE, steps });
    std::hint::black_box(sums);
    2.0 * (CHAINS * V::WIDTH) as f64 * steps as f64
}

struct Spin<V> {
    factor: V,
    addend: V,
    steps: u64,
}

impl<V: Number> Job for Spin<V> {
    type Output = [V; CHAINS];

    #[inline(always)]
    fn run(self) -> [V; CHAINS] {
        let mut sums = [V::ZERO; CHAINS];
        for _ in 0..self.steps {
            for sum in &mut sums {
                *sum = sum.fma(self.factor, self.addend);
            }
        }
        sums
    }
}
