//! Adds restarts to a sweep. Never takes any away, so that asking twice changes nothing.

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::limits;
use seedsweep_common::progress::{Extension, PlanChange, SweepState};

use super::{Core, Effect, Refusal};

impl Core {
    /// Lets each of `experiments` make `restarts` in all. A sweep that was done runs again.
    pub(super) fn extend(
        &mut self,
        id: SweepId,
        experiments: &[ExperimentIndex],
        restarts: u32,
        effects: &mut Vec<Effect>,
    ) {
        let Some(&number) = self.by_id.get(&id) else {
            effects.push(Effect::Refused(Refusal::UnknownSweep(id)));
            return;
        };
        let sweep = &self.sweeps[number];
        let grows = |index: &&ExperimentIndex| {
            let experiment = sweep.experiments.get(index.0 as usize);
            experiment.is_some_and(|experiment| experiment.trials.restarts() < restarts)
        };
        let growing: Vec<ExperimentIndex> = experiments.iter().filter(grows).copied().collect();
        let changes = sweep.experiments.iter().map(|experiment| experiment.extensions.len()).sum::<usize>();
        let refusal = if sweep.state == SweepState::Cancelled {
            Some(Refusal::Cancelled(id))
        } else if growing.is_empty() {
            return;
        } else if changes + growing.len() > limits::EXTENSIONS {
            Some(Refusal::TooManyExtensions)
        } else if sweep.state == SweepState::Done && self.running >= limits::OPEN_SWEEPS {
            Some(Refusal::TooManySweeps)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            effects.push(Effect::Refused(refusal));
            return;
        }
        let sweep = &mut self.sweeps[number];
        if sweep.state == SweepState::Done {
            sweep.state = SweepState::Running;
            self.running += 1;
        }
        for index in growing {
            let experiment = sweep.experiment_mut(index);
            let change = PlanChange::Extended(Extension { from: experiment.trials.restarts(), to: restarts });
            experiment.change(change);
            effects.push(Effect::Change { sweep: id, experiment: index, change });
        }
        self.refresh(number);
    }
}
