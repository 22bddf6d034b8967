//! A sweep from its submission to its report, and what may happen to it on the way.

use std::time::Instant;

use seedsweep_common::limits;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_goes_from_spec_to_report() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let submitted = submit(&mut users, spec_text("first", 10)).await;
    assert!(submitted.created);
    assert!(!submit(&mut users, spec_text("first", 10)).await.created, "the same spec is the same sweep");
    let before = sweep(&mut users, "last").await;
    assert_eq!((before.state(), before.trials.unwrap().pending), (v1::SweepState::Running, 10));

    let watching = v1::WatchSweepRequest { selector: "first".into() };
    let mut watch = users.watch_sweep(watching).await.unwrap().into_inner();
    let mut worker = FakeWorker::join(&server).await;
    let first = worker.lease(1, 0).await;
    assert!(first.work_left);
    assert_eq!(first.specs[0].spec_toml, spec_text("first", 10));
    let task = &first.tasks[0];
    assert_eq!((task.start, task.end, task.attempt), (0, 4, 1));
    assert_eq!(worker.report(task, trained(task)).await.unwrap().accepted, 4);
    assert_eq!(worker.work().await, 6);
    assert!(!worker.lease(1, 0).await.work_left);

    let mut last = None;
    while let Some(message) = soon(watch.message()).await.unwrap() {
        last = message.sweep;
    }
    let last = last.unwrap();
    assert_eq!(
        (last.state(), last.trials.unwrap().done),
        (v1::SweepState::Done, 10),
        "the last state is never missed"
    );
    assert!(last.trials_per_s.unwrap() > 0.0 && last.eta_s.is_none());

    let json = report_json(&mut users, &submitted.sweep_id).await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["sweep"]["trials"]["done"], 10);
    assert_eq!(report["sweep"]["state"], "done");
    let rows = rows(&mut users, "first").await;
    let restarts: Vec<u32> = rows.iter().map(|row| row.outcome.as_ref().unwrap().restart).collect();
    assert_eq!(restarts, (0..10).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.basin_raw == Some(0)), "{:?}", rows[0]);
    let provenance = rows[9].provenance.as_ref().unwrap();
    assert_eq!((provenance.worker.as_str(), provenance.build.as_str()), ("fake", "test"));
    server.stop().await;

    let (stored, _) = crate::store::Store::open(store.path()).unwrap();
    let id = submitted.sweep_id.parse().unwrap();
    assert_eq!(stored.report(id).unwrap().unwrap().report_json, json, "the verdict is part of the record");
    assert!(crate::auth::read_owner(store.path()).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_reports_are_compared_and_the_first_outcome_stays() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 4)).await;
    let mut worker = FakeWorker::join(&server).await;
    let task = worker.one_task().await;
    let counts = |r: v1::ReportOutcomesResponse| (r.accepted, r.duplicates, r.divergences);
    assert_eq!(counts(worker.report(&task, vec![outcome(0), outcome(1)]).await.unwrap()), (2, 0, 0));
    let again = worker.report(&task, vec![outcome(0), outcome(1), outcome(2)]).await.unwrap();
    assert_eq!(counts(again), (1, 2, 0));
    let mut other = outcome(1);
    other.loss_train = 1.0 + f64::EPSILON;
    // twice in one report: the second is compared with the first
    let differing = worker.report(&task, vec![other, outcome(3), outcome(3)]).await.unwrap();
    assert_eq!(counts(differing), (1, 1, 1));
    let state = sweep(&mut users, "x").await;
    assert_eq!((state.state(), state.duplicates, state.divergences), (v1::SweepState::Done, 3, 1));
    let kept = &rows(&mut users, "x").await[1];
    assert_eq!(kept.outcome.as_ref().unwrap().loss_train.map(f64::to_bits), Some(1.0_f64.to_bits()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_sweep_keeps_its_rows_and_tells_its_workers() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 12)).await;
    let mut worker = FakeWorker::join(&server).await;
    let (first, second) = (worker.one_task().await, worker.one_task().await);
    worker.report(&first, trained(&first)).await.unwrap();
    let request = v1::CancelSweepRequest { selector: "x".into() };
    let cancelled = users.cancel_sweep(request.clone()).await.unwrap().into_inner().sweep.unwrap();
    assert_eq!(cancelled.state(), v1::SweepState::Cancelled);
    assert_eq!(cancelled.trials.map(|t| (t.done, t.cancelled, t.leased)), Some((4, 8, 0)));
    let renewal = v1::RenewLeasesRequest { worker_id: worker.id, held: vec![second.clone()] };
    assert_eq!(worker.calls.renew_leases(renewal).await.unwrap().into_inner().revoked, [second.token]);
    assert_eq!(worker.report(&second, vec![outcome(4)]).await.unwrap().accepted, 1);
    users.cancel_sweep(request).await.unwrap();
    let json = report_json(&mut users, "x").await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&report["sweep"]["state"], &report["sweep"]["trials"]["done"]),
        (&"cancelled".into(), &5.into())
    );
    let before = sweep(&mut users, "x").await;
    server.stop().await;

    let server = Server::at(store.path()).await;
    let after = sweep(&mut server.users().await, "x").await;
    assert_eq!((after.state, after.trials), (before.state, before.trials));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_worker_loses_its_tasks_to_others() {
    let store = tempfile::tempdir().unwrap();
    let config = Config {
        restarts_per_task: Some(4),
        lease: Duration::from_millis(300),
        ..Config::new(store.path().to_owned())
    };
    let server = Server::start(config).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 4)).await;
    let mut silent = FakeWorker::join(&server).await;
    assert_eq!(silent.lease_ms, 300);
    let lost = silent.one_task().await;
    let mut other = FakeWorker::join(&server).await;
    // waits at the coordinator until the lease has ended
    let task = soon(other.one_task()).await;
    assert_eq!((task.start, task.end, task.attempt), (0, 4, 2));
    assert!(task.token > lost.token);
    let renewal = v1::RenewLeasesRequest { worker_id: silent.id, held: vec![lost.clone()] };
    assert_eq!(silent.calls.renew_leases(renewal).await.unwrap().into_inner().revoked, [lost.token]);
    assert_eq!(silent.report(&lost, trained(&lost)).await.unwrap().accepted, 4, "late but valid");
    assert_eq!(other.report(&task, trained(&task)).await.unwrap().duplicates, 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_coordinator_carries_on() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 20)).await;
    let mut worker = FakeWorker::join(&server).await;
    let (done, held) = (worker.one_task().await, worker.one_task().await);
    worker.report(&done, trained(&done)).await.unwrap();
    server.stop().await;

    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let state = sweep(&mut users, "x").await;
    assert_eq!(state.trials.map(|t| (t.done, t.pending)), Some((4, 16)), "nothing acknowledged is lost");
    let old_id = worker.id;
    worker.calls = server.workers().await;
    let stranger = worker.report(&held, trained(&held)).await.unwrap_err();
    assert_eq!(stranger.code(), Code::Aborted, "{stranger}");
    let mut worker = FakeWorker::join(&server).await;
    assert!(worker.id > old_id);
    let renewal = v1::RenewLeasesRequest { worker_id: worker.id, held: vec![held.clone()] };
    assert_eq!(worker.calls.renew_leases(renewal).await.unwrap().into_inner().revoked, [0; 0], "adopted");
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().leased, 4);
    assert_eq!(worker.work().await, 12);
    assert_eq!(worker.report(&held, trained(&held)).await.unwrap().accepted, 4);
    assert_eq!(sweep(&mut users, "x").await.state(), v1::SweepState::Done);
    let interrupted = report_json(&mut users, "x").await;
    server.stop().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let server = Server::at(elsewhere.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 20)).await;
    FakeWorker::join(&server).await.work().await;
    assert_eq!(report_json(&mut users, "x").await, interrupted, "the same bytes as undisturbed");
    server.stop().await;
}

