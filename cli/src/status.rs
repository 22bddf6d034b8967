//! States of sweeps, for people and for programs (schema `seedsweep.status/1`).

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use seedsweep_common::duration;
use seedsweep_proto::v1;
use seedsweep_shell::output::escape;
use serde::Serialize;

use crate::progress;

/// Characters of a failure's cause that tables show.
const CAUSE_CHARS: usize = 300;

/// The name of a state in tables and JSON.
pub(crate) fn state(sweep: &v1::Sweep) -> &'static str {
    match sweep.state() {
        v1::SweepState::Running => "running",
        v1::SweepState::Done => "done",
        v1::SweepState::Cancelled => "cancelled",
        v1::SweepState::Unspecified => "unknown",
    }
}

/// The digits of an id that people see and type.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// One value of schema `seedsweep.status/1`.
#[derive(Serialize)]
pub(crate) struct StatusJson<'a> {
    schema: &'static str,
    sweeps: Vec<SweepJson<'a>>,
    workers: WorkersJson,
    store_problem: Option<&'a str>,
}

/// One sweep in that schema.
#[derive(Serialize)]
pub(crate) struct SweepJson<'a> {
    id: &'a str,
    name: &'a str,
    state: &'static str,
    submitted: String,
    trials: TrialsJson,
    /// Only where barriers are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    barriers: Option<TrialsJson>,
    experiments: Vec<ExperimentJson<'a>>,
    audits: AuditsJson,
    duplicates: u64,
    trials_per_s: Option<f64>,
    eta_s: Option<f64>,
    training_trials_per_slot_s: Option<f64>,
    polish_trials_per_slot_s: Option<f64>,
    of_peak: Option<f64>,
    /// Only where one sweep was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<FailureJson<'a>>>,
    /// Only where one sweep was asked for and barriers of it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_barriers: Option<FailedBarriersJson<'a>>,
}

/// Barriers of which every attempt failed, with the cause that most of them have.
#[derive(Serialize)]
struct FailedBarriersJson<'a> {
    count: u64,
    cause: &'a str,
    with_cause: u64,
}

/// A failed trial in that schema.
#[derive(Serialize)]
struct FailureJson<'a> {
    experiment: &'a str,
    restart: u32,
    cause: &'a str,
}

#[derive(Serialize)]
struct ExperimentJson<'a> {
    name: &'a str,
    trials: TrialsJson,
}

#[derive(Serialize)]
struct TrialsJson {
    total: u64,
    done: u64,
    failed: u64,
    diverged: u64,
    cancelled: u64,
    skipped: u64,
    pending: u64,
    leased: u64,
}

#[derive(Serialize)]
struct AuditsJson {
    passed: u64,
    divergences: u64,
}

#[derive(Serialize)]
struct WorkersJson {
    live: u32,
    slots: u32,
    kinds: Vec<KindJson>,
}

/// Workers that run on the same.
#[derive(Serialize)]
struct KindJson {
    lanes: String,
    axis: String,
    live: u32,
    slots: u32,
}

impl From<v1::WorkerKind> for KindJson {
    fn from(kind: v1::WorkerKind) -> Self {
        let v1::WorkerKind { lanes, axis, live, slots } = kind;
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        Self { lanes: or(lanes, "unknown"), axis: or(axis, "auto"), live, slots }
    }
}

impl<'a> StatusJson<'a> {
    /// The states of all sweeps and who works on them.
    pub(crate) fn all(answer: &'a v1::ListSweepsResponse) -> Self {
        let sweeps = answer.sweeps.iter().map(SweepJson::from).collect();
        Self::new(sweeps, answer.workers.clone(), &answer.store_problem)
    }

