//! Reads a whole database and counts what it holds. Changes nothing.

use std::collections::BTreeMap;

use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::range::{IntervalSet, RestartRange};
use seedsweep_proto::store::v1::{
    BarrierRecord, CancelRecord, DivergenceRecord, FailureRecord, Meta, PairsRecord, Piece, PlanRecord,
    SweepRecord,
};

use super::barriers::SecondStage;
use super::block::Head;
use super::commit::Pieces;
use super::database::{Database, DatabaseError};
use super::frame::{self, BrokenFrame};
use super::key::Key;
use super::plan;
use super::tally::{Submission, Sum, Tally};

/// What a database holds.
#[derive(Default)]
pub(super) struct Scan {
    /// Its identity.
    pub(super) meta: Option<Meta>,
    /// All whole rows.
    pub(super) tally: Tally,
    /// Those that a seal vouches for: up to its sequence number.
    pub(super) sealed: Sum,
    /// Keys of rows that are no record, with the reason.
    pub(super) broken: Vec<(Vec<u8>, String)>,
    /// Sweeps whose record is whole.
    pub(super) sweeps: BTreeMap<SweepId, SweepRecord>,
    /// Diverged trainings among the outcomes.
    pub(super) diverged: BTreeMap<(SweepId, ExperimentIndex), IntervalSet>,
    /// Causes of the failed trials, the latest of each, whether or not an outcome came later.
    pub(super) failures: BTreeMap<(SweepId, ExperimentIndex, u32), (u64, String)>,
    /// Sweeps with a whole report, and the latest revision of it.
    pub(super) reports: BTreeMap<SweepId, u64>,
    /// Pairs and barriers.
    pub(super) second_stages: BTreeMap<SweepId, SecondStage>,
    /// Restarts that are stored twice, of which the earlier outcome counts.
    pub(super) doubled: u64,

    spec_pieces: BTreeMap<SweepId, Pieces>,
    report_pieces: BTreeMap<(SweepId, u64), Pieces>,
}

impl Scan {
    /// Reads every row of `database`; rows up to `sealed_sequence` are summed apart.
    pub(super) fn of(database: &Database, sealed_sequence: u64) -> Result<Self, DatabaseError> {
        let mut scan = Self::default();
        database.scan(&[], |key, value| {
            if let Err(problem) = scan.add(key, value, sealed_sequence) {
                scan.broken.push((key.to_vec(), problem));
            }
            true
        })?;
        scan.finish();
        Ok(scan)
    }

    fn add(&mut self, bytes: &[u8], value: &[u8], sealed_sequence: u64) -> Result<(), String> {
        let Some(key) = Key::decode(bytes) else { return Err("its key is none of ours".to_owned()) };
        let mut change = None;
        let (sequence, restarts) = match key {
            Key::Meta => {
                self.meta = Some(read(bytes, value)?.1);
                return Ok(());
            }
            Key::Sweep { sweep, piece } => {
                let (sequence, message) = read::<Piece>(bytes, value)?;
                self.spec_pieces.entry(sweep).or_default().add(piece, &message);
                (sequence, None)
            }
            Key::Cancelled { .. } => (read::<CancelRecord>(bytes, value)?.0, None),
            Key::Plan { .. } => {
                let (sequence, record) = read::<PlanRecord>(bytes, value)?;
                change = Some(plan::decode(&record).ok_or("it says no change of a plan that is known")?);
                (sequence, None)
            }
            Key::Outcomes { sweep, experiment, first_restart, .. } => {
                let (sequence, message) = read::<Head>(bytes, value)?;
                let restarts = message.restarts().map_err(|error| error.to_string())?;
                if restarts.start() != first_restart {
                    return Err(BrokenFrame::Payload.to_string());
                }
                self.note_diverged(sweep, experiment, restarts, &message);
                (sequence, Some(restarts))
            }
            Key::Failed { sweep, experiment, restart, .. } => {
                let (sequence, message) = read::<FailureRecord>(bytes, value)?;
                // keys ascend by sequence, so that the latest stays
                self.failures.insert((sweep, experiment, restart), (sequence, message.cause));
                (sequence, None)
            }
            Key::Divergence { .. } => (read::<DivergenceRecord>(bytes, value)?.0, None),
            Key::Pairs { sweep, first, .. } => {
                let (sequence, message) = read::<PairsRecord>(bytes, value)?;
                let stage = self.second_stages.entry(sweep).or_default();
                stage.add_pairs(first, &message).map_err(|error| error.to_string())?;
                (sequence, None)
            }
            Key::Barrier { sweep, pair, .. } => {
                let (sequence, message) = read::<BarrierRecord>(bytes, value)?;
                let stage = self.second_stages.entry(sweep).or_default();
                stage.add_barrier(pair, &message).map_err(|error| error.to_string())?;
                (sequence, None)
            }
            Key::Report { sweep, revision, piece } => {
                let (sequence, message) = read::<Piece>(bytes, value)?;
                self.report_pieces.entry((sweep, revision)).or_default().add(piece, &message);
                (sequence, None)
            }
        };
        if sequence <= sealed_sequence {
            self.sealed.add(bytes, value);
        }
        self.tally.add(&key, bytes, value, sequence, restarts, change);
        Ok(())
    }

    /// Notes the diverged rows of a block that are not stored already.
    fn note_diverged(
        &mut self,
        sweep: SweepId,
        experiment: ExperimentIndex,
        restarts: RestartRange,
        block: &Head,
    ) {
        let done = self.tally.sweeps.entry(sweep).or_default().done_mut(experiment);
        self.doubled += restarts.iter().filter(|&restart| done.contains(restart)).count() as u64;
        let diverged = self.diverged.entry((sweep, experiment)).or_default();
        block.diverged().filter(|&restart| !done.contains(restart)).for_each(|restart| {
            diverged.insert(RestartRange::one(restart));
        });
    }

    /// Puts together what came in pieces.
    fn finish(&mut self) {
        for (sweep, pieces) in std::mem::take(&mut self.spec_pieces) {
            let Some(record) = pieces.read::<SweepRecord>() else { continue };
            self.tally.sweeps.entry(sweep).or_default().submission =
                Some(Submission { ordinal: record.ordinal, unix_ms: record.submitted_unix_ms });
            self.sweeps.insert(sweep, record);
        }
        for ((sweep, revision), pieces) in std::mem::take(&mut self.report_pieces) {
            if pieces.is_whole() {
                self.reports.insert(sweep, revision);
            }
        }
    }
}

fn read<M: prost::Message + Default>(key: &[u8], value: &[u8]) -> Result<(u64, M), String> {
    frame::read(key, value).map_err(|error| error.to_string())
}
