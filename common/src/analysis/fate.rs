//! When fate is sealed: agreement of restarts that share their start and the data order up to update N, against N.
//!
//! With N = 0 only the start is shared; the later the orders part, the less is left for them to decide. The claim
//! "sealed from N on" is tested from the last step back and ends at the first step that does not hold: such a
//! sequence, fixed beforehand, keeps the error of one test for all of them (Westfall & Krishen 2001), however the
//! steps depend on each other. "Open until N" is tested likewise from the first step on. Nowhere is it assumed that
//! agreement grows with N.

use std::collections::BTreeMap;

use super::comparison::{Resampled, Sample, Side, share, share_interval};
use super::experiment::parameters;
use super::report::{Decided, Fate, FatePoint, Number};
use super::words::{counted, percent, percent_beside};
use crate::limits;
use crate::plan;
use crate::progress::SweepState;
use crate::spec::{Experiment, Level, SweepSpec};

/// Streams of the purpose `bootstrap` for these comparisons start here; those of comparisons end below 2⁴² and those of
/// summaries start at 2⁶³.
const FIRST_STREAM: u64 = 1 << 62;

/// The families of experiments that differ in their fork alone.
pub(crate) fn fates(spec: &SweepSpec, state: SweepState, sides: &[Side]) -> Vec<Fate> {
    let families = families(&spec.experiments);
    let points: usize = families.iter().map(Vec::len).sum();
    let draws = limits::BOOTSTRAP_DRAWS / (points as u64).max(1);
    families
        .iter()
        .map(|members| {
            let sides: Vec<&Side> = members.iter().map(|e| &sides[*e]).collect();
            let stream = FIRST_STREAM | members[0] as u64;
            fate(&sides, state, |sample, base| Resampled::draw(sample, base, spec.seed, stream, draws))
        })
        .collect()
}

/// The members of each family in the order of their forks, families in the order of the spec.
fn families(experiments: &[Experiment]) -> Vec<Vec<usize>> {
    let mut families: Vec<Vec<usize>> = Vec::new();
    for (e, experiment) in experiments.iter().enumerate().filter(|(_, experiment)| has_fate(experiment)) {
        match families.iter_mut().find(|members| differ_in_fork_alone(&experiments[members[0]], experiment)) {
            Some(members) => members.push(e),
            None => families.push(vec![e]),
        }
    }
    for members in &mut families {
        members.sort_by_key(|e| experiments[*e].fork);
    }
    families.retain(|members| experiments[members[0]].fork != experiments[members[members.len() - 1]].fork);
    families
}

/// Whether the data order, and nothing else, can part two restarts of one start.
fn has_fate(experiment: &Experiment) -> bool {
    plan::order_is_drawn(experiment)
        && !plan::init_matters(experiment)
        && !plan::data_matters(experiment)
        && !plan::perturb_matters(experiment)
}

/// Whether both train alike but for the fork. How their ends are judged may differ.
fn differ_in_fork_alone(a: &Experiment, b: &Experiment) -> bool {
    a.network == b.network
        && a.data == b.data
        && a.train == b.train
        && a.init == b.init
        && a.starts.unwrap_or(1) == b.starts.unwrap_or(1)
        && a.orders == b.orders
        && a.minima.polish == b.minima.polish
        && a.minima.polish_max_steps == b.minima.polish_max_steps
}

/// `sides` are the members of a family by ascending fork.
fn fate(sides: &[&Side], state: SweepState, draw: impl Fn(&Sample, &Sample) -> Resampled) -> Fate {
    let experiments: Vec<&Experiment> = sides.iter().map(|side| side.trials.experiment).collect();
    let first = experiments[0];
    let level = experiments.iter().map(|e| e.minima.level).max().unwrap_or(first.minima.level);
    let same_at = experiments.iter().map(|e| e.minima.same_at).fold(0.0, f64::max);
    let base = first.fork.is_none().then(|| Sample::new(sides[0], level));
    let points: Vec<FatePoint> = sides
        .iter()
        .map(|side| {
            let decided = base
                .as_ref()
                .filter(|_| side.trials.experiment.fork.is_some())
                .map(|base| decided(&Sample::new(side, level), base, &draw));
            point(side, level, decided)
        })
        .collect();
    let [sealed_from, open_until] = border(&points, same_at);
    let mut fate = Fate {
        family: family_name(&experiments),
        parameters: alike(&experiments),
        level: level.name().to_owned(),
        unit: plan::unit(first).name().to_owned(),
        same_at: Number(same_at),
        points,
        sealed_from,
        open_until,
        statement: String::new(),
    };
    fate.statement = statement(&fate, state);
    fate
}

fn point(side: &Side, level: Level, decided: Option<Decided>) -> FatePoint {
    let experiment = side.trials.experiment;
    let agreement = side.agreements[level as usize];
    FatePoint {
        fork: experiment.fork.unwrap_or(0),
        experiment: experiment.name.to_string(),
        n: side.trials.n(),
        restarts: experiment.restarts,
        by_construction: plan::forks_too_late(experiment),
        agreement: agreement.estimate.map(Number),
        ci95: agreement.ci95.as_ref().ok().map(|ends| ends.map(Number)),
        decided,
    }
}

