//! States of sweeps, for people and for programs (schema `seedsweep.status/1`).

use comfy_table::{CellAlignment, Table, presets};
use seedsweep_proto::v1;
use serde::Serialize;

use crate::output::escape;
use crate::{duration, progress};

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
}

/// One sweep in that schema.
#[derive(Serialize)]
pub(crate) struct SweepJson<'a> {
    id: &'a str,
    name: &'a str,
    state: &'static str,
    submitted: String,
    trials: TrialsJson,
    experiments: Vec<ExperimentJson<'a>>,
    audits: AuditsJson,
    duplicates: u64,
    trials_per_s: Option<f64>,
    eta_s: Option<f64>,
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
}

impl<'a> StatusJson<'a> {
    /// The states of `sweeps` and who works on them.
    pub(crate) fn new(sweeps: &'a [v1::Sweep], workers: &v1::WorkerCounts) -> Self {
        Self {
            schema: "seedsweep.status/1",
            sweeps: sweeps.iter().map(SweepJson::from).collect(),
            workers: WorkersJson { live: workers.live, slots: workers.slots },
        }
    }
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
            experiments: sweep.experiments.iter().map(experiment).collect(),
            audits: AuditsJson { passed: sweep.audits_passed, divergences: sweep.divergences },
            duplicates: sweep.duplicates,
            trials_per_s: sweep.trials_per_s,
            eta_s: sweep.eta_s,
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
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in &rows {
        table.add_row(row.iter().map(|cell| escape(cell)).collect::<Vec<_>>());
    }
    let is_number = |cell: &String| cell == "-" || cell.parse::<f64>().is_ok();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 && rows.iter().all(|row| row.get(index).is_some_and(is_number)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A line per sweep: how far it is.
pub(crate) fn sweeps_table(sweeps: &[v1::Sweep], workers: &v1::WorkerCounts) -> String {
    let header =
        ["id", "name", "state", "trials", "done", "failed", "diverged", "running", "trials/s", "left"];
    let rows = sweeps.iter().map(|sweep| {
        let trials = sweep.trials.unwrap_or_default();
        let mut row = vec![short(&sweep.id).to_owned(), sweep.name.clone(), state(sweep).to_owned()];
        row.extend(
            [trials.total, trials.done, trials.failed, trials.diverged, trials.leased].map(|n| n.to_string()),
        );
        row.push(sweep.trials_per_s.map_or_else(|| "-".to_owned(), progress::rate_text));
        row.push(sweep.eta_s.map_or_else(|| "-".to_owned(), duration::human));
        row
    });
    format!("{}\n{}", table(&header, rows), workers_line(workers))
}

/// One sweep with a line per experiment.
pub(crate) fn sweep_table(sweep: &v1::Sweep, workers: &v1::WorkerCounts) -> String {
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
    if sweep.duplicates > 0 {
        lines.push(format!("{} repeated reports, equal to what was stored", sweep.duplicates));
    }
    if sweep.divergences > 0 {
        lines.push(format!(
            "{} reports DIFFER from what is stored: a machine computes wrong",
            sweep.divergences
        ));
    }
    lines.push(workers_line(workers));
    lines.join("\n")
}

fn workers_line(workers: &v1::WorkerCounts) -> String {
    match workers.live {
        0 => "no workers".to_owned(),
        1 => format!("1 worker with {} slots", workers.slots),
        n => format!("{n} workers with {} slots", workers.slots),
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

    #[test]
    fn status_json_has_the_published_fields() {
        let sweep = v1::Sweep { id: "ab".repeat(32), name: "x".into(), state: 1, ..Default::default() };
        let sweeps = [sweep];
        let json =
            serde_json::to_value(StatusJson::new(&sweeps, &v1::WorkerCounts { live: 2, slots: 8 })).unwrap();
        assert_eq!(json["schema"], "seedsweep.status/1");
        assert_eq!(json["workers"]["slots"], 8);
        let sweep = &json["sweeps"][0];
        assert_eq!(sweep["state"], "running");
        for field in ["total", "done", "failed", "diverged", "cancelled", "skipped", "pending", "leased"] {
            assert!(sweep["trials"][field].is_u64(), "{field}");
        }
        for field in ["id", "name", "audits", "duplicates", "trials_per_s", "eta_s"] {
            assert!(sweep.get(field).is_some(), "{field}");
        }
    }
}
