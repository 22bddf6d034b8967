//! How fast a sweep goes: trials per second over the last ten seconds.

use std::collections::VecDeque;

use crate::board::Pace;
use crate::core::Timestamp;

/// Time over which the rate is taken, in milliseconds.
const WINDOW_MS: u64 = 10_000;
/// Least time between two samples, in milliseconds: at most ten are kept.
const SAMPLE_MS: u64 = 1_000;

/// Finished trials at some moments of the last ten seconds.
#[derive(Debug)]
pub(crate) struct Rate {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Rate {
    /// A sweep of which `finished` trials are finished at `now`.
    pub(crate) fn new(now: Timestamp, finished: u64) -> Self {
        Self { samples: VecDeque::from([(now, finished)]) }
    }

    /// The pace at `now`, with `finished` trials finished and `left` to go; `None` if nothing finished lately.
    pub(crate) fn pace(&mut self, now: Timestamp, finished: u64, left: u64) -> Option<Pace> {
        // the first sample left is at least a window old where there is one, so that the window is full
        while self.samples.get(1).is_some_and(|&(at, _)| at.after(WINDOW_MS) <= now) {
            self.samples.pop_front();
        }
        let &(since, before) = self.samples.front()?;
        if self.samples.back().is_none_or(|&(at, _)| at.after(SAMPLE_MS) <= now) {
            self.samples.push_back((now, finished));
        }
        let elapsed_ms = now.0.saturating_sub(since.0);
        let recent = finished.saturating_sub(before);
        if recent == 0 || elapsed_ms == 0 {
            return None;
        }
        let trials_per_s = recent as f64 * 1_000.0 / elapsed_ms as f64;
        Some(Pace { trials_per_s, eta_s: (left > 0).then(|| left as f64 / trials_per_s) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let mut rate = Rate::new(Timestamp(0), 100);
        assert_eq!(rate.pace(Timestamp(500), 100, 900), None, "what was there before does not count");
        let mut finished = 100;
        for second in 1..=30 {
            // 20 trials a second, then 5
            finished += if second <= 15 { 20 } else { 5 };
            let pace = rate.pace(Timestamp(second * 1_000), finished, 1_000 - finished).unwrap();
            let truth = if second <= 15 { 20.0 } else { 5.0 };
            if second <= 15 || second >= 26 {
                assert!((pace.trials_per_s - truth).abs() < 0.6, "{second}: {pace:?}");
            }
            let left = (1_000 - finished) as f64;
            assert!((pace.eta_s.unwrap() * pace.trials_per_s - left).abs() < 1e-9);
        }
        assert!(rate.samples.len() <= 12);
        for second in 31..=41 {
            rate.pace(Timestamp(second * 1_000), finished, 1);
        }
        assert_eq!(rate.pace(Timestamp(42_000), finished, 1), None, "a stalled sweep has no rate");
    }
}
