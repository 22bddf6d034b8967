//! Where an experiment's trials end, at one level: its part of the report.

use std::collections::BTreeMap;

use super::agreement::{Agreement, agreement_of_runs};
use super::basins::Basins;
use super::census::{Census, census};
use super::curvature::curvature;
use super::report::{Basin, LevelReport, Number, OtherBasins, SamePair};
use super::summary::median;
use super::trials::Trials;
use crate::limits;
use crate::outcome::Outcome;

/// The report of `trials` at one level.
pub(crate) fn level_report(trials: &Trials, basins: &Basins, agreement: &Agreement) -> LevelReport {
    let n = trials.n();
    let listed = occupied(trials, basins);
    let visits = listed.iter().map(|basin| basin.count);
    let census = trials.are_independent().then(|| census(visits, n)).flatten();
    assemble(n, listed, agreement, census.as_ref(), basins.ambiguous)
}

/// The report of independent runs from elsewhere that end in `labels`, basins numbered by
/// [`basins::number`](super::basins::number).
pub(crate) fn runs_report(labels: &[Option<u32>]) -> LevelReport {
    let n = labels.len() as u64;
    let mut members: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    for (run, label) in (0..).zip(labels) {
        if let Some(basin) = label {
            members.entry(*basin).or_insert((0, run)).0 += 1;
        }
    }
    let listed: Vec<Basin> = members
        .into_iter()
        .map(|(basin, (count, representative))| Basin {
            basin,
            count,
            share: Number(count as f64 / n as f64),
            loss_median: None,
            certificate: None,
            representative,
            curvature: None,
        })
        .collect();
    let census = census(listed.iter().map(|basin| basin.count), n);
    assemble(n, listed, &agreement_of_runs(labels), census.as_ref(), false)
}

/// `listed` are all basins, the most visited first.
fn assemble(
    n: u64,
    mut listed: Vec<Basin>,
    agreement: &Agreement,
    census: Option<&Census>,
    ambiguous: bool,
) -> LevelReport {
    let share = |count: u64| Number(count as f64 / n as f64);
    let basins_found = listed.len() as u64;
    let largest_share = (n > 0).then(|| share(listed.first().map_or(0, |basin| basin.count)));
    let others = listed.split_off(listed.len().min(limits::BASINS_PER_REPORT));
    let others_count = others.iter().map(|basin| basin.count).sum();
    LevelReport {
        n,
        basins_found,
        largest_share,
        same_pair: SamePair {
            estimate: agreement.estimate.map(Number),
            ci95: agreement.ci95.as_ref().ok().map(|ends| ends.map(Number)),
            pairs_ci95: agreement.pairs_ci95.map(|ends| ends.map(Number)),
            anytime_ci95: agreement.anytime_ci95.map(|ends| ends.map(Number)),
            units: agreement.units,
            reason: agreement.ci95.as_ref().err().cloned(),
        },
        coverage: census.map(|census| census.coverage),
        chao1: census.map(|census| census.chao1),
        more_restarts_for: census.map(|census| census.more_restarts_for.clone()),
        rarefaction: census.map(|census| census.rarefaction.clone()),
        ambiguous,
        others: (!others.is_empty()).then(|| OtherBasins {
            basins: others.len() as u64,
            count: others_count,
            share: share(others_count),
        }),
        basins: listed,
    }
}

/// The basins in which trials of this experiment end, the most visited first.
fn occupied(trials: &Trials, basins: &Basins) -> Vec<Basin> {
    let n = trials.n();
    let mut members: BTreeMap<u32, Vec<&Outcome>> = BTreeMap::new();
    for (trial, label) in trials.finished.iter().zip(&basins.labels) {
        if let Some((basin, outcome)) = label.zip(trial.outcome) {
            members.entry(basin).or_default().push(outcome);
        }
    }
    let mut listed: Vec<Basin> = members
        .into_iter()
        .map(|(basin, outcomes)| {
            // ascending by restart: the first is the smallest
            let representative = outcomes[0];
            let mut losses: Vec<f64> = outcomes.iter().map(|outcome| loss(outcome)).collect();
            losses.sort_by(f64::total_cmp);
            Basin {
                basin,
                count: outcomes.len() as u64,
                share: Number(outcomes.len() as f64 / n as f64),
                loss_median: median(&losses).map(Number),
                certificate: representative.certificate().map(|c| c.name().to_owned()),
                representative: representative.restart,
                curvature: curvature(representative),
            }
        })
        .collect();
    listed.sort_by_key(|basin| (std::cmp::Reverse(basin.count), basin.basin));
    listed
}

/// The loss at the point that is compared.
fn loss(outcome: &Outcome) -> f64 {
    outcome.polish.as_ref().map_or(outcome.loss_train, |polish| polish.loss)
}
