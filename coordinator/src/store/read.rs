//! Reads what was committed, and nothing beyond it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::path::Path;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Failure, Outcome, Provenance};
use seedsweep_common::range::IntervalSet;
use seedsweep_proto::store::v1::{BarrierRecord, FailureRecord, OutcomeBlock, Piece, ReportRecord};

use super::commit::Pieces;
use super::database::Database;
use super::key::{self, Key};
use super::{StoreError, StoredReport, barriers, block, frame, losses};

/// A view of the rows up to one commit.
pub(super) struct Reader<'a> {
    pub(super) database: &'a Database,
    /// Largest sequence number that is durable: rows beyond it are not served.
    pub(super) committed: u64,
    /// For messages.
    pub(super) directory: &'a Path,
}

impl Reader<'_> {
    /// The stored outcome of one trial.
    pub(super) fn outcome(
        &self,
        sweep: SweepId,
        experiment: ExperimentIndex,
        restart: u32,
    ) -> Result<Option<(Outcome, Provenance)>, StoreError> {
        // a block that holds the restart starts at most a block's length before it
        let earliest = restart.saturating_sub(block::ROWS_MOST as u32 - 1);
        let bound =
            |first_restart, sequence| Key::Outcomes { sweep, experiment, first_restart, sequence }.encode();
        let rows = self
            .database
            .between(&bound(earliest, 0), &bound(restart, u64::MAX))
            .map_err(|error| error.at(self.directory))?;
        let mut first: Option<(u64, Outcome, Provenance)> = None;
        for (key, value) in &rows {
            let Some((sequence, outcomes, provenance)) = self.block(key, value)? else { continue };
            let found = outcomes.into_iter().find(|outcome| outcome.restart == restart);
            if let Some(outcome) = found
                && first.as_ref().is_none_or(|(earlier, _, _)| sequence < *earlier)
            {
                first = Some((sequence, outcome, provenance));
            }
        }
        Ok(first.map(|(_, outcome, provenance)| (outcome, provenance)))
    }

    /// All outcomes of one experiment by restart.
    pub(super) fn outcomes(
        &self,
        sweep: SweepId,
        experiment: ExperimentIndex,
    ) -> Result<Vec<(Outcome, Provenance)>, StoreError> {
        let mut rows = Vec::new();
        let mut problem = None;
        let scanned = self.database.scan(&key::outcomes_of(sweep, experiment), |key, value| {
            match self.block(key, value) {
                Ok(Some((sequence, outcomes, provenance))) => {
                    rows.extend(outcomes.into_iter().map(|outcome| (sequence, outcome, provenance.clone())));
                }
                Ok(None) => {}
                Err(error) => problem = Some(error),
            }
            problem.is_none()
        });
        scanned.map_err(|error| error.at(self.directory))?;
        if let Some(error) = problem {
            return Err(error);
        }
        // where lost outcomes were trained again and came back, the first one counts
        rows.sort_by_key(|(sequence, outcome, _)| (outcome.restart, *sequence));
        rows.dedup_by_key(|(_, outcome, _)| outcome.restart);
        Ok(rows.into_iter().map(|(_, outcome, provenance)| (outcome, provenance)).collect())
    }

    /// The outcomes of one block with its sequence number; `None` if its commit is not durable.
    fn block(&self, key: &[u8], value: &[u8]) -> Result<Option<(u64, Vec<Outcome>, Provenance)>, StoreError> {
        let (sequence, message) =
            frame::read::<OutcomeBlock>(key, value).map_err(|error| self.broken(key, &error))?;
        if sequence > self.committed {
            return Ok(None);
        }
        let (outcomes, provenance) = block::decode(&message).map_err(|error| self.broken(key, &error))?;
        Ok(Some((sequence, outcomes, provenance)))
    }

    /// The stored report; of several the latest.
    pub(super) fn report(&self, sweep: SweepId) -> Result<Option<StoredReport>, StoreError> {
        let mut latest = None;
        let mut revision_read = (0, Pieces::default());
        let mut problem = None;
        let scanned = self.database.scan(&key::reports_of(sweep), |bytes, value| {
            let (Some(Key::Report { revision, piece, .. }), Ok((sequence, message))) =
                (Key::decode(bytes), frame::read::<Piece>(bytes, value))
            else {
                problem = Some(self.broken(bytes, &"it is no piece of a report"));
                return false;
            };
            if sequence > self.committed {
                return false;
            }
            if piece == 0 {
                revision_read = (revision, Pieces::default());
            }
            if revision_read.0 == revision {
                revision_read.1.add(piece, &message);
                latest = revision_read.1.read::<ReportRecord>().or(latest.take());
            }
            true
        });
        scanned.map_err(|error| error.at(self.directory))?;
        if let Some(error) = problem {
            return Err(error);
        }
        let Some(record) = latest else { return Ok(None) };
        let outcomes_digest = record
            .outcomes_digest
            .try_into()
            .map_err(|_| self.broken(&key::reports_of(sweep), &"its digest does not have 32 bytes"))?;
        Ok(Some(StoredReport { report_json: record.report_json, outcomes_digest, analysis: record.analysis }))
    }

    /// Why the trials of `failed` (restarts by experiment) failed: the first `most` by experiment and restart.
    pub(super) fn failures(
        &self,
        sweep: SweepId,
        failed: &[IntervalSet],
        most: usize,
    ) -> Result<Vec<(ExperimentIndex, Failure)>, StoreError> {
        let mut found: Vec<(ExperimentIndex, Failure)> = Vec::new();
        let mut problem = None;
        let scanned = self.database.scan(&key::failures_of(sweep), |bytes, value| {
            let (Some(Key::Failed { experiment, restart, .. }), Ok((sequence, record))) =
                (Key::decode(bytes), frame::read::<FailureRecord>(bytes, value))
            else {
                problem = Some(self.broken(bytes, &"it is no failure"));
                return false;
            };
            let still = failed.get(experiment.0 as usize).is_some_and(|set| set.contains(restart));
            // a record that was lost and came back stands beside its successor
            let told = found.last().is_some_and(|(e, f)| (*e, f.restart) == (experiment, restart));
            if still && !told && sequence <= self.committed {
                found.push((experiment, Failure { restart, cause: record.cause }));
            }
            found.len() < most
        });
        scanned.map_err(|error| error.at(self.directory))?;
        problem.map_or(Ok(found), Err)
    }

    /// The measured barriers of a sweep; of several of a pair the first.
    pub(super) fn barriers(
        &self,
        sweep: SweepId,
    ) -> Result<BTreeMap<Pair, (Barrier, Provenance)>, StoreError> {
        let mut found = BTreeMap::new();
        self.barrier_records(sweep, |pair, barrier, record| {
            if let Some(barrier) = barrier {
                // keys ascend by sequence: the first stays
                found.entry(pair).or_insert_with(|| (barrier, barriers::provenance(record)));
            }
        })?;
        Ok(found)
    }

    /// Why there is no barrier, for each pair of which every attempt failed; of several causes the last.
    pub(super) fn failed_barriers(&self, sweep: SweepId) -> Result<BTreeMap<Pair, String>, StoreError> {
        let (mut failed, mut measured) = (BTreeMap::new(), HashSet::new());
        self.barrier_records(sweep, |pair, barrier, record| match barrier {
            Some(_) => drop(measured.insert(pair)),
            None => drop(failed.insert(pair, record.cause)),
        })?;
        failed.retain(|pair, _| !measured.contains(pair));
        Ok(failed)
    }

    /// Hands each durable record of a pair to `take`, with its barrier if it is not a failure.
    fn barrier_records(
        &self,
        sweep: SweepId,
        mut take: impl FnMut(Pair, Option<Barrier>, BarrierRecord),
    ) -> Result<(), StoreError> {
        let mut problem = None;
        let scanned = self.database.scan(&key::barriers_of(sweep), |bytes, value| {
            let record =
                frame::read::<BarrierRecord>(bytes, value).map_err(|error| self.broken(bytes, &error));
            let read = record.and_then(|(sequence, record)| {
                let barrier = barriers::read(&record).map_err(|error| self.broken(bytes, &error))?;
                Ok((sequence, barrier, record))
            });
            match (Key::decode(bytes), read) {
                (Some(Key::Barrier { pair, .. }), Ok((sequence, barrier, record))) => {
                    if sequence <= self.committed {
                        take(pair, barrier, record);
                    }
                }
                (_, Ok(_)) => {}
                (_, Err(error)) => problem = Some(error),
            }
            problem.is_none()
        });
        scanned.map_err(|error| error.at(self.directory))?;
        problem.map_or(Ok(()), Err)
    }

    fn broken(&self, key: &[u8], problem: &dyn Display) -> StoreError {
        StoreError::Damaged {
            path: self.directory.to_owned(),
            problem: format!("{}: {problem}; start again, and it is made anew", losses::row_name(key)),
        }
    }
}
