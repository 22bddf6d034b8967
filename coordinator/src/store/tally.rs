//! What a store holds, counted: kept up to date by commits, recounted at open, written to the seal.

use std::collections::BTreeMap;

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::progress::PlanChange;
use seedsweep_common::range::{IntervalSet, RestartRange};

use super::digest::RowsDigest;
use super::frame;
use super::key::Key;

/// Number and digest of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// How many.
    pub(super) rows: u64,
    /// Of their keys and frame headers: the checksum in a header stands for the payload, which is checked against
    /// it whenever it is read. Hashing all payloads would double the time of an opening.
    pub(super) digest: RowsDigest,
}

impl Sum {
    /// Adds one row.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.digest.add(&[key, frame::header(value)]);
    }
}

/// All that a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Largest sequence number.
    pub(super) sequence: u64,
    /// Of all rows, `Meta` apart.
    pub(super) sum: Sum,
    /// By sweep.
    pub(super) sweeps: BTreeMap<SweepId, SweepTally>,
}

/// When a sweep came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Submission {
    /// Position in the order of submission.
    pub(super) ordinal: u64,
    /// In milliseconds since 1970.
    pub(super) unix_ms: u64,
}

/// What a store holds of one sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SweepTally {
    /// `None` while or if its own record is not there.
    pub(super) submission: Option<Submission>,
    /// Whether it was cancelled.
    pub(super) cancelled: bool,
    /// What changed about the numbers of restarts, in order.
    pub(super) plan: Vec<(ExperimentIndex, PlanChange)>,
    /// Restarts with an outcome, by experiment.
    pub(super) done: Vec<IntervalSet>,
    /// Failure records.
    pub(super) failures: u64,
    /// Divergence records.
    pub(super) divergences: u64,
    /// Revisions of the report.
    pub(super) reports: u64,
    /// Records of pairs.
    pub(super) pairs: u64,
    /// Records of barriers.
    pub(super) barriers: u64,
}

impl SweepTally {
    /// Restarts of `experiment` with an outcome.
    pub(super) fn done_mut(&mut self, experiment: ExperimentIndex) -> &mut IntervalSet {
        let index = experiment.0 as usize;
        if self.done.len() <= index {
            self.done.resize_with(index + 1, IntervalSet::new);
        }
        &mut self.done[index]
    }
}

impl Tally {
    /// Adds one row; `restarts` are those of an outcome block, `plan` is what a record of the plan says. Those come in
    /// the order of their sequence numbers.
    pub(super) fn add(
        &mut self,
        key: &Key,
        bytes: &[u8],
        value: &[u8],
        sequence: u64,
        restarts: Option<RestartRange>,
        plan: Option<(ExperimentIndex, PlanChange)>,
    ) {
        let Some(sweep) = key.sweep() else { return };
        self.sequence = self.sequence.max(sequence);
        self.sum.add(bytes, value);
        let tally = self.sweeps.entry(sweep).or_default();
        match *key {
            Key::Meta | Key::Sweep { .. } => {}
            Key::Cancelled { .. } => tally.cancelled = true,
            Key::Plan { .. } => tally.plan.extend(plan),
            Key::Outcomes { experiment, .. } => {
                if let Some(range) = restarts {
                    tally.done_mut(experiment).insert(range);
                }
            }
            Key::Failed { .. } => tally.failures += 1,
            Key::Divergence { .. } => tally.divergences += 1,
            Key::Report { piece, .. } => tally.reports += u64::from(piece == 0),
            Key::Pairs { .. } => tally.pairs += 1,
            Key::Barrier { .. } => tally.barriers += 1,
        }
    }

    /// The place of the next sweep in the order of submission.
    pub(super) fn next_ordinal(&self) -> u64 {
        let ordinals = self.sweeps.values().filter_map(|sweep| sweep.submission);
        ordinals.map(|submission| submission.ordinal + 1).max().unwrap_or(0)
    }
}
