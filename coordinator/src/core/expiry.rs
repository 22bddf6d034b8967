//! What becomes of a lease whose deadline passed, and of trials that take workers down with them.
//!
//! Whether a worker's process died or only its network cannot always be told. The rule: a worker that was not
//! heard of for a whole lease is taken to be dead, and its tasks count it as lost; if it calls again it was not
//! dead, and that is taken back (`membership`). A worker that calls but no longer renews a task only forgot it.
//! Restarts of the coordinator leave no lease behind, and polite leaves are no loss.

use seedsweep_common::id::WorkerId;
use seedsweep_common::limits;
use seedsweep_common::outcome::Failure;
use seedsweep_common::range::RestartRange;

use super::lease::Lease;
use super::trials::TrialState;
use super::workers::Presence;
use super::{Core, Effect, Timestamp};

impl Core {
    /// Ends every lease whose deadline passed by `now`.
    pub(super) fn expire(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.workers.silence(now);
        while let Some(token) = self.leases.expired(now) {
            if let Some(lease) = self.end_lease(token) {
                let lost = self.is_lost(lease.worker);
                self.put_back(&lease, lost.then_some(lease.worker), effects);
            }
        }
    }

    fn is_lost(&mut self, worker: WorkerId) -> bool {
        match self.workers.get_mut(worker).map(|worker| &mut worker.presence) {
            Some(Presence::Silent { blamed }) => {
                *blamed = true;
                true
            }
            Some(Presence::Live) | None => false,
        }
    }

    /// What an ended lease leaves becomes pending again, one attempt later. If a worker was lost with it, that
    /// counts: a range that lost three is split, and split again at each further loss; a single restart that
    /// lost three while alone has failed.
    pub(super) fn put_back(&mut self, lease: &Lease, lost: Option<WorkerId>, effects: &mut Vec<Effect>) {
        let left = self.outstanding(lease.sweep, lease.experiment, lease.range);
        let count: u32 = left.iter().map(|range| range.count()).sum();
        let experiment = self.sweeps[lease.sweep].experiment_mut(lease.experiment);
        for &range in &left {
            experiment.histories.update(range, |history| {
                history.attempts = history.attempts.max(lease.attempt);
                let Some(worker) = lost else { return };
                let losses = if count == 1 { &mut history.lost_alone } else { &mut history.lost_together };
                if !losses.contains(&worker) {
                    losses.push(worker);
                }
                if history.lost_together.len() >= limits::KILLS_UNTIL_FAILED && count > 1 {
                    history.at_most = Some(count.div_ceil(2));
                }
            });
            experiment.trials.shift(range, TrialState::Leased, TrialState::Pending);
        }
        if let [single] = left[..]
            && count == 1
            && let (_, Some(history)) = experiment.histories.piece(single)
            && history.lost_alone.len() >= limits::KILLS_UNTIL_FAILED
        {
            let lost = history.lost_alone.clone();
            let cause = self.cause_of_losses(&lost);
            self.fail(lease, single.start(), cause, effects);
        }
        self.settle(lease.sweep, lease.experiment, effects);
    }

    fn cause_of_losses(&self, lost: &[WorkerId]) -> String {
        let name = |id: &WorkerId| match self.workers.get(*id) {
            Some(worker) => worker.name.to_string(),
            None => format!("#{}", id.0),
        };
        let names: Vec<String> = lost.iter().map(name).collect();
        format!("{} workers were lost while each trained this trial alone: {}", lost.len(), names.join(", "))
    }

    /// Gives a trial up.
    pub(super) fn fail(&mut self, lease: &Lease, restart: u32, cause: String, effects: &mut Vec<Effect>) {
        let one = RestartRange::one(restart);
        let sweep = &mut self.sweeps[lease.sweep];
        let experiment = sweep.experiment_mut(lease.experiment);
        for state in [TrialState::Pending, TrialState::Leased] {
            experiment.trials.shift(one, state, TrialState::Failed);
        }
        experiment.histories.forget(one);
        effects.push(match sweep.pair(lease.experiment, restart) {
            Some(pair) => Effect::FailBarrier { sweep: sweep.id, pair, cause },
            None => {
                let failure = Failure { restart, cause };
                Effect::Fail { sweep: sweep.id, experiment: lease.experiment, failure }
            }
        });
    }
}
