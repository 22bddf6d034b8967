//! What the outcomes say: basins, agreement, verdict, report.
//!
//! Pure and deterministic: the same outcomes give the same bytes on every machine, in whatever order they
//! arrived. Nothing is dropped from a denominator in silence. Definitions, rules and simulated coverages are in
//! `docs/report.md`.

mod abundance;
mod agreement;
mod basins;
mod betting;
mod bootstrap;
pub mod borders;
mod census;
mod chao1;
mod combined;
mod comparison;
mod connected;
mod curvature;
mod elementary;
mod experiment;
mod fate;
pub mod intervals;
mod levels;
mod linkage;
pub mod outputs;
mod paired;
pub mod pairs;
mod ranks;
pub mod report;
pub mod runs;
pub mod sequences;
mod special;
pub mod stats;
pub mod stopping;
pub mod summary;
mod trials;
mod variance;
mod verdict;
mod warnings;
pub mod words;

#[cfg(test)]
mod tests;

use crate::fingerprint::ENGINE_VERSION;
use crate::id::SweepId;
use crate::outcome::Outcome;
use crate::progress::{ExperimentProgress, Extension, SweepState};
use crate::spec::{Experiment, Level, SweepSpec};

use agreement::{Agreement, agreement};
use basins::Basins;
use comparison::Side;
use experiment::experiment_report;
use report::{ExtensionReport, REPORT_SCHEMA, SweepReport};
use trials::Trials;
use verdict::Evidence;

pub use connected::Asked;
pub use report::Report;

/// Version of everything that decides the bytes of a report apart from the outcomes. Raised whenever one of
/// them changes; a stored report names the version it was made by.
pub const ANALYSIS_VERSION: u32 = 4;

/// What the outcomes of a sweep say.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// The report.
    pub report: Report,
    /// For each experiment, and in the order of its outcomes as given, the basins of each row.
    pub basins: Vec<Vec<RowBasins>>,
    /// For each experiment the basins between which barriers are asked for ([`Analysis::pairs`]).
    asked: Vec<Option<Asked>>,
}

/// The basins in which one trial ended; `None` where it ended in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowBasins {
    /// At level `raw`.
    pub raw: Option<u32>,
    /// At level `canonical`.
    pub canonical: Option<u32>,
    /// At level `function`.
    pub function: Option<u32>,
}

/// Something for each level, in the order of `Level::ALL`.
pub(crate) type ByLevel<T> = [T; Level::ALL.len()];

/// Analyses the stored outcomes of a sweep. `progress[e]` and `outcomes[e]` belong to experiment e of the
/// spec, each restart at most once, in any order.
pub fn analyse(
    spec: &SweepSpec,
    id: SweepId,
    state: SweepState,
    progress: &[ExperimentProgress],
    outcomes: &[Vec<Outcome>],
) -> Analysis {
    let trials: Vec<Trials> = spec
        .experiments
        .iter()
        .zip(progress)
        .zip(outcomes)
        .map(|((experiment, progress), outcomes)| Trials::new(experiment, progress, outcomes))
        .collect();
    let basins = basins::all(spec, &trials);
    let agreements = basins.each_ref().map(|basins| -> Vec<Agreement> {
        trials.iter().zip(basins).map(|(trials, basins)| agreement(trials, &basins.labels)).collect()
    });
    let at =
        |e: usize| (basins.each_ref().map(|level| &level[e]), agreements.each_ref().map(|level| &level[e]));

    let experiments = trials
        .iter()
        .enumerate()
        .map(|(e, trials)| {
            let (basins, agreements) = at(e);
            experiment_report(&Evidence { spec, index: e, state, trials, basins, agreements })
        })
        .collect();
    let sides: Vec<Side> = trials
        .iter()
        .enumerate()
        .map(|(e, trials)| {
            let (basins, agreements) = at(e);
            Side { trials, basins, agreements }
        })
        .collect();
    let (comparisons, comparisons_left_out) = comparison::compare(spec, &sides);
    let report = Report {
        schema: REPORT_SCHEMA.to_owned(),
        analysis: ANALYSIS_VERSION,
        sweep: SweepReport {
            id: id.to_string(),
            name: spec.name.to_string(),
            seed: spec.seed,
            engine: ENGINE_VERSION.to_owned(),
            state,
            trials: progress.iter().map(|progress| progress.trials).sum(),
            audits: None,
            extensions: extensions(spec, progress),
        },
        experiments,
        comparisons,
        comparisons_left_out,
        fate: fate::fates(spec, state, &sides),
    };
    let rows = outcomes.iter().enumerate().map(|(e, outcomes)| rows(&trials[e], at(e).0, outcomes)).collect();
    Analysis { report, basins: rows, asked: connected::asked(spec, &trials, &basins) }
}

/// Restarts added after submission; `None` without any.
fn extensions(spec: &SweepSpec, progress: &[ExperimentProgress]) -> Option<Vec<ExtensionReport>> {
    let of = |(experiment, progress): (&Experiment, &ExperimentProgress)| {
        let name = experiment.name.to_string();
        let report = move |&Extension { from, to }| ExtensionReport { experiment: name.clone(), from, to };
        progress.extensions.iter().map(report).collect::<Vec<_>>()
    };
    let all: Vec<ExtensionReport> = spec.experiments.iter().zip(progress).flat_map(of).collect();
    (!all.is_empty()).then_some(all)
}

/// The basins of `outcomes` in the order given.
fn rows(trials: &Trials, basins: ByLevel<&Basins>, outcomes: &[Outcome]) -> Vec<RowBasins> {
    let label = |level: Level, restart: u32| {
        let trial = trials.finished.binary_search_by_key(&restart, |trial| trial.restart);
        trial.ok().and_then(|trial| basins[level as usize].labels[trial])
    };
    outcomes
        .iter()
        .map(|outcome| RowBasins {
            raw: label(Level::Raw, outcome.restart),
            canonical: label(Level::Canonical, outcome.restart),
            function: label(Level::Function, outcome.restart),
        })
        .collect()
}
