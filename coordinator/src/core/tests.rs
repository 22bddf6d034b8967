//! Each cell of the table of states, and the rules for failures, by short scripts.

mod second_stage;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, Name, SweepId, Token, TrialId, WorkerId};
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::progress::{Extension, Looks, PlanChange, StoppedBy};
use seedsweep_common::range::{IntervalSet, RestartRange};

use super::*;

const LEASE_MS: u64 = 1_000;

/// A made-up outcome that depends on the restart alone.
pub(crate) fn outcome(restart: u32) -> Outcome {
    Outcome {
        restart,
        stop_reason: StopReason::Converged,
        steps: 10,
        loss_train: f64::from(restart),
        loss_test: None,
        accuracy_train: None,
        accuracy_test: None,
        grad_norm: 0.0,
        digest: [restart as u8; 16],
        polish: None,
        sketch_raw: [0.0; 16],
        sketch_canonical: None,
        sketch_function: [0.0; 16],
        measures: Vec::new(),
    }
}

/// The pair of restarts 0 and `restart` of the first experiment.
pub(crate) fn pair(restart: u32) -> Pair {
    let trial = |restart| TrialId { experiment: ExperimentIndex(0), restart };
    Pair { a: trial(0), b: trial(restart) }
}

/// A made-up barrier that depends on the pair alone.
pub(crate) fn barrier(pair: Pair) -> Barrier {
    let digest = |trial: TrialId| outcome(trial.restart).digest;
    Barrier {
        loss_a: 0.0,
        loss_b: 1.0,
        height: f64::from(pair.b.restart),
        digest_a: digest(pair.a),
        digest_b: digest(pair.b),
    }
}

impl Core {
    /// What must hold after every event.
    pub(super) fn sanity_check(&self) {
        let mut leases = 0;
        for (number, sweep) in self.sweeps.iter().enumerate() {
            for (index, experiment) in sweep.experiments.iter().enumerate() {
                experiment.trials.sanity_check();
                let mut covered = IntervalSet::new();
                for (&start, token) in &experiment.leases {
                    let lease = self.leases.get(*token).expect("a listed lease is live");
                    assert_eq!((lease.sweep, lease.experiment.0 as usize), (number, index));
                    assert_eq!(lease.range.start(), start);
                    assert_eq!(covered.insert(lease.range), u64::from(lease.range.count()), "leases overlap");
                    let pending = experiment.trials.set(TrialState::Pending).within(lease.range).count();
                    assert_eq!(pending, 0, "a live lease holds no pending trial");
                    leases += 1;
                }
                for range in experiment.trials.set(TrialState::Leased).iter() {
                    let held: u32 = covered.within(range).map(RestartRange::count).sum();
                    assert_eq!(held, range.count(), "a leased trial has a lease");
                }
                let running = sweep.state == SweepState::Running;
                let pending = experiment.trials.counts().pending;
                let listed = self.pending.get(&(number, index as u32)).copied();
                assert_eq!(listed, (running && pending > 0).then_some(pending));
            }
            match sweep.state {
                SweepState::Running => assert!(!sweep.is_complete()),
                SweepState::Done => assert!(sweep.is_complete()),
                SweepState::Cancelled => {
                    let counts = sweep.counts();
                    assert_eq!(counts.pending + counts.leased, 0);
                }
            }
        }
        assert_eq!(self.leases.len(), leases);
        assert_eq!(self.pending_total, self.pending.values().sum::<u64>());
        let running = self.sweeps.iter().filter(|sweep| sweep.state == SweepState::Running).count();
        assert_eq!(self.running, running);
        self.workers.sanity_check();
    }
}

/// A core with one sweep of one experiment, and the time.
struct Script {
    core: Core,
    now: u64,
    last_token: Option<Token>,
}

/// A worker that says nothing of what it runs on.
pub(crate) fn newcomer(slots: u32) -> Newcomer {
    let (name, build, kind) = (Name::new("w").unwrap(), "b".into(), Kind::default());
    Newcomer { name, build, slots, kind, peak_mflop_per_s: 0 }
}

