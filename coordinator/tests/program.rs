//! `seedsweep-coordinator` does what `seedsweep coordinator` does.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

fn program(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seedsweep-coordinator"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEEDSWEEP_"))
    {
        command.env_remove(name);
    }
    command.current_dir(directory).args(args).stdin(Stdio::null());
    command
}

#[test]
fn it_serves_until_a_signal_and_invites_workers() {
    let here = tempfile::tempdir().unwrap();
    let mut command = program(here.path(), &["--store", "store", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let join = std::fs::read_to_string(here.path().join("store/auth/worker.join")).unwrap();
    let join = seedsweep_common::join::Join::parse(&join).ok().unwrap();
    assert!(line.starts_with(&format!("serving {} · ", join.address)), "{line}");
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((code, said.as_str()), (Some(0), "stopping: storing what is under way\n"));
}

#[test]
fn its_exit_codes_are_those_of_seedsweep() {
    let here = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for args in [&["--nonsense"][..], &["--listen", "0.0.0.0:0"], &["--listen", &free, "--lease", "2h"]] {
        let output = program(here.path(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(program(here.path(), &["--version"]).output().unwrap().status.code(), Some(0));
    assert!(!here.path().join("seedsweep-store").exists(), "a wrong command line leaves nothing behind");
}
