//! Scripts of random events on virtual time: workers that train, die, stall, come back, repeat and delay their
//! reports, break trials, leave; users that submit and cancel; coordinators that die between commits.
//!
//! Every run ends with the faults switched off, and then every trial must be done exactly once.

use std::collections::BTreeMap;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::analysis::stopping::next_look;
use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId, Token, WorkerId};
use seedsweep_common::outcome::Outcome;
use seedsweep_common::progress::{Looks, PlanChange, StoppedBy, SweepState};
use seedsweep_common::range::IntervalSet;

use super::tests::{barrier, newcomer, outcome, pair};
use super::{
    BarrierView, Broken, Core, Effect, Effort, Event, Guess, PlanView, Report, Restored, RestoredPairs,
    Settings, Sizing, Task, Timestamp,
};

const LEASE_MS: u64 = 1_000;

/// A worker process as the network sees it.
struct Process {
    id: WorkerId,
    held: Vec<Task>,
    last_renewal: u64,
}

/// What is on the disk: nothing that was acknowledged may ever be missing here.
#[derive(Default)]
struct Disk {
    /// With restarts, and whether barriers are asked for.
    sweeps: Vec<(SweepId, Vec<u32>, bool)>,
    plan: Vec<(SweepId, ExperimentIndex, PlanChange)>,
    /// With the number of trials when pairs were chosen.
    pairs: BTreeMap<SweepId, (u64, Vec<Pair>)>,
    barriers: BTreeMap<(SweepId, Pair), Barrier>,
    unmeasurable: Vec<(SweepId, Pair)>,
    cancelled: Vec<SweepId>,
    outcomes: BTreeMap<(SweepId, u32, u32), Outcome>,
    failed: Vec<(SweepId, ExperimentIndex, u32)>,
}

struct World {
    rng: ChaCha8Rng,
    now: u64,
    boot: u32,
    core: Core,
    disk: Disk,
    processes: Vec<Process>,
    /// Reports on their way: sent again and again until they arrive.
    wire: Vec<Report>,
    /// Sweeps whose pairs are being chosen.
    choosing: Vec<SweepId>,
    /// Looks under way: lost with the coordinator.
    looks: Vec<(SweepId, ExperimentIndex, u32, Option<Looks>)>,
    faults: bool,
    duplicates: u64,
    last_token: Option<Token>,
}

/// Every second experiment has `stop_when`.
fn watched(id: SweepId, experiments: usize) -> Vec<ExperimentIndex> {
    (0..experiments as u32)
        .filter(|index| (u32::from(id.0.0[0]) + index).is_multiple_of(2))
        .map(ExperimentIndex)
        .collect()
}

/// Whether a look at the first `n` restarts finds that no more are needed.
fn is_enough(id: SweepId, experiment: ExperimentIndex, n: u32) -> bool {
    (u32::from(id.0.0[1]) + experiment.0 + n / 32).is_multiple_of(3)
}

