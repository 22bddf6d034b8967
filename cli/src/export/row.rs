//! The columns of an outcome row, and one row's cells.

use seedsweep_common::digest::write_hex;
use seedsweep_common::measure::Measured;
use seedsweep_common::outcome::{Outcome, Provenance};
use seedsweep_common::plan;
use seedsweep_common::spec::SweepSpec;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use serde_json::{Value, json};

use super::Format;
use super::float_hex::float_hex;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Not known, or not defined for this row.
    Missing,
    /// Text of somebody else's.
    Text(String),
    /// Digits of our own making: no spreadsheet's formula.
    Digits(String),
    /// A count or a number of something.
    Integer(u64),
    /// A measured number.
    Float(f64),
    /// A value with a structure, or of a type that a spec decides.
    Json(Value),
}

/// The columns before those of parameters.
const BEFORE_PARAMETERS: [&str; 3] = ["experiment", "restart", "start"];

/// The columns of one sweep's rows.
pub(crate) struct Layout {
    columns: Vec<String>,
    /// By experiment, the values of the keys that any experiment overrides or the grid sets.
    values: Vec<Vec<Cell>>,
    measures: bool,
}

impl Layout {
    /// The columns of `spec`'s rows in `format`.
    pub(crate) fn new(spec: &SweepSpec, format: Format) -> Self {
        let mut parameters: Vec<String> = Vec::new();
        for parameter in spec.experiments.iter().flat_map(|experiment| &experiment.parameters) {
            if !parameters.contains(&parameter.path) {
                parameters.push(parameter.path.clone());
            }
        }
        let values = spec.experiments.iter().map(|experiment| {
            let value = |path: &String| experiment.value(path).map_or(Cell::Missing, parameter_cell);
            parameters.iter().map(value).collect()
        });
        let values = values.collect();
        // A CSV cell cannot hold a series.
        let measures = format != Format::Csv;
        let mut columns = to_strings(&BEFORE_PARAMETERS);
        columns.extend(parameters.iter().cloned());
        columns.extend(to_strings(&[
            "stop_reason",
            "certificate",
            "steps",
            "loss_train",
            "loss_train_hex",
            "loss_test",
            "accuracy_train",
            "accuracy_test",
            "grad_norm",
            "loss_polished",
            "polish_displacement",
            "polish_steps",
            "digest",
            "sketches",
        ]));
        if measures {
            columns.push("measures".to_owned());
        }
        columns.extend(to_strings(&[
            "basin_raw",
            "basin_canonical",
            "basin_function",
            "engine",
            "build",
            "attempt",
            "worker",
            "duration_ms",
        ]));
        Self { columns, values, measures }
    }

    /// The names of the columns in their order.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The value that each experiment has in column `at`; `None` where that is no parameter.
    pub(crate) fn parameter_values(&self, at: usize) -> Option<impl Iterator<Item = &Cell> + Clone> {
        let parameter = at.checked_sub(BEFORE_PARAMETERS.len())?;
        let is_one = self.values.iter().all(|values| parameter < values.len());
        is_one.then(|| self.values.iter().map(move |values| &values[parameter]))
    }

