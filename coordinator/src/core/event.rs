//! What the core is told, and what it asks for. Closed sets: a new one is a change of the protocol.

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, Name, SweepId, Token, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Failure, Outcome, Provenance};
use seedsweep_common::progress::{Looks, PlanChange};
use seedsweep_common::range::RestartRange;

/// The unit leased: one experiment, a contiguous range of restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Fences stale holders.
    pub token: Token,
    /// The sweep.
    pub sweep: SweepId,
    /// Its experiment.
    pub experiment: ExperimentIndex,
    /// The restarts.
    pub range: RestartRange,
    /// 1-based count of leases given for these restarts.
    pub attempt: u32,
}

/// A trial that broke (panicked or could not run) on a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which trial of the task's experiment.
    pub restart: u32,
    /// Why, in words for people.
    pub cause: String,
}

/// What a worker reports of one task.
#[derive(Debug, Clone)]
pub struct Report {
    /// The worker that reports.
    pub worker: WorkerId,
    /// The task as it was leased; its token may be stale.
    pub task: Task,
    /// Finished trials, each within the task's range.
    pub outcomes: Vec<Outcome>,
    /// Measured barriers by number of their pair, each within the task's range; of a task of barriers only, and then
    /// there are no outcomes.
    pub barriers: Vec<(u32, Barrier)>,
    /// Broken trials or pairs, each within the task's range.
    pub broken: Vec<Broken>,
    /// Whether the worker is done with the task.
    pub finished: bool,
    /// Wall time of the trials in this report on one slot, in milliseconds.
    pub duration_ms: u64,
    /// What that time went into.
    pub effort: Effort,
}

/// What slots did with their time, as workers say: for people who look, never for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Trials that ended.
    pub trials: u64,
    /// Microseconds in training.
    pub training_us: u64,
    /// Microseconds in what follows it.
    pub polish_us: u64,
    /// Million floating-point operations of training's products.
    pub training_mflop: u64,
    /// How many there could have been in that time.
    pub peak_mflop: u64,
}

/// A worker that wants to join.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Its name.
    pub name: Name,
    /// Version of its build.
    pub build: String,
    /// Its compute threads.
    pub slots: u32,
    /// What it runs on.
    pub kind: Kind,
    /// Million floating-point operations a second that one slot can reach; 0: not measured.
    pub peak_mflop_per_s: u64,
}

/// What a worker runs on, in its own words: empty if it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Vector instructions.
    pub lanes: String,
    /// What fills them, where that is forced.
    pub axis: String,
}

/// What a worker expects of one experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The sweep.
    pub sweep: SweepId,
    /// Its experiment.
    pub experiment: ExperimentIndex,
    /// Microseconds of one slot for one trial among many.
    pub us_per_trial: u64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed.
    Tick,
    /// A user submitted a valid spec.
    Submitted {
        /// Its id.
        id: SweepId,
        /// Restarts of each experiment.
        restarts: Vec<u32>,
        /// Whether barriers are asked for.
        barriers: bool,
        /// Experiments with `stop_when`.
        watched: Vec<ExperimentIndex>,
    },
    /// A user asked for more restarts.
    Extended {
        /// The sweep.
        id: SweepId,
        /// Its experiments that should have more.
        experiments: Vec<ExperimentIndex>,
        /// Restarts of each in all.
        restarts: u32,
    },
    /// A look asked for by [`Effect::Look`] was computed.
    Looked {
        /// The sweep.
        id: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// Its restarts when the look was asked for.
        restarts: u32,
        /// What was found.
        found: Looks,
    },
    /// A user cancelled a sweep.
    Cancelled {
        /// Its id.
        id: SweepId,
    },
    /// Outcomes handed out by [`Effect::Compare`] were compared with the stored ones.
    Compared {
        /// The sweep.
        id: SweepId,
        /// How many were equal.
        duplicates: u64,
        /// How many were not.
        divergences: u64,
    },
    /// A worker joined.
    Registered(Newcomer),
    /// A worker prepared experiments.
    Guessed {
        /// The worker.
        worker: WorkerId,
        /// What it expects of them.
        guesses: Vec<Guess>,
    },
    /// A worker asked for up to `most` tasks.
    TasksWanted {
        /// The worker.
        worker: WorkerId,
        /// Tasks wanted.
        most: u32,
    },
    /// A worker is alive and still holds these tasks.
    Renewed {
        /// The worker.
        worker: WorkerId,
        /// Its tasks.
        held: Vec<Task>,
    },
    /// A worker reported.
    Reported(Report),
    /// A worker left in peace.
    Left {
        /// The worker.
        worker: WorkerId,
    },
    /// The pairs between which barriers are to be measured were chosen, from all trials of a sweep.
    Planned {
        /// The sweep.
        id: SweepId,
        /// Its pairs, in the order in which they should be measured.
        pairs: Vec<Pair>,
    },
}

