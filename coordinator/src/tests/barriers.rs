//! The second stage over the wire: pairs travel by name, barriers are checked, compared and kept.

use seedsweep_common::barrier::Pair;

use super::*;
use crate::core::tests::barrier;

/// A sweep whose every restart is a basin of its own at level `bits`, the first three of which are compared.
fn asking(restarts: u32) -> String {
    let text = spec_text("x", restarts);
    let text = text
        .replace("level = \"function\"", "level = \"bits\"")
        .replace("spread_at = 0.5\n", "spread_at = 0.5\nbarriers = 3\n");
    spec::parse("test", &text, &[]).unwrap_or_else(|errors| panic!("{errors:?}")).spec.canonical()
}

/// What a worker finds for `task`.
fn measured(task: &v1::Task) -> Vec<v1::MeasuredBarrier> {
    let pairs = task.barriers.as_ref().expect("a task of barriers").pairs.iter();
    let numbered = (task.start..task.end).zip(pairs);
    numbered
        .map(|(number, pair)| {
            let barrier = barrier(Pair::try_from(pair).unwrap());
            v1::MeasuredBarrier { pair: number, barrier: Some((&barrier).into()) }
        })
        .collect()
}

impl FakeWorker {
    async fn report_barriers(
        &mut self,
        task: &v1::Task,
        barriers: Vec<v1::MeasuredBarrier>,
    ) -> Result<v1::ReportOutcomesResponse, Status> {
        let task = v1::Task { barriers: None, ..task.clone() };
        let request = v1::ReportOutcomesRequest {
            worker_id: self.id,
            task: Some(task),
            barriers,
            finished: true,
            duration_ms: 5,
            ..Default::default()
        };
        self.calls.report_outcomes(request).await.map(tonic::Response::into_inner)
    }

    /// Trains all trials and takes the first task of barriers.
    async fn reach_the_second_stage(&mut self) -> v1::Task {
        loop {
            let task = soon(self.one_task()).await;
            if task.barriers.is_some() {
                return task;
            }
            self.report(&task, trained(&task)).await.unwrap();
        }
    }
}

