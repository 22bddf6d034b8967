//! One sweep and its experiments, as the core knows them: counts and ranges, never specs or outcomes.

use std::collections::BTreeMap;

use seedsweep_common::id::{ExperimentIndex, SweepId, Token};
use seedsweep_common::progress::{ExperimentProgress, Extension, PlanChange, SweepState, TrialCounts};
use seedsweep_common::range::{IntervalSet, RestartRange};

use super::event::Effort;
use super::history::Histories;
use super::second_stage::{BarrierView, RestoredPairs, SecondStage};
use super::sizing::Speed;
use super::stopping::Watch;
use super::trials::{TrialState, Trials};

/// What the store knows of a sweep.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Its id.
    pub id: SweepId,
    /// Restarts of each experiment as its spec says.
    pub restarts: Vec<u32>,
    /// Experiments with `stop_when`.
    pub watched: Vec<ExperimentIndex>,
    /// What changed about the numbers of restarts since, in order.
    pub plan: Vec<(ExperimentIndex, PlanChange)>,
    /// Done restarts per experiment; may be shorter than `restarts`.
    pub done: Vec<IntervalSet>,
    /// Diverged trainings per experiment, a part of `done`; may be shorter than `restarts`.
    pub diverged: Vec<IntervalSet>,
    /// Failed trials; those that are done by now do not count.
    pub failed: Vec<(ExperimentIndex, u32)>,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Reports that differed.
    pub divergences: u64,
    /// Whether barriers are asked for.
    pub barriers: bool,
    /// The pairs chosen so far, and what became of them.
    pub pairs: RestoredPairs,
}

impl Restored {
    /// A new sweep.
    pub fn new(id: SweepId, restarts: Vec<u32>) -> Self {
        Self {
            id,
            restarts,
            watched: Vec::new(),
            plan: Vec::new(),
            done: Vec::new(),
            diverged: Vec::new(),
            failed: Vec::new(),
            cancelled: false,
            divergences: 0,
            barriers: false,
            pairs: RestoredPairs::default(),
        }
    }
}

/// What anybody may know of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepView {
    /// Where it stands.
    pub state: SweepState,
    /// Counts of each experiment.
    pub experiments: Vec<TrialCounts>,
    /// Failed trials of each experiment.
    pub failed: Vec<IntervalSet>,
    /// How each experiment's number of restarts came about.
    pub plans: Vec<PlanView>,
    /// Reports equal to what was stored before, since the coordinator started.
    pub duplicates: u64,
    /// Reports that differed from what was stored before.
    pub divergences: u64,
    /// What slots did for it since the coordinator started.
    pub effort: Effort,
    /// The second stage, where barriers are asked for.
    pub barriers: Option<BarrierView>,
}

impl SweepView {
    /// The counts of all experiments together.
    pub fn counts(&self) -> TrialCounts {
        self.experiments.iter().copied().sum()
    }

    /// Whether a report that is stored must be of these trials: all are done with their barriers, and there never were
    /// fewer.
    pub(crate) fn is_final(&self) -> bool {
        let is_whole = |counts: TrialCounts| counts.done == counts.total;
        is_whole(self.counts())
            && self.barriers.as_ref().is_none_or(|barriers| is_whole(barriers.counts))
            && self.plans.iter().all(|plan| plan.extensions.is_empty())
    }

    /// Whether a report of it is one of `other` too.
    pub(crate) fn same_trials(&self, other: &Self) -> bool {
        (self.state, &self.experiments, &self.plans, &self.barriers)
            == (other.state, &other.experiments, &other.plans, &other.barriers)
    }

    /// What the analysis needs to know of each experiment beside its outcomes.
    pub fn progress(&self) -> Vec<ExperimentProgress> {
        self.experiments
            .iter()
            .zip(&self.failed)
            .zip(&self.plans)
            .map(|((&trials, failed), plan)| ExperimentProgress {
                trials,
                failed: failed.iter().flat_map(RestartRange::iter).collect(),
                looks: plan.watch.and_then(|watch| watch.stop()),
                extensions: plan.extensions.clone(),
            })
            .collect()
    }
}

/// How an experiment's number of restarts came about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanView {
    /// Restarts added, in order.
    pub extensions: Vec<Extension>,
    /// Its looks; `None` without `stop_when`.
    pub watch: Option<Watch>,
}

#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    pub(crate) id: SweepId,
    pub(crate) state: SweepState,
    /// Those of the spec, and behind them one whose restarts are the pairs of the second stage, if there is one.
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) second_stage: Option<SecondStage>,
    pub(crate) duplicates: u64,
    pub(crate) divergences: u64,
    pub(crate) effort: Effort,
}

