//! `verify` finds nothing in a good store and each planted fault in a bad one.

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::TrialId;

use super::super::{Checked, StoreError, StoredReport, disk, outcomes_digest, verify};
use super::*;

/// Rows as a worker could have sent them.
fn sound(experiment: u32, restart: u32) -> Outcome {
    let mut row = outcome(0, experiment, restart);
    if row.stop_reason != StopReason::Diverged {
        row.loss_train = 0.25;
    }
    row
}

fn record(experiment: u32, outcomes: Vec<Outcome>) -> Record {
    Record::Outcomes {
        sweep: sweep_id(),
        experiment: ExperimentIndex(experiment),
        provenance: provenance(),
        outcomes,
    }
}

fn divergence(outcome: Outcome) -> Record {
    Record::Divergence {
        sweep: sweep_id(),
        experiment: ExperimentIndex(0),
        outcome,
        first_worker: "a".to_owned(),
        second_worker: "b".to_owned(),
    }
}

fn report(rows: &[(ExperimentIndex, Outcome)]) -> Record {
    let outcomes_digest = outcomes_digest(rows.iter().map(|(experiment, row)| (*experiment, row)));
    let report = StoredReport { report_json: "{}".to_owned(), outcomes_digest, analysis: 1 };
    Record::Report { sweep: sweep_id(), report }
}

fn restarts_of(spec: &str) -> Result<Vec<u32>, String> {
    if spec == SPEC { Ok(vec![60, 60]) } else { Err("unknown text".to_owned()) }
}

/// A good store; `fault` may spoil it while it is open.
fn store_with(directory: &Path, fault: impl FnOnce(&Store)) {
    let (store, _) = open(directory);
    let rows: Vec<_> = (0..60).map(|restart| (ExperimentIndex(0), sound(0, restart))).collect();
    let mut other = sound(0, 3);
    other.steps ^= 1;
    let content = b"x,y\n1,2\n";
    store.put_data(Digest::of(content), content).unwrap();
    store.commit(&[sweep(), record(0, rows.iter().map(|(_, row)| row.clone()).collect())]).unwrap();
    store.commit(&[divergence(other), report(&rows)]).unwrap();
    fault(&store);
}

