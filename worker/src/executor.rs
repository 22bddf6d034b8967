//! Compute threads, one per slot, off the async runtime.
//!
//! A thread takes a job, trains its restarts one after the other and sends what it has about each second, so
//! that a lost worker costs about a second of work. It knows nothing of gRPC: jobs come in, reports go out.

mod barriers;

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use seedsweep_common::barrier::Barrier;
use seedsweep_common::id::Token;
use seedsweep_common::limits;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::range::RestartRange;

use crate::cost;
use crate::train::{Prepared, TrainError};

/// How often a running job hands in what it has.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

pub use barriers::{NamedPair, PreparedTrial};

/// Something to be done on one slot.
pub struct Job {
    /// Of the lease; comes back in the reports.
    pub token: Token,
    /// What is to be done.
    pub work: Work,
    /// Set by others to end the job early.
    pub flags: Arc<JobFlags>,
}

/// What a job does.
pub enum Work {
    /// Trains restarts of one experiment.
    Trials {
        /// The experiment.
        prepared: Arc<Prepared>,
        /// Which restarts.
        restarts: RestartRange,
    },
    /// Measures barriers.
    Barriers(Vec<NamedPair>),
}

/// How others end a job early.
#[derive(Debug, Default)]
pub struct JobFlags {
    /// Give up the trial under way.
    pub cancelled: AtomicBool,
    /// Finish the trial under way, begin no other.
    pub drained: AtomicBool,
}

/// What a job has to say since its last report.
#[derive(Debug)]
pub struct Report {
    /// Of the job.
    pub token: Token,
    /// Finished trials.
    pub outcomes: Vec<Outcome>,
    /// Measured barriers by number of their pair.
    pub barriers: Vec<(u32, Barrier)>,
    /// Trials or pairs that broke, with the reason.
    pub broken: Vec<(u32, String)>,
    /// Time that the trials took on this slot.
    pub duration: Duration,
    /// The part of it that went into training.
    pub training: Duration,
    /// The part that went into what follows: polish, certificate, sketches.
    pub polish: Duration,
    /// Floating-point operations of training's products.
    pub training_flops: f64,
    /// Whether the job says nothing more, and if so how it ended.
    pub end: Option<JobEnd>,
}

impl Report {
    /// Nothing to say of the job of `token`.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            outcomes: Vec::new(),
            barriers: Vec::new(),
            broken: Vec::new(),
            duration: Duration::ZERO,
            training: Duration::ZERO,
            polish: Duration::ZERO,
            training_flops: 0.0,
            end: None,
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// Every restart was trained or broke.
    Finished,
    /// It was told to stop before.
    Stopped,
}

