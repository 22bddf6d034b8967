//! The state of every trial of one experiment, as sets of ranges.
//!
//! Each restart is in exactly one set, so counts are the sets' sizes and nothing is counted twice. What a state
//! means for leases is decided elsewhere (`mod`, `lease`).

use seedsweep_common::progress::TrialCounts;
use seedsweep_common::range::{IntervalSet, RestartRange};

/// Where a trial stands. `skipped` joins when sweeps can stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrialState {
    /// Waits for a worker.
    Pending,
    /// A live lease covers it.
    Leased,
    /// Its outcome is known. Final.
    Done,
    /// Every attempt failed; a late outcome still counts.
    Failed,
    /// Its sweep was cancelled before it finished; a late outcome still counts.
    Cancelled,
}

impl TrialState {
    const ALL: [Self; 5] = [Self::Pending, Self::Leased, Self::Done, Self::Failed, Self::Cancelled];
}

/// All trials of one experiment.
#[derive(Debug, Clone)]
pub(crate) struct Trials {
    restarts: u32,
    sets: [IntervalSet; 5],
    diverged: u64,
}

impl Trials {
    /// `restarts` pending trials.
    pub(crate) fn new(restarts: u32) -> Self {
        let mut sets: [IntervalSet; 5] = Default::default();
        sets[TrialState::Pending as usize] = IntervalSet::all(restarts);
        Self { restarts, sets, diverged: 0 }
    }

    /// How many trials there are.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The restarts in `state`.
    pub(crate) fn set(&self, state: TrialState) -> &IntervalSet {
        &self.sets[state as usize]
    }

    /// The state of one trial; `None` beyond the last.
    pub(crate) fn state(&self, restart: u32) -> Option<TrialState> {
        TrialState::ALL.into_iter().find(|&state| self.set(state).contains(restart))
    }

    /// Moves the restarts of `range` that are in `from` to `to`; returns how many.
    pub(crate) fn shift(&mut self, range: RestartRange, from: TrialState, to: TrialState) -> u64 {
        debug_assert!(from != TrialState::Done, "done is final");
        let moving: Vec<RestartRange> = self.set(from).within(range).collect();
        let mut moved = 0;
        for part in moving {
            moved += self.sets[from as usize].remove(part);
            self.sets[to as usize].insert(part);
        }
        moved
    }

    /// Moves everything in `from` to `to`.
    pub(crate) fn shift_all(&mut self, from: TrialState, to: TrialState) {
        if let Some(all) = RestartRange::new(0, self.restarts) {
            self.shift(all, from, to);
        }
    }

    /// Notes that `count` of the done trials diverged.
    pub(crate) fn add_diverged(&mut self, count: u64) {
        self.diverged += count;
    }

    /// The sizes of all sets.
    pub(crate) fn counts(&self) -> TrialCounts {
        TrialCounts {
            total: u64::from(self.restarts),
            done: self.set(TrialState::Done).count(),
            diverged: self.diverged,
            failed: self.set(TrialState::Failed).count(),
            cancelled: self.set(TrialState::Cancelled).count(),
            skipped: 0,
            pending: self.set(TrialState::Pending).count(),
            leased: self.set(TrialState::Leased).count(),
        }
    }

    /// Each restart is in exactly one set.
    #[cfg(test)]
    pub(crate) fn sanity_check(&self) {
        let mut union = IntervalSet::new();
        let mut sum = 0;
        for set in &self.sets {
            sum += set.count();
            for range in set.iter() {
                union.insert(range);
            }
        }
        assert_eq!(sum, u64::from(self.restarts), "counts must sum to n");
        assert_eq!(union, IntervalSet::all(self.restarts), "each restart must be in one state");
        assert!(self.diverged <= self.set(TrialState::Done).count());
    }
}
