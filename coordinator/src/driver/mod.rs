//! The one loop that owns the core and writes the store.
//!
//! Its order never changes: take what waits, let the core decide, make all of it durable in one commit, then
//! answer and show it. While one commit is under way the next fills itself, so no report waits for company.
//! It runs on a thread of its own and never waits for anybody else; who waits for it does so on a channel with
//! a bound.

mod clock;
mod commit;
mod handle;
mod looking;
mod rate;
mod reporting;
mod second_stage;
mod waiting;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use seedsweep_common::id::{SweepId, Token};
use seedsweep_common::limits;
use tokio::sync::oneshot;

use crate::board::{Board, Facts, Standing, WorkerCounts};
use crate::core::{Core, Effect, Event, Refusal, Task, Timestamp};
use crate::reports::Analyst;
use crate::store::{Record, Store};

pub(crate) use handle::{DriverError, Handle};
pub(crate) use looking::Look;

use clock::Clock;
use commit::Batch;
use handle::{Leased, Registered, Request};
use looking::Looking;
use rate::Rate;
use waiting::{Waiter, Waiting};

/// What the driver works with.
pub(crate) struct Parts {
    /// The core, all sweeps restored.
    pub(crate) core: Core,
    /// The store.
    pub(crate) store: Store,
    /// Where results are shown; all restored sweeps are on it.
    pub(crate) board: Arc<Board>,
    /// Computes reports.
    pub(crate) analyst: Analyst,
    /// Ended sweeps whose stored report is missing or may be stale.
    pub(crate) unreported: Vec<SweepId>,
}

/// The loop's state.
pub(crate) struct Driver {
    core: Core,
    store: Store,
    board: Arc<Board>,
    analyst: Analyst,
    inbox: Receiver<Request>,
    handle: Handle,
    runtime: tokio::runtime::Handle,
    clock: Clock,
    batch: Batch,
    waiting: Waiting,
    rates: HashMap<SweepId, Rate>,
    /// Ended sweeps whose report is to be computed, and those where it is under way.
    unreported: BTreeSet<SweepId>,
    computing: BTreeSet<SweepId>,
    /// Sweeps whose pairs are to be chosen.
    unplanned: BTreeSet<SweepId>,
    looks: Looking,
    sealed: Timestamp,
    phase: Phase,
    /// Dropped with the loop, also by a panic.
    _alive: oneshot::Sender<()>,
}

/// What the loop still does.
enum Phase {
    /// Everything.
    Serving,
    /// No new tasks: the coordinator is going down.
    Closing,
    /// The disk is full: renewals only. What could not be stored is kept and tried again each second.
    Full(DriverError),
    /// The store failed: nothing any more.
    Failed(DriverError),
}

/// When the loop ends: who wants to know, and until when reports under way are waited for.
struct Stop {
    done: oneshot::Sender<()>,
    deadline: Timestamp,
}

/// Starts the driver on its thread. Must be called within a tokio runtime. The second value resolves when the
/// thread has ended, however it ended.
pub(crate) fn start(parts: Parts) -> std::io::Result<(Handle, oneshot::Receiver<()>)> {
    let (alive, ended) = oneshot::channel();
    let (handle, inbox) = Handle::new();
    let clock = Clock::start();
    let driver = Driver {
        core: parts.core,
        store: parts.store,
        board: parts.board,
        analyst: parts.analyst,
        inbox,
        handle: handle.clone(),
        runtime: tokio::runtime::Handle::current(),
        sealed: clock.now(),
        clock,
        batch: Batch::default(),
        waiting: Waiting::default(),
        rates: HashMap::new(),
        unreported: parts.unreported.into_iter().collect(),
        computing: BTreeSet::new(),
        unplanned: BTreeSet::new(),
        looks: Looking::default(),
        phase: Phase::Serving,
        _alive: alive,
    };
    std::thread::Builder::new().name("driver".to_owned()).spawn(move || driver.run())?;
    Ok((handle, ended))
}

impl Driver {
    fn run(mut self) {
        let mut stop = None;
        self.choose_pairs();
        self.compute_reports();
        loop {
            let requests = self.next_requests();
            self.clock.advance();
            let now = self.clock.now();
            for request in requests {
                match request {
                    Request::Stop { done } => {
                        self.close();
                        stop = Some(Stop { done, deadline: now.after(limits::SHUTDOWN_REPORTS_MS) });
                    }
                    request => self.take(now, request),
                }
            }
            self.decide(now, Event::Tick).ok();
            self.serve_waiting(now);
            self.commit(now);
            self.choose_pairs();
            self.compute_looks();
            self.compute_reports();
            self.seal(now);
            if stop.as_ref().is_some_and(|stop| self.is_idle() || stop.deadline <= now) {
                break;
            }
        }
        self.end(stop);
    }

