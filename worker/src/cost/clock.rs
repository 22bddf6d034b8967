//! Time that a thread has run: what measurements count on a machine that others use too.

use rustix::time::{ClockId, clock_gettime};

/// CPU-seconds of this thread so far.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
