//! How far a sweep has come: its state and the counts of its trials.

use serde::{Deserialize, Serialize};

/// Where a sweep stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepState {
    /// Trials are pending or leased.
    Running,
    /// Every trial is done, failed or skipped.
    Done,
    /// Stopped by a user.
    Cancelled,
}

impl SweepState {
    /// The name in reports, on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counts of trials. All but `diverged`, which is a part of `done`, sum to `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrialCounts {
    /// All restarts of the experiments counted.
    pub total: u64,
    /// Trials whose outcome is stored.
    pub done: u64,
    /// Trials for which every attempt failed.
    pub failed: u64,
    /// Done trials whose training diverged.
    pub diverged: u64,
    /// Trials that a user stopped.
    pub cancelled: u64,
    /// Trials that were not needed.
    pub skipped: u64,
    /// Trials that wait.
    pub pending: u64,
    /// Trials under way.
    pub leased: u64,
}

impl TrialCounts {
    /// Whether the parts sum to the total and the diverged are a part of the done.
    pub fn is_consistent(&self) -> bool {
        let parts = [self.done, self.failed, self.cancelled, self.skipped, self.pending, self.leased];
        parts.iter().sum::<u64>() == self.total && self.diverged <= self.done
    }
}

impl std::iter::Sum for TrialCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |a, b| Self {
            total: a.total + b.total,
            done: a.done + b.done,
            failed: a.failed + b.failed,
            diverged: a.diverged + b.diverged,
            cancelled: a.cancelled + b.cancelled,
            skipped: a.skipped + b.skipped,
            pending: a.pending + b.pending,
            leased: a.leased + b.leased,
        })
    }
}

/// How far one experiment has come: all that its outcomes do not say themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExperimentProgress {
    /// Counts of its trials.
    pub trials: TrialCounts,
    /// Restarts of the failed trials. They have no outcome, yet they stay in every denominator.
    pub failed: Vec<u32>,
    /// What the looks of `stop_when` found; `None` without that key.
    pub looks: Option<Looks>,
    /// Restarts added after submission, in the order in which they were asked for.
    pub extensions: Vec<Extension>,
}

/// What the looks at the first restarts of an experiment have found (`analysis::stopping`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Looks {
    /// How often was looked.
    pub looks: u32,
    /// Restarts at the last look; 0 before the first.
    pub restarts: u32,
    /// Why to stop there; `None` if more restarts are needed.
    pub stop: Option<StoppedBy>,
}

/// Why an experiment stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoppedBy {
    /// Every goal is reached.
    Goals,
    /// `max_restarts` are made, and some goal is not reached.
    MaxRestarts,
}

impl StoppedBy {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Goals => "goals",
            Self::MaxRestarts => "max_restarts",
        }
    }

    /// The one with that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Goals, Self::MaxRestarts].into_iter().find(|by| by.name() == name)
    }
}

/// A change of how many restarts an experiment makes. The changes in their order, on top of the spec, are its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlanChange {
    /// A user asked for more; a stop before is taken back.
    Extended(Extension),
    /// Looks found that no more are needed.
    Stopped(Looks),
}

/// Restarts added to an experiment after its sweep was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extension {
    /// Restarts before.
    pub from: u32,
    /// Restarts after, more than before.
    pub to: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_part_by_part() {
        let one = TrialCounts {
            total: 21,
            done: 6,
            failed: 1,
            diverged: 2,
            cancelled: 2,
            skipped: 3,
            pending: 4,
            leased: 5,
        };
        let sum: TrialCounts = [one, one].into_iter().sum();
        assert!(one.is_consistent() && sum.is_consistent());
        assert_eq!((sum.total, sum.diverged, sum.leased), (42, 4, 10));
        assert!(!TrialCounts { pending: 3, ..one }.is_consistent());
        assert!(!TrialCounts { diverged: 7, ..one }.is_consistent());
    }
}
