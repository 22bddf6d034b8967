//! How services reach the driver: a queue with a bound, and an answer each.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use seedsweep_common::barrier::Pair;
use seedsweep_common::id::{ExperimentIndex, SweepId, Token, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::progress::Looks;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::looking::Look;
use crate::board::Facts;
use crate::core::{Guess, Newcomer, Refusal, Report, SweepView, Task};
use crate::store::{StoreError, StoredReport};
use crate::with_causes;

/// Why the driver does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DriverError {
    /// The queue is full.
    #[error("the coordinator is busy: try again later")]
    Busy,
    /// The coordinator is going down.
    #[error("the coordinator is shutting down")]
    Closed,
    /// The disk is full: nothing that would have to be stored is taken in.
    #[error("{0}; nothing more is taken in until there is room")]
    Full(Arc<str>),
    /// The store failed: nothing that would have to be stored is taken in.
    #[error("{0}; nothing more is taken in until the coordinator is started again")]
    Store(Arc<str>),
    /// The core refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for DriverError {
    fn from(error: StoreError) -> Self {
        let reason = with_causes(&error);
        match error {
            StoreError::Full { .. } => Self::Full(reason.into()),
            _ => Self::Store(reason.into()),
        }
    }
}

/// What a worker is told at its registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    /// Its id.
    pub(crate) worker: WorkerId,
    /// Length of a lease in milliseconds.
    pub(crate) lease_ms: u64,
    /// Time after which to renew, in milliseconds.
    pub(crate) renew_ms: u64,
}

/// What a worker gets to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leased {
    /// The tasks.
    pub(crate) tasks: Vec<Task>,
    /// Whether any sweep has trials pending or leased.
    pub(crate) work_left: bool,
}

/// What became of the outcomes in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    /// New ones.
    pub(crate) accepted: u32,
    /// Equal to what was stored.
    pub(crate) duplicates: u32,
    /// Different from what was stored.
    pub(crate) divergences: u32,
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, DriverError>>;

/// What the driver is asked.
pub(super) enum Request {
    Submit { facts: Arc<Facts>, reply: Reply<bool> },
    Cancel { id: SweepId, reply: Reply<()> },
    Extend { id: SweepId, experiments: Vec<ExperimentIndex>, restarts: u32, reply: Reply<()> },
    Register { newcomer: Newcomer, reply: Reply<Registered> },
    Lease { worker: WorkerId, most: u32, wait_ms: u64, guesses: Vec<Guess>, reply: Reply<Leased> },
    Renew { worker: WorkerId, held: Vec<Task>, reply: Reply<Vec<Token>> },
    Report { report: Report, reply: Reply<Reported>, room: OwnedSemaphorePermit },
    Leave { worker: WorkerId, reply: Reply<()> },
    Computed { id: SweepId, view: SweepView, report: Option<StoredReport> },
    Planned { id: SweepId, pairs: Vec<Pair> },
    Looked { look: Look, found: Option<Looks> },
    Close,
    Stop { done: oneshot::Sender<()> },
}

impl Request {
    /// Answers `error`.
    pub(super) fn refuse(self, error: DriverError) {
        // a caller that is gone needs no answer
        match self {
            Self::Submit { reply, .. } => drop(reply.send(Err(error))),
            Self::Cancel { reply, .. } | Self::Extend { reply, .. } | Self::Leave { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::Register { reply, .. } => drop(reply.send(Err(error))),
            Self::Lease { reply, .. } => drop(reply.send(Err(error))),
            Self::Renew { reply, .. } => drop(reply.send(Err(error))),
            Self::Report { reply, .. } => drop(reply.send(Err(error))),
            Self::Computed { .. }
            | Self::Planned { .. }
            | Self::Looked { .. }
            | Self::Close
            | Self::Stop { .. } => {}
        }
    }
}

/// A way to the driver.
#[derive(Clone)]
pub(crate) struct Handle {
    queue: SyncSender<Request>,
    /// Rows that may still be queued.
    room: Arc<Semaphore>,
}

impl Handle {
    pub(super) fn new() -> (Self, Receiver<Request>) {
        let (queue, inbox) = sync_channel(limits::DRIVER_QUEUE);
        (Self { queue, room: Arc::new(Semaphore::new(limits::QUEUED_ROWS)) }, inbox)
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, DriverError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(request(reply)).map_err(|error| match error {
            TrySendError::Full(_) => DriverError::Busy,
            TrySendError::Disconnected(_) => DriverError::Closed,
        })?;
        answer.await.unwrap_or(Err(DriverError::Closed))
    }

    /// Stores a sweep and starts it; `false` if it was there before.
    pub(crate) async fn submit(&self, facts: Arc<Facts>) -> Result<bool, DriverError> {
        self.ask(|reply| Request::Submit { facts, reply }).await
    }

