//! The finished trials of an experiment as the analysis sees them: stored outcomes and failed trials, sorted by
//! restart. Failed ones have no outcome, yet they are trials.

use std::collections::BTreeSet;

use crate::outcome::{Certificate, Outcome, StopReason};
use crate::plan;
use crate::progress::ExperimentProgress;
use crate::spec::{Experiment, Level, PolishMode};

/// An experiment with its finished trials.
pub(crate) struct Trials<'a> {
    /// The experiment.
    pub(crate) experiment: &'a Experiment,
    /// Its progress.
    pub(crate) progress: &'a ExperimentProgress,
    /// Its finished trials, ascending.
    pub(crate) finished: Vec<Finished<'a>>,
    /// Whether end points are polished.
    pub(crate) polished: bool,
}

/// A finished trial.
#[derive(Clone, Copy)]
pub(crate) struct Finished<'a> {
    /// Its restart.
    pub(crate) restart: u32,
    /// What it left; `None` if it failed.
    pub(crate) outcome: Option<&'a Outcome>,
}

impl<'a> Trials<'a> {
    /// Sorts `outcomes` and the failed trials by restart. An outcome that came after its trial had failed wins, and one that
    /// is there twice counts once.
    pub(crate) fn new(
        experiment: &'a Experiment,
        progress: &'a ExperimentProgress,
        outcomes: &'a [Outcome],
    ) -> Self {
        let mut finished: Vec<Finished<'a>> = outcomes
            .iter()
            .map(|outcome| Finished { restart: outcome.restart, outcome: Some(outcome) })
            .collect();
        finished.sort_by_key(|trial| trial.restart);
        finished.dedup_by_key(|trial| trial.restart);
        let stored: BTreeSet<u32> = finished.iter().map(|trial| trial.restart).collect();
        let failed: BTreeSet<u32> =
            progress.failed.iter().copied().filter(|restart| !stored.contains(restart)).collect();
        finished.extend(failed.into_iter().map(|restart| Finished { restart, outcome: None }));
        finished.sort_by_key(|trial| trial.restart);
        // whether `auto` polishes depends on the number of rows, which the spec does not hold: the outcomes tell
        let polished = match experiment.minima.polish {
            PolishMode::On => true,
            PolishMode::Off => false,
            PolishMode::Auto => outcomes.iter().any(|outcome| outcome.polish.is_some()),
        };
        Self { experiment, progress, finished, polished }
    }

    /// Finished trials, failed ones included: the denominator of every share.
    pub(crate) fn n(&self) -> u64 {
        self.finished.len() as u64
    }

    /// Trials that were to be made: fewer than asked for where it stopped early.
    pub(crate) fn planned(&self) -> u32 {
        let stopped = self.progress.looks.filter(|looks| looks.stop.is_some());
        stopped.map_or(self.experiment.restarts, |looks| looks.restarts)
    }

    /// The stored outcomes, ascending by restart.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &'a Outcome> + Clone + '_ {
        self.finished.iter().filter_map(|trial| trial.outcome)
    }

    /// Whether the end point of `outcome` may enter a basin at `level`.
    ///
    /// Diverged training ends nowhere. `bits` asks whether two trainings are one computation, which needs no
    /// certificate; at the other levels a polished end point must be a minimum.
    pub(crate) fn may_enter(&self, outcome: &Outcome, level: Level) -> bool {
        outcome.stop_reason != StopReason::Diverged
            && (level == Level::Bits || !self.polished || self.is_minimum(outcome))
    }

    /// Whether its end points can be compared at `level`: at `canonical` the network needs a canonical form, and every
    /// outcome its sketch, which engines before 3 did not take.
    pub(crate) fn has_level(&self, level: Level) -> bool {
        let has_sketch =
            |outcome: &Outcome| !self.may_enter(outcome, level) || outcome.sketch_canonical.is_some();
        level != Level::Canonical
            || (self.experiment.network.has_canonical_form() && self.outcomes().all(has_sketch))
    }

    /// Whether `outcome` is known to be a minimum.
    pub(crate) fn is_minimum(&self, outcome: &Outcome) -> bool {
        outcome.certificate().is_some_and(Certificate::is_minimum)
    }

    /// The stored outcomes known not to end at a minimum: diverged, and uncertified where polish is on.
    pub(crate) fn without_minimum(&self) -> impl Iterator<Item = &'a Outcome> + '_ {
        self.outcomes().filter(|outcome| !self.may_enter(outcome, Level::Function))
    }

    /// Whether its restarts are independent draws.
    pub(crate) fn are_independent(&self) -> bool {
        plan::are_independent(self.experiment)
    }

    /// The start that `restart` shares with others.
    pub(crate) fn start(&self, restart: u32) -> u64 {
        plan::streams(self.experiment, restart).init
    }
}
