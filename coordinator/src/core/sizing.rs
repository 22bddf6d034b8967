//! How many restarts a task gets: about the target time at the measured speed, less near the end.

use seedsweep_common::limits;

/// Restarts of the first task of an experiment of whose speed nobody has a guess: one trial may take minutes.
const FIRST_TASK: u32 = 1;
/// Largest growth from the largest task that was measured: a clock in milliseconds says little about one trial.
const GROWTH: u32 = 8;
/// Weight of the newest task in the mean of durations.
const NEWEST: f64 = 0.3;
/// Shares per slot into which the rest is divided, so that slots finish at about the same time.
const SHARES_PER_SLOT: u64 = 2;
/// Least part of a full task that a share may be: smaller ones cost more in calls than they gain.
const SMALLEST_SHARE: u32 = 16;
/// What a duration of 0 ms stands for.
const CLOCK_MS: f64 = 0.5;
/// Trials in one task from which on its duration says more than a guess.
const TELLING_TASK: u32 = 8;
/// Larger tasks are a multiple of so many restarts: the widest lanes.
const LANES: u32 = 16;

/// How tasks are sized.
#[derive(Debug, Clone, Copy)]
pub struct Sizing {
    /// Time that a task should take on one slot, in milliseconds.
    pub target_ms: u64,
    /// Exactly so many restarts instead (the last task of a range may have fewer).
    pub restarts_per_task: Option<u32>,
}

impl Sizing {
    /// Restarts for a worker whose speed is `own`, where other workers have measured `others`; `pending`
    /// trials are left for `slots` slots.
    pub(crate) fn restarts(
        &self,
        own: Option<Speed>,
        others: Option<Speed>,
        pending: u64,
        slots: u64,
    ) -> u32 {
        if let Some(fixed) = self.restarts_per_task {
            return fixed.clamp(1, limits::RESTARTS_PER_TASK);
        }
        let wanted = own.or(others).map_or(FIRST_TASK, |speed| speed.restarts_in(self.target_ms));
        let wanted = wanted.min(limits::RESTARTS_PER_TASK);
        let share = pending.div_ceil(SHARES_PER_SLOT * slots.max(1));
        let share = u32::try_from(share).unwrap_or(u32::MAX).max(wanted / SMALLEST_SHARE);
        let restarts = wanted.min(share).max(1);
        if restarts > LANES { restarts - restarts % LANES } else { restarts }
    }
}

/// Time per trial of one experiment: guessed, then measured as an exponentially weighted mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    ms_per_trial: f64,
    /// Trials of the largest task that was measured; 0: nothing but a guess.
    largest_task: u32,
    /// What the worker expected, until a task of [`TELLING_TASK`] trials was measured.
    guess_ms: Option<f64>,
}

impl Speed {
    /// What a worker says before it has trained any.
    pub(crate) fn guessed(us_per_trial: u64) -> Self {
        let ms = us_per_trial.max(1) as f64 / 1e3;
        Self { ms_per_trial: ms, largest_task: 0, guess_ms: Some(ms) }
    }

    /// `speed` after a further task of `trials` trials took `duration_ms`.
    pub(crate) fn after(speed: Option<Self>, trials: u32, duration_ms: u64) -> Self {
        let measured = (duration_ms as f64).max(CLOCK_MS) / f64::from(trials.max(1));
        let guess_ms = speed.and_then(|old| old.guess_ms).filter(|_| trials < TELLING_TASK);
        match speed {
            None => Self { ms_per_trial: measured, largest_task: trials, guess_ms },
            // a longer task measures better than a shorter one: no memory of the first few trials
            Some(old) if trials > 2 * old.largest_task => {
                Self { ms_per_trial: measured, largest_task: trials, guess_ms }
            }
            Some(old) => Self {
                ms_per_trial: old.ms_per_trial + NEWEST * (measured - old.ms_per_trial),
                largest_task: old.largest_task.max(trials),
                guess_ms,
            },
        }
    }

