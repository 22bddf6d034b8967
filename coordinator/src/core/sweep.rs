//! One sweep and its experiments, as the core knows them: counts and ranges, never specs or outcomes.

use std::collections::BTreeMap;

use seedsweep_common::id::{ExperimentIndex, SweepId, Token};
use seedsweep_common::progress::{ExperimentProgress, SweepState, TrialCounts};
use seedsweep_common::range::{IntervalSet, RestartRange};

use super::event::Effort;
use super::history::Histories;
use super::sizing::Speed;
use super::trials::{TrialState, Trials};

/// What the store knows of a sweep.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Its id.
    pub id: SweepId,
    /// Restarts of each experiment.
    pub restarts: Vec<u32>,
    /// Done restarts per experiment; may be shorter than `restarts`.
    pub done: Vec<IntervalSet>,
    /// Diverged trainings per experiment, a part of `done`; may be shorter than `restarts`.
    pub diverged: Vec<u64>,
    /// Failed trials; those that are done by now do not count.
    pub failed: Vec<(ExperimentIndex, u32)>,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Reports that differed.
    pub divergences: u64,
}

impl Restored {
    /// A new sweep.
    pub fn new(id: SweepId, restarts: Vec<u32>) -> Self {
        Self {
            id,
            restarts,
            done: Vec::new(),
            diverged: Vec::new(),
            failed: Vec::new(),
            cancelled: false,
            divergences: 0,
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
    /// Reports equal to what was stored before, since the coordinator started.
    pub duplicates: u64,
    /// Reports that differed from what was stored before.
    pub divergences: u64,
    /// What slots did for it since the coordinator started.
    pub effort: Effort,
}

impl SweepView {
    /// The counts of all experiments together.
    pub fn counts(&self) -> TrialCounts {
        self.experiments.iter().copied().sum()
    }

    /// What the analysis needs to know of each experiment beside its outcomes.
    pub fn progress(&self) -> Vec<ExperimentProgress> {
        self.experiments
            .iter()
            .zip(&self.failed)
            .map(|(&trials, failed)| ExperimentProgress {
                trials,
                failed: failed.iter().flat_map(RestartRange::iter).collect(),
            })
            .collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    pub(crate) id: SweepId,
    pub(crate) state: SweepState,
    pub(crate) experiments: Vec<Experiment>,
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
}

impl Sweep {
    pub(crate) fn restored(restored: Restored) -> Self {
        let mut experiments: Vec<Experiment> =
            restored.restarts.iter().map(|&n| Experiment::new(n)).collect();
        for (experiment, done) in experiments.iter_mut().zip(&restored.done) {
            for range in done.iter() {
                experiment.trials.shift(range, TrialState::Pending, TrialState::Done);
            }
        }
        for (experiment, &diverged) in experiments.iter_mut().zip(&restored.diverged) {
            experiment.trials.add_diverged(diverged);
        }
        for (index, restart) in restored.failed {
            if let Some(experiment) = experiments.get_mut(index.0 as usize) {
                let one = RestartRange::one(restart);
                experiment.trials.shift(one, TrialState::Pending, TrialState::Failed);
            }
        }
        let mut sweep = Self {
            id: restored.id,
            state: SweepState::Running,
            experiments,
            duplicates: 0,
            divergences: restored.divergences,
            effort: Effort::default(),
        };
        if restored.cancelled {
            sweep.state = SweepState::Cancelled;
            sweep.cancel_unfinished();
        } else if sweep.counts().pending == 0 {
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

    pub(crate) fn counts(&self) -> TrialCounts {
        self.experiments.iter().map(|experiment| experiment.trials.counts()).sum()
    }

    pub(crate) fn view(&self) -> SweepView {
        SweepView {
            state: self.state,
            experiments: self.experiments.iter().map(|experiment| experiment.trials.counts()).collect(),
            failed: (self.experiments.iter())
                .map(|experiment| experiment.trials.set(TrialState::Failed).clone())
                .collect(),
            duplicates: self.duplicates,
            divergences: self.divergences,
            effort: self.effort,
        }
    }
}

impl Experiment {
    fn new(restarts: u32) -> Self {
        Self {
            trials: Trials::new(restarts),
            histories: Histories::default(),
            leases: BTreeMap::new(),
            speed: None,
        }
    }
}
