//! Files that survive a power cut, and the space left for them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use seedsweep_common::limits;

use super::StoreError;

/// Name of the database's directory.
pub(super) const DATABASE: &str = "db";
/// Where a database is made before it gets its name.
pub(super) const DATABASE_NEW: &str = "db.new";
/// A whole database that is about to take the place of a damaged one.
pub(super) const DATABASE_READY: &str = "db.ready";
/// What a damaged database is renamed to, with a number.
pub(super) const DATABASE_DAMAGED: &str = "db-damaged-";
/// Specs, one file each.
pub(super) const SWEEPS: &str = "sweeps";
/// Data files by digest.
pub(super) const DATA: &str = "data";
/// Broken files, kept aside.
pub(super) const DAMAGED: &str = "damaged";
/// What was noticed at any opening.
pub(super) const NOTICES: &str = "notices.log";
/// The lock.
pub(super) const LOCK: &str = "store.lock";
/// The two seals.
pub(super) const SEALS: [&str; 2] = ["seal.0", "seal.1"];
/// The mark of the last commit.
pub(super) const MARK: &str = "mark";
/// What other parts of the coordinator keep in a store.
const OTHERS: [&str; 2] = ["auth", "coordinator.json"];

/// Whether `name` in a store's directory is the store's.
pub(super) fn is_ours(name: &str) -> bool {
    [DATABASE, DATABASE_NEW, DATABASE_READY, SWEEPS, DATA, DAMAGED, NOTICES, LOCK, MARK].contains(&name)
        || SEALS.contains(&name)
        || OTHERS.contains(&name)
        || name.starts_with(DATABASE_DAMAGED)
}

/// Writes `content` to `path` so that after a crash at any moment the file is whole or as it was before, and
/// durable on return.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary(path);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // what is left is a temporary name that the next opening removes as well
        let _ = fs::remove_file(&temporary);
        StoreError::io(path, source)
    })?;
    sync_parent(path)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Removes what interrupted writes left in `directory`.
pub(super) fn remove_temporaries(directory: &Path) -> Result<(), StoreError> {
    for path in entries(directory)? {
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(&path).map_err(|source| StoreError::io(&path, source))?;
        }
    }
    Ok(())
}

/// The paths in `directory`, sorted; none if it does not exist.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut paths = listed.map_err(|source| StoreError::io(directory, source))?;
    paths.sort();
    Ok(paths)
}

/// Makes `directory` and those above it, with durable names.
pub(super) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreError::io(directory, error)),
        _ => sync_parent(directory),
    }
}

/// Makes the names in the directory that holds `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_path(parent)
}

/// Makes a file's content or a directory's names durable.
pub(super) fn sync_path(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| StoreError::io(path, source))
}

/// Renames `path` to a free name `prefix<n>` in `directory`, never over anything; returns that name.
pub(super) fn set_aside(path: &Path, directory: &Path, prefix: &str) -> Result<PathBuf, StoreError> {
    create_directory(directory)?;
    let taken = entries(directory)?;
    let target = (1_u32..)
        .map(|number| directory.join(format!("{prefix}{number}")))
        .find(|target| !taken.contains(target))
        .ok_or_else(|| StoreError::io(directory, io::Error::other("it has no free name left")))?;
    fs::rename(path, &target).map_err(|source| StoreError::io(path, source))?;
    sync_path(directory)?;
    sync_parent(path)?;
    Ok(target)
}

/// Refuses if writing `bytes` more would touch the reserve: 2 % of the disk, between the two bounds of
/// `limits::DISK_RESERVE_BYTES`.
pub(super) fn check_space(directory: &Path, bytes: u64) -> Result<(), StoreError> {
    let (free_bytes, reserve_bytes) = space(directory)?;
    if free_bytes.saturating_sub(bytes) < reserve_bytes {
        return Err(StoreError::Full { path: directory.to_owned(), free_bytes, reserve_bytes });
    }
    Ok(())
}

/// The error of a write into the store in `directory`: `Full` if that is the reason.
pub(super) fn write_error(directory: &Path, source: io::Error) -> StoreError {
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        && let Ok((free_bytes, reserve_bytes)) = space(directory)
    {
        return StoreError::Full { path: directory.to_owned(), free_bytes, reserve_bytes };
    }
    StoreError::io(directory, source)
}

/// Free bytes and the reserve of the disk under `directory`.
fn space(directory: &Path) -> Result<(u64, u64), StoreError> {
    let disk = rustix::fs::statvfs(directory).map_err(|error| StoreError::io(directory, error.into()))?;
    let total_bytes = disk.f_blocks.saturating_mul(disk.f_frsize);
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    let reserve_bytes =
        (total_bytes / 50).clamp(limits::DISK_RESERVE_LEAST_BYTES, limits::DISK_RESERVE_BYTES);
    Ok((free_bytes, reserve_bytes))
}
