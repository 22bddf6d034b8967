//! Who may call what, and what a stop waits for.

use std::time::Instant;

use seedsweep_common::join::Join;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// The code with which each rpc of `SweepService` answers to `token`.
async fn ask_sweeps(server: &Server, token: Option<&str>) -> Vec<(&'static str, Code)> {
    let interceptor = token.map_or_else(|| Box::new(Ok) as Bearer, bearer);
    let mut calls = SweepServiceClient::with_interceptor(server.channel().await, interceptor);
    let code = |result: Result<(), Status>| result.map_or_else(|status| status.code(), |()| Code::Ok);
    let selector = || "none".to_owned();
    let upload = tokio_stream::iter([v1::UploadDataRequest::default()]);
    vec![
        ("submit", code(calls.submit_sweep(v1::SubmitSweepRequest::default()).await.map(drop))),
        ("upload", code(calls.upload_data(upload).await.map(drop))),
        ("get", code(calls.get_sweep(v1::GetSweepRequest { selector: selector() }).await.map(drop))),
        ("list", code(calls.list_sweeps(v1::ListSweepsRequest {}).await.map(drop))),
        ("watch", code(calls.watch_sweep(v1::WatchSweepRequest { selector: selector() }).await.map(drop))),
        ("cancel", code(calls.cancel_sweep(v1::CancelSweepRequest { selector: selector() }).await.map(drop))),
        ("outcomes", {
            let request = v1::ListOutcomesRequest { selector: selector(), experiment: String::new() };
            code(calls.list_outcomes(request).await.map(drop))
        }),
        ("report", code(calls.get_report(v1::GetReportRequest { selector: selector() }).await.map(drop))),
    ]
}

