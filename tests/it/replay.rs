//! Stored trials are trained again: honest rows hold, and a row that training does not give is found.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use seedsweep_common::digest::Digest;
use seedsweep_common::fingerprint::ENGINE_VERSION;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::spec;
use seedsweep_proto::v1;
use seedsweep_proto::v1::worker_service_client::WorkerServiceClient;
use seedsweep_worker::train::Prepared;
use tonic::Request;

use crate::support::{Process, output, stdout};

const SPEC: &str = r#"
name = "again"
seed = 5
network = { layers = [2, 3, 1], activation = "tanh" }
data = { dataset = "xor" }
train = { loss = "mse", l2 = 1e-3, lr = 0.1, batch = 1, epochs = 40 }

[[experiment]]
name = "random"
init = "xavier_uniform"
restarts = 24
vary = ["init", "order"]
"#;

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("sweep.toml"), SPEC).expect("writable");
    directory
}

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("one JSON value")
}

#[test]
fn a_sound_sweep_verifies_and_replays_to_the_same_bits() -> anyhow::Result<()> {
    let directory = directory();
    let at = directory.path();
    stdout(at, &["run", "sweep.toml"]);
    let verified = json(stdout(at, &["verify", "--sample", "100%", "-o", "json"]).as_bytes());
    assert_eq!(
        (&verified["sound"], &verified["checks"][3]["looked_at"]),
        (&true.into(), &"24 of 24 trials, bit for bit".into())
    );
    // the exact distance was asked at the borders of basins, and agrees with the sketches
    let borders = &verified["checks"][4];
    let looked_at = borders["looked_at"].as_str().unwrap_or_default();
    assert!(borders["name"] == "borders" && looked_at.contains("pairs at the borders"), "{borders}");

    let replayed = stdout(at, &["replay", "last", "random", "7", "--weights", "w.safetensors", "-o", "json"]);
    assert_eq!(json(replayed.as_bytes())["comparison"], "same");
    // the file holds the parameters in drawing order: their digest is the row's
    let bytes = std::fs::read(at.join("w.safetensors"))?;
    let header = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let digest = Digest::of(&bytes[8 + header..]).to_string();
    let rows = json(stdout(at, &["outcomes", "-o", "json"]).as_bytes());
    assert_eq!(rows["rows"][7]["digest"], digest[..32]);

    let no_such = output(at, &["replay", "last", "random", "24"]);
    assert_eq!(no_such.status.code(), Some(4));
    assert!(String::from_utf8(no_such.stderr)?.contains("it has restarts 0 to 23"));
    Ok(())
}

#[test]
fn a_row_that_training_does_not_give_is_found() -> anyhow::Result<()> {
    let directory = directory();
    let at = directory.path();
    let mut coordinator = Process::start(at, &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]);
    coordinator.line();
    stdout(at, &["submit", "sweep.toml", "--store", "store"]);
    tokio::runtime::Runtime::new()?.block_on(report_with(&at.join("store"), Lie::Loss(3)))?;

    let verified = output(at, &["verify", "--store", "store", "--sample", "100%", "-o", "json"]);
    assert_eq!(verified.status.code(), Some(1));
    let checks = &json(&verified.stdout)["checks"];
    let problems = |check: usize| checks[check]["problems"].as_array().map_or(0, Vec::len);
    assert_eq!([0, 1, 2, 3].map(problems), [0, 0, 0, 1], "{checks}");
    let problem = checks[3]["problems"][0].as_str().unwrap_or_default();
    assert_eq!(
        problem,
        format!("random restart 3 (worker `liar`, engine {ENGINE_VERSION}) differs in loss_train")
    );

    let replayed = output(at, &["replay", "last", "random", "3", "--store", "store", "-o", "json"]);
    assert_eq!(
        (replayed.status.code(), &json(&replayed.stdout)["comparison"]),
        (Some(1), &"different".into())
    );
    assert_eq!(coordinator.terminate(), Some(0));
    Ok(())
}

