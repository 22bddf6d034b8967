//! Finished sweeps of claims, with outcomes made by hand.

use seedsweep_common::analysis::analyse;
use seedsweep_common::measure::{Measured, Quantity, Series};
use seedsweep_common::outcome::{Certificate, Outcome, StopReason};
use seedsweep_common::progress::{ExperimentProgress, SweepState, TrialCounts};

use super::finding::{Finding, Holds, Verdict};
use super::{Claim, Ran};
use crate::report::fixtures;

/// Sweep number `sweep` of `claim`. Every trial reached its target in one and the same minimum, until `end`
/// says otherwise for an experiment of this name.
pub(super) fn ran(claim: &Claim, sweep: usize, end: impl Fn(&str, &mut Outcome)) -> Ran {
    let spec = claim.sweeps[sweep].sweep(false).unwrap().spec;
    let trial = |name: &str, restart: u32| {
        let mut outcome = fixtures::outcome(restart, 0, Certificate::Minimum);
        outcome.sketch_raw = outcome.sketch_function;
        outcome.stop_reason = StopReason::TargetReached;
        end(name, &mut outcome);
        outcome
    };
    let outcomes: Vec<Vec<Outcome>> = spec
        .experiments
        .iter()
        .map(|experiment| {
            (0..experiment.restarts).map(|restart| trial(experiment.name.as_str(), restart)).collect()
        })
        .collect();
    let progress: Vec<ExperimentProgress> = outcomes
        .iter()
        .map(|rows| {
            let done = rows.len() as u64;
            let trials = TrialCounts { total: done, done, ..TrialCounts::default() };
            ExperimentProgress { trials, ..Default::default() }
        })
        .collect();
    let report = analyse(&spec, spec.id(), SweepState::Done, &progress, &outcomes).report;
    Ran { spec, outcomes, report }
}

/// Adds a measure that has `value` at its only step, which is both the first and the last.
pub(super) fn measure(outcome: &mut Outcome, quantity: Quantity, layer: u32, value: f64) {
    measure_often(outcome, quantity, layer, &[(0, value)]);
}

/// Adds a measure step by step.
pub(super) fn measure_often(outcome: &mut Outcome, quantity: Quantity, layer: u32, points: &[(u64, f64)]) {
    let values = points.iter().map(|point| point.1).collect();
    let steps = points.iter().map(|point| point.0).collect();
    outcome.measures.push(Measured { steps, series: vec![Series { quantity, layer, values }] });
}

/// Pseudo-random number in [−1, 1) of a restart: equidistributed, never drawn.
pub(super) fn wobble(restart: u32) -> f64 {
    (f64::from(restart) * 0.618_033_988_75).fract() * 2.0 - 1.0
}

/// The verdict, and what each rule answered.
pub(super) fn verdict(finding: &Finding) -> (Verdict, Vec<Holds>) {
    (finding.verdict(), finding.rules.iter().map(|rule| rule.holds).collect())
}
