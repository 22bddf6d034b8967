//! The second stage of a sweep: barriers between minima, measured when its trials have ended.
//!
//! Pairs are chosen from the outcomes, off the driver's loop, and told by [`Event::Planned`](super::Event::Planned).
//! Here they are the restarts of one more experiment behind the last, so that leases, attempts, losses, failures,
//! adoption and cancellation are those of trials. The numbers of pairs never change: a later choice, for a sweep that
//! was extended, only adds pairs. Trials' counts know nothing of it.

use std::collections::HashSet;
use std::sync::Arc;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::progress::{SweepState, TrialCounts};
use seedsweep_common::range::RestartRange;

use super::sweep::Sweep;
use super::trials::{TrialState, Trials};
use super::{Core, Effect, Task};

/// What the store knows of the pairs of a sweep.
#[derive(Debug, Clone, Default)]
pub struct RestoredPairs {
    /// All pairs by number.
    pub pairs: Vec<Pair>,
    /// Trials of the sweep at the last choice; `None` if there was none.
    pub trials: Option<u64>,
    /// Pairs whose barrier is stored.
    pub measured: HashSet<Pair>,
    /// Pairs of which every attempt failed.
    pub failed: HashSet<Pair>,
}

/// What anybody may know of a second stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarrierView {
    /// Counts of the pairs; all 0 until they are chosen.
    pub counts: TrialCounts,
    /// The pairs by number.
    pub pairs: Arc<[Pair]>,
}

/// The second stage of a sweep; the states of its pairs are those of its last experiment.
#[derive(Debug, Clone)]
pub(crate) struct SecondStage {
    pairs: Arc<[Pair]>,
    /// Trials of the sweep when the pairs were chosen last.
    trials: Option<u64>,
}

impl SecondStage {
    /// The stage as the store knows it, and the states of its pairs.
    pub(crate) fn restored(restored: RestoredPairs) -> (Self, Trials) {
        let mut states = Trials::new(restored.pairs.len() as u32);
        for (number, pair) in (0..).zip(&restored.pairs) {
            let state = match pair {
                pair if restored.measured.contains(pair) => TrialState::Done,
                pair if restored.failed.contains(pair) => TrialState::Failed,
                _ => continue,
            };
            states.shift(RestartRange::one(number), TrialState::Pending, state);
        }
        (Self { pairs: restored.pairs.into(), trials: restored.trials }, states)
    }
}

impl Sweep {
    /// Whether the pairs are chosen, and none is pending or leased. So it is where there is no second stage.
    pub(crate) fn second_stage_has_ended(&self) -> bool {
        self.barrier_view().is_none_or(|stage| {
            let is_open = stage.counts.pending + stage.counts.leased > 0;
            !is_open && !self.is_unplanned()
        })
    }

    /// Whether pairs are to be chosen for as many trials as there are.
    fn is_unplanned(&self) -> bool {
        self.second_stage.as_ref().is_some_and(|stage| stage.trials != Some(self.counts().total))
    }

    /// The number of the experiment whose restarts are pairs.
    fn stage_index(&self) -> ExperimentIndex {
        ExperimentIndex(self.experiments.len() as u32 - 1)
    }

    /// Whether the restarts of experiment `index` are pairs.
    pub(crate) fn is_second_stage(&self, index: ExperimentIndex) -> bool {
        self.second_stage.is_some() && index == self.stage_index()
    }

    /// The pair with number `number` of experiment `index`, if that holds pairs.
    pub(crate) fn pair(&self, index: ExperimentIndex, number: u32) -> Option<Pair> {
        let stage = self.second_stage.as_ref().filter(|_| index == self.stage_index())?;
        stage.pairs.get(number as usize).copied()
    }

    /// Most restarts of experiment `index` in one task.
    pub(crate) fn most_per_task(&self, index: ExperimentIndex) -> u32 {
        if self.is_second_stage(index) { limits::PAIRS_PER_TASK } else { limits::RESTARTS_PER_TASK }
    }

    /// What anybody may know of the second stage.
    pub(crate) fn barrier_view(&self) -> Option<BarrierView> {
        let stage = self.second_stage.as_ref()?;
        let counts = self.experiment(self.stage_index()).trials.counts();
        Some(BarrierView { counts, pairs: stage.pairs.clone() })
    }
}

impl Core {
    /// The sweeps whose trials have ended since the last call and whose pairs are to be chosen.
    pub fn take_unplanned(&mut self) -> Vec<SweepId> {
        std::mem::take(&mut self.unplanned).into_iter().map(|number| self.sweeps[number].id).collect()
    }

    /// Notes whether the trials of a sweep have ended and its pairs are to be chosen.
    pub(super) fn note_unplanned(&mut self, number: usize) {
        let sweep = &self.sweeps[number];
        let is_due = sweep.state == SweepState::Running && sweep.trials_have_ended();
        if is_due && sweep.is_unplanned() {
            self.unplanned.insert(number);
        }
    }

    /// Takes chosen pairs in: those not known yet get the next numbers. Nothing happens if the sweep has ended
    /// meanwhile or was extended: then they are chosen again when its trials have ended.
    pub(super) fn plan(&mut self, id: SweepId, pairs: Vec<Pair>, effects: &mut Vec<Effect>) {
        let Some(&number) = self.by_id.get(&id) else { return };
        let sweep = &mut self.sweeps[number];
        let (trials, index) = (sweep.counts().total, sweep.stage_index());
        let is_due = sweep.state == SweepState::Running && sweep.trials_have_ended();
        let Some(stage) = sweep.second_stage.as_mut().filter(|_| is_due) else { return };
        let mut known: HashSet<Pair> = stage.pairs.iter().copied().collect();
        let first = stage.pairs.len();
        let room = limits::BARRIER_PAIRS.saturating_sub(first);
        let new: Vec<Pair> = pairs.into_iter().filter(|pair| known.insert(*pair)).take(room).collect();
        stage.pairs = stage.pairs.iter().chain(&new).copied().collect();
        stage.trials = Some(trials);
        let count = stage.pairs.len() as u32;
        sweep.experiment_mut(index).trials.grow(count);
        effects.push(Effect::Plan { sweep: id, first: first as u32, trials, pairs: new });
        self.settle(number, index, effects);
    }

    /// First barriers make their pairs done, whatever state they are in; repeated ones are to be compared.
    pub(super) fn take_barriers(
        &mut self,
        number: usize,
        task: &Task,
        worker: WorkerId,
        barriers: Vec<(u32, Barrier)>,
        duration_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (at, barrier) in barriers {
            let sweep = &mut self.sweeps[number];
            let Some(pair) = sweep.pair(task.experiment, at) else { continue };
            let (one, experiment) = (RestartRange::one(at), sweep.experiment_mut(task.experiment));
            match experiment.trials.state(at) {
                Some(TrialState::Done) => repeated.push((pair, barrier)),
                Some(state) => {
                    experiment.trials.shift(one, state, TrialState::Done);
                    experiment.histories.forget(one);
                    first.push((pair, barrier));
                }
                // the range was checked, and each number to be in it (`service::workers`)
                None => {}
            }
        }
        let Some(provenance) = self.provenance(worker, task, duration_ms) else { return };
        let sweep = task.sweep;
        if !first.is_empty() {
            effects.push(Effect::StoreBarriers { sweep, provenance: provenance.clone(), barriers: first });
            if self.sweeps[number].state != SweepState::Running {
                effects.push(Effect::Ended { id: sweep });
            }
        }
        if !repeated.is_empty() {
            effects.push(Effect::CompareBarriers { sweep, provenance, barriers: repeated });
        }
    }
}