    /// The state of `sweep`, its first failures and who works.
    pub(crate) fn one(sweep: &'a v1::Sweep, answer: &'a v1::GetSweepResponse) -> Self {
        let failures = answer.failures.iter().map(|f| FailureJson {
            experiment: &f.experiment,
            restart: f.restart,
            cause: &f.cause,
        });
        let failed_barriers = answer.failed_barriers.as_ref().map(|failed| FailedBarriersJson {
            count: failed.count,
            cause: &failed.cause,
            with_cause: failed.with_cause,
        });
        let sweep = SweepJson { failures: Some(failures.collect()), failed_barriers, ..sweep.into() };
        Self::new(vec![sweep], answer.workers.clone(), &answer.store_problem)
    }

    fn new(sweeps: Vec<SweepJson<'a>>, workers: Option<v1::WorkerCounts>, store_problem: &'a str) -> Self {
        let v1::WorkerCounts { live, slots, kinds } = workers.unwrap_or_default();
        let kinds = kinds.into_iter().map(KindJson::from).collect();
        Self {
            schema: "seedsweep.status/1",
            sweeps,
            workers: WorkersJson { live, slots, kinds },
            store_problem: problem(store_problem),
        }
    }
}

/// Why the store takes nothing in; `None` while all is well.
pub(crate) fn problem(store_problem: &str) -> Option<&str> {
    Some(store_problem).filter(|problem| !problem.is_empty())
}

impl<'a> From<&'a v1::Sweep> for SweepJson<'a> {
    fn from(sweep: &'a v1::Sweep) -> Self {
        let experiment = |e: &'a v1::ExperimentStatus| ExperimentJson {
            name: &e.name,
            trials: e.trials.unwrap_or_default().into(),
        };
        Self {
            id: &sweep.id,
            name: &sweep.name,
            state: state(sweep),
            submitted: time(sweep.submitted_unix_ms),
            trials: sweep.trials.unwrap_or_default().into(),
            barriers: sweep.barriers.map(TrialsJson::from),
            experiments: sweep.experiments.iter().map(experiment).collect(),
            audits: AuditsJson { passed: sweep.audits_passed, divergences: sweep.divergences },
            duplicates: sweep.duplicates,
            trials_per_s: sweep.trials_per_s,
            eta_s: sweep.eta_s,
            training_trials_per_slot_s: sweep.training_trials_per_slot_s,
            polish_trials_per_slot_s: sweep.polish_trials_per_slot_s,
            of_peak: sweep.of_peak,
            failures: None,
            failed_barriers: None,
        }
    }
}

impl From<v1::TrialCounts> for TrialsJson {
    fn from(trials: v1::TrialCounts) -> Self {
        let v1::TrialCounts { total, done, failed, diverged, cancelled, skipped, pending, leased } = trials;
        Self { total, done, failed, diverged, cancelled, skipped, pending, leased }
    }
}

/// A table in the look of all tables; columns of numbers are aligned right.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    printed(&arranged(header, &rows.into_iter().collect::<Vec<_>>()))
}

