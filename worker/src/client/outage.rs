//! Says once that the coordinator does not take or answer calls, and once that it does again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::Status;

/// Whether calls fail at the moment. Clones share it: many calls fail for one reason.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outage(Arc<AtomicBool>);

impl Outage {
    /// A call failed and will be tried again.
    pub(crate) fn met(&self, what: &str, status: &Status) {
        if self.0.swap(true, Ordering::Relaxed) {
            tracing::debug!(code = ?status.code(), "cannot {what}: {}", status.message());
        } else {
            tracing::warn!(code = ?status.code(), "cannot {what}, trying again: {}", status.message());
        }
    }

    /// A call was answered.
    pub(crate) fn over(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the coordinator answers again");
        }
    }
}
