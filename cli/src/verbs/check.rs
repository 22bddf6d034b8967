//! `seedsweep check`: validate a spec with its data, and show what it would do.

mod barriers;

use seedsweep_common::spec::{self, Experiment, ExperimentSummary, Precision, StopWhen, SweepSpec};
use seedsweep_common::{duration, plan};
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_worker::cost::{self, Estimate, sample};
use seedsweep_worker::means::{Means, human_bytes};
use seedsweep_worker::train::Prepared;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::report::text::paragraph;
use crate::sweep_file::SweepFile;
use crate::{answer, progress, status};
use barriers::{BarrierCost, PairCost};

/// CPU-seconds for which the trials of one experiment, and those of all, are tried out.
const SAMPLED_S: f64 = 0.1;
const ALL_SAMPLED_S: f64 = 1.0;

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
    cost: Cost,
}

/// What a trial of one experiment takes on this machine.
#[derive(Clone, Copy)]
struct Cost {
    estimate: Estimate,
    /// Whether a few trials were trained to tell; else it is from their operations.
    is_sampled: bool,
    /// Bytes of one slot.
    slot_bytes: u64,
    /// Trials in the lanes of one register; 1: each alone.
    side_by_side: u32,
    train_rows: u64,
    test_rows: u64,
    /// Where barriers are to be measured.
    pair: Option<PairCost>,
}

impl Cost {
    /// Of the experiment that `prepared` is, by trials that take `sampled_s` at most.
    fn of(prepared: &mut Prepared, means: &Means, sampled_s: f64) -> Self {
        means.lend(prepared);
        let slot_bytes = prepared.slot_bytes();
        let shape = prepared.shape();
        let estimate = cost::estimate(&shape, means.machine(shape.precision));
        // what does not fit is not tried
        let sampled = match means.allow(slot_bytes) {
            Ok(()) => sample::sample(prepared, estimate, sampled_s),
            Err(_) => None,
        };
        Self {
            estimate: sampled.unwrap_or(estimate),
            is_sampled: sampled.is_some(),
            slot_bytes,
            side_by_side: shape.side_by_side,
            train_rows: shape.train_rows as u64,
            test_rows: shape.test_rows as u64,
            pair: PairCost::of(prepared, means, sampled_s),
        }
    }
}

/// What trains: this machine.
struct Here {
    means: Means,
    slots: u32,
}

impl Here {
    /// Trials of `row` a second, while no other experiment runs.
    fn trials_per_s(&self, row: &Row) -> f64 {
        // fewer trials than slots leave some empty
        f64::from(self.slots.min(row.plan.restarts)) / row.cost.estimate.total_s()
    }

    /// Seconds of all trials of `rows`, with all slots busy to the end.
    fn total_s(&self, rows: &[Row]) -> f64 {
        rows.iter().map(|row| f64::from(row.plan.restarts) / self.trials_per_s(row)).sum()
    }
}

/// Checks the spec and prints the plan.
pub(crate) fn run(args: &args::Check) -> Result<Exit, CliError> {
    let sweep = SweepFile::read(&args.spec.spec, &args.spec.sets)?;
    if args.canonical {
        output::write_all(sweep.spec.canonical().as_bytes())?;
        return Ok(exit::FINE);
    }
    let here = Here { means: args.slots.means()?, slots: args.slots.count() };
    let plans = spec::summary(&sweep.spec).experiments;
    let sampled_s = SAMPLED_S.min(ALL_SAMPLED_S / plans.len().max(1) as f64);
    let costs = sweep.prepare(|prepared| Cost::of(prepared, &here.means, sampled_s))?;
    let rows = sweep.spec.experiments.iter().zip(plans).zip(costs);
    let rows: Vec<Row> = rows.map(|((experiment, plan), cost)| row(experiment, plan, cost)).collect();
    let asked = sweep.spec.experiments.iter().zip(rows.iter().map(|row| row.cost.pair));
    let barriers = BarrierCost::new(asked, here.slots);
    match args.output {
        Format::Json => output::line(&plan_json(&sweep, &rows, barriers, &here))?,
        Format::Table => {
            sweep.print_warnings();
            output::line(&plan_table(&sweep.spec, &rows))?;
            output::line(&cost_table(&rows, barriers.as_ref(), &here))?;
        }
    }
    if let Err(problem) = sweep.check_memory(&here.means) {
        output::note(&format!("warning: this machine cannot run it: {problem}"));
    }
    Ok(exit::FINE)
}

fn row(experiment: &Experiment, plan: ExperimentSummary, cost: Cost) -> Row {
    let Cost { train_rows, test_rows, .. } = cost;
    let layers: Vec<String> = experiment.network.sizes().iter().map(u32::to_string).collect();
    let sets = experiment.parameters.iter().map(|set| format!("{}={}", set.path, set.value));
    let sets: Vec<String> = sets.collect();
    Row {
        plan,
        layers: layers.join("-"),
        train_rows,
        test_rows,
        updates: plan::updates(&experiment.train, train_rows).unwrap_or(u64::MAX),
        sets: sets.join(" "),
        cost,
    }
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
    let ends = rows.iter().filter(|row| row.plan.stop_when.is_some());
    let ends = ends.map(|row| format!("{}: {}", row.plan.name, row.plan.looks()));
    let mut lines = vec![
        format!("{} {} · seed {}", spec.id().short(), spec.name, spec.seed),
        status::table(&header, lines),
        format!(
            "{} trials, at most {} updates in all · rows: training+test · unit: what is replicated",
            plan::trials(spec),
            total_updates(rows)
        ),
    ];
    lines.extend(ends);
    lines.join("\n")
}

