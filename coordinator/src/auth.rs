//! Tokens and the files that carry them.

use std::path::{Path, PathBuf};

/// The secrets of one store, 32 random bytes each in base64url.
#[derive(Clone)]
pub struct Tokens {
    /// For users: `SweepService`.
    pub admin: String,
    /// For workers: `WorkerService`.
    pub worker: String,
}

/// Why tokens could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file could not be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read a token.
    #[error(
        "`{path}` can be read by others (mode {mode:o}): run chmod 600 on it, or delete it to get a new token"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("`{path}` {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// All that a worker needs to join (`auth/worker.join`).
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Join {
    /// `http://host:port`.
    pub address: String,
    /// SHA-256 of the coordinator's certificate; `None` without TLS.
    pub certificate: Option<String>,
    /// The worker token.
    pub token: String,
}

/// Who serves a store (`coordinator.json`).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// `http://host:port`.
    pub address: String,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// When it started, in milliseconds since 1970.
    pub started_unix_ms: u64,
}

/// Reads a join file.
pub fn read_join(_path: &Path) -> Result<Join, AuthError> {
    unimplemented!()
}

/// Reads the tokens of the store in `store` without creating any.
pub fn read_tokens(_store: &Path) -> Result<Tokens, AuthError> {
    unimplemented!()
}

/// Who serves the store in `store`, if anybody says so. The process may be gone: ask the lock.
pub fn read_owner(_store: &Path) -> Result<Option<Owner>, AuthError> {
    unimplemented!()
}
