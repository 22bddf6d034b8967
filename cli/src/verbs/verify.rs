//! `seedsweep verify`: whether what is stored of a sweep is what training gives: counts, digests, the report computed
//! again, and a sample of its trials trained again.

mod barriers;
mod borders;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use indicatif::ProgressBar;
use seedsweep_common::analysis::report::{ExperimentReport, ExtensionReport, Report, StoppingReport};
use seedsweep_common::analysis::{self, stopping};
use seedsweep_common::audit;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::progress::{ExperimentProgress, Extension, Looks, StoppedBy, SweepState, TrialCounts};
use seedsweep_proto::v1;
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_shell::signals::Interrupts;
use seedsweep_worker::train::{Prepared, TrainError};
use serde::Serialize;

use crate::args;
use crate::args::{Format, Share};
use crate::config::Target;
use crate::difference::differences;
use crate::session;
use crate::status;
use crate::stored::{Row, Stored, until_interrupted};
use barriers::Barriers;
use borders::Borders;

/// Problems of one check that are shown; `found` counts them all.
const SHOWN: usize = 10;

/// One value of schema `seedsweep.verify/1`.
#[derive(Serialize)]
struct VerifyJson<'a> {
    schema: &'static str,
    sweep: &'a str,
    state: &'static str,
    checks: &'a [Check],
    sound: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    /// What was looked at, or why nothing was.
    looked_at: String,
    /// How many problems there are.
    found: usize,
    /// The first of them.
    problems: Vec<String>,
}

impl Check {
    fn new(name: &'static str, looked_at: String, mut problems: Vec<String>) -> Self {
        let found = problems.len();
        problems.truncate(SHOWN);
        Self { name, looked_at, found, problems }
    }
}

/// Checks a sweep and says what is wrong with it.
pub(crate) async fn run(args: args::Verify) -> Result<Exit, CliError> {
    let target = Target::new(&args.selector.target)?;
    let interrupts = Interrupts::listen()?;
    let (stored, rows, report) = session::ask(&target, async |client| {
        let stored = Stored::fetch(client, &args.selector.sweep).await?;
        let rows = stored.rows(client, "").await?;
        let report = client.report(&stored.id).await?;
        Ok((stored, rows, report))
    })
    .await?;
    let mut checks = vec![digests(&stored), counts(&stored, &rows), recomputed(&stored, &rows, &report)];
    // who wants nothing trained again wants no borders either
    let borders = Borders::new(&stored, if args.sample.0 > 0.0 { &rows } else { &[] })?;
    let barriers = Barriers::draw(&stored, args.sample, args.draw)?;
    let sample = Sample::draw(&stored, rows, args.sample, args.draw)?;
    let slots = args.slots.count();
    let trained = until_interrupted(interrupts, move |cancelled| {
        let mut checks = vec![sample.train(slots, cancelled)?, borders.compare(slots, cancelled)?];
        if let Some(barriers) = barriers {
            checks.push(barriers.measure(slots, cancelled)?);
        }
        Ok(checks)
    });
    checks.extend(trained.await?);
    print(&stored, &checks, args.output)?;
    let sound = checks.iter().all(|check| check.found == 0);
    Ok(if sound { exit::FINE } else { exit::BAD_NEWS })
}

fn print(stored: &Stored, checks: &[Check], form: Format) -> Result<(), CliError> {
    let sound = checks.iter().all(|check| check.found == 0);
    if form == Format::Json {
        let state = status::state(&stored.sweep);
        let json = VerifyJson { schema: "seedsweep.verify/1", sweep: &stored.id, state, checks, sound };
        return output::line(&output::json(&json));
    }
    let rows = checks.iter().map(|check| {
        let result = match check.found {
            0 => "sound".to_owned(),
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        vec![check.name.to_owned(), result, check.looked_at.clone()]
    });
    output::line(&status::table(&["check", "result", "looked at"], rows))?;
    for check in checks {
        for problem in &check.problems {
            output::line(&format!("problem: {}: {}", check.name, output::escape(problem)))?;
        }
    }
    let name = output::escape(&stored.spec.name.to_string());
    let id = status::short(&stored.id);
    output::line(&format!("{name} ({id}): {}", if sound { "sound" } else { "NOT SOUND" }))
}

/// The id is the digest of the spec; `Stored::fetch` has compared the data files.
fn digests(stored: &Stored) -> Check {
    let found = stored.spec_id().to_string();
    let problems = if found == stored.id {
        Vec::new()
    } else {
        vec![format!("the spec's digest is {found}, the sweep's id {}", stored.id)]
    };
    let files = stored.spec.attachments().len();
    Check::new("digests", format!("the spec, {files} data files"), problems)
}

/// Each trial has at most one row, and there are as many as the coordinator counts.
fn counts(stored: &Stored, rows: &[Row]) -> Check {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let (experiment, restart) = (row.experiment.0, row.outcome.restart);
        let name = || name_of(stored, row.experiment);
        if !seen.insert((experiment, restart)) {
            problems.push(format!("{} restart {restart} is there twice", name()));
        }
        let known = stored.spec.experiments.get(experiment as usize);
        if known.is_none_or(|experiment| restart >= experiment.restarts) {
            problems.push(format!("{} restart {restart} is no trial of the sweep", name()));
        }
    }
    for (index, experiment) in (0..).zip(&stored.sweep.experiments) {
        let counted = experiment.trials.unwrap_or_default();
        let found = rows.iter().filter(|row| row.experiment.0 == index).count() as u64;
        // a running sweep may have stored more since it was counted
        let running = stored.sweep.state() == v1::SweepState::Running;
        if found != counted.done && !(running && found > counted.done) {
            problems.push(format!("{}: {found} rows, but {} trials are done", experiment.name, counted.done));
        }
        if !trial_counts(&counted).is_consistent() {
            problems.push(format!("{}: the counts of its trials do not sum up", experiment.name));
        }
    }
    Check::new("counts", format!("{} rows", rows.len()), problems)
}

