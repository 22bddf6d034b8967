//! Ends experiments early: says when their first restarts are to be looked at, and skips the rest once a look has found
//! that no more are needed.
//!
//! What a look finds is a function of the restarts looked at (`common::analysis::stopping`) and is computed outside;
//! asked twice it finds the same. The decision is stored, and then it is the store's word that counts.

use seedsweep_common::analysis::stopping::next_look;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::progress::{Looks, PlanChange, SweepState};

use super::sweep::Experiment;
use super::{Core, Effect};

/// The looks at an experiment with `stop_when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    /// The last stop that was taken back by an extension: looks go on after it.
    pub earlier: Option<Looks>,
    /// What the looks so far have found.
    pub found: Looks,
    /// Whether a look is being computed.
    pub(crate) is_looking: bool,
}

impl Watch {
    /// Where it has stopped.
    pub fn stop(&self) -> Option<Looks> {
        Some(self.found).filter(|found| found.stop.is_some())
    }
}

impl Core {
    /// Asks for a look at each experiment whose first restarts have come far enough.
    pub(super) fn ask_for_looks(&mut self, effects: &mut Vec<Effect>) {
        for (number, index) in std::mem::take(&mut self.unlooked) {
            let sweep = &mut self.sweeps[number];
            let (id, is_running) = (sweep.id, sweep.state == SweepState::Running);
            let experiment = sweep.experiment_mut(index);
            if !is_running || !experiment.is_look_due() {
                continue;
            }
            let restarts = experiment.trials.restarts();
            if let Some(watch) = &mut experiment.watch {
                watch.is_looking = true;
                effects.push(Effect::Look { sweep: id, experiment: index, restarts, earlier: watch.earlier });
            }
        }
    }

    /// Takes in what a look has found that was asked for when the experiment had `restarts`.
    pub(super) fn looked(
        &mut self,
        id: SweepId,
        index: ExperimentIndex,
        restarts: u32,
        found: Looks,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&number) = self.by_id.get(&id) else { return };
        let is_running = self.sweeps[number].state == SweepState::Running;
        let Some(experiment) = self.sweeps[number].experiments.get_mut(index.0 as usize) else { return };
        let planned = experiment.trials.restarts();
        let Some(watch) = experiment.watch.as_mut().filter(|watch| watch.is_looking) else { return };
        watch.is_looking = false;
        // the last of fewer restarts is no longer the last: it is looked at again
        if is_running && restarts == planned {
            match found.stop {
                None => watch.found = found,
                Some(_) => self.stop(number, index, found, effects),
            }
        }
        self.settle(number, index, effects);
    }

    /// Ends an experiment at the restarts that were looked at; leases are revoked at the next renewal.
    fn stop(&mut self, number: usize, index: ExperimentIndex, found: Looks, effects: &mut Vec<Effect>) {
        for token in self.leases.tokens(|lease| lease.sweep == number && lease.experiment == index) {
            self.end_lease(token);
        }
        let sweep = &mut self.sweeps[number];
        let change = PlanChange::Stopped(found);
        effects.push(Effect::Change { sweep: sweep.id, experiment: index, change });
        sweep.experiment_mut(index).change(change);
    }
}

impl Experiment {
    /// Whether there are restarts to look at that were not looked at.
    pub(super) fn is_look_due(&self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let next = next_look(watch.found.restarts, self.trials.restarts());
        let waits = !watch.is_looking && watch.stop().is_none();
        waits && next.is_some_and(|next| next <= self.trials.finished_prefix())
    }

    /// The first restart that the next look does not need; `None` if there is no such look.
    pub(super) fn wanted_below(&self) -> Option<u32> {
        let watch = self.watch.filter(|watch| watch.stop().is_none())?;
        next_look(watch.found.restarts, self.trials.restarts())
    }

    /// Changes how many restarts it makes.
    pub(super) fn change(&mut self, change: PlanChange) {
        match change {
            PlanChange::Stopped(found) => {
                self.trials.set_aside_from(found.restarts);
                self.histories.clear();
                if let Some(watch) = &mut self.watch {
                    watch.found = found;
                }
            }
            PlanChange::Extended(extension) => {
                self.trials.take_back();
                self.trials.grow(extension.to);
                self.extensions.push(extension);
                if let Some(watch) = &mut self.watch
                    && let Some(stop) = watch.stop()
                {
                    watch.found = Looks { stop: None, ..stop };
                    watch.earlier = Some(watch.found);
                }
            }
        }
    }
}
