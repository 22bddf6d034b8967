//! Opening: find out what is there, compare it with the seal, say what is missing, make whole what can be made whole.
//!
//! Nothing is ever deleted here: what cannot be used is set aside. What is lost is left out, so that it is trained
//! again, and named. The order (lock, inspect, repair, log, seals, boot number) makes every step repeatable after a
//! crash.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::Failure;
use seedsweep_common::range::IntervalSet;
use seedsweep_proto::store::v1::{Meta, Seal};

use super::commit::NewRow;
use super::database::{Database, DatabaseError, Row};
use super::key::Key;
use super::lock::{self, Lock};
use super::losses;
use super::mark::Mark;
use super::scan::Scan;
use super::seal::{self, SealFiles, SealsFound};
use super::tally::SweepTally;
use super::{FORMAT, Recovered, RecoveredSweep, Shared, Store, StoreError, Writer, disk, frame, restore};

const UUID_BYTES: usize = 16;
/// Rows that are copied in one commit when a database is rebuilt.
const COPIED_ROWS: usize = 64;

/// Opens or creates the store in `directory`.
pub(super) fn open(directory: &Path) -> Result<(Store, Recovered), StoreError> {
    let is_new = claim(directory)?;
    let lock = Lock::take(directory)?;
    let found = SealFiles::find(directory)?;
    check_format(directory, found.seal.as_ref().map(|seal| seal.format))?;
    for name in [disk::SWEEPS, disk::DATA] {
        disk::create_directory(&directory.join(name))?;
        disk::remove_temporaries(&directory.join(name))?;
    }
    let mut notices = Vec::new();
    let Whole { database, scan, mut meta } = make_whole(directory, is_new, &found, &mut notices)?;
    restore::write_missing_specs(directory, &scan)?;
    log_notices(directory, &notices)?;

    meta.boot = meta.boot.saturating_add(1);
    let seal = seal::of(&scan.tally, &meta.uuid, meta.boot);
    let mut seals = found.files;
    // both files, so that the boot number survives the loss of either and of the database
    seals.write(&seal)?;
    seals.write(&seal)?;
    write_meta(directory, &database, &meta)?;

    let recovered = recovered(&scan, meta.boot, notices);
    let shared = Shared {
        committed: AtomicU64::new(scan.tally.sequence),
        writer: Mutex::new(Writer {
            sealed_sequence: scan.tally.sequence,
            tally: scan.tally,
            seals,
            mark: Mark::open(directory)?,
            uuid: meta.uuid,
            boot: meta.boot,
            failed: None,
        }),
        database,
        directory: directory.to_owned(),
        _lock: lock,
    };
    Ok((Store { shared: shared.into() }, recovered))
}

/// A database that holds all that there is.
struct Whole {
    database: Database,
    scan: Scan,
    /// Identity, with the boot number of the last opening.
    meta: Meta,
}

/// Opens the database, compares it with its witnesses, names what is missing, and rebuilds it if anything is.
fn make_whole(
    directory: &Path,
    is_new: bool,
    found: &SealsFound,
    notices: &mut Vec<String>,
) -> Result<Whole, StoreError> {
    let seal = found.seal.as_ref();
    let Opened { mut database, mut scan, is_fresh } = open_database(directory, is_new, seal, notices)?;
    check_format(directory, scan.meta.as_ref().map(|meta| meta.format))?;
    notices.extend(doubt(directory, seal, !found.broken.is_empty(), scan.meta.as_ref())?);
    let mark = Mark::read(directory)?;
    losses::name(seal, mark, &scan, notices);
    let mut about_files = Vec::new();
    let specs = restore::read_specs(directory, &mut about_files)?;
    let last_sequence = mark.max(seal.map_or(0, |seal| seal.sequence)).max(scan.tally.sequence);
    let restored = restore::rows(&specs, seal, last_sequence, &scan, notices);
    let meta = known_meta(seal, scan.meta.as_ref())?;
    if is_fresh {
        let path = directory.join(disk::DATABASE);
        let written = database.write(restored.iter().map(NewRow::bytes));
        written.map_err(|error| disk::write_error(&path, error))?;
        scan = Scan::of(&database, 0).map_err(|error| error.at(&path))?;
    } else if !notices.is_empty() {
        (database, scan) = rebuild(directory, &meta, (database, &scan), &restored, notices)?;
    }
    notices.append(&mut about_files);
    scan.tally.sequence = scan.tally.sequence.max(last_sequence);
    Ok(Whole { database, scan, meta })
}