/// The report computed here from the rows is the one that the coordinator gives.
fn recomputed(stored: &Stored, rows: &[Row], report: &str) -> Check {
    let name = "report";
    let state = match stored.sweep.state() {
        v1::SweepState::Done => SweepState::Done,
        v1::SweepState::Cancelled => SweepState::Cancelled,
        v1::SweepState::Running | v1::SweepState::Unspecified => {
            return Check::new(name, "nothing: the sweep is still running".to_owned(), Vec::new());
        }
    };
    let told = Report::from_json(report).ok();
    let Some(mut progress) = progress(stored, rows, told.as_ref()) else {
        let looked_at = "nothing: which trials failed is not told".to_owned();
        return Check::new(name, looked_at, Vec::new());
    };
    let experiments = 0..stored.spec.experiments.len() as u32;
    let outcomes: Vec<Vec<Outcome>> = experiments
        .map(|index| {
            let rows = rows.iter().filter(|row| row.experiment.0 == index);
            rows.map(|row| row.outcome.clone()).collect()
        })
        .collect();
    let mut problems = Vec::new();
    for (index, progress) in (0..).zip(&mut progress) {
        problems.extend(look_again(stored, index, progress, &outcomes[index as usize]));
    }
    let mut again = analysis::analyse(&stored.spec, stored.spec_id(), state, &progress, &outcomes);
    again.connect(&stored.barriers);
    if again.report.to_json() != report {
        problems.push("computed again from the rows it has other bytes".to_owned());
    }
    Check::new(name, format!("{} verdicts, byte for byte", outcomes.len()), problems)
}

/// Looks at the rows again, where that can be done: what looks found before an extension is not told. Says if it stopped
/// elsewhere.
fn look_again(
    stored: &Stored,
    index: u32,
    progress: &mut ExperimentProgress,
    rows: &[Outcome],
) -> Option<String> {
    let told = progress.looks?;
    if !progress.extensions.is_empty() {
        return None;
    }
    let index = ExperimentIndex(index);
    let found = stopping::looks(&stored.spec, index, None, progress, rows);
    let found = if told.stop.is_none() { Looks { stop: None, ..found } } else { found };
    let problem = "looked at again, its first restarts do not say what is reported of the looks";
    (found != told).then(|| format!("{}: {problem}", name_of(stored, index)))
}

/// What `report` tells of the looks at an experiment.
fn looks(report: &ExperimentReport) -> Option<Looks> {
    let StoppingReport { looks, restarts, reason } = report.stopping.as_ref()?;
    let stop = reason.as_deref().and_then(StoppedBy::of_name);
    Some(Looks { looks: *looks, restarts: *restarts, stop })
}

/// What `report` tells of the extensions of the experiment called `name`.
fn extensions(report: &Report, name: &str) -> Vec<Extension> {
    let all = report.sweep.extensions.iter().flatten();
    let own = all.filter(|extension| extension.experiment == name);
    own.map(|&ExtensionReport { from, to, .. }| Extension { from, to }).collect()
}

/// What the analysis must know beside the rows; `None` where the failed trials are not known.
fn progress(stored: &Stored, rows: &[Row], told: Option<&Report>) -> Option<Vec<ExperimentProgress>> {
    let experiments = (0..).zip(&stored.sweep.experiments).zip(&stored.spec.experiments);
    let progress = experiments.map(|((index, status), experiment)| {
        let trials = trial_counts(&status.trials.unwrap_or_default());
        let named: Vec<u32> =
            stored.failures.iter().filter(|f| f.experiment == status.name).map(|f| f.restart).collect();
        let failed = if named.len() as u64 == trials.failed {
            named
        } else if trials.done + trials.failed + trials.skipped == trials.total {
            // only the first failures are told, but nothing else can be missing
            let done: BTreeSet<u32> =
                rows.iter().filter(|row| row.experiment.0 == index).map(|row| row.outcome.restart).collect();
            let planned = experiment.restarts.saturating_sub(trials.skipped as u32);
            (0..planned).filter(|restart| !done.contains(restart)).collect()
        } else {
            return None;
        };
        let reported = told.and_then(|report| report.experiments.get(index as usize));
        let extensions = told.map(|report| extensions(report, &status.name)).unwrap_or_default();
        Some(ExperimentProgress { trials, failed, looks: reported.and_then(looks), extensions })
    });
    progress.collect()
}

