//! Barriers after the trials: chosen, leased, lost, broken, compared, cancelled and restored like trials.

use super::*;

impl Script {
    /// A sweep of one experiment with `restarts` restarts that asks for barriers.
    fn with_barriers(restarts: u32, per_task: u32) -> Self {
        let mut script = Self::new(1, per_task);
        let other = SweepId(Digest::of(b"with barriers"));
        script.event(Event::Cancelled { id: id() });
        script.event(Event::Submitted {
            id: other,
            restarts: vec![restarts],
            watched: Vec::new(),
            barriers: true,
        });
        script
    }

    fn view(&self) -> SweepView {
        self.core.view(SweepId(Digest::of(b"with barriers"))).unwrap()
    }

    /// Ends all trials and chooses `pairs`.
    fn planned(restarts: u32, per_task: u32, pairs: u32) -> (Self, WorkerId) {
        let mut script = Self::with_barriers(restarts, per_task);
        let worker = script.worker();
        while let Some(task) = script.lease(worker) {
            script.report(worker, task, &task.range.iter().collect::<Vec<_>>());
        }
        let id = script.core.take_unplanned()[0];
        script.event(Event::Planned { id, pairs: (1..=pairs).map(pair).collect() });
        (script, worker)
    }

    fn measured(&mut self, worker: WorkerId, task: Task, numbers: &[u32]) -> Vec<Effect> {
        let barriers = numbers.iter().map(|&number| (number, barrier(pair(number + 1)))).collect();
        self.event(Event::Reported(Report {
            worker,
            task,
            outcomes: vec![],
            barriers,
            broken: vec![],
            finished: true,
            duration_ms: 10,
            effort: Effort::default(),
        }))
    }

    fn stage(&self) -> [u64; 5] {
        let counts = self.view().barriers.unwrap().counts;
        [counts.pending, counts.leased, counts.done, counts.failed, counts.cancelled]
    }
}

#[test]
fn a_sweep_ends_when_its_barriers_are_measured() {
    let mut s = Script::with_barriers(4, 2);
    let w = s.worker();
    assert_eq!(s.core.take_unplanned(), []);
    for _ in 0..2 {
        let task = s.lease(w).unwrap();
        let effects = s.report(w, task, &task.range.iter().collect::<Vec<_>>());
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Ended { .. })));
    }
    assert_eq!((s.view().state, s.view().counts().done), (SweepState::Running, 4));
    assert!(s.core.work_left() && s.lease(w).is_none(), "a worker waits while pairs are chosen");
    let unplanned = s.core.take_unplanned();
    assert_eq!((unplanned.len(), s.core.take_unplanned().len()), (1, 0), "they are asked for once");

    let sweep = unplanned[0];
    let pairs = vec![pair(1), pair(2), pair(3)];
    let effects = s.event(Event::Planned { id: sweep, pairs: pairs.clone() });
    assert_eq!(effects, [Effect::Plan { sweep, first: 0, trials: 4, pairs }]);
    let task = s.lease(w).unwrap();
    assert_eq!((task.experiment, task.range.start(), task.range.end()), (ExperimentIndex(1), 0, 2));
    assert_eq!(
        (s.stage(), s.view().counts().pending),
        ([1, 2, 0, 0, 0], 0),
        "trials' counts know nothing of it"
    );
    let stored = |effect: &Effect| match effect {
        Effect::StoreBarriers { barriers, .. } => barriers.len(),
        _ => 0,
    };
    assert_eq!(s.measured(w, task, &[0, 1]).iter().map(stored).sum::<usize>(), 2);
    let task = s.lease(w).unwrap();
    let effects = s.measured(w, task, &[2]);
    assert_eq!(effects.last(), Some(&Effect::Ended { id: sweep }));
    assert_eq!((s.stage(), s.view().state), ([0, 0, 3, 0, 0], SweepState::Done));
    // told again
    let effects = s.measured(w, task, &[2]);
    assert!(
        matches!(&effects[..], [Effect::CompareBarriers { barriers, .. }] if barriers.len() == 1),
        "{effects:?}"
    );
    // a second choice for the same trials finds the sweep ended
    assert_eq!(s.event(Event::Planned { id: sweep, pairs: vec![pair(9)] }), []);
}

#[test]
fn a_sweep_with_nothing_to_measure_ends_with_its_choice() {
    let (s, _) = Script::planned(3, 4, 0);
    assert_eq!((s.view().state, s.stage()), (SweepState::Done, [0; 5]));
}

#[test]
fn barriers_and_trials_are_not_taken_for_each_other() {
    let (mut s, w) = Script::planned(3, 4, 2);
    let task = s.lease(w).unwrap();
    assert_eq!(s.report(w, task, &[0]), [Effect::Refused(Refusal::OtherKind("outcomes"))]);
    let trials = Task { experiment: ExperimentIndex(0), ..task };
    assert_eq!(s.measured(w, trials, &[0]), [Effect::Refused(Refusal::OtherKind("barriers"))]);
    assert_eq!(s.stage(), [0, 2, 0, 0, 0]);
}

