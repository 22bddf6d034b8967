//! Starts the real binary as its users do, and ends only what it started.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// No process of a test may take longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies in the workspace").to_owned()
}

/// The binary that `cargo test --workspace` built beside these tests.
pub(crate) fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    let directory = tests.ancestors().nth(2).expect("target/<profile>/deps/it");
    let binary = directory.join("seedsweep");
    assert!(binary.exists(), "{} is missing: run cargo test --workspace", binary.display());
    binary
}

/// `seedsweep ARGS…` in `directory`, with no settings from the environment.
pub(crate) fn seedsweep(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEEDSWEEP_"))
    {
        command.env_remove(name);
    }
    command.current_dir(directory).args(args).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// Runs `seedsweep ARGS…` to its end.
pub(crate) fn output(directory: &Path, args: &[&str]) -> Output {
    seedsweep(directory, args).output().expect("the binary starts")
}

/// Runs `seedsweep ARGS…`, which must succeed, and returns its standard output.
pub(crate) fn stdout(directory: &Path, args: &[&str]) -> String {
    let output = output(directory, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seedsweep {}: {}\n{errors}", args.join(" "), output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A process that ends with the test, killed if need be.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `seedsweep ARGS…` with its standard output kept for [`Process::line`].
    pub(crate) fn start(directory: &Path, args: &[&str]) -> Self {
        let mut command = seedsweep(directory, args);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts"))
    }

    /// The next line of its standard output. Only once per process: the rest of the output is dropped.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().expect("read once")).read_line(&mut line).expect("readable");
        line
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("ours to kill");
        self.0.wait().expect("ours to wait for");
    }

    /// SIGTERM, then its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        signal(self.0.id(), "TERM");
        self.wait_code()
    }

    /// Sends SIGINT.
    pub(crate) fn interrupt(&self) {
        signal(self.0.id(), "INT");
    }

    /// Its exit code, once it ends by itself.
    pub(crate) fn wait_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("ours to wait for") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().expect("ours to wait for").is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn signal(pid: u32, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill(1)");
    assert!(status.success(), "kill -{name} {pid}");
}

/// Asks `question` again until it answers true.
pub(crate) fn wait_until(what: &str, mut question: impl FnMut() -> bool) {
    let started = Instant::now();
    while !question() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A sweep that takes a few seconds on one slot: xor, three experiments, polished.
pub(crate) const SPEC: &str = r#"
name = "whole-system"
seed = 7

[network]
layers = [2, 4, 1]
activation = "tanh"

[data]
dataset = "moons"
samples = 64
noise = 0.1

[train]
loss = "mse"
l2 = 1e-3
optimizer = "sgd"
lr = 0.05
batch = 4
epochs = 300

[[experiment]]
name = "fixed"
init = "xavier_uniform"
starts = 20
restarts = 80
vary = ["order"]

[[experiment]]
name = "constant"
init = { scheme = "constant", value = 0.5 }
restarts = 40
vary = ["order"]

[[experiment]]
name = "random"
init = "xavier_uniform"
restarts = 120
vary = ["init", "order"]
"#;

/// A directory with [`SPEC`] in `sweep.toml`.
pub(crate) fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("sweep.toml"), SPEC).expect("writable");
    directory
}

/// The columns of an export that are a pure function of the spec: all before `engine`.
pub(crate) fn pure_columns(csv: &str) -> String {
    let header = csv.lines().next().expect("a header");
    let pure = header.split(',').position(|name| name == "engine").expect("a column `engine`");
    let mut text = String::new();
    for row in csv.lines() {
        // quoted cells (sketches) hold commas: split outside quotes only
        let mut quoted = false;
        let mut cells = 0;
        let end = row.find(|c| {
            quoted ^= c == '"';
            cells += usize::from(c == ',' && !quoted);
            cells == pure
        });
        text.push_str(&row[..end.unwrap_or(row.len())]);
        text.push('\n');
    }
    text
}
