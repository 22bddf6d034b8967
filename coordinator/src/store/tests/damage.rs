//! A damaged store never panics, never gives back a wrong row, and never serves less than it acknowledged in silence.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::super::{StoreError, database, disk, key, seal};
use super::*;

/// What the base store acknowledged: restarts per experiment.
const ACKNOWLEDGED: [u32; 2] = [700, 400];

/// A closed store with outcomes in two experiments, a cancelled second sweep, and `opens` openings.
fn base(directory: &Path, opens: u32) {
    drop(open_base(directory, opens));
}

/// The same, still open, and not sealed since the middle of the second experiment.
fn open_base(directory: &Path, opens: u32) -> Store {
    let cancelled = SweepId(Digest::of(b"seed = 1\n"));
    for _ in 1..opens {
        drop(open(directory));
    }
    let (store, _) = open(directory);
    store.commit(&[sweep()]).unwrap();
    let other = Record::Sweep { id: cancelled, spec_toml: "seed = 1\n".to_owned(), submitted_unix_ms: 9 };
    store.commit(&[other, Record::Cancelled { id: cancelled }]).unwrap();
    for (experiment, &count) in (0..).zip(&ACKNOWLEDGED) {
        for start in (0..count).step_by(50) {
            store.commit(&[outcomes(experiment, start..start + 50)]).unwrap();
            if (experiment, start) < (1, count / 2) {
                store.seal().unwrap();
            }
        }
    }
    store
}

fn acknowledged() -> BTreeMap<u32, Vec<u32>> {
    (0..).zip(ACKNOWLEDGED).map(|(experiment, count)| (experiment, (0..count).collect())).collect()
}

