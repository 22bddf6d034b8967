//! A process that is killed at any moment loses nothing that it acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;

const STORE: &str = "SEEDSWEEP_TEST_KILLED_STORE";
/// Outcomes of one commit.
const BATCH: u32 = 7;

/// Not a test of its own: the process that is killed. It commits batch after batch and says so, for ever.
#[test]
fn killed_process() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let say = |text: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
    };
    let (store, recovered) = open(Path::new(&path));
    recovered.notices.iter().for_each(|notice| say(format!("notice {notice}")));
    if recovered.sweeps.is_empty() {
        store.commit(&[sweep()]).unwrap();
    }
    let mut next = done(&recovered).get(&0).map_or(0, |restarts| restarts.len() as u32);
    say(format!("opened {} {next}", recovered.boot));
    loop {
        store.commit(&[outcomes(0, next..next + BATCH)]).unwrap();
        next += BATCH;
        say(format!("ack {next}"));
        if next.is_multiple_of(BATCH * 5) {
            store.seal().unwrap();
        }
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store::tests::kill::killed_process", "--exact", "--nocapture"])
        .env(STORE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a killed process had said.
#[derive(Default)]
struct Said {
    boot: Option<u32>,
    acknowledged: u32,
    notices: Vec<String>,
}

/// Kills `child` after `acks` acknowledgements, or after `moment` whatever it is doing.
fn kill(mut child: Child, acks: Option<u32>, moment: Duration, context: &str) -> Said {
    let out = BufReader::new(child.stdout.take().unwrap());
    if acks.is_none() {
        // not to wait for anything: the moment is the fault
        std::thread::sleep(moment);
        child.kill().unwrap();
    }
    let mut said = Said::default();
    let mut seen = 0;
    for line in out.lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["opened", boot, done] => {
                said.boot = boot.parse().ok();
                said.acknowledged = done.parse().unwrap();
            }
            ["ack", count] => {
                seen += 1;
                said.acknowledged = count.parse().unwrap();
                if acks == Some(seen) {
                    child.kill().unwrap();
                }
            }
            ["notice", ..] => said.notices.push(line),
            // what the test harness says
            _ => {}
        }
    }
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "{context}: it was not killed, but ended itself: {status}");
    said
}

#[test]
fn acknowledged_outcome_survives_kill() {
    let directory = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut boot, mut opened) = (0, 0, 0);
    for cycle in 0..36 {
        let mut rng = ChaCha8Rng::seed_from_u64(cycle);
        let acks = rng.random_bool(0.5).then(|| rng.random_range(1..40));
        let moment = Duration::from_micros(rng.random_range(0..150_000));
        let context = format!("cycle {cycle}");
        let said = kill(spawn(directory.path()), acks, moment, &context);
        assert_eq!(said.notices, Vec::<String>::new(), "{context}: a kill damages nothing");
        let Some(new_boot) = said.boot else { continue };
        opened += 1;
        assert!(new_boot > boot, "{context}: boot {new_boot} after {boot}");
        assert!(said.acknowledged >= acknowledged, "{context}: {} after {acknowledged}", said.acknowledged);
        (acknowledged, boot) = (said.acknowledged, new_boot);
    }
    assert!(opened >= 18, "{opened}");
    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.notices, Vec::<String>::new());
    let found = done(&recovered)[&0].clone();
    assert!(found.iter().copied().eq(0..found.len() as u32), "a hole");
    assert!(
        found.len() as u32 >= acknowledged && (found.len() as u32).is_multiple_of(BATCH),
        "part of a commit"
    );
    assert_rows_are_right(&store, &recovered);
}

#[test]
fn creation_survives_kill() {
    let directory = tempfile::tempdir().unwrap();
    for cycle in 0..24 {
        let path = directory.path().join(cycle.to_string());
        let mut rng = ChaCha8Rng::seed_from_u64(1_000 + cycle);
        let moment = Duration::from_micros(rng.random_range(0..40_000));
        let said = kill(spawn(&path), None, moment, &format!("cycle {cycle}"));
        let (store, recovered) = open(&path);
        assert_eq!(recovered.notices, Vec::<String>::new(), "cycle {cycle}");
        assert!(recovered.boot > said.boot.unwrap_or(0), "cycle {cycle}");
        let found = done(&recovered).get(&0).map_or(0, |restarts| restarts.len() as u32);
        assert!(found >= said.acknowledged, "cycle {cycle}");
        assert_rows_are_right(&store, &recovered);
    }
}

#[test]
fn recovery_survives_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (store, _) = open(&path);
    store.commit(&[sweep(), outcomes(0, 0..BATCH * 30)]).unwrap();
    store.commit(&[outcomes(1, 0..500)]).unwrap();
    drop(store);
    let mut recoveries = 0;
    for cycle in 0..16 {
        let mut rng = ChaCha8Rng::seed_from_u64(2_000 + cycle);
        // between two names of a database that is rebuilt there is none to damage
        if cycle % 4 == 0
            && let Ok(log) = std::fs::File::options().write(true).open(path.join("db/db"))
        {
            let length = log.metadata().unwrap().len();
            log.set_len(length - rng.random_range(1..length / 2)).unwrap();
        }
        let moment = Duration::from_micros(rng.random_range(0..60_000));
        let said = kill(spawn(&path), None, moment, &format!("cycle {cycle}"));
        recoveries += usize::from(said.boot.is_some());
    }
    let (store, recovered) = open(&path);
    assert!(recovered.boot as usize > recoveries, "boot {} after {recoveries}", recovered.boot);
    assert_rows_are_right(&store, &recovered);
    let told = std::fs::read_to_string(path.join("notices.log")).unwrap();
    for (experiment, count) in [(0, BATCH * 30), (1, 500)] {
        let there = done(&recovered).get(&experiment).map_or(0, Vec::len);
        let named = told.contains(&format!("experiment {experiment} (the first is 0): the outcomes of"));
        assert!(there >= count as usize || named, "{there} of {count} are there, and: {told}");
    }
    drop(store);
    assert_eq!(open(&path).1.notices, Vec::<String>::new());
}
