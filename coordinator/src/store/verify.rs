//! `seedsweep store verify`: reads everything and says what is wrong. Repairs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::progress::{Extension, PlanChange};
use seedsweep_common::range::IntervalSet;
use seedsweep_proto::store::v1::{DivergenceRecord, SweepRecord};

use super::database::{Database, DatabaseError};
use super::key::{self, Key};
use super::lock::Lock;
use super::mark::Mark;
use super::read::Reader;
use super::recover::{check_format, doubt};
use super::scan::Scan;
use super::seal::SealFiles;
use super::{StoreError, barriers, block, disk, frame, losses, outcomes_digest, restore};

/// What a check of a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// How much was read.
    pub checked: Checked,
    /// What is wrong, for people. Empty if all is well.
    pub findings: Vec<String>,
}

/// How much a check has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Records of any kind.
    pub records: u64,
    /// Sweeps.
    pub sweeps: u64,
    /// Outcomes, each decoded.
    pub outcomes: u64,
    /// Reports whose outcomes were digested again.
    pub reports: u64,
    /// Data files, each digested again.
    pub data_files: u64,
}

/// Checks the store in `directory`: every record's frame and message, the seal, the counts, that each id is the digest
/// of its spec, one outcome a trial and none without a sweep or beyond its experiment, losses that are finite or
/// flagged, divergences that diverge, reports of these outcomes (a stop leaves later ones out), data files by content.
/// `restarts_of` tells from a spec how many restarts each experiment has, or why the spec is none.
///
/// Takes the lock. Fails only if the store cannot be read at all; damage is a finding.
pub fn verify(
    directory: &Path,
    restarts_of: impl Fn(&str) -> Result<Vec<u32>, String>,
) -> Result<VerifyReport, StoreError> {
    let path = directory.join(disk::DATABASE);
    let is_store = path.is_dir() || disk::SEALS.iter().any(|seal| directory.join(seal).exists());
    if !is_store {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is no store in this directory");
        return Err(StoreError::io(directory, source));
    }
    let _lock = Lock::take(directory)?;
    let found = SealFiles::find(directory)?;
    check_format(directory, found.seal.as_ref().map(|seal| seal.format))?;
    let mut report = VerifyReport::default();
    check_data_files(directory, &mut report)?;
    if !path.is_dir() {
        report.findings.push("the database is gone".to_owned());
        return Ok(report);
    }
    let sealed_sequence = found.seal.as_ref().map_or(0, |seal| seal.sequence);
    let read = Database::open(&path).and_then(|database| {
        let scan = Scan::of(&database, sealed_sequence)?;
        Ok((database, scan))
    });
    let (database, scan) = match read {
        Ok(read) => read,
        Err(DatabaseError::Damaged(problem)) => {
            report.findings.push(format!("the database cannot be read: {problem}"));
            return Ok(report);
        }
        Err(error) => return Err(error.at(&path)),
    };
    check_format(directory, scan.meta.as_ref().map(|meta| meta.format))?;
    report.checked.records = scan.tally.sum.rows + scan.broken.len() as u64;
    let seal = found.seal.as_ref();
    report.findings.extend(doubt(directory, seal, !found.broken.is_empty(), scan.meta.as_ref())?);
    let broken_seals = found.broken.iter().map(|path| format!("`{}` is broken", path.display()));
    report.findings.extend(broken_seals);
    losses::name(seal, Mark::read(directory)?, &scan, &mut report.findings);
    if scan.doubled > 0 {
        report.findings.push(format!("{} trials have more than one outcome; the first counts", scan.doubled));
    }
    let reader = Reader { database: &database, committed: u64::MAX, directory };
    for (&id, tally) in &scan.tally.sweeps {
        match scan.sweeps.get(&id) {
            Some(record) => check_sweep(&reader, id, record, &scan, &restarts_of, &mut report)?,
            None => {
                let outcomes: u64 = tally.done.iter().map(IntervalSet::count).sum();
                report.findings.push(format!(
                    "sweep {}: its record is missing, {outcomes} outcomes are stored without it",
                    id.short()
                ));
            }
        }
    }
    Ok(report)
}

fn check_data_files(directory: &Path, report: &mut VerifyReport) -> Result<(), StoreError> {
    for path in disk::entries(&directory.join(disk::DATA))? {
        let content = fs::read(&path).map_err(|source| StoreError::io(&path, source))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        report.checked.data_files += 1;
        if name.parse() != Ok(Digest::of(&content)) {
            report
                .findings
                .push(format!("data file `{name}`: its content does not have the digest of its name"));
        }
    }
    Ok(())
}

