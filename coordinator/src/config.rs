//! What a coordinator is told at its start.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a coordinator.
#[derive(Debug, Clone)]
pub struct Config {
    /// The store's directory; created if it does not exist.
    pub store: PathBuf,
    /// How long a worker may stay silent before its tasks go to others. Renewals come at a third of it.
    pub lease: Duration,
    /// Training time that a task should take.
    pub task_target: Duration,
    /// Exactly so many restarts per task instead (tests of reproducibility).
    pub restarts_per_task: Option<u32>,
    /// Whether to serve beyond this machine although tokens and data travel unencrypted.
    pub insecure_plaintext: bool,
    /// Whether to write the join file, so that workers elsewhere find this coordinator. One that answers a question
    /// or runs a sweep by itself is gone soon, and must leave the file of the one that workers know as it is.
    pub invite_workers: bool,
}

impl Config {
    /// Defaults for the store in `store`.
    pub fn new(store: PathBuf) -> Self {
        Self {
            store,
            lease: Duration::from_secs(15),
            task_target: Duration::from_secs(1),
            restarts_per_task: None,
            insecure_plaintext: false,
            invite_workers: false,
        }
    }
}
