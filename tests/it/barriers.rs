//! The second stage: barriers between minima, the same whoever measures them and whatever dies meanwhile.

use std::path::Path;

use crate::support::{Process, SPEC, directory, output, stdout, wait_until};

const JOIN: &str = "store/auth/worker.join";

/// A directory with [`SPEC`], which asks for barriers between `most` basins of each experiment at `level`.
fn asking(most: u32, level: &str) -> tempfile::TempDir {
    let here = directory();
    let minima =
        format!("[minima]\nlevel = \"{level}\"\nbarriers = {most}\n\n[[experiment]]\nname = \"fixed\"");
    let spec = SPEC.replacen("[[experiment]]\nname = \"fixed\"", &minima, 1);
    std::fs::write(here.path().join("sweep.toml"), spec).expect("writable");
    here
}

fn run(directory: &Path, slots: &str, per_task: &str) -> String {
    let args = ["run", "sweep.toml", "--output", "json", "--slots", slots, "--restarts-per-task", per_task];
    stdout(directory, &args)
}

fn sweep(directory: &Path) -> serde_json::Value {
    let output = output(directory, &["status", "--store", "store", "--output", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    value["sweeps"][0].clone()
}

fn measured(directory: &Path) -> u64 {
    sweep(directory)["barriers"]["done"].as_u64().unwrap_or(0)
}

#[test]
fn slots_and_task_sizes_change_no_barrier() {
    let reports: Vec<String> = [("1", "64"), ("2", "64"), ("2", "1"), ("1", "5")]
        .into_iter()
        .map(|(slots, per_task)| {
            let here = asking(4, "function");
            let report = run(here.path(), slots, per_task);
            let verified = stdout(here.path(), &["verify", "last", "--sample", "5%"]);
            assert!(verified.contains("sound") && !verified.contains("NOT SOUND"), "{verified}");
            report
        })
        .collect();
    assert!(reports.windows(2).all(|pair| pair[0] == pair[1]));
    let report: serde_json::Value = serde_json::from_str(&reports[0]).unwrap();
    let connected = &report["experiments"][2]["connected"];
    let (basins, rows) = (connected["basins"].as_array().unwrap(), connected["barriers"].as_array().unwrap());
    assert!((2..=4).contains(&basins.len()) && rows.len() == basins.len(), "{connected:#}");
    let mut high = 0;
    for (i, row) in rows.iter().enumerate() {
        for (j, height) in row.as_array().unwrap().iter().enumerate() {
            assert_eq!(*height, rows[j][i], "the matrix is symmetric");
            let height = height.as_f64().expect("every barrier is measured");
            assert!(if i == j { height == 0.0 } else { height >= 0.0 });
            high += u32::from(height > 0.01);
        }
    }
    assert!(high > 0, "the minima of moons are parted: {connected:#}");
    let joined = connected["basins_joined"].as_u64().unwrap();
    assert!(
        joined >= 1
            && joined <= report["experiments"][2]["levels"]["function"]["basins_found"].as_u64().unwrap()
    );
    // nothing varies among the restarts from 0.5 that could part them
    let alike = &report["experiments"][1]["connected"];
    assert!(alike.is_null() || alike["basins"].as_array().unwrap().len() <= 4);
}

#[test]
fn a_second_stage_that_loses_workers_and_its_coordinator_finds_what_one_process_finds() {
    // copies of one network are many points: pairs enough for a half-way to die at
    let alone = asking(20, "raw");
    let report = run(alone.path(), "2", "64");

    let here = asking(20, "raw");
    let coordinator = |listen: &str| {
        let args = ["coordinator", "--store", "store", "--listen", listen, "--lease", "2s"];
        let mut process = Process::start(here.path(), &[&args[..], &["--restarts-per-task", "1"]].concat());
        let line = process.line();
        let port =
            line.split("127.0.0.1:").nth(1).expect("an address").split(|c: char| !c.is_ascii_digit()).next();
        (process, format!("127.0.0.1:{}", port.expect("a port")))
    };
    let worker =
        |name: &str| Process::start(here.path(), &["worker", "--join", JOIN, "--slots", "1", "--name", name]);
    let (first, address) = coordinator("127.0.0.1:0");
    stdout(here.path(), &["submit", "sweep.toml", "--store", "store"]);
    let doomed = worker("doomed");
    wait_until("barriers are measured", || measured(here.path()) >= 2);
    doomed.kill();
    let before = sweep(here.path());
    assert_eq!(before["state"], "running", "{before:#}");
    assert_eq!(before["trials"]["done"], 240, "trials' counts keep their meaning: {before:#}");
    let steady = worker("steady");
    wait_until("more are", || measured(here.path()) >= before["barriers"]["done"].as_u64().unwrap() + 2);
    first.kill();
    let (second, _) = coordinator(&address);
    let carried_on = sweep(here.path());
    assert_eq!(carried_on["barriers"]["total"], before["barriers"]["total"], "{carried_on:#}");
    wait_until("the sweep is done", || sweep(here.path())["state"] == "done");
    assert_eq!(stdout(here.path(), &["report", "last", "--store", "store", "--output", "json"]), report);
    assert_eq!(steady.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}
