//! Compute threads, one per slot, off the async runtime.
//!
//! A thread takes a job, trains its restarts one after the other and sends what it has about each second, so
//! that a lost worker costs about a second of work. It knows nothing of gRPC: jobs come in, reports go out.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use seedsweep_common::id::Token;
use seedsweep_common::limits;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::range::RestartRange;

use crate::train::{Prepared, TrainError};

/// How often a running job hands in what it has.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Restarts of one experiment to be trained.
pub struct Job {
    /// Of the lease; comes back in the reports.
    pub token: Token,
    /// The experiment.
    pub prepared: Arc<Prepared>,
    /// Which restarts.
    pub restarts: RestartRange,
    /// Set by others to end the job early.
    pub flags: Arc<JobFlags>,
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
    /// Trials that broke, with the reason.
    pub broken: Vec<(u32, String)>,
    /// Time that the trials took on this slot.
    pub duration: Duration,
    /// Whether the job says nothing more, and if so how it ended.
    pub end: Option<JobEnd>,
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
    let mut since = Instant::now();
    let empty = || Report {
        token: job.token,
        outcomes: Vec::new(),
        broken: Vec::new(),
        duration: Duration::ZERO,
        end: None,
    };
    let mut report = empty();
    let mut end = JobEnd::Finished;
    for restart in job.restarts.iter() {
        if job.flags.drained.load(Ordering::Relaxed) {
            end = JobEnd::Stopped;
            break;
        }
        match train(job, restart) {
            Ok(outcome) => report.outcomes.push(outcome),
            Err(Stopped::Cancelled) => {
                end = JobEnd::Stopped;
                break;
            }
            Err(Stopped::Broken(cause)) => report.broken.push((restart, cause)),
        }
        if since.elapsed() >= REPORT_INTERVAL && restart + 1 < job.restarts.end() {
            report.duration = since.elapsed();
            since = Instant::now();
            send(reports, std::mem::replace(&mut report, empty()))?;
        }
    }
    report.duration = since.elapsed();
    report.end = Some(end);
    send(reports, report)
}

fn send(reports: &tokio::sync::mpsc::Sender<Report>, report: Report) -> ControlFlow<()> {
    match reports.blocking_send(report) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

enum Stopped {
    Cancelled,
    Broken(String),
}

fn train(job: &Job, restart: u32) -> Result<Outcome, Stopped> {
    // a panic must cost its trial only; `Prepared` is never changed, so no half-made state survives it
    let trained = catch_unwind(AssertUnwindSafe(|| job.prepared.train(restart, &job.flags.cancelled)));
    match trained {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(TrainError::Cancelled)) => Err(Stopped::Cancelled),
        Ok(Err(error)) => Err(Stopped::Broken(cut(error.to_string()))),
        Err(panic) => Err(Stopped::Broken(cut(format!("panic: {}", panic_text(&*panic))))),
    }
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