/// What the seal and the database say of each other's identity: an error if they are of two stores, a notice if
/// there is no seal where one should be.
pub(super) fn doubt(
    directory: &Path,
    seal: Option<&Seal>,
    broken: bool,
    meta: Option<&Meta>,
) -> Result<Option<String>, StoreError> {
    match (seal, meta) {
        (Some(seal), Some(meta)) if seal.uuid != meta.uuid => {
            let problem = "its database and its seal are of two different stores: bring back the directory `db` that \
                           belongs to it";
            Err(StoreError::Damaged { path: directory.to_owned(), problem: problem.to_owned() })
        }
        // a crash between the creation of the database and its first opening leaves it without a seal
        (None, Some(meta)) if meta.boot == 0 && !broken => Ok(None),
        (None, _) => Ok(Some(
            "the seal is missing or damaged: whether all that was stored is still there cannot be told"
                .to_owned(),
        )),
        (Some(_), _) => Ok(None),
    }
}

/// Copies the whole rows of a database in which something was wrong into a new one, and `restored` with them. A
/// sled that lost a part of its log once goes on to lose what is written to it later, so it is never written again.
fn rebuild(
    directory: &Path,
    meta: &Meta,
    (database, scan): (Database, &Scan),
    restored: &[NewRow],
    notices: &mut Vec<String>,
) -> Result<(Database, Scan), StoreError> {
    let path = directory.join(disk::DATABASE);
    disk::check_space(directory, Database::size_bytes(&path))?;
    let ready = directory.join(disk::DATABASE_READY);
    if ready.exists() {
        // a copy of what is copied again now
        fs::remove_dir_all(&ready).map_err(|source| StoreError::io(&ready, source))?;
    }
    Database::create(&ready, |new| {
        copy_rows(&database, scan, restored, new).map_err(|error| error.at(&path))?;
        new.write(restored.iter().map(NewRow::bytes)).map_err(|error| disk::write_error(&ready, error))?;
        write_meta(directory, new, meta)
    })?;
    drop(database);
    let kept = disk::set_aside(&path, directory, disk::DATABASE_DAMAGED)?;
    notices.push(format!(
        "the database was rebuilt from what is whole; the old one is kept as `{}`",
        kept.display()
    ));
    finish_rebuild(directory)?;
    read_database(&path, &directory.join(disk::DAMAGED), 0, notices).map_err(|error| error.at(&path))
}

/// Gives a rebuilt database its name, if there is one and the name is free.
fn finish_rebuild(directory: &Path) -> Result<(), StoreError> {
    let (ready, path) = (directory.join(disk::DATABASE_READY), directory.join(disk::DATABASE));
    if ready.exists() && !path.exists() {
        fs::rename(&ready, &path).map_err(|source| StoreError::io(&path, source))?;
        disk::sync_parent(&path)?;
    }
    Ok(())
}

/// Copies all whole rows of `from` but its identity, and but plans that are among `restored`.
fn copy_rows(from: &Database, scan: &Scan, restored: &[NewRow], to: &Database) -> Result<(), DatabaseError> {
    let is_plan = |key: &Key| matches!(key, Key::Plan { .. });
    let replaced: BTreeSet<SweepId> =
        restored.iter().filter(|row| is_plan(&row.key)).filter_map(|row| row.key.sweep()).collect();
    let is_replaced = |key: &Key| is_plan(key) && key.sweep().is_some_and(|sweep| replaced.contains(&sweep));
    let mut batch: Vec<Row> = Vec::new();
    let mut failed = None;
    let mut flush = |batch: &mut Vec<Row>| {
        let written = to.write(batch.iter().map(|(key, value)| (&key[..], &value[..])));
        batch.clear();
        written.map_err(|error| failed = Some(error)).is_ok()
    };
    from.scan(&[], |key, value| {
        let is_whole = Key::decode(key).is_some_and(|key| key != Key::Meta && !is_replaced(&key))
            && scan.broken.binary_search_by(|(broken, _)| broken[..].cmp(key)).is_err();
        if is_whole {
            batch.push((key.to_vec(), value.to_vec()));
        }
        batch.len() < COPIED_ROWS || flush(&mut batch)
    })?;
    flush(&mut batch);
    failed.map_or(Ok(()), |error| Err(DatabaseError::Io(error)))
}

