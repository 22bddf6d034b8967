//! Cuts tasks from pending restarts and leases them.

use seedsweep_common::id::{ExperimentIndex, Token, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::range::RestartRange;

use super::lease::Lease;
use super::sweep::Experiment;
use super::trials::TrialState;
use super::{Core, Effect, Refusal, Task, Timestamp};

impl Core {
    /// Leases up to `most` tasks of one sweep to `worker`: a reply carries one spec at most.
    pub(super) fn grant(&mut self, now: Timestamp, worker: WorkerId, most: u32, effects: &mut Vec<Effect>) {
        if !self.heard(now, worker) {
            effects.push(Effect::Refused(Refusal::UnknownWorker(worker)));
            return;
        }
        let mut of_sweep = None;
        for _ in 0..most.min(limits::TASKS_PER_LEASE as u32) {
            let Some((number, index, range)) = self.cut(worker) else { break };
            if *of_sweep.get_or_insert(number) != number {
                break;
            }
            let Some(token) = self.next_token() else { break };
            effects.push(Effect::Lease(self.lease(now, worker, token, number, index, range)));
        }
    }

    /// The restarts that `worker` should train next: oldest sweep, first experiment, first restarts. What lies beyond
    /// the next look at its experiment may be in vain: it is for workers that would idle.
    fn cut(&self, worker: WorkerId) -> Option<(usize, ExperimentIndex, RestartRange)> {
        let (workers, slots) = self.workers.live();
        let avoid = (workers > 1).then_some(worker);
        let find = |most_wanted: bool| {
            self.pending.keys().find_map(|&(number, index)| {
                let index = ExperimentIndex(index);
                let experiment = self.sweeps[number].experiment(index);
                let own = self.workers.get(worker)?.speeds.get(&(number, index)).copied();
                let most = self.settings.sizing.restarts(own, experiment.speed, self.pending_total, slots);
                let most = most.min(self.sweeps[number].most_per_task(index));
                let below = experiment.wanted_below().filter(|_| most_wanted).unwrap_or(u32::MAX);
                Some((number, index, experiment.cut(most, avoid, below)?))
            })
        };
        find(true).or_else(|| find(false))
    }

    /// Moves `range` from pending to a new lease.
    pub(super) fn lease(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        token: Token,
        number: usize,
        index: ExperimentIndex,
        range: RestartRange,
    ) -> Task {
        let deadline = now.after(self.settings.lease_ms);
        let sweep = &mut self.sweeps[number];
        let id = sweep.id;
        let experiment = sweep.experiment_mut(index);
        let attempt = experiment.histories.piece(range).1.map_or(0, |history| history.attempts) + 1;
        experiment.trials.shift(range, TrialState::Pending, TrialState::Leased);
        experiment.leases.insert(range.start(), token);
        self.leases
            .insert(token, Lease { sweep: number, experiment: index, range, worker, attempt, deadline });
        self.refresh_experiment(number, index);
        Task { token, sweep: id, experiment: index, range, attempt }
    }

    /// A token larger than all before; `None` after four thousand million in one boot.
    fn next_token(&mut self) -> Option<Token> {
        self.tokens_given = self.tokens_given.checked_add(1)?;
        Some(Token::new(self.settings.boot, self.tokens_given))
    }
}

impl Experiment {
    /// The first at most `most` pending restarts under `below` that share one history, passing over what broke on
    /// `avoid`: a broken trial is tried elsewhere as long as there is an elsewhere.
    fn cut(&self, most: u32, avoid: Option<WorkerId>, below: u32) -> Option<RestartRange> {
        for range in self.trials.set(TrialState::Pending).within(RestartRange::new(0, below)?) {
            let mut rest = Some(range);
            while let Some(left) = rest {
                let (piece, history) = self.histories.piece(left);
                let broke_here = history.and_then(|history| history.broken).map(|breaks| breaks.worker);
                if broke_here.is_none() || broke_here != avoid {
                    let most =
                        history.and_then(|history| history.at_most).map_or(most, |limit| most.min(limit));
                    return RestartRange::new(
                        piece.start(),
                        piece.end().min(piece.start().saturating_add(most)),
                    );
                }
                rest = RestartRange::new(piece.end(), range.end());
            }
        }
        None
    }
}
