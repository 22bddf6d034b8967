//! sled, and how to use it so that what was acknowledged stays (docs/format.md, "What sled does and does not").
//!
//! Nothing outside this file names sled. No panic of sled leaves its calls: each is guarded.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use seedsweep_common::limits;

use super::{StoreError, disk};

/// sled's log, inside its directory: what `sync_data` makes durable.
const LOG: &str = "db";
/// sled's settings, inside its directory.
const SETTINGS: &str = "conf";
/// What the names of sled's snapshots start with. They are a cache of its log.
const SNAPSHOT: &str = "snap.";
/// What the name of a snapshot that was not finished ends with. sled takes it for a whole one.
const UNFINISHED: &str = ".generating";
/// How long a database of this process that was just closed may keep its lock.
const CLOSING: Duration = Duration::from_secs(2);

/// Why the database could not be opened or read.
#[derive(Debug)]
pub(super) enum DatabaseError {
    /// The file system refused: try again when it does not.
    Io(io::Error),
    /// Its content is broken.
    Damaged(String),
}

impl DatabaseError {
    /// As the store's error.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Io(source) => disk::write_error(path, source),
            Self::Damaged(problem) => StoreError::Damaged { path: path.to_owned(), problem },
        }
    }
}

impl From<sled::Error> for DatabaseError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// A key and its value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// An open database.
pub(super) struct Database {
    pub(super) tree: sled::Db,
    /// Our own handle: sled's `flush` does not sync the disk on Linux.
    log: File,
}

impl Database {
    /// Makes a database under the name `path` with what `fill` writes into it; a crash leaves a whole one or none.
    pub(super) fn create(
        path: &Path,
        fill: impl FnOnce(&Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let new = path.with_file_name(disk::DATABASE_NEW);
        if new.exists() {
            // an earlier creation that was cut short
            fs::remove_dir_all(&new).map_err(|source| StoreError::io(&new, source))?;
        }
        let database = open_sled(&new).map_err(|error| error.at(&new))?;
        fill(&database)?;
        drop(database);
        for name in [SETTINGS, LOG] {
            disk::sync_path(&new.join(name))?;
        }
        disk::sync_path(&new)?;
        fs::rename(&new, path).map_err(|source| StoreError::io(path, source))?;
        disk::sync_parent(path)
    }

    /// Bytes of the database in `path` on disk.
    pub(super) fn size_bytes(path: &Path) -> u64 {
        fs::metadata(path.join(LOG)).map_or(0, |log| log.len())
    }

    /// Opens the database `path` as it is.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        remove_unfinished_snapshots(path)?;
        let database = open_sled(path)?;
        for name in [SETTINGS, LOG] {
            File::open(path.join(name)).and_then(|file| file.sync_all()).map_err(DatabaseError::Io)?;
        }
        Ok(database)
    }

    /// Opens the database `path`. What can be made again from its log is moved to `aside` if it stands in the
    /// way, and named in `notices`.
    pub(super) fn open_mended(
        path: &Path,
        aside: &Path,
        notices: &mut Vec<String>,
    ) -> Result<Self, DatabaseError> {
        let mut opened = Self::open(path);
        for cache in [SNAPSHOT, SETTINGS] {
            let Err(DatabaseError::Damaged(problem)) = &opened else { break };
            if move_aside(path, cache, aside)? > 0 {
                notices.push(format!(
                    "the database did not open ({problem}): its file `{cache}` was moved to `{}` and made again",
                    aside.display()
                ));
                opened = Self::open(path);
            }
        }
        opened
    }

    /// Makes all of `rows` durable, or none.
    pub(super) fn write<'a>(&self, rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> io::Result<()> {
        if self.log.metadata()?.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "its database was deleted while it was open",
            ));
        }
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            batch.insert(key, value);
        }
        let applied = guarded(|| self.tree.apply_batch(batch).and_then(|()| self.tree.flush()));
        match applied.and_then(|applied| applied.map_err(DatabaseError::from)) {
            Ok(_) => self.log.sync_data(),
            Err(DatabaseError::Io(error)) => Err(error),
            Err(DatabaseError::Damaged(problem)) => Err(io::Error::other(problem)),
        }
    }

    /// Calls `visit` with every row whose key starts with `prefix`, ascending, until it returns `false`.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), DatabaseError> {
        let mut rows = self.tree.scan_prefix(prefix);
        let mut last: Option<sled::IVec> = None;
        // `visit` runs outside the guard: a panic of ours is a bug and must not be taken for damage
        while let Some(row) = guarded(|| rows.next())? {
            let (key, value) = row?;
            // a broken index could lead in circles
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(DatabaseError::Damaged("its keys are not in order".to_owned()));
            }
            if !visit(&key, &value) {
                break;
            }
            last = Some(key);
        }
        Ok(())
    }

    /// The rows from `first` to `last`, both included, ascending.
    pub(super) fn between(&self, first: &[u8], last: &[u8]) -> Result<Vec<Row>, DatabaseError> {
        guarded(|| {
            let rows = self.tree.range(first..=last);
            rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
                .collect::<Result<_, _>>()
                .map_err(DatabaseError::from)
        })?
    }
}

fn open_sled(path: &Path) -> Result<Database, DatabaseError> {
    let deadline = Instant::now() + CLOSING;
    loop {
        // mode, segment size and compression must never change: sled refuses a file made with others
        let config = sled::Config::new().path(path).cache_capacity(limits::STORE_CACHE_BYTES);
        match guarded(|| config.open())?.map_err(DatabaseError::from) {
            Ok(tree) => {
                let log = File::open(path.join(LOG)).map_err(DatabaseError::Io)?;
                return Ok(Database { tree, log });
            }
            // we hold the store's lock, so that this can only be our own thread that has not finished closing
            Err(DatabaseError::Io(error)) if is_locked(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

fn remove_unfinished_snapshots(path: &Path) -> Result<(), DatabaseError> {
    for file in files(path)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(SNAPSHOT) && name.ends_with(UNFINISHED) {
            fs::remove_file(&file).map_err(DatabaseError::Io)?;
        }
    }
    Ok(())
}

/// Moves the files whose names start with `prefix` to `aside`; returns how many.
fn move_aside(path: &Path, prefix: &str, aside: &Path) -> Result<usize, DatabaseError> {
    let mut moved = 0;
    for file in files(path)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            disk::set_aside(&file, aside, &format!("{name}-"))
                .map_err(|error| DatabaseError::Io(io::Error::other(error)))?;
            moved += 1;
        }
    }
    Ok(moved)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, DatabaseError> {
    disk::entries(path).map_err(|error| DatabaseError::Io(io::Error::other(error)))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `action`; a panic in it becomes `Damaged`. The only panics that end here are sled's, on files whose content
/// it did not expect, and they are told as damage, so that the panic hook stays silent about them.
fn guarded<T>(action: impl FnOnce() -> T) -> Result<T, DatabaseError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                previous(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(action));
    GUARDED.set(outer);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        DatabaseError::Damaged(format!("sled panicked: {}", text.unwrap_or_default()))
    })
}
