//! The coordinator: splits sweeps into tasks, leases them to workers, stores outcomes, answers questions.

pub mod auth;
pub mod config;
pub mod store;

use std::future::Future;

pub use config::Config;

/// A coordinator whose store is open and which is ready to serve.
pub struct Coordinator {}

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Tokens could not be read or written.
    #[error(transparent)]
    Auth(#[from] auth::AuthError),
}

/// Why a coordinator stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("cannot serve")]
    Transport(#[source] tonic::transport::Error),
}

impl Coordinator {
    /// Opens the store (blocking; seconds for a large one), recovers the state of all sweeps, reads or
    /// creates tokens.
    pub fn open(_config: Config) -> Result<Self, OpenError> {
        unimplemented!()
    }

    /// What people should know about the opening: what was lost and will be trained again. Empty if all is well.
    pub fn notices(&self) -> &[String] {
        unimplemented!()
    }

    /// Tokens of this store.
    pub fn tokens(&self) -> &auth::Tokens {
        unimplemented!()
    }

    /// Serves on `listener` until `shutdown` completes, then stops taking work, commits what is under way,
    /// writes the seal and closes the store. Writes `coordinator.json` and `auth/worker.join` first.
    pub async fn serve(
        self,
        _listener: tokio::net::TcpListener,
        _shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        unimplemented!()
    }
}
