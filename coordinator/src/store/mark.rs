//! The mark: the sequence number of the last commit, for the second or so that no seal vouches for yet.
//!
//! It is written after each commit and never synced, which costs next to nothing. A process that is killed leaves it
//! whole; after a power cut it may be too small, never too large.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{StoreError, disk, frame};

/// What the checksum of the mark covers beside its number.
const FRAME_KEY: &[u8] = b"mark";

/// The open file.
pub(super) struct Mark {
    file: File,
}

impl Mark {
    /// Opens or makes the mark of the store in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(disk::MARK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.map(|file| Self { file }).map_err(|error| disk::write_error(&path, error))
    }

    /// The last mark of the store in `directory`; 0 if there is none that is whole.
    pub(super) fn read(directory: &Path) -> Result<u64, StoreError> {
        let path = directory.join(disk::MARK);
        match fs::read(&path) {
            Ok(bytes) => Ok(frame::check(FRAME_KEY, &bytes).map_or(0, |(sequence, _)| sequence)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// Sets the mark to `sequence`.
    pub(super) fn set(&self, sequence: u64) -> io::Result<()> {
        self.file.write_all_at(&frame::seal_in(FRAME_KEY, sequence, &()), 0)
    }
}