/// The code with which each rpc of `WorkerService` answers to `token`.
async fn ask_workers(server: &Server, token: Option<&str>) -> Vec<(&'static str, Code)> {
    let interceptor = token.map_or_else(|| Box::new(Ok) as Bearer, bearer);
    let mut calls = WorkerServiceClient::with_interceptor(server.channel().await, interceptor);
    let code = |result: Result<(), Status>| result.map_or_else(|status| status.code(), |()| Code::Ok);
    vec![
        ("register", code(calls.register(v1::RegisterRequest::default()).await.map(drop))),
        ("lease", code(calls.lease_tasks(v1::LeaseTasksRequest::default()).await.map(drop))),
        ("renew", code(calls.renew_leases(v1::RenewLeasesRequest::default()).await.map(drop))),
        ("report", code(calls.report_outcomes(v1::ReportOutcomesRequest::default()).await.map(drop))),
        ("data", code(calls.get_data(v1::GetDataRequest::default()).await.map(drop))),
        ("leave", code(calls.leave(v1::LeaveRequest::default()).await.map(drop))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_needs_the_token_of_its_role() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let (admin, worker) = (server.tokens.admin.clone(), server.tokens.worker.clone());
    let wrong = format!("{}x", &admin[..42]);
    let expect = |answers: Vec<(&'static str, Code)>, expected: Code| {
        for (rpc, code) in answers {
            assert_eq!(code, expected, "{rpc}");
        }
    };
    for token in [None, Some(wrong.as_str()), Some(""), Some(&admin[..42])] {
        expect(ask_sweeps(&server, token).await, Code::Unauthenticated);
        expect(ask_workers(&server, token).await, Code::Unauthenticated);
    }
    expect(ask_sweeps(&server, Some(&worker)).await, Code::PermissionDenied);
    expect(ask_workers(&server, Some(&admin)).await, Code::PermissionDenied);

    // behind the gate the calls answer for themselves
    let users = ask_sweeps(&server, Some(&admin)).await;
    let codes: Vec<Code> = users.iter().map(|(_, code)| *code).collect();
    let (wrong, none) = (Code::InvalidArgument, Code::NotFound);
    assert_eq!(codes, [wrong, wrong, none, Code::Ok, none, none, none, none]);
    let workers = ask_workers(&server, Some(&worker)).await;
    let codes: Vec<Code> = workers.iter().map(|(_, code)| *code).collect();
    let unknown = Code::Aborted;
    assert_eq!(codes, [wrong, unknown, unknown, wrong, wrong, Code::Ok]);

    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "seedsweep.v1.SweepService", "seedsweep.v1.WorkerService"] {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await;
        assert_eq!(answer.unwrap().into_inner().status, 1, "{service} serves, and probes need no token");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polls_and_watches_do_not_hold_up_the_end() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 4)).await;
    let mut worker = FakeWorker::join(&server).await;
    worker.one_task().await;
    let mut watch =
        users.watch_sweep(v1::WatchSweepRequest { selector: "x".into() }).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let mut health = HealthClient::new(server.channel().await);
    let mut probe = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    probe.message().await.unwrap().unwrap();
    let channel = server.channel().await;
    let calls = || WorkerServiceClient::with_interceptor(channel.clone(), bearer(&server.tokens.worker));
    let (mut polls, mut renews) = (calls(), calls());
    let poll = polls.lease_tasks(v1::LeaseTasksRequest {
        worker_id: worker.id,
        free_slots: 1,
        wait_ms: 10_000,
        known_sweeps: Vec::new(),
        guesses: Vec::new(),
    });
    tokio::pin!(poll);
    // the poll has arrived once a call sent after it over the same connection is answered
    tokio::select! {
        biased;
        answer = &mut poll => panic!("there is no work: {answer:?}"),
        renewed = renews.renew_leases(v1::RenewLeasesRequest { worker_id: worker.id, held: Vec::new() }) => {
            renewed.unwrap();
        }
    }
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(poll, server.stop());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(answer.unwrap().into_inner().tasks.is_empty());
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_is_cut_off_and_keeps_no_store_open() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let (pieces, stalled) = tokio::sync::mpsc::channel(1);
    let piece = v1::UploadDataRequest { digest: "0".repeat(64), chunk: vec![1] };
    pieces.send(piece.clone()).await.unwrap();
    let upload = tokio::spawn(async move {
        users.upload_data(tokio_stream::wrappers::ReceiverStream::new(stalled)).await.map(drop)
    });
    // there is room for a second piece once the first was taken
    pieces.send(piece).await.unwrap();
    soon(server.stop()).await;
    drop(Coordinator::open(Config::new(store.path().to_owned())).unwrap());
    upload.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_stays_on_this_machine_unless_told() {
    let store = tempfile::tempdir().unwrap();
    let coordinator = Coordinator::open(Config::new(store.path().to_owned())).unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = coordinator.serve(listener, async {}).await.unwrap_err();
    assert!(error.to_string().contains("`insecure_plaintext`"), "{error}");
    let config = Config { insecure_plaintext: true, ..Config::new(store.path().to_owned()) };
    let coordinator = Coordinator::open(config).unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    soon(coordinator.serve(listener, async {})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serving_coordinator_says_where_it_is() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    // answered only once it serves
    server.users().await.list_sweeps(v1::ListSweepsRequest {}).await.unwrap();
    let owner = crate::auth::read_owner(store.path()).unwrap().unwrap();
    assert_eq!((owner.address.as_str(), owner.pid), (server.address.as_str(), std::process::id()));
    let held = Coordinator::open(Config::new(store.path().to_owned())).err().unwrap();
    assert!(held.to_string().contains("is in use by process"), "{held}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_coordinator_meant_for_workers_writes_the_join_file() {
    let store = tempfile::tempdir().unwrap();
    let path = crate::auth::join_path(store.path());
    let serve = async |invite_workers| {
        let server = Server::start(Config { invite_workers, ..Config::new(store.path().into()) }).await;
        server.users().await.list_sweeps(v1::ListSweepsRequest {}).await.unwrap();
        let owner = crate::auth::read_owner(store.path()).unwrap().unwrap();
        assert_eq!(owner.address, server.address, "users find every one of them");
        let (address, token) = (server.address.clone(), server.tokens.worker.clone());
        server.stop().await;
        (address, token)
    };
    serve(false).await;
    assert!(!path.exists());
    let invited = serve(true).await;
    serve(false).await;
    let join = Join::parse(&std::fs::read_to_string(&path).unwrap()).ok().unwrap();
    assert_eq!((join.address, join.token), invited, "as it was");
}