fn log(directory: &Path) -> PathBuf {
    directory.join("db/db")
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

fn flip_bit(path: &Path, rng: &mut ChaCha8Rng) {
    let length = fs::metadata(path).unwrap().len();
    let at = rng.random_range(0..length);
    let mut byte = [0];
    let mut file = fs::File::open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    overwrite(path, at, &[byte[0] ^ 1 << rng.random_range(0..8)]);
}

fn truncate(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn snapshots(directory: &Path) -> Vec<PathBuf> {
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
    fs::read_dir(directory.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_snapshot)
        .collect()
}

type Damage = fn(&Path, &mut ChaCha8Rng);

const DAMAGES: [(&str, Damage); 12] = [
    ("cut off a tail", |store, rng| {
        let length = fs::metadata(log(store)).unwrap().len();
        truncate(&log(store), length - rng.random_range(1..4_096));
    }),
    ("cut anywhere", |store, rng| {
        let length = fs::metadata(log(store)).unwrap().len();
        truncate(&log(store), rng.random_range(0..length));
    }),
    ("flip a bit", |store, rng| flip_bit(&log(store), rng)),
    ("zero a page", |store, rng| {
        let pages = fs::metadata(log(store)).unwrap().len() / 4_096;
        overwrite(&log(store), rng.random_range(0..pages) * 4_096, &[0; 4_096]);
    }),
    ("noise over a page", |store, rng| {
        let pages = fs::metadata(log(store)).unwrap().len() / 4_096;
        let noise: [u8; 4_096] = std::array::from_fn(|_| rng.random());
        overwrite(&log(store), rng.random_range(0..pages) * 4_096, &noise);
    }),
    ("flip a bit in a snapshot", |store, rng| {
        snapshots(store).iter().for_each(|snapshot| flip_bit(snapshot, rng));
    }),
    ("delete the snapshots", |store, _| {
        snapshots(store).iter().for_each(|snapshot| fs::remove_file(snapshot).unwrap());
    }),
    ("leave an unfinished snapshot", |store, _| {
        fs::write(store.join("db/snap.00000000FFFFFFFF.generating"), b"unfinished").unwrap();
    }),
    ("delete the settings", |store, _| fs::remove_file(store.join("db/conf")).unwrap()),
    ("flip a bit in the settings", |store, rng| flip_bit(&store.join("db/conf"), rng)),
    ("delete the database", |store, _| fs::remove_dir_all(store.join("db")).unwrap()),
    ("flip a bit in one seal", |store, rng| {
        let seal = store.join(disk::SEALS[rng.random_range(0..2)]);
        flip_bit(&seal, rng);
    }),
];

#[test]
fn damaged_store_never_serves_less_in_silence() {
    let directory = memory_directory();
    let (closed, killed) = (directory.path().join("closed"), directory.path().join("killed"));
    base(&closed, 3);
    // what is on disk while a store is open and idle is what a kill leaves
    let living = directory.path().join("living");
    let store = open_base(&living, 3);
    copy(&living, &killed);
    drop(store);
    let trials: usize = std::env::var("SEEDSWEEP_STORE_DAMAGES").map_or(96, |count| count.parse().unwrap());
    let mut lossy = 0;
    for trial in 0..trials {
        let (what, damage) = DAMAGES[trial % DAMAGES.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(trial as u64);
        let path = directory.path().join(format!("trial-{trial}"));
        let from = if (trial / DAMAGES.len()).is_multiple_of(2) { &closed } else { &killed };
        copy(from, &path);
        damage(&path, &mut rng);
        let context = format!("trial {trial}: {what}, {}", from.display());

        let (store, recovered) = open(&path);
        assert_eq!(recovered.boot, 4, "{context}");
        assert_eq!(recovered.sweeps.len(), 2, "{context}: {:?}", recovered.notices);
        assert!(recovered.sweeps[1].cancelled, "{context}");
        assert_rows_are_right(&store, &recovered);
        let found = done(&recovered);
        let mut missing = 0;
        for (experiment, restarts) in acknowledged() {
            let there = found.get(&experiment).cloned().unwrap_or_default();
            let lost: Vec<u32> = restarts.into_iter().filter(|r| there.binary_search(r).is_err()).collect();
            missing += lost.len();
            let named = format!("experiment {experiment} (the first is 0): the outcomes of");
            let told = |notice: &String| notice.contains(&named) || notice.contains("after the last seal");
            let is_told = recovered.notices.iter().any(told);
            assert!(lost.is_empty() || is_told, "{context}: {} lost, {:?}", lost.len(), recovered.notices);
        }
        lossy += usize::from(missing > 0);

        // what is lost is trained again, and then the store is whole and says nothing more
        for (experiment, restarts) in acknowledged() {
            let there = found.get(&experiment).cloned().unwrap_or_default();
            let lost = restarts.into_iter().filter(|r| there.binary_search(r).is_err());
            store.commit(&[outcomes(experiment, lost)]).unwrap();
        }
        store.commit(&[outcomes(2, 0..100)]).unwrap();
        drop(store);
        let (store, recovered) = open(&path);
        assert_eq!(recovered.notices, Vec::<String>::new(), "{context}, opened again");
        assert_eq!(recovered.boot, 5, "{context}");
        let mut all = acknowledged();
        all.insert(2, (0..100).collect());
        assert_eq!(done(&recovered), all, "{context}");
        assert_rows_are_right(&store, &recovered);
        drop(store);
        fs::remove_dir_all(&path).unwrap();
    }
    assert!(lossy >= 10, "only {lossy} trials lost anything: the damage is too mild to show much");
}

#[test]
fn boot_number_grows_when_all_that_knew_it_is_gone() {
    let directory = memory_directory();
    base(directory.path(), 5);
    for seal in disk::SEALS {
        fs::remove_file(directory.path().join(seal)).unwrap();
    }
    fs::remove_dir_all(directory.path().join("db")).unwrap();
    let (store, recovered) = open(directory.path());
    assert!(recovered.boot > 1_000_000);
    assert_eq!(recovered.sweeps.len(), 2, "restored from their spec files");
    assert!(!recovered.notices.is_empty());
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!(again.boot, recovered.boot + 1);
    assert_eq!(again.notices, Vec::<String>::new());
}

#[test]
fn both_seals_lost_is_said_and_all_rows_are_served() {
    let directory = memory_directory();
    base(directory.path(), 2);
    for seal in disk::SEALS {
        truncate(&directory.path().join(seal), 30);
    }
    let (store, recovered) = open(directory.path());
    assert!(recovered.notices.iter().any(|notice| notice.contains("seal")), "{:?}", recovered.notices);
    assert_eq!((recovered.boot, done(&recovered)), (3, acknowledged()));
    assert_rows_are_right(&store, &recovered);
}

#[test]
fn broken_row_is_named_and_trained_again() {
    let directory = memory_directory();
    base(directory.path(), 1);
    with_sled(directory.path(), |tree| {
        let prefix = key::outcomes_of(sweep_id(), ExperimentIndex(1));
        let (key, mut value) =
            tree.scan_prefix(prefix).map(|row| row.unwrap()).nth(3).map(|(k, v)| (k, v.to_vec())).unwrap();
        value[60] ^= 1;
        tree.insert(key, value).unwrap();
    });
    let (store, recovered) = open(directory.path());
    let lost: Vec<u32> =
        (0..ACKNOWLEDGED[1]).filter(|r| done(&recovered)[&1].binary_search(r).is_err()).collect();
    assert!(!lost.is_empty() && lost.len() <= 20, "{lost:?}");
    let range = format!("{} restarts ({}-{})", lost.len(), lost[0], lost[lost.len() - 1]);
    assert!(recovered.notices.iter().any(|notice| notice.contains(&range)), "{:?}", recovered.notices);
    assert!(recovered.notices.iter().any(|notice| notice.contains("checksum")), "{:?}", recovered.notices);
    assert!(directory.path().join("db-damaged-1/db").exists(), "the old database is kept");
    assert_rows_are_right(&store, &recovered);
    drop(store);
    assert_eq!(open(directory.path()).1.notices, Vec::<String>::new());
    let log = fs::read_to_string(directory.path().join(disk::NOTICES)).unwrap();
    assert!(log.contains(&range), "what was said once is kept: {log}");
}

#[test]
fn every_kind_of_lost_record_is_noticed() {
    let kinds = [
        ("s", "restored from its spec file"),
        ("x", "cancellation"),
        ("o", "outcomes of"),
        ("f", "failed trials"),
        ("d", "divergences"),
        ("r", "report"),
    ];
    for (prefix, says) in kinds {
        let directory = memory_directory();
        let (store, _) = open(directory.path());
        let failure = seedsweep_common::outcome::Failure { restart: 70, cause: "died".to_owned() };
        let report = super::super::StoredReport {
            report_json: "{}".to_owned(),
            outcomes_digest: [0; 32],
            analysis: 1,
        };
        let (sweep_id, experiment) = (sweep_id(), ExperimentIndex(0));
        store
            .commit(&[
                sweep(),
                outcomes(0, 0..40),
                Record::Cancelled { id: sweep_id },
                Record::Failed { sweep: sweep_id, experiment, failure },
                Record::Divergence {
                    sweep: sweep_id,
                    experiment,
                    outcome: outcome(5, 0, 3),
                    first_worker: "a".to_owned(),
                    second_worker: "b".to_owned(),
                },
                Record::Report { sweep: sweep_id, report },
            ])
            .unwrap();
        drop(store);
        with_sled(directory.path(), |tree| {
            let (key, _) = tree.scan_prefix(prefix).map(|row| row.unwrap()).last().unwrap();
            tree.remove(key).unwrap();
        });
        let (store, recovered) = open(directory.path());
        assert!(
            recovered.notices.iter().any(|notice| notice.contains(says)),
            "{prefix}: {:?}",
            recovered.notices
        );
        assert_eq!(recovered.sweeps.len(), 1, "{prefix}");
        assert!(recovered.sweeps[0].cancelled, "{prefix}");
        assert_eq!(recovered.sweeps[0].submitted_unix_ms, 1_700_000_000_123, "{prefix}");
        assert_eq!(recovered.sweeps[0].reported, prefix != "r");
        drop(store);
        assert_eq!(open(directory.path()).1.notices, Vec::<String>::new(), "{prefix}");
    }
}

#[test]
fn tail_lost_after_the_last_seal_is_noticed() {
    let directory = memory_directory();
    let (store, _) = open(directory.path());
    store.commit(&[sweep()]).unwrap();
    let names = [disk::SEALS[0], disk::SEALS[1], "db/db", "db/conf"];
    let early = names.map(|name| fs::read(directory.path().join(name)).unwrap());
    store.commit(&[outcomes(0, 0..100)]).unwrap();
    drop(store);
    // a killed process and a log that lost all since its last seal: only the mark knows
    names
        .iter()
        .zip(early)
        .for_each(|(name, content)| fs::write(directory.path().join(name), content).unwrap());
    snapshots(directory.path()).iter().for_each(|snapshot| fs::remove_file(snapshot).unwrap());
    let (store, recovered) = open(directory.path());
    assert!(
        recovered.notices.iter().any(|notice| notice.contains("after the last seal")),
        "{:?}",
        recovered.notices
    );
    drop(store);
    assert_eq!(open(directory.path()).1.notices, Vec::<String>::new());
}

#[test]
fn damaged_spec_file_is_set_aside_and_written_again() {
    let directory = memory_directory();
    base(directory.path(), 1);
    let path = directory.path().join(disk::SWEEPS).join(format!("{}.toml", sweep_id()));
    fs::write(&path, SPEC.replace('7', "8")).unwrap();
    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.notices.len(), 1, "{:?}", recovered.notices);
    assert_eq!((recovered.sweeps.len(), done(&recovered)), (2, acknowledged()));
    assert_eq!(fs::read_to_string(&path).unwrap(), SPEC);
    assert!(!directory.path().join("db-damaged-1").exists(), "the database is whole");
    drop(store);
    assert_eq!(open(directory.path()).1.notices, Vec::<String>::new());
}

#[test]
fn deleted_database_stops_commits() {
    let directory = memory_directory();
    let (store, _) = open(directory.path());
    store.commit(&[sweep()]).unwrap();
    fs::remove_dir_all(directory.path().join("db")).unwrap();
    assert!(matches!(store.commit(&[outcomes(0, 0..10)]), Err(StoreError::Io { .. })));
}

#[test]
fn row_lost_after_the_last_seal_is_noticed() {
    let directory = memory_directory();
    let (store, _) = open(directory.path());
    store.commit(&[sweep()]).unwrap();
    let seals = disk::SEALS.map(|name| fs::read(directory.path().join(name)).unwrap());
    store.commit(&[outcomes(0, 0..100)]).unwrap();
    drop(store);
    // as if the process had died before the seal of its end
    disk::SEALS
        .iter()
        .zip(seals)
        .for_each(|(name, seal)| fs::write(directory.path().join(name), seal).unwrap());
    with_sled(directory.path(), |tree| {
        let (key, _) = tree.scan_prefix("o").map(|row| row.unwrap()).nth(2).unwrap();
        tree.remove(key).unwrap();
    });
    let (_store, recovered) = open(directory.path());
    assert!(
        recovered.notices.iter().any(|notice| notice.contains("after the last seal")),
        "{:?}",
        recovered.notices
    );
}

#[test]
fn newer_format_and_foreign_directories_are_refused_untouched() {
    let directory = memory_directory();
    let path = directory.path().join("newer");
    drop(open(&path));
    let mut files = seal::SealFiles::find(&path).unwrap();
    let mut seal = files.seal.unwrap();
    seal.format += 1;
    seal.boot += 1;
    files.files.write(&seal).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Format { found: 5, known: 4, .. })));

    // the formats before measures, canonical sketches and explained null directions: opened, and of this one from then on
    for format in [1, 2, 3] {
        let mut files = seal::SealFiles::find(&path).unwrap();
        let newest = files.seal.unwrap();
        let older = seedsweep_proto::store::v1::Seal { format, boot: newest.boot + 1, ..newest };
        files.files.write(&older).unwrap();
        let (store, recovered) = Store::open(&path).unwrap();
        assert!(recovered.notices.is_empty(), "{:?}", recovered.notices);
        drop(store);
        assert_eq!(seal::SealFiles::find(&path).unwrap().seal.unwrap().format, 4);
    }

    let foreign = directory.path().join("thesis");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("chapter-1.tex"), "text").unwrap();
    let Err(error) = Store::open(&foreign) else { panic!("opened") };
    assert!(matches!(&error, StoreError::NotAStore { found, .. } if found == "chapter-1.tex"), "{error}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let ours = directory.path().join("ours");
    fs::create_dir_all(ours.join("auth")).unwrap();
    drop(open(&ours));
}

