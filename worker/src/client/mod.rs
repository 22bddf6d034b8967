//! A worker's life: register, lease, train, renew, report, leave.
//!
//! One loop owns the state; each call to the coordinator runs beside it and comes back as an `Answer`. What
//! was trained is offered until the coordinator acknowledges it, however long the coordinator is away; no more is
//! taken on meanwhile, so all queues are bounded by the tasks held.

mod asked;
mod backoff;
mod library;
mod outage;
mod reports;
mod rpc;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seedsweep_common::fingerprint::ENGINE_VERSION;
use seedsweep_common::id::{SweepId, Token};
use seedsweep_common::limits;
use seedsweep_common::spec::Precision;
use seedsweep_proto::{convert, v1};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tonic::transport::Channel;

use asked::Asked;
use backoff::Backoff;
use library::{Library, PrepareError};
use outage::Outage;
use rpc::Rpc;

use crate::cost;
use crate::executor::{Executor, Job, JobEnd, JobFlags, Report, Work};
use crate::means::Means;
use crate::train::Prepared;

/// Longest time that a draining worker goes on with the trials under way.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest time that a draining worker waits for its last reports to be acknowledged.
const LAST_REPORTS: Duration = Duration::from_secs(5);
/// While tasks take less than this, each slot may hold a second one in reserve.
const SHORT_TASK: Duration = Duration::from_secs(2);
/// Experiments remembered as told to the coordinator; some are told again beyond it.
const GUESSES_KEPT: usize = 4_096;
/// The version of this build, as reported.
const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Config {
    /// For people: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// Compute threads, 1 to `limits::SLOTS_PER_WORKER`.
    pub slots: u32,
    /// The worker token.
    pub token: String,
    /// Leave after so long without a task.
    pub idle_exit: Option<Duration>,
    /// What it trains on.
    pub means: Means,
}

/// What the owner of a worker asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Work.
    Run,
    /// Finish the trials under way or hand them back, report, leave: within seconds.
    Drain,
    /// Stop at once; leases run out by themselves.
    Abort,
}

/// What a worker did in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Trials whose outcomes the coordinator acknowledged.
    pub trials: u64,
    /// Trials that broke.
    pub broken: u64,
}

/// Why a worker ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator refused it, and always will.
    #[error("the coordinator refuses this worker: {}", .0.message())]
    Refused(Box<Status>),
    /// The token cannot be sent.
    #[error("the worker token holds characters that cannot be sent")]
    Token,
    /// The system refused compute threads.
    #[error("cannot start {slots} compute threads")]
    Threads {
        /// How many were asked for.
        slots: u32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Works for the coordinator behind `channel` until told to stop, refused, or idle for too long.
pub async fn run(
    config: Config,
    channel: Channel,
    shutdown: watch::Receiver<Shutdown>,
) -> Result<Summary, WorkerError> {
    let rpc = rpc::client(channel, &config.token).ok_or(WorkerError::Token)?;
    // every held task has at most one report here that the loop has not taken
    let (sender, reports) = mpsc::channel(2 * config.slots as usize);
    let executor = Executor::start(config.slots, &sender)
        .map_err(|source| WorkerError::Threads { slots: config.slots, source })?;
    let worker = Worker {
        rpc,
        id: Arc::new(AtomicU64::new(0)),
        presence: Presence::Away,
        forgotten: Arc::new(Notify::new()),
        outage: Outage::default(),
        renew_every: Duration::from_secs(5),
        library: Some(Library::new(config.means)),
        guesses: Vec::new(),
        told: HashSet::new(),
        executor,
        held: HashMap::new(),
        calls: JoinSet::new(),
        leasing: false,
        renewing: false,
        short_tasks: true,
        stopping: None,
        lease_backoff: Backoff::new(),
        lease_not_before: Instant::now(),
        next_renew: Instant::now(),
        idle_since: Instant::now(),
        summary: Summary::default(),
        config,
    };
    worker.live(reports, shutdown).await
}

/// Whether the coordinator knows this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Away,
    Registering,
    Registered,
}

/// A leased task.
struct Held {
    task: v1::Task,
    flags: Arc<JobFlags>,
    /// Reports on their way.
    sending: u32,
    ended: Option<JobEnd>,
}