async fn two_by_two(store: &Path) -> Server {
    Server::start(Config { restarts_per_task: Some(2), ..Config::new(store.to_owned()) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_coordinator_carries_on_with_the_second_stage() {
    let store = tempfile::tempdir().unwrap();
    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, asking(5)).await;
    assert_eq!(sweep(&mut users, "x").await.barriers.unwrap().total, 0);
    let mut worker = FakeWorker::join(&server).await;
    let task = worker.reach_the_second_stage().await;
    assert_eq!((task.experiment, task.start, task.end), (1, 0, 2));
    let pairs = &task.barriers.as_ref().unwrap().pairs;
    assert_eq!(
        pairs.iter().map(|pair| (pair.restart_a, pair.restart_b)).collect::<Vec<_>>(),
        [(0, 1), (0, 2)]
    );
    let state = sweep(&mut users, "x").await;
    let stage = state.barriers.unwrap();
    assert_eq!((state.state(), state.trials.unwrap().done), (v1::SweepState::Running, 5));
    assert_eq!((stage.total, stage.leased, stage.pending), (3, 2, 1));
    assert_eq!(worker.report_barriers(&task, measured(&task)).await.unwrap().accepted, 2);
    let held = soon(worker.one_task()).await;
    server.stop().await;

    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    let stage = sweep(&mut users, "x").await.barriers.unwrap();
    assert_eq!((stage.done, stage.pending, stage.leased), (2, 1, 0), "nothing acknowledged is lost");
    // a worker that comes back with its task goes on with it
    let mut worker = FakeWorker::join(&server).await;
    let renewal = v1::RenewLeasesRequest {
        worker_id: worker.id,
        held: vec![v1::Task { barriers: None, ..held.clone() }],
    };
    assert_eq!(worker.calls.renew_leases(renewal).await.unwrap().into_inner().revoked, [0; 0]);
    assert_eq!(worker.report_barriers(&held, measured(&held)).await.unwrap().accepted, 1);
    assert_eq!(sweep(&mut users, "x").await.state(), v1::SweepState::Done);
    let json = report_json(&mut users, "x").await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let connected = &report["experiments"][0]["connected"];
    assert_eq!(connected["barriers"], serde_json::json!([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 2.0, 0.0]]));
    assert_eq!(connected["basins_joined"], 5);
    let answer = users.get_sweep(v1::GetSweepRequest { selector: "x".into() }).await.unwrap().into_inner();
    assert_eq!(answer.barriers.len(), 3);
    server.stop().await;
    let (stored, _) = crate::store::Store::open(store.path()).unwrap();
    let id = state.id.parse().unwrap();
    assert_eq!(stored.report(id).unwrap().unwrap().report_json, json, "the matrix is part of the record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn barriers_are_compared_and_those_between_other_points_refused() {
    let store = tempfile::tempdir().unwrap();
    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, asking(3)).await;
    let mut worker = FakeWorker::join(&server).await;
    let task = worker.reach_the_second_stage().await;
    let counts = |r: v1::ReportOutcomesResponse| (r.accepted, r.duplicates, r.divergences);
    // the worker's own training of an end gave other bits
    let mut wrong = measured(&task);
    wrong[1].barrier.as_mut().unwrap().digest_b[3] ^= 1;
    assert_eq!(counts(worker.report_barriers(&task, wrong).await.unwrap()), (1, 0, 0));
    let again = soon(worker.one_task()).await;
    assert_eq!((again.start, again.attempt), (1, 2), "tried once more");
    assert_eq!(counts(worker.report_barriers(&again, measured(&again)).await.unwrap()), (1, 0, 0));
    let last = soon(worker.one_task()).await;
    assert_eq!(counts(worker.report_barriers(&last, measured(&last)).await.unwrap()), (1, 0, 0));

    assert_eq!(counts(worker.report_barriers(&last, measured(&last)).await.unwrap()), (0, 1, 0));
    let mut other = measured(&last);
    other[0].barrier.as_mut().unwrap().height = Some(7.0);
    assert_eq!(counts(worker.report_barriers(&last, other).await.unwrap()), (0, 0, 1));
    let state = sweep(&mut users, "x").await;
    assert_eq!((state.state(), state.duplicates, state.divergences), (v1::SweepState::Done, 1, 1));
    server.stop().await;

    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    assert_eq!(sweep(&mut users, "x").await.divergences, 1, "a divergence is kept");
    let answer = users.get_sweep(v1::GetSweepRequest { selector: "x".into() }).await.unwrap().into_inner();
    let heights: Vec<_> = answer.barriers.iter().map(|row| row.barrier.as_ref().unwrap().height).collect();
    assert_eq!(heights, [Some(1.0), Some(2.0), Some(2.0)], "the first stays");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_reports_of_barriers_are_refused_by_field() {
    let store = tempfile::tempdir().unwrap();
    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, asking(3)).await;
    let mut worker = FakeWorker::join(&server).await;
    let task = worker.reach_the_second_stage().await;
    type Edit = fn(&mut v1::MeasuredBarrier);
    let edits: [(&str, Edit); 3] = [
        ("barriers[0]", |row| row.barrier = None),
        ("barriers[0].height", |row| row.barrier.as_mut().unwrap().height = Some(-1.0)),
        ("barriers[0].restart", |row| row.pair = 2),
    ];
    for (field, edit) in edits {
        let mut rows = measured(&task);
        edit(&mut rows[0]);
        let refused = worker.report_barriers(&task, rows).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let refused = worker.report(&task, vec![outcome(0)]).await.unwrap_err();
    assert!(refused.message().contains("another kind"), "{}", refused.message());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_barriers_failed_is_told_also_after_a_restart() {
    let store = tempfile::tempdir().unwrap();
    let server = two_by_two(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, asking(4)).await;
    let mut worker = FakeWorker::join(&server).await;
    let mut task = worker.reach_the_second_stage().await;
    // of three pairs (0,1), (0,2), (1,2) all ends of restart 1 are wrong; the other pair is measured
    loop {
        let mut barriers = measured(&task);
        let pairs = &task.barriers.as_ref().unwrap().pairs;
        for (row, pair) in barriers.iter_mut().zip(pairs) {
            let barrier = row.barrier.as_mut().unwrap();
            for (restart, digest) in
                [(pair.restart_a, &mut barrier.digest_a), (pair.restart_b, &mut barrier.digest_b)]
            {
                digest[0] ^= u8::from(restart == 1);
            }
        }
        worker.report_barriers(&task, barriers).await.unwrap();
        if sweep(&mut users, "x").await.state() == v1::SweepState::Done {
            break;
        }
        task = soon(worker.one_task()).await;
    }
    let why = async |users: &mut Users| {
        let request = v1::GetSweepRequest { selector: "x".into() };
        let answer = users.get_sweep(request).await.unwrap().into_inner();
        assert_eq!(answer.sweep.unwrap().barriers.map(|stage| (stage.done, stage.failed)), Some((1, 2)));
        answer.failed_barriers
    };
    let cause = "restart 1 of experiment 0 (the first is 0) ended elsewhere than stored".to_owned();
    let told = Some(v1::FailedBarriers { count: 2, cause, with_cause: 2 });
    assert_eq!(why(&mut users).await, told);
    server.stop().await;
    let server = two_by_two(store.path()).await;
    assert_eq!(why(&mut server.users().await).await, told);
    server.stop().await;
}