fn decided(sample: &Sample, base: &Sample, draw: impl Fn(&Sample, &Sample) -> Resampled) -> Decided {
    let estimate = sample.agreement.zip(base.agreement).and_then(|(at, open)| share(at, open));
    let interval = || share_interval([sample, base], || draw(sample, base));
    Decided {
        estimate: estimate.map(Number),
        ci95: estimate.and_then(|_| interval()).map(|ends| ends.map(Number)),
    }
}

/// The steps from which on and up to which the intervals of the points tell: sealed from, open until.
fn border(points: &[FatePoint], same_at: f64) -> [Option<u64>; 2] {
    let tried = || points.iter().filter(|point| !point.by_construction);
    let is_sealed = |point: &FatePoint| point.ci95.is_some_and(|[low, _]| low.0 >= same_at);
    let is_open = |point: &FatePoint| point.ci95.is_some_and(|[_, high]| high.0 < same_at);
    let last_not_sealed = tried().filter(|point| !is_sealed(point)).map(|point| point.fork).max();
    let first_not_open = tried().filter(|point| !is_open(point)).map(|point| point.fork).min();
    let forks = || tried().map(|point| point.fork);
    [
        forks().filter(|fork| last_not_sealed.is_none_or(|last| *fork > last)).min(),
        forks().filter(|fork| first_not_open.is_none_or(|first| *fork < first)).max(),
    ]
}

/// What the names of the experiments have in common: without `.g0`, `.g1`, … where that is one name, else all of them.
fn family_name(experiments: &[&Experiment]) -> String {
    let stem = |experiment: &Experiment| {
        let name = experiment.name.as_str();
        let cell = name.rsplit_once(".g").filter(|(_, n)| n.bytes().all(|byte| byte.is_ascii_digit()));
        cell.map_or(name, |(stem, _)| stem).to_owned()
    };
    let first = stem(experiments[0]);
    if experiments.iter().all(|experiment| stem(experiment) == first) {
        return first;
    }
    experiments.iter().map(|experiment| experiment.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The parameters that all of `experiments` set to the same value.
fn alike(experiments: &[&Experiment]) -> BTreeMap<String, serde_json::Value> {
    let mut alike = parameters(experiments[0]);
    for experiment in &experiments[1..] {
        let others = parameters(experiment);
        alike.retain(|path, value| others.get(path) == Some(value));
    }
    alike
}

fn statement(fate: &Fate, state: SweepState) -> String {
    let finished: u64 = fate.points.iter().map(|point| point.n).sum();
    let total: u64 = fate.points.iter().map(|point| u64::from(point.restarts)).sum();
    let progress = match state {
        SweepState::Done => String::new(),
        SweepState::Running => format!("so far ({finished} of {total} trials): "),
        SweepState::Cancelled => format!("cancelled at {finished} of {total} trials: "),
    };
    let place = format!("level {}, unit {}", fate.level, fate.unit);
    format!("{progress}{} ({place})", finding(fate))
}

fn finding(fate: &Fate) -> String {
    let asked = percent(fate.same_at.0);
    let tried: Vec<&FatePoint> = fate.points.iter().filter(|point| !point.by_construction).collect();
    let Some(last) = tried.last() else {
        return "not tested: every fork lies beyond the last update".to_owned();
    };
    let at =
        |fork: u64| tried.iter().find(|point| point.fork == fork).map_or_else(String::new, |p| rate(fate, p));
    let open = match fate.open_until {
        Some(0) => format!("; with only the start shared it is open: they agree in {}", at(0)),
        Some(fork) => format!("; after {} it is still open: they agree in {}", updates(fork), at(fork)),
        None => String::new(),
    };
    match fate.sealed_from {
        Some(0) => format!(
            "sealed by the start: two restarts that share nothing else agree in {}, and at every fork step tried the \
             agreement is shown to be at least {asked} %",
            at(0)
        ),
        Some(fork) => format!(
            "sealed from update {fork} on: two restarts that share their start and their first {} agree in {}, and \
             at every later fork step tried the agreement is shown to be at least {asked} % as well, so by that measure the \
             data order from there on no longer decides where training ends{open}",
            updates(fork),
            at(fork)
        ),
        None if fate.open_until == Some(last.fork) => format!(
            "not sealed by update {}, the last fork step tried: two restarts that share all before it agree in {}, \
             so the data order after it still decides",
            last.fork,
            rate(fate, last)
        ),
        None => {
            let last = match tried.iter().filter(|point| point.ci95.is_none()).count() {
                0 => format!(
                    "at update {}, the last fork step tried, two restarts agree in {}",
                    last.fork,
                    rate(fate, last)
                ),
                without => {
                    format!("{without} of {} have no interval", counted(tried.len() as u64, "fork step"))
                }
            };
            format!("undecided: {last}, which does not show that {asked} % agree{open}")
        }
    }
}

fn updates(fork: u64) -> String {
    counted(fork, "update")
}

/// `97 % of pairs (95 % CI 90 to 99 %)`.
fn rate(fate: &Fate, point: &FatePoint) -> String {
    let estimate = point.agreement.map_or_else(|| "?".to_owned(), |rate| percent(rate.0));
    let interval = point.ci95.map(|ends| {
        let [low, high] = ends.map(|end| percent_beside(end.0, [fate.same_at.0; 2]));
        format!(" (95 % CI {low} to {high} %)")
    });
    format!("{estimate} % of pairs{}", interval.unwrap_or_default())
}
