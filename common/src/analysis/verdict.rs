//! The verdict of an experiment: what its agreement says at the spec's level, in one sentence.

use std::collections::BTreeMap;

use super::ByLevel;
use super::agreement::Agreement;
use super::basins::Basins;
use super::census::census;
use super::report::{Verdict, VerdictKind};
use super::trials::Trials;
use super::warnings::warnings;
use super::words::{self, counted, listed, percent, percent_beside};
use crate::fingerprint::distance;
use crate::outcome::{Certificate, Outcome};
use crate::plan::{self, Unit};
use crate::progress::SweepState;
use crate::spec::{Level, SweepSpec};

/// `no_minimum` if more than this share of the finished trials is known not to end at a minimum.
pub(crate) const NO_MINIMUM_ABOVE: f64 = 0.05;

/// What a verdict is drawn from.
pub(crate) struct Evidence<'a> {
    /// The sweep.
    pub(crate) spec: &'a SweepSpec,
    /// The experiment's place in it.
    pub(crate) index: usize,
    /// Where it stands.
    pub(crate) state: SweepState,
    /// The experiment.
    pub(crate) trials: &'a Trials<'a>,
    /// Its basins at each level, in the order of `Level::ALL`.
    pub(crate) basins: ByLevel<&'a Basins>,
    /// Its agreement at each level.
    pub(crate) agreements: ByLevel<&'a Agreement>,
}

impl Evidence<'_> {
    /// The level the verdict is drawn at.
    pub(crate) fn level(&self) -> Level {
        self.trials.experiment.minima.level
    }

    /// Basins that the experiment ends in at `level`.
    pub(crate) fn basins_found(&self, level: Level) -> usize {
        let labels = &self.basins[level as usize].labels;
        labels.iter().flatten().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Coverage at the verdict's level, where restarts are independent.
    pub(crate) fn coverage(&self) -> Option<f64> {
        let mut visits: BTreeMap<u32, u64> = BTreeMap::new();
        for basin in self.basins[self.level() as usize].labels.iter().flatten() {
            *visits.entry(*basin).or_insert(0) += 1;
        }
        let census = census(visits.into_values(), self.trials.n()).filter(|_| self.trials.are_independent());
        census.map(|census| census.coverage.chao_jost.0)
    }

    /// The stored outcomes known not to end at a minimum.
    pub(crate) fn without_minimum(&self) -> Vec<&Outcome> {
        self.trials.without_minimum().collect()
    }
}

/// The verdict on `evidence`.
pub(crate) fn verdict(evidence: &Evidence) -> Verdict {
    let experiment = evidence.trials.experiment;
    let minima = &experiment.minima;
    let agreement = evidence.agreements[evidence.level() as usize];
    let kind = kind(evidence, agreement);
    let restarts_needed = (kind == VerdictKind::Undecided)
        .then(|| agreement.restarts_needed(minima.same_at, minima.spread_at))
        .flatten();
    let finding = match kind {
        VerdictKind::NotTested => not_tested(evidence),
        VerdictKind::NoMinimum => no_minimum(evidence),
        _ => compared(evidence, agreement, kind, restarts_needed),
    };
    let held_fixed = words::held_fixed(experiment).join(", ");
    let statement = format!("{}{finding}; held fixed: {held_fixed}.", progress(evidence));
    Verdict {
        kind,
        level: evidence.level().name().to_owned(),
        unit: plan::unit(experiment).name().to_owned(),
        statement,
        warnings: warnings(evidence),
        restarts_needed,
    }
}

fn kind(evidence: &Evidence, agreement: &Agreement) -> VerdictKind {
    let minima = &evidence.trials.experiment.minima;
    if !plan::can_vary(evidence.trials.experiment) {
        return VerdictKind::NotTested;
    }
    let done = evidence.trials.outcomes().count() as f64;
    if evidence.without_minimum().len() as f64 > NO_MINIMUM_ABOVE * done {
        return VerdictKind::NoMinimum;
    }
    match agreement.ci95 {
        Ok([low, _]) if low >= minima.same_at => VerdictKind::SameMinimum,
        Ok([_, high]) if high <= minima.spread_at => VerdictKind::Spread,
        Ok([low, high]) if low > minima.spread_at && high < minima.same_at => VerdictKind::Mixed,
        _ => VerdictKind::Undecided,
    }
}

