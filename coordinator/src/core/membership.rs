//! Workers come, call and leave.

use seedsweep_common::id::WorkerId;
use seedsweep_common::limits;
use seedsweep_common::progress::SweepState;

use super::sizing::Speed;
use super::workers::Presence;
use super::{Core, Effect, Guess, Newcomer, Refusal, Timestamp};

impl Core {
    pub(super) fn register(&mut self, now: Timestamp, newcomer: Newcomer, effects: &mut Vec<Effect>) {
        // the boot in the high half: an id of an earlier coordinator is never taken for one of this
        let id = WorkerId(u64::from(self.settings.boot) << 32 | u64::from(self.workers_registered));
        let live_until = now.after(self.settings.lease_ms);
        if self.workers.insert(id, newcomer, live_until) {
            self.workers_registered = self.workers_registered.wrapping_add(1);
            effects.push(Effect::Welcome(id));
        } else {
            effects.push(Effect::Refused(Refusal::TooManyWorkers));
        }
    }

    /// Notes what a worker expects of experiments that it has not measured. Only its own tasks depend on it.
    pub(super) fn take_guesses(&mut self, worker: WorkerId, guesses: &[Guess]) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        for guess in guesses {
            let Some(&number) = self.by_id.get(&guess.sweep) else { continue };
            let sweep = &self.sweeps[number];
            let is_open =
                sweep.state == SweepState::Running && (guess.experiment.0 as usize) < sweep.experiments.len();
            if is_open && worker.speeds.len() < limits::SPEEDS_PER_WORKER {
                let speed = worker.speeds.entry((number, guess.experiment));
                speed.or_insert_with(|| Speed::guessed(guess.us_per_trial));
            }
        }
    }

    /// Puts the worker's tasks back without blame. A worker that is not known has nothing to put back.
    pub(super) fn leave(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        for token in self.leases.tokens(|lease| lease.worker == worker) {
            if let Some(lease) = self.end_lease(token) {
                self.put_back(&lease, None, effects);
            }
        }
        self.workers.remove(worker);
    }

    /// Notes a call of `worker`. If its silence was counted as a loss, that is taken back: its process lives.
    /// `false` if it is not registered.
    pub(super) fn heard(&mut self, now: Timestamp, worker: WorkerId) -> bool {
        match self.workers.heard(worker, now.after(self.settings.lease_ms)) {
            None => false,
            Some(Presence::Silent { blamed: true }) => {
                for sweep in &mut self.sweeps {
                    sweep.experiments.iter_mut().for_each(|experiment| experiment.histories.forgive(worker));
                }
                true
            }
            Some(Presence::Live | Presence::Silent { blamed: false }) => true,
        }
    }
}
