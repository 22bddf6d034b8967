//! Where a design or its data prove less than they seem to, in sentences.

use super::census::COVERAGE_LOW_BELOW;
use super::verdict::Evidence;
use super::words::{counted, percent};
use crate::outcome::StopReason;
use crate::plan::{self, Unit};
use crate::progress::{Looks, StoppedBy, SweepState};
use crate::spec::{Batch, Experiment, Level};

/// At this many times more basins at `raw` than at `function`, symmetric copies are the likely cause.
const COPIES_FROM: usize = 2;

/// All warnings about one experiment: design first, then what was found.
pub(crate) fn warnings(evidence: &Evidence) -> Vec<String> {
    let experiment = evidence.trials.experiment;
    let mut warnings = Vec::new();
    idle_streams(experiment, &mut warnings);
    replication(evidence, &mut warnings);
    looks(evidence, &mut warnings);
    missing(evidence, &mut warnings);
    levels(evidence, &mut warnings);
    warnings
}

/// Streams that vary in name only.
fn idle_streams(experiment: &Experiment, warnings: &mut Vec<String>) {
    let vary = experiment.vary;
    if vary.names().is_empty() {
        warnings.push("nothing varies: a determinism check, not evidence about training".to_owned());
    }
    if vary.init && !plan::init_matters(experiment) {
        warnings.push(format!("`init` varies, but `{}` draws nothing", experiment.init.scheme.name()));
    }
    if vary.order && !plan::order_matters(experiment) {
        let cause = match experiment.train.batch {
            Batch::Full => "with full batches",
            Batch::Size(_) if !experiment.train.shuffle => "in file order",
            Batch::Size(_) => "with a fork after the last update",
        };
        warnings.push(format!("`order` varies, but {cause} it changes no bit"));
    }
    if vary.perturb && !plan::perturb_matters(experiment) {
        warnings.push("`perturb` varies, but the starts have no noise".to_owned());
    }
    if vary.data && !plan::data_matters(experiment) {
        warnings.push("`data` varies, but nothing of this data is drawn".to_owned());
    }
}

/// Too few or repeated units.
fn replication(evidence: &Evidence, warnings: &mut Vec<String>) {
    let experiment = evidence.trials.experiment;
    if !plan::can_vary(experiment) {
        let bits = evidence.agreements[Level::Bits as usize].estimate;
        if bits.is_some_and(|rate| rate < 1.0) {
            warnings.push("bits differ although nothing varies: the arithmetic is not repeatable".to_owned());
        }
        return;
    }
    match plan::unit(experiment) {
        Unit::Start => {
            let agreement = evidence.agreements[evidence.level() as usize];
            if let (Err(reason), true) = (&agreement.ci95, evidence.trials.n() > 0) {
                warnings.push(reason.clone());
            }
        }
        Unit::Restart if !plan::init_matters(experiment) => {
            warnings.push("one start: the statement is about this start only".to_owned());
        }
        Unit::Restart => {}
    }
    if let Some(distinct) = distinct_trials(experiment).filter(|n| *n < u64::from(experiment.restarts)) {
        warnings.push(format!(
            "{} repeat {} of starts and orders: the repetitions have equal bits and are no evidence",
            counted(u64::from(experiment.restarts), "restart"),
            counted(distinct, "combination")
        ));
    }
}

/// An end that the restarts themselves chose.
fn looks(evidence: &Evidence, warnings: &mut Vec<String>) {
    let Some(Looks { looks, restarts, stop }) = evidence.trials.progress.looks else { return };
    if looks == 0 {
        return;
    }
    let ended = match stop {
        Some(StoppedBy::Goals) => ": its goals were reached",
        Some(StoppedBy::MaxRestarts) => ": its goals were not reached",
        None => "",
    };
    warnings.push(format!(
        "looked {} on the way, the last time after {}{ended}; the interval to read is `anytime_ci95`, the others and \
         the coverage do not allow for looking",
        times(looks),
        counted(u64::from(restarts), "restart")
    ));
}

fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// How many different trials a crossed design has; `None` where every restart is its own.
fn distinct_trials(experiment: &Experiment) -> Option<u64> {
    let unbounded =
        experiment.vary.data || plan::init_matters(experiment) || plan::perturb_matters(experiment);
    let orders = match (plan::order_matters(experiment), experiment.orders) {
        (true, Some(orders)) => u64::from(orders),
        (true, None) => return None,
        (false, _) => 1,
    };
    (!unbounded).then(|| u64::from(experiment.starts.unwrap_or(1)) * orders)
}

/// Trials that are not there or end in no basin.
fn missing(evidence: &Evidence, warnings: &mut Vec<String>) {
    let trials = evidence.trials;
    let n = trials.n();
    let total = u64::from(trials.planned());
    if evidence.state == SweepState::Running && n < total {
        warnings.push(format!("partial: {n} of {total} trials finished, and fast ones finish first"));
    }
    if evidence.state == SweepState::Cancelled && n < total {
        warnings.push(format!("cancelled: {n} of {total} trials finished, and fast ones finish first"));
    }
    let failed = n - trials.outcomes().count() as u64;
    let diverged =
        trials.outcomes().filter(|outcome| outcome.stop_reason == StopReason::Diverged).count() as u64;
    let uncertified = evidence.without_minimum().len() as u64 - diverged;
    let lost: Vec<String> =
        [(failed, "failed"), (diverged, "diverged"), (uncertified, "ended at no certified minimum")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
    if lost.is_empty() {
        return;
    }
    let mut warning = format!("of {n} trials {}", lost.join(", "));
    if evidence.agreements[evidence.level() as usize].estimate.is_some() {
        warning += "; such a trial counts: as agreeing with none for the lower end of an interval, with all for the \
                    upper end";
    } else if uncertified == n {
        // the verdict says so
        return;
    }
    warnings.push(warning);
}

/// What the levels can and cannot tell.
fn levels(evidence: &Evidence, warnings: &mut Vec<String>) {
    let trials = evidence.trials;
    let level = evidence.level();
    let n = trials.n();
    if !trials.polished && level != Level::Bits && n > 0 {
        warnings.push("unpolished: differences may be optimiser noise".to_owned());
    }
    let tolerances = evidence.spec.tolerances;
    for (level, tolerance) in [
        (Level::Raw, tolerances.raw),
        (Level::Canonical, tolerances.canonical),
        (Level::Function, tolerances.function),
    ] {
        if evidence.basins[level as usize].ambiguous {
            warnings.push(format!(
                "ambiguous: the tolerance {tolerance:e} does not part the basins cleanly at level {}",
                level.name()
            ));
        }
    }
    let (raw, function) = (evidence.basins_found(Level::Raw), evidence.basins_found(Level::Function));
    if trials.polished && function > 0 && raw >= COPIES_FROM * function {
        // without the numbers, which stand in the table, so that experiments share the sentence
        warnings.push(
            "more basins at raw than at function: copies of one network (permuted, mirrored or along a flat \
             direction) count apart at raw"
                .to_owned(),
        );
    }
    let found = evidence.basins_found(level) as u64;
    if plan::unit(trials.experiment) == Unit::Restart && found > 2 && found == n {
        warnings.push(format!(
            "all {n} end points differ at level {}: there is no telling how many more there are",
            level.name()
        ));
    } else if let Some(coverage) = evidence.coverage().filter(|coverage| *coverage < COVERAGE_LOW_BELOW) {
        warnings.push(format!(
            "about {} % of restarts end where none of these did at level {}: the census has seen the lesser part",
            percent(1.0 - coverage),
            level.name()
        ));
    }
}
