//! A store that nothing happens to gives back what it was given.

use seedsweep_common::outcome::Failure;

use super::super::StoredReport;
use super::super::commit::{Draft, NewRow};
use super::*;

fn failed(restart: u32) -> Record {
    let failure = Failure { restart, cause: "é".repeat(3_000) };
    Record::Failed { sweep: sweep_id(), experiment: ExperimentIndex(1), failure }
}

fn report(text: &str) -> Record {
    let report = StoredReport { report_json: text.to_owned(), outcomes_digest: [3; 32], analysis: 1 };
    Record::Report { sweep: sweep_id(), report }
}

#[test]
fn everything_comes_back_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deeper/store");
    let (store, recovered) = open(&path);
    assert_eq!((recovered.boot, recovered.sweeps.len(), recovered.notices.len()), (1, 0, 0));

    let divergence = Record::Divergence {
        sweep: sweep_id(),
        experiment: ExperimentIndex(0),
        outcome: outcome(9, 0, 4),
        first_worker: "a".to_owned(),
        second_worker: "b".to_owned(),
    };
    let long = "x".repeat(100_000);
    store.commit(&[sweep()]).unwrap();
    store.commit(&[outcomes(0, (0..100).rev()), outcomes(2, [5, 1, 7])]).unwrap();
    store.commit(&[failed(2), failed(3), divergence.clone(), divergence, report("{}")]).unwrap();
    store.commit(&[outcomes(1, [3])]).unwrap();
    store.commit(&[Record::Cancelled { id: sweep_id() }, report(&long)]).unwrap();
    // said again, these change nothing
    store.commit(&[sweep(), Record::Cancelled { id: sweep_id() }]).unwrap();
    store.commit(&[]).unwrap();
    drop(store);

    let (store, recovered) = open(&path);
    assert_eq!(recovered.notices, Vec::<String>::new());
    assert_eq!(recovered.boot, 2);
    let [found] = &recovered.sweeps[..] else { panic!("one sweep") };
    assert_eq!(
        (found.id, &found.spec_toml[..], found.submitted_unix_ms),
        (sweep_id(), SPEC, 1_700_000_000_123)
    );
    assert!(found.cancelled && found.reported);
    assert_eq!(found.divergences, 2);
    let diverged = |experiment: u32, restarts: &[u32]| {
        let is = |&&restart: &&u32| outcome(0, experiment, restart).stop_reason == StopReason::Diverged;
        restarts.iter().filter(is).count() as u64
    };
    let hundred: Vec<u32> = (0..100).collect();
    let counts: Vec<u64> = found.diverged.iter().map(|set| set.count()).collect();
    assert_eq!(counts, [diverged(0, &hundred), diverged(1, &[3]), diverged(2, &[1, 5, 7])]);
    // restart 3 failed and then came late: it is done
    assert_eq!(found.failed.len(), 1);
    assert_eq!(found.failed[0].1.restart, 2);
    assert!(found.failed[0].1.cause.len() <= seedsweep_common::limits::ERROR_BYTES);
    assert_eq!(done(&recovered), BTreeMap::from([(0, hundred), (1, vec![3]), (2, vec![1, 5, 7])]));
    assert_rows_are_right(&store, &recovered);
    assert_eq!(store.report(sweep_id()).unwrap().unwrap().report_json, long);
    for (experiment, restart, there) in
        [(0, 0, true), (0, 99, true), (0, 100, false), (2, 5, true), (2, 6, false)]
    {
        let found = store.outcome(sweep_id(), ExperimentIndex(experiment), restart).unwrap();
        assert_eq!(found.is_some(), there, "{experiment}, {restart}");
        assert!(found.is_none_or(|(row, _)| row.same_bits(&outcome(0, experiment, restart))));
    }
    assert_eq!(std::fs::read_to_string(path.join(format!("sweeps/{}.toml", sweep_id()))).unwrap(), SPEC);
}

#[test]
fn sweeps_come_back_in_the_order_of_submission() {
    let directory = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..20).map(|number| format!("seed = {number}\n")).collect();
    let (store, _) = open(directory.path());
    for text in &texts {
        let id = SweepId(Digest::of(text.as_bytes()));
        store.commit(&[Record::Sweep { id, spec_toml: text.clone(), submitted_unix_ms: 5 }]).unwrap();
    }
    drop(store);
    let (_store, recovered) = open(directory.path());
    assert!(recovered.sweeps.iter().map(|sweep| &sweep.spec_toml).eq(&texts));
}

#[test]
fn data_files_are_kept_by_content_and_checked_on_reading() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let content = vec![7; 1_000_000];
    let digest = Digest::of(&content);
    assert_eq!(store.data(digest).unwrap(), None);
    assert!(store.put_data(digest, b"something else").is_err());
    store.put_data(digest, &content).unwrap();
    store.put_data(digest, &content).unwrap();
    assert_eq!(store.data(digest).unwrap().as_deref(), Some(&content[..]));
    let path = directory.path().join("data").join(digest.to_string());
    std::fs::write(&path, &content[1..]).unwrap();
    assert!(matches!(store.data(digest), Err(super::super::StoreError::Damaged { .. })));
    assert_eq!(store.data(digest).unwrap(), None);
    store.put_data(digest, &content).unwrap();
    assert!(store.data(digest).unwrap().is_some());
}

#[test]
fn sled_never_makes_a_file_beside_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for start in (0..20_000).step_by(1_000) {
        store.commit(&[outcomes(0, start..start + 1_000)]).unwrap();
    }
    store.commit(&[report(&"x".repeat(2_000_000))]).unwrap();
    drop(store);
    let (store, _) = open(directory.path());
    drop(store);
    let blobs = std::fs::read_dir(directory.path().join("db/blobs")).unwrap().count();
    assert_eq!(blobs, 0, "such files are neither synced nor freed");
}

#[test]
fn rows_of_a_commit_that_is_not_durable_are_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(&[sweep(), outcomes(0, 0..5)]).unwrap();
    // what a commit whose sync failed leaves in the database
    let tally = store.writer().tally.clone();
    let mut draft = Draft::on(&tally);
    draft.add(&outcomes(0, 5..9));
    draft.add(&report("{}"));
    store.shared.database.write(draft.into_rows().iter().map(NewRow::bytes)).unwrap();
    assert_eq!(store.outcomes(sweep_id(), ExperimentIndex(0)).unwrap().len(), 5);
    assert!(store.outcome(sweep_id(), ExperimentIndex(0), 6).unwrap().is_none());
    assert!(store.report(sweep_id()).unwrap().is_none());
    drop(store);
    let (store, recovered) = open(directory.path());
    assert_eq!(
        (recovered.notices.len(), done(&recovered)[&0].len()),
        (0, 9),
        "durable after all: it is kept"
    );
    assert_rows_are_right(&store, &recovered);
}