    /// Whether nothing is under way that should be stored before the end.
    fn is_idle(&self) -> bool {
        let reported = self.computing.is_empty() && self.unreported.is_empty();
        matches!(self.phase, Phase::Full(_) | Phase::Failed(_)) || (reported && self.batch.is_empty())
    }

    /// What waits in the queue, after waiting for the first until something else is due.
    fn next_requests(&mut self) -> Vec<Request> {
        let next = self.core.next_deadline().into_iter().chain(self.waiting.next_deadline()).min();
        let tick = self.sealed.after(limits::SEAL_MS);
        let wait_ms = next.map_or(tick, |next| next.min(tick)).0.saturating_sub(self.clock.now().0);
        let mut requests = Vec::new();
        match self.inbox.recv_timeout(Duration::from_millis(wait_ms)) {
            Ok(first) => requests.push(first),
            // the driver holds a sender itself, so the queue is never disconnected
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return requests,
        }
        while requests.len() < limits::COMMIT_REPORTS {
            match self.inbox.try_recv() {
                Ok(request) => requests.push(request),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        requests
    }

    fn take(&mut self, now: Timestamp, request: Request) {
        match (&self.phase, request) {
            (Phase::Serving | Phase::Closing, request) => self.serve(now, request),
            // renewals store nothing, and workers should not lose their tasks meanwhile
            (Phase::Full(_), Request::Renew { worker, held, reply }) => {
                let decided = self.decide(now, Event::Renewed { worker, held });
                reply.send(decided.map(|decision| decision.revoked).map_err(Into::into)).ok();
            }
            (Phase::Full(_) | Phase::Failed(_), Request::Looked { look, .. }) => self.looks.again(look),
            // not stored now: computed again when there is room, or at the next start
            (Phase::Full(_) | Phase::Failed(_), Request::Computed { id, .. }) => {
                self.computing.remove(&id);
                self.unreported.insert(id);
            }
            (Phase::Full(_) | Phase::Failed(_), Request::Planned { id, .. }) => {
                self.unplanned.insert(id);
            }
            (Phase::Full(error) | Phase::Failed(error), request) => request.refuse(error.clone()),
        }
    }

    fn serve(&mut self, now: Timestamp, request: Request) {
        match request {
            Request::Submit { facts, reply } => self.submit(now, facts, reply),
            Request::Cancel { id, reply } => {
                let decided = self.decide(now, Event::Cancelled { id });
                self.batch.defer(reply, decided.map(|_| ()));
            }
            Request::Extend { id, experiments, restarts, reply } => {
                let decided = self.decide(now, Event::Extended { id, experiments, restarts });
                self.batch.defer(reply, decided.map(|_| ()));
            }
            Request::Register { newcomer, reply } => {
                let decided = self.decide(now, Event::Registered(newcomer));
                self.batch.defer(
                    reply,
                    decided.and_then(|decision| decision.welcome.ok_or(Refusal::TooManyWorkers)),
                );
            }
            Request::Lease { worker, most, wait_ms, guesses, reply } => {
                if !guesses.is_empty() {
                    // a worker that is not known is refused with its wish for tasks
                    self.decide(now, Event::Guessed { worker, guesses }).ok();
                }
                self.waiting.push(Waiter { worker, most, until: now.after(wait_ms), asked: false, reply });
            }
            Request::Renew { worker, held, reply } => {
                let decided = self.decide(now, Event::Renewed { worker, held });
                self.batch.defer(reply, decided.map(|decision| decision.revoked));
            }
            Request::Report { mut report, reply, room } => {
                self.batch.rooms.push(room);
                self.check_ends(&mut report);
                let rows = report.outcomes.len() + report.barriers.len();
                let first = self.batch.comparisons.len();
                let decided = self.decide(now, Event::Reported(report)).map(|_| ());
                let compared = first..self.batch.comparisons.len();
                self.batch.defer_report(reply, decided, rows, compared);
            }
            Request::Leave { worker, reply } => {
                let decided = self.decide(now, Event::Left { worker });
                self.batch.defer(reply, decided.map(|_| ()));
            }
            Request::Computed { id, view, report } => self.computed(id, &view, report),
            Request::Planned { id, pairs } => self.planned(now, id, pairs),
            Request::Looked { look, found } => self.looked(now, look, found),
            Request::Close => self.close(),
            Request::Stop { done } => drop(done),
        }
    }

    fn submit(&mut self, now: Timestamp, facts: Arc<Facts>, reply: handle::Reply<bool>) {
        let restarts = facts.spec.experiments.iter().map(|experiment| experiment.restarts).collect();
        let (watched, barriers) = (facts.watched().collect(), facts.wants_barriers());
        let decided = self.decide(now, Event::Submitted { id: facts.id, restarts, watched, barriers });
        let created = decided.map(|decision| decision.created);
        if created == Ok(true) {
            self.batch.records.push(Record::Sweep {
                id: facts.id,
                spec_toml: facts.spec_toml.clone(),
                submitted_unix_ms: facts.submitted_unix_ms,
            });
            self.batch.created.push(facts);
        }
        self.batch.defer(reply, created);
    }

    /// Lets the core decide, and notes what is to be stored; returns what is to be answered.
    fn decide(&mut self, now: Timestamp, event: Event) -> Result<Decision, Refusal> {
        let (mut decision, mut refused) = (Decision::default(), None);
        for effect in self.core.handle(now, event) {
            match effect {
                Effect::Create { .. } => decision.created = true,
                Effect::Cancel { id } => self.batch.records.push(Record::Cancelled { id }),
                Effect::Change { sweep, experiment, change } => {
                    self.batch.records.push(Record::Plan { sweep, experiment, change });
                }
                Effect::Look { sweep, experiment, restarts, earlier } => {
                    self.looks.add(Look { sweep, experiment, restarts, earlier });
                }
                Effect::Store { sweep, experiment, provenance, outcomes } => {
                    self.batch.records.push(Record::Outcomes { sweep, experiment, provenance, outcomes });
                }
                Effect::Compare { sweep, experiment, worker, outcomes } => {
                    self.batch.compare(sweep, experiment, &worker, outcomes);
                }
                Effect::Fail { sweep, experiment, failure } => {
                    self.batch.records.push(Record::Failed { sweep, experiment, failure });
                }
                Effect::Plan { sweep, first, trials, pairs } => {
                    self.batch.records.push(Record::Pairs { sweep, first, trials, pairs });
                }
                Effect::StoreBarriers { sweep, provenance, barriers } => {
                    self.batch.records.push(Record::Barriers { sweep, provenance, barriers });
                }
                Effect::CompareBarriers { sweep, provenance, barriers } => {
                    self.batch.compare_barriers(sweep, &provenance, barriers);
                }
                Effect::FailBarrier { sweep, pair, cause } => {
                    tracing::warn!(%sweep, ?pair, cause, "a barrier cannot be measured");
                    self.batch.records.push(Record::BarrierFailed { sweep, pair, cause });
                }
                Effect::Ended { id } => {
                    self.unreported.insert(id);
                }
                Effect::Welcome(id) => {
                    let lease_ms = self.core.lease_ms();
                    let renew_ms = renew_ms(lease_ms, self.core.live_workers().0);
                    decision.welcome = Some(Registered { worker: id, lease_ms, renew_ms });
                }
                Effect::Lease(task) => decision.tasks.push(task),
                Effect::Revoke(token) => decision.revoked.push(token),
                // what follows holds all the same: after a restart the first look is asked for beside a call of a worker
                // that is not known any more
                Effect::Refused(refusal) => refused = Some(refusal),
            }
        }
        refused.map_or(Ok(decision), Err)
    }

    /// Gives tasks to those who wait for them, oldest first; who has waited long enough goes without.
    fn serve_waiting(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Full(_) | Phase::Failed(_)) {
            return;
        }
        let closing = matches!(self.phase, Phase::Closing);
        for mut waiter in self.waiting.take_all() {
            // the caller is gone: a lease would only have to expire
            if waiter.reply.is_closed() {
                continue;
            }
            let in_vain = waiter.asked && !self.core.has_pending();
            if in_vain && waiter.until > now && !closing {
                self.waiting.push(waiter);
                continue;
            }
            waiter.asked = true;
            let most = if closing { 0 } else { waiter.most };
            let decided = self.decide(now, Event::TasksWanted { worker: waiter.worker, most });
            let work_left = self.core.work_left();
            match decided {
                Ok(decision) if decision.tasks.is_empty() && waiter.until > now && !closing => {
                    self.waiting.push(waiter);
                }
                decided => {
                    let leased = decided.map(|decision| Leased { tasks: decision.tasks, work_left });
                    self.batch.defer(waiter.reply, leased);
                }
            }
        }
    }

    /// Makes what was decided durable, then answers. If the store fails, nothing is acknowledged any more.
    fn commit(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Full(_)) && !self.is_tick(now) {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        if let Phase::Failed(error) = &self.phase {
            batch.refuse(error);
            return;
        }
        match batch.commit(&self.store) {
            Ok(verdicts) => {
                if matches!(self.phase, Phase::Full(_)) {
                    tracing::info!("the disk has room again");
                    self.board.set_failure(None);
                    self.phase = Phase::Serving;
                }
                for (id, (duplicates, divergences)) in verdicts.per_sweep() {
                    self.decide(now, Event::Compared { id, duplicates, divergences }).ok();
                }
                for facts in std::mem::take(&mut batch.created) {
                    self.post(facts);
                }
                self.show(now);
                batch.answer(&verdicts);
            }
            Err(error) => {
                self.board.set_failure(Some(error.to_string().into()));
                self.waiting.refuse(&error);
                batch.refuse(&error);
                if let DriverError::Full(_) = error {
                    if !matches!(self.phase, Phase::Full(_)) {
                        tracing::warn!(
                            %error,
                            "what was reported last is kept in memory and tried again each second"
                        );
                    }
                    self.batch = batch;
                    self.phase = Phase::Full(error);
                } else {
                    tracing::error!(%error, "the store failed");
                    self.phase = Phase::Failed(error);
                }
            }
        }
    }

    fn post(&mut self, facts: Arc<Facts>) {
        if let Some(view) = self.core.view(facts.id) {
            self.board.post(facts, Standing { view, pace: None });
        }
    }

    /// Shows what changed. Only ever after a commit: the board holds what is durable.
    fn show(&mut self, now: Timestamp) {
        let mut changed: BTreeSet<SweepId> = self.core.take_touched().into_iter().collect();
        if self.is_tick(now) {
            // rates change by themselves
            changed.extend(self.rates.keys());
        }
        for id in changed {
            let Some(view) = self.core.view(id) else { continue };
            let counts = view.counts();
            let (finished, left) = (counts.done + counts.failed, counts.pending + counts.leased);
            let rate = self.rates.entry(id).or_insert_with(|| Rate::new(now, finished));
            let pace = rate.pace(now, finished, left);
            if left == 0 && pace.is_none() {
                self.rates.remove(&id);
            }
            self.board.update(id, Standing { view, pace });
        }
        let (live, slots) = self.core.live_workers();
        let bounded = |slots: u64| u32::try_from(slots).unwrap_or(u32::MAX);
        let kinds = self.core.live_kinds().take(limits::WORKER_KINDS);
        let kinds = kinds.map(|(kind, live, slots)| (kind.clone(), live, bounded(slots))).collect();
        self.board.set_workers(WorkerCounts { live: live as u32, slots: bounded(slots), kinds });
    }

    /// Whether this is the turn of the second in which the seal is written.
    fn is_tick(&self, now: Timestamp) -> bool {
        self.sealed.after(limits::SEAL_MS) <= now
    }

    fn seal(&mut self, now: Timestamp) {
        if !self.is_tick(now) {
            return;
        }
        self.sealed = now;
        self.looks.retry();
        if let Err(error) = self.store.seal() {
            tracing::warn!(%error, "cannot write the seal; the next second tries again");
        }
    }

    fn close(&mut self) {
        if matches!(self.phase, Phase::Serving) {
            self.phase = Phase::Closing;
        }
    }

    /// Seals and closes the store, then says so.
    fn end(self, stop: Option<Stop>) {
        if let Err(error) = self.store.seal() {
            tracing::warn!(%error, "cannot write the seal");
        }
        let Self { store, .. } = self;
        drop(store);
        if let Some(stop) = stop {
            // nobody may be left to hear it
            stop.done.send(()).ok();
        }
    }
}

/// When a worker renews: so often that it hears of a cancelled sweep within a second, as long as all `workers`
/// together stay at some thousand calls a second, and three times in a lease in any case.
fn renew_ms(lease_ms: u64, workers: usize) -> u64 {
    const RENEWALS_PER_LEASE: u64 = 3;
    (workers as u64).max(limits::RENEW_MS).min(lease_ms / RENEWALS_PER_LEASE)
}

/// What the core decided about one event, apart from what is stored.
#[derive(Default)]
struct Decision {
    created: bool,
    welcome: Option<Registered>,
    tasks: Vec<Task>,
    revoked: Vec<Token>,
}