#[test]
fn good_store_has_no_findings_and_stays_as_it_is() {
    let directory = memory_directory();
    store_with(directory.path(), |_| {});
    for _ in 0..2 {
        let report = verify(directory.path(), restarts_of).unwrap();
        assert_eq!(report.findings, Vec::<String>::new());
        let Checked { sweeps, outcomes, reports, data_files, records } = report.checked;
        assert_eq!((sweeps, outcomes, reports, data_files), (1, 60, 1, 1));
        assert!(records >= 4 + 60 / 20);
    }
    let (_store, recovered) = open(directory.path());
    assert_eq!((recovered.boot, recovered.notices.len()), (2, 0));
    assert!(matches!(verify(directory.path(), restarts_of), Err(StoreError::Held { .. })));
    let empty = memory_directory();
    assert!(matches!(verify(empty.path(), restarts_of), Err(StoreError::Io { .. })));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn each_fault_is_found() {
    type Fault = fn(&Store);
    type Damage = fn(&Path);
    let faults: [(&str, Fault); 9] = [
        ("which ended elsewhere", |store| {
            let trial = |restart| TrialId { experiment: ExperimentIndex(0), restart };
            let ends = (sound(0, 1).digest, [255; 16]);
            let barrier =
                Barrier { loss_a: 0.0, loss_b: 0.0, height: 0.0, digest_a: ends.0, digest_b: ends.1 };
            let barriers = vec![(Pair { a: trial(1), b: trial(2) }, barrier)];
            store
                .commit(&[Record::Barriers { sweep: sweep_id(), provenance: provenance(), barriers }])
                .unwrap();
        }),
        ("more than one outcome", |store| store.commit(&[record(0, vec![sound(0, 7)])]).unwrap()),
        ("its experiment has 60 restarts", |store| store.commit(&[record(0, vec![sound(0, 60)])]).unwrap()),
        ("not flagged as diverged", |store| {
            let mut row = sound(1, 0);
            (row.stop_reason, row.loss_train) = (StopReason::StepLimit, f64::NAN);
            store.commit(&[record(1, vec![row])]).unwrap();
        }),
        ("computed from other outcomes", |store| store.commit(&[record(1, vec![sound(1, 0)])]).unwrap()),
        ("does not differ", |store| store.commit(&[divergence(sound(0, 9))]).unwrap()),
        ("without an outcome", |store| store.commit(&[divergence(sound(0, 99))]).unwrap()),
        ("not the digest of its spec", |store| {
            let id = SweepId(Digest::of(b"other"));
            store.commit(&[Record::Sweep { id, spec_toml: SPEC.to_owned(), submitted_unix_ms: 0 }]).unwrap();
        }),
        ("its record is missing", |store| {
            let sweep = SweepId(Digest::of(b"unknown"));
            let Record::Outcomes { experiment, provenance, outcomes, .. } = outcomes(0, [0]) else {
                panic!()
            };
            store.commit(&[Record::Outcomes { sweep, experiment, provenance, outcomes }]).unwrap();
        }),
    ];
    for (says, fault) in faults {
        let directory = memory_directory();
        store_with(directory.path(), fault);
        let found = verify(directory.path(), restarts_of).unwrap().findings;
        assert!(found.iter().any(|finding| finding.contains(says)), "{says}: {found:?}");
    }
    let files: [(&str, Damage); 4] = [
        ("data file", |store| {
            let file = std::fs::read_dir(store.join(disk::DATA)).unwrap().next().unwrap().unwrap().path();
            std::fs::write(file, "x,y\n1,3\n").unwrap();
        }),
        ("spec file", |store| std::fs::remove_dir_all(store.join(disk::SWEEPS)).unwrap()),
        ("is broken", |store| std::fs::write(store.join(disk::SEALS[0]), "noise").unwrap()),
        ("the database is gone", |store| std::fs::remove_dir_all(store.join("db")).unwrap()),
    ];
    for (says, damage) in files {
        let directory = memory_directory();
        store_with(directory.path(), |_| {});
        damage(directory.path());
        let found = verify(directory.path(), restarts_of).unwrap().findings;
        assert!(found.iter().any(|finding| finding.contains(says)), "{says}: {found:?}");
    }
}

#[test]
fn digest_of_outcomes_depends_on_every_bit_and_on_nothing_else() {
    let rows: Vec<_> =
        (0..40).map(|number| (ExperimentIndex(number % 2), outcome(3, number % 2, number))).collect();
    let digest = |rows: &[(ExperimentIndex, Outcome)]| outcomes_digest(rows.iter().map(|(e, row)| (*e, row)));
    let whole = digest(&rows);
    let mut reversed = rows.clone();
    reversed.reverse();
    assert_eq!(digest(&reversed), whole);
    assert_ne!(digest(&rows[1..]), whole);
    let edits: [fn(&mut (ExperimentIndex, Outcome)); 12] = [
        |(experiment, _)| experiment.0 ^= 1,
        |(_, row)| row.restart ^= 1 << 31,
        |(_, row)| row.steps ^= 1,
        |(_, row)| row.loss_train = f64::from_bits(row.loss_train.to_bits() ^ 1),
        |(_, row)| row.loss_test = row.loss_test.map_or(Some(0.0), |_| None),
        |(_, row)| row.digest[15] ^= 1,
        |(_, row)| row.polish = None,
        |(_, row)| row.sketch_canonical = row.sketch_canonical.map_or(Some([0.0; 32]), |_| None),
        |(_, row)| {
            let polish = row.polish.as_mut().unwrap();
            polish.null_directions = polish.null_directions.map_or(Some(0), |count| Some(count ^ 1));
        },
        |(_, row)| {
            let polish = row.polish.as_mut().unwrap();
            polish.explained = polish.explained.map_or(Some(0), |_| None);
        },
        |(_, row)| {
            let polish = row.polish.as_mut().unwrap();
            let mut found = polish.null_space.take().unwrap_or_default();
            found.at_least ^= 1;
            polish.null_space = Some(found);
        },
        |(_, row)| row.sketch_function[15] = f64::from_bits(row.sketch_function[15].to_bits() ^ 1 << 63),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut edited = rows.clone();
        let polished = edited.iter().position(|(_, row)| row.polish.is_some()).unwrap();
        edit(&mut edited[polished]);
        assert_ne!(digest(&edited), whole, "edit {number}");
    }
}