    /// The cells of `row`, one per column.
    pub(crate) fn cells(&self, spec: &SweepSpec, row: &v1::OutcomeRow) -> Result<Vec<Cell>, CliError> {
        let broken =
            |problem: &str| CliError::new(Kind::Bug, format!("the coordinator sent a row that {problem}"));
        let experiment = spec
            .experiments
            .get(row.experiment as usize)
            .ok_or_else(|| broken("belongs to no experiment of the spec"))?;
        let outcome = row.outcome.as_ref().ok_or_else(|| broken("has no outcome"))?;
        let outcome = Outcome::try_from(outcome).map_err(|error| {
            CliError::caused(Kind::Bug, "the coordinator sent a row that is wrong", &error)
        })?;
        let provenance =
            Provenance::from(row.provenance.as_ref().ok_or_else(|| broken("has no provenance"))?);

        let mut cells = vec![
            Cell::Text(experiment.name.to_string()),
            Cell::Integer(outcome.restart.into()),
            Cell::Integer(plan::streams(experiment, outcome.restart).init),
        ];
        cells.extend(self.values[row.experiment as usize].iter().cloned());
        cells.extend(outcome_cells(&outcome));
        if self.measures {
            cells.push(measures_cell(&outcome.measures));
        }
        let basin = |number: Option<u32>| number.map_or(Cell::Missing, |n| Cell::Integer(n.into()));
        cells.extend([basin(row.basin_raw), basin(row.basin_canonical), basin(row.basin_function)]);
        cells.extend([
            Cell::Text(provenance.engine),
            Cell::Text(provenance.build),
            Cell::Integer(provenance.attempt.into()),
            Cell::Text(provenance.worker),
            Cell::Integer(provenance.duration_ms),
        ]);
        debug_assert_eq!(cells.len(), self.columns.len());
        Ok(cells)
    }
}

fn outcome_cells(outcome: &Outcome) -> [Cell; 14] {
    let optional = |number: Option<f64>| number.map_or(Cell::Missing, Cell::Float);
    let polish = outcome.polish.as_ref();
    let mut digest = String::with_capacity(2 * outcome.digest.len());
    // Writing to a string cannot fail.
    let _ = write_hex(&mut digest, &outcome.digest);
    [
        Cell::Text(outcome.stop_reason.name().to_owned()),
        outcome.certificate().map_or(Cell::Missing, |certificate| Cell::Text(certificate.name().to_owned())),
        Cell::Integer(outcome.steps),
        Cell::Float(outcome.loss_train),
        Cell::Digits(float_hex(outcome.loss_train)),
        optional(outcome.loss_test),
        optional(outcome.accuracy_train),
        optional(outcome.accuracy_test),
        Cell::Float(outcome.grad_norm),
        optional(polish.map(|polish| polish.loss)),
        optional(polish.map(|polish| polish.displacement)),
        polish.map_or(Cell::Missing, |polish| Cell::Integer(polish.steps.into())),
        Cell::Digits(digest),
        Cell::Json(json!({
            "raw": numbers(&outcome.sketch_raw),
            "canonical": outcome.sketch_canonical.as_ref().map(|sketch| numbers(sketch)),
            "function": numbers(&outcome.sketch_function),
        })),
    ]
}

/// Each series by its name: [[step, value], …].
fn measures_cell(measures: &[Measured]) -> Cell {
    if measures.is_empty() {
        return Cell::Missing;
    }
    let mut all = serde_json::Map::new();
    for Measured { steps, series } in measures {
        for one in series {
            let points = steps.iter().zip(&one.values).map(|(step, &value)| json!([step, number(value)]));
            all.insert(one.name(), Value::Array(points.collect()));
        }
    }
    Cell::Json(Value::Object(all))
}

fn numbers(values: &[f64]) -> Vec<Value> {
    values.iter().copied().map(number).collect()
}

/// A number, or the name of one that JSON lacks.
pub(crate) fn number(value: f64) -> Value {
    match super::float(value) {
        Ok(_) => json!(value),
        Err(name) => json!(name),
    }
}

fn parameter_cell(value: impl serde::Serialize) -> Cell {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Cell::Text(text),
        Ok(other) => Cell::Json(other),
        Err(_) => Cell::Missing,
    }
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

impl Cell {
    /// The value with as many digits as people read.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Missing => "-".to_owned(),
            Self::Text(text) | Self::Digits(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) if *number == 0.0 => "0".to_owned(),
            Self::Float(number) if (1e-3..1e5).contains(&number.abs()) => format!("{number:.6}"),
            Self::Float(number) => format!("{number:.4e}"),
            Self::Json(value) => value.to_string(),
        }
    }
}
