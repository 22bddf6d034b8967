//! How a command reaches the sweeps it asks about. A store is asked through its coordinator: the one
//! that serves it now, or one of our own for as long as the question takes. Both answer over the wire,
//! so a question has one implementation.
//!
//! A question never creates a store.

use std::path::{Path, PathBuf};

use seedsweep_coordinator::auth;
use seedsweep_coordinator::program::{PAUSE, TRIES, open};
use seedsweep_coordinator::store::StoreError;
use seedsweep_coordinator::{self as coordinator, Coordinator, OpenError, ServeError};
use seedsweep_shell::address;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::output;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::client::Client;
use crate::config::Target;

/// Asks the coordinator that `target` means.
pub(crate) async fn ask<T>(
    target: &Target,
    question: impl AsyncFnOnce(&mut Client) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match target {
        Target::Remote { address, token_file } => {
            let token = read_token(token_file)?;
            let answer = question(&mut Client::connect(address, &token).await?).await;
            answer.map_err(|error| {
                error.about_token(format!(
                    "the coordinator at {address} refuses the token in `{}`",
                    token_file.display()
                ))
            })
        }
        Target::Store(directory) => {
            require(directory)?;
            ask_store(directory, question).await
        }
    }
}

/// Asks the coordinator that `target` means; a store that does not exist is created.
pub(crate) async fn ask_or_create<T>(
    target: &Target,
    question: impl AsyncFnOnce(&mut Client) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match target {
        Target::Remote { .. } => ask(target, question).await,
        Target::Store(directory) => ask_store(directory, question).await,
    }
}

/// Fails unless there is a store in `directory`.
pub(crate) fn require(directory: &Path) -> Result<(), CliError> {
    // The first thing that the opening of a store leaves.
    if directory.join("store.lock").is_file() {
        return Ok(());
    }
    let message = format!(
        "no store at `{}`: name one with --store DIR, or make one with `seedsweep run SPEC`",
        directory.display()
    );
    Err(CliError::new(Kind::NotFound, message))
}

async fn ask_store<T>(
    directory: &Path,
    question: impl AsyncFnOnce(&mut Client) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match reach(directory).await? {
        Reached::Owner(mut client) => question(&mut client).await,
        Reached::Ours(embedded) => {
            let answer = match embedded.client().await {
                Ok(mut client) => question(&mut client).await,
                Err(error) => Err(error),
            };
            embedded.close_after(answer).await
        }
    }
}

enum Reached {
    Owner(Client),
    Ours(Embedded),
}

/// The lock decides who is asked: a `coordinator.json` may be left over from a process that was killed.
async fn reach(directory: &Path) -> Result<Reached, CliError> {
    let mut tries = 1;
    loop {
        let held = match open(coordinator::Config::new(directory.to_owned())).await {
            Ok(coordinator) => return Embedded::start(coordinator).await.map(Reached::Ours),
            Err(OpenError::Store(held @ StoreError::Held { .. })) => held,
            Err(error) => return Err(error.into()),
        };
        match connect_to_owner(directory).await {
            Ok(client) => return Ok(Reached::Owner(client)),
            Err(error) if tries == TRIES => {
                tracing::debug!(?error, "the owner of the store does not answer");
                return Err(held.into());
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        tries += 1;
    }
}

async fn connect_to_owner(directory: &Path) -> Result<Client, CliError> {
    let owner = auth::read_owner(directory)?;
    let owner =
        owner.ok_or_else(|| CliError::new(Kind::Unreachable, "the store's owner is still starting"))?;
    Client::connect(&owner.address, &auth::read_tokens(directory)?.admin).await
}

fn read_token(file: &PathBuf) -> Result<String, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::caused(Kind::File, format!("cannot read the token file `{}`", file.display()), &error)
    })?;
    Ok(text.trim().to_owned())
}

/// A coordinator in this process, on a port of its own that only this machine reaches.
pub(crate) struct Embedded {
    address: String,
    tokens: auth::Tokens,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Embedded {
    /// Lets `coordinator` serve on 127.0.0.1 and says what it noticed when it opened.
    pub(crate) async fn start(coordinator: Coordinator) -> Result<Self, CliError> {
        for notice in coordinator.notices() {
            output::note(&format!("warning: {notice}"));
        }
        let refused = |error| CliError::caused(Kind::Bug, "cannot listen on 127.0.0.1", &error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(refused)?;
        let address = format!("http://{}", listener.local_addr().map_err(refused)?);
        let tokens = coordinator.tokens().clone();
        let (stop, stopped) = oneshot::channel();
        let shutdown = stop_requested(stopped);
        let served = tokio::spawn(coordinator.serve(listener, shutdown));
        Ok(Self { address, tokens, stop, served })
    }

    /// A connection as anybody else would make it.
    pub(crate) async fn channel(&self) -> Result<Channel, CliError> {
        let endpoint = address::endpoint(&self.address)?;
        endpoint.connect().await.map_err(|error| {
            CliError::caused(
                Kind::Bug,
                format!("this process's own coordinator at {} does not answer", self.address),
                &error,
            )
        })
    }

    /// A client with the admin token.
    pub(crate) async fn client(&self) -> Result<Client, CliError> {
        Client::new(self.channel().await?, &self.tokens.admin)
    }

    /// The token of workers.
    pub(crate) fn worker_token(&self) -> &str {
        &self.tokens.worker
    }

    /// Stops serving, closes the store and hands on `result`, unless the coordinator failed: why it did says more
    /// than that it no longer answered.
    pub(crate) async fn close_after<T>(self, result: Result<T, CliError>) -> Result<T, CliError> {
        // The receiver is gone if serving ended by itself; its result says why.
        let _ = self.stop.send(());
        self.served.await??;
        result
    }
}

async fn stop_requested(stopped: oneshot::Receiver<()>) {
    // A dropped sender asks for the same.
    let _ = stopped.await;
}
