//! One sweep to its end on this machine: a worker in this process over the real wire, progress, and an
//! orderly stop when a signal comes.

use std::time::Duration;

use seedsweep_common::spec::SweepSpec;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::output;
use seedsweep_shell::signals::Interrupts;
use seedsweep_worker::client::{self as worker, Shutdown, Summary, WorkerError};
use seedsweep_worker::means::Means;
use seedsweep_worker::program::Slots;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt;

use crate::client::{Client, present, refused};
use crate::progress::Progress;
use crate::session::Embedded;
use crate::status;
use crate::sweep_file::SweepFile;

/// Longest wait for the worker to leave once nothing is left to do.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that a store which takes nothing in is waited for: somebody may free space.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// A sweep that ended, with its report.
pub(crate) struct Finished {
    /// Its last state.
    pub(crate) sweep: v1::Sweep,
    /// The first of its failed trials, with their causes.
    pub(crate) failures: Vec<v1::FailedTrial>,
    /// JSON of schema `seedsweep.report/1`.
    pub(crate) report_json: String,
}

/// Submits `sweep` to `embedded` and trains until it ends. A signal ends it earlier, as an error of its own kind.
pub(crate) async fn run(
    embedded: &Embedded,
    sweep: &SweepFile,
    slots: &Slots,
    mut interrupts: Interrupts,
) -> Result<Finished, CliError> {
    let (slots, means) = (slots.count(), slots.means()?);
    sweep.check_memory(&means).map_err(|problem| CliError::new(Kind::Usage, problem))?;
    let mut client = embedded.client().await?;
    let submitted = client.submit(&sweep.spec.canonical(), |digest| sweep.content(digest)).await?;
    let id = submitted.sweep_id;
    let state = present(client.sweep(&id).await?.sweep, "sweep")?;
    greet(&sweep.spec, &state, slots);
    means.announce();
    name_other_work(&mut client, &id).await?;

    if state.state() == v1::SweepState::Running {
        to_the_end(embedded, &mut client, &id, (slots, means), &mut interrupts).await?;
    }
    let v1::GetSweepResponse { sweep, failures, .. } = client.sweep(&id).await?;
    let report_json = client.report(&id).await?;
    Ok(Finished { sweep: present(sweep, "sweep")?, failures, report_json })
}

fn greet(spec: &SweepSpec, state: &v1::Sweep, slots: u32) {
    let trials = state.trials.unwrap_or_default();
    let plural = |n: usize, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
    let so_far = match (state.state(), trials.done) {
        (v1::SweepState::Running, 0) => plural(slots as usize, "slot"),
        (v1::SweepState::Running, done) => {
            format!("{done} stored already · {}", plural(slots as usize, "slot"))
        }
        _ => format!("{} already", status::state(state)),
    };
    output::note(&format!(
        "{} {} · {} · {} trials · {so_far}",
        status::short(&state.id),
        spec.name,
        plural(spec.experiments.len(), "experiment"),
        trials.total,
    ));
}

/// The worker of this process serves the whole store.
async fn name_other_work(client: &mut Client, id: &str) -> Result<(), CliError> {
    let sweeps = client.sweeps().await?.sweeps;
    let unfinished = |other: &&v1::Sweep| other.id != id && other.state() == v1::SweepState::Running;
    let others: Vec<&str> = sweeps.iter().filter(unfinished).map(|other| status::short(&other.id)).collect();
    if let [first, rest @ ..] = &others[..] {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        output::note(&format!(
            "note: sweep {first}{more} of this store is unfinished too and takes its share of the slots \
             (`seedsweep list`; `seedsweep cancel {first}` stops it)"
        ));
    }
    Ok(())
}

