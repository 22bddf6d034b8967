//! Runs arithmetic with the widest vector instructions of this machine. The bits never depend on the choice.
//!
//! The only module with `unsafe`: entering code that was compiled for a CPU feature, after asking the CPU, and
//! the instructions themselves. A job's `run` and all that it calls must be `#[inline(always)]`: what is not inlined
//! is compiled without the features, and its fused multiply-adds become calls of a software routine (same bits,
//! tens of times slower).
#![expect(unsafe_code, reason = "entering code compiled for CPU features that were detected at run time")]

mod across;
pub mod alone;
mod kernel;
pub mod peak;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use across::Across;
pub(crate) use kernel::{Each, Finish, Operand, Product, Unchanged};
pub use kernel::{Matrix, Shared, Start};
pub(crate) use portable::Array;

use crate::nn::scalar::{Number, Scalar};

/// Bytes that a cache moves at once.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE_BYTES: usize = 64;

/// Several numbers side by side, each with the arithmetic of one. Values of vector registers must only be used
/// below [`Lanes::run`] at a level that has them.
pub trait Lane: Number {
    /// One of the numbers.
    type Elem: Scalar + Lane<Elem = Self::Elem>;
    /// What a number's bits are.
    type Word: Copy;
    /// The bits of all.
    type Bits: Copy;
    /// How many.
    const WIDTH: usize;
    /// Vector registers of the level.
    const REGISTERS: usize;

    /// Runs `job` with the instructions of these lanes, which this machine must have: [`Lanes`] says so.
    fn enter<J: Job>(job: J) -> J::Output;
    /// `value` in each lane.
    fn splat(value: Self::Elem) -> Self;
    /// Numbers `from`, `from` + 1, … of a row for each lane, one lane value each: of as many as `columns` holds, at
    /// most WIDTH. WIDTH numbers are read from each row.
    #[inline(always)]
    fn columns(rows: &[&[Self::Elem]], from: usize, columns: &mut [Self]) {
        columns_singly(rows, from, columns);
    }
    /// `bound` where self is greater, else self, which NaN is too.
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        Self::select(self.gt(bound), bound, self)
    }
    /// The bits.
    fn to_bits(self) -> Self::Bits;
    /// From the bits.
    fn from_bits(bits: Self::Bits) -> Self;
    /// `word` in each lane.
    fn splat_bits(word: Self::Word) -> Self::Bits;
    /// Sum, wrapping.
    fn bits_add(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Difference, wrapping.
    fn bits_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Bits set in both.
    fn bits_and(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Bits set in one.
    fn bits_xor(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Towards the high bits, zeros coming in.
    fn bits_shift_left(bits: Self::Bits, count: u32) -> Self::Bits;
    /// Towards the low bits, zeros coming in.
    fn bits_shift_right(bits: Self::Bits, count: u32) -> Self::Bits;
}

/// Sixteen numbers to pick from, in one line of the cache.
#[derive(Debug)]
#[repr(align(64))]
pub struct Table(pub [f32; 16]);

/// Lanes of f32, each of which can pick from a table.
pub trait Picks: Lane<Elem = f32, Word = u32> {
    /// The number of `table` at the place that the lowest four bits of each index say.
    fn pick(table: &Table, index: Self::Bits) -> Self;
}

/// A precision to train in, with its lanes at each level.
pub(crate) trait Precise: Lane<Elem = Self> + Scalar {
    /// At [`Level::Avx512`].
    type Avx512: Lane<Elem = Self>;
    /// At [`Level::Avx2`].
    type Avx2: Lane<Elem = Self>;
}

#[cfg(target_arch = "x86_64")]
impl Precise for f32 {
    type Avx512 = x86::Single16;
    type Avx2 = x86::Single8;
}

#[cfg(target_arch = "x86_64")]
impl Precise for f64 {
    type Avx512 = x86::Double8;
    type Avx2 = x86::Double4;
}

#[cfg(not(target_arch = "x86_64"))]
impl Precise for f32 {
    type Avx512 = Self;
    type Avx2 = Self;
}

#[cfg(not(target_arch = "x86_64"))]
impl Precise for f64 {
    type Avx512 = Self;
    type Avx2 = Self;
}

/// The numbers of `lanes`, lane by lane.
#[inline(always)]
pub(crate) fn elements<V: Lane>(lanes: &[V]) -> &[V::Elem] {
    const { assert!(size_of::<V>() == V::WIDTH * size_of::<V::Elem>()) }
    // SAFETY: a lane value is WIDTH numbers in a row, without padding, and at least as aligned as one
    unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast(), lanes.len() * V::WIDTH) }
}