#[test]
fn a_pair_that_kills_three_workers_has_failed_and_the_sweep_ends() {
    let (mut s, _) = Script::planned(3, 4, 1);
    let mut failed = Vec::new();
    for _ in 0..limits::KILLS_UNTIL_FAILED {
        let worker = s.worker();
        assert!(s.lease(worker).is_some());
        failed = s.pass(LEASE_MS);
    }
    let [Effect::FailBarrier { pair: of, cause, .. }, Effect::Ended { .. }] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert!(*of == pair(1) && cause.contains("3 workers were lost"), "{cause}");
    assert_eq!((s.stage(), s.view().state), ([0, 0, 0, 1, 0], SweepState::Done));
    assert_eq!(s.view().counts().failed, 0);
}

#[test]
fn a_pair_that_breaks_is_tried_once_more() {
    let (mut s, w) = Script::planned(3, 4, 2);
    for attempt in 1..=2 {
        let task = s.lease(w).unwrap();
        assert_eq!(task.attempt, attempt);
        let effects = s.broken(w, task, 0);
        let fails = effects.iter().filter(|effect| matches!(effect, Effect::FailBarrier { .. })).count();
        assert_eq!(fails, usize::from(attempt == 2));
    }
    let task = s.lease(w).unwrap();
    assert_eq!(task.range, RestartRange::one(1));
    s.measured(w, task, &[1]);
    assert_eq!((s.stage(), s.view().state), ([0, 0, 1, 1, 0], SweepState::Done));
}

#[test]
fn a_cancelled_second_stage_keeps_late_barriers() {
    let (mut s, w) = Script::planned(3, 1, 2);
    let task = s.lease(w).unwrap();
    s.event(Event::Cancelled { id: task.sweep });
    assert_eq!((s.stage(), s.view().state), ([0, 0, 0, 0, 2], SweepState::Cancelled));
    assert_eq!(s.renew(w, task), [Effect::Revoke(task.token)]);
    let effects = s.measured(w, task, &[0]);
    assert!(matches!(effects[..], [Effect::StoreBarriers { .. }, Effect::Ended { .. }]), "{effects:?}");
    assert_eq!(s.stage(), [0, 0, 1, 0, 1]);
    assert_eq!(s.view().counts().cancelled, 0, "its trials were done");
}

#[test]
fn restored_pairs_keep_their_numbers_and_later_choices_add_to_them() {
    let sizing = Sizing { target_ms: 1_000, restarts_per_task: Some(4) };
    let mut core = Core::new(Settings { boot: 4, lease_ms: LEASE_MS, sizing });
    let restored = |trials| Restored {
        done: vec![IntervalSet::all(4)],
        barriers: true,
        pairs: RestoredPairs {
            pairs: vec![pair(1), pair(2)],
            trials: Some(trials),
            measured: [pair(2)].into(),
            failed: [pair(1)].into(),
        },
        ..Restored::new(id(), vec![4])
    };
    core.restore(restored(4));
    assert_eq!((core.view(id()).unwrap().state, core.take_unplanned().len()), (SweepState::Done, 0));

    // chosen when there were fewer trials
    let mut core = Core::new(Settings { boot: 4, lease_ms: LEASE_MS, sizing });
    core.restore(restored(3));
    assert_eq!((core.view(id()).unwrap().state, core.take_unplanned()), (SweepState::Running, vec![id()]));
    let event = Event::Planned { id: id(), pairs: vec![pair(3), pair(2)] };
    let effects = core.handle(Timestamp(0), event);
    core.sanity_check();
    assert_eq!(effects, [Effect::Plan { sweep: id(), first: 2, trials: 4, pairs: vec![pair(3)] }]);
    let stage = core.view(id()).unwrap().barriers.unwrap();
    assert_eq!(stage.pairs[..], [pair(1), pair(2), pair(3)]);
    assert_eq!((stage.counts.failed, stage.counts.done, stage.counts.pending), (1, 1, 1));
}

#[test]
fn a_guess_sizes_the_first_task_of_pairs() {
    for (guessed, count) in [(false, 1), (true, 10)] {
        let (mut s, w) = Script::planned(3, 4, 100);
        s.core.settings.sizing = Sizing { target_ms: 1_000, restarts_per_task: None };
        let sweep = SweepId(Digest::of(b"with barriers"));
        let guess = Guess { sweep, experiment: ExperimentIndex(1), us_per_trial: 100_000 };
        s.event(Event::Guessed { worker: w, guesses: if guessed { vec![guess] } else { vec![] } });
        assert_eq!(s.lease(w).unwrap().range.count(), count);
    }
}
