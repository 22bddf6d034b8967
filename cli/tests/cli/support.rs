//! Runs the real binary in a directory of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// All of it as one text, for snapshots.
    pub(crate) fn text(&self) -> String {
        let code = self.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }

    /// Standard output as one JSON value, and nothing beside it.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The command, which must have succeeded.
    pub(crate) fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text());
        self
    }
}

/// `seedsweep ARGS…` in `directory`, free of the caller's environment.
pub(crate) fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seedsweep"));
    command.current_dir(directory).args(args).stdin(Stdio::null());
    let ours = |name: &str| name.starts_with("SEEDSWEEP_") || name == "COLUMNS" || name == "CLICOLOR_FORCE";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    // A user's setting must not put a backtrace into an error.
    command.env("NO_COLOR", "1").env("RUST_BACKTRACE", "1");
    command
}

/// Runs `seedsweep ARGS…` in `directory` to its end.
pub(crate) fn run(directory: &Path, args: &[&str]) -> Ran {
    let output = command(directory, args).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with `spec` in `sweep.toml`.
pub(crate) fn directory(spec: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("sweep.toml"), spec).unwrap();
    directory
}

/// Writes a `.npy` file of f64 with `values` in two columns.
pub(crate) fn npy(path: &Path, values: &[f64]) {
    let shape = format!("({}, 2)", values.len() / 2);
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// A sweep of 12 trials that takes a blink.
pub(crate) const QUICK: &str = r#"name = "quick"
seed = 1

[network]
layers = [2, 2, 1]
activation = "tanh"

[data]
dataset = "xor"

[train]
loss = "mse"
l2 = 1e-3
optimizer = "sgd"
lr = 0.05
batch = 1
epochs = 20

[[experiment]]
name = "fixed"
init = "xavier_uniform"
restarts = 6
vary = ["order"]

[[experiment]]
name = "random"
init = "xavier_uniform"
restarts = 6
vary = ["init", "order"]
train = { lr = 0.1 }
"#;