/// As [`elements`], to write to.
#[inline(always)]
pub(crate) fn elements_mut<V: Lane>(lanes: &mut [V]) -> &mut [V::Elem] {
    const { assert!(size_of::<V>() == V::WIDTH * size_of::<V::Elem>()) }
    // SAFETY: as in `elements`; every bit pattern is a number
    unsafe { std::slice::from_raw_parts_mut(lanes.as_mut_ptr().cast(), lanes.len() * V::WIDTH) }
}

/// Asks for `lanes` to be brought near, where the machine can be asked.
#[inline(always)]
pub(crate) fn prefetch<V: Lane>(lanes: &[V]) {
    #[cfg(target_arch = "x86_64")]
    for line in elements(lanes).chunks(CACHE_LINE_BYTES / size_of::<V::Elem>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it reads nothing that a program could see
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = lanes;
}

/// As [`Lane::columns`], number by number, reading nothing beside them.
#[inline(always)]
pub(crate) fn columns_singly<V: Lane>(rows: &[&[V::Elem]], from: usize, columns: &mut [V]) {
    for (c, column) in columns.iter_mut().enumerate() {
        for (number, row) in elements_mut(std::slice::from_mut(column)).iter_mut().zip(rows) {
            *number = row[from + c];
        }
    }
}

/// Vector instructions that a job is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What the target guarantees.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ and VL.
    Avx512,
}

impl Level {
    /// The best that this machine can do.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2");
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            match (fma, wide) {
                (true, true) => Self::Avx512,
                (true, false) => Self::Avx2,
                (false, _) => Self::Baseline,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self::Baseline
    }

    /// Whether this machine can run jobs at this level.
    pub fn is_supported(self) -> bool {
        self as u8 <= Self::detect() as u8
    }
}

/// Arithmetic to be compiled once per level.
pub trait Job {
    /// What it computes.
    type Output;

    /// Does it. Must be `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

/// A level that this machine was found to support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes(Level);

impl Lanes {
    /// The best that this machine can do.
    pub fn detect() -> Self {
        Self(Level::detect())
    }

    /// Exactly `level`, or `None` if this machine does not support it.
    pub fn force(level: Level) -> Option<Self> {
        level.is_supported().then_some(Self(level))
    }

    /// Which level it is.
    pub fn level(self) -> Level {
        self.0
    }

    /// Runs `job` with the instructions of this level.
    #[inline]
    pub fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            Level::Baseline => job.run(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Lanes` exists only for a level whose features this CPU was found to have
            Level::Avx2 => unsafe { avx2(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above
            Level::Avx512 => unsafe { avx512(job) },
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => unreachable!("no such level on this architecture"),
        }
    }
}

/// Runs `job` one number at a time, with the fused multiply-add of the machine where it has one.
#[inline]
fn one_by_one<J: Job>(job: J) -> J::Output {
    match Level::detect() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this CPU was found to have the features
        Level::Avx2 | Level::Avx512 => unsafe { avx2(job) },
        _ => job.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<J: Job>(job: J) -> J::Output {
    job.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn avx512<J: Job>(job: J) -> J::Output {
    job.run()
}

#[cfg(test)]
mod tests;
