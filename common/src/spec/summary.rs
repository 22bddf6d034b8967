//! What a sweep will do, for `seedsweep check`: counts, what varies, what is replicated. What it will cost
//! is not known here.

use std::fmt;

use super::model::*;
use crate::analysis::stopping::next_look;
use crate::plan::{self, Unit};

/// The plan of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The sweep's name.
    pub name: String,
    /// The experiments in the order of the report.
    pub experiments: Vec<ExperimentSummary>,
    /// All restarts of all experiments.
    pub trials: u64,
}

/// The plan of one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentSummary {
    /// The experiment's name.
    pub name: String,
    /// The init scheme's name.
    pub init: &'static str,
    /// Trials; with `stop_when` at most.
    pub restarts: u32,
    /// What ends it earlier.
    pub stop_when: Option<StopWhen>,
    /// Distinct starts among them.
    pub starts: u32,
    /// Distinct data orders; `None` if each restart of a start has its own, 1 if there is nothing to shuffle.
    pub orders: Option<u32>,
    /// The streams that change from restart to restart.
    pub vary: Vec<&'static str>,
    /// Whether that can change any outcome.
    pub can_vary: bool,
    /// What the agreement's interval counts.
    pub unit: Unit,
    /// Weights and biases of the network.
    pub parameters: u64,
    /// Rows trained on, where known before the data is read.
    pub training_rows: Option<u64>,
    /// Updates of one trial if nothing stops it earlier, where known before the data is read.
    pub updates: Option<u64>,
}

/// The plan of `spec`.
pub fn summary(spec: &SweepSpec) -> Summary {
    Summary {
        name: spec.name.to_string(),
        experiments: spec.experiments.iter().map(experiment).collect(),
        trials: plan::trials(spec),
    }
}

fn experiment(experiment: &Experiment) -> ExperimentSummary {
    let training_rows = plan::training_rows(&experiment.data);
    let updates = match experiment.train.budget {
        Budget::Steps(steps) => Some(steps),
        Budget::Epochs(epochs) if experiment.train.batch == Batch::Full => Some(epochs),
        Budget::Epochs(_) => training_rows.and_then(|rows| plan::updates(&experiment.train, rows)),
    };
    let starts = match experiment.starts {
        _ if plan::init_matters(experiment) => experiment.restarts,
        starts => starts.unwrap_or(1),
    };
    let orders = if plan::order_matters(experiment) { experiment.orders } else { Some(1) };
    ExperimentSummary {
        name: experiment.name.to_string(),
        init: experiment.init.scheme.name(),
        restarts: experiment.restarts,
        stop_when: experiment.stop_when,
        starts,
        orders,
        vary: experiment.vary.names(),
        can_vary: plan::can_vary(experiment),
        unit: plan::unit(experiment),
        parameters: experiment.network.parameter_count(),
        training_rows,
        updates,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "sweep {}: {}, {}",
            self.name,
            count(self.experiments.len() as u64, "experiment"),
            count(self.trials, "trial")
        )?;
        self.experiments.iter().try_for_each(|experiment| experiment.fmt(f))
    }
}

impl ExperimentSummary {
    /// How many restarts there are, and when an end is looked for: `up to 2000, looked at after 32, 64, 128, …`.
    pub fn looks(&self) -> String {
        const SHOWN: usize = 3;
        let next = |last: &u32| next_look(*last, self.restarts);
        let all: Vec<u32> = std::iter::successors(next_look(0, self.restarts), next).collect();
        let shown: Vec<String> = all.iter().take(SHOWN).map(u32::to_string).collect();
        let more = if all.len() > SHOWN { ", …" } else { "" };
        format!("up to {}, looked at after {}{more}", self.restarts, shown.join(", "))
    }
}

impl fmt::Display for ExperimentSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = match self.orders {
            Some(orders) => count(orders.into(), "order"),
            None => "an order each".to_owned(),
        };
        let vary = match (self.vary.as_slice(), self.can_vary) {
            ([], _) => "nothing (a determinism check)".to_owned(),
            (names, true) => names.join(", "),
            (names, false) => format!("{}, without any effect", names.join(", ")),
        };
        let rows = self.training_rows.map_or_else(|| "the file's".to_owned(), |rows| rows.to_string());
        let updates =
            self.updates.map_or_else(|| "as many as the file's rows need".to_owned(), |n| n.to_string());
        writeln!(f, "  {}", self.name)?;
        writeln!(f, "    start      {}", self.init)?;
        writeln!(f, "    restarts   {} ({}, {orders})", self.restarts, count(self.starts.into(), "start"))?;
        if self.stop_when.is_some() {
            writeln!(f, "    stops      {}", self.looks())?;
        }
        writeln!(f, "    varies     {vary}")?;
        writeln!(f, "    replicated {}", self.unit.name())?;
        writeln!(f, "    network    {}", count(self.parameters, "parameter"))?;
        writeln!(f, "    training   rows: {rows}; updates per trial: {updates}")
    }
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