fn id() -> SweepId {
    SweepId(Digest::of(b"sweep"))
}

impl Script {
    fn new(restarts: u32, per_task: u32) -> Self {
        Self::with(restarts, per_task, Vec::new())
    }

    fn with(restarts: u32, per_task: u32, watched: Vec<ExperimentIndex>) -> Self {
        let sizing = Sizing { target_ms: 1_000, restarts_per_task: Some(per_task) };
        let mut script = Self {
            core: Core::new(Settings { boot: 3, lease_ms: LEASE_MS, sizing }),
            now: 0,
            last_token: None,
        };
        let submitted = Event::Submitted { id: id(), restarts: vec![restarts], watched, barriers: false };
        let effects = script.event(submitted);
        assert_eq!(effects, [Effect::Create { id: id() }]);
        script
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.core.handle(Timestamp(self.now), event);
        self.core.sanity_check();
        for effect in &effects {
            if let Effect::Lease(task) = effect {
                assert!(self.last_token < Some(task.token), "tokens strictly increase");
                self.last_token = Some(task.token);
            }
        }
        effects
    }

    fn worker(&mut self) -> WorkerId {
        match self.event(Event::Registered(newcomer(1)))[..] {
            [Effect::Welcome(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    fn lease(&mut self, worker: WorkerId) -> Option<Task> {
        match self.event(Event::TasksWanted { worker, most: 1 })[..] {
            [Effect::Lease(task)] => Some(task),
            [] => None,
            ref other => panic!("{other:?}"),
        }
    }

    fn renew(&mut self, worker: WorkerId, task: Task) -> Vec<Effect> {
        self.event(Event::Renewed { worker, held: vec![task] })
    }

    fn report(&mut self, worker: WorkerId, task: Task, restarts: &[u32]) -> Vec<Effect> {
        let outcomes = restarts.iter().map(|&restart| outcome(restart)).collect();
        let report = Report {
            worker,
            task,
            outcomes,
            barriers: vec![],
            broken: vec![],
            finished: true,
            duration_ms: 10,
            effort: Effort::default(),
        };
        self.event(Event::Reported(report))
    }

    fn broken(&mut self, worker: WorkerId, task: Task, restart: u32) -> Vec<Effect> {
        self.broken_in_part(worker, task, restart, true)
    }

    fn broken_in_part(&mut self, worker: WorkerId, task: Task, restart: u32, finished: bool) -> Vec<Effect> {
        let broken = vec![Broken { restart, cause: format!("broke on {}", worker.0) }];
        let report = Report {
            worker,
            task,
            outcomes: vec![],
            barriers: vec![],
            broken,
            finished,
            duration_ms: 10,
            effort: Effort::default(),
        };
        self.event(Event::Reported(report))
    }

    /// Lets `ms` pass; deadlines are seen to.
    fn pass(&mut self, ms: u64) -> Vec<Effect> {
        self.now += ms;
        self.event(Event::Tick)
    }

    fn counts(&self) -> [u64; 5] {
        let counts = self.core.view(id()).unwrap().counts();
        [counts.pending, counts.leased, counts.done, counts.failed, counts.cancelled]
    }
}

fn stores(effects: &[Effect]) -> Vec<u32> {
    let rows = effects.iter().filter_map(|effect| match effect {
        Effect::Store { outcomes, .. } => Some(outcomes.iter().map(|outcome| outcome.restart)),
        _ => None,
    });
    rows.flatten().collect()
}

fn compares(effects: &[Effect]) -> Vec<u32> {
    let rows = effects.iter().filter_map(|effect| match effect {
        Effect::Compare { outcomes, .. } => Some(outcomes.iter().map(|outcome| outcome.restart)),
        _ => None,
    });
    rows.flatten().collect()
}

#[test]
fn work_goes_from_pending_to_done() {
    let mut s = Script::new(5, 2);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    assert_eq!((task.range, task.attempt), (RestartRange::new(0, 2).unwrap(), 1));
    assert_eq!(task.token.boot(), 3);
    assert_eq!(s.counts(), [3, 2, 0, 0, 0]);
    assert_eq!(stores(&s.report(w, task, &[0, 1])), [0, 1]);
    let task = s.lease(w).unwrap();
    s.report(w, task, &[2, 3]);
    let last = s.lease(w).unwrap();
    assert_eq!(last.range, RestartRange::one(4));
    let effects = s.report(w, last, &[4]);
    assert_eq!(effects.last(), Some(&Effect::Ended { id: id() }));
    assert_eq!(s.counts(), [0, 0, 5, 0, 0]);
    assert!(!s.core.work_left());
}

#[test]
fn submitting_twice_is_the_same_sweep() {
    let mut s = Script::new(5, 2);
    let again = Event::Submitted { id: id(), restarts: vec![5], watched: Vec::new(), barriers: false };
    assert_eq!(s.event(again), []);
}

#[test]
fn a_lease_ends_at_its_deadline_unless_renewed() {
    let mut s = Script::new(2, 2);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    s.pass(LEASE_MS - 1);
    assert_eq!(s.renew(w, task), []);
    s.pass(LEASE_MS - 1);
    assert_eq!(s.counts(), [0, 2, 0, 0, 0]);
    assert_eq!(s.core.next_deadline(), Some(Timestamp(2 * LEASE_MS - 1)));
    s.pass(1);
    assert_eq!(s.counts(), [2, 0, 0, 0, 0]);
    let again = s.lease(w).unwrap();
    assert_eq!(again.attempt, 2);
    assert!(again.token > task.token);
}

#[test]
fn a_stale_token_is_not_renewed_but_its_outcomes_count() {
    let mut s = Script::new(2, 2);
    let (a, b) = (s.worker(), s.worker());
    let stale = s.lease(a).unwrap();
    s.pass(LEASE_MS);
    assert_eq!(s.renew(a, stale), [Effect::Revoke(stale.token)], "pending, renewed");
    assert_eq!(stores(&s.report(a, stale, &[0])), [0], "pending, reported");
    let live = s.lease(b).unwrap();
    assert_eq!(s.renew(a, stale), [Effect::Revoke(stale.token)], "leased to another");
    assert_eq!(stores(&s.report(a, stale, &[1])), [1], "leased to another, reported");
    assert_eq!(s.renew(b, live), [Effect::Revoke(live.token)], "nothing is left of the lease");
    let effects = s.report(b, live, &[1]);
    assert_eq!((stores(&effects), compares(&effects)), (vec![], vec![1]), "done, reported");
    assert_eq!(s.counts(), [0, 0, 2, 0, 0]);
}

#[test]
fn compared_reports_are_counted() {
    let mut s = Script::new(1, 1);
    s.event(Event::Compared { id: id(), duplicates: 2, divergences: 1 });
    let view = s.core.view(id()).unwrap();
    assert_eq!((view.duplicates, view.divergences), (2, 1));
}

#[test]
fn cancel_keeps_what_is_done_and_ends_leases() {
    let mut s = Script::new(3, 1);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    s.report(w, task, &[0]);
    let held = s.lease(w).unwrap();
    assert_eq!(
        s.event(Event::Cancelled { id: id() }),
        [Effect::Cancel { id: id() }, Effect::Ended { id: id() }]
    );
    assert_eq!(s.counts(), [0, 0, 1, 0, 2]);
    assert_eq!(s.renew(w, held), [Effect::Revoke(held.token)]);
    assert_eq!(s.lease(w), None);
    assert_eq!(s.event(Event::Cancelled { id: id() }), [], "idempotent");
    let late = s.report(w, held, &[1]);
    assert_eq!(stores(&late), [1], "a row that raced with the cancel is kept");
    assert!(late.contains(&Effect::Ended { id: id() }), "and the report follows");
    assert_eq!(s.core.view(id()).unwrap().state, SweepState::Cancelled);
    assert_eq!(compares(&s.report(w, held, &[1])), [1]);
}

#[test]
fn a_polite_leave_is_no_loss() {
    let mut s = Script::new(1, 1);
    for attempt in 1..10 {
        let w = s.worker();
        assert_eq!(s.lease(w).unwrap().attempt, attempt);
        s.event(Event::Left { worker: w });
        assert_eq!(s.counts(), [1, 0, 0, 0, 0]);
        assert_eq!(s.event(Event::Left { worker: w }), [], "idempotent");
    }
}

#[test]
fn a_task_given_back_unfinished_is_no_loss() {
    let mut s = Script::new(4, 4);
    let w = s.worker();
    for _ in 0..5 {
        let task = s.lease(w).unwrap();
        s.report(w, task, &[]);
    }
    assert_eq!(s.lease(w).unwrap().range.count(), 4);
}

#[test]
fn a_range_that_loses_three_workers_is_split_until_the_culprit_fails_alone() {
    let mut s = Script::new(8, 8);
    let mut deaths = 0;
    // trial 5 kills whoever trains it
    for _ in 0..100 {
        if !s.core.work_left() {
            break;
        }
        let w = s.worker();
        while let Some(task) = s.lease(w) {
            if task.range.contains(5) {
                deaths += 1;
                s.pass(LEASE_MS);
                break;
            }
            s.report(w, task, &task.range.iter().collect::<Vec<_>>());
        }
    }
    assert_eq!(s.counts(), [0, 0, 7, 1, 0]);
    // three for the whole, one for each half (8 -> 4 -> 2 -> 1), three alone
    assert_eq!(deaths, 3 + 2 + 3);
}

#[test]
fn a_single_restart_that_kills_three_workers_fails_with_their_names() {
    let mut s = Script::new(1, 1);
    let mut effects = Vec::new();
    for _ in 0..3 {
        let w = s.worker();
        s.lease(w).unwrap();
        effects = s.pass(LEASE_MS);
    }
    let Some(Effect::Fail { failure, .. }) = effects.first() else { panic!("{effects:?}") };
    assert!(failure.cause.ends_with("w, w, w"), "{}", failure.cause);
    assert_eq!(effects.last(), Some(&Effect::Ended { id: id() }));
    let w = s.worker();
    let task = Task {
        token: Token::new(3, 1),
        sweep: id(),
        experiment: ExperimentIndex(0),
        range: RestartRange::one(0),
        attempt: 1,
    };
    assert_eq!(stores(&s.report(w, task, &[0])), [0], "failed, reported: late but valid");
    assert_eq!(s.counts(), [0, 0, 1, 0, 0]);
}

#[test]
fn a_worker_that_was_only_cut_off_is_no_loss() {
    let mut s = Script::new(1, 1);
    for _ in 0..10 {
        let w = s.worker();
        let task = s.lease(w).unwrap();
        s.pass(LEASE_MS);
        assert_eq!(s.renew(w, task), [Effect::Revoke(task.token)]);
    }
    assert_eq!(s.counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_worker_that_forgot_a_task_is_no_loss() {
    let mut s = Script::new(1, 1);
    for _ in 0..10 {
        let w = s.worker();
        s.lease(w).unwrap();
        s.pass(LEASE_MS / 2);
        assert_eq!(s.event(Event::Renewed { worker: w, held: vec![] }), []);
        s.pass(LEASE_MS / 2);
    }
    assert_eq!(s.counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_broken_trial_is_tried_once_elsewhere_and_then_fails_with_its_message() {
    let mut s = Script::new(2, 2);
    let (a, b) = (s.worker(), s.worker());
    let task = s.lease(a).unwrap();
    s.broken(a, task, 1);
    assert_eq!(s.counts(), [2, 0, 0, 0, 0]);
    s.broken(a, task, 1);
    assert_eq!(s.counts(), [2, 0, 0, 0, 0], "told again, counted once");
    let other = s.lease(a).unwrap();
    assert_eq!(other.range, RestartRange::one(0), "not where it broke");
    assert_eq!(s.lease(a), None);
    let again = s.lease(b).unwrap();
    assert_eq!((again.range, again.attempt), (RestartRange::one(1), 2));
    let effects = s.broken(b, again, 1);
    let Some(Effect::Fail { failure, .. }) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(failure.cause, format!("broke on {}", b.0));
    assert_eq!(s.counts(), [0, 1, 0, 1, 0]);
}

#[test]
fn a_break_told_twice_while_the_task_goes_on_counts_once() {
    let mut s = Script::new(3, 3);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    for _ in 0..3 {
        s.broken_in_part(w, task, 1, false);
        assert_eq!(s.counts(), [0, 3, 0, 0, 0], "leased until the task ends");
    }
    s.report(w, task, &[0, 2]);
    let again = s.lease(w).unwrap();
    assert_eq!((again.range, again.attempt), (RestartRange::one(1), 2));
}

#[test]
fn a_broken_trial_is_tried_again_by_the_only_worker() {
    let mut s = Script::new(1, 1);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    s.broken(w, task, 0);
    let task = s.lease(w).unwrap();
    s.broken(w, task, 0);
    assert_eq!(s.counts(), [0, 0, 0, 1, 0]);
}

#[test]
fn tasks_of_an_earlier_boot_are_adopted_unless_given_away() {
    let mut s = Script::new(4, 2);
    let (a, b) = (s.worker(), s.worker());
    let old = |start, end, count| Task {
        token: Token::new(2, count),
        sweep: id(),
        experiment: ExperimentIndex(0),
        range: RestartRange::new(start, end).unwrap(),
        attempt: 4,
    };
    let given_away = s.lease(b).unwrap();
    assert_eq!(given_away.range, RestartRange::new(0, 2).unwrap());
    let (overlapping, free) = (old(1, 3, 7), old(2, 4, 8));
    let held = vec![overlapping, free];
    assert_eq!(s.event(Event::Renewed { worker: a, held }), [Effect::Revoke(overlapping.token)]);
    assert_eq!(s.counts(), [0, 4, 0, 0, 0]);
    assert_eq!(s.renew(a, free), [], "adopted under its own token");
    s.report(a, free, &[2, 3]);
    assert_eq!(s.counts(), [0, 2, 2, 0, 0]);
    assert_eq!(s.renew(a, free), [Effect::Revoke(free.token)], "done is final");
    let never_given = old(0, 2, 9);
    let future = Task { token: Token::new(9, 1), ..never_given };
    assert_eq!(s.renew(a, future), [Effect::Revoke(future.token)]);
}

#[test]
fn unknown_things_are_refused_and_change_nothing() {
    let mut s = Script::new(4, 2);
    let w = s.worker();
    let task = s.lease(w).unwrap();
    let stranger = WorkerId(99);
    let refused = |refusal| vec![Effect::Refused(refusal)];
    assert_eq!(
        s.event(Event::TasksWanted { worker: stranger, most: 1 }),
        refused(Refusal::UnknownWorker(stranger))
    );
    assert_eq!(s.renew(stranger, task), refused(Refusal::UnknownWorker(stranger)));
    assert_eq!(s.report(stranger, task, &[0]), refused(Refusal::UnknownWorker(stranger)));
    let nowhere = SweepId(Digest::of(b"another"));
    assert_eq!(s.report(w, Task { sweep: nowhere, ..task }, &[0]), refused(Refusal::UnknownSweep(nowhere)));
    let index = ExperimentIndex(1);
    assert_eq!(
        s.report(w, Task { experiment: index, ..task }, &[0]),
        refused(Refusal::UnknownExperiment { index, experiments: 1 })
    );
    let range = RestartRange::new(3, 5).unwrap();
    assert_eq!(
        s.report(w, Task { range, ..task }, &[3]),
        refused(Refusal::BeyondRestarts { end: 5, restarts: 4 })
    );
    assert_eq!(s.event(Event::Cancelled { id: nowhere }), refused(Refusal::UnknownSweep(nowhere)));
    assert_eq!(s.counts(), [2, 2, 0, 0, 0]);
}

#[test]
fn the_oldest_sweep_and_its_first_experiment_come_first() {
    let mut s = Script::new(1, 1);
    let second = SweepId(Digest::of(b"second"));
    s.event(Event::Submitted { id: second, restarts: vec![1, 2], watched: Vec::new(), barriers: false });
    let w = s.worker();
    let order: Vec<_> = std::iter::from_fn(|| s.lease(w))
        .map(|task| (task.sweep == second, task.experiment.0, task.range.start()))
        .collect();
    assert_eq!(order, [(false, 0, 0), (true, 0, 0), (true, 1, 0), (true, 1, 1)]);
}

#[test]
fn a_lease_reply_holds_tasks_of_one_sweep() {
    let mut s = Script::new(2, 1);
    let second = SweepId(Digest::of(b"second"));
    s.event(Event::Submitted { id: second, restarts: vec![5], watched: Vec::new(), barriers: false });
    let w = s.worker();
    assert_eq!(s.event(Event::TasksWanted { worker: w, most: 9 }).len(), 2);
    assert_eq!(s.event(Event::TasksWanted { worker: w, most: 9 }).len(), 5);
}

#[test]
fn a_million_trials_cost_a_few_intervals() {
    let mut s = Script::new(1_000_000, 1_000);
    let (a, b) = (s.worker(), s.worker());
    for _ in 0..20 {
        // reported out of order
        let (first, second) = (s.lease(a).unwrap(), s.lease(b).unwrap());
        for (worker, task) in [(b, second), (a, first)] {
            s.report(worker, task, &task.range.iter().collect::<Vec<_>>());
        }
    }
    let experiment = &s.core.sweeps[0].experiments[0];
    let intervals = [TrialState::Pending, TrialState::Leased, TrialState::Done]
        .map(|state| experiment.trials.set(state).iter().count());
    assert_eq!(intervals, [1, 0, 1]);
    assert_eq!(s.counts(), [960_000, 0, 40_000, 0, 0]);
}

#[test]
fn silent_workers_make_room_and_live_ones_do_not() {
    let mut workers = Workers::default();
    for id in 0..limits::WORKERS as u64 {
        assert!(workers.insert(WorkerId(id), newcomer(1), Timestamp(10)));
    }
    assert!(!workers.insert(WorkerId(u64::MAX), newcomer(1), Timestamp(10)));
    workers.heard(WorkerId(1), Timestamp(20));
    workers.silence(Timestamp(10));
    assert_eq!(workers.live(), (1, 1));
    assert!(workers.insert(WorkerId(u64::MAX), newcomer(1), Timestamp(30)));
    assert!(workers.get(WorkerId(0)).is_none(), "the longest silent one is forgotten");
    workers.sanity_check();
}

#[test]
fn a_guess_sizes_the_tasks_of_the_worker_that_made_it() {
    let sizing = Sizing { target_ms: 1_000, restarts_per_task: None };
    let mut s = Script::new(10_000, 1);
    s.core.settings.sizing = sizing;
    let (guesser, other) = (s.worker(), s.worker());
    let guess = Guess { sweep: id(), experiment: ExperimentIndex(0), us_per_trial: 10_000 };
    let stray = Guess { experiment: ExperimentIndex(9), ..guess };
    assert!(s.event(Event::Guessed { worker: guesser, guesses: vec![stray, guess] }).is_empty());
    assert_eq!(s.lease(guesser).unwrap().range.count(), 96);
    assert_eq!(s.lease(other).unwrap().range.count(), 1, "others keep to what was measured");
}

#[test]
fn effort_is_never_more_than_the_time_allows() {
    let mut s = Script::new(10, 10);
    let fast = Event::Registered(Newcomer { peak_mflop_per_s: 1_000, ..newcomer(1) });
    let [Effect::Welcome(w)] = s.event(fast)[..] else { panic!("it is welcome") };
    let task = s.lease(w).unwrap();
    let report = |range: std::ops::Range<u32>, effort| {
        let outcomes = range.map(outcome).collect();
        let (broken, duration_ms) = (vec![], 1_999);
        Event::Reported(Report {
            worker: w,
            task,
            outcomes,
            barriers: vec![],
            broken,
            finished: false,
            duration_ms,
            effort,
        })
    };
    let told =
        Effort { trials: 99, training_us: 1_000_000, polish_us: 500_000, training_mflop: 400, peak_mflop: 9 };
    s.event(report(0..4, told));
    let effort = Effort { trials: 4, peak_mflop: 1_000, ..told };
    assert_eq!(s.core.view(id()).unwrap().effort, effort);
    let lie = u64::MAX;
    s.event(report(4..5, Effort { training_us: lie, polish_us: lie, training_mflop: lie, ..told }));
    let most = Effort {
        trials: 5,
        training_us: 3_000_000,
        polish_us: 2_500_000,
        training_mflop: 4_400,
        peak_mflop: 3_000,
    };
    assert_eq!(s.core.view(id()).unwrap().effort, most);
}

/// Each state beyond a stop and after it is taken back.
#[test]
fn a_stop_sets_aside_what_lies_beyond_it_until_an_extension() {
    let first = ExperimentIndex(0);
    let mut s = Script::with(100, 16, vec![first]);
    let w = s.worker();
    let tasks: Vec<Task> = (0..4).map(|_| s.lease(w).unwrap()).collect();
    let all = |task: Task| task.range.iter().collect::<Vec<u32>>();
    // 48 to 63 are done, 32 to 47 leased, 0 to 31 done: the prefix is long enough for one look, asked for once
    assert!(!s.report(w, tasks[3], &all(tasks[3])).iter().any(|e| matches!(e, Effect::Look { .. })));
    s.report(w, tasks[0], &all(tasks[0]));
    let look = Effect::Look { sweep: id(), experiment: first, restarts: 100, earlier: None };
    assert!(s.report(w, tasks[1], &all(tasks[1])).contains(&look));
    assert_eq!(s.event(Event::Tick), []);
    let found = Looks { looks: 1, restarts: 32, stop: Some(StoppedBy::Goals) };
    let looked = |restarts| Event::Looked { id: id(), experiment: first, restarts, found };
    // of another number of restarts: it is looked at again
    assert_eq!(s.event(looked(90)), std::slice::from_ref(&look));
    let change = PlanChange::Stopped(found);
    assert_eq!(
        s.event(looked(100)),
        [Effect::Change { sweep: id(), experiment: first, change }, Effect::Ended { id: id() }]
    );
    let counts = |s: &Script| {
        let counts = s.core.view(id()).unwrap().counts();
        [counts.total, counts.pending, counts.leased, counts.done, counts.skipped]
    };
    assert_eq!(counts(&s), [100, 0, 0, 32, 68]);
    assert_eq!(s.event(looked(100)), [], "a second answer changes nothing");
    assert_eq!(s.renew(w, tasks[2]), [Effect::Revoke(tasks[2].token)]);
    assert_eq!(stores(&s.report(w, tasks[2], &[32, 33])), [32, 33], "late rows are kept");
    assert_eq!(compares(&s.report(w, tasks[3], &[48])), [48]);
    assert_eq!(counts(&s), [100, 0, 0, 32, 68], "but take no part");
    assert_eq!(s.lease(w), None);

    let extended = s.event(Event::Extended { id: id(), experiments: vec![first], restarts: 120 });
    let change = PlanChange::Extended(Extension { from: 100, to: 120 });
    assert_eq!(extended, [Effect::Change { sweep: id(), experiment: first, change }]);
    assert_eq!(counts(&s), [120, 70, 0, 50, 0], "what was kept counts again");
    let view = s.core.view(id()).unwrap();
    assert_eq!(view.state, SweepState::Running);
    assert_eq!(view.plans[0].watch.unwrap().earlier, Some(Looks { stop: None, ..found }));
    assert_eq!(s.lease(w).unwrap().range, RestartRange::new(34, 48).unwrap(), "the first that are missing");
}