fn check_sweep(
    reader: &Reader<'_>,
    id: SweepId,
    record: &SweepRecord,
    scan: &Scan,
    restarts_of: &impl Fn(&str) -> Result<Vec<u32>, String>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let mut say = |problem: String| report.findings.push(format!("sweep {}: {problem}", id.short()));
    report.checked.sweeps += 1;
    let text = &record.spec_toml;
    if Digest::of(text.as_bytes()) != id.0 {
        say("its id is not the digest of its spec".to_owned());
    }
    if fs::read(restore::spec_path(reader.directory, id)).ok().as_deref() != Some(text.as_bytes()) {
        say("its spec file is missing or differs from its record".to_owned());
    }
    let mut restarts = restarts_of(text).unwrap_or_else(|problem| {
        say(format!("its spec is not valid: {problem}"));
        Vec::new()
    });
    let plan = scan.tally.sweeps.get(&id).map_or(&[][..], |tally| &tally.plan);
    let stops = follow(plan, &mut restarts, &mut say);
    let of = |experiment: u32| restarts.get(experiment as usize).copied().unwrap_or(0);
    let failed = scan.failures.keys().filter(|(sweep, ..)| *sweep == id);
    for (_, experiment, restart) in failed.filter(|(_, experiment, restart)| *restart >= of(experiment.0)) {
        say(format!(
            "a failure of experiment {}, restart {restart}, which its spec does not have",
            experiment.0
        ));
    }
    let done = scan.tally.sweeps.get(&id).map_or(&[][..], |tally| &tally.done);
    let mut rows: Vec<(ExperimentIndex, Outcome)> = Vec::new();
    for (number, done) in (0..).zip(done) {
        let experiment = ExperimentIndex(number);
        let outcomes = reader.outcomes(id, experiment)?;
        if outcomes.len() as u64 != done.count() {
            say(format!(
                "experiment {number}: {} outcomes are read, {} are counted",
                outcomes.len(),
                done.count()
            ));
        }
        for (outcome, _) in outcomes {
            if let Some(problem) = wrong_in(&outcome, of(number)) {
                say(format!("experiment {number}, restart {}: {problem}", outcome.restart));
            }
            rows.push((experiment, outcome));
        }
    }
    report.checked.outcomes += rows.len() as u64;
    check_divergences(reader, id, report)?;
    check_barriers(reader, id, report)?;
    if scan.reports.contains_key(&id)
        && let Some(stored) = reader.report(id)?
    {
        report.checked.reports += 1;
        rows.retain(|(experiment, row)| {
            stops.get(experiment).is_none_or(|stopped_at| row.restart < *stopped_at)
        });
        if stored.outcomes_digest != outcomes_digest(rows.iter().map(|(experiment, row)| (*experiment, row)))
        {
            let problem = "its report was computed from other outcomes than are stored";
            report.findings.push(format!("sweep {}: {problem}", id.short()));
        }
    }
    Ok(())
}

/// Brings `restarts` up to date with `plan`, and returns where experiments have stopped.
fn follow(
    plan: &[(ExperimentIndex, PlanChange)],
    restarts: &mut [u32],
    say: &mut impl FnMut(String),
) -> BTreeMap<ExperimentIndex, u32> {
    let mut stops = BTreeMap::new();
    for &(experiment, change) in plan {
        let number = experiment.0;
        let Some(restarts) = restarts.get_mut(number as usize) else {
            say(format!("a change of experiment {number}, which its spec does not have"));
            continue;
        };
        match change {
            PlanChange::Extended(Extension { from, to }) if from == *restarts && to > from => {
                *restarts = to;
                stops.remove(&experiment);
            }
            PlanChange::Extended(Extension { from, to }) => say(format!(
                "experiment {number} is extended from {from} to {to} restarts, but has {restarts}"
            )),
            PlanChange::Stopped(looks) if looks.restarts <= *restarts => {
                stops.insert(experiment, looks.restarts);
            }
            PlanChange::Stopped(looks) => {
                say(format!("experiment {number} stops at {} restarts, but has {restarts}", looks.restarts));
            }
        }
    }
    stops
}

fn wrong_in(outcome: &Outcome, restarts: u32) -> Option<String> {
    if outcome.restart >= restarts {
        return Some(format!("its experiment has {restarts} restarts"));
    }
    if outcome.stop_reason != StopReason::Diverged && !outcome.loss_train.is_finite() {
        return Some(format!("its loss is {} and it is not flagged as diverged", outcome.loss_train));
    }
    None
}

/// A barrier lies between the ends of two trials: its digests are those of their outcomes.
fn check_barriers(reader: &Reader<'_>, id: SweepId, report: &mut VerifyReport) -> Result<(), StoreError> {
    for (pair, (barrier, _)) in reader.barriers(id)? {
        for (trial, digest) in [(pair.a, barrier.digest_a), (pair.b, barrier.digest_b)] {
            let problem = match reader.outcome(id, trial.experiment, trial.restart)? {
                None => "which has no outcome",
                Some((outcome, _)) if outcome.digest != digest => "which ended elsewhere",
                Some(_) => continue,
            };
            let name = barriers::trial_name(trial);
            report.findings.push(format!("sweep {}: a barrier is measured at {name}, {problem}", id.short()));
        }
    }
    Ok(())
}

/// A divergence is of a trial that has an outcome, and differs from it.
fn check_divergences(reader: &Reader<'_>, id: SweepId, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut divergences = Vec::new();
    let scanned = reader.database.scan(&key::divergences_of(id), |bytes, value| {
        if let (Some(Key::Divergence { experiment, restart, .. }), Ok((_, record))) =
            (Key::decode(bytes), frame::read::<DivergenceRecord>(bytes, value))
        {
            divergences.push((experiment, restart, record));
        }
        true
    });
    scanned.map_err(|error| error.at(reader.directory))?;
    for (experiment, restart, record) in divergences {
        let block = record.outcome.and_then(|block| block::decode(&block).ok());
        let later = block.and_then(|(outcomes, _)| outcomes.into_iter().next());
        let stored = reader.outcome(id, experiment, restart)?;
        let problem = match (stored, later) {
            (_, None) => "holds no outcome",
            (None, _) => "is of a trial without an outcome",
            (Some((stored, _)), Some(later)) if stored.same_bits(&later) => {
                "does not differ from what is stored"
            }
            _ => continue,
        };
        report.findings.push(format!(
            "sweep {}, experiment {}, restart {restart}: a divergence {problem}",
            id.short(),
            experiment.0
        ));
    }
    Ok(())
}