fn settings(boot: u32, fixed: Option<u32>) -> Settings {
    Settings { boot, lease_ms: LEASE_MS, sizing: Sizing { target_ms: 50, restarts_per_task: fixed } }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let fixed = rng.random_bool(0.3).then(|| rng.random_range(1..9));
        Self {
            core: Core::new(settings(1, fixed)),
            rng,
            now: 0,
            boot: 1,
            disk: Disk::default(),
            processes: Vec::new(),
            wire: Vec::new(),
            choosing: Vec::new(),
            looks: Vec::new(),
            faults: true,
            duplicates: 0,
            last_token: None,
        }
    }

    fn chance(&mut self, p: f64) -> bool {
        self.faults && self.rng.random_bool(p)
    }

    /// One event: decide, make durable, answer. Returns what is answered.
    fn event(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.core.handle(Timestamp(self.now), event);
        self.core.sanity_check();
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Create { id } => {
                    let view = self.core.view(id).unwrap();
                    let restarts = view.experiments.iter().map(|counts| counts.total as u32).collect();
                    self.disk.sweeps.push((id, restarts, view.barriers.is_some()));
                }
                Effect::Cancel { id } => self.disk.cancelled.push(id),
                Effect::Change { sweep, experiment, change } => {
                    self.disk.plan.push((sweep, experiment, change));
                }
                Effect::Look { sweep, experiment, restarts, earlier } => {
                    self.looks.push((sweep, experiment, restarts, earlier));
                }
                Effect::Store { sweep, experiment, outcomes, .. } => {
                    for outcome in outcomes {
                        let key = (sweep, experiment.0, outcome.restart);
                        assert!(self.disk.outcomes.insert(key, outcome).is_none(), "{key:?} stored twice");
                    }
                }
                Effect::Compare { sweep, experiment, outcomes, .. } => {
                    for outcome in &outcomes {
                        let stored = &self.disk.outcomes[&(sweep, experiment.0, outcome.restart)];
                        assert!(stored.same_bits(outcome), "the simulated workers compute the same bits");
                    }
                    self.duplicates += outcomes.len() as u64;
                    let duplicates = outcomes.len() as u64;
                    self.core.handle(
                        Timestamp(self.now),
                        Event::Compared { id: sweep, duplicates, divergences: 0 },
                    );
                }
                Effect::Fail { sweep, experiment, failure } => {
                    self.disk.failed.push((sweep, experiment, failure.restart));
                }
                Effect::Plan { sweep, first, trials, pairs } => {
                    let stored = self.disk.pairs.entry(sweep).or_default();
                    assert_eq!(first as usize, stored.1.len());
                    stored.0 = trials;
                    stored.1.extend(pairs);
                }
                Effect::StoreBarriers { sweep, barriers, .. } => {
                    for (pair, barrier) in barriers {
                        let before = self.disk.barriers.insert((sweep, pair), barrier);
                        assert!(before.is_none(), "{pair:?} stored twice");
                    }
                }
                Effect::CompareBarriers { sweep, barriers, .. } => {
                    for (pair, barrier) in &barriers {
                        assert!(self.disk.barriers[&(sweep, *pair)].same_bits(barrier));
                    }
                    let duplicates = barriers.len() as u64;
                    let event = Event::Compared { id: sweep, duplicates, divergences: 0 };
                    self.core.handle(Timestamp(self.now), event);
                }
                Effect::FailBarrier { sweep, pair, .. } => self.disk.unmeasurable.push((sweep, pair)),
                Effect::Lease(task) => {
                    assert!(self.last_token < Some(task.token), "tokens strictly increase, across boots too");
                    self.last_token = Some(task.token);
                    answers.push(effect);
                }
                answer => answers.push(answer),
            }
        }
        answers
    }

    fn join(&mut self) {
        let slots = self.rng.random_range(1..4);
        for effect in self.event(Event::Registered(newcomer(slots))) {
            let Effect::Welcome(id) = effect else { continue };
            self.processes.push(Process { id, held: Vec::new(), last_renewal: self.now });
        }
    }

    /// The coordinator dies and comes back with what the disk holds.
    fn reboot(&mut self) {
        self.boot += 1;
        self.choosing.clear();
        let before = std::mem::replace(&mut self.core, Core::new(settings(self.boot, None)));
        self.looks.clear();
        for (id, restarts, barriers) in &self.disk.sweeps {
            let done = |experiment: u32| -> IntervalSet {
                let keys = self.disk.outcomes.range((*id, experiment, 0)..=(*id, experiment, u32::MAX));
                keys.map(|((_, _, restart), _)| *restart).collect()
            };
            self.core.restore(Restored {
                done: (0..restarts.len() as u32).map(done).collect(),
                failed: (self.disk.failed.iter().filter(|(sweep, ..)| sweep == id))
                    .map(|&(_, experiment, restart)| (experiment, restart))
                    .collect(),
                cancelled: self.disk.cancelled.contains(id),
                barriers: *barriers,
                pairs: self.stored_pairs(*id),
                watched: watched(*id, restarts.len()),
                plan: (self.disk.plan.iter().filter(|(sweep, ..)| sweep == id))
                    .map(|&(_, experiment, change)| (experiment, change))
                    .collect(),
                ..Restored::new(*id, restarts.clone())
            });
            let (old, new) = (before.view(*id).unwrap(), self.core.view(*id).unwrap());
            assert_eq!(old.state, new.state);
            for (old, new) in old.plans.iter().zip(&new.plans) {
                assert_eq!(old.extensions, new.extensions);
                let decided = |plan: &PlanView| plan.watch.map(|watch| (watch.earlier, watch.stop()));
                assert_eq!(decided(old), decided(new));
            }
            for (old, new) in old.experiments.iter().zip(&new.experiments) {
                assert_eq!((old.done, old.failed, old.cancelled), (new.done, new.failed, new.cancelled));
                assert_eq!((old.total, old.skipped), (new.total, new.skipped));
                assert_eq!(old.pending + old.leased, new.pending, "leases turn pending");
            }
            let stages =
                [old.barriers, new.barriers].map(|stage| stage.map(|stage| (stage.pairs, stage.counts)));
            if let [Some((pairs, old)), Some((same, new))] = stages {
                assert_eq!(pairs, same);
                assert_eq!((old.done, old.failed, old.cancelled), (new.done, new.failed, new.cancelled));
            }
        }
        self.core.sanity_check();
    }

    fn stored_pairs(&self, id: SweepId) -> RestoredPairs {
        let chosen = self.disk.pairs.get(&id);
        RestoredPairs {
            pairs: chosen.map_or(Vec::new(), |(_, pairs)| pairs.clone()),
            trials: chosen.map(|(trials, _)| *trials),
            measured: self.disk.barriers.keys().filter(|(of, _)| *of == id).map(|(_, pair)| *pair).collect(),
            failed: self
                .disk
                .unmeasurable
                .iter()
                .filter(|(of, _)| *of == id)
                .map(|(_, pair)| *pair)
                .collect(),
        }
    }

    /// Chooses the pairs of sweeps whose trials have ended; what is chosen twice, or late, does no harm.
    fn choose_pairs(&mut self) {
        self.choosing.extend(self.core.take_unplanned());
        if self.choosing.is_empty() || self.chance(0.5) {
            return;
        }
        let id = self.choosing.swap_remove(0);
        let restarts = self.core.view(id).unwrap().experiments[0].total as u32;
        let pairs: Vec<Pair> = (1..restarts.min(9)).map(pair).collect();
        self.event(Event::Planned { id, pairs: pairs.clone() });
        if self.chance(0.2) {
            self.event(Event::Planned { id, pairs });
        }
    }

    fn step_worker(&mut self, index: usize) {
        let (id, stalled) = (self.processes[index].id, self.chance(0.3));
        if stalled {
            return;
        }
        if self.now - self.processes[index].last_renewal >= LEASE_MS / 3 {
            self.renew(index);
        }
        let busy = self.processes[index].held.len() >= 3;
        if !busy {
            let most = self.rng.random_range(1..3);
            self.guess(id);
            let answers = self.event(Event::TasksWanted { worker: id, most });
            if answers.iter().any(|effect| matches!(effect, Effect::Refused(_))) {
                self.register_again(index);
            }
            // the reply may be lost: then nobody renews the lease
            if !self.chance(0.05) {
                let tasks = answers.into_iter().filter_map(|effect| match effect {
                    Effect::Lease(task) => Some(task),
                    _ => None,
                });
                self.processes[index].held.extend(tasks);
            }
        }
        if !self.processes[index].held.is_empty() && self.rng.random_bool(0.6) {
            let task = self.processes[index].held.swap_remove(0);
            self.train(index, task);
        }
    }

    /// Says what a worker expects of some experiment, which may be far off, or of none that exists.
    fn guess(&mut self, worker: WorkerId) {
        if !self.chance(0.3) {
            return;
        }
        let Some(&(sweep, ..)) = self.disk.sweeps.first() else { return };
        let us_per_trial = [0, 7_000, u64::MAX][self.rng.random_range(0..3)];
        let experiment = ExperimentIndex(self.rng.random_range(0..5));
        let answers =
            self.event(Event::Guessed { worker, guesses: vec![Guess { sweep, experiment, us_per_trial }] });
        assert!(answers.is_empty(), "a guess is answered by nothing: {answers:?}");
    }

    fn renew(&mut self, index: usize) {
        let Process { id, held, .. } = &self.processes[index];
        let answers = self.event(Event::Renewed { worker: *id, held: held.clone() });
        for effect in answers {
            match effect {
                Effect::Revoke(token) => self.processes[index].held.retain(|task| task.token != token),
                Effect::Refused(_) => self.register_again(index),
                other => panic!("{other:?}"),
            }
        }
        self.processes[index].last_renewal = self.now;
    }

    fn register_again(&mut self, index: usize) {
        self.join();
        let joined = self.processes.pop().unwrap();
        self.processes[index].id = joined.id;
    }

    fn train(&mut self, index: usize, task: Task) {
        let worker = self.processes[index].id;
        let (mut outcomes, mut barriers, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        // the pairs travel with the task; those of a sweep are only ever added to
        let is_second = self
            .disk
            .sweeps
            .iter()
            .any(|(id, restarts, _)| *id == task.sweep && restarts.len() == task.experiment.0 as usize);
        for restart in task.range.iter() {
            if self.chance(0.01) {
                broken.push(Broken { restart, cause: "broke".into() });
            } else if is_second {
                barriers.push((restart, barrier(self.disk.pairs[&task.sweep].1[restart as usize])));
            } else {
                outcomes.push(outcome(restart));
            }
        }
        let duration_ms = u64::from(task.range.count()) * 7;
        let effort = Effort::default();
        // some reports come in parts, the last one says that the task is finished
        let part = if self.chance(0.3) { outcomes.len() / 2 } else { 0 };
        let rest = outcomes.split_off(part);
        let mut report = |outcomes, broken, finished| Report {
            worker,
            task,
            outcomes,
            barriers: std::mem::take(&mut barriers),
            broken,
            finished,
            duration_ms,
            effort,
        };
        if part > 0 {
            self.wire.push(report(outcomes, Vec::new(), false));
        }
        self.wire.push(report(rest, broken, true));
    }

    /// Delivers one report out of order; sometimes its answer is lost and it comes again.
    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.wire.len());
        let mut report = self.wire.swap_remove(at);
        let copy = report.clone();
        let answers = self.event(Event::Reported(report.clone()));
        if answers.iter().any(|effect| matches!(effect, Effect::Refused(_))) {
            // the sender registers again; if it is gone, so is the report
            self.join();
            report.worker = self.processes.pop().unwrap().id;
            self.wire.push(report);
        } else if self.chance(0.1) {
            self.wire.push(copy);
        }
    }

    /// Answers a look, sometimes late. What it finds depends on the restarts looked at alone.
    fn look(&mut self) {
        if self.looks.is_empty() || self.chance(0.3) {
            return;
        }
        let at = self.rng.random_range(0..self.looks.len());
        let (id, experiment, restarts, earlier) = self.looks.swap_remove(at);
        let view = self.core.view(id).unwrap();
        let stored = |restart: u32| self.disk.outcomes.contains_key(&(id, experiment.0, restart));
        let lost = |restart: u32| self.disk.failed.contains(&(id, experiment, restart));
        let made = (0..restarts).take_while(|&restart| stored(restart) || lost(restart)).count() as u32;
        let before = view.plans[experiment.0 as usize].watch.unwrap();
        let mut found = earlier.unwrap_or_default();
        while let Some(n) = next_look(found.restarts, restarts).filter(|n| *n <= made && found.stop.is_none())
        {
            let reached = is_enough(id, experiment, n);
            let at_the_end = (n == restarts).then_some(StoppedBy::MaxRestarts);
            let stop = if reached { Some(StoppedBy::Goals) } else { at_the_end };
            found = Looks { looks: found.looks + 1, restarts: n, stop };
        }
        assert!(found.restarts > before.found.restarts || before.stop().is_some(), "a look was due");
        self.event(Event::Looked { id, experiment, restarts, found });
    }

    fn extend(&mut self) {
        if self.disk.sweeps.is_empty() {
            return;
        }
        let (id, restarts, _) = self.disk.sweeps[self.rng.random_range(0..self.disk.sweeps.len())].clone();
        let experiments: Vec<ExperimentIndex> =
            (0..restarts.len() as u32).filter(|_| self.rng.random_bool(0.7)).map(ExperimentIndex).collect();
        let most = self.rng.random_range(1..200);
        let before = self.core.view(id).unwrap();
        let answers = self.event(Event::Extended { id, experiments: experiments.clone(), restarts: most });
        let after = self.core.view(id).unwrap();
        if before.state == SweepState::Cancelled {
            assert!(matches!(answers[..], [Effect::Refused(_)]), "{answers:?}");
            assert_eq!(before.experiments, after.experiments);
        }
        for (old, new) in before.experiments.iter().zip(&after.experiments) {
            assert!(new.total >= old.total && new.done >= old.done && new.skipped <= old.skipped);
        }
        // asking twice changes nothing
        self.event(Event::Extended { id, experiments, restarts: most });
        assert_eq!(self.core.view(id).unwrap(), after);
    }

    fn step(&mut self) {
        self.now += self.rng.random_range(0..120);
        if self.processes.len() < 2 || (self.processes.len() < 6 && self.chance(0.05)) {
            self.join();
        }
        for index in 0..self.processes.len() {
            self.step_worker(index);
        }
        for _ in 0..self.wire.len().min(3) {
            self.deliver();
        }
        self.choose_pairs();
        if self.chance(0.03) {
            let gone = self.rng.random_range(0..self.processes.len());
            let process = self.processes.swap_remove(gone);
            if self.rng.random_bool(0.3) {
                self.event(Event::Left { worker: process.id });
            }
        }
        if self.chance(0.02) {
            self.reboot();
        }
        if self.disk.sweeps.len() < 4 && self.chance(0.1) {
            let id = SweepId(Digest::of(&[self.disk.sweeps.len() as u8]));
            let restarts: Vec<u32> =
                (0..self.rng.random_range(1..4)).map(|_| self.rng.random_range(1..90)).collect();
            let watched = watched(id, restarts.len());
            let barriers = self.rng.random_bool(0.5);
            self.event(Event::Submitted { id, restarts, watched, barriers });
        }
        self.look();
        if self.chance(0.02) {
            self.extend();
        }
        if self.chance(0.003) && !self.disk.sweeps.is_empty() {
            let id = self.disk.sweeps[self.rng.random_range(0..self.disk.sweeps.len())].0;
            self.event(Event::Cancelled { id });
        }
    }

    fn run(mut self) -> Self {
        for _ in 0..self.rng.random_range(50..250) {
            self.step();
        }
        self.faults = false;
        for _ in 0..4_000 {
            if !self.core.work_left() && self.wire.is_empty() {
                return self;
            }
            self.step();
        }
        panic!("not finished without faults: {:?}", self.core);
    }
}