    /// Stops a sweep.
    pub(crate) async fn cancel(&self, id: SweepId) -> Result<(), DriverError> {
        self.ask(|reply| Request::Cancel { id, reply }).await
    }

    /// Asks for `restarts` in all of each of `experiments`.
    pub(crate) async fn extend(
        &self,
        id: SweepId,
        experiments: Vec<ExperimentIndex>,
        restarts: u32,
    ) -> Result<(), DriverError> {
        self.ask(|reply| Request::Extend { id, experiments, restarts, reply }).await
    }

    /// Adds a worker.
    pub(crate) async fn register(&self, newcomer: Newcomer) -> Result<Registered, DriverError> {
        self.ask(|reply| Request::Register { newcomer, reply }).await
    }

    /// Leases up to `most` tasks; waits up to `wait_ms` for the first.
    pub(crate) async fn lease(
        &self,
        worker: WorkerId,
        most: u32,
        wait_ms: u64,
        guesses: Vec<Guess>,
    ) -> Result<Leased, DriverError> {
        self.ask(|reply| Request::Lease { worker, most, wait_ms, guesses, reply }).await
    }

    /// Keeps leases alive; returns those to give up.
    pub(crate) async fn renew(&self, worker: WorkerId, held: Vec<Task>) -> Result<Vec<Token>, DriverError> {
        self.ask(|reply| Request::Renew { worker, held, reply }).await
    }

    /// Takes outcomes in; durable on return.
    pub(crate) async fn report(&self, report: Report) -> Result<Reported, DriverError> {
        let rows = u32::try_from(report.outcomes.len() + report.barriers.len() + report.broken.len())
            .unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(rows).map_err(|_| DriverError::Busy)?;
        self.ask(|reply| Request::Report { report, reply, room }).await
    }

    /// Lets a worker go.
    pub(crate) async fn leave(&self, worker: WorkerId) -> Result<(), DriverError> {
        self.ask(|reply| Request::Leave { worker, reply }).await
    }

    /// Hands a computed report in; waits for room in the queue, as there is nobody to try again.
    pub(super) async fn computed(&self, id: SweepId, view: SweepView, report: Option<StoredReport>) {
        self.send(Request::Computed { id, view, report }).await;
    }

    /// Hands chosen pairs in; waits for room in the queue like a computed report.
    pub(super) async fn planned(&self, id: SweepId, pairs: Vec<Pair>) {
        self.send(Request::Planned { id, pairs }).await;
    }

    /// Hands in what a look has found, nothing if it failed; waits for room in the queue like a computed report.
    pub(super) async fn looked(&self, look: Look, found: Option<Looks>) {
        self.send(Request::Looked { look, found }).await;
    }

    /// Gives no more tasks, and answers who waits for one.
    pub(crate) async fn close(&self) {
        self.send(Request::Close).await;
    }

    /// Waits until what is queued is durable, the seal written and the store closed.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.send(Request::Stop { done }).await;
        stopped.await.ok();
    }

    async fn send(&self, request: Request) {
        let queue = self.queue.clone();
        // only a driver that has ended refuses, and then there is nothing left to say
        tokio::task::spawn_blocking(move || queue.send(request).ok()).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use seedsweep_common::range::RestartRange;

    use super::*;
    use crate::core::tests::outcome;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (handle, inbox) = Handle::new();
        let mut waiting = Vec::new();
        for _ in 0..limits::DRIVER_QUEUE {
            let handle = handle.clone();
            waiting.push(tokio::spawn(async move { handle.leave(WorkerId(0)).await }));
        }
        while handle.queue.try_send(Request::Close).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.leave(WorkerId(1)).await, Err(DriverError::Busy));
        drop(inbox);
        assert_eq!(handle.leave(WorkerId(1)).await, Err(DriverError::Closed));
        for waiter in waiting {
            assert!(waiter.await.unwrap().is_err(), "nobody is left without an answer");
        }
    }

    #[tokio::test]
    async fn rows_in_the_queue_are_bounded() {
        let (handle, _inbox) = Handle::new();
        let report = || Report {
            worker: WorkerId(0),
            task: Task {
                token: Token(0),
                sweep: SweepId(seedsweep_common::digest::Digest::of(b"")),
                experiment: seedsweep_common::id::ExperimentIndex(0),
                range: RestartRange::one(0),
                attempt: 1,
            },
            outcomes: vec![outcome(0); limits::OUTCOMES_PER_REPORT],
            barriers: Vec::new(),
            broken: Vec::new(),
            finished: true,
            duration_ms: 0,
            effort: crate::core::Effort::default(),
        };
        let _all_but_one_report = handle
            .room
            .clone()
            .try_acquire_many_owned((limits::QUEUED_ROWS - limits::OUTCOMES_PER_REPORT) as u32)
            .unwrap();
        let queued = handle.clone();
        let first = tokio::spawn(async move { queued.report(report()).await });
        while handle.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.report(report()).await, Err(DriverError::Busy));
        first.abort();
    }
}
