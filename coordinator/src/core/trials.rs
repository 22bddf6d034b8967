//! The state of every trial of one experiment, as sets of ranges.
//!
//! Each restart is in exactly one set, so counts are the sets' sizes and nothing is counted twice. What a state
//! means for leases is decided elsewhere (`mod`, `lease`).

use seedsweep_common::progress::TrialCounts;
use seedsweep_common::range::{IntervalSet, RestartRange};

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrialState {
    /// Waits for a worker.
    Pending,
    /// A live lease covers it.
    Leased,
    /// Its outcome is known. Final, unless a stop sets it aside.
    Done,
    /// Every attempt failed; a late outcome still counts.
    Failed,
    /// Its sweep was cancelled before it finished; a late outcome still counts.
    Cancelled,
    /// Beyond the restarts at which its experiment stopped, and without an outcome.
    Skipped,
    /// The same with an outcome, which is kept and counts again if the experiment is extended.
    SpareDone,
    /// The same, and every attempt had failed.
    SpareFailed,
}

impl TrialState {
    const ALL: [Self; 8] = [
        Self::Pending,
        Self::Leased,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
        Self::SpareDone,
        Self::SpareFailed,
    ];

    /// What becomes of it where its experiment stops before it.
    fn set_aside(self) -> Self {
        match self {
            Self::Pending | Self::Leased => Self::Skipped,
            Self::Done => Self::SpareDone,
            Self::Failed => Self::SpareFailed,
            kept => kept,
        }
    }

    /// What becomes of it when such a stop is taken back.
    fn taken_back(self) -> Self {
        match self {
            Self::Skipped => Self::Pending,
            Self::SpareDone => Self::Done,
            Self::SpareFailed => Self::Failed,
            kept => kept,
        }
    }

    /// What becomes of it when its outcome arrives.
    pub(crate) fn with_outcome(self) -> Self {
        match self {
            Self::Skipped | Self::SpareDone | Self::SpareFailed => Self::SpareDone,
            Self::Pending | Self::Leased | Self::Done | Self::Failed | Self::Cancelled => Self::Done,
        }
    }

    /// Whether its outcome is stored.
    pub(crate) fn has_outcome(self) -> bool {
        matches!(self, Self::Done | Self::SpareDone)
    }
}

/// All trials of one experiment.
#[derive(Debug, Clone)]
pub(crate) struct Trials {
    restarts: u32,
    sets: [IntervalSet; TrialState::ALL.len()],
    /// Trainings that diverged, whether done or set aside.
    diverged: IntervalSet,
}

impl Trials {
    /// `restarts` pending trials.
    pub(crate) fn new(restarts: u32) -> Self {
        let mut sets: [IntervalSet; TrialState::ALL.len()] = Default::default();
        sets[TrialState::Pending as usize] = IntervalSet::all(restarts);
        Self { restarts, sets, diverged: IntervalSet::new() }
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
        debug_assert!(!from.has_outcome() || to.has_outcome(), "an outcome is final");
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

    /// Adds pending trials until there are `restarts`.
    pub(crate) fn grow(&mut self, restarts: u32) {
        if let Some(new) = RestartRange::new(self.restarts, restarts) {
            self.sets[TrialState::Pending as usize].insert(new);
            self.restarts = restarts;
        }
    }

    /// Sets aside everything from restart `first` on.
    pub(crate) fn set_aside_from(&mut self, first: u32) {
        let Some(range) = RestartRange::new(first, self.restarts) else { return };
        for state in TrialState::ALL {
            if state.set_aside() != state {
                self.shift(range, state, state.set_aside());
            }
        }
    }

    /// Takes back what was set aside.
    pub(crate) fn take_back(&mut self) {
        for state in TrialState::ALL {
            if state.taken_back() != state {
                self.shift_all(state, state.taken_back());
            }
        }
    }

    /// How many trials from restart 0 on are done or failed without a gap.
    pub(crate) fn finished_prefix(&self) -> u32 {
        let mut end = 0;
        loop {
            let next = [TrialState::Done, TrialState::Failed].into_iter().find_map(|state| {
                let rest = RestartRange::new(end, self.restarts)?;
                self.set(state).within(rest).next().filter(|range| range.start() == end)
            });
            let Some(range) = next else { return end };
            end = range.end();
        }
    }

    /// Notes that the training of these restarts diverged.
    pub(crate) fn add_diverged(&mut self, restarts: RestartRange) {
        self.diverged.insert(restarts);
    }

    /// The sizes of all sets.
    pub(crate) fn counts(&self) -> TrialCounts {
        TrialCounts {
            total: u64::from(self.restarts),
            diverged: self.diverged.count() - self.spare_diverged(),
            done: self.set(TrialState::Done).count(),
            failed: self.set(TrialState::Failed).count(),
            cancelled: self.set(TrialState::Cancelled).count(),
            skipped: [TrialState::Skipped, TrialState::SpareDone, TrialState::SpareFailed]
                .map(|state| self.set(state).count())
                .iter()
                .sum(),
            pending: self.set(TrialState::Pending).count(),
            leased: self.set(TrialState::Leased).count(),
        }
    }

    /// Diverged trainings among those set aside.
    fn spare_diverged(&self) -> u64 {
        let in_range = |range| self.diverged.within(range).map(|part| u64::from(part.count())).sum::<u64>();
        self.set(TrialState::SpareDone).iter().map(in_range).sum()
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
        let counts = self.counts();
        assert!(counts.is_consistent(), "{counts:?}");
        let stored = |restart: u32| self.state(restart).is_some_and(TrialState::has_outcome);
        assert!(self.diverged.iter().flat_map(RestartRange::iter).all(stored));
    }
}