#[test]
fn database_of_another_store_is_refused() {
    let directory = memory_directory();
    let (a, b) = (directory.path().join("a"), directory.path().join("b"));
    drop(open(&a));
    drop(open(&b));
    fs::remove_dir_all(a.join("db")).unwrap();
    copy(&b.join("db"), &a.join("db"));
    assert!(matches!(Store::open(&a), Err(StoreError::Damaged { .. })));
}

#[test]
fn interrupted_creation_opens_cleanly() {
    let directory = memory_directory();
    let whole = directory.path().join("whole");
    drop(open(&whole));
    // each stage at which a first opening can be cut short
    let stages: [fn(&Path, &Path); 6] = [
        |_, path| fs::create_dir(path).unwrap(),
        |_, path| fs::write(path.join(disk::LOCK), "").unwrap(),
        |_, path| fs::create_dir(path.join(disk::SWEEPS)).unwrap(),
        |whole, path| {
            fs::create_dir_all(path.join(disk::DATABASE_NEW)).unwrap();
            fs::copy(whole.join("db/conf"), path.join("db.new/conf")).unwrap();
            truncate(&path.join("db.new/conf"), 11);
        },
        |_, path| {
            let meta = super::super::recover::first_meta(true, None).unwrap();
            let fill = |new: &database::Database| super::super::recover::write_meta(path, new, &meta);
            database::Database::create(&path.join(disk::DATABASE), fill).unwrap();
        },
        |_, path| fs::write(path.join(disk::SEALS[0]), "").unwrap(),
    ];
    for last in 1..=stages.len() {
        let path = directory.path().join(format!("stage-{last}"));
        stages[..last].iter().for_each(|stage| stage(&whole, &path));
        let (store, recovered) = open(&path);
        assert_eq!(recovered.boot, 1, "stage {last}");
        if last < stages.len() {
            assert_eq!(recovered.notices, Vec::<String>::new(), "stage {last}");
        }
        store.commit(&[sweep(), outcomes(0, 0..10)]).unwrap();
        drop(store);
        let (_store, recovered) = open(&path);
        assert_eq!((recovered.boot, recovered.notices), (2, Vec::new()), "stage {last}");
    }
}
