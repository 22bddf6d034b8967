//! Keeps leases alive, and adopts tasks that were leased before the coordinator was restarted.

use seedsweep_common::id::WorkerId;
use seedsweep_common::limits;
use seedsweep_common::progress::SweepState;
use seedsweep_common::range::RestartRange;

use super::trials::TrialState;
use super::{Core, Effect, Refusal, Task, Timestamp};

impl Core {
    /// Gives the tasks that `worker` still holds a new deadline, and revokes the rest.
    pub(super) fn renew(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        held: Vec<Task>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.heard(now, worker) {
            effects.push(Effect::Refused(Refusal::UnknownWorker(worker)));
            return;
        }
        let deadline = now.after(self.settings.lease_ms);
        for task in held {
            // the token alone says who holds a task: a worker that had to register again keeps its own
            if self.leases.get(task.token).is_some() {
                self.leases.renew(task.token, worker, deadline);
            } else if !self.adopt(now, worker, &task) {
                effects.push(Effect::Revoke(task.token));
            }
        }
    }

    /// Takes over a task of an earlier boot under its own token, if nothing of it was given away meanwhile.
    /// What of it is done already stays done.
    fn adopt(&mut self, now: Timestamp, worker: WorkerId, task: &Task) -> bool {
        if task.token.boot() >= self.settings.boot || task.range.count() > limits::RESTARTS_PER_TASK {
            return false;
        }
        let Some(&number) = self.by_id.get(&task.sweep) else { return false };
        let sweep = &self.sweeps[number];
        let Some(experiment) = sweep.experiments.get(task.experiment.0 as usize) else { return false };
        let count = |state| {
            experiment.trials.set(state).within(task.range).map(|range| u64::from(range.count())).sum::<u64>()
        };
        let whole = count(TrialState::Pending) + count(TrialState::Done) == u64::from(task.range.count());
        // from the first to the last pending restart: live leases hold no pending ones, so none can overlap it
        let pending = || experiment.trials.set(TrialState::Pending).within(task.range);
        let (Some(first), Some(last)) = (pending().next(), pending().last()) else { return false };
        let Some(range) = RestartRange::new(first.start(), last.end()) else { return false };
        if sweep.state != SweepState::Running || !whole {
            return false;
        }
        let attempts = task.attempt.saturating_sub(1);
        let experiment = self.sweeps[number].experiment_mut(task.experiment);
        experiment.histories.update(range, |history| history.attempts = history.attempts.max(attempts));
        self.lease(now, worker, task.token, number, task.experiment, range);
        true
    }
}
