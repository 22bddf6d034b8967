//! The exports are a public door: pandas, polars, duckdb and NumPy read them and find what the CSV says.

use std::process::Command;

use crate::support::{root, stdout};

/// Polished and diverged trials, parameters of every type, measures.
const SWEEP: &str = r#"
name = "exports"
precision = "f64"
[network]
layers = [2, 2, 1]
activation = "tanh"
[data]
dataset = "xor"
[train]
loss = "mse"
l2 = 1e-3
lr = 0.05
batch = 1
epochs = 200
[measure]
curve = true
[[experiment]]
name = "fixed"
init = "xavier_uniform"
starts = 5
restarts = 20
vary = ["order"]
[[experiment]]
name = "wild"
init = "xavier_uniform"
restarts = 15
vary = ["init", "order"]
train = { lr = 9.0, shuffle = false, batch = "full" }
"#;

/// Python with pandas, polars, duckdb, pyarrow and numpy: the one named by `SEEDSWEEP_TEST_PYTHON`, which then must
/// have them, or `python3`, which may.
fn python() -> Option<String> {
    let named = std::env::var("SEEDSWEEP_TEST_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let check = Command::new(&python).args(["-c", "import duckdb, numpy, pandas, polars, pyarrow"]).output();
    let usable = check.is_ok_and(|output| output.status.success());
    assert!(usable || named.is_none(), "{python} has not all of pandas, polars, duckdb, pyarrow and numpy");
    usable.then_some(python)
}

#[test]
fn pandas_polars_duckdb_and_numpy_read_what_the_csv_says() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("sweep.toml"), SWEEP).unwrap();
    stdout(here.path(), &["run", "sweep.toml"]);
    let export = |format: &str, file: &str| {
        stdout(here.path(), &["export", "last", "--format", format, "-o", file]);
        std::fs::read(here.path().join(file)).unwrap()
    };
    export("csv", "rows.csv");
    for format in ["parquet", "npz"] {
        let [file, again] = [format!("rows.{format}"), format!("again.{format}")];
        assert!(
            export(format, &file) == export(format, &again),
            "the same rows give the same bytes: {format}"
        );
    }

    let Some(python) = python() else {
        println!("skipped: no Python with pandas, polars, duckdb, pyarrow and numpy (pip install them)");
        return;
    };
    let script = root().join("tests/python/exports.py");
    let files = ["rows.csv", "rows.parquet", "rows.npz"];
    let read = Command::new(python).current_dir(here.path()).arg(script).args(files).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));

    assert_eq!(String::from_utf8_lossy(&read.stdout).split(' ').next(), Some("35"));
}
