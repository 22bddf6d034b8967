//! `seedsweep check`: validate a spec with its data, and show what it would do.

use seedsweep_common::plan;
use seedsweep_common::spec::{self, Experiment, ExperimentSummary, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_worker::nn::data;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::status;
use crate::sweep_file::SweepFile;

/// What one experiment would do.
struct Row {
    plan: ExperimentSummary,
    layers: String,
    train_rows: u64,
    test_rows: u64,
    /// Updates of one trial if nothing stops it earlier.
    updates: u64,
    /// Keys that are set for this experiment alone, as `key=value`.
    sets: String,
}

/// Checks the spec and prints the plan.
pub(crate) fn run(args: &args::Check) -> Result<Exit, CliError> {
    let sweep = SweepFile::read(&args.spec.spec, &args.spec.sets)?;
    if args.canonical {
        output::write_all(sweep.spec.canonical().as_bytes())?;
        return Ok(exit::FINE);
    }
    let plans = spec::summary(&sweep.spec).experiments;
    let rows =
        sweep.spec.experiments.iter().zip(plans).map(|(experiment, plan)| row(&sweep, experiment, plan));
    let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
    match args.output {
        Format::Json => output::line(&plan_json(&sweep, &rows))?,
        Format::Table => {
            sweep.print_warnings();
            output::line(&plan_table(&sweep.spec, &rows))?;
        }
    }
    Ok(exit::FINE)
}

fn row(sweep: &SweepFile, experiment: &Experiment, plan: ExperimentSummary) -> Result<Row, CliError> {
    let loss = experiment.train.loss;
    let content = |digest| sweep.content(digest);
    let rows = data::load(&experiment.data, &experiment.network, loss, sweep.spec.seed, 0, &content)
        .map_err(|error| CliError::caused(Kind::Spec, format!("experiment `{}`", experiment.name), &error))?;
    let train_rows = rows.train.features.nrows() as u64;
    let layers: Vec<String> = experiment.network.sizes().iter().map(u32::to_string).collect();
    let sets = experiment.parameters.iter().map(|set| format!("{}={}", set.path, set.value));
    let sets: Vec<String> = sets.collect();
    Ok(Row {
        plan,
        layers: layers.join("-"),
        train_rows,
        test_rows: rows.test.features.nrows() as u64,
        updates: plan::updates(&experiment.train, train_rows).unwrap_or(u64::MAX),
        sets: sets.join(" "),
    })
}

fn varies(plan: &ExperimentSummary) -> String {
    match (plan.vary.join(", "), plan.can_vary) {
        (names, _) if names.is_empty() => "nothing".to_owned(),
        (names, true) => names,
        (names, false) => format!("{names} (no effect)"),
    }
}

/// Distinct starts times the runs of each: `60 x 4`.
fn starts_by_runs(plan: &ExperimentSummary) -> String {
    let starts = plan.starts.clamp(1, plan.restarts);
    format!("{starts} x {}", plan.restarts.div_ceil(starts))
}

fn plan_table(spec: &SweepSpec, rows: &[Row]) -> String {
    let mut header = vec![
        "experiment",
        "network",
        "parameters",
        "rows",
        "start",
        "varies",
        "start x runs",
        "unit",
        "updates",
        "trials",
    ];
    let any_sets = rows.iter().any(|row| !row.sets.is_empty());
    if any_sets {
        header.push("sets");
    }
    let lines = rows.iter().map(|row| {
        let plan = &row.plan;
        let mut cells = vec![
            plan.name.clone(),
            row.layers.clone(),
            plan.parameters.to_string(),
            format!("{}+{}", row.train_rows, row.test_rows),
            plan.init.to_owned(),
            varies(plan),
            starts_by_runs(plan),
            plan.unit.name().to_owned(),
            row.updates.to_string(),
            plan.restarts.to_string(),
        ];
        if any_sets {
            cells.push(row.sets.clone());
        }
        cells
    });
    let lines = [
        format!("{} {} · seed {}", spec.id().short(), spec.name, spec.seed),
        status::table(&header, lines),
        format!(
            "{} trials, at most {} updates in all · rows: training+test · unit: what is replicated",
            plan::trials(spec),
            total_updates(rows)
        ),
    ];
    lines.join("\n")
}

fn total_updates(rows: &[Row]) -> u64 {
    rows.iter().fold(0, |sum, row| sum.saturating_add(row.updates.saturating_mul(row.plan.restarts.into())))
}

#[derive(Serialize)]
struct CheckJson<'a> {
    schema: &'static str,
    id: String,
    name: &'a str,
    seed: u64,
    trials: u64,
    updates_at_most: u64,
    experiments: Vec<ExperimentJson<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ExperimentJson<'a> {
    name: &'a str,
    layers: Vec<u32>,
    parameters: u64,
    train_rows: u64,
    test_rows: u64,
    init: &'static str,
    vary: &'a [&'static str],
    can_vary: bool,
    starts: u32,
    orders: Option<u32>,
    restarts: u32,
    unit: &'static str,
    updates_at_most: u64,
}

fn plan_json(sweep: &SweepFile, rows: &[Row]) -> String {
    let experiments = rows.iter().zip(&sweep.spec.experiments).map(|(row, experiment)| ExperimentJson {
        name: &row.plan.name,
        layers: experiment.network.sizes(),
        parameters: row.plan.parameters,
        train_rows: row.train_rows,
        test_rows: row.test_rows,
        init: row.plan.init,
        vary: &row.plan.vary,
        can_vary: row.plan.can_vary,
        starts: row.plan.starts,
        orders: row.plan.orders,
        restarts: row.plan.restarts,
        unit: row.plan.unit.name(),
        updates_at_most: row.updates,
    });
    output::json(&CheckJson {
        schema: "seedsweep.check/1",
        id: sweep.spec.id().to_string(),
        name: sweep.spec.name.as_str(),
        seed: sweep.spec.seed,
        trials: plan::trials(&sweep.spec),
        updates_at_most: total_updates(rows),
        experiments: experiments.collect(),
        warnings: &sweep.warnings,
    })
}