/// A fixed number of compute threads.
pub struct Executor {
    jobs: Option<mpsc::SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Executor {
    /// Starts `slots` threads that send their reports to `reports`.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(slots: u32, reports: &tokio::sync::mpsc::Sender<Report>) -> std::io::Result<Self> {
        // callers hold at most two tasks per slot, so submitting never blocks
        let (sender, receiver) = mpsc::sync_channel::<Job>(2 * slots as usize);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..slots)
            .map(|slot| {
                let (receiver, reports) = (Arc::clone(&receiver), reports.clone());
                std::thread::Builder::new().name(format!("slot-{slot}")).spawn(move || {
                    while let Some(job) = next_job(&receiver) {
                        if run(&job, &reports).is_break() {
                            break;
                        }
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(sender), threads })
    }

    /// Queues `job`; false if all queues are full, which a caller who counts its jobs never sees.
    pub fn submit(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

impl Drop for Executor {
    /// Waits for the threads: jobs must have been cancelled before, or have ended.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // a slot that panicked has said so already, and there is nobody left to tell
            let _ = thread.join();
        }
    }
}

fn next_job(receiver: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    // the lock is held while waiting: the other idle threads then wait for the lock instead of the queue
    receiver.lock().ok()?.recv().ok()
}

/// Trains a job; breaks if nobody listens any more.
fn run(job: &Job, reports: &tokio::sync::mpsc::Sender<Report>) -> ControlFlow<()> {
    let mut account = Account { job, reports, since: Instant::now(), report: Report::new(job.token) };
    let end = match &job.work {
        Work::Trials { prepared, restarts } => trials(&mut account, prepared, *restarts),
        Work::Barriers(pairs) => barriers::measure(&mut account, pairs),
    }?;
    account.report.duration = account.since.elapsed();
    account.report.end = Some(end);
    send(reports, account.report)
}

/// Trains `restarts` pod by pod; breaks if nobody listens any more.
fn trials(account: &mut Account<'_>, prepared: &Prepared, restarts: RestartRange) -> ControlFlow<(), JobEnd> {
    for pod in prepared.pods(restarts) {
        if account.job.flags.drained.load(Ordering::Relaxed) {
            return ControlFlow::Continue(JobEnd::Stopped);
        }
        let is_last = |restart: u32| restart + 1 == restarts.end();
        if train(account, prepared, pod, &is_last)?.is_some() {
            return ControlFlow::Continue(JobEnd::Stopped);
        }
    }
    ControlFlow::Continue(JobEnd::Finished)
}

/// What a job has to say, on its way to whoever listens.
struct Account<'a> {
    job: &'a Job,
    reports: &'a tokio::sync::mpsc::Sender<Report>,
    since: Instant,
    report: Report,
}

impl Account<'_> {
    /// Hands in what there is, where it is time and more will come.
    fn hand_in(&mut self, is_last: bool) -> ControlFlow<()> {
        if self.since.elapsed() < REPORT_INTERVAL || is_last {
            return ControlFlow::Continue(());
        }
        self.report.duration = self.since.elapsed();
        self.since = Instant::now();
        send(self.reports, std::mem::replace(&mut self.report, Report::new(self.job.token)))
    }
}

fn send(reports: &tokio::sync::mpsc::Sender<Report>, report: Report) -> ControlFlow<()> {
    match reports.blocking_send(report) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// The job was told to stop.
struct Cancelled;

/// Trains a pod; breaks if nobody listens any more.
fn train(
    account: &mut Account<'_>,
    prepared: &Prepared,
    pod: RestartRange,
    is_last: &dyn Fn(u32) -> bool,
) -> ControlFlow<(), Option<Cancelled>> {
    let job = account.job;
    let flops_per_update = cost::flops_per_update(&prepared.shape());
    let mut next = pod.start();
    let mut heard = ControlFlow::Continue(());
    // a panic must cost its trial only; `Prepared` is never changed, so no half-made state survives it
    let trained = catch_unwind(AssertUnwindSafe(|| {
        let mut from = Instant::now();
        let descended = prepared.descend_pod(pod, &job.flags.cancelled)?;
        account.report.training += from.elapsed();
        from = Instant::now();
        prepared.finish_pod(descended, &job.flags.cancelled, &mut |outcome| {
            next = outcome.restart + 1;
            account.report.polish += from.elapsed();
            account.report.training_flops += outcome.steps as f64 * flops_per_update;
            account.report.outcomes.push(outcome);
            if heard.is_continue() {
                heard = account.hand_in(is_last(next - 1));
            }
            from = Instant::now();
        })
    }));
    heard?;
    let cause = match trained {
        Ok(Ok(())) => return ControlFlow::Continue(None),
        Ok(Err(TrainError::Cancelled)) => return ControlFlow::Continue(Some(Cancelled)),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("panic: {}", panic_text(&*panic)),
    };
    if pod.count() == 1 {
        account.report.broken.push((next, cut(cause)));
        account.hand_in(is_last(next))?;
        return ControlFlow::Continue(None);
    }
    // one of them broke: the rest again, each alone, to find out which
    for restart in next..pod.end() {
        if let Some(cancelled) = train(account, prepared, RestartRange::one(restart), is_last)? {
            return ControlFlow::Continue(Some(cancelled));
        }
    }
    ControlFlow::Continue(None)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(limits::ERROR_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
