//! The time by which leases are measured.

use std::time::{Duration, Instant};

use crate::core::Timestamp;

/// Most that the clock advances between two turns of the loop, in milliseconds.
const STRIDE_MS: u64 = 2_000;

/// Monotonic time that stands still while the loop cannot listen: when the process was stopped or a commit
/// hung, workers could not renew, and that must not be held against them.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
    now: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { last: Instant::now(), now: Timestamp(0) }
    }

    /// Moves on to the present. Once per turn of the loop.
    pub(crate) fn advance(&mut self) {
        let elapsed_ms = u64::try_from(self.last.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now = self.now.after(elapsed_ms.min(STRIDE_MS));
        // what is below a millisecond stays for the next turn
        self.last += Duration::from_millis(elapsed_ms);
    }

    /// The time of this turn.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_of_the_loop_is_not_held_against_workers() {
        let mut clock = Clock::start();
        clock.last -= Duration::from_secs(3600);
        clock.advance();
        assert!((STRIDE_MS..STRIDE_MS + 50).contains(&clock.now().0));
        let before = clock.now();
        clock.advance();
        assert!(clock.now().0 - before.0 < 1_000, "the stall is over");
    }
}
