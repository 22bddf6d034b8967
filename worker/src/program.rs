//! The worker as a program: what was typed, and training for a coordinator until a signal comes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seedsweep_common::id::Name;
use seedsweep_common::join::Join;
use seedsweep_common::{duration, limits};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::secret::{self, SecretError};
use seedsweep_shell::signals::Interrupts;
use seedsweep_shell::{address, output};
use tokio::sync::watch;

use crate::client::{self, Shutdown, WorkerError};
use crate::means::{self, Means};

/// Compute threads.
#[derive(Debug, clap::Args)]
pub struct Slots {
    /// Compute threads [default: one per core]
    #[arg(long, value_name = "N", env = "SEEDSWEEP_SLOTS", hide_env_values = true,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::SLOTS_PER_WORKER)))]
    pub slots: Option<u32>,
    /// Most memory that a trial may take, for instance 2GiB [default: what is free, divided by the slots]
    #[arg(long, value_name = "SIZE", env = "SEEDSWEEP_SLOT_MEMORY", hide_env_values = true,
        value_parser = means::parse_bytes)]
    pub slot_memory: Option<u64>,
}

/// What `seedsweep worker` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The coordinator's join file (`auth/worker.join` in its store)
    #[arg(long, value_name = "FILE", env = "SEEDSWEEP_JOIN", hide_env_values = true)]
    pub join: PathBuf,
    /// Compute threads.
    #[command(flatten)]
    pub slots: Slots,
    /// Name for people [default: HOST-PID]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Leave after so long without work [default: stay]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub idle_exit: Option<Duration>,
}

impl Slots {
    /// As many as the machine has cores unless told.
    pub fn count(&self) -> u32 {
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        self.slots.unwrap_or_else(cores).min(limits::SLOTS_PER_WORKER)
    }

    /// What the slots train on: asked from the environment, measured.
    pub fn means(&self) -> Result<Means, CliError> {
        Means::of_this_machine(self.count(), self.slot_memory)
    }
}

/// Joins and works; the first signal drains, the second stops at once.
pub async fn run(args: Args) -> Result<Exit, CliError> {
    let join = read_join(&args.join)?;
    if join.certificate.is_some() {
        return Err(CliError::new(
            Kind::Usage,
            "the coordinator uses TLS, which this version does not speak yet",
        ));
    }
    let mut interrupts = Interrupts::listen()?;
    let (slots, means) = (args.slots.count(), args.slots.means()?);
    let name = args.name.unwrap_or_else(host_and_pid);
    // The worker tries again by itself, now and whenever the coordinator is away.
    let channel = address::endpoint(&join.address)?.connect_lazy();
    let threads = if slots == 1 { "1 slot".to_owned() } else { format!("{slots} slots") };
    output::note(&format!("worker {name} with {threads} for {}", join.address));
    means.announce();

    let settings = client::Config { name, slots, token: join.token, idle_exit: args.idle_exit, means };
    let (orders, shutdown) = watch::channel(Shutdown::Run);
    let mut work = tokio::spawn(client::run(settings, channel, shutdown));
    let result = tokio::select! {
        result = &mut work => result,
        () = interrupts.reached(1) => {
            output::note("leaving: finishing the trials under way; once more to stop at once");
            orders.send_replace(Shutdown::Drain);
            tokio::select! {
                result = &mut work => result,
                () = interrupts.reached(2) => {
                    orders.send_replace(Shutdown::Abort);
                    return Ok(exit::INTERRUPTED);
                }
            }
        }
    };
    let summary = result??;
    output::note(&format!("left after {} trials", summary.trials));
    Ok(exit::FINE)
}

fn read_join(path: &Path) -> Result<Join, SecretError> {
    Join::parse(&secret::read(path)?).map_err(|error| SecretError::malformed(path, error.to_string()))
}

fn name(text: &str) -> Result<String, String> {
    Name::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// A name that tells people where the worker runs, in the characters that names may have.
fn host_and_pid() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let legal = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let host: String = host.chars().filter(legal).take(limits::NAME_CHARS - 12).collect();
    format!("{}-{}", if host.is_empty() { "worker" } else { &host }, std::process::id())
}

impl From<WorkerError> for CliError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Refused(status) => Self::status(&status),
            error @ WorkerError::Token => Self::new(Kind::NotAllowed, error.to_string()),
            WorkerError::Threads { slots, source } => Self::caused(
                Kind::Usage,
                format!("cannot start {slots} compute threads: try --slots 1"),
                &source,
            ),
        }
    }
}
