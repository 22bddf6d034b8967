//! The coordinator as a program: what was typed, and a store served to workers and users until a signal comes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seedsweep_common::duration;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::secret::SecretError;
use seedsweep_shell::signals::Interrupts;
use seedsweep_shell::{output, settings};
use tokio::net::TcpListener;

use crate::store::StoreError;
use crate::{Config, Coordinator, OpenError, ServeError, auth};

/// How often a store is tried whose owner is just starting or just leaving.
pub const TRIES: u32 = 8;
/// The pause between two tries.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Where a store is if nobody says otherwise.
const DEFAULT_STORE: &str = "./seedsweep-store";

/// A store on this machine.
#[derive(Debug, clap::Args)]
pub struct StoreDir {
    /// The store; created if it does not exist [env: SEEDSWEEP_STORE] [default: ./seedsweep-store]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// How a coordinator hands out work.
#[derive(Debug, clap::Args)]
pub struct Leasing {
    /// How long a worker may be silent before its tasks go to others
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration::parse, env = "SEEDSWEEP_LEASE", hide_env_values = true)]
    pub lease: Duration,
    /// Restarts per task, exactly; for tests of reproducibility.
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub restarts_per_task: Option<u32>,
}

/// What `seedsweep coordinator` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store that is served.
    #[command(flatten)]
    pub store: StoreDir,
    /// Where to listen; port 0 takes any free port, which workers do not find again after a restart
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:7373",
        env = "SEEDSWEEP_LISTEN",
        hide_env_values = true
    )]
    pub listen: SocketAddr,
    /// Listen beyond this machine although tokens and data then travel unencrypted
    #[arg(long)]
    pub insecure_plaintext: bool,
    /// How work is handed out.
    #[command(flatten)]
    pub leasing: Leasing,
}

/// The store that is meant: `typed`, else `SEEDSWEEP_STORE` as `variable` knows it, else the default.
pub fn store_directory(typed: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let named = typed.map(Path::to_owned).or_else(|| variable("SEEDSWEEP_STORE").map(PathBuf::from));
    named.unwrap_or_else(|| DEFAULT_STORE.into())
}

impl StoreDir {
    /// The store that is meant.
    pub fn directory(&self) -> PathBuf {
        store_directory(self.store.as_deref(), settings::variable)
    }
}

impl Leasing {
    /// Settings of a coordinator on the store in `store`.
    pub fn config(&self, store: PathBuf) -> Result<Config, CliError> {
        let allowed_ms = 200..=3_600_000;
        if !allowed_ms.contains(&self.lease.as_millis()) {
            let message = format!("--lease is {:?}: 200ms to 1h are allowed", self.lease);
            return Err(CliError::new(Kind::Usage, message));
        }
        Ok(Config { lease: self.lease, restarts_per_task: self.restarts_per_task, ..Config::new(store) })
    }
}

/// Opens a coordinator off the async runtime: a large store takes seconds.
pub async fn open(config: Config) -> Result<Coordinator, OpenError> {
    match tokio::task::spawn_blocking(move || Coordinator::open(config)).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Opens a coordinator; a reader that holds the store for a moment is waited for.
pub async fn open_soon(config: Config) -> Result<Coordinator, OpenError> {
    for _ in 1..TRIES {
        match open(config.clone()).await {
            Err(OpenError::Store(StoreError::Held { .. })) => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
    open(config).await
}

/// Serves until a signal comes; a second one stops at once.
pub async fn run(args: Args) -> Result<Exit, CliError> {
    if !args.listen.ip().is_loopback() && !args.insecure_plaintext {
        let message = format!(
            "--listen {} is reached from other machines, where tokens and data travel unencrypted: \
             add --insecure-plaintext if the network is yours alone, or use an ssh tunnel",
            args.listen
        );
        return Err(CliError::new(Kind::Usage, message));
    }
    let mut interrupts = Interrupts::listen()?;
    let store = args.store.directory();
    // Before the store is opened: a wrong address leaves nothing behind.
    let taken = |error| {
        let message = format!("cannot listen on {}: choose another with --listen 127.0.0.1:0", args.listen);
        CliError::caused(Kind::Usage, message, &error)
    };
    let listener = TcpListener::bind(args.listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let coordinator = open_soon(Config {
        insecure_plaintext: args.insecure_plaintext,
        invite_workers: true,
        ..args.leasing.config(store.clone())?
    })
    .await?;
    for notice in coordinator.notices() {
        output::note(&format!("warning: {notice}"));
    }

    let mut first = interrupts.clone();
    let served = coordinator.serve(listener, async move {
        first.reached(1).await;
        output::note("stopping: storing what is under way");
    });
    tokio::pin!(served);
    // Its first step writes the join file: whoever reads the line below can use it.
    tokio::select! {
        biased;
        result = &mut served => return Ok(result.map(|()| exit::FINE)?),
        () = std::future::ready(()) => {}
    }
    let join = auth::join_path(&store);
    output::line(&format!("serving http://{address} · workers join with {}", join.display()))?;
    tokio::select! {
        result = served => result?,
        () = interrupts.reached(2) => return Ok(exit::INTERRUPTED),
    }
    Ok(exit::FINE)
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            // The tokens are a part of the store.
            OpenError::Auth(error @ SecretError::Io { .. }) => Self::of(Kind::Store, &error),
            OpenError::Auth(error) => error.into(),
            OpenError::Spec { .. } => Self::of(Kind::Store, &error),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::of(Kind::Store, &error)
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let kind = match &error {
            ServeError::Plaintext(_) => Kind::Usage,
            ServeError::Auth(_) => Kind::Store,
            ServeError::Transport(_) | ServeError::Io(_) | ServeError::Bug => Kind::Bug,
        };
        Self::of(kind, &error)
    }
}
