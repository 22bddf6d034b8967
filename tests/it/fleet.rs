//! A coordinator and workers of their own, of which some die.

use std::path::Path;

use crate::support::{Process, SPEC, directory, output, pure_columns, stdout, wait_until};

const EXPORT: [&str; 6] = ["export", "last", "--format", "csv", "--store", "store"];
const JOIN: &str = "store/auth/worker.join";

/// Longer training, so that there is a half-way to die at.
fn longer(directory: &Path) {
    let spec = SPEC.replace("epochs = 300", "epochs = 1500");
    std::fs::write(directory.join("sweep.toml"), spec).expect("writable");
}

/// A coordinator on `listen`, and the address it took.
fn coordinator(directory: &Path, listen: &str) -> (Process, String) {
    let mut process =
        Process::start(directory, &["coordinator", "--store", "store", "--listen", listen, "--lease", "2s"]);
    let line = process.line();
    assert!(line.contains("worker.join"), "{line}");
    let port =
        line.split("127.0.0.1:").nth(1).expect("an address").split(|c: char| !c.is_ascii_digit()).next();
    (process, format!("127.0.0.1:{}", port.expect("a port")))
}

fn worker(directory: &Path, name: &str) -> Process {
    Process::start(directory, &["worker", "--join", JOIN, "--slots", "1", "--name", name])
}

fn status(directory: &Path) -> serde_json::Value {
    let output = output(directory, &["status", "--store", "store", "--output", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn done(directory: &Path) -> u64 {
    status(directory)["sweeps"][0]["trials"]["done"].as_u64().unwrap_or(0)
}

#[test]
fn a_fleet_that_loses_workers_and_its_coordinator_finds_what_one_process_finds() {
    let alone = directory();
    longer(alone.path());
    let report = stdout(alone.path(), &["run", "sweep.toml", "--output", "json"]);
    let export = pure_columns(&stdout(alone.path(), &["export", "last", "--format", "csv"]));

    let here = directory();
    longer(here.path());
    let (first, address) = coordinator(here.path(), "127.0.0.1:0");
    let doomed = worker(here.path(), "doomed");
    let steady = worker(here.path(), "steady");
    let submitted = stdout(here.path(), &["submit", "sweep.toml", "--store", "store"]);
    assert!(!submitted.trim().is_empty());

    wait_until("a fifth is done", || done(here.path()) >= 48);
    doomed.kill();
    let late = worker(here.path(), "late");
    wait_until("half is done", || done(here.path()) >= 120);
    first.kill();
    let (second, _) = coordinator(here.path(), &address);
    wait_until("the sweep is done", || status(here.path())["sweeps"][0]["state"] == "done");

    assert_eq!(stdout(here.path(), &["report", "last", "--store", "store", "--output", "json"]), report);
    let fleet = stdout(here.path(), &EXPORT);
    assert_eq!(pure_columns(&fleet), export);
    assert!(fleet.contains("late") && fleet.contains("steady"), "all workers that lived took part");
    assert_eq!(steady.terminate(), Some(0));
    assert_eq!(late.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn a_cancelled_sweep_keeps_what_it_has_and_stops() {
    let here = directory();
    longer(here.path());
    let (coordinator, _) = coordinator(here.path(), "127.0.0.1:0");
    let worker = worker(here.path(), "one");
    stdout(here.path(), &["submit", "sweep.toml", "--store", "store"]);
    wait_until("something is done", || done(here.path()) > 0);
    stdout(here.path(), &["cancel", "last", "--store", "store"]);
    let sweep = status(here.path())["sweeps"][0].clone();
    assert_eq!(sweep["state"], "cancelled", "{sweep}");
    let rows = stdout(here.path(), &EXPORT).lines().count() as u64 - 1;
    assert!((1..240).contains(&rows), "{rows}");
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(coordinator.terminate(), Some(0));
}
