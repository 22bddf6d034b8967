//! Runs arithmetic with the widest vector instructions of this machine. The bits never depend on the choice.
//!
//! The only module with `unsafe`: entering code that was compiled for a CPU feature, after asking the CPU. A job's
//! `run` and all that it calls must be `#[inline(always)]`: what is not inlined is compiled without the features,
//! and its fused multiply-adds become calls of a software routine (same bits, tens of times slower).
#![expect(unsafe_code, reason = "entering code compiled for CPU features that were detected at run time")]

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
