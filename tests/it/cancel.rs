//! A cancelled sweep frees its workers within a second, whatever they are in the middle of.

use std::path::Path;
use std::time::Duration;

use seedsweep_proto::v1;
use seedsweep_proto::v1::sweep_service_client::SweepServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::support::{Process, directory, stdout, wait_until};

/// Hours of a pod of tiny networks, full batch.
const POD: &str = r#"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "xor", encoding = "binary" }
train = { loss = "mse", optimizer = "gd", lr = 0.1, batch = "full", steps = 1000000000 }
"#;
/// Hours of large networks, one after the other.
const LARGE: &str = r#"
network = { layers = [784, 256, 10], activation = "relu" }
data = { dataset = "gauss_mix", samples = 1280, classes = 10, dims = 784, radius = 5.0 }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.01, batch = 128, epochs = 1000000 }
"#;
/// One trial of a blink.
const QUICK: &str = r#"
network = { layers = [2, 2, 1], activation = "tanh" }
data = { dataset = "xor" }
train = { loss = "mse", lr = 0.1, batch = 1, epochs = 1 }
minima = { polish = false }
"#;
/// Most CPU-seconds that the worker computes from the cancellation until it has done something else. It asks every 0.4 s
/// whether its task is wanted, and looks between pieces of rows; on the clock there are also two commits to disk, and
/// whatever else the machine does, which makes single rounds as long as it likes.
const FREE_WITHIN_S: f64 = 1.0;
const ROUNDS: u32 = 3;
/// By then it is not coming.
const GIVE_UP: Duration = Duration::from_secs(120);

fn spec(name: &str, tables: &str, restarts: u32) -> String {
    format!(
        "name = \"{name}\"\nseed = 1\n{tables}\n[[experiment]]\nname = \"a\"\ninit = \"torch_linear_default\"\n\
         restarts = {restarts}\nvary = [\"init\"]\n"
    )
}

/// Seconds that a process has computed.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // fields 14 and 15 of proc(5), in ticks of 1/100 s
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Submits `tables`, waits until the worker is in the middle of them, cancels over gRPC and returns for how many
/// CPU-seconds the worker has computed until it has done another sweep.
fn until_free(here: &Path, address: &str, worker: &Process, tables: &str, round: u32) -> f64 {
    let submit = |name: &str, text: String| {
        let file = format!("{name}.toml");
        std::fs::write(here.join(&file), text).expect("it answers");
        stdout(here, &["submit", &file, "--store", "store"]);
    };
    let (endless, quick) = (format!("endless-{round}"), format!("quick-{round}"));
    let from = cpu_seconds(worker.id());
    submit(&endless, spec(&endless, tables, 64));
    wait_until("the worker is in the middle of it", || cpu_seconds(worker.id()) > from + 0.5);
    submit(&quick, spec(&quick, QUICK, 1));

    let token = std::fs::read_to_string(here.join("store/auth/admin.token")).expect("it answers");
    let bearer: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse().expect("it answers");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it answers");
    runtime.block_on(async {
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .expect("it answers")
            .connect()
            .await
            .expect("it answers");
        let sign = move |mut request: Request<()>| -> Result<Request<()>, Status> {
            request.metadata_mut().insert("authorization", bearer.clone());
            Ok(request)
        };
        let mut users = SweepServiceClient::with_interceptor(channel, sign);
        let mut watched = users
            .watch_sweep(v1::WatchSweepRequest { selector: quick })
            .await
            .expect("it answers")
            .into_inner();
        let from = cpu_seconds(worker.id());
        users.cancel_sweep(v1::CancelSweepRequest { selector: endless }).await.expect("it answers");
        // the watch ends with the sweep
        let mut last = None;
        let watch = async {
            while let Some(state) = watched.message().await.expect("it answers") {
                last = state.sweep;
            }
        };
        tokio::time::timeout(GIVE_UP, watch).await.expect("the worker turns to the next sweep");
        assert_eq!(last.expect("it answers").state(), v1::SweepState::Done);
        cpu_seconds(worker.id()) - from
    })
}

fn assert_a_cancelled_sweep_frees_its_worker(tables: &str, restarts_per_task: &str) {
    let here = directory();
    let listen = ["coordinator", "--store", "store", "--listen", "127.0.0.1:0"];
    let sized = [&listen[..], &["--restarts-per-task", restarts_per_task]].concat();
    let mut coordinator = Process::start(here.path(), &sized);
    let line = coordinator.line();
    let port: String = line
        .split("127.0.0.1:")
        .nth(1)
        .expect("it answers")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let join = ["worker", "--join", "store/auth/worker.join", "--slots", "1", "--name", "one"];
    let worker = Process::start(here.path(), &join);
    let address = format!("127.0.0.1:{port}");
    let rounds = (0..ROUNDS).map(|round| until_free(here.path(), &address, &worker, tables, round));
    let rounds: Vec<f64> = rounds.collect();
    assert!(rounds.iter().all(|cpu_s| *cpu_s < FREE_WITHIN_S), "{rounds:.2?}");
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(coordinator.terminate(), Some(0));
}

#[test]
fn a_cancelled_pod_frees_its_worker_within_a_second() {
    assert_a_cancelled_sweep_frees_its_worker(POD, "16");
}

#[test]
fn a_cancelled_large_network_frees_its_worker_within_a_second() {
    assert_a_cancelled_sweep_frees_its_worker(LARGE, "1");
}