#[test]
fn every_trial_ends_exactly_once_whatever_happens() {
    let (mut duplicates, mut stops, mut extensions, mut measured) = (0, 0, 0, 0);
    for seed in 0..400 {
        println!("seed {seed}");
        let world = World::new(seed).run();
        for (id, restarts, barriers) in &world.disk.sweeps {
            let view = world.core.view(*id).unwrap();
            let counts = view.counts();
            assert_ne!(view.state, SweepState::Running);
            let ended = counts.done + counts.failed + counts.cancelled + counts.skipped;
            assert_eq!(ended, counts.total, "seed {seed}");
            assert_eq!(view.barriers.is_some(), *barriers);
            if view.state == SweepState::Done {
                assert_eq!(counts.cancelled, 0, "seed {seed}");
                assert!(
                    !barriers || world.disk.pairs.contains_key(id),
                    "seed {seed}: pairs are chosen before the end"
                );
            }
            for (x, (counts, plan)) in (0..).zip(view.experiments.iter().zip(&view.plans)) {
                let stop = plan.watch.and_then(|watch| watch.stop());
                let end = stop.map_or(u32::MAX, |stop| stop.restarts);
                let stored = world.disk.outcomes.range((*id, x, 0)..(*id, x, end)).count() as u64;
                assert_eq!(counts.done, stored, "seed {seed}");
                let skipped = stop.map_or(0, |stop| counts.total - u64::from(stop.restarts));
                assert_eq!(counts.skipped, skipped, "skipped is only by a decision: seed {seed}");
                let extended: u32 =
                    plan.extensions.iter().map(|extension| extension.to - extension.from).sum();
                assert_eq!(counts.total, u64::from(restarts[x as usize] + extended), "seed {seed}");
                stops += u64::from(skipped > 0);
                extensions += plan.extensions.len();
            }
        }
        for stage in
            world.disk.sweeps.iter().filter_map(|(id, ..)| Some((*id, world.core.view(*id)?.barriers?)))
        {
            let (id, BarrierView { counts, pairs }) = stage;
            assert_eq!(counts.done + counts.failed + counts.cancelled, counts.total, "seed {seed}");
            assert_eq!(counts.done, world.disk.barriers.keys().filter(|(of, _)| *of == id).count() as u64);
            assert_eq!(counts.total, pairs.len() as u64);
            measured += counts.done;
        }
        duplicates += world.duplicates;
    }
    assert!(measured > 1_000, "the scripts must come to second stages: {measured}");
    assert!(duplicates > 1_000, "the scripts must repeat reports: {duplicates}");
    assert!(stops > 50 && extensions > 200, "and stop and extend: {stops}, {extensions}");
}

#[test]
fn the_same_script_gives_the_same_state() {
    for seed in 0..20 {
        let (a, b) = (World::new(seed).run(), World::new(seed).run());
        assert_eq!(a.now, b.now);
        assert_eq!(a.disk.outcomes.len(), b.disk.outcomes.len());
    }
}
