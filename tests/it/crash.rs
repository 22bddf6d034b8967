//! Whatever dies, the same command carries on and ends with the same bytes.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::support::{Process, directory, output, pure_columns, stdout};

const RUN: [&str; 4] = ["run", "sweep.toml", "--output", "json"];
const EXPORT: [&str; 4] = ["export", "last", "--format", "csv"];

/// How often the process is killed; `SEEDSWEEP_TEST_KILLS` asks for more.
fn kills() -> u32 {
    std::env::var("SEEDSWEEP_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn killed_runs_end_with_the_bytes_of_an_undisturbed_one() {
    let undisturbed = directory();
    let report = stdout(undisturbed.path(), &RUN);
    let export = pure_columns(&stdout(undisturbed.path(), &EXPORT));

    let seed = 20_261_124;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let disturbed = directory();
    let mut killed = 0;
    for _ in 0..kills() {
        let mut process = Process::start(disturbed.path(), &RUN);
        std::thread::sleep(Duration::from_millis(rng.random_range(0..700)));
        killed += u32::from(process.runs());
        process.kill();
    }
    assert!(killed > kills() / 2, "only {killed} were killed before they ended");
    assert_eq!(stdout(disturbed.path(), &RUN), report, "seed {seed}");
    assert_eq!(pure_columns(&stdout(disturbed.path(), &EXPORT)), export, "seed {seed}");
}

#[test]
fn an_interrupted_run_drains_says_how_to_go_on_and_does() {
    let undisturbed = directory();
    let report = stdout(undisturbed.path(), &RUN);

    let interrupted = directory();
    let mut process = Process::start(interrupted.path(), &RUN);
    crate::support::wait_until("some trials are stored", || {
        let status = output(interrupted.path(), &["status", "--output", "json"]);
        let value: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        value["sweeps"][0]["trials"]["done"].as_u64().unwrap_or(0) > 0
    });
    process.interrupt();
    assert_eq!(process.wait_code(), Some(130));
    assert_eq!(stdout(interrupted.path(), &RUN), report);
}

#[test]
fn slots_and_task_sizes_change_no_bit() {
    let mut exports = Vec::new();
    let mut reports = Vec::new();
    for (slots, restarts) in [("1", None), ("2", None), ("2", Some("1")), ("1", Some("7")), ("2", Some("33"))]
    {
        let here = directory();
        let mut args = RUN.to_vec();
        args.extend(["--slots", slots]);
        if let Some(restarts) = restarts {
            args.extend(["--restarts-per-task", restarts]);
        }
        reports.push(stdout(here.path(), &args));
        exports.push(pure_columns(&stdout(here.path(), &EXPORT)));
    }
    assert!(exports.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_sweep_in_which_nothing_varies_is_one_class_of_bits_and_proves_nothing() {
    let here = directory();
    let spec = r#"
name = "determinism"
seed = 1
[network]
layers = [64, 12, 10]
activation = "relu"
[data]
dataset = "digits"
test_fraction = 0.5
[train]
loss = "cross_entropy"
l2 = 1e-4
lr = 0.1
momentum = 0.9
batch = 64
epochs = 1
[[experiment]]
name = "same"
init = "kaiming_normal"
restarts = 64
vary = []
"#;
    std::fs::write(here.path().join("sweep.toml"), spec).unwrap();
    let report: serde_json::Value = serde_json::from_str(&stdout(here.path(), &RUN)).unwrap();
    let experiment = &report["experiments"][0];
    assert_eq!(experiment["levels"]["bits"]["basins_found"], 1, "{experiment:#}");
    assert_eq!(experiment["levels"]["bits"]["n"], 64);
    assert_eq!(experiment["verdict"]["kind"], "not_tested");
}
