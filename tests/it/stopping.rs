//! Experiments that stop once enough is known: the same decisions, whoever trains and whatever dies meanwhile.

use std::path::Path;

use crate::support::{Process, SPEC, directory, output, pure_columns, stdout, wait_until};

const JOIN: &str = "store/auth/worker.join";
const EXPORT: [&str; 6] = ["export", "last", "--format", "csv", "--store", "store"];
const REPORT: [&str; 6] = ["report", "last", "--store", "store", "--output", "json"];

/// A directory with [`SPEC`], whose random starts go on until enough is known of them, and whose trainings are longer,
/// so that there is a half-way to die at.
fn stopping() -> tempfile::TempDir {
    let here = directory();
    let rule = "stop_when = { same_pair_width = 0.25, coverage = 0.9, max_restarts = 4000 }";
    let spec = SPEC.replace("restarts = 120", rule).replace("epochs = 300", "epochs = 1500");
    std::fs::write(here.path().join("sweep.toml"), spec).expect("writable");
    here
}

fn coordinator(directory: &Path, listen: &str) -> (Process, String) {
    let args = ["coordinator", "--store", "store", "--listen", listen, "--lease", "2s"];
    let mut process = Process::start(directory, &[&args[..], &["--restarts-per-task", "6"]].concat());
    let line = process.line();
    let port =
        line.split("127.0.0.1:").nth(1).expect("an address").split(|c: char| !c.is_ascii_digit()).next();
    (process, format!("127.0.0.1:{}", port.expect("a port")))
}

fn worker(directory: &Path, name: &str) -> Process {
    Process::start(directory, &["worker", "--join", JOIN, "--slots", "1", "--name", name])
}

fn sweep(directory: &Path) -> serde_json::Value {
    let output = output(directory, &["status", "--store", "store", "--output", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    value["sweeps"][0].clone()
}

/// Trials from random starts that are done.
fn done(directory: &Path) -> u64 {
    sweep(directory)["experiments"][2]["trials"]["done"].as_u64().unwrap_or(0)
}

#[test]
fn a_sweep_that_stops_early_decides_the_same_whatever_dies() {
    let alone = stopping();
    let report = stdout(alone.path(), &["run", "sweep.toml", "--store", "store", "--output", "json"]);
    let export = pure_columns(&stdout(alone.path(), &EXPORT));
    let told: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let decided = &told["experiments"][2]["stopping"];
    let stopped_at = decided["restarts"].as_u64().expect("a number");
    assert!(decided["reason"] == "goals" && stopped_at >= 128, "there is a middle to die in: {decided}");

    let here = stopping();
    let (first, address) = coordinator(here.path(), "127.0.0.1:0");
    let doomed = worker(here.path(), "doomed");
    stdout(here.path(), &["submit", "sweep.toml", "--store", "store"]);
    wait_until("the first look is due", || done(here.path()) >= 33);
    doomed.kill();
    let steady = worker(here.path(), "steady");
    wait_until("the third look is due", || done(here.path()) >= 65);
    let before = sweep(here.path());
    assert_eq!(before["state"], "running", "{before:#}");
    first.kill();
    let (second, _) = coordinator(here.path(), &address);
    let after = sweep(here.path());
    assert!(after["trials"]["done"].as_u64() >= before["trials"]["done"].as_u64(), "{after:#}");
    wait_until("the sweep is done", || sweep(here.path())["state"] == "done");

    let trials = &sweep(here.path())["experiments"][2]["trials"];
    assert_eq!((&trials["done"], &trials["skipped"]), (&stopped_at.into(), &(4_000 - stopped_at).into()));
    assert_eq!(stdout(here.path(), &REPORT), report);
    assert_eq!(pure_columns(&stdout(here.path(), &EXPORT)), export);
    assert_eq!(steady.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
    // the decision outlives them all
    assert_eq!(stdout(here.path(), &REPORT), report);
}