/// Reports the restarts `broken` of `task` as broken by `name`, and trains the rest.
async fn report_broken(worker: &mut FakeWorker, name: &str, task: v1::Task, broken: &[u32]) {
    let cause = format!("{name}: {}", "é".repeat(5_000));
    let request = v1::ReportOutcomesRequest {
        worker_id: worker.id,
        outcomes: trained(&task).iter().filter(|o| !broken.contains(&o.restart)).map(Into::into).collect(),
        broken: broken.iter().map(|&restart| v1::BrokenTrial { restart, cause: cause.clone() }).collect(),
        task: Some(task),
        finished: true,
        duration_ms: 1,
        ..Default::default()
    };
    worker.calls.report_outcomes(request).await.unwrap();
}

async fn failures(users: &mut Users, selector: &str) -> Vec<v1::FailedTrial> {
    let request = v1::GetSweepRequest { selector: selector.into() };
    users.get_sweep(request).await.unwrap().into_inner().failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_that_breaks_twice_has_failed_for_good_and_is_named_with_its_cause() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 1)).await;
    for name in ["one", "two"] {
        assert_eq!(failures(&mut users, "x").await, [], "a trial that is tried again has not failed");
        let mut worker = FakeWorker::join(&server).await;
        let task = soon(worker.one_task()).await;
        report_broken(&mut worker, name, task, &[0]).await;
        worker.calls.leave(v1::LeaveRequest { worker_id: worker.id }).await.unwrap();
    }
    let state = sweep(&mut users, "x").await;
    assert_eq!((state.state(), state.trials.unwrap().failed), (v1::SweepState::Done, 1));
    let told = failures(&mut users, "x").await;
    assert_eq!((told.len(), told[0].experiment.as_str(), told[0].restart), (1, "a", 0));
    assert!(told[0].cause.contains("two: éé") && told[0].cause.len() <= limits::ERROR_BYTES);
    server.stop().await;
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().failed, 1);
    assert_eq!(failures(&mut users, "x").await, told, "the cause is stored with the failure");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_failures_are_named_in_order_and_a_late_outcome_takes_its_trial_off_the_list() {
    let store = tempfile::tempdir().unwrap();
    let server =
        Server::start(Config { restarts_per_task: Some(50), ..Config::new(store.path().into()) }).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 50)).await;
    let broken: Vec<u32> = (0..50).filter(|restart| restart % 2 == 1).collect();
    for name in ["one", "two"] {
        let mut worker = FakeWorker::join(&server).await;
        loop {
            let tasks = worker.lease(2, 0).await.tasks;
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                let range = task.start..task.end;
                let broken: Vec<u32> = broken.iter().copied().filter(|b| range.contains(b)).collect();
                report_broken(&mut worker, name, task, &broken).await;
            }
        }
    }
    let state = sweep(&mut users, "x").await;
    assert_eq!(state.trials.map(|t| (t.done, t.failed)), Some((25, 25)));
    let restarts = async |users: &mut Users| -> Vec<u32> {
        failures(users, "x").await.iter().map(|failed| failed.restart).collect()
    };
    assert_eq!(restarts(&mut users).await, broken[..limits::FAILURES_SHOWN]);
    let mut worker = FakeWorker::join(&server).await;
    let sweep_id = state.id;
    let late = v1::Task { sweep_id, start: 3, end: 4, attempt: 1, ..Default::default() };
    assert_eq!(worker.report(&late, vec![outcome(3)]).await.unwrap().accepted, 1);
    let left: Vec<u32> = broken.iter().copied().filter(|restart| *restart != 3).collect();
    assert_eq!(restarts(&mut users).await, left[..limits::FAILURES_SHOWN]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_worker_gets_work_as_soon_as_it_is_there() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut worker = FakeWorker::join(&server).await;
    let begun = Instant::now();
    let idle = worker.lease(1, 50).await;
    assert!(idle.tasks.is_empty() && !idle.work_left);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let mut users = server.users().await;
    let (leased, _) = tokio::join!(worker.lease(1, 10_000), submit(&mut users, spec_text("x", 1)));
    assert_eq!(leased.tasks.len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_says_of_its_speed_sizes_its_tasks_and_is_shown() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::start(Config::new(store.path().into())).await;
    let mut users = server.users().await;
    let sweep_id = submit(&mut users, spec_text("x", 1_000)).await.sweep_id;
    let mut worker = FakeWorker::join(&server).await;
    let first = worker.one_task().await;
    assert_eq!(first.end - first.start, 1, "nobody knows how long a trial takes");

    let guess = v1::SpeedGuess { sweep_id, experiment: 0, us_per_trial: 10_000 };
    let request = v1::LeaseTasksRequest {
        worker_id: worker.id,
        free_slots: 1,
        guesses: vec![guess],
        ..Default::default()
    };
    let second = worker.calls.lease_tasks(request).await.unwrap().into_inner().tasks.remove(0);
    assert_eq!(second.end - second.start, 96, "about a second, in whole lanes");

    assert_eq!(sweep(&mut users, "x").await.training_trials_per_slot_s, None);
    let request = v1::ReportOutcomesRequest {
        worker_id: worker.id,
        outcomes: trained(&first).iter().map(Into::into).collect(),
        task: Some(first),
        finished: true,
        duration_ms: 5,
        training_us: 4_000,
        polish_us: 1_000,
        ..Default::default()
    };
    worker.calls.report_outcomes(request).await.unwrap();
    let state = sweep(&mut users, "x").await;
    assert_eq!(state.training_trials_per_slot_s, Some(250.0));
    assert_eq!(state.polish_trials_per_slot_s, Some(1_000.0));
    assert_eq!(state.of_peak, None, "the worker has not measured its peak");
    let answer = users.get_sweep(v1::GetSweepRequest { selector: "x".into() }).await.unwrap().into_inner();
    let kind = v1::WorkerKind { lanes: "avx2".into(), axis: String::new(), live: 1, slots: 2 };
    assert_eq!(answer.workers.unwrap().kinds, [kind]);
    server.stop().await;
}
