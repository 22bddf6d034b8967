//! What trials run on is a schedule: it can be forced, and changes no bit.

use std::path::Path;
use std::process::Output;

use crate::support::{pure_columns, seedsweep, stdout};

/// Widths that fill no lanes evenly, own orders, a part-filled last pod.
const SPEC: &str = r#"
name = "lanes"
seed = 11
network = { layers = [4, 7, 3], activation = "tanh" }
data = { dataset = "iris", test_fraction = 0.2, standardize = true }
train = { loss = "cross_entropy", optimizer = "adam", lr = 0.02, l2 = 1e-3, batch = 16, epochs = 4 }
minima = { polish_max_steps = 20 }
[[experiment]]
name = "shared"
init = "xavier_normal"
restarts = 21
vary = ["init"]
[[experiment]]
name = "own"
init = "torch_linear_default"
restarts = 18
vary = ["init", "order"]
"#;

/// Runs the spec with lanes and axis forced; an empty word forces nothing.
fn run_on(directory: &Path, lanes: &str, axis: &str) -> Output {
    let store = format!("store-{lanes}-{axis}");
    let mut command = seedsweep(directory, &["run", "sweep.toml", "--store", &store]);
    command.env("SEEDSWEEP_LANES", lanes).env("SEEDSWEEP_AXIS", axis).output().expect("the binary starts")
}

#[test]
fn forced_lanes_change_no_bit_of_an_export() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("sweep.toml"), SPEC).unwrap();
    let mut exports = Vec::new();
    for (lanes, axis) in [("1", ""), ("8", "restart"), ("8", "unit"), ("16", "restart"), ("16", "unit")] {
        let ran = run_on(here.path(), lanes, axis);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        if ran.status.code() == Some(2) && said.contains("this processor has no") {
            println!("skipped {lanes} lanes: {said}");
            continue;
        }
        assert!(ran.status.success(), "{lanes}: {said}");
        let store = format!("store-{lanes}-{axis}");
        let export = stdout(here.path(), &["export", "last", "--store", &store]);
        assert_eq!(export.lines().count(), 1 + 39);
        exports.push((format!("{lanes} {axis}"), pure_columns(&export)));
    }
    assert!(exports.len() > 1, "at least plain loops and one kind of lanes: {}", exports.len());
    let (_, first) = &exports[0];
    for (lanes, export) in &exports[1..] {
        assert!(export == first, "{lanes} lanes and {} differ", exports[0].0);
    }
}

#[test]
fn lanes_that_there_are_not_are_refused() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("sweep.toml"), SPEC).unwrap();
    let wrong = [
        ("2", "", "SEEDSWEEP_LANES is `2`: 1, 8 and 16 are allowed"),
        ("avx2", "", "SEEDSWEEP_LANES is `avx2`: 1, 8 and 16 are allowed"),
        ("", "units", "SEEDSWEEP_AXIS is `units`: `restart` and `unit` are allowed"),
    ];
    for (lanes, axis, problem) in wrong {
        let ran = run_on(here.path(), lanes, axis);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains(problem), "{said}");
    }
}

#[test]
fn a_trial_that_does_not_fit_into_memory_is_refused_with_the_numbers() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("sweep.toml"), SPEC).unwrap();
    let mut command = seedsweep(here.path(), &["run", "sweep.toml", "--slot-memory", "10KiB"]);
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("experiment `shared`: a trial needs") && said.contains("10.0 KiB"), "{said}");

    let checked =
        seedsweep(here.path(), &["check", "sweep.toml", "--slot-memory", "10KiB"]).output().unwrap();
    assert!(checked.status.success(), "another machine may be larger");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("this machine cannot run it"));
}