/// Something the driver must do. Those that name the store are durable before anybody is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Store a new sweep.
    Create {
        /// Its id.
        id: SweepId,
    },
    /// Store that a sweep was cancelled.
    Cancel {
        /// Its id.
        id: SweepId,
    },
    /// Store that an experiment makes more or fewer restarts.
    Change {
        /// The sweep.
        sweep: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// What changed.
        change: PlanChange,
    },
    /// Look at the first restarts of an experiment once they are durable, and say by [`Event::Looked`] what was found.
    Look {
        /// The sweep.
        sweep: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// Its restarts.
        restarts: u32,
        /// The last stop that was taken back.
        earlier: Option<Looks>,
    },
    /// Store the first outcomes of these trials.
    Store {
        /// The sweep.
        sweep: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// How all of them came about.
        provenance: Provenance,
        /// The outcomes.
        outcomes: Vec<Outcome>,
    },
    /// Compare these outcomes with those stored before, and say so by [`Event::Compared`].
    Compare {
        /// The sweep.
        sweep: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// Name of the worker that reported them.
        worker: String,
        /// The outcomes.
        outcomes: Vec<Outcome>,
    },
    /// Store that every attempt of a trial failed.
    Fail {
        /// The sweep.
        sweep: SweepId,
        /// Its experiment.
        experiment: ExperimentIndex,
        /// Which trial, and why.
        failure: Failure,
    },
    /// Store which pairs were chosen beside those chosen before.
    Plan {
        /// The sweep.
        sweep: SweepId,
        /// Number of the first of them.
        first: u32,
        /// Trials of the sweep when they were chosen.
        trials: u64,
        /// The new pairs.
        pairs: Vec<Pair>,
    },
    /// Store the first barriers of these pairs.
    StoreBarriers {
        /// The sweep.
        sweep: SweepId,
        /// How all of them came about.
        provenance: Provenance,
        /// The barriers.
        barriers: Vec<(Pair, Barrier)>,
    },
    /// Compare these barriers with those stored before, and say so by [`Event::Compared`].
    CompareBarriers {
        /// The sweep.
        sweep: SweepId,
        /// How they came about.
        provenance: Provenance,
        /// The barriers.
        barriers: Vec<(Pair, Barrier)>,
    },
    /// Store that every attempt to measure a barrier failed.
    FailBarrier {
        /// The sweep.
        sweep: SweepId,
        /// Which.
        pair: Pair,
        /// Why, in words for people.
        cause: String,
    },
    /// A sweep ended, or got another outcome after it had: its report is to be computed and stored.
    Ended {
        /// Its id.
        id: SweepId,
    },
    /// Answer a registration.
    Welcome(WorkerId),
    /// Hand out a task.
    Lease(Task),
    /// Tell the worker to give up a task.
    Revoke(Token),
    /// Refuse the event; nothing changed.
    Refused(Refusal),
}

/// Why the core refuses an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The worker never registered here, or was forgotten.
    #[error("`worker_id` is {}: no such worker is known, register again", .0.0)]
    UnknownWorker(WorkerId),
    /// No such sweep.
    #[error("`sweep_id` is {0}: no such sweep is known")]
    UnknownSweep(SweepId),
    /// No such experiment.
    #[error("`task.experiment` is {}: the sweep has {experiments} experiments", .index.0)]
    UnknownExperiment {
        /// What was asked for.
        index: ExperimentIndex,
        /// How many there are.
        experiments: usize,
    },
    /// The task reaches beyond its experiment.
    #[error("`task.end` is {end}: the experiment has {restarts} restarts")]
    BeyondRestarts {
        /// End of the task.
        end: u32,
        /// Restarts of the experiment.
        restarts: u32,
    },
    /// Outcomes for a task of barriers, or barriers for a task of trials.
    #[error("`{0}` are reported for a task of another kind")]
    OtherKind(&'static str),
    /// A cancelled sweep takes no more restarts.
    #[error("sweep {0} was cancelled: submit it under another name or seed for more restarts")]
    Cancelled(SweepId),
    /// Too many extensions.
    #[error("a sweep may be extended at most {} times, each experiment counted", limits::EXTENSIONS)]
    TooManyExtensions,
    /// Too many running sweeps.
    #[error("{} sweeps are running: wait for one to end, or cancel one", limits::OPEN_SWEEPS)]
    TooManySweeps,
    /// Too many live workers.
    #[error("{} workers are registered: no more are taken", limits::WORKERS)]
    TooManyWorkers,
}