/// How much of the sweep the sentence rests on, where it is not all.
fn progress(evidence: &Evidence) -> String {
    let (finished, total) = (evidence.trials.n(), evidence.trials.planned());
    match evidence.state {
        SweepState::Done => String::new(),
        SweepState::Running => format!("so far ({finished} of {total} trials): "),
        SweepState::Cancelled => format!("cancelled at {finished} of {total} trials: "),
    }
}

/// `two restarts from one start, with another data order,`
fn subject(evidence: &Evidence) -> String {
    let experiment = evidence.trials.experiment;
    let mut varied = Vec::new();
    if plan::order_matters(experiment) {
        varied.push("data order".to_owned());
    }
    if plan::data_matters(experiment) {
        varied.push("data".to_owned());
    }
    let varied = if varied.is_empty() { String::new() } else { format!(" and another {}", listed(&varied)) };
    match plan::unit(experiment) {
        Unit::Start => format!("two restarts with the same start{varied}"),
        Unit::Restart if plan::init_matters(experiment) => format!("two restarts with fresh starts{varied}"),
        Unit::Restart => format!("two restarts with this one start{varied}"),
    }
}

/// What it means to agree at the verdict's level.
fn agree(evidence: &Evidence) -> &'static str {
    match (evidence.level(), evidence.trials.polished) {
        (Level::Bits, _) => "end with the same bits",
        (Level::Raw, true) => "end at the same minimum, weight for weight,",
        (Level::Raw, false) => "end at the same weights",
        (Level::Canonical, true) => "end at the same minimum, up to the network's symmetries,",
        (Level::Canonical, false) => "end at the same network, up to its symmetries,",
        (Level::Function, true) => "end in the same minimum",
        (Level::Function, false) => "end with the same outputs",
    }
}

/// What different ends are called at the verdict's level.
fn different(evidence: &Evidence) -> &'static str {
    match (evidence.level(), evidence.trials.polished) {
        (Level::Bits, _) => "different bits",
        (_, true) => "different minima",
        (_, false) => "different end points",
    }
}

/// What was found about pairs of restarts, and how sure it is.
fn compared(
    evidence: &Evidence,
    agreement: &Agreement,
    kind: VerdictKind,
    restarts_needed: Option<u64>,
) -> String {
    let place = place(evidence, agreement);
    if evidence.trials.n() == 0 {
        return "undecided: no trial has finished yet".to_owned();
    }
    let Some(rate) = agreement.estimate else {
        return format!("undecided: no two restarts can be compared yet ({place})");
    };
    let how_often = match kind {
        _ if rate == 0.0 => "in none of the pairs".to_owned(),
        VerdictKind::Spread => format!("in only {} % of pairs", percent(rate)),
        _ => format!("in {} % of pairs", percent(rate)),
    };
    let found = format!("{} {} {how_often}", subject(evidence), agree(evidence));
    let forecast = forecast(evidence, restarts_needed);
    let [low, high] = match &agreement.ci95 {
        Ok(ends) => *ends,
        Err(reason) => return format!("undecided: {found}, but {reason} ({place}); {forecast}"),
    };
    let minima = &evidence.trials.experiment.minima;
    let thresholds = [minima.spread_at, minima.same_at];
    let [spread_at, same_at] = thresholds.map(percent);
    let (opening, closing) = match kind {
        VerdictKind::SameMinimum if evidence.trials.polished => ("same minimum", String::new()),
        VerdictKind::SameMinimum => ("same end point", String::new()),
        VerdictKind::Spread => (different(evidence), String::new()),
        VerdictKind::Mixed => ("mixed", format!(", between {spread_at} and {same_at} %")),
        _ => {
            let crossed: Vec<String> = thresholds
                .into_iter()
                .filter(|threshold| low <= *threshold && *threshold <= high)
                .map(percent)
                .collect();
            let side = format!(", which leaves open on which side of {} % it lies", listed(&crossed));
            ("undecided", format!("{side}; {forecast}"))
        }
    };
    let is_exact = evidence.trials.polished || evidence.level() == Level::Bits;
    let noise = if is_exact { "" } else { "; unpolished: differences may be optimiser noise" };
    let [low, high] = [low, high].map(|end| percent_beside(end, thresholds));
    format!("{opening}: {found} (95 % CI {low} to {high} %; {place}){closing}{noise}")
}

