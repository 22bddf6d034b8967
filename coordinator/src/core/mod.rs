//! The coordinator's decisions: which trial is in which state, who may run it, what a report changes.
//!
//! A machine without I/O, clock or randomness: [`Core::handle`] takes an event and the time, changes the state
//! and returns effects that the driver must obey in order. Nothing here may wait, fail on the disk or talk.
//!
//! What becomes of a trial:
//!
//! | state / event | lease granted | renewed | outcome reported | lease ended | cancel | stop before it | extension |
//! |---|---|---|---|---|---|---|---|
//! | pending | leased | revoked | done | - | cancelled | skipped | pending |
//! | leased | never | new deadline | done | pending, or failed (`expiry`, `report`) | cancelled | skipped | leased |
//! | done | never | revoked | compared | - | done | spare | done |
//! | failed | never | revoked | done | - | cancelled | spare, failed | failed |
//! | cancelled | never | revoked | done; the sweep stays cancelled | - | - | - | refused |
//! | skipped | never | revoked | spare | - | skipped | - | pending |
//! | spare | never | revoked | compared | - | spare | - | done |
//! | spare, failed | never | revoked | spare | - | spare, failed | - | failed |
//!
//! An experiment that stops at n restarts (`stopping`) is about restarts 0 to n − 1, whoever was quick: what ended
//! beyond them is set aside, *spare*, and counted as skipped with the rest. An extension (`extend`) takes a stop back.
//!
//! A late outcome of a cancelled trial makes it done, so that a restart, which sees the stored row, comes to the
//! same state.
//!
//! Work is given to the oldest sweep first, in it by experiment in the order of the spec, in it by restart:
//! what was asked first is answered first, and prefixes of restarts fill early.

mod event;
mod expiry;
mod extend;
mod grant;
mod history;
mod lease;
mod membership;
mod renew;
mod report;
mod second_stage;
mod sizing;
mod stopping;
mod sweep;
mod trials;
mod workers;

#[cfg(test)]
mod simulation;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use seedsweep_common::id::{ExperimentIndex, SweepId, Token};
use seedsweep_common::limits;
use seedsweep_common::progress::SweepState;
use seedsweep_common::range::RestartRange;

pub use event::{Broken, Effect, Effort, Event, Guess, Kind, Newcomer, Refusal, Report, Task};
pub use second_stage::{BarrierView, RestoredPairs};
pub use sizing::Sizing;
pub use stopping::Watch;
pub use sweep::{PlanView, Restored, SweepView};

use lease::Leases;
use sweep::Sweep;
use trials::TrialState;
use workers::Workers;

/// Milliseconds on the driver's clock, which never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// `ms` milliseconds later.
    #[must_use]
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// What the core is told once.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// This opening of the store: the high half of tokens and worker ids.
    pub boot: u32,
    /// Length of a lease in milliseconds.
    pub lease_ms: u64,
    /// How tasks are sized.
    pub sizing: Sizing,
}

/// The state of all sweeps, leases and workers.
#[derive(Debug, Clone)]
pub struct Core {
    settings: Settings,
    tokens_given: u32,
    workers_registered: u32,
    sweeps: Vec<Sweep>,
    by_id: HashMap<SweepId, usize>,
    workers: Workers,
    leases: Leases,
    /// Pending trials by sweep and experiment of running sweeps, in the order in which work is given; none is 0.
    pending: BTreeMap<(usize, u32), u64>,
    pending_total: u64,
    running: usize,
    touched: BTreeSet<usize>,
    /// Sweeps whose trials have ended and whose pairs are to be chosen.
    unplanned: BTreeSet<usize>,
    /// Experiments whose first restarts may have come far enough for a look.
    unlooked: BTreeSet<(usize, ExperimentIndex)>,
}

