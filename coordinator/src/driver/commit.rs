//! One turn's worth of durable changes, and the answers that depend on them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Outcome, Provenance};

use tokio::sync::OwnedSemaphorePermit;

use super::handle::{DriverError, Reply, Reported};
use crate::board::Facts;
use crate::core::Refusal;
use crate::store::{Record, Store};

/// Something that was done before.
pub(super) struct Comparison {
    sweep: SweepId,
    again: Again,
}

enum Again {
    /// An outcome of a trial.
    Outcome { experiment: ExperimentIndex, worker: Arc<str>, outcome: Box<Outcome> },
    /// A barrier of a pair.
    Barrier { provenance: Arc<Provenance>, pair: Pair, barrier: Barrier },
}

/// An answer that waits for the commit.
type Deferred = Box<dyn FnOnce(Result<&Verdicts, &DriverError>) + Send>;

/// What is to be stored and compared, and who is to be answered then.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) comparisons: Vec<Comparison>,
    pub(super) created: Vec<Arc<Facts>>,
    /// Held until the rows they were given for are stored: one bound for the queue and the batch together.
    pub(super) rooms: Vec<OwnedSemaphorePermit>,
    deferred: Vec<Deferred>,
}

/// Whether each compared outcome equals the stored one.
pub(super) struct Verdicts {
    equal: Vec<(SweepId, bool)>,
}

impl Verdicts {
    /// Equal and different outcomes per sweep.
    pub(super) fn per_sweep(&self) -> BTreeMap<SweepId, (u64, u64)> {
        let mut counts = BTreeMap::new();
        for &(sweep, equal) in &self.equal {
            let (duplicates, divergences): &mut (u64, u64) = counts.entry(sweep).or_default();
            *(if equal { duplicates } else { divergences }) += 1;
        }
        counts
    }
}

impl Batch {
    /// Whether there is nothing to store and nobody to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.comparisons.is_empty() && self.deferred.is_empty()
    }

    /// Has `outcomes` of `worker` compared with what is stored.
    pub(super) fn compare(
        &mut self,
        sweep: SweepId,
        experiment: ExperimentIndex,
        worker: &str,
        outcomes: Vec<Outcome>,
    ) {
        let worker: Arc<str> = worker.into();
        self.comparisons.extend(outcomes.into_iter().map(|outcome| Comparison {
            sweep,
            again: Again::Outcome { experiment, worker: worker.clone(), outcome: Box::new(outcome) },
        }));
    }

    /// Has `barriers` compared with what is stored.
    pub(super) fn compare_barriers(
        &mut self,
        sweep: SweepId,
        provenance: &Provenance,
        barriers: Vec<(Pair, Barrier)>,
    ) {
        let provenance = Arc::new(provenance.clone());
        let again = |(pair, barrier)| Again::Barrier { provenance: provenance.clone(), pair, barrier };
        self.comparisons.extend(barriers.into_iter().map(|row| Comparison { sweep, again: again(row) }));
    }

    /// Answers `decided` once everything is durable.
    pub(super) fn defer<T: Send + 'static>(&mut self, reply: Reply<T>, decided: Result<T, Refusal>) {
        self.deferred.push(Box::new(move |committed| {
            let answer = match committed {
                Ok(_) => decided.map_err(DriverError::Refused),
                Err(error) => Err(error.clone()),
            };
            // a caller that is gone needs no answer
            reply.send(answer).ok();
        }));
    }

    /// Answers a report of `rows` outcomes, of which `compared` were done before.
    pub(super) fn defer_report(
        &mut self,
        reply: Reply<Reported>,
        decided: Result<(), Refusal>,
        rows: usize,
        compared: Range<usize>,
    ) {
        self.deferred.push(Box::new(move |committed| {
            let answer = committed.map_err(Clone::clone).and_then(|verdicts| {
                decided?;
                let equal = &verdicts.equal[compared];
                let duplicates = equal.iter().filter(|(_, equal)| *equal).count();
                Ok(Reported {
                    accepted: (rows - equal.len()) as u32,
                    duplicates: duplicates as u32,
                    divergences: (equal.len() - duplicates) as u32,
                })
            });
            reply.send(answer).ok();
        }));
    }

    /// Makes all records durable, then compares: what is compared may be among them.
    pub(super) fn commit(&self, store: &Store) -> Result<Verdicts, DriverError> {
        if !self.records.is_empty() {
            store.commit(&self.records)?;
        }
        let mut divergences = Vec::new();
        let mut equal = Vec::with_capacity(self.comparisons.len());
        for comparison in &self.comparisons {
            let divergence = comparison.divergence(store)?;
            equal.push((comparison.sweep, divergence.is_none()));
            divergences.extend(divergence);
        }
        if !divergences.is_empty() {
            store.commit(&divergences)?;
        }
        Ok(Verdicts { equal })
    }

    /// Sends the answers.
    pub(super) fn answer(self, verdicts: &Verdicts) {
        self.deferred.into_iter().for_each(|answer| answer(Ok(verdicts)));
    }

    /// Answers `error` to all; what is to be stored stays.
    pub(super) fn refuse(&mut self, error: &DriverError) {
        self.comparisons.clear();
        self.deferred.drain(..).for_each(|answer| answer(Err(error)));
    }
}

impl Comparison {
    /// What is to be stored if the outcome differs from the first one, which stays. A report that is told again
    /// because its answer was lost is a further divergence: each one is kept.
    fn divergence(&self, store: &Store) -> Result<Option<Record>, DriverError> {
        match &self.again {
            Again::Outcome { experiment, worker, outcome } => {
                outcome_divergence(store, self.sweep, *experiment, worker, outcome)
            }
            Again::Barrier { provenance, pair, barrier } => {
                barrier_divergence(store, self.sweep, provenance, *pair, *barrier)
            }
        }
    }
}

fn outcome_divergence(
    store: &Store,
    sweep: SweepId,
    experiment: ExperimentIndex,
    worker: &str,
    outcome: &Outcome,
) -> Result<Option<Record>, DriverError> {
    let restart = outcome.restart;
    let Some((first, provenance)) = store.outcome(sweep, experiment, restart)? else {
        let reason = format!(
            "trial {}/{}/{restart} is done, but its outcome is not stored",
            sweep.short(),
            experiment.0
        );
        return Err(DriverError::Store(reason.into()));
    };
    if first.same_bits(outcome) {
        return Ok(None);
    }
    tracing::warn!(
        %sweep, experiment = experiment.0, restart,
        first_worker = provenance.worker, second_worker = worker,
        "two reports of one trial differ"
    );
    Ok(Some(Record::Divergence {
        sweep,
        experiment,
        outcome: outcome.clone(),
        first_worker: provenance.worker,
        second_worker: worker.to_owned(),
    }))
}

fn barrier_divergence(
    store: &Store,
    sweep: SweepId,
    second: &Provenance,
    pair: Pair,
    barrier: Barrier,
) -> Result<Option<Record>, DriverError> {
    let Some((first, provenance)) = store.barriers(sweep)?.remove(&pair) else {
        let reason = format!("a barrier of sweep {} is done, but it is not stored", sweep.short());
        return Err(DriverError::Store(reason.into()));
    };
    if first.same_bits(&barrier) {
        return Ok(None);
    }
    tracing::warn!(
        %sweep, ?pair, first_worker = provenance.worker, second_worker = second.worker,
        "two reports of one barrier differ"
    );
    Ok(Some(Record::Barriers { sweep, provenance: second.clone(), barriers: vec![(pair, barrier)] }))
}
