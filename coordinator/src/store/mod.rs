//! The store: every sweep, outcome and report, durable before it is acknowledged.
//!
//! The only module that knows sled. What it promises, and why sled alone does not, is in `docs/format.md`.

use std::path::{Path, PathBuf};

use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Failure, Outcome, Provenance};
use seedsweep_common::range::IntervalSet;

/// Why the store refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns it.
    #[error("the store `{path}` is in use by process {pid} on {host}")]
    Held {
        /// The store.
        path: PathBuf,
        /// The owner's process.
        pid: u32,
        /// The owner's host.
        host: String,
    },
    /// The file system refused.
    #[error("cannot use the store `{path}`")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The disk is as good as full.
    #[error(
        "the disk of the store `{path}` is full: {free_bytes} bytes are free, {reserve_bytes} are kept in reserve"
    )]
    Full {
        /// The store.
        path: PathBuf,
        /// Free bytes.
        free_bytes: u64,
        /// Bytes never used.
        reserve_bytes: u64,
    },
    /// Written by another version.
    #[error("the store `{path}` has format {found}: this version reads format {known}")]
    Format {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It holds what it cannot hold.
    #[error("the store `{path}` is damaged: {problem}")]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong, and what can be done.
        problem: String,
    },
}

/// Something to be made durable.
#[derive(Debug, Clone)]
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
    /// Stored restarts per experiment; may be shorter than the sweep's list of experiments.
    pub done: Vec<IntervalSet>,
    /// Diverged trainings per experiment, a part of `done`; as long as `done`.
    pub diverged: Vec<u64>,
    /// Failed trials.
    pub failed: Vec<(ExperimentIndex, Failure)>,
    /// Reports that differed.
    pub divergences: u64,
    /// Whether a report is stored.
    pub reported: bool,
}

/// An open store. Clones share it; reads may run beside the one writer.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens or creates the store in `directory`, checks it against its seal and returns what it holds. What the
    /// seal shows to be missing is left out of `done` and named in the notices.
    pub fn open(_directory: &Path) -> Result<(Self, Recovered), StoreError> {
        unimplemented!()
    }

    /// Makes `records` durable, all or none. Blocking. Only one thread may commit at a time. After an I/O error
    /// nothing of the batch counts as stored, and later commits fail until the store is opened again.
    pub fn commit(&self, _records: &[Record]) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The stored outcome of one trial.
    pub fn outcome(
        &self,
        _sweep: SweepId,
        _experiment: ExperimentIndex,
        _restart: u32,
    ) -> Result<Option<(Outcome, Provenance)>, StoreError> {
        unimplemented!()
    }

    /// All outcomes of one experiment by restart.
    pub fn outcomes(
        &self,
        _sweep: SweepId,
        _experiment: ExperimentIndex,
    ) -> Result<Vec<(Outcome, Provenance)>, StoreError> {
        unimplemented!()
    }

    /// The stored report.
    pub fn report(&self, _sweep: SweepId) -> Result<Option<StoredReport>, StoreError> {
        unimplemented!()
    }

    /// Keeps the content of a data file, durable on return. Idempotent.
    pub fn put_data(&self, _digest: Digest, _content: &[u8]) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The content of a data file.
    pub fn data(&self, _digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!()
    }

    /// Writes the seal if something was committed since it was last written (about each second, by the driver).
    pub fn seal(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
