//! Reads of the store for services, off the async runtime.
//!
//! Closed at the end, so that no straggling connection keeps the store open.

use std::sync::{Arc, PoisonError, RwLock};

use crate::store::{Store, StoreError};

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The coordinator is going down.
    #[error("the coordinator is shutting down")]
    Closed,
    /// A bug.
    #[error("a read of the store panicked")]
    Panicked,
}

/// Shared access to the store until it is closed.
#[derive(Clone)]
pub(crate) struct Reader {
    store: Arc<RwLock<Option<Store>>>,
}

impl Reader {
    /// Reads from `store`.
    pub(crate) fn new(store: Store) -> Self {
        Self { store: Arc::new(RwLock::new(Some(store))) }
    }

    /// Runs `read` on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = self.store.clone();
        let run = move || {
            let guard = shared.read().unwrap_or_else(PoisonError::into_inner);
            let store = guard.as_ref().ok_or(ReadError::Closed)?;
            Ok(read(store)?)
        };
        tokio::task::spawn_blocking(run).await.unwrap_or(Err(ReadError::Panicked))
    }

    /// Waits for the reads under way and lets go of the store. Blocking.
    pub(crate) fn close(&self) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
