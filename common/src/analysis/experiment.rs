//! One experiment's part of the report.

use std::collections::BTreeMap;

use super::bootstrap::Resampling;
use super::curvature::curvatures;
use super::levels::level_report;
use super::report::{
    ExperimentReport, Learned, Levels, StoppingReport, Summary, TrainTest, TrainTestOptional,
};
use super::summary::{Best, Design, Run, summary};
use super::trials::Trials;
use super::verdict::{Evidence, stops_on_one_saddle, verdict};
use super::words;
use crate::limits;
use crate::outcome::{Certificate, Outcome, StopReason};
use crate::plan::{self, Unit};
use crate::progress::Looks;
use crate::spec::{Experiment, Level};

/// The report of the experiment on which `evidence` is.
pub(crate) fn experiment_report(evidence: &Evidence) -> ExperimentReport {
    let trials = evidence.trials;
    let experiment = trials.experiment;
    let quantities = Quantities::of(evidence);
    let level = |level: Level| {
        level_report(trials, evidence.basins[level as usize], evidence.agreements[level as usize])
    };
    ExperimentReport {
        name: experiment.name.to_string(),
        parameters: parameters(experiment),
        init: words::init(&experiment.init),
        vary: experiment.vary.names().into_iter().map(str::to_owned).collect(),
        held_fixed: words::held_fixed(experiment),
        starts: (!experiment.vary.init).then(|| experiment.starts.unwrap_or(1)),
        restarts: experiment.restarts,
        stopping: trials.progress.looks.map(stopping),
        polished: trials.polished,
        trials: trials.progress.trials,
        stop_reasons: count(trials, StopReason::ALL, |outcome| Some(outcome.stop_reason), StopReason::name),
        certificates: count(trials, Certificate::ALL, Outcome::certificate, Certificate::name),
        curvature: curvatures(trials),
        one_saddle: stops_on_one_saddle(evidence),
        loss: TrainTest { train: quantities.loss_train(), test: quantities.loss_test() },
        accuracy: TrainTestOptional { train: quantities.accuracy_train(), test: quantities.accuracy_test() },
        learned: learned(trials),
        steps: quantities.steps(),
        levels: Levels {
            bits: level(Level::Bits),
            raw: level(Level::Raw),
            canonical: trials.has_level(Level::Canonical).then(|| level(Level::Canonical)),
            function: level(Level::Function),
        },
        connected: None,
        verdict: verdict(evidence),
    }
}

fn stopping(looks: Looks) -> StoppingReport {
    StoppingReport {
        looks: looks.looks,
        restarts: looks.restarts,
        reason: looks.stop.map(|stop| stop.name().to_owned()),
    }
}

/// Summaries of the quantities of an experiment's outcomes, each with draws of its own.
struct Quantities<'a> {
    trials: &'a Trials<'a>,
    seed: u64,
    /// Of the first quantity.
    stream: u64,
    draws: u64,
}

impl<'a> Quantities<'a> {
    /// How many there are.
    const COUNT: u64 = 5;

    fn of(evidence: &'a Evidence) -> Self {
        // streams of comparisons are below 2⁶³
        let stream = (1 << 63) | (evidence.index as u64 * Self::COUNT);
        let experiments = evidence.spec.experiments.len() as u64;
        let draws = limits::SUMMARY_DRAWS / (Self::COUNT * experiments);
        Self { trials: evidence.trials, seed: evidence.spec.seed, stream, draws }
    }

    fn loss_train(&self) -> Summary {
        self.summarise(0, |outcome| outcome.loss_train, Best::Smallest)
    }

    fn loss_test(&self) -> Option<Summary> {
        self.optional(1, |outcome| outcome.loss_test, Best::Smallest)
    }

    fn accuracy_train(&self) -> Option<Summary> {
        self.optional(2, |outcome| outcome.accuracy_train, Best::Largest)
    }

    fn accuracy_test(&self) -> Option<Summary> {
        self.optional(3, |outcome| outcome.accuracy_test, Best::Largest)
    }

    fn steps(&self) -> Summary {
        self.summarise(4, |outcome| outcome.steps as f64, Best::Smallest)
    }

    fn summarise(&self, quantity: u64, value: impl Fn(&Outcome) -> f64, best: Best) -> Summary {
        let experiment = self.trials.experiment;
        let runs = self.trials.outcomes().map(|outcome| {
            let streams = plan::streams(experiment, outcome.restart);
            Run { start: streams.init, order: streams.order, value: value(outcome) }
        });
        let resampling = Resampling { seed: self.seed, stream: self.stream + quantity, draws: self.draws };
        summary(runs, design(experiment), best, Some(resampling))
    }

    /// `None` if no trial has the value.
    fn optional(
        &self,
        quantity: u64,
        value: impl Fn(&Outcome) -> Option<f64>,
        best: Best,
    ) -> Option<Summary> {
        self.trials.outcomes().any(|outcome| value(outcome).is_some()).then(|| {
            // trials without it are left out like values that are not finite
            self.summarise(quantity, |outcome| value(outcome).unwrap_or(f64::NAN), best)
        })
    }
}

/// How the restarts of `experiment` share starts and orders.
fn design(experiment: &Experiment) -> Design {
    let order_alone = plan::order_matters(experiment)
        && !plan::data_matters(experiment)
        && !plan::perturb_matters(experiment);
    match (plan::unit(experiment), order_alone, experiment.orders) {
        (Unit::Restart, ..) => Design::Independent,
        (Unit::Start, false, _) => Design::Starts,
        (Unit::Start, true, None) => Design::Nested,
        (Unit::Start, true, Some(_)) => Design::Crossed,
    }
}

fn learned(trials: &Trials) -> Option<Learned> {
    let mut accuracies = trials.outcomes().filter_map(|outcome| outcome.accuracy_train).peekable();
    accuracies.peek()?;
    Some(Learned { count: accuracies.filter(|share| *share == 1.0).count() as u64, of: trials.n() })
}

fn count<T: Copy + PartialEq, const N: usize>(
    trials: &Trials,
    all: [T; N],
    of: impl Fn(&Outcome) -> Option<T>,
    name: impl Fn(T) -> &'static str,
) -> BTreeMap<String, u64> {
    all.into_iter()
        .map(|one| {
            let count = trials.outcomes().filter(|outcome| of(outcome) == Some(one)).count();
            (name(one).to_owned(), count as u64)
        })
        .collect()
}

/// What `experiment` sets differently from the sweep's tables, by dotted path.
pub(crate) fn parameters(experiment: &Experiment) -> BTreeMap<String, serde_json::Value> {
    experiment.parameters.iter().map(|parameter| (parameter.path.clone(), json(&parameter.value))).collect()
}

/// A TOML value as JSON. Dates and numbers that are not finite become strings.
fn json(value: &toml::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) if number.is_finite() => Value::from(*number),
        toml::Value::Float(number) => Value::from(number.to_string()),
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}