/// Trains the sweep `id` with `slots` threads until it ends or a signal comes.
async fn to_the_end(
    embedded: &Embedded,
    client: &mut Client,
    id: &str,
    (slots, means): (u32, Means),
    interrupts: &mut Interrupts,
) -> Result<(), CliError> {
    let config = worker::Config {
        name: "local".to_owned(),
        slots,
        token: embedded.worker_token().to_owned(),
        idle_exit: None,
        means,
    };
    let (orders, shutdown) = watch::channel(Shutdown::Run);
    let mut worker = tokio::spawn(worker::run(config, embedded.channel().await?, shutdown));

    let first = present(client.sweep(id).await?.sweep, "sweep")?;
    let mut progress = Progress::new(&first);
    progress.update(&first);
    let followed = tokio::select! {
        ended = follow(client, id, &mut progress) => ended.map(Some),
        () = interrupts.reached(1) => Ok(None),
        left = &mut worker => Err(left_early(left)),
    };
    let ended = match followed {
        Err(error) => Err(error),
        Ok(Some(_)) => {
            leave(&orders, worker).await;
            Ok(())
        }
        Ok(None) => {
            progress.note("stopping: finishing the trials under way; once more to stop at once");
            drain(&orders, worker, interrupts).await;
            let sweep = present(client.sweep(id).await?.sweep, "sweep")?;
            if sweep.state() == v1::SweepState::Running { Err(interrupted(&sweep)) } else { Ok(()) }
        }
    };
    progress.clear();
    ended
}

/// Follows the sweep `id` to its end, or until its store has taken nothing in for too long.
async fn follow(client: &mut Client, id: &str, progress: &mut Progress) -> Result<v1::Sweep, CliError> {
    let mut states = client.watch(id).await?;
    let mut trouble: Option<Trouble> = None;
    loop {
        let state = tokio::select! {
            state = states.next() => state,
            error = Trouble::outlasts_patience(trouble.as_ref()) => return Err(error),
        };
        let Some(state) = state else {
            return Err(CliError::new(Kind::Unreachable, "the coordinator stopped before the sweep ended"));
        };
        let state = state.map_err(refused)?;
        let sweep = present(state.sweep, "sweep")?;
        progress.update(&sweep);
        if sweep.state() != v1::SweepState::Running {
            return Ok(sweep);
        }
        trouble = match (status::problem(&state.store_problem), trouble) {
            (None, _) => None,
            (Some(_), Some(known)) => Some(known),
            (Some(problem), None) => {
                let line = status::problem_line(problem);
                progress.note(&format!("{line}; waiting for up to {} s", STORE_PATIENCE.as_secs()));
                Some(Trouble { problem: problem.to_owned(), patience_ends: Instant::now() + STORE_PATIENCE })
            }
        };
    }
}

/// A store that takes nothing in.
struct Trouble {
    problem: String,
    patience_ends: Instant,
}

impl Trouble {
    /// Waits until the patience with `trouble` ends, for ever if there is none; the error says what the trouble is.
    async fn outlasts_patience(trouble: Option<&Self>) -> CliError {
        let Some(Self { problem, patience_ends }) = trouble else { return std::future::pending().await };
        sleep_until(*patience_ends).await;
        let message = format!("{problem}; what is stored stays: the same command goes on from there");
        CliError::new(Kind::Store, message)
    }
}

/// Lets the worker go once the sweep has ended. All of it is stored: a worker that does not leave is left.
async fn leave(orders: &watch::Sender<Shutdown>, worker: JoinHandle<Result<Summary, WorkerError>>) {
    orders.send_replace(Shutdown::Drain);
    if tokio::time::timeout(LEAVE_TIMEOUT, worker).await.is_err() {
        tracing::warn!("the worker did not leave in time");
    }
}

/// Lets the worker finish what is under way, or stop at once at the second signal.
async fn drain(
    orders: &watch::Sender<Shutdown>,
    mut worker: JoinHandle<Result<Summary, WorkerError>>,
    interrupts: &mut Interrupts,
) {
    orders.send_replace(Shutdown::Drain);
    tokio::select! {
        result = &mut worker => {
            if !matches!(result, Ok(Ok(_))) {
                tracing::warn!(?result, "the worker did not leave in peace");
            }
        }
        () = interrupts.reached(2) => {
            orders.send_replace(Shutdown::Abort);
            // What it held is pending again at the next start.
            let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
        }
    }
}

fn interrupted(sweep: &v1::Sweep) -> CliError {
    let trials = sweep.trials.unwrap_or_default();
    let message = format!(
        "interrupted with {} of {} trials stored; run the same command to go on",
        trials.done, trials.total
    );
    CliError::new(Kind::Interrupted, message)
}

fn left_early(left: Result<Result<Summary, WorkerError>, tokio::task::JoinError>) -> CliError {
    match left {
        Ok(Ok(_)) => CliError::new(Kind::Bug, "the worker left before the sweep ended"),
        Ok(Err(error)) => CliError::caused(Kind::Bug, "the worker of this process stopped", &error),
        Err(panic) => panic.into(),
    }
}
