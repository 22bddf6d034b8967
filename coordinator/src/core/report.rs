//! Takes in what a worker reports: first outcomes, repeated ones, broken trials.
//!
//! An outcome is a pure function of the spec and the restart, so a valid one counts whoever holds the lease by
//! now; the token only decides whose tasks go on.

use seedsweep_common::barrier::Barrier;
use seedsweep_common::id::{ExperimentIndex, Token, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Outcome, Provenance, StopReason};
use seedsweep_common::progress::SweepState;
use seedsweep_common::range::RestartRange;

use super::history::Breaks;
use super::lease::Lease;
use super::sizing::Speed;
use super::trials::TrialState;
use super::{Broken, Core, Effect, Effort, Refusal, Report, Task, Timestamp};

impl Core {
    pub(super) fn report(&mut self, now: Timestamp, report: Report, effects: &mut Vec<Effect>) {
        let Report { worker, task, outcomes, barriers, broken, finished, duration_ms, effort } = report;
        if !self.heard(now, worker) {
            effects.push(Effect::Refused(Refusal::UnknownWorker(worker)));
            return;
        }
        let number = match self.locate(&task) {
            Ok(number) => number,
            Err(refusal) => {
                effects.push(Effect::Refused(refusal));
                return;
            }
        };
        let is_second = self.sweeps[number].is_second_stage(task.experiment);
        if let Some(kind) = wrong_kind(is_second, &outcomes, &barriers) {
            effects.push(Effect::Refused(Refusal::OtherKind(kind)));
            return;
        }
        let trials = (outcomes.len() + barriers.len() + broken.len()) as u32;
        let each_ms = duration_ms / u64::from(trials.max(1));
        if trials > 0 {
            self.learn_speed(number, task.experiment, worker, trials, duration_ms);
        }
        if is_second {
            self.take_barriers(number, &task, worker, barriers, each_ms, effects);
        } else {
            self.add_effort(number, worker, Effort { trials: u64::from(trials), ..effort }, duration_ms);
            self.take_outcomes(number, &task, worker, outcomes, each_ms, effects);
        }
        // a broken trial and a finished task are told by the holder only: a repeated report must count once
        let of_task = |lease: &&Lease| lease.sweep == number && lease.experiment == task.experiment;
        if let Some(lease) = self.leases.get(task.token).filter(of_task).copied() {
            for trial in broken {
                self.take_broken(&lease, task.token, worker, trial, effects);
            }
            if finished && self.end_lease(task.token).is_some() {
                self.put_back(&lease, None, effects);
            }
        }
        self.end_empty_leases(number, task.experiment, task.range);
        self.settle(number, task.experiment, effects);
    }

    fn locate(&self, task: &Task) -> Result<usize, Refusal> {
        let number = *self.by_id.get(&task.sweep).ok_or(Refusal::UnknownSweep(task.sweep))?;
        let experiments = &self.sweeps[number].experiments;
        let experiment = experiments
            .get(task.experiment.0 as usize)
            .ok_or(Refusal::UnknownExperiment { index: task.experiment, experiments: experiments.len() })?;
        let (end, restarts) = (task.range.end(), experiment.trials.restarts());
        if end > restarts {
            return Err(Refusal::BeyondRestarts { end, restarts });
        }
        Ok(number)
    }

    fn learn_speed(
        &mut self,
        number: usize,
        index: ExperimentIndex,
        worker: WorkerId,
        trials: u32,
        duration_ms: u64,
    ) {
        if self.sweeps[number].state != SweepState::Running {
            return;
        }
        let experiment = self.sweeps[number].experiment_mut(index);
        experiment.speed = Some(Speed::after(experiment.speed, trials, duration_ms));
        if let Some(worker) = self.workers.get_mut(worker) {
            let own = worker.speeds.get(&(number, index)).copied();
            worker.speeds.insert((number, index), Speed::after(own, trials, duration_ms));
        }
    }

    /// Adds what `worker` says it did, as far as it is possible: no more time than passed, no more operations than
    /// twice the peak, which was measured while others may have used the machine.
    fn add_effort(&mut self, number: usize, worker: WorkerId, told: Effort, duration_ms: u64) {
        let Some(peak_mflop_per_s) = self.workers.get(worker).map(|worker| worker.peak_mflop_per_s) else {
            return;
        };
        let passed_us = duration_ms.saturating_add(1).saturating_mul(1_000);
        let training_us = told.training_us.min(passed_us);
        let peak_mflop = (u128::from(training_us) * u128::from(peak_mflop_per_s) / 1_000_000) as u64;
        let sum = &mut self.sweeps[number].effort;
        sum.trials += told.trials;
        sum.training_us = sum.training_us.saturating_add(training_us);
        sum.polish_us = sum.polish_us.saturating_add(told.polish_us.min(passed_us));
        sum.training_mflop =
            sum.training_mflop.saturating_add(told.training_mflop.min(peak_mflop.saturating_mul(2)));
        sum.peak_mflop = sum.peak_mflop.saturating_add(peak_mflop);
    }