struct Worker {
    config: Config,
    rpc: Rpc,
    /// Shared with reports on their way, which must go out under the newest id.
    id: Arc<AtomicU64>,
    presence: Presence,
    /// Told by reports that met a coordinator which does not know this worker.
    forgotten: Arc<Notify>,
    outage: Outage,
    renew_every: Duration,
    /// Away while an experiment is being prepared.
    library: Option<Library>,
    /// What experiments should take here, not yet told to the coordinator, and those that it was told of.
    guesses: Vec<v1::SpeedGuess>,
    told: HashSet<(String, u32)>,
    executor: Executor,
    held: HashMap<Token, Held>,
    calls: JoinSet<Answer>,
    leasing: bool,
    renewing: bool,
    short_tasks: bool,
    /// Set while draining: when trials under way are given up, then when reports are.
    stopping: Option<Stopping>,
    lease_backoff: Backoff,
    lease_not_before: Instant,
    next_renew: Instant,
    idle_since: Instant,
    summary: Summary,
}

#[derive(Clone, Copy)]
struct Stopping {
    give_up_trials: Instant,
    give_up_reports: Instant,
}

/// A call that came back.
enum Answer {
    Registered(Result<v1::RegisterResponse, Status>),
    Leased(Result<v1::LeaseTasksResponse, Status>),
    Prepared { library: Box<Library>, tasks: Vec<(Token, Result<Work, String>)> },
    Renewed(Result<v1::RenewLeasesResponse, Status>),
    Reported { token: Token, trials: u64, broken: u64, result: Result<v1::ReportOutcomesResponse, Status> },
}

impl Worker {
    async fn live(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut shutdown: watch::Receiver<Shutdown>,
    ) -> Result<Summary, WorkerError> {
        let result = loop {
            if let Some(stopping) = self.stopping {
                let now = Instant::now();
                if now >= stopping.give_up_trials {
                    self.cancel_all();
                }
                if self.held.is_empty() || now >= stopping.give_up_reports {
                    self.leave().await;
                    break Ok(());
                }
            } else {
                if self.idle_too_long() {
                    tracing::info!("no task for the given time: leaving");
                    self.leave().await;
                    break Ok(());
                }
                self.register();
                self.lease();
            }
            self.renew();
            let wake = self.next_wake();
            let forgotten = Arc::clone(&self.forgotten);
            tokio::select! {
                Some(report) = reports.recv() => self.on_report(report),
                Some(answer) = self.calls.join_next() => {
                    // a call that panicked has said so; its flag stays set only for that call
                    if let Ok(answer) = answer && let Err(error) = self.on_answer(answer) {
                        break Err(error);
                    }
                }
                changed = shutdown.changed() => {
                    let wanted = if changed.is_ok() { *shutdown.borrow() } else { Shutdown::Abort };
                    match wanted {
                        Shutdown::Run => {}
                        Shutdown::Drain => self.drain(),
                        Shutdown::Abort => break Ok(()),
                    }
                }
                () = forgotten.notified() => self.forget_registration(),
                () = sleep_until(wake) => {}
            }
        };
        self.cancel_all();
        // dropping the receiver lets slots that wait to report go on to their end
        drop(reports);
        let Self { executor, summary, .. } = self;
        // joins the compute threads, which look at their flags many times a second
        let _ = tokio::task::spawn_blocking(move || drop(executor)).await;
        result.map(|()| summary)
    }

    fn idle_too_long(&self) -> bool {
        let idle = self.held.is_empty() && self.library.is_some();
        idle && self.config.idle_exit.is_some_and(|limit| self.idle_since.elapsed() >= limit)
    }

    fn next_wake(&self) -> Instant {
        let mut wake = self.next_renew.max(Instant::now() + Duration::from_millis(10));
        if let Some(Stopping { give_up_trials, give_up_reports }) = self.stopping {
            let now = Instant::now();
            wake = wake.min(if now < give_up_trials { give_up_trials } else { give_up_reports });
        }
        if !self.leasing && self.lease_not_before > Instant::now() {
            wake = wake.min(self.lease_not_before);
        }
        if let Some(limit) = self.config.idle_exit
            && self.held.is_empty()
        {
            wake = wake.min(self.idle_since + limit);
        }
        wake
    }

    fn register(&mut self) {
        if self.presence != Presence::Away || Instant::now() < self.lease_not_before {
            return;
        }
        self.presence = Presence::Registering;
        let mut rpc = self.rpc.clone();
        let request = v1::RegisterRequest {
            name: self.config.name.clone(),
            slots: self.config.slots,
            engine: ENGINE_VERSION.to_owned(),
            build: BUILD.to_owned(),
            lanes: self.config.means.lanes_name().to_owned(),
            axis: self.config.means.axis_name().to_owned(),
            peak_mflop_per_s: (self.config.means.machine(Precision::F32).peak_flops / 1e6) as u64,
        };
        self.calls.spawn(async move {
            Answer::Registered(rpc.register(request).await.map(tonic::Response::into_inner))
        });
    }

