//! What anybody may read without asking the driver: every sweep as of the last durable commit.
//!
//! Written by the driver alone, and only after a commit, so that nothing is shown that a crash could take back.
//! It stays readable while a commit is under way and after the store has failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::progress::SweepState;
use seedsweep_common::spec::SweepSpec;
use tokio::sync::watch;

use crate::core::{Kind, SweepView};

/// What never changes about a sweep.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its id.
    pub(crate) id: SweepId,
    /// The spec.
    pub(crate) spec: SweepSpec,
    /// Its canonical form.
    pub(crate) spec_toml: String,
    /// When it was submitted, in milliseconds since 1970.
    pub(crate) submitted_unix_ms: u64,
}

impl Facts {
    /// Whether barriers between minima are asked for.
    pub(crate) fn wants_barriers(&self) -> bool {
        self.spec.experiments.iter().any(|experiment| experiment.minima.barriers > 1)
    }

    /// Experiments with `stop_when`.
    pub(crate) fn watched(&self) -> impl Iterator<Item = ExperimentIndex> + '_ {
        let experiments = (0..).zip(&self.spec.experiments);
        experiments
            .filter(|(_, experiment)| experiment.stop_when.is_some())
            .map(|(index, _)| ExperimentIndex(index))
    }

    /// The spec with the restarts that each experiment has by now.
    pub(crate) fn spec_now(&self, view: &SweepView) -> SweepSpec {
        let mut spec = self.spec.clone();
        for (experiment, counts) in spec.experiments.iter_mut().zip(&view.experiments) {
            // restarts of one experiment fit 32 bits
            experiment.restarts = u32::try_from(counts.total).unwrap_or(u32::MAX);
        }
        spec
    }
}

/// Where a sweep stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Its state and counts.
    pub(crate) view: SweepView,
    /// Trials per second over the last ten seconds, and the seconds left at that rate.
    pub(crate) pace: Option<Pace>,
}

/// How fast a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Trials finished per second.
    pub(crate) trials_per_s: f64,
    /// Seconds left; `None` if the sweep has ended.
    pub(crate) eta_s: Option<f64>,
}

/// Live workers and their slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WorkerCounts {
    /// Workers heard of within a lease.
    pub(crate) live: u32,
    /// Their compute threads.
    pub(crate) slots: u32,
    /// The same by what they run on.
    pub(crate) kinds: Vec<(Kind, u32, u32)>,
}

/// A sweep on the board.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    /// What never changes.
    pub(crate) facts: Arc<Facts>,
    /// What does.
    pub(crate) standing: watch::Receiver<Arc<Standing>>,
}

impl Posted {
    /// Where it stands now.
    pub(crate) fn now(&self) -> Arc<Standing> {
        self.standing.borrow().clone()
    }
}

/// How a user names a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector<'a> {
    /// The latest of all.
    Last,
    /// A name, an id, or the beginning of an id.
    Text(&'a str),
}

/// Fewest digits of an id that select a sweep.
pub(crate) const PREFIX_DIGITS: usize = 4;

/// Why a selector selects nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// No sweep matches.
    None,
    /// So many sweeps have ids that begin so.
    Ambiguous(usize),
}

/// All sweeps and workers.
#[derive(Debug)]
pub(crate) struct Board {
    entries: RwLock<Entries>,
    /// Whether the coordinator is going down.
    closing: watch::Sender<bool>,
    /// Why nothing more is taken in; empty while all is well.
    failure: watch::Sender<Option<Arc<str>>>,
}

#[derive(Debug, Default)]
struct Entries {
    /// In the order of submission.
    sweeps: BTreeMap<usize, (Arc<Facts>, watch::Sender<Arc<Standing>>)>,
    by_id: HashMap<SweepId, usize>,
    workers: WorkerCounts,
}

impl Board {
    /// An empty board.
    pub(crate) fn new() -> Self {
        Self {
            entries: RwLock::default(),
            closing: watch::Sender::new(false),
            failure: watch::Sender::new(None),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        // each write leaves the entries whole
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts a new sweep.
    pub(crate) fn post(&self, facts: Arc<Facts>, standing: Standing) {
        let mut entries = self.write();
        let number = entries.sweeps.len();
        entries.by_id.insert(facts.id, number);
        entries.sweeps.insert(number, (facts, watch::Sender::new(Arc::new(standing))));
    }

    /// Posts where a sweep stands now; watchers are woken if that changed.
    pub(crate) fn update(&self, id: SweepId, standing: Standing) {
        let entries = self.read();
        let Some((_, sender)) = entries.by_id.get(&id).and_then(|number| entries.sweeps.get(number)) else {
            return;
        };
        sender.send_if_modified(|old| {
            let changed = **old != standing;
            if changed {
                *old = Arc::new(standing);
            }
            changed
        });
    }

    /// Posts the workers.
    pub(crate) fn set_workers(&self, workers: WorkerCounts) {
        self.write().workers = workers;
    }

    /// The workers.
    pub(crate) fn workers(&self) -> WorkerCounts {
        self.read().workers.clone()
    }

    /// All sweeps, oldest first.
    pub(crate) fn list(&self) -> Vec<Posted> {
        self.read().sweeps.values().map(posted).collect()
    }

    /// The sweep with this id.
    pub(crate) fn get(&self, id: SweepId) -> Option<Posted> {
        let entries = self.read();
        entries.by_id.get(&id).and_then(|number| entries.sweeps.get(number)).map(posted)
    }

    /// The sweep that `selector` means: `last`; else the latest of that name; else the one whose id begins so.
    pub(crate) fn find(&self, selector: &Selector<'_>) -> Result<Posted, NotFound> {
        let entries = self.read();
        let text = match selector {
            Selector::Last => {
                return entries.sweeps.values().next_back().map(posted).ok_or(NotFound::None);
            }
            Selector::Text(text) => *text,
        };
        let named = entries.sweeps.values().rev().find(|(facts, _)| facts.spec.name.as_str() == text);
        if let Some(named) = named {
            return Ok(posted(named));
        }
        if text.len() < PREFIX_DIGITS {
            return Err(NotFound::None);
        }
        let mut matches = entries.sweeps.values().filter(|(facts, _)| facts.id.to_string().starts_with(text));
        match (matches.next(), matches.count()) {
            (None, _) => Err(NotFound::None),
            (Some(only), 0) => Ok(posted(only)),
            (Some(_), others) => Err(NotFound::Ambiguous(others + 1)),
        }
    }

    /// Whether the coordinator is going down.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Says that the coordinator is going down: streams end, waiting calls are answered.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Why nothing more is taken in, if so.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.subscribe()
    }

    /// Why nothing more is taken in; empty while all is well.
    pub(crate) fn store_problem(&self) -> String {
        self.failure.borrow().as_deref().unwrap_or_default().to_owned()
    }

    /// Says why nothing more is taken in, or that all is well again.
    pub(crate) fn set_failure(&self, reason: Option<Arc<str>>) {
        self.failure.send_replace(reason);
    }
}

fn posted((facts, sender): &(Arc<Facts>, watch::Sender<Arc<Standing>>)) -> Posted {
    Posted { facts: facts.clone(), standing: sender.subscribe() }
}

impl Standing {
    /// Whether the sweep has ended.
    pub(crate) fn ended(&self) -> bool {
        self.view.state != SweepState::Running
    }
}