impl Core {
    /// A core without sweeps.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tokens_given: 0,
            workers_registered: 0,
            sweeps: Vec::new(),
            by_id: HashMap::new(),
            workers: Workers::default(),
            leases: Leases::default(),
            pending: BTreeMap::new(),
            pending_total: 0,
            running: 0,
            touched: BTreeSet::new(),
            unplanned: BTreeSet::new(),
            unlooked: BTreeSet::new(),
        }
    }

    /// Takes over a sweep as the store knows it: what is not done, failed or cancelled is pending. To be called
    /// before any event, in the order of submission.
    pub fn restore(&mut self, restored: Restored) {
        let number = self.sweeps.len();
        self.by_id.insert(restored.id, number);
        let sweep = Sweep::restored(restored);
        if sweep.state == SweepState::Running {
            self.running += 1;
        }
        self.sweeps.push(sweep);
        self.refresh(number);
    }

    /// Changes the state by `event` and says what must be done about it, in this order. Deadlines that passed by
    /// `now` are seen to first.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.expire(now, &mut effects);
        match event {
            Event::Tick => {}
            Event::Submitted { id, restarts, watched, barriers } => {
                self.submit(Restored { watched, barriers, ..Restored::new(id, restarts) }, &mut effects);
            }
            Event::Extended { id, experiments, restarts } => {
                self.extend(id, &experiments, restarts, &mut effects);
            }
            Event::Looked { id, experiment, restarts, found } => {
                self.looked(id, experiment, restarts, found, &mut effects);
            }
            Event::Cancelled { id } => self.cancel(id, &mut effects),
            Event::Compared { id, duplicates, divergences } => self.compared(id, duplicates, divergences),
            Event::Registered(newcomer) => self.register(now, newcomer, &mut effects),
            Event::Guessed { worker, guesses } => self.take_guesses(worker, &guesses),
            Event::TasksWanted { worker, most } => self.grant(now, worker, most, &mut effects),
            Event::Renewed { worker, held } => self.renew(now, worker, held, &mut effects),
            Event::Reported(report) => self.report(now, report, &mut effects),
            Event::Left { worker } => self.leave(worker, &mut effects),
            Event::Planned { id, pairs } => self.plan(id, pairs, &mut effects),
        }
        self.ask_for_looks(&mut effects);
        effects
    }

    /// When `handle` should be called at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.leases.next_deadline().into_iter().chain(self.workers.next_deadline()).min()
    }

    /// Whether any trial waits for a worker.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether any sweep has trials pending or leased.
    pub fn work_left(&self) -> bool {
        self.running > 0
    }

    /// Length of a lease in milliseconds.
    pub fn lease_ms(&self) -> u64 {
        self.settings.lease_ms
    }

    /// Live workers and their slots.
    pub fn live_workers(&self) -> (usize, u64) {
        self.workers.live()
    }

    /// Live workers and their slots by what they run on.
    pub fn live_kinds(&self) -> impl Iterator<Item = (&Kind, u32, u64)> {
        self.workers.live_kinds()
    }

    /// The state of one sweep.
    pub fn view(&self, id: SweepId) -> Option<SweepView> {
        self.by_id.get(&id).map(|&number| self.sweeps[number].view())
    }

    /// The sweeps that changed since the last call.
    pub fn take_touched(&mut self) -> Vec<SweepId> {
        std::mem::take(&mut self.touched).into_iter().map(|number| self.sweeps[number].id).collect()
    }

    fn submit(&mut self, new: Restored, effects: &mut Vec<Effect>) {
        let id = new.id;
        if self.by_id.contains_key(&id) {
            return;
        }
        if self.running >= limits::OPEN_SWEEPS {
            effects.push(Effect::Refused(Refusal::TooManySweeps));
            return;
        }
        effects.push(Effect::Create { id });
        self.restore(new);
    }

    fn cancel(&mut self, id: SweepId, effects: &mut Vec<Effect>) {
        let Some(&number) = self.by_id.get(&id) else {
            effects.push(Effect::Refused(Refusal::UnknownSweep(id)));
            return;
        };
        if self.sweeps[number].state != SweepState::Running {
            return;
        }
        for token in self.leases.tokens(|lease| lease.sweep == number) {
            self.end_lease(token);
        }
        self.sweeps[number].cancel_unfinished();
        effects.push(Effect::Cancel { id });
        self.end_sweep(number, SweepState::Cancelled, effects);
        self.refresh(number);
    }

    fn compared(&mut self, id: SweepId, duplicates: u64, divergences: u64) {
        if let Some(&number) = self.by_id.get(&id) {
            self.sweeps[number].duplicates += duplicates;
            self.sweeps[number].divergences += divergences;
            self.touched.insert(number);
        }
    }

    /// Ends the lease of `token`; its trials stay as they are.
    fn end_lease(&mut self, token: Token) -> Option<lease::Lease> {
        let lease = self.leases.remove(token)?;
        self.sweeps[lease.sweep].experiment_mut(lease.experiment).leases.remove(&lease.range.start());
        Some(lease)
    }

    /// Brings everything that follows from the trials of one experiment up to date; ends a running sweep once
    /// all its trials have ended.
    fn settle(&mut self, number: usize, index: ExperimentIndex, effects: &mut Vec<Effect>) {
        self.refresh_experiment(number, index);
        if self.sweeps[number].state == SweepState::Running && self.sweeps[number].is_complete() {
            self.end_sweep(number, SweepState::Done, effects);
        }
    }

    fn end_sweep(&mut self, number: usize, state: SweepState, effects: &mut Vec<Effect>) {
        self.sweeps[number].state = state;
        self.running -= 1;
        self.workers.forget_speeds(number);
        effects.push(Effect::Ended { id: self.sweeps[number].id });
    }

    /// Brings the list of experiments with work up to date after trials of a whole sweep changed.
    fn refresh(&mut self, number: usize) {
        for index in 0..self.sweeps[number].experiments.len() {
            self.refresh_experiment(number, ExperimentIndex(index as u32));
        }
        self.touched.insert(number);
    }

    fn refresh_experiment(&mut self, number: usize, index: ExperimentIndex) {
        let sweep = &self.sweeps[number];
        let pending = match sweep.state {
            SweepState::Running => sweep.experiment(index).trials.set(TrialState::Pending).count(),
            SweepState::Done | SweepState::Cancelled => 0,
        };
        let key = (number, index.0);
        let before = if pending > 0 { self.pending.insert(key, pending) } else { self.pending.remove(&key) };
        self.pending_total = self.pending_total + pending - before.unwrap_or(0);
        if sweep.experiment(index).is_look_due() {
            self.unlooked.insert((number, index));
        }
        self.touched.insert(number);
        self.note_unplanned(number);
    }

    /// What is left of `range` under its lease.
    fn outstanding(&self, number: usize, index: ExperimentIndex, range: RestartRange) -> Vec<RestartRange> {
        self.sweeps[number].experiment(index).trials.set(TrialState::Leased).within(range).collect()
    }
}
