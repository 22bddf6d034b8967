//! One process owns a store, and a directory that cannot be written is refused.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::super::StoreError;
use super::*;

const STORE: &str = "SEEDSWEEP_TEST_OWNED_STORE";

/// Not a test of its own: the process that owns a store until its input ends.
#[test]
fn owning_process() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let (_store, _) = open(Path::new(&path));
    println!("owned");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn second_opener_is_told_who_owns_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::tests::owner::owning_process", "--exact", "--nocapture"])
        .env(STORE, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    assert!(out.lines().map_while(Result::ok).any(|line| line.ends_with("owned")));
    let Err(StoreError::Held { pid, host, .. }) = Store::open(directory.path()) else { panic!("not held") };
    assert_eq!(pid, child.id());
    assert!(!host.is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let (_store, recovered) = open(directory.path());
    assert_eq!(recovered.boot, 2);
}

#[test]
fn second_opener_in_the_same_process_is_refused_while_the_first_lives() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let clone = store.clone();
    drop(store);
    assert!(
        matches!(Store::open(directory.path()), Err(StoreError::Held { pid, .. }) if pid == std::process::id())
    );
    drop(clone);
    drop(open(directory.path()));
}

#[test]
fn directory_that_cannot_be_made_or_written_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "text").unwrap();
    for path in [file.join("store"), file, "/proc/seedsweep-store".into()] {
        let Err(StoreError::Io { path: named, source }) = Store::open(&path) else {
            panic!("{}", path.display())
        };
        assert!(path.starts_with(&named), "{} names {}: {source}", path.display(), named.display());
    }
}
