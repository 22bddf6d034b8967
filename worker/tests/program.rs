//! `seedsweep-worker` does what `seedsweep worker` does.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seedsweep-worker"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEEDSWEEP_"))
    {
        command.env_remove(name);
    }
    command.current_dir(directory).args(args).stdin(Stdio::null()).output().expect("the program starts")
}

/// Writes a join file that names `address`, for its owner's eyes only.
fn invite(directory: &Path, address: &str) {
    let path = directory.join("worker.join");
    let token = "A".repeat(43);
    let text = format!("{{\"address\": \"{address}\", \"certificate\": null, \"token\": \"{token}\"}}");
    std::fs::write(&path, text).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
}

#[test]
fn it_waits_for_its_coordinator_and_leaves_when_told_to() {
    let here = tempfile::tempdir().unwrap();
    // a port that was free a moment ago: a coordinator that is away
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    invite(here.path(), &format!("http://{}", away.local_addr().unwrap()));
    drop(away);
    let left = run(here.path(), &["--join", "worker.join", "--slots", "1", "--idle-exit", "50ms"]);
    let said = String::from_utf8_lossy(&left.stderr).into_owned();
    assert_eq!(left.status.code(), Some(0), "{said}");
    assert!(
        said.contains("with 1 slot for http://127.0.0.1:") && said.contains("left after 0 trials"),
        "{said}"
    );
}

#[test]
fn its_exit_codes_are_those_of_seedsweep() {
    let here = tempfile::tempdir().unwrap();
    invite(here.path(), "https://a:1");
    std::fs::write(here.path().join("open.join"), "").unwrap();
    std::fs::set_permissions(here.path().join("open.join"), std::fs::Permissions::from_mode(0o644)).unwrap();
    for (args, code) in [
        (&["--help"][..], 0),
        (&[], 2),
        (&["--join", "missing.join"], 2),
        (&["--join", "worker.join"], 2),
        (&["--join", "open.join"], 5),
    ] {
        let output = run(here.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
