//! `seedsweep worker`: train for a coordinator until stopped.

use seedsweep_common::limits;
use seedsweep_coordinator::auth;
use seedsweep_worker::client::{self as worker, Shutdown, WorkerError};
use tokio::sync::watch;

use crate::args;
use crate::client;
use crate::config;
use crate::error::{CliError, Kind};
use crate::exit::{self, Exit};
use crate::output;
use crate::signals::Interrupts;

/// Joins and works; the first signal drains, the second stops at once.
pub(crate) async fn run(args: args::Worker) -> Result<Exit, CliError> {
    let join = auth::read_join(&args.join)?;
    if join.certificate.is_some() {
        return Err(CliError::new(
            Kind::Usage,
            "the coordinator uses TLS, which this version does not speak yet",
        ));
    }
    let mut interrupts = Interrupts::listen()?;
    let slots = config::slots(&args.slots);
    let name = args.name.unwrap_or_else(host_and_pid);
    // The worker tries again by itself, now and whenever the coordinator is away.
    let channel = client::endpoint(&join.address)?.connect_lazy();
    output::note(&format!("worker {name} with {slots} slots for {}", join.address));

    let settings = worker::Config { name, slots, token: join.token, idle_exit: args.idle_exit };
    let (orders, shutdown) = watch::channel(Shutdown::Run);
    let mut work = tokio::spawn(worker::run(settings, channel, shutdown));
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
    let summary = result?.map_err(stopped)?;
    output::note(&format!("left after {} trials", summary.trials));
    Ok(exit::FINE)
}

/// A name that tells people where the worker runs, in the characters that names may have.
fn host_and_pid() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let legal = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let host: String = host.chars().filter(legal).take(limits::NAME_CHARS - 12).collect();
    format!("{}-{}", if host.is_empty() { "worker" } else { &host }, std::process::id())
}

fn stopped(error: WorkerError) -> CliError {
    match error {
        WorkerError::Refused(status) => CliError::status(&status),
        error @ WorkerError::Token => CliError::new(Kind::NotAllowed, error.to_string()),
        WorkerError::Threads { slots, source } => CliError::caused(
            Kind::Usage,
            format!("cannot start {slots} compute threads: try --slots 1"),
            &source,
        ),
    }
}
