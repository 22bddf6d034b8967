//! Stores that are held, read-only, full or damaged.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Process, SPEC, directory, output, pure_columns, stdout, wait_until};

const RUN: [&str; 6] = ["run", "sweep.toml", "--output", "json", "--store", "store"];
const EXPORT: [&str; 6] = ["export", "last", "--format", "csv", "--store", "store"];

#[test]
fn a_second_process_on_the_same_store_is_told_who_owns_it() {
    let here = directory();
    let mut owner =
        Process::start(here.path(), &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]);
    owner.line();
    for args in [&RUN[..], &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]] {
        let second = output(here.path(), args);
        assert_eq!(second.status.code(), Some(6));
        let message = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(message.contains("in use by process"), "{message}");
    }
    assert_eq!(owner.terminate(), Some(0));
}

/// A mount of this test's own, gone with it.
struct Mount(PathBuf);

impl Mount {
    /// None if this machine does not let us mount.
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("writable");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        command.output().is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_read_only_directory_is_named() {
    let here = directory();
    let Some(mount) = Mount::tmpfs(&here.path().join("ro"), "size=1m,ro") else {
        println!("skipped: no right to mount a tmpfs here");
        return;
    };
    let refused = output(here.path(), &["run", "sweep.toml", "--store", "ro/store"]);
    assert_eq!(refused.status.code(), Some(6));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("ro/store") && message.to_lowercase().contains("read-only"), "{message}");
    drop(mount);
}

#[test]
fn a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_space() {
    // long enough that the disk fills up half-way
    let (here, reference) = (directory(), directory());
    for directory in [here.path(), reference.path()] {
        let spec = SPEC.replace("epochs = 300", "epochs = 3000");
        std::fs::write(directory.join("sweep.toml"), spec).expect("writable");
    }
    let report = stdout(reference.path(), &RUN);
    let Some(mount) = Mount::tmpfs(&here.path().join("small"), "size=12m") else {
        println!("skipped: no right to mount a tmpfs here");
        return;
    };
    let ballast = here.path().join("small/ballast");
    let args = ["run", "sweep.toml", "--output", "json", "--store", "small/store"];
    let mut first = Process::start(here.path(), &args);
    wait_until("some trials are stored", || {
        let status = output(here.path(), &["status", "--store", "small/store", "--output", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["sweeps"][0]["trials"]["done"].as_u64().unwrap_or(0) > 0
    });
    // everything but some blocks: the next commits meet a full disk
    let free = 12 * 1024 * 1024;
    let _ = std::fs::write(&ballast, vec![1; free]);
    wait_until("the full disk is told", || {
        let status = output(here.path(), &["status", "--store", "small/store"]);
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        status.contains("the store takes nothing in: ") && status.contains("bytes are free")
    });
    assert_eq!(first.wait_code(), Some(6));
    std::fs::remove_file(&ballast).expect("ours");
    assert_eq!(stdout(here.path(), &args), report);
    drop(mount);
}

#[test]
fn a_store_that_fails_is_told_with_its_reason() {
    let here = directory();
    let mut coordinator =
        Process::start(here.path(), &["coordinator", "--store", "store", "--listen", "127.0.0.1:0"]);
    coordinator.line();
    let (specs, away) = (here.path().join("store/sweeps"), here.path().join("away"));
    std::fs::rename(&specs, &away).expect("ours");
    let submit = ["submit", "sweep.toml", "--store", "store", "--output", "json"];
    for when in ["while it fails", "afterwards"] {
        let refused = output(here.path(), &submit);
        assert_eq!(refused.status.code(), Some(6), "{when}");
        let error: serde_json::Value = serde_json::from_slice(&refused.stdout).expect("JSON");
        assert_eq!(error["error"]["code"], "store", "{when}: {error}");
        let message = error["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("store/sweeps/") && message.contains("No such file"), "{when}: {error}");
        if !specs.exists() {
            std::fs::rename(&away, &specs).expect("ours");
        }
    }
    assert_eq!(coordinator.terminate(), Some(0));
    assert_eq!(output(here.path(), &submit).status.code(), Some(0), "a new start finds it whole");
}

#[test]
fn a_damaged_store_is_noticed_and_trained_again_to_the_same_export() {
    let here = directory();
    let report = stdout(here.path(), &RUN);
    let export = pure_columns(&stdout(here.path(), &EXPORT));
    let copy = |name: &str| {
        let target = here.path().join(name);
        let status = Command::new("cp").arg("-r").arg(here.path().join("store")).arg(&target).status();
        assert!(status.expect("cp(1)").success());
        target
    };
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut", |bytes| bytes.truncate(bytes.len() - bytes.len() / 5)),
        ("flipped", |bytes| {
            let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) / 2;
            bytes[middle] ^= 4;
        }),
        ("emptied", Vec::clear),
    ];
    for (name, damage) in damages {
        let store = copy(name);
        let file = largest_file(&store);
        let mut bytes = std::fs::read(&file).expect("readable");
        damage(&mut bytes);
        std::fs::write(&file, bytes).expect("writable");
        let args = ["run", "sweep.toml", "--output", "json", "--store", name];
        let again = output(here.path(), &args);
        let notices = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.code(), Some(0), "{name}: {notices}");
        assert_eq!(String::from_utf8_lossy(&again.stdout), report, "{name}: {notices}");
        assert_eq!(
            pure_columns(&stdout(here.path(), &["export", "last", "--format", "csv", "--store", name])),
            export
        );
    }
}

fn largest_file(directory: &Path) -> PathBuf {
    let mut largest = (0, PathBuf::new());
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).expect("readable") {
            let entry = entry.expect("readable");
            let metadata = entry.metadata().expect("readable");
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.len() > largest.0 {
                largest = (metadata.len(), entry.path());
            }
        }
    }
    largest.1
}
