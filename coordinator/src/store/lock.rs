//! One process owns a store.
//!
//! The lock is the kernel's and ends with its process, however that ends. Its content only tells who holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{StoreError, disk};

/// A held lock; dropping it lets go.
pub(super) struct Lock {
    file: File,
}

/// Who holds a lock.
#[derive(serde::Serialize, serde::Deserialize)]
struct Holder {
    host: String,
    pid: u32,
    started_unix_ms: u64,
}

impl Lock {
    /// Takes the lock of the store in `directory`, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(disk::LOCK);
        let io = |source| StoreError::io(&path, source);
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(directory, &mut file)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let holder = Holder { host: host(), pid: std::process::id(), started_unix_ms: now_unix_ms() };
        let text = serde_json::to_vec(&holder).map_err(|error| io(error.into()))?;
        file.set_len(0)
            .and_then(|()| file.write_all(&text))
            .map_err(|error| disk::write_error(directory, error))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // closing alone would leave it to a child that another thread is about to start
        let _ = self.file.unlock();
    }
}

fn held(directory: &Path, file: &mut File) -> StoreError {
    let mut text = String::new();
    // an owner that is just starting may not have written its name yet: pid 0
    let holder = file.rewind().and_then(|()| file.read_to_string(&mut text)).ok();
    let holder = holder.and_then(|_| serde_json::from_str(&text).ok());
    let holder = holder.unwrap_or(Holder { host: "an unknown host".to_owned(), pid: 0, started_unix_ms: 0 });
    StoreError::Held { path: directory.to_owned(), pid: holder.pid, host: holder.host }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