/// The same in lines of at most `width` characters, if it is enough that column `wraps` takes several.
pub(crate) fn table_within(
    width: usize,
    wraps: usize,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = arranged(header, &rows.into_iter().collect::<Vec<_>>());
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    for (index, column) in table.column_iter_mut().enumerate() {
        if index != wraps {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    printed(&table)
}

fn arranged(header: &[&str], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell)).collect::<Vec<_>>());
    }
    let is_number = |cell: &String| cell == "-" || cell.parse::<f64>().is_ok();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 && rows.iter().all(|row| row.get(index).is_some_and(is_number)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn printed(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A line per sweep: how far it is.
pub(crate) fn sweeps_table(answer: &v1::ListSweepsResponse) -> String {
    let header =
        ["id", "name", "state", "trials", "done", "failed", "diverged", "running", "trials/s", "left"];
    let rows = answer.sweeps.iter().map(|sweep| {
        let trials = sweep.trials.unwrap_or_default();
        let mut row = vec![short(&sweep.id).to_owned(), sweep.name.clone(), state(sweep).to_owned()];
        row.extend(
            [trials.total, trials.done, trials.failed, trials.diverged, trials.leased].map(|n| n.to_string()),
        );
        row.push(sweep.trials_per_s.map_or_else(|| "-".to_owned(), progress::rate_text));
        row.push(sweep.eta_s.map_or_else(|| "-".to_owned(), duration::human));
        row
    });
    let mut lines = vec![table(&header, rows)];
    if answer.sweeps.iter().any(|sweep| sweep.trials.is_some_and(|trials| trials.failed > 0)) {
        lines.push("`seedsweep status SWEEP` says why trials failed".to_owned());
    }
    lines.push(workers_line(answer.workers.as_ref(), &answer.sweeps));
    lines.extend(problem(&answer.store_problem).map(problem_line));
    lines.join("\n")
}

/// One sweep with a line per experiment, and the first of its failed trials.
pub(crate) fn sweep_table(sweep: &v1::Sweep, answer: &v1::GetSweepResponse) -> String {
    let header = ["experiment", "trials", "done", "failed", "diverged", "running", "pending", "cancelled"];
    let rows = sweep.experiments.iter().map(|experiment| {
        let trials = experiment.trials.unwrap_or_default();
        let mut row = vec![experiment.name.clone()];
        row.extend(
            [
                trials.total,
                trials.done,
                trials.failed,
                trials.diverged,
                trials.leased,
                trials.pending,
                trials.cancelled,
            ]
            .map(|n| n.to_string()),
        );
        row
    });
    let mut lines = vec![
        format!(
            "{} {} · {} · submitted {}",
            short(&sweep.id),
            escape(&sweep.name),
            state(sweep),
            time(sweep.submitted_unix_ms)
        ),
        progress::line(sweep).trim_start().to_owned(),
        table(&header, rows),
    ];
    lines.extend(progress::effort(sweep));
    if sweep.duplicates > 0 {
        lines.push(format!("{} repeated reports, equal to what was stored", sweep.duplicates));
    }
    if sweep.divergences > 0 {
        lines.push(format!(
            "{} reports DIFFER from what is stored: a machine computes wrong",
            sweep.divergences
        ));
    }
    let failed = sweep.trials.unwrap_or_default().failed;
    if failed > 0 {
        lines.push("failed trials".to_owned());
        lines.extend(failure_lines(failed, &answer.failures));
    }
    lines.extend(answer.failed_barriers.as_ref().map(failed_barriers_line));
    lines.push(workers_line(answer.workers.as_ref(), std::slice::from_ref(sweep)));
    lines.extend(problem(&answer.store_problem).map(problem_line));
    lines.join("\n")
}

/// A line for each of `failures`, the first of `failed` failed trials, and one for the rest.
pub(crate) fn failure_lines(failed: u64, failures: &[v1::FailedTrial]) -> Vec<String> {
    let mut lines: Vec<String> = failures
        .iter()
        .map(|failure| {
            let cause = brief(&failure.cause);
            escape(&format!("  {} restart {}: {cause}", failure.experiment, failure.restart))
        })
        .collect();
    match failed.saturating_sub(failures.len() as u64) {
        0 => {}
        1 => lines.push("  and 1 more".to_owned()),
        more => lines.push(format!("  and {more} more")),
    }
    lines
}

/// How many barriers could not be measured, and why.
fn failed_barriers_line(failed: &v1::FailedBarriers) -> String {
    let v1::FailedBarriers { count, cause, with_cause } = failed;
    let whose = match (count, with_cause) {
        (1, _) => "1 failed barrier".to_owned(),
        (count, with) if count == with => format!("{count} failed barriers, each"),
        (count, with) => format!("{count} failed barriers, {with} of them"),
    };
    escape(&format!("{whose}: {}", brief(cause)))
}

/// A cause on one line of bearable length; JSON has all of it.
fn brief(cause: &str) -> String {
    let words = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(CAUSE_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// What people are told when the store takes nothing in.
pub(crate) fn problem_line(problem: &str) -> String {
    format!("the store takes nothing in: {}", escape(problem))
}

/// Who works, and whether `sweeps` wait for somebody to.
fn workers_line(workers: Option<&v1::WorkerCounts>, sweeps: &[v1::Sweep]) -> String {
    let waiting = sweeps.iter().any(|sweep| sweep.state() == v1::SweepState::Running);
    let Some(workers) = workers.filter(|workers| workers.live > 0) else {
        return if waiting { "no workers: trials wait until one joins" } else { "no workers" }.to_owned();
    };
    let plural = |n: u32, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
    let counts = format!("{} with {}", plural(workers.live, "worker"), plural(workers.slots, "slot"));
    let kind = |kind: &v1::WorkerKind| {
        let axis = if kind.axis.is_empty() { String::new() } else { format!(" by {}", kind.axis) };
        escape(&format!("{}{axis}", kind.lanes))
    };
    match &workers.kinds[..] {
        [] => counts,
        [one] if one.lanes.is_empty() => counts,
        [one] => format!("{counts}: {} lanes", kind(one)),
        several => {
            let kinds = several.iter().map(|several| format!("{} {}", several.live, kind(several)));
            format!("{counts}: {}", kinds.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn time(unix_ms: u64) -> String {
    let (days, seconds) = (unix_ms / 86_400_000, unix_ms / 1000 % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Date of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    // date -u -d @N +%FT%TZ (GNU coreutils 9.1)
    #[test]
    fn times_are_those_of_date() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_515_000, "2026-11-24T10:10:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds * 1000), text);
        }
    }

    fn sweep() -> v1::Sweep {
        let trials = v1::TrialCounts { total: 40, done: 17, failed: 23, ..Default::default() };
        v1::Sweep {
            id: "ab".repeat(32),
            name: "x".into(),
            state: 1,
            trials: Some(trials),
            ..Default::default()
        }
    }

    fn failure(restart: u32, cause: &str) -> v1::FailedTrial {
        v1::FailedTrial { experiment: "a".into(), restart, cause: cause.into() }
    }

    #[test]
    fn status_json_has_the_published_fields() {
        let kind = v1::WorkerKind { lanes: "avx2".into(), axis: String::new(), live: 2, slots: 8 };
        let workers = Some(v1::WorkerCounts { live: 2, slots: 8, kinds: vec![kind] });
        let answer = v1::ListSweepsResponse { sweeps: vec![sweep()], workers, store_problem: String::new() };
        let json = serde_json::to_value(StatusJson::all(&answer)).unwrap();
        assert_eq!(json["schema"], "seedsweep.status/1");
        assert_eq!(json["workers"]["slots"], 8);
        let kind = serde_json::json!({ "lanes": "avx2", "axis": "auto", "live": 2, "slots": 8 });
        assert_eq!(json["workers"]["kinds"], serde_json::json!([kind]));
        assert_eq!(json.get("store_problem"), Some(&serde_json::Value::Null));
        let sweep = &json["sweeps"][0];
        assert_eq!(sweep["state"], "running");
        for field in ["total", "done", "failed", "diverged", "cancelled", "skipped", "pending", "leased"] {
            assert!(sweep["trials"][field].is_u64(), "{field}");
        }
        let speeds =
            ["trials_per_s", "eta_s", "training_trials_per_slot_s", "polish_trials_per_slot_s", "of_peak"];
        for field in ["id", "name", "audits", "duplicates"].into_iter().chain(speeds) {
            assert!(sweep.get(field).is_some(), "{field}");
        }
        assert!(sweep.get("failures").is_none(), "nobody asked for the failures of all sweeps");
    }

    #[test]
    fn status_of_one_sweep_names_failed_trials_and_what_the_store_suffers_from() {
        let answer = v1::GetSweepResponse {
            failures: vec![
                failure(3, "panicked:\n  index out of \u{1b}bounds"),
                failure(9, &"é".repeat(400)),
            ],
            store_problem: "the disk is full".into(),
            ..Default::default()
        };
        let json = serde_json::to_value(StatusJson::one(&sweep(), &answer)).unwrap();
        assert_eq!(json["sweeps"][0]["failures"][0]["restart"], 3);
        assert_eq!(json["sweeps"][0]["failures"][1]["cause"], "é".repeat(400), "programs get all of it");
        assert_eq!(json["store_problem"], "the disk is full");
        let table = sweep_table(&sweep(), &answer);
        let lines: Vec<&str> = table.lines().collect();
        let from = lines.iter().position(|line| *line == "failed trials").unwrap();
        assert_eq!(lines[from + 1], "  a restart 3: panicked: index out of \\u{1b}bounds");
        assert_eq!(lines[from + 2], format!("  a restart 9: {}…", "é".repeat(CAUSE_CHARS)));
        assert_eq!(lines[from + 3], "  and 21 more");
        assert_eq!(
            lines[from + 4..],
            ["no workers: trials wait until one joins", "the store takes nothing in: the disk is full"]
        );
    }

    #[test]
    fn status_of_one_sweep_says_how_many_barriers_failed_and_why() {
        let failed =
            |count, with_cause| v1::FailedBarriers { count, cause: "panic:\n  x".into(), with_cause };
        assert_eq!(failed_barriers_line(&failed(1, 1)), "1 failed barrier: panic: x");
        assert_eq!(failed_barriers_line(&failed(3, 3)), "3 failed barriers, each: panic: x");
        let answer = v1::GetSweepResponse { failed_barriers: Some(failed(3, 2)), ..Default::default() };
        let table = sweep_table(&sweep(), &answer);
        assert!(table.lines().any(|line| line == "3 failed barriers, 2 of them: panic: x"), "{table}");
        let json = serde_json::to_value(StatusJson::one(&sweep(), &answer)).unwrap();
        let told = serde_json::json!({ "count": 3, "cause": "panic:\n  x", "with_cause": 2 });
        assert_eq!(json["sweeps"][0]["failed_barriers"], told);
        let json = serde_json::to_value(StatusJson::one(&sweep(), &v1::GetSweepResponse::default())).unwrap();
        assert!(json["sweeps"][0].get("failed_barriers").is_none());
    }

    #[test]
    fn a_table_of_all_sweeps_says_where_failures_are_named_and_that_trials_wait() {
        let mut answer = v1::ListSweepsResponse { sweeps: vec![sweep()], ..Default::default() };
        let table = sweeps_table(&answer);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        let hint = "`seedsweep status SWEEP` says why trials failed";
        assert_eq!(lines, [hint, "no workers: trials wait until one joins"]);
        answer.sweeps[0].trials = None;
        answer.sweeps[0].set_state(v1::SweepState::Done);
        assert_eq!(sweeps_table(&answer).lines().last(), Some("no workers"));
    }

    #[test]
    fn workers_are_told_apart_by_what_they_run_on() {
        let kind = |lanes: &str, axis: &str, live| v1::WorkerKind {
            lanes: lanes.into(),
            axis: axis.into(),
            live,
            slots: live,
        };
        let line = |live, kinds| workers_line(Some(&v1::WorkerCounts { live, slots: live, kinds }), &[]);
        assert_eq!(line(1, vec![]), "1 worker with 1 slot");
        assert_eq!(line(2, vec![kind("avx512", "", 2)]), "2 workers with 2 slots: avx512 lanes");
        let mixed = vec![kind("avx2", "", 1), kind("avx512", "unit", 2)];
        assert_eq!(line(3, mixed), "3 workers with 3 slots: 1 avx2, 2 avx512 by unit");
    }

    #[test]
    fn all_failures_are_told_where_they_are_few() {
        assert_eq!(failure_lines(0, &[]), [""; 0]);
        assert_eq!(failure_lines(1, &[failure(7, "x")]), ["  a restart 7: x"]);
        assert_eq!(failure_lines(2, &[failure(7, "x")]), ["  a restart 7: x", "  and 1 more"]);
    }
}
