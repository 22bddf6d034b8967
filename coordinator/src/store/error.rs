//! Why the store refuses: one variant for each thing a caller can do differently.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns it.
    #[error("the store `{path}` is in use by process {pid} on {host}")]
    Held {
        /// The store.
        path: PathBuf,
        /// The owner's process.
        pid: u32,
        /// The owner's host.
        host: String,
    },
    /// The file system refused.
    #[error("cannot use the store `{path}`")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk is as good as full.
    #[error(
        "the disk of the store `{path}` is full: {free_bytes} bytes are free, {reserve_bytes} are kept in reserve"
    )]
    Full {
        /// The store.
        path: PathBuf,
        /// Free bytes.
        free_bytes: u64,
        /// Bytes never used.
        reserve_bytes: u64,
    },
    /// Written by another version.
    #[error("the store `{path}` has format {found}: this version reads formats up to {known}")]
    Format {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The directory belongs to something else.
    #[error("`{path}` is not a store: it holds `{found}`; name a new or an empty directory")]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// A file in it that no store has.
        found: String,
    },
    /// It holds what it cannot hold.
    #[error("the store `{path}` is damaged: {problem}")]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong, and what can be done.
        problem: String,
    },
}

impl StoreError {
    /// The file system refused at `path`.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
