//! The workers that wait for tasks.

use seedsweep_common::id::WorkerId;
use seedsweep_common::limits;

use super::handle::{DriverError, Leased, Reply};
use crate::core::Timestamp;

/// A call that waits for tasks.
pub(super) struct Waiter {
    pub(super) worker: WorkerId,
    /// Tasks wanted.
    pub(super) most: u32,
    /// When it goes without.
    pub(super) until: Timestamp,
    /// Whether the core was asked for it before.
    pub(super) asked: bool,
    pub(super) reply: Reply<Leased>,
}

/// All calls that wait, oldest first.
#[derive(Default)]
pub(super) struct Waiting {
    waiters: Vec<Waiter>,
}

impl Waiting {
    /// Adds a call, unless more calls wait than there may be workers.
    pub(super) fn push(&mut self, waiter: Waiter) {
        if self.waiters.len() >= limits::WORKERS {
            waiter.reply.send(Err(DriverError::Busy)).ok();
            return;
        }
        self.waiters.push(waiter);
    }

    /// Takes all out, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiters)
    }

    /// When the first goes without.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.waiters.iter().map(|waiter| waiter.until).min()
    }

    /// Answers `error` to all.
    pub(super) fn refuse(&mut self, error: &DriverError) {
        for waiter in self.take_all() {
            waiter.reply.send(Err(error.clone())).ok();
        }
    }
}