#[test]
fn a_barrier_that_training_does_not_give_is_found() -> anyhow::Result<()> {
    let directory = directory();
    let at = directory.path();
    let minima = "minima = { level = \"raw\", barriers = 4 }\n\n[[experiment]]";
    std::fs::write(at.join("sweep.toml"), SPEC.replacen("[[experiment]]", minima, 1))?;
    let mut coordinator = Process::start(at, &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]);
    coordinator.line();
    let verify = ["verify", "--store", "store", "--sample", "100%", "-o", "json"];
    for (seed, lie) in [(5, Lie::Nothing), (6, Lie::Height(2))] {
        stdout(at, &["submit", "sweep.toml", "--store", "store", "--set", &format!("seed={seed}")]);
        tokio::runtime::Runtime::new()?.block_on(report_with(&at.join("store"), lie))?;
        let verified = output(at, &verify);
        let checks = &json(&verified.stdout)["checks"];
        let wrong = u64::from(matches!(lie, Lie::Height(_)));
        assert_eq!(verified.status.code(), Some(wrong as i32), "{checks}");
        let found = checks.as_array().expect("checks").iter().map(|check| check["found"].as_u64());
        assert!(found.eq([0, 0, 0, 0, 0, wrong].map(Some)), "only measuring it again can tell: {checks}");
        let check = &checks[5];
        let looked_at = check["looked_at"].as_str().unwrap_or_default();
        assert!(check["name"] == "barriers" && looked_at == "6 of 6 measured again, bit for bit", "{check}");
        let problem = check["problems"][0].as_str().unwrap_or_default();
        assert_eq!(problem.contains("height is stored as"), wrong == 1, "{problem}");
    }
    let some = stdout_of_any(at, &["verify", "--store", "store", "--sample", "20%"]);
    assert!(some.lines().any(|line| line.starts_with("barriers") && line.contains("2 of 6 measured again")));
    let none = stdout_of_any(at, &["verify", "--store", "store", "--sample", "0%"]);
    assert!(none.lines().any(|line| line.starts_with("barriers") && line.contains("0 of 6 measured again")));
    assert_eq!(coordinator.terminate(), Some(0));
    Ok(())
}

/// What is said, whatever comes of it.
fn stdout_of_any(at: &Path, args: &[&str]) -> String {
    String::from_utf8_lossy(&output(at, args).stdout).into_owned()
}

/// What a worker reports otherwise than it found it, by one bit.
#[derive(Clone, Copy)]
enum Lie {
    Nothing,
    /// The loss of this restart.
    Loss(u32),
    /// The height of the barrier of this number.
    Height(u32),
}

/// Does all the work of the latest sweep as a worker does, but for one `lie`.
async fn report_with(store: &Path, lie: Lie) -> anyhow::Result<()> {
    let owner = json(&std::fs::read(store.join("coordinator.json"))?);
    let address = owner["address"].as_str().expect("an address").to_owned();
    let token = std::fs::read_to_string(store.join("auth/worker.token"))?;
    let bearer: tonic::metadata::MetadataValue<_> = format!("Bearer {}", token.trim()).parse()?;
    let channel = tonic::transport::Endpoint::new(address)?.connect().await?;
    let mut worker = WorkerServiceClient::with_interceptor(channel, move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.clone());
        Ok(request)
    });
    let (name, engine, build) = ("liar".to_owned(), ENGINE_VERSION.to_owned(), "0".to_owned());
    let register = v1::RegisterRequest { name, slots: 1, engine, build, ..Default::default() };
    let worker_id = worker.register(register).await?.into_inner().worker_id;
    let mut prepared = None;
    loop {
        // pairs are chosen while nothing can be leased
        let lease = v1::LeaseTasksRequest { worker_id, free_slots: 1, wait_ms: 1_000, ..Default::default() };
        let leased = worker.lease_tasks(lease).await?.into_inner();
        if let Some(sent) = leased.specs.first() {
            let spec = spec::parse_canonical(&sent.spec_toml)?;
            prepared = Some(Prepared::new(&spec, ExperimentIndex(0), &|_| None)?);
        }
        let (Some(task), Some(prepared)) = (leased.tasks.first(), &prepared) else {
            if leased.work_left {
                continue;
            }
            return Ok(());
        };
        let (outcomes, barriers) = match &task.barriers {
            None => (trained(prepared, task, lie)?, Vec::new()),
            Some(asked) => (Vec::new(), measured(prepared, task.start, &asked.pairs, lie)?),
        };
        let report = v1::ReportOutcomesRequest {
            worker_id,
            task: Some(v1::Task { barriers: None, ..task.clone() }),
            outcomes,
            barriers,
            finished: true,
            duration_ms: 1,
            ..Default::default()
        };
        worker.report_outcomes(report).await?;
    }
}

fn trained(prepared: &Prepared, task: &v1::Task, lie: Lie) -> anyhow::Result<Vec<v1::Outcome>> {
    let outcome = |restart| {
        let mut outcome = prepared.train(restart, &AtomicBool::new(false))?;
        if matches!(lie, Lie::Loss(wrong) if wrong == restart) {
            outcome.loss_train = outcome.loss_train.next_up();
        }
        Ok(v1::Outcome::from(&outcome))
    };
    (task.start..task.end).map(outcome).collect()
}

fn measured(
    prepared: &Prepared,
    first: u32,
    pairs: &[v1::BarrierPair],
    lie: Lie,
) -> anyhow::Result<Vec<v1::MeasuredBarrier>> {
    let running = AtomicBool::new(false);
    let barrier = |(number, pair): (u32, &v1::BarrierPair)| {
        let (a, b) = (prepared.end(pair.restart_a, &running)?, prepared.end(pair.restart_b, &running)?);
        let mut barrier = prepared.barrier(&a, &b, &running)?;
        if matches!(lie, Lie::Height(wrong) if wrong == number) {
            barrier.height = barrier.height.next_up();
        }
        Ok(v1::MeasuredBarrier { pair: number, barrier: Some((&barrier).into()) })
    };
    (first..).zip(pairs).map(barrier).collect()
}
