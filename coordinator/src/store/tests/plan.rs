//! A plan comes back whole and in order, whichever of its records is lost.

use seedsweep_common::progress::{Extension, Looks, PlanChange, StoppedBy};

use super::super::key::Key;
use super::super::{seal, verify};
use super::*;

/// Experiment 1 stops, goes on, stops again; experiment 0 grows twice.
fn changes() -> Vec<(ExperimentIndex, PlanChange)> {
    let extended = |from, to| PlanChange::Extended(Extension { from, to });
    let stopped = |looks, restarts, stop| PlanChange::Stopped(Looks { looks, restarts, stop: Some(stop) });
    [
        (1, stopped(1, 32, StoppedBy::Goals)),
        (0, extended(60, 80)),
        (1, extended(60, 200)),
        (0, extended(80, 90)),
        (1, stopped(4, 200, StoppedBy::MaxRestarts)),
    ]
    .map(|(experiment, change)| (ExperimentIndex(experiment), change))
    .to_vec()
}

fn record((experiment, change): (ExperimentIndex, PlanChange)) -> Record {
    Record::Plan { sweep: sweep_id(), experiment, change }
}

fn restarts_of(_: &str) -> Result<Vec<u32>, String> {
    Ok(vec![60, 60])
}

#[test]
fn a_plan_survives_the_loss_of_any_of_its_records() {
    for lost in 0..changes().len() {
        let directory = memory_directory();
        let (store, _) = open(directory.path());
        store.commit(&[sweep()]).unwrap();
        let mut all = changes();
        let late = all.split_off(4);
        for change in all {
            store.commit(&[record(change)]).unwrap();
        }
        store.seal().unwrap();
        let seal = seal::SealFiles::find(directory.path()).unwrap().seal.unwrap();
        assert_eq!(seal.sweeps[0].plan.len(), 4);
        store.commit(&[record(late[0])]).unwrap();
        drop(store);
        assert_eq!(verify(directory.path(), restarts_of).unwrap().findings, [""; 0]);
        with_sled(directory.path(), |database| {
            let keys = database.iter().keys().map(|key| key.unwrap());
            let is_plan = |key: &sled::IVec| matches!(Key::decode(key), Some(Key::Plan { .. }));
            let key = keys.filter(is_plan).nth(lost).unwrap();
            database.remove(key).unwrap();
        });
        for opening in 0..2 {
            let (store, recovered) = open(directory.path());
            assert_eq!(recovered.notices.is_empty(), opening == 1, "{:?}", recovered.notices);
            assert_eq!(recovered.sweeps[0].plan, changes(), "without change {lost}");
            drop(store);
        }
        assert_eq!(verify(directory.path(), restarts_of).unwrap().findings, [""; 0]);
    }
}
