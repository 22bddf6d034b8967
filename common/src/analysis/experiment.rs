//! One experiment's part of the report.

use std::collections::BTreeMap;

use super::levels::level_report;
use super::report::{ExperimentReport, Learned, Levels, Summary, TrainTest, TrainTestOptional};
use super::summary::{Best, summary};
use super::trials::Trials;
use super::verdict::{Evidence, stops_on_one_saddle, verdict};
use super::words;
use crate::outcome::{Certificate, Outcome, StopReason};
use crate::plan::{self, Unit};
use crate::spec::{Experiment, Level};

/// The report of the experiment on which `evidence` is.
pub(crate) fn experiment_report(evidence: &Evidence) -> ExperimentReport {
    let trials = evidence.trials;
    let experiment = trials.experiment;
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
        polished: trials.polished,
        trials: trials.progress.trials,
        stop_reasons: count(trials, StopReason::ALL, |outcome| Some(outcome.stop_reason), StopReason::name),
        certificates: count(trials, Certificate::ALL, Outcome::certificate, Certificate::name),
        one_saddle: stops_on_one_saddle(evidence),
        loss: TrainTest {
            train: summarise(trials, |outcome| outcome.loss_train, Best::Smallest),
            test: optional(trials, |outcome| outcome.loss_test, Best::Smallest),
        },
        accuracy: TrainTestOptional {
            train: optional(trials, |outcome| outcome.accuracy_train, Best::Largest),
            test: optional(trials, |outcome| outcome.accuracy_test, Best::Largest),
        },
        learned: learned(trials),
        steps: summarise(trials, |outcome| outcome.steps as f64, Best::Smallest),
        levels: Levels {
            bits: level(Level::Bits),
            raw: level(Level::Raw),
            canonical: None,
            function: level(Level::Function),
        },
        connected: None,
        verdict: verdict(evidence),
    }
}

fn summarise(trials: &Trials, value: impl Fn(&Outcome) -> f64, best: Best) -> Summary {
    let by_start = plan::unit(trials.experiment) == Unit::Start;
    summary(trials.outcomes().map(|outcome| (trials.start(outcome.restart), value(outcome))), by_start, best)
}

/// `None` if no trial has the value.
fn optional(trials: &Trials, value: impl Fn(&Outcome) -> Option<f64>, best: Best) -> Option<Summary> {
    trials.outcomes().any(|outcome| value(outcome).is_some()).then(|| {
        // trials without it are left out like values that are not finite
        summarise(trials, |outcome| value(outcome).unwrap_or(f64::NAN), best)
    })
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

fn parameters(experiment: &Experiment) -> BTreeMap<String, serde_json::Value> {
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