fn cost_table(rows: &[Row], barriers: Option<&BarrierCost>, here: &Here) -> String {
    let header = ["experiment", "training", "polish", "trials/s", "in all", "memory", "side by side"];
    let lines = rows.iter().map(|row| {
        let Cost { estimate, is_sampled, slot_bytes, side_by_side, .. } = row.cost;
        let about = if is_sampled { "" } else { "~ " };
        vec![
            row.plan.name.clone(),
            format!("{about}{}", seconds(estimate.training_s)),
            seconds(estimate.polish_s),
            progress::rate_text(here.trials_per_s(row)),
            seconds(here.total_s(std::slice::from_ref(row))),
            human_bytes(slot_bytes),
            side_by_side.to_string(),
        ]
    });
    let slots = if here.slots == 1 { "1 slot".to_owned() } else { format!("{} slots", here.slots) };
    let explained = format!(
        "{} in all · training, polish: of one trial, as the first few took just now; with ~ by counting operations, right to \
         about a third (polish more roughly; trials may stop earlier) · memory: of one slot · side by side: trials that share \
         a register",
        seconds(total_s(rows, barriers, here)),
    );
    let mut lines = vec![
        format!(
            "\non this machine ({slots}, {} lanes, each {:.0} GFLOP/s at most), estimated",
            here.means.lanes_name(),
            here.means.machine(Precision::F32).peak_flops / 1e9,
        ),
        status::table(&header, lines),
    ];
    let in_lines = |text: &str| paragraph("", text, answer::width()).trim_end().to_owned();
    lines.extend(barriers.map(|barriers| in_lines(&barriers.line())));
    lines.push(in_lines(&explained));
    lines.join("\n")
}

/// Seconds of all trials and of what follows them.
fn total_s(rows: &[Row], barriers: Option<&BarrierCost>, here: &Here) -> f64 {
    here.total_s(rows) + barriers.map_or(0.0, |barriers| barriers.total_s)
}

/// A time with as many digits as an estimate deserves.
fn seconds(seconds: f64) -> String {
    match seconds {
        ..1e-3 => format!("{:.0} us", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => duration::human(seconds),
    }
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
    machine: MachineJson,
    estimated_s: f64,
    barriers: Option<BarrierCost>,
    experiments: Vec<ExperimentJson<'a>>,
    warnings: &'a [String],
}

/// What the estimates are for.
#[derive(Serialize)]
struct MachineJson {
    lanes: &'static str,
    slots: u32,
    slot_bytes_at_most: u64,
    peak_gflop_per_s: f64,
}

/// Estimates; `trials_per_s` and `total_s` with all slots at work on this experiment.
#[derive(Serialize)]
struct CostJson {
    training_s: f64,
    polish_s: f64,
    sampled: bool,
    trials_per_s: f64,
    total_s: f64,
    slot_bytes: u64,
    side_by_side: u32,
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
    stop_when: Option<StopWhenJson>,
    unit: &'static str,
    updates_at_most: u64,
    cost: CostJson,
}

/// `restarts` is then the most.
#[derive(Serialize)]
struct StopWhenJson {
    same_pair_width: Option<f64>,
    coverage: Option<f64>,
    max_restarts: u32,
}

fn plan_json(sweep: &SweepFile, rows: &[Row], barriers: Option<BarrierCost>, here: &Here) -> String {
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
        stop_when: row.plan.stop_when.map(|StopWhen { same_pair_width, coverage }| StopWhenJson {
            same_pair_width,
            coverage,
            max_restarts: row.plan.restarts,
        }),
        unit: row.plan.unit.name(),
        updates_at_most: row.updates,
        cost: CostJson {
            training_s: row.cost.estimate.training_s,
            polish_s: row.cost.estimate.polish_s,
            sampled: row.cost.is_sampled,
            trials_per_s: here.trials_per_s(row),
            total_s: here.total_s(std::slice::from_ref(row)),
            slot_bytes: row.cost.slot_bytes,
            side_by_side: row.cost.side_by_side,
        },
    });
    output::json(&CheckJson {
        schema: "seedsweep.check/1",
        id: sweep.spec.id().to_string(),
        name: sweep.spec.name.as_str(),
        seed: sweep.spec.seed,
        trials: plan::trials(&sweep.spec),
        updates_at_most: total_updates(rows),
        machine: MachineJson {
            lanes: here.means.lanes_name(),
            slots: here.slots,
            slot_bytes_at_most: here.means.slot_bytes,
            peak_gflop_per_s: here.means.machine(Precision::F32).peak_flops / 1e9,
        },
        estimated_s: total_s(rows, barriers.as_ref(), here),
        barriers,
        experiments: experiments.collect(),
        warnings: &sweep.warnings,
    })
}
