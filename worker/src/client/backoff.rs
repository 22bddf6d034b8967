//! Waits between tries: full jitter, so that a thousand workers do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits U(0, min(30 s, 0.2 s · 2ⁿ)) before try n + 1 (Brooker, "Exponential backoff and jitter", 2015).
#[derive(Debug)]
pub(crate) struct Backoff {
    rng: ChaCha8Rng,
    tries: u32,
}

impl Backoff {
    /// The first wait is at most 0.2 s.
    pub(crate) fn new() -> Self {
        // only the spread of the waits hangs on it, so any entropy will do
        Self { rng: ChaCha8Rng::seed_from_u64(RandomState::new().hash_one(std::process::id())), tries: 0 }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let longest = LONGEST.min(FIRST * 2_u32.pow(self.tries.min(16)));
        self.tries += 1;
        longest.mul_f64(self.rng.random::<f64>())
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_but_never_beyond_half_a_minute() {
        let mut backoff = Backoff::new();
        assert!(backoff.next_wait() <= FIRST);
        let longest = (0..200).map(|_| backoff.next_wait()).max().unwrap();
        assert!(longest > Duration::from_secs(20) && longest <= LONGEST, "{longest:?}");
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