    /// Asks for as many tasks as there is room for, if that is not being asked already.
    fn lease(&mut self) {
        let room = if self.short_tasks { 2 * self.config.slots } else { self.config.slots };
        let busy = self.held.values().filter(|held| held.ended.is_none()).count() as u32;
        // what is held but not yet acknowledged counts too: an absent coordinator must not pile up reports
        let unacknowledged = self.held.len() as u32 - busy;
        let free = room.saturating_sub(busy).min(limits::TASKS_PER_LEASE as u32);
        let ready = self.presence == Presence::Registered && !self.leasing && self.library.is_some();
        if !ready || free == 0 || unacknowledged > room || Instant::now() < self.lease_not_before {
            return;
        }
        let Some(library) = &self.library else { return };
        self.leasing = true;
        let mut rpc = self.rpc.clone();
        let request = v1::LeaseTasksRequest {
            worker_id: self.id.load(Ordering::Relaxed),
            free_slots: free,
            // a worker with something to do asks again soon: its need changes
            wait_ms: if busy > 0 { 1_000 } else { limits::LEASE_WAIT_MS },
            known_sweeps: library.known(),
            guesses: self.guesses.drain(..self.guesses.len().min(limits::GUESSES_PER_LEASE)).collect(),
        };
        self.calls.spawn(async move {
            Answer::Leased(rpc.lease_tasks(request).await.map(tonic::Response::into_inner))
        });
    }

    fn renew(&mut self) {
        if self.renewing || self.presence != Presence::Registered || Instant::now() < self.next_renew {
            return;
        }
        self.next_renew = Instant::now() + self.renew_every;
        self.renewing = true;
        let mut rpc = self.rpc.clone();
        let request = v1::RenewLeasesRequest {
            worker_id: self.id.load(Ordering::Relaxed),
            held: self.held.values().map(|held| held.task.clone()).collect(),
        };
        self.calls.spawn(async move {
            Answer::Renewed(rpc.renew_leases(request).await.map(tonic::Response::into_inner))
        });
    }

    fn on_answer(&mut self, answer: Answer) -> Result<(), WorkerError> {
        match answer {
            Answer::Registered(Ok(response)) => {
                self.id.store(response.worker_id, Ordering::Relaxed);
                self.renew_every = Duration::from_millis(response.renew_ms.clamp(10, 3_600_000));
                // tasks held from before are presented at once, so that they go on
                self.next_renew = Instant::now();
                self.presence = Presence::Registered;
                // it may be another coordinator than before
                self.told.clear();
                self.lease_backoff.reset();
                tracing::info!(worker = response.worker_id, "registered");
            }
            Answer::Registered(Err(status)) if rpc::is_transient(&status) => {
                self.presence = Presence::Away;
                self.wait_after(&status, "register");
            }
            Answer::Registered(Err(status)) => return Err(WorkerError::Refused(Box::new(status))),
            Answer::Leased(result) => {
                self.leasing = false;
                match result {
                    Ok(response) => self.on_leased(response),
                    Err(status) => self.on_failed_call(&status, "lease tasks"),
                }
            }
            Answer::Prepared { library, tasks } => {
                self.library = Some(*library);
                for (token, prepared) in tasks {
                    self.start(token, prepared);
                }
            }
            Answer::Renewed(result) => {
                self.renewing = false;
                match result {
                    Ok(response) => self.on_renewed(&response),
                    Err(status) => self.on_failed_call(&status, "renew leases"),
                }
            }
            Answer::Reported { token, trials, broken, result } => {
                self.on_reported(token, trials, broken, result);
            }
        }
        Ok(())
    }

    fn on_failed_call(&mut self, status: &Status, what: &str) {
        if rpc::must_register(status) {
            self.forget_registration();
        }
        self.wait_after(status, what);
    }

    fn forget_registration(&mut self) {
        if self.presence == Presence::Registered {
            self.presence = Presence::Away;
        }
    }

    fn wait_after(&mut self, status: &Status, what: &str) {
        self.outage.met(what, status);
        self.lease_not_before = Instant::now() + self.lease_backoff.next_wait();
    }

    fn on_leased(&mut self, response: v1::LeaseTasksResponse) {
        self.outage.over();
        self.lease_backoff.reset();
        let Some(library) = &mut self.library else { return };
        for spec in &response.specs {
            if let Err(problem) = library.add(spec) {
                tracing::error!("a spec cannot be used: {problem}");
            }
        }
        let mut tasks = Vec::new();
        for mut task in response.tasks {
            // wrong ranges and ids come back as broken trials or a stale lease, never as a crash
            let asked = Asked::of(&task);
            // the coordinator knows its pairs
            task.barriers = None;
            let (Ok(sweep), Ok(asked)) = (convert::sweep_id("task.sweep_id", &task.sweep_id), asked) else {
                tracing::error!(token = task.token, "a task cannot be used");
                continue;
            };
            let token = Token(task.token);
            tasks.push((token, sweep, asked));
            let flags = Arc::new(JobFlags::default());
            self.held.insert(token, Held { task, flags, sending: 0, ended: None });
        }
        if tasks.is_empty() {
            return;
        }
        self.prepare(tasks);
    }

