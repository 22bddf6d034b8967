//! Stores and coordinators that are missing, held, out of reach or not ours to ask.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use snapbox::{assert_data_eq, str};

use crate::support::{QUICK, command, directory, run};

/// A coordinator on a free port that ends with the test.
struct Coordinator {
    child: Child,
    address: String,
}

impl Coordinator {
    fn start(directory: &Path) -> Self {
        let args = ["coordinator", "--store", "store", "--listen", "127.0.0.1:0"];
        let mut child =
            command(directory, &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_question_never_creates_a_store() {
    let here = directory(QUICK);
    let questions: [&[&str]; 9] = [
        &["list"],
        &["status"],
        &["status", "last"],
        &["watch"],
        &["cancel", "last"],
        &["report"],
        &["outcomes"],
        &["export"],
        &["store", "verify"],
    ];
    for args in questions {
        let ran = run(here.path(), args);
        assert_eq!(ran.code, Some(4), "{args:?}: {}", ran.text());
        assert!(!here.path().join("seedsweep-store").exists(), "{args:?}");
    }
    assert_data_eq!(
        run(here.path(), &["report"]).text(),
        str![[r#"
exit 4
--- stdout
--- stderr
error: no store at `./seedsweep-store`: name one with --store DIR, or make one with `seedsweep run SPEC`

"#]]
    );
}

#[test]
fn nobody_at_the_address_is_exit_3() {
    let here = directory(QUICK);
    std::fs::write(here.path().join("token"), "abc").unwrap();
    let args = ["status", "--connect", "http://127.0.0.1:1", "--token-file", "token"];
    assert_data_eq!(
        run(here.path(), &args).text(),
        str![[r#"
exit 3
--- stdout
--- stderr
error: no coordinator answers at http://127.0.0.1:1
  because: tcp connect error
  because: Connection refused (os error 111)

"#]]
    );
}

#[test]
fn a_wrong_token_is_exit_5() {
    let here = directory(QUICK);
    let coordinator = Coordinator::start(here.path());
    let connect = |token_file: &str| {
        run(here.path(), &["status", "--connect", &coordinator.address, "--token-file", token_file])
    };
    std::fs::write(here.path().join("wrong"), "not-the-token").unwrap();
    assert_data_eq!(
        connect("wrong").text().replace(&coordinator.address, "http://ADDRESS"),
        str![[r#"
exit 5
--- stdout
--- stderr
error: the coordinator at http://ADDRESS refuses the token in `wrong`
  because: a valid token is needed in the metadata: `authorization: Bearer <token>`

"#]]
    );
    // Workers may not ask what users ask.
    let worker = connect("store/auth/worker.token");
    assert_eq!(worker.code, Some(5), "{}", worker.text());
    connect("store/auth/admin.token").fine();
}

#[test]
fn a_worker_with_a_wrong_token_is_refused_for_good() {
    let here = directory(QUICK);
    let _coordinator = Coordinator::start(here.path());
    let join = here.path().join("store/auth/worker.join");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&join).unwrap()).unwrap();
    value["token"] = "A".repeat(43).into();
    // Written in place: the file stays its owner's alone.
    std::fs::write(&join, value.to_string()).unwrap();
    let refused = run(here.path(), &["worker", "--join", "store/auth/worker.join", "--slots", "1"]);
    assert_eq!(refused.code, Some(5), "{}", refused.text());
    assert!(!refused.text().contains("AAAA"), "{}", refused.text());

    let mut readable = std::fs::metadata(&join).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut readable, 0o644);
    std::fs::set_permissions(&join, readable).unwrap();
    let exposed = run(here.path(), &["worker", "--join", "store/auth/worker.join"]);
    assert_eq!(exposed.code, Some(5), "{}", exposed.text());
    assert!(exposed.stderr.contains("chmod 600"), "{}", exposed.stderr);
}

#[test]
fn a_worker_without_work_leaves_when_told_to() {
    let here = directory(QUICK);
    let _coordinator = Coordinator::start(here.path());
    run(here.path(), &["submit", "sweep.toml", "--store", "store"]).fine();
    let args = ["worker", "--join", "store/auth/worker.join", "--slots", "2", "--idle-exit", "200ms"];
    let left = run(here.path(), &args).fine();
    assert!(left.stderr.contains("left after 12 trials"), "{}", left.stderr);
    let watched = run(here.path(), &["watch", "--store", "store"]).fine();
    assert!(watched.stdout.contains("12/12") && watched.stdout.contains("done"), "{}", watched.stdout);
}

#[test]
fn a_held_store_is_asked_through_its_owner_and_not_opened_twice() {
    let here = directory(QUICK);
    let owner = Coordinator::start(here.path());
    run(here.path(), &["submit", "sweep.toml", "--store", "store"]).fine();
    let status = run(here.path(), &["status", "--store", "store", "--output", "json"]).fine().json();
    assert_eq!(status["sweeps"][0]["name"], "quick");
    for verb in [
        &["run", "sweep.toml"][..],
        &["demo"],
        &["coordinator", "--listen", "127.0.0.1:0"],
        &["store", "verify"],
    ] {
        let ran = run(here.path(), &[verb, &["--store", "store"]].concat());
        assert_eq!(ran.code, Some(6), "{verb:?}: {}", ran.text());
        assert!(ran.stderr.contains(&format!("in use by process {}", owner.child.id())), "{}", ran.stderr);
    }
}

#[test]
fn a_taken_address_is_named_and_leaves_no_store() {
    let here = directory(QUICK);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(here.path(), &["coordinator", "--store", "store", "--listen", &address]);
    assert_eq!(ran.code, Some(2), "{}", ran.text());
    assert!(ran.stderr.contains(&address), "{}", ran.stderr);
    assert!(!here.path().join("store").exists());
}

#[test]
fn the_join_file_stays_that_of_the_coordinator_when_others_serve_the_store() {
    let here = directory(QUICK);
    let join = here.path().join("store/auth/worker.join");
    run(here.path(), &["run", "sweep.toml", "--store", "store"]).fine();
    assert!(!join.exists(), "no worker can join what is gone by now");
    drop(Coordinator::start(here.path()));
    let invitation = std::fs::read(&join).unwrap();
    run(here.path(), &["status", "--store", "store"]).fine();
    run(here.path(), &["run", "sweep.toml", "--store", "store"]).fine();
    assert_eq!(std::fs::read(&join).unwrap(), invitation);
}
