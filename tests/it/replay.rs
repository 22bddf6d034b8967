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
    tokio::runtime::Runtime::new()?.block_on(report_one_wrong_loss(&at.join("store"), 3))?;

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

/// Trains all trials of the only sweep as a worker does, but reports a loss one bit off for restart `wrong`.
async fn report_one_wrong_loss(store: &Path, wrong: u32) -> anyhow::Result<()> {
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
        let lease = v1::LeaseTasksRequest { worker_id, free_slots: 1, ..Default::default() };
        let leased = worker.lease_tasks(lease).await?.into_inner();
        if let Some(sent) = leased.specs.first() {
            let spec = spec::parse_canonical(&sent.spec_toml)?;
            prepared = Some(Prepared::new(&spec, ExperimentIndex(0), &|_| None)?);
        }
        let (Some(task), Some(prepared)) = (leased.tasks.first(), &prepared) else { return Ok(()) };
        let mut outcomes = Vec::new();
        for restart in task.start..task.end {
            let mut outcome = prepared.train(restart, &AtomicBool::new(false))?;
            if restart == wrong {
                outcome.loss_train = outcome.loss_train.next_up();
            }
            outcomes.push(v1::Outcome::from(&outcome));
        }
        let report = v1::ReportOutcomesRequest {
            worker_id,
            task: Some(task.clone()),
            outcomes,
            finished: true,
            duration_ms: 1,
            ..Default::default()
        };
        worker.report_outcomes(report).await?;
    }
}
