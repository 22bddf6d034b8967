//! Pairs and barriers come back as they were stored, and what is lost of them is named.

use std::collections::HashSet;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::TrialId;

use super::*;

fn pair(number: u32) -> Pair {
    let trial = |restart| TrialId { experiment: ExperimentIndex(1), restart };
    Pair { a: trial(0), b: trial(number + 1) }
}

fn barrier(number: u32) -> Barrier {
    let height = if number == 3 { f64::INFINITY } else { f64::from(number) };
    Barrier { loss_a: -0.0, loss_b: 0.25, height, digest_a: [number as u8; 16], digest_b: [7; 16] }
}

fn barriers(numbers: impl IntoIterator<Item = u32>) -> Record {
    Record::Barriers {
        sweep: sweep_id(),
        provenance: provenance(),
        barriers: numbers.into_iter().map(|number| (pair(number), barrier(number))).collect(),
    }
}

fn pairs(first: u32, count: u32, trials: u64) -> Record {
    Record::Pairs { sweep: sweep_id(), first, trials, pairs: (first..first + count).map(pair).collect() }
}

#[test]
fn a_second_stage_comes_back_whole() {
    let directory = memory_directory();
    let (store, _) = open(directory.path());
    store.commit(&[sweep(), outcomes(1, 0..9)]).unwrap();
    store.commit(&[pairs(0, 300, 9)]).unwrap();
    let failed =
        |number| Record::BarrierFailed { sweep: sweep_id(), pair: pair(number), cause: "broke".to_owned() };
    store.commit(&[barriers(0..4), failed(5), failed(6)]).unwrap();
    // a late one outweighs its failure; a later choice adds
    store.commit(&[barriers([6]), pairs(300, 2, 20)]).unwrap();
    drop(store);

    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.notices, [""; 0]);
    let found = &recovered.sweeps[0];
    assert_eq!(found.pairs, (0..302).map(pair).collect::<Vec<_>>());
    assert_eq!(found.pairs_chosen_of, Some(20));
    assert_eq!(found.measured, [0, 1, 2, 3, 6].map(pair).into_iter().collect::<HashSet<_>>());
    assert_eq!(found.unmeasurable, [pair(5)].into());
    assert_eq!(found.divergences, 0);
    let stored = store.barriers(sweep_id()).unwrap();
    assert!(stored.keys().copied().eq([0, 1, 2, 3, 6].map(pair)));
    for (number, (found, how)) in [0, 1, 2, 3, 6].into_iter().zip(stored.values()) {
        assert!(found.same_bits(&barrier(number)) && *how == provenance(), "{found:?}");
    }
    let unmeasurable = store.failed_barriers(sweep_id()).unwrap();
    assert_eq!(unmeasurable, [(pair(5), "broke".to_owned())].into(), "a barrier outweighs a failure");
    // one that differs is a divergence, and the first stays
    let other = Barrier { height: 9.0, ..barrier(1) };
    let record =
        Record::Barriers { sweep: sweep_id(), provenance: provenance(), barriers: vec![(pair(1), other)] };
    store.commit(&[record]).unwrap();
    assert!(store.barriers(sweep_id()).unwrap()[&pair(1)].0.same_bits(&barrier(1)));
    drop(store);
    assert_eq!(open(directory.path()).1.sweeps[0].divergences, 1);
}

#[test]
fn lost_barriers_are_named_and_measured_again() {
    let (kept, lost) = (memory_directory(), memory_directory());
    let (store, _) = open(kept.path());
    store.commit(&[sweep(), pairs(0, 4, 9), barriers(0..2)]).unwrap();
    drop(store);
    copy(kept.path(), lost.path());
    let (store, _) = open(kept.path());
    store.commit(&[barriers(2..4)]).unwrap();
    drop(store);
    // the database of before beside the seals of after
    for seal in ["seal.0", "seal.1"] {
        std::fs::copy(kept.path().join(seal), lost.path().join(seal)).unwrap();
    }
    let (store, recovered) = open(lost.path());
    let named = recovered.notices.iter().find(|notice| notice.contains("barriers"));
    assert!(
        named.is_some_and(|notice| notice.contains("records of 2 barriers are lost")),
        "{:?}",
        recovered.notices
    );
    let found = &recovered.sweeps[0];
    assert_eq!((found.pairs.len(), found.measured.len()), (4, 2), "the others are pending");
    store.commit(&[barriers(2..4)]).unwrap();
    assert_eq!(store.barriers(sweep_id()).unwrap().len(), 4);
}
