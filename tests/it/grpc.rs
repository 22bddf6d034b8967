//! The .proto files are a public door: a client in another language reads the status and asks for more restarts.

use std::process::Command;

use crate::support::{Process, directory, root, stdout};

/// Python with grpcio and grpcio-tools: the one named by `SEEDSWEEP_TEST_PYTHON`, which then must have them, or
/// `python3`, which may.
fn python() -> Option<String> {
    let named = std::env::var("SEEDSWEEP_TEST_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let check = Command::new(&python).args(["-c", "import grpc, grpc_tools"]).output();
    let usable = check.is_ok_and(|output| output.status.success());
    assert!(usable || named.is_none(), "{python} has no grpcio and grpcio-tools");
    usable.then_some(python)
}

#[test]
fn a_python_client_reads_the_status_and_extends_a_sweep_by_the_proto_files() {
    let Some(python) = python() else {
        println!("skipped: no Python with grpcio and grpcio-tools (pip install grpcio grpcio-tools)");
        return;
    };
    let here = directory();
    let mut coordinator =
        Process::start(here.path(), &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]);
    coordinator.line();
    stdout(here.path(), &["submit", "sweep.toml", "--store", "store"]);

    let out = tempfile::tempdir().unwrap();
    let script = root().join("tests/python/client.py");
    let arguments = [root().join("proto/schema"), here.path().join("store"), out.path().to_owned()];
    let client = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    let told = String::from_utf8_lossy(&client.stdout);
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        ["whole-system SWEEP_STATE_RUNNING 0 240", "extended to 80 40 150, 270 in all"]
    );
    assert_eq!(coordinator.terminate(), Some(0));
}
