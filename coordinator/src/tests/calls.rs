//! Requests that break their contract are refused by field, and change nothing.

use seedsweep_common::digest::Digest;
use seedsweep_common::limits;

use super::*;

fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, part: &str) {
    let status = result.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(part), "{} does not say {part}", status.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_specs_are_refused_with_what_is_wrong() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let canonical = spec_text("x", 4);
    let too_long = format!("#{}", "x".repeat(limits::CANONICAL_BYTES));
    for (text, part) in [
        ("nonsense = [", "`spec_toml` is wrong"),
        (&too_long, "at most"),
        (&format!("{canonical}# a comment\n"), "canonical"),
        (&canonical.replace("xor", "xrr"), "xor"),
    ] {
        let request = v1::SubmitSweepRequest { spec_toml: text.to_owned() };
        refused(users.submit_sweep(request).await, Code::InvalidArgument, part);
    }
    assert_eq!(users.list_sweeps(v1::ListSweepsRequest {}).await.unwrap().into_inner().sweeps, []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_are_names_ids_prefixes_and_last() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let first = submit(&mut users, spec_text("same", 4)).await.sweep_id;
    let second = submit(&mut users, spec_text("same", 5)).await.sweep_id;
    let third = submit(&mut users, spec_text("other", 4)).await.sweep_id;
    for (selector, id) in
        [("same", &second), ("other", &third), ("last", &third), (&first, &first), (&first[..8], &first)]
    {
        assert_eq!(&sweep(&mut users, selector).await.id, id, "{selector}");
    }
    let get = |selector: &str| v1::GetSweepRequest { selector: selector.to_owned() };
    refused(users.get_sweep(get("")).await, Code::InvalidArgument, "`selector` is empty");
    refused(users.get_sweep(get(&first[..3])).await, Code::NotFound, "no sweep is known as");
    refused(users.get_sweep(get("no\u{1b}[31m")).await, Code::NotFound, "no\\u{1b}[31m");
    let request = v1::ListOutcomesRequest { selector: "same".into(), experiment: "b".into() };
    refused(users.list_outcomes(request).await, Code::NotFound, "no experiment `b`");
    let listed = users.list_sweeps(v1::ListSweepsRequest {}).await.unwrap().into_inner().sweeps;
    assert_eq!(listed.iter().map(|s| &s.id).collect::<Vec<_>>(), [&first, &second, &third]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_calls_of_workers_are_refused_by_field() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    submit(&mut server.users().await, spec_text("x", 8)).await;
    let mut worker = FakeWorker::join(&server).await;
    let good = v1::RegisterRequest {
        name: "w".into(),
        slots: 1,
        engine: ENGINE_VERSION.into(),
        build: "1".into(),
        ..Default::default()
    };
    let register = |edit: fn(&mut v1::RegisterRequest)| {
        let mut request = good.clone();
        edit(&mut request);
        request
    };
    let calls = &mut worker.calls;
    refused(calls.register(register(|r| r.name = "../x".into())).await, Code::InvalidArgument, "`name`");
    refused(calls.register(register(|r| r.slots = 0)).await, Code::InvalidArgument, "`slots` is 0");
    refused(calls.register(register(|r| r.build = "\n".into())).await, Code::InvalidArgument, "`build`");
    refused(calls.register(register(|r| r.lanes = "a b".into())).await, Code::InvalidArgument, "`lanes`");
    refused(calls.register(register(|r| r.axis = "\u{1b}".into())).await, Code::InvalidArgument, "`axis`");
    refused(
        calls.register(register(|r| r.engine = "0".into())).await,
        Code::FailedPrecondition,
        "`engine` is 0",
    );
    let lease = |free_slots, wait_ms, known: &[&str]| v1::LeaseTasksRequest {
        worker_id: worker.id,
        free_slots,
        wait_ms,
        known_sweeps: known.iter().map(|&id| id.to_owned()).collect(),
        guesses: Vec::new(),
    };
    let guessing = |sweep_id: &str, count| v1::LeaseTasksRequest {
        guesses: vec![v1::SpeedGuess { sweep_id: sweep_id.into(), ..Default::default() }; count],
        ..lease(1, 0, &[])
    };
    refused(calls.lease_tasks(lease(65, 0, &[])).await, Code::InvalidArgument, "`free_slots` is 65");
    refused(calls.lease_tasks(lease(1, 10_001, &[])).await, Code::InvalidArgument, "`wait_ms`");
    refused(calls.lease_tasks(lease(1, 0, &["x"])).await, Code::InvalidArgument, "`known_sweeps`");
    refused(calls.lease_tasks(guessing("x", 1)).await, Code::InvalidArgument, "`guesses.sweep_id`");
    refused(
        calls.lease_tasks(guessing(&"0".repeat(64), 65)).await,
        Code::InvalidArgument,
        "`guesses` has 65",
    );

    let task = worker.one_task().await;
    let mut report = async |edit: &dyn Fn(&mut v1::ReportOutcomesRequest)| {
        let mut request = v1::ReportOutcomesRequest {
            worker_id: worker.id,
            task: Some(task.clone()),
            outcomes: vec![(&outcome(0)).into()],
            broken: Vec::new(),
            finished: true,
            duration_ms: 1,
            ..Default::default()
        };
        edit(&mut request);
        worker.calls.report_outcomes(request).await
    };
    let wrong = Code::InvalidArgument;
    refused(report(&|r| r.task = None).await, wrong, "`task` is missing");
    refused(report(&|r| r.task.as_mut().unwrap().end = 0).await, wrong, "`task.end` is 0");
    refused(report(&|r| r.task.as_mut().unwrap().end = 2_000).await, wrong, "at most 1024");
    refused(report(&|r| r.task.as_mut().unwrap().end = 9).await, wrong, "`task.end` is 9");
    refused(report(&|r| r.task.as_mut().unwrap().attempt = 0).await, wrong, "`task.attempt`");
    refused(
        report(&|r| r.task.as_mut().unwrap().sweep_id = "0".repeat(64)).await,
        Code::NotFound,
        "`sweep_id`",
    );
    refused(
        report(&|r| r.task.as_mut().unwrap().experiment = 1).await,
        Code::NotFound,
        "`task.experiment` is 1",
    );
    refused(report(&|r| r.outcomes[0].restart = 4).await, wrong, "`outcomes[0].restart` is 4");
    refused(report(&|r| r.outcomes[0].digest.clear()).await, wrong, "`outcomes[0].digest`");
    refused(report(&|r| r.outcomes = vec![(&outcome(0)).into(); 1_025]).await, wrong, "1025 rows");
    refused(
        report(&|r| r.broken = vec![v1::BrokenTrial { restart: 9, cause: String::new() }]).await,
        wrong,
        "`broken[0].restart` is 9",
    );
    refused(report(&|r| r.worker_id = 7).await, Code::Aborted, "register again");
    let counts = sweep(&mut server.users().await, "x").await.trials.unwrap();
    assert_eq!((counts.done, counts.leased), (0, 4), "nothing changed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_beyond_the_limit_are_refused_and_the_connection_lives() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let request = v1::SubmitSweepRequest { spec_toml: "x".repeat(limits::MESSAGE_BYTES + 1) };
    refused(users.submit_sweep(request).await, Code::OutOfRange, "too large");
    users.list_sweeps(v1::ListSweepsRequest {}).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_is_asked_for_checked_and_handed_on() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let content: Vec<u8> = (0..1_200_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let digest = Digest::of(&content);
    let upload = |digest: String, content: &[u8], size: usize| {
        let mut pieces: Vec<_> = content
            .chunks(size)
            .map(|chunk| v1::UploadDataRequest { digest: String::new(), chunk: chunk.to_vec() })
            .collect();
        pieces[0].digest = digest;
        tokio_stream::iter(pieces)
    };
    let wrong = Digest::of(b"else");
    refused(
        users.upload_data(upload(wrong.to_string(), &content, 500_000)).await,
        Code::InvalidArgument,
        &format!("`digest` is {wrong}"),
    );
    refused(
        users.upload_data(upload(digest.to_string(), &content, 600_000)).await,
        Code::InvalidArgument,
        "`chunk` has 600000 bytes",
    );
    refused(
        users.upload_data(upload(String::new(), &content, 9_000)).await,
        Code::InvalidArgument,
        "`digest`",
    );
    let uploaded = users.upload_data(upload(digest.to_string(), &content, 500_000)).await.unwrap();
    assert_eq!(uploaded.into_inner().bytes, 1_200_000);

    let mut worker = FakeWorker::join(&server).await;
    let request = v1::GetDataRequest { digest: digest.to_string() };
    let mut pieces = worker.calls.get_data(request).await.unwrap().into_inner();
    let mut got = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!(piece.chunk.len() <= limits::DATA_CHUNK_BYTES);
        got.extend(piece.chunk);
    }
    assert!(got == content);
    let request = v1::GetDataRequest { digest: wrong.to_string() };
    refused(worker.calls.get_data(request).await, Code::NotFound, "no such data");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_waits_for_its_data() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    let content = b"x,y\n1,0\n2,1\n";
    let digest = Digest::of(content);
    let text = "name = \"x\"\nseed = 1\n[network]\nlayers = [1, 1]\n\
         [data]\nfile = \"t.csv\"\ntarget = \"y\"\n\
         [train]\nloss = \"mse\"\noptimizer = \"sgd\"\nlr = 0.1\nbatch = 1\nepochs = 2\n\
         [[experiment]]\nname = \"a\"\ninit = \"xavier_uniform\"\nrestarts = 2\nvary = [\"init\"]\n";
    let mut spec = spec::parse("test", text, &[]).unwrap().spec;
    spec.attach("t.csv", digest);
    let first = submit(&mut users, spec.canonical()).await;
    assert_eq!((first.created, first.missing_data), (false, vec![digest.to_string()]));
    assert_eq!(users.list_sweeps(v1::ListSweepsRequest {}).await.unwrap().into_inner().sweeps, []);
    let piece = v1::UploadDataRequest { digest: digest.to_string(), chunk: content.to_vec() };
    users.upload_data(tokio_stream::iter([piece])).await.unwrap();
    let second = submit(&mut users, spec.canonical()).await;
    assert_eq!((second.created, second.missing_data.len(), second.sweep_id), (true, 0, first.sweep_id));
    server.stop().await;
}