    fn restarts_in(self, target_ms: u64) -> u32 {
        // `as` saturates, and the mean is at least CLOCK_MS / RESTARTS_PER_TASK
        let fitting = |ms_per_trial: f64| (target_ms as f64 / ms_per_trial) as u32;
        let most = self.largest_task.saturating_mul(GROWTH);
        match self.guess_ms {
            // the first trials may be slower than the guess, but no proof that the others are faster
            Some(guess) => fitting(guess.max(self.ms_per_trial)).max(1),
            None => fitting(self.ms_per_trial).min(most).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZING: Sizing = Sizing { target_ms: 1000, restarts_per_task: None };

    /// Sizes of consecutive tasks when each trial takes `us` microseconds.
    fn sizes(us: u64, pending: u64, slots: u64) -> Vec<u32> {
        let (mut left, mut speed, mut sizes) = (pending, None, Vec::new());
        while left > 0 {
            let n = SIZING.restarts(speed, None, left, slots).min(left as u32);
            speed = Some(Speed::after(speed, n, u64::from(n) * us / 1000));
            left -= u64::from(n);
            sizes.push(n);
        }
        sizes
    }

    #[test]
    fn tasks_grow_to_the_target_time() {
        let tasks = sizes(10_000, 100_000, 4);
        assert_eq!(tasks[..3], [1, 8, 64]);
        assert!(tasks[3..20].iter().all(|&n| (95..=105).contains(&n)), "{tasks:?}");
        assert!(
            sizes(2_000_000, 100, 4).iter().all(|&n| n == 1),
            "a trial longer than the target goes alone"
        );
    }

    #[test]
    fn a_guess_makes_the_first_task_as_long_as_the_others() {
        let guess = Some(Speed::guessed(10_000));
        assert_eq!(SIZING.restarts(guess, None, 100_000, 4), 96);
        // a first trial at the end of the clock's resolution changes nothing, a slow one does
        assert_eq!(SIZING.restarts(Some(Speed::after(guess, 1, 0)), None, 100_000, 4), 96);
        assert_eq!(SIZING.restarts(Some(Speed::after(guess, 1, 100)), None, 100_000, 4), 10);
        // what was measured on many trials wins over the guess
        assert_eq!(SIZING.restarts(Some(Speed::after(guess, 96, 96)), None, 100_000, 4), 768);
    }

    #[test]
    fn a_wild_guess_gives_no_task_beyond_the_bounds() {
        assert_eq!(SIZING.restarts(Some(Speed::guessed(0)), None, 1 << 40, 1), limits::RESTARTS_PER_TASK);
        assert_eq!(SIZING.restarts(Some(Speed::guessed(u64::MAX)), None, 1 << 40, 1), 1);
        // nor more than a fair share of what is left
        assert_eq!(SIZING.restarts(Some(Speed::guessed(0)), None, 4_000, 4), 496);
    }

    #[test]
    fn tasks_never_exceed_a_report() {
        assert_eq!(sizes(1, 1_000_000, 4).into_iter().max(), Some(limits::RESTARTS_PER_TASK));
        let fixed = Sizing { restarts_per_task: Some(u32::MAX), ..SIZING };
        assert_eq!(fixed.restarts(None, None, 1, 1), limits::RESTARTS_PER_TASK);
    }

    #[test]
    fn tasks_shrink_near_the_end_but_not_to_crumbs() {
        let tasks = sizes(10_000, 1_000, 4);
        let last = tasks[tasks.len() - 1];
        assert!(last <= 12, "{tasks:?}");
        assert!(tasks.len() < 60, "{tasks:?}");
    }

    #[test]
    fn a_given_size_is_kept() {
        let fixed = Sizing { restarts_per_task: Some(7), ..SIZING };
        let speed = Some(Speed::after(None, 1, 5_000));
        assert_eq!(fixed.restarts(speed, speed, 3, 100), 7);
    }
}