    /// First outcomes make their trials done, whatever state they are in; repeated ones are to be compared.
    fn take_outcomes(
        &mut self,
        number: usize,
        task: &Task,
        worker: WorkerId,
        outcomes: Vec<Outcome>,
        duration_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        let experiment = self.sweeps[number].experiment_mut(task.experiment);
        for outcome in outcomes {
            let one = RestartRange::one(outcome.restart);
            match experiment.trials.state(outcome.restart) {
                Some(state) if state.has_outcome() => repeated.push(outcome),
                Some(state) => {
                    experiment.trials.shift(one, state, state.with_outcome());
                    experiment.histories.forget(one);
                    if outcome.stop_reason == StopReason::Diverged {
                        experiment.trials.add_diverged(one);
                    }
                    first.push(outcome);
                }
                // the range was checked, and each row to be in it (`service::workers`)
                None => {}
            }
        }
        let (sweep, experiment) = (task.sweep, task.experiment);
        let Some(provenance) = self.provenance(worker, task, duration_ms) else { return };
        let worker = provenance.worker.clone();
        if !first.is_empty() {
            effects.push(Effect::Store { sweep, experiment, provenance, outcomes: first });
            if self.sweeps[number].state != SweepState::Running {
                effects.push(Effect::Ended { id: sweep });
            }
        }
        if !repeated.is_empty() {
            effects.push(Effect::Compare { sweep, experiment, worker, outcomes: repeated });
        }
    }

    /// How what `worker` tells of `task` came about.
    pub(super) fn provenance(&self, worker: WorkerId, task: &Task, duration_ms: u64) -> Option<Provenance> {
        let teller = self.workers.get(worker)?;
        Some(Provenance {
            engine: seedsweep_common::fingerprint::ENGINE_VERSION.to_owned(),
            build: teller.build.clone(),
            attempt: task.attempt,
            worker: teller.name.to_string(),
            duration_ms,
        })
    }

    /// A trial that broke is tried once more, elsewhere if possible; then it has failed. Until its task ends it
    /// stays leased, so that live leases never overlap.
    fn take_broken(
        &mut self,
        lease: &Lease,
        token: Token,
        worker: WorkerId,
        broken: Broken,
        effects: &mut Vec<Effect>,
    ) {
        let one = RestartRange::one(broken.restart);
        let experiment = self.sweeps[lease.sweep].experiment_mut(lease.experiment);
        let leased = experiment.trials.state(broken.restart) == Some(TrialState::Leased);
        let before = experiment.histories.piece(one).1.and_then(|history| history.broken);
        let told_before = before.is_some_and(|breaks| breaks.token == token);
        if !leased || !lease.range.contains(broken.restart) || told_before {
            return;
        }
        let count = before.map_or(0, |breaks| breaks.count) + 1;
        if count as usize >= limits::BREAKS_UNTIL_FAILED {
            self.fail(lease, broken.restart, broken.cause, effects);
        } else {
            let breaks = Breaks { count, worker, token };
            experiment.histories.update(one, |history| history.broken = Some(breaks));
        }
    }

    /// Ends the leases in `range` of which nothing is left.
    fn end_empty_leases(&mut self, number: usize, index: ExperimentIndex, range: RestartRange) {
        let experiment = self.sweeps[number].experiment(index);
        let before = experiment.leases.range(..range.start()).next_back();
        let touched = before.into_iter().chain(experiment.leases.range(range.start()..range.end()));
        let empty: Vec<_> = touched
            .map(|(_, &token)| token)
            .filter(|&token| {
                let range = self.leases.get(token).map(|lease| lease.range);
                range.is_some_and(|range| self.outstanding(number, index, range).is_empty())
            })
            .collect();
        for token in empty {
            self.end_lease(token);
        }
    }
}

/// What does not belong into the report of a task.
fn wrong_kind(is_second: bool, outcomes: &[Outcome], barriers: &[(u32, Barrier)]) -> Option<&'static str> {
    match is_second {
        true => (!outcomes.is_empty()).then_some("outcomes"),
        false => (!barriers.is_empty()).then_some("barriers"),
    }
}