/// How many restarts would decide.
fn forecast(evidence: &Evidence, restarts_needed: Option<u64>) -> String {
    let from = match plan::unit(evidence.trials.experiment) {
        Unit::Restart => "",
        Unit::Start => " from more starts",
    };
    match restarts_needed {
        Some(needed) => format!(
            "about {}{from} in all would decide, if further ones fall as these did",
            counted(round_up(needed), "restart")
        ),
        None => "more restarts that fall as these did would not decide".to_owned(),
    }
}

/// Level, unit and n.
fn place(evidence: &Evidence, agreement: &Agreement) -> String {
    let level = evidence.level().name();
    let n = evidence.trials.n();
    match plan::unit(evidence.trials.experiment) {
        Unit::Restart => format!("level {level}, unit restart, n = {n}"),
        Unit::Start => {
            format!("level {level}, unit start, {} of n = {n} trials", counted(agreement.units, "start"))
        }
    }
}

fn not_tested(evidence: &Evidence) -> String {
    let bits = evidence.agreements[Level::Bits as usize];
    let n = evidence.trials.n();
    let checked = match bits.estimate {
        Some(rate) if rate >= 1.0 => match plan::unit(evidence.trials.experiment) {
            Unit::Restart => format!("all {n} trials repeat their bits"),
            Unit::Start => "all restarts of each start repeat their bits".to_owned(),
        },
        Some(rate) => format!("{} % of pairs repeat their bits", percent(rate)),
        None => format!("fewer than two of {n} trials can be compared"),
    };
    format!(
        "not tested: nothing that varies can change an outcome, so this checks the machine and not the training; \
         {checked} ({})",
        place(evidence, evidence.agreements[evidence.level() as usize])
    )
}

fn no_minimum(evidence: &Evidence) -> String {
    let without = evidence.without_minimum();
    let done = evidence.trials.outcomes().count();
    let mut certificates: BTreeMap<Certificate, u64> = BTreeMap::new();
    for outcome in &without {
        *certificates.entry(outcome.certificate().unwrap_or(Certificate::NotConverged)).or_insert(0) += 1;
    }
    let place = place(evidence, evidence.agreements[evidence.level() as usize]);
    if certificates.get(&Certificate::Saddle) == Some(&(done as u64)) {
        let which = if stops_on_one_saddle(evidence) { "one saddle" } else { "a saddle" };
        return format!("no minimum: every run stops on {which}, not at a minimum ({place})");
    }
    let named: Vec<String> = certificates
        .into_iter()
        .map(|(certificate, count)| words::certificate_explained(certificate, count))
        .collect();
    let are =
        if without.len() == 1 { "is not certified as a minimum" } else { "are not certified as minima" };
    format!(
        "no minimum: {} of {} ({place}) {are}: {}",
        without.len(),
        counted(done as u64, "finished run"),
        listed(&named)
    )
}

/// Whether every stored outcome is a saddle within the tolerance of the first at level `raw`.
pub(crate) fn stops_on_one_saddle(evidence: &Evidence) -> bool {
    let outcomes: Vec<&Outcome> = evidence.trials.outcomes().collect();
    let tolerance = evidence.spec.tolerances.raw;
    outcomes.first().is_some_and(|first| {
        outcomes.iter().all(|outcome| {
            outcome.certificate() == Some(Certificate::Saddle)
                && distance(&first.sketch_raw, &outcome.sketch_raw) <= tolerance
        })
    })
}

/// Up to two significant digits, so that a forecast does not look exact.
fn round_up(n: u64) -> u64 {
    let mut unit = 1;
    while n / unit >= 100 {
        unit *= 10;
    }
    n.div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_round_up_to_two_digits() {
        for (n, rounded) in
            [(0, 0), (7, 7), (99, 99), (100, 100), (101, 110), (1_234, 1_300), (99_999, 100_000)]
        {
            assert_eq!(round_up(n), rounded);
        }
    }
}