    fn prepare(&mut self, tasks: Vec<(Token, SweepId, Asked)>) {
        let Some(mut library) = self.library.take() else { return };
        let (mut rpc, outage) = (self.rpc.clone(), self.outage.clone());
        self.calls.spawn(async move {
            let mut prepared = Vec::new();
            let mut backoff = Backoff::new();
            for (token, sweep, asked) in tasks {
                let result = loop {
                    match asked.prepare(&mut library, &mut rpc, sweep).await {
                        Ok(ready) => break Ok(ready),
                        Err(PrepareError::Broken(cause)) => break Err(cause),
                        Err(PrepareError::Transient(status)) => {
                            outage.met("get data", &status);
                            tokio::time::sleep(backoff.next_wait()).await;
                        }
                    }
                };
                prepared.push((token, result));
            }
            Answer::Prepared { library: Box::new(library), tasks: prepared }
        });
    }

    fn start(&mut self, token: Token, work: Result<Work, String>) {
        let Some(held) = self.held.get(&token) else { return };
        let Ok(restarts) = convert::restarts(&held.task) else { return };
        match work {
            Ok(work) => {
                let (task, flags) = (held.task.clone(), Arc::clone(&held.flags));
                if let Work::Trials { prepared, .. } = &work {
                    self.guess(&task, prepared);
                }
                let job = Job { token, work, flags };
                if !self.executor.submit(job) {
                    tracing::error!("more tasks than slots can queue: one is left to its deadline");
                    self.held.remove(&token);
                }
            }
            Err(cause) => self.on_report(Report {
                broken: restarts.iter().map(|restart| (restart, cause.clone())).collect(),
                end: Some(JobEnd::Finished),
                ..Report::new(token)
            }),
        }
    }

    /// Has the coordinator told what trials of a task's experiment should take here, and pairs of its second stage, once.
    fn guess(&mut self, task: &v1::Task, prepared: &Prepared) {
        let shape = prepared.shape();
        let machine = *self.config.means.machine(shape.precision);
        self.tell(&task.sweep_id, task.experiment, || cost::estimate(&shape, &machine).total_s());
        let sweep = convert::sweep_id("task.sweep_id", &task.sweep_id).ok();
        let stage = sweep.and_then(|sweep| self.library.as_ref()?.second_stage(sweep));
        if let Some(stage) = stage.filter(|_| shape.experiment.minima.barriers > 1) {
            let pair_s = || cost::barrier::estimate(&shape, &machine).pair_s();
            self.tell(&task.sweep_id, stage.0, pair_s);
        }
    }

    /// Has the coordinator told what a trial or a pair of `experiment` should take, unless it was before.
    fn tell(&mut self, sweep_id: &str, experiment: u32, seconds: impl FnOnce() -> f64) {
        if self.told.len() >= GUESSES_KEPT {
            self.told.clear();
        }
        if self.told.insert((sweep_id.to_owned(), experiment)) {
            let us_per_trial = (seconds() * 1e6) as u64;
            self.guesses.push(v1::SpeedGuess { sweep_id: sweep_id.to_owned(), experiment, us_per_trial });
        }
    }

    fn on_renewed(&mut self, response: &v1::RenewLeasesResponse) {
        for &token in &response.revoked {
            if let Some(held) = self.held.get(&Token(token)) {
                tracing::info!(token, "a lease is over: its task is given up");
                held.flags.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }

    fn drain(&mut self) {
        let give_up_trials = Instant::now() + DRAIN;
        self.stopping = Some(Stopping { give_up_trials, give_up_reports: give_up_trials + LAST_REPORTS });
        for held in self.held.values() {
            held.flags.drained.store(true, Ordering::Relaxed);
        }
    }

    fn cancel_all(&mut self) {
        for held in self.held.values() {
            held.flags.cancelled.store(true, Ordering::Relaxed);
            held.flags.drained.store(true, Ordering::Relaxed);
        }
    }

    async fn leave(&mut self) {
        if self.presence == Presence::Registered {
            let request = v1::LeaveRequest { worker_id: self.id.load(Ordering::Relaxed) };
            // a coordinator that does not hear it lets the leases run out
            let _ = tokio::time::timeout(Duration::from_secs(2), self.rpc.leave(request)).await;
        }
    }
}
