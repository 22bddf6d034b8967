//! The coordinator: splits sweeps into tasks, leases them to workers, stores outcomes, answers questions.
//!
//! `core` decides, `driver` makes durable, `service` talks, `store` keeps. Nothing here trains: the coordinator
//! never multiplies matrices.

pub mod auth;
mod board;
pub mod config;
pub mod core;
mod driver;
pub mod program;
mod reader;
mod reports;
mod service;
pub mod store;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seedsweep_common::id::SweepId;
use seedsweep_common::limits;
use seedsweep_common::spec;
use seedsweep_shell::secret::SecretError;
use tokio::sync::oneshot;
use tonic::transport::server::TcpIncoming;

pub use config::Config;

use auth::{Owner, Tokens};
use board::{Board, Facts, Standing};
use core::{Core, Restored, RestoredPairs, Settings, Sizing};
use reader::Reader;
use reports::Analyst;
use store::{RecoveredSweep, Store};

/// A coordinator whose store is open and which is ready to serve.
pub struct Coordinator {
    config: Config,
    store: Store,
    tokens: Tokens,
    notices: Vec<String>,
    core: Core,
    board: Board,
    unreported: Vec<SweepId>,
}

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Tokens could not be read or written.
    #[error(transparent)]
    Auth(#[from] SecretError),
    /// A stored spec is not one that this version can run.
    #[error("the stored spec of sweep {id} cannot be read by this version:\n{problem}")]
    Spec {
        /// The sweep.
        id: SweepId,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why a coordinator stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("cannot serve")]
    Transport(#[source] tonic::transport::Error),
    /// The listener's address or the driver's thread could not be had.
    #[error("cannot serve")]
    Io(#[from] std::io::Error),
    /// `coordinator.json` or the join file could not be written.
    #[error(transparent)]
    Auth(#[from] SecretError),
    /// The driver's thread panicked. Nothing that was acknowledged is lost.
    #[error(
        "the coordinator met a bug and stopped: what was acknowledged is stored, start it again to go on"
    )]
    Bug,
    /// Tokens and data would travel unencrypted beyond this machine.
    #[error(
        "`listen` is {0}: beyond this machine tokens and data would travel in plaintext; listen on 127.0.0.1, or \
         say `insecure_plaintext` if the network is trusted"
    )]
    Plaintext(SocketAddr),
}

impl Coordinator {
    /// Opens the store (blocking; seconds for a large one), recovers the state of all sweeps, reads or
    /// creates tokens.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let (store, recovered) = Store::open(&config.store)?;
        let tokens = auth::read_or_create_tokens(&config.store)?;
        let mut core = Core::new(Settings {
            boot: recovered.boot,
            lease_ms: millis(config.lease),
            sizing: Sizing {
                target_ms: millis(config.task_target),
                restarts_per_task: config.restarts_per_task,
            },
        });
        let board = Board::new();
        let mut unreported = Vec::new();
        for sweep in recovered.sweeps {
            let (facts, restored, reported) = restored(sweep)?;
            let id = restored.id;
            core.restore(restored);
            let Some(view) = core.view(id) else { continue };
            let standing = Standing { view, pace: None };
            // an outcome may have come late, and the end before its report, the first end or one after an extension
            if standing.ended() && !(reported && standing.view.is_final()) {
                unreported.push(id);
            }
            board.post(Arc::new(facts), standing);
        }
        Ok(Self { config, store, tokens, notices: recovered.notices, core, board, unreported })
    }

    /// What people should know about the opening: what was lost and will be trained again. Empty if all is well.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Tokens of this store.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Serves on `listener` until `shutdown` completes, then stops giving work, answers and commits what is under
    /// way, writes the seal and closes the store. Writes `coordinator.json` first, and removes it at the
    /// end; writes `auth/worker.join` if workers are invited.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() && !self.config.insecure_plaintext {
            return Err(ServeError::Plaintext(address));
        }
        let directory = self.config.store.clone();
        let owner = owner(address);
        if self.config.invite_workers {
            auth::write_join(&directory, &owner.address, &self.tokens)?;
        }
        auth::write_presence(&directory, &owner)?;
        let served = self.serve_at(listener, shutdown).await;
        auth::remove_presence(&directory);
        served
    }

    async fn serve_at(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let Self { store, tokens, core, board, unreported, .. } = self;
        let board = Arc::new(board);
        let reader = Reader::new(store.clone());
        let analyst = Analyst::new(reader.clone());
        let parts = driver::Parts { core, store, board: board.clone(), analyst: analyst.clone(), unreported };
        let (driver, driver_ended) = driver::start(parts)?;
        let desk = service::Desk::new(driver.clone(), board.clone(), reader.clone(), analyst);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let (announce, announced) = oneshot::channel();
        let closing = async {
            shutdown.await;
            board.close();
            driver.close().await;
            announce.send(()).ok();
        };
        // calls that do not end by themselves must not hold the end up
        let patience = async {
            if announced.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(limits::SHUTDOWN_CALLS_MS)).await;
        };
        let served = tokio::select! {
            served = service::router(desk, &tokens).serve_with_incoming_shutdown(incoming, closing) => served,
            _ = driver_ended => {
                // connections outlive the router: their streams must not wait for a driver that is gone
                board.close();
                return Err(ServeError::Bug);
            }
            () = patience => {
                tracing::warn!("some calls did not end in {} ms and were cut off", limits::SHUTDOWN_CALLS_MS);
                Ok(())
            }
        };
        driver.stop().await;
        tokio::task::spawn_blocking(move || reader.close()).await.ok();
        served.map_err(ServeError::Transport)
    }
}

/// What the core and the board need to know of a stored sweep, and whether its report is stored.
fn restored(sweep: RecoveredSweep) -> Result<(Facts, Restored, bool), OpenError> {
    let RecoveredSweep { id, spec_toml, submitted_unix_ms, .. } = sweep;
    let spec = spec::parse_canonical(&spec_toml)
        .map_err(|errors| OpenError::Spec { id, problem: errors.rendered.join("\n") })?;
    let facts = Facts { id, spec, spec_toml, submitted_unix_ms };
    let restored = Restored {
        id,
        restarts: facts.spec.experiments.iter().map(|experiment| experiment.restarts).collect(),
        watched: facts.watched().collect(),
        plan: sweep.plan,
        done: sweep.done,
        diverged: sweep.diverged,
        failed: sweep.failed.into_iter().map(|(index, failure)| (index, failure.restart)).collect(),
        cancelled: sweep.cancelled,
        divergences: sweep.divergences,
        barriers: facts.wants_barriers(),
        pairs: RestoredPairs {
            pairs: sweep.pairs,
            trials: sweep.pairs_chosen_of,
            measured: sweep.measured,
            failed: sweep.unmeasurable,
        },
    };
    Ok((facts, restored, sweep.reported))
}

/// This process, serving at `address`. Where it listens on all addresses others find it by the host's name.
fn owner(address: SocketAddr) -> Owner {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let reachable = if address.ip().is_unspecified() {
        format!("http://{host}:{}", address.port())
    } else {
        format!("http://{address}")
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Owner { address: reachable, host, pid: std::process::id(), started_unix_ms: millis(since_1970) }
}

/// A message and its causes in one line, for those who only get a text.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
