//! What is made durable, and what an opened store gives back.

use std::collections::HashSet;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Failure, Outcome, Provenance};
use seedsweep_common::progress::PlanChange;
use seedsweep_common::range::IntervalSet;

/// Something to be made durable.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a divergence is rare, and records are passed by reference")]
pub enum Record {
    /// A new sweep (also written as `sweeps/<id>.toml`).
    Sweep {
        /// Its id.
        id: SweepId,
        /// Canonical TOML.
        spec_toml: String,
        /// When it was submitted, in milliseconds since 1970.
        submitted_unix_ms: u64,
    },
    /// A sweep was cancelled.
    Cancelled {
        /// Its id.
        id: SweepId,
    },
    /// An experiment makes more or fewer restarts from now on.
    Plan {
        /// The sweep.
        sweep: SweepId,
        /// The experiment.
        experiment: ExperimentIndex,
        /// What changed.
        change: PlanChange,
    },
    /// Finished trials of one experiment, any restarts, each at most once in the store's life.
    Outcomes {
        /// The sweep.
        sweep: SweepId,
        /// The experiment.
        experiment: ExperimentIndex,
        /// How all of them came about.
        provenance: Provenance,
        /// The rows.
        outcomes: Vec<Outcome>,
    },
    /// A trial for which every attempt failed.
    Failed {
        /// The sweep.
        sweep: SweepId,
        /// The experiment.
        experiment: ExperimentIndex,
        /// Which trial, and why.
        failure: Failure,
    },
    /// A report that differs from what is stored.
    Divergence {
        /// The sweep.
        sweep: SweepId,
        /// The experiment.
        experiment: ExperimentIndex,
        /// The later outcome.
        outcome: Outcome,
        /// The worker whose outcome is stored.
        first_worker: String,
        /// The worker that reported another.
        second_worker: String,
    },
    /// Pairs of trials between which barriers are to be measured, beside those chosen before.
    Pairs {
        /// The sweep.
        sweep: SweepId,
        /// Number of the first.
        first: u32,
        /// Trials of the sweep when they were chosen.
        trials: u64,
        /// The pairs.
        pairs: Vec<Pair>,
    },
    /// Measured barriers. One of a pair that has one already is a divergence.
    Barriers {
        /// The sweep.
        sweep: SweepId,
        /// How all of them came about.
        provenance: Provenance,
        /// The barriers.
        barriers: Vec<(Pair, Barrier)>,
    },
    /// A barrier for which every attempt failed.
    BarrierFailed {
        /// The sweep.
        sweep: SweepId,
        /// Which.
        pair: Pair,
        /// Why, in words for people.
        cause: String,
    },
    /// The report of an ended sweep.
    Report {
        /// The sweep.
        sweep: SweepId,
        /// The report.
        report: StoredReport,
    },
}

/// The report of an ended sweep, with what it was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// JSON of schema `seedsweep.report/1`.
    pub report_json: String,
    /// `OutcomesDigest` of the sweep's rows.
    pub outcomes_digest: [u8; 32],
    /// Version of the analysis.
    pub analysis: u32,
}

/// What an opened store holds.
#[derive(Debug)]
pub struct Recovered {
    /// Opens so far, this one included: the high half of each token.
    pub boot: u32,
    /// All sweeps in the order of submission.
    pub sweeps: Vec<RecoveredSweep>,
    /// What was found to be missing or damaged, for people. Empty if all is well.
    pub notices: Vec<String>,
}

/// What an opened store holds of one sweep.
#[derive(Debug)]
pub struct RecoveredSweep {
    /// Its id.
    pub id: SweepId,
    /// Canonical TOML.
    pub spec_toml: String,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_unix_ms: u64,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// What changed about the numbers of restarts, in order.
    pub plan: Vec<(ExperimentIndex, PlanChange)>,
    /// Stored restarts per experiment; may be shorter than the sweep's list of experiments.
    pub done: Vec<IntervalSet>,
    /// Diverged trainings per experiment, a part of `done`; as long as `done`.
    pub diverged: Vec<IntervalSet>,
    /// Failed trials.
    pub failed: Vec<(ExperimentIndex, Failure)>,
    /// Reports that differed.
    pub divergences: u64,
    /// Whether a report is stored.
    pub reported: bool,
    /// The pairs between which barriers are to be measured, by number.
    pub pairs: Vec<Pair>,
    /// Trials of the sweep when they were chosen last; `None` if they never were.
    pub pairs_chosen_of: Option<u64>,
    /// Pairs whose barrier is stored.
    pub measured: HashSet<Pair>,
    /// Pairs of which every attempt failed.
    pub unmeasurable: HashSet<Pair>,
}