fn trial_counts(counts: &v1::TrialCounts) -> TrialCounts {
    let v1::TrialCounts { total, done, failed, diverged, cancelled, skipped, pending, leased } = *counts;
    TrialCounts { total, done, failed, diverged, cancelled, skipped, pending, leased }
}

fn name_of(stored: &Stored, experiment: ExperimentIndex) -> String {
    let known = stored.spec.experiments.get(experiment.0 as usize);
    known.map_or_else(|| format!("experiment {}", experiment.0), |experiment| experiment.name.to_string())
}

/// Trials to be trained again.
struct Sample {
    trials: Vec<(String, Row)>,
    /// By experiment; those of which no trial is in the sample are not built.
    prepared: Vec<Option<Prepared>>,
    /// Rows there are.
    of: usize,
}

impl Sample {
    /// A share of each experiment's rows, at least one unless it is 0; which ones, `draw` says.
    fn draw(stored: &Stored, rows: Vec<Row>, share: Share, draw: u64) -> Result<Self, CliError> {
        let of = rows.len();
        let mut by_experiment: Vec<Vec<Row>> = stored.spec.experiments.iter().map(|_| Vec::new()).collect();
        for row in rows {
            if let Some(rows) = by_experiment.get_mut(row.experiment.0 as usize) {
                rows.push(row);
            }
        }
        let mut sample = Self { trials: Vec::new(), prepared: Vec::new(), of };
        for (index, rows) in (0..).zip(by_experiment) {
            let chosen = audit::sample(draw, index, rows.len(), share.0);
            let index = ExperimentIndex(index);
            sample.prepared.push(if chosen.is_empty() { None } else { Some(stored.prepare(index)?) });
            let rows = rows.into_iter().enumerate().filter(|(at, _)| chosen.binary_search(at).is_ok());
            sample.trials.extend(rows.map(|(_, row)| (name_of(stored, index), row)));
        }
        Ok(sample)
    }

    /// Trains each trial by itself, `slots` at a time: another schedule than the one that made the rows, mostly.
    fn train(&self, slots: u32, cancelled: &AtomicBool) -> Result<Check, TrainError> {
        let progress = Progress::new(self.trials.len());
        let found = on_slots(&self.trials, slots, |trial| {
            let problem = self.problem(trial, cancelled)?;
            progress.step();
            Ok(problem)
        })?;
        let mut problems: Vec<String> = found.into_iter().flatten().collect();
        problems.sort();
        let looked_at = format!("{} of {} trials, bit for bit", self.trials.len(), self.of);
        Ok(Check::new("trained again", looked_at, problems))
    }

    fn problem(
        &self,
        (name, row): &(String, Row),
        cancelled: &AtomicBool,
    ) -> Result<Option<String>, TrainError> {
        let Some(Some(prepared)) = self.prepared.get(row.experiment.0 as usize) else { return Ok(None) };
        let restart = row.outcome.restart;
        let found = differences(&row.outcome, &prepared.train(restart, cancelled)?);
        let fields: Vec<&str> = found.iter().map(|difference| difference.field).collect();
        let engine = &row.provenance.engine;
        Ok((!found.is_empty()).then(|| {
            format!(
                "{name} restart {restart} (worker `{}`, engine {engine}) differs in {}",
                row.provenance.worker,
                fields.join(", ")
            )
        }))
    }
}

/// What `work` makes of each item, `slots` at a time, in any order.
fn on_slots<T: Sync, R: Send>(
    items: &[T],
    slots: u32,
    work: impl Fn(&T) -> Result<R, TrainError> + Sync,
) -> Result<Vec<R>, TrainError> {
    let next = AtomicUsize::new(0);
    let found: Result<Vec<Vec<R>>, TrainError> = std::thread::scope(|scope| {
        let slot = || {
            let mut done = Vec::new();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push(work(item)?);
            }
            Ok(done)
        };
        let threads: Vec<_> = (0..slots).map(|_| scope.spawn(slot)).collect();
        // a panic in a training is a bug of ours, and goes on as one
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    Ok(found?.into_iter().flatten().collect())
}

/// How many trials were trained again, on stderr.
struct Progress {
    bar: Option<ProgressBar>,
    done: AtomicUsize,
    of: usize,
}

impl Progress {
    fn new(of: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(of as u64));
        Self { bar, done: AtomicUsize::new(0), of }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) if done == self.of => bar.finish_and_clear(),
            Some(bar) => bar.inc(1),
            None if 10 * done / self.of > 10 * (done - 1) / self.of => {
                output::note(&format!("{:3} %  {done}/{} trained again", 100 * done / self.of, self.of));
            }
            None => {}
        }
    }
}
