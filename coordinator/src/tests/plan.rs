//! Sweeps that end early and sweeps that go on: `stop_when` and extensions, over the wire and across restarts.

use super::*;

/// A sweep that stops once the agreement's confidence sequence is narrow. All made-up outcomes agree, so that this is
/// at the fourth look, after 256 restarts (`common::analysis::stopping`).
fn stopping_spec(name: &str, max_restarts: u32) -> String {
    let rule = format!("stop_when = {{ same_pair_width = 0.1, max_restarts = {max_restarts} }}");
    let text = spec_text(name, 7).replace("restarts = 7", &rule);
    let parsed = spec::parse("test", &text, &[]);
    parsed.unwrap_or_else(|errors| panic!("{errors:?}")).spec.canonical()
}

/// Trains until the sweep called `name` has ended: a look may be under way while nothing is left to lease.
async fn work_to_the_end(users: &mut Users, worker: &mut FakeWorker, name: &str) {
    soon(async {
        while sweep(users, name).await.state() == v1::SweepState::Running {
            worker.work().await;
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn extend(users: &mut Users, selector: &str, restarts: u32) -> Result<v1::Sweep, Status> {
    let (selector, experiment) = (selector.to_owned(), String::new());
    let request = v1::ExtendSweepRequest { selector, experiment, restarts };
    Ok(users.extend_sweep(request).await?.into_inner().sweep.unwrap())
}

fn config(store: &Path, restarts_per_task: u32) -> Config {
    Config { restarts_per_task: Some(restarts_per_task), ..Config::new(store.to_owned()) }
}

/// The report without its sweep, whose id differs where the spec does.
fn experiments(report_json: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(report_json).unwrap()["experiments"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_stops_at_the_same_restarts_whoever_is_quick() {
    let mut reports = Vec::new();
    for (size, run_ahead) in [(4, false), (100, false), (1_000, true)] {
        let store = tempfile::tempdir().unwrap();
        let server = Server::start(config(store.path(), size)).await;
        let mut users = server.users().await;
        submit(&mut users, stopping_spec("x", 2_000)).await;
        let mut worker = FakeWorker::join(&server).await;
        if run_ahead {
            // the end of the sweep is there before its start
            let (first, second) = (worker.one_task().await, worker.one_task().await);
            worker.report(&second, trained(&second)).await.unwrap();
            worker.report(&first, trained(&first)).await.unwrap();
        }
        work_to_the_end(&mut users, &mut worker, "x").await;
        let ended = sweep(&mut users, "x").await;
        assert_eq!(ended.trials.map(|t| (t.total, t.done, t.skipped)), Some((2_000, 256, 1_744)));
        assert_eq!(ended.experiments[0].looks, Some(4));
        assert_eq!(rows(&mut users, "x").await.len(), 256, "what ended beyond takes no part");
        let json = report_json(&mut users, "x").await;
        let stopping = &experiments(&json)[0]["stopping"];
        assert_eq!(*stopping, serde_json::json!({ "looks": 4, "restarts": 256, "reason": "goals" }));
        reports.push(json);
        server.stop().await;

        // the decision is stored: nothing is looked at again, and nothing is pending
        let server = Server::start(config(store.path(), size)).await;
        let mut users = server.users().await;
        let again = sweep(&mut users, "x").await;
        assert_eq!((again.state, again.trials), (ended.state, ended.trials));
        assert_eq!(report_json(&mut users, "x").await, reports[0]);
        server.stop().await;
        let restarts_of = |text: &str| {
            let spec = spec::parse_canonical(text).map_err(|errors| errors.to_string())?;
            Ok(spec.experiments.iter().map(|experiment| experiment.restarts).collect())
        };
        assert_eq!(crate::store::verify(store.path(), restarts_of).unwrap().findings, [""; 0]);
    }
    assert!(reports.iter().all(|report| *report == reports[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_coordinator_between_two_looks_changes_nothing() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::start(config(store.path(), 40)).await;
    let mut users = server.users().await;
    submit(&mut users, stopping_spec("x", 300)).await;
    let mut worker = FakeWorker::join(&server).await;
    for _ in 0..3 {
        let task = worker.one_task().await;
        worker.report(&task, trained(&task)).await.unwrap();
    }
    server.stop().await;
    let server = Server::start(config(store.path(), 40)).await;
    let mut users = server.users().await;
    let mut worker = FakeWorker::join(&server).await;
    work_to_the_end(&mut users, &mut worker, "x").await;
    assert_eq!(experiments(&report_json(&mut users, "x").await)[0]["stopping"]["looks"], 4);
    assert_eq!(sweep(&mut users, "x").await.trials.map(|t| (t.done, t.skipped)), Some((256, 44)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_takes_a_stop_back_and_looks_go_on() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::start(config(store.path(), 100)).await;
    let mut users = server.users().await;
    submit(&mut users, stopping_spec("x", 400)).await;
    let mut worker = FakeWorker::join(&server).await;
    work_to_the_end(&mut users, &mut worker, "x").await;
    let running = extend(&mut users, "x", 1_000).await.unwrap();
    assert_eq!(running.state(), v1::SweepState::Running);
    assert_eq!(running.trials.map(|t| (t.total, t.skipped)), Some((1_000, 0)));
    work_to_the_end(&mut users, &mut worker, "x").await;
    let json = report_json(&mut users, "x").await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let stopping = serde_json::json!({ "looks": 5, "restarts": 512, "reason": "goals" });
    assert_eq!(report["experiments"][0]["stopping"], stopping);
    let extensions = serde_json::json!([{ "experiment": "a", "from": 400, "to": 1_000 }]);
    assert_eq!(report["sweep"]["extensions"], extensions);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extended_sweep_finds_what_a_spec_with_as_many_restarts_finds() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let id = submit(&mut users, spec_text("x", 10)).await.sweep_id;
    let mut worker = FakeWorker::join(&server).await;
    worker.work().await;
    assert_eq!(sweep(&mut users, "x").await.state(), v1::SweepState::Done);
    let extended = extend(&mut users, "x", 25).await.unwrap();
    assert_eq!((extended.state(), extended.id.as_str()), (v1::SweepState::Running, id.as_str()));
    // as many or fewer are there: nothing changes
    for fewer in [25, 3] {
        let same = extend(&mut users, "x", fewer).await.unwrap();
        assert_eq!(same.trials, extended.trials);
    }
    server.stop().await;

    // the extension is durable, and the sweep as it was submitted is still this sweep
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    assert!(!submit(&mut users, spec_text("x", 10)).await.created);
    let mut worker = FakeWorker::join(&server).await;
    assert_eq!(worker.work().await, 15);
    let json = report_json(&mut users, "x").await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["sweep"]["state"], "done");
    assert_eq!(
        report["sweep"]["extensions"],
        serde_json::json!([{ "experiment": "a", "from": 10, "to": 25 }])
    );
    submit(&mut users, spec_text("at-once", 25)).await;
    worker.work().await;
    assert_eq!(experiments(&json), experiments(&report_json(&mut users, "at-once").await));
    server.stop().await;
    let (stored, recovered) = crate::store::Store::open(store.path()).unwrap();
    assert_eq!(recovered.sweeps[0].plan.len(), 1);
    let id = id.parse().unwrap();
    assert_eq!(stored.report(id).unwrap().unwrap().report_json, json, "the report before is outdated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_extended_is_refused_with_the_reason() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 10)).await;
    let none = extend(&mut users, "x", 0).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let many = extend(&mut users, "x", u32::MAX).await.unwrap_err();
    assert_eq!(many.code(), Code::InvalidArgument);
    assert!(many.message().contains("restarts"), "{many}");
    assert_eq!(extend(&mut users, "y", 20).await.unwrap_err().code(), Code::NotFound);
    let named = v1::ExtendSweepRequest { selector: "x".into(), experiment: "b".into(), restarts: 20 };
    assert_eq!(users.extend_sweep(named).await.unwrap_err().code(), Code::NotFound);
    let cancelled = v1::CancelSweepRequest { selector: "x".into() };
    users.cancel_sweep(cancelled).await.unwrap();
    let refused = extend(&mut users, "x", 20).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().total, 10);

    // the design must stay whole: two orders are all that its one start can meet
    let crossed = spec_text("crossed", 2)
        .replace("[\"init\"]", "[\"order\"]")
        .replace("parameters = []", "orders = 2\nparameters = []");
    let parsed = spec::parse("test", &crossed, &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(submit(&mut users, parsed.spec.canonical()).await.created);
    let broken = extend(&mut users, "crossed", 3).await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    assert!(broken.message().contains("repeat others"), "{broken}");
    server.stop().await;
}