#[derive(Debug, Clone)]
pub(crate) struct Experiment {
    pub(crate) trials: Trials,
    pub(crate) histories: Histories,
    /// Live leases by first restart; they never overlap.
    pub(crate) leases: BTreeMap<u32, Token>,
    /// Measured by any worker: the first guess for the others.
    pub(crate) speed: Option<Speed>,
    /// Restarts added, in order.
    pub(crate) extensions: Vec<Extension>,
    /// Its looks; `None` without `stop_when`.
    pub(crate) watch: Option<Watch>,
}

impl Sweep {
    pub(crate) fn restored(restored: Restored) -> Self {
        let mut experiments: Vec<Experiment> =
            restored.restarts.iter().map(|&n| Experiment::new(n)).collect();
        for index in restored.watched {
            if let Some(experiment) = experiments.get_mut(index.0 as usize) {
                experiment.watch = Some(Watch::default());
            }
        }
        for (index, change) in restored.plan {
            if let Some(experiment) = experiments.get_mut(index.0 as usize) {
                experiment.change(change);
            }
        }
        for (experiment, done) in experiments.iter_mut().zip(&restored.done) {
            for state in [TrialState::Pending, TrialState::Skipped] {
                done.iter().for_each(|range| {
                    experiment.trials.shift(range, state, state.with_outcome());
                });
            }
        }
        for (experiment, diverged) in experiments.iter_mut().zip(&restored.diverged) {
            diverged.iter().for_each(|range| experiment.trials.add_diverged(range));
        }
        for (index, restart) in restored.failed {
            if let Some(experiment) = experiments.get_mut(index.0 as usize) {
                let one = RestartRange::one(restart);
                experiment.trials.shift(one, TrialState::Pending, TrialState::Failed);
                experiment.trials.shift(one, TrialState::Skipped, TrialState::SpareFailed);
            }
        }
        let second_stage = restored.barriers.then(|| {
            let (stage, pairs) = SecondStage::restored(restored.pairs);
            experiments.push(Experiment::of(pairs));
            stage
        });
        let mut sweep = Self {
            id: restored.id,
            state: SweepState::Running,
            experiments,
            second_stage,
            duplicates: 0,
            divergences: restored.divergences,
            effort: Effort::default(),
        };
        if restored.cancelled {
            sweep.state = SweepState::Cancelled;
            sweep.cancel_unfinished();
        } else if sweep.is_complete() {
            sweep.state = SweepState::Done;
        }
        sweep
    }

    /// An experiment whose index was checked.
    pub(crate) fn experiment(&self, index: ExperimentIndex) -> &Experiment {
        &self.experiments[index.0 as usize]
    }

    /// An experiment whose index was checked.
    pub(crate) fn experiment_mut(&mut self, index: ExperimentIndex) -> &mut Experiment {
        &mut self.experiments[index.0 as usize]
    }

    /// Everything that is not done is cancelled; so are failures, which are no longer worth a retry.
    pub(crate) fn cancel_unfinished(&mut self) {
        for experiment in &mut self.experiments {
            for state in [TrialState::Pending, TrialState::Leased, TrialState::Failed] {
                experiment.trials.shift_all(state, TrialState::Cancelled);
            }
            experiment.histories.clear();
        }
    }

    /// The experiments of the spec.
    pub(crate) fn of_spec(&self) -> &[Experiment] {
        &self.experiments[..self.experiments.len() - usize::from(self.second_stage.is_some())]
    }

    /// The counts of all trials; pairs are none.
    pub(crate) fn counts(&self) -> TrialCounts {
        self.of_spec().iter().map(|experiment| experiment.trials.counts()).sum()
    }

    /// Whether all trials have ended, and no look is due that could say otherwise.
    pub(crate) fn trials_have_ended(&self) -> bool {
        let counts = self.counts();
        let looking = |experiment: &Experiment| experiment.watch.is_some_and(|watch| watch.stop().is_none());
        counts.pending + counts.leased == 0 && !self.experiments.iter().any(looking)
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.trials_have_ended() && self.second_stage_has_ended()
    }

    pub(crate) fn view(&self) -> SweepView {
        SweepView {
            state: self.state,
            experiments: self.of_spec().iter().map(|experiment| experiment.trials.counts()).collect(),
            failed: (self.of_spec().iter())
                .map(|experiment| experiment.trials.set(TrialState::Failed).clone())
                .collect(),
            plans: (self.of_spec().iter())
                .map(|experiment| PlanView {
                    extensions: experiment.extensions.clone(),
                    watch: experiment.watch,
                })
                .collect(),
            duplicates: self.duplicates,
            divergences: self.divergences,
            effort: self.effort,
            barriers: self.barrier_view(),
        }
    }
}

impl Experiment {
    fn new(restarts: u32) -> Self {
        Self::of(Trials::new(restarts))
    }

    fn of(trials: Trials) -> Self {
        Self {
            trials,
            histories: Histories::default(),
            leases: BTreeMap::new(),
            speed: None,
            extensions: Vec::new(),
            watch: None,
        }
    }
}