/// Makes sure that `directory` exists and is a store or can become one; returns whether it is new.
fn claim(directory: &Path) -> Result<bool, StoreError> {
    disk::create_directory(directory)?;
    let names: Vec<String> = disk::entries(directory)?
        .iter()
        .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    let is_store = |name: &String| *name == disk::DATABASE || disk::SEALS.contains(&name.as_str());
    let leftover = |name: &String| {
        *name == disk::SWEEPS || *name == disk::NOTICES || name.starts_with(disk::DATABASE_DAMAGED)
    };
    if names.iter().any(is_store) {
        return Ok(false);
    }
    match names.iter().find(|name| !disk::is_ours(name)) {
        Some(found) => Err(StoreError::NotAStore { path: directory.to_owned(), found: found.clone() }),
        // a first opening that was interrupted has made an empty `sweeps` at most
        None => Ok(!names.iter().any(|name| leftover(name) && !is_empty_directory(&directory.join(name)))),
    }
}

fn is_empty_directory(path: &Path) -> bool {
    path.is_dir() && disk::entries(path).is_ok_and(|entries| entries.is_empty())
}

pub(super) fn check_format(directory: &Path, found: Option<u32>) -> Result<(), StoreError> {
    match found {
        Some(found) if !(1..=FORMAT).contains(&found) => {
            Err(StoreError::Format { path: directory.to_owned(), found, known: FORMAT })
        }
        _ => Ok(()),
    }
}

/// A database that was opened and read.
struct Opened {
    database: Database,
    scan: Scan,
    /// Whether it was made just now.
    is_fresh: bool,
}

/// Opens and reads the database; one that is missing or cannot be read is replaced by an empty one, once.
fn open_database(
    directory: &Path,
    is_new: bool,
    seal: Option<&Seal>,
    notices: &mut Vec<String>,
) -> Result<Opened, StoreError> {
    let path = directory.join(disk::DATABASE);
    let aside = directory.join(disk::DAMAGED);
    let sealed_sequence = seal.map_or(0, |seal| seal.sequence);
    finish_rebuild(directory)?;
    if path.exists() {
        match read_database(&path, &aside, sealed_sequence, notices) {
            Ok((database, scan)) => return Ok(Opened { database, scan, is_fresh: false }),
            Err(DatabaseError::Io(error)) => return Err(disk::write_error(&path, error)),
            Err(DatabaseError::Damaged(problem)) => {
                let kept = disk::set_aside(&path, directory, disk::DATABASE_DAMAGED)?;
                notices.push(format!(
                    "the database cannot be read ({problem}): it is kept as `{}`, and a new one takes its place. \
                     Sweeps are restored from their specs; outcomes come back from a backup or an export, or by \
                     training again, to the same bits",
                    kept.display()
                ));
            }
        }
    } else if !is_new {
        notices.push(
            "the database is gone: a new one takes its place, and sweeps are restored from their specs"
                .to_owned(),
        );
    }
    let meta = first_meta(is_new, seal)?;
    Database::create(&path, |new| write_meta(directory, new, &meta))?;
    let read = read_database(&path, &aside, sealed_sequence, notices);
    let (database, scan) = read.map_err(|error| error.at(&path))?;
    Ok(Opened { database, scan, is_fresh: true })
}

fn read_database(
    path: &Path,
    aside: &Path,
    sealed_sequence: u64,
    notices: &mut Vec<String>,
) -> Result<(Database, Scan), DatabaseError> {
    let database = Database::open_mended(path, aside, notices)?;
    let scan = Scan::of(&database, sealed_sequence)?;
    Ok((database, scan))
}

/// Identity of a database that is made now.
pub(super) fn first_meta(is_new: bool, seal: Option<&Seal>) -> Result<Meta, StoreError> {
    let boot = match seal {
        Some(seal) => seal.boot,
        None if is_new => 0,
        None => lost_boot(),
    };
    let uuid = seal.map_or_else(random_uuid, |seal| Ok(seal.uuid.clone()))?;
    Ok(Meta { format: FORMAT, uuid, boot })
}

