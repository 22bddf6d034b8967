//! What the store promises, tried on stores that are killed, damaged, filled and fought over.

mod barriers;
mod blocks;
mod damage;
mod full;
mod kill;
mod owner;
mod plan;
mod speed;
mod verify;
mod whole;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::measure::{Measured, Quantity, Series};
use seedsweep_common::outcome::{Certificate, NullSpace, Outcome, Polish, Provenance, StopReason, Symmetry};

use super::{Record, Recovered, Store, database, disk};

const SPEC: &str = "name = \"tested\"\nseed = 7\n";

/// A directory in memory where there is one: damage does not need a disk, and hundreds of openings do not wait for it.
fn memory_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn sweep_id() -> SweepId {
    SweepId(Digest::of(SPEC.as_bytes()))
}

fn sweep() -> Record {
    Record::Sweep { id: sweep_id(), spec_toml: SPEC.to_owned(), submitted_unix_ms: 1_700_000_000_123 }
}

fn provenance() -> Provenance {
    Provenance {
        engine: "1".to_owned(),
        build: "0.1.0 x86_64-unknown-linux-gnu".to_owned(),
        attempt: 1,
        worker: "node-17.a".to_owned(),
        duration_ms: 12,
    }
}

/// Any bits a float can have, the strange ones often.
fn any_f64(rng: &mut ChaCha8Rng) -> f64 {
    match rng.random_range(0..8) {
        0 => -0.0,
        1 => f64::from_bits(0x7ff8_0000_0000_0000 | u64::from(rng.random::<u32>())),
        2 => f64::from_bits(0xfff0_0000_0000_0001),
        3 => f64::from_bits(rng.random::<u64>() >> 12),
        4 => f64::INFINITY,
        _ => f64::from_bits(rng.random()),
    }
}

/// Measures with any bits that fit an outcome.
fn measures(rng: &mut ChaCha8Rng) -> Vec<Measured> {
    let steps: Vec<u64> = (0..rng.random_range(1..28)).map(|point| point * 33_333_333).collect();
    let series = Quantity::ALL[..rng.random_range(1..13)].iter().map(|&quantity| {
        let values = steps.iter().map(|_| any_f64(rng)).collect();
        Series { quantity, layer: 7, values }
    });
    vec![Measured { series: series.collect(), steps }]
}

/// Any null space.
fn null_space(rng: &mut ChaCha8Rng) -> NullSpace {
    let explained_by = Symmetry::ALL.into_iter().filter_map(|symmetry| {
        let directions = rng.random_range(1..=u32::MAX);
        rng.random::<bool>().then_some((symmetry, directions))
    });
    let explained_by = explained_by.collect();
    NullSpace { at_least: rng.random(), explained_by }
}

/// An outcome with any bits: a function of `seed`, experiment and restart, as a real one is.
fn outcome(seed: u64, experiment: u32, restart: u32) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(experiment) << 32 | u64::from(restart));
    let rng = &mut rng;
    let stop_reason = StopReason::ALL[rng.random_range(0..4)];
    let polished = stop_reason != StopReason::Diverged && rng.random();
    Outcome {
        restart,
        stop_reason,
        steps: rng.random(),
        loss_train: any_f64(rng),
        loss_test: rng.random::<bool>().then(|| any_f64(rng)),
        accuracy_train: rng.random::<bool>().then(|| any_f64(rng)),
        accuracy_test: rng.random::<bool>().then(|| any_f64(rng)),
        grad_norm: any_f64(rng),
        digest: rng.random(),
        polish: polished.then(|| Polish {
            certificate: Certificate::ALL[rng.random_range(0..5)],
            loss: any_f64(rng),
            displacement: any_f64(rng),
            steps: rng.random(),
            grad_max: any_f64(rng),
            lambda_min: any_f64(rng),
            lambda_max: any_f64(rng),
            null_directions: rng.random::<bool>().then(|| rng.random()),
            explained: rng.random::<bool>().then(|| rng.random()),
            null_space: rng.random::<bool>().then(|| null_space(rng)),
        }),
        sketch_raw: std::array::from_fn(|_| any_f64(rng)),
        sketch_canonical: rng.random_bool(0.8).then(|| std::array::from_fn(|_| any_f64(rng))),
        sketch_function: std::array::from_fn(|_| any_f64(rng)),
        measures: if rng.random_bool(0.2) { measures(rng) } else { Vec::new() },
    }
}

/// The outcomes of the tested sweep, each drawn once.
fn expected(experiment: u32, restart: u32) -> Arc<Outcome> {
    type Drawn = HashMap<(u32, u32), Arc<Outcome>>;
    static DRAWN: LazyLock<Mutex<Drawn>> = LazyLock::new(Mutex::default);
    let mut drawn = DRAWN.lock().unwrap();
    drawn.entry((experiment, restart)).or_insert_with(|| outcome(0, experiment, restart).into()).clone()
}

/// The record of outcomes `restarts` of `experiment`.
fn outcomes(experiment: u32, restarts: impl IntoIterator<Item = u32>) -> Record {
    Record::Outcomes {
        sweep: sweep_id(),
        experiment: ExperimentIndex(experiment),
        provenance: provenance(),
        outcomes: restarts
            .into_iter()
            .map(|restart| Outcome::clone(&expected(experiment, restart)))
            .collect(),
    }
}

fn open(directory: &Path) -> (Store, Recovered) {
    Store::open(directory).unwrap_or_else(|error| panic!("{} does not open: {error:?}", directory.display()))
}

/// Restarts that are done, by experiment.
fn done(recovered: &Recovered) -> BTreeMap<u32, Vec<u32>> {
    let Some(sweep) = recovered.sweeps.iter().find(|sweep| sweep.id == sweep_id()) else {
        return BTreeMap::new();
    };
    let lists = sweep.done.iter().map(|done| done.iter().flat_map(|range| range.iter()).collect());
    (0..).zip(lists).collect()
}

/// Every row that `store` gives back is the right one, and what it gives back is what it says is done.
fn assert_rows_are_right(store: &Store, recovered: &Recovered) {
    for (experiment, restarts) in done(recovered) {
        let rows = store.outcomes(sweep_id(), ExperimentIndex(experiment)).unwrap();
        assert!(rows.iter().map(|(row, _)| row.restart).eq(restarts), "rows of experiment {experiment}");
        for (row, how) in rows {
            assert!(row.same_bits(&expected(experiment, row.restart)), "{experiment}, {}", row.restart);
            assert_eq!(how, provenance());
        }
    }
}

/// A copy of a closed store.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What becomes of a closed store whose database somebody writes to by hand. sled lets go of its lock some time after it
/// was dropped, on which opening waits.
fn with_sled(directory: &Path, action: impl FnOnce(&sled::Db)) {
    let database = database::Database::open(&directory.join(disk::DATABASE)).unwrap();
    action(&database.tree);
    database.tree.flush().unwrap();
}
