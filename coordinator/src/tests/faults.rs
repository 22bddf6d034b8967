//! Many workers at once, reports in pieces, and coordinators that end in the middle.

use seedsweep_shell::cause;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_and_restarts_still_give_every_trial_once() {
    let store = tempfile::tempdir().unwrap();
    let trials = 400;
    let mut accepted = 0;
    for round in 0..4_u32 {
        let server = Server::at(store.path()).await;
        let mut users = server.users().await;
        assert_eq!(submit(&mut users, spec_text("x", trials)).await.created, round == 0);
        let workers = (0..4).map(async |_| {
            let mut worker = FakeWorker::join(&server).await;
            let mut accepted = 0;
            // the last round works until all is done, the others stop with tasks in their hands
            for _ in 0..if round == 3 { u32::MAX } else { 10 } {
                let tasks = worker.lease(2, 0).await.tasks;
                let Some((first, rest)) = tasks.split_first() else { break };
                accepted += worker.report(first, trained(first)).await.unwrap().accepted;
                if round == 3 {
                    for task in rest {
                        accepted += worker.report(task, trained(task)).await.unwrap().accepted;
                    }
                }
            }
            accepted
        });
        for worker in workers {
            accepted += worker.await;
        }
        let done = sweep(&mut users, "x").await.trials.unwrap().done;
        assert_eq!(done, u64::from(accepted), "what was acknowledged is there, and nothing else");
        server.stop().await;
    }
    assert_eq!(accepted, trials);
    let (stored, _) = crate::store::Store::open(store.path()).unwrap();
    let id = spec::parse_canonical(&spec_text("x", trials)).unwrap().id();
    let rows = stored.outcomes(id, seedsweep_common::id::ExperimentIndex(0)).unwrap();
    let restarts: Vec<u32> = rows.iter().map(|(row, _)| row.restart).collect();
    assert_eq!(restarts, (0..trials).collect::<Vec<_>>());
}

/// A small disk in memory, unmounted when dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with the reason printed, where mounting is not allowed.
    fn mount() -> Option<Self> {
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        let mounted = disk.run("mount", &["-t", "tmpfs", "-o", "size=16m", "tmpfs"]);
        if !mounted {
            println!("skipped: cannot mount a tmpfs");
        }
        mounted.then_some(disk)
    }

    fn store(&self) -> std::path::PathBuf {
        self.directory.path().join("store")
    }

    fn run(&self, command: &str, arguments: &[&str]) -> bool {
        let path = self.directory.path();
        std::process::Command::new(command)
            .args(arguments)
            .arg(path)
            .output()
            .is_ok_and(|o| o.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

async fn takes_work(server: &Server) -> i32 {
    let mut health = tonic_health::pb::health_client::HealthClient::new(server.channel().await);
    let request = tonic_health::pb::HealthCheckRequest { service: "seedsweep.v1.WorkerService".into() };
    health.check(request).await.unwrap().into_inner().status
}

/// Serving and not serving, as `grpc.health.v1` numbers them.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_acknowledgements_and_work_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let server = Server::at(&disk.store()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 8)).await;
    let mut worker = FakeWorker::join(&server).await;
    let (first, second) = (worker.one_task().await, worker.one_task().await);
    worker.report(&first, trained(&first)).await.unwrap();

    let ballast = disk.directory.path().join("ballast");
    let fill = || {
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
    };
    fill();
    let refused = worker.report(&second, trained(&second)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(cause::is_store(&refused), "{refused:?}");
    assert!(refused.message().contains("bytes are free"), "{refused}");
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().done, 4, "only what is durable is shown");
    assert_eq!(rows(&mut users, "x").await.len(), 4, "reads go on");
    assert_eq!(takes_work(&server).await, NOT_SERVING);
    let renewal = v1::RenewLeasesRequest { worker_id: worker.id, held: vec![second.clone()] };
    worker.calls.renew_leases(renewal).await.unwrap();

    std::fs::remove_file(&ballast).unwrap();
    let repeated = soon(async {
        loop {
            match worker.report(&second, trained(&second)).await {
                Ok(reported) => return reported,
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
            }
        }
    });
    assert_eq!(repeated.await.duplicates, 4, "what was kept in memory was stored first");
    assert_eq!(sweep(&mut users, "x").await.state(), v1::SweepState::Done);
    assert_eq!(takes_work(&server).await, SERVING);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_store_stops_acknowledgements_and_a_restart_carries_on() {
    let store = tempfile::tempdir().unwrap();
    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    submit(&mut users, spec_text("x", 8)).await;
    let mut worker = FakeWorker::join(&server).await;
    let (first, second) = (worker.one_task().await, worker.one_task().await);
    worker.report(&first, trained(&first)).await.unwrap();

    let (specs, away) = (store.path().join("sweeps"), store.path().join("away"));
    std::fs::rename(&specs, &away).unwrap();
    let request = v1::SubmitSweepRequest { spec_toml: spec_text("y", 8) };
    let refused = users.submit_sweep(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(cause::is_store(&refused), "{refused:?}");
    assert!(refused.message().contains("No such file"), "the reason is told: {refused}");
    std::fs::rename(&away, &specs).unwrap();
    let refused = worker.report(&second, trained(&second)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "an earlier failure is never retried as success");
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().done, 4, "only what is durable is shown");
    assert_eq!(rows(&mut users, "x").await.len(), 4, "reads go on");
    assert!(users.get_report(v1::GetReportRequest { selector: "x".into() }).await.is_ok());
    assert_eq!(takes_work(&server).await, NOT_SERVING);
    soon(server.stop()).await;

    let server = Server::at(store.path()).await;
    let mut users = server.users().await;
    assert_eq!(sweep(&mut users, "x").await.trials.unwrap().done, 4);
    let mut worker = FakeWorker::join(&server).await;
    assert_eq!(worker.report(&second, trained(&second)).await.unwrap().accepted, 4);
    server.stop().await;
}