/// Identity of a store, from what of it is left.
fn known_meta(seal: Option<&Seal>, stored: Option<&Meta>) -> Result<Meta, StoreError> {
    let boot = seal.map(|seal| seal.boot).max(stored.map(|meta| meta.boot));
    let uuid = stored.map(|meta| &meta.uuid).or(seal.map(|seal| &seal.uuid));
    Ok(Meta {
        format: FORMAT,
        uuid: uuid.map_or_else(random_uuid, |uuid| Ok(uuid.clone()))?,
        boot: boot.unwrap_or_else(lost_boot),
    })
}

/// A boot number above all that a store whose count is lost can have had: seconds since 1970, since nothing opens
/// more than once a second for that long.
fn lost_boot() -> u32 {
    u32::try_from(lock::now_unix_ms() / 1_000).unwrap_or(u32::MAX / 2)
}

fn random_uuid() -> Result<Vec<u8>, StoreError> {
    let path = Path::new("/dev/urandom");
    let mut uuid = vec![0; UUID_BYTES];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut uuid))
        .map_err(|source| StoreError::io(path, source))?;
    Ok(uuid)
}

pub(super) fn write_meta(directory: &Path, database: &Database, meta: &Meta) -> Result<(), StoreError> {
    let key = Key::Meta.encode();
    let value = frame::seal_in(&key, 0, meta);
    database.write([(&key[..], &value[..])]).map_err(|error| disk::write_error(directory, error))
}

/// Keeps `notices` in the store: after the new seal is written nothing else tells of them.
fn log_notices(directory: &Path, notices: &[String]) -> Result<(), StoreError> {
    if notices.is_empty() {
        return Ok(());
    }
    let path = directory.join(disk::NOTICES);
    let now = lock::now_unix_ms();
    let lines: String = notices.iter().map(|notice| format!("{now} {notice}\n")).collect();
    let append = |mut file: File| file.write_all(lines.as_bytes()).and_then(|()| file.sync_all());
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(append)
        .map_err(|source: io::Error| disk::write_error(&path, source))?;
    disk::sync_parent(&path)
}

fn recovered(scan: &Scan, boot: u32, notices: Vec<String>) -> Recovered {
    let mut sweeps: Vec<(u64, RecoveredSweep)> = scan
        .sweeps
        .iter()
        .map(|(&id, record)| {
            let tally = scan.tally.sweeps.get(&id).cloned().unwrap_or_default();
            let stage = scan.second_stages.get(&id).cloned().unwrap_or_default();
            let sweep = RecoveredSweep {
                id,
                spec_toml: record.spec_toml.clone(),
                submitted_unix_ms: record.submitted_unix_ms,
                cancelled: tally.cancelled,
                diverged: diverged(scan, id, tally.done.len()),
                failed: failed(scan, id, &tally),
                divergences: tally.divergences + stage.divergences(),
                reported: scan.reports.contains_key(&id),
                plan: tally.plan,
                done: tally.done,
                unmeasurable: stage.failed(),
                measured: stage.measured(),
                pairs_chosen_of: stage.trials,
                pairs: stage.pairs,
            };
            (record.ordinal, sweep)
        })
        .collect();
    sweeps.sort_by_key(|(ordinal, sweep)| (*ordinal, sweep.id));
    Recovered { boot, sweeps: sweeps.into_iter().map(|(_, sweep)| sweep).collect(), notices }
}

fn diverged(scan: &Scan, id: SweepId, experiments: usize) -> Vec<IntervalSet> {
    let of = |experiment| scan.diverged.get(&(id, ExperimentIndex(experiment))).cloned().unwrap_or_default();
    (0..experiments as u32).map(of).collect()
}

/// Failed trials that have no outcome.
fn failed(scan: &Scan, id: SweepId, tally: &SweepTally) -> Vec<(ExperimentIndex, Failure)> {
    let first = (id, ExperimentIndex(0), 0);
    let last = (id, ExperimentIndex(u32::MAX), u32::MAX);
    scan.failures
        .range(first..=last)
        .filter(|((_, experiment, restart), _)| {
            !tally.done.get(experiment.0 as usize).is_some_and(|done| done.contains(*restart))
        })
        .map(|(&(_, experiment, restart), (_, cause))| {
            (experiment, Failure { restart, cause: cause.clone() })
        })
        .collect()
}
