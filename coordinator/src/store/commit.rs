//! From records to rows: which keys and values one commit writes.

use prost::Message;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Outcome, Provenance};
use seedsweep_common::progress::PlanChange;
use seedsweep_common::range::RestartRange;
use seedsweep_proto::store::v1::{
    BarrierRecord, CancelRecord, DivergenceRecord, FailureRecord, Piece, ReportRecord, SweepRecord,
};

use super::key::Key;
use super::tally::{Submission, Tally};
use super::{Record, barriers, block, frame, plan};

/// Bytes of a record in one piece: the rest of a value is its frame and its count.
const PIECE_BYTES: usize = limits::BLOCK_BYTES - frame::OVERHEAD_BYTES - 16;

/// A row to be written.
pub(super) struct NewRow {
    pub(super) key: Key,
    pub(super) key_bytes: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) sequence: u64,
    /// Of an outcome block.
    pub(super) restarts: Option<RestartRange>,
    /// Of a record of the plan.
    pub(super) plan: Option<(ExperimentIndex, PlanChange)>,
    /// Of a sweep's first piece.
    pub(super) submission: Option<(SweepId, Submission)>,
}

impl NewRow {
    /// Its key and value.
    pub(super) fn bytes(&self) -> (&[u8], &[u8]) {
        (&self.key_bytes, &self.value)
    }
}

/// The rows of one commit, numbered on from what is stored.
pub(super) struct Draft<'a> {
    stored: &'a Tally,
    next_ordinal: u64,
    rows: Vec<NewRow>,
}

impl<'a> Draft<'a> {
    /// An empty commit on top of `stored`.
    pub(super) fn on(stored: &'a Tally) -> Self {
        Self { stored, next_ordinal: stored.next_ordinal(), rows: Vec::new() }
    }

    /// The rows, ascending by sequence number.
    pub(super) fn into_rows(self) -> Vec<NewRow> {
        self.rows
    }

    /// Adds what makes `record` durable. What is stored already is not written again.
    pub(super) fn add(&mut self, record: &Record) {
        match record {
            Record::Sweep { id, spec_toml, submitted_unix_ms } => {
                let submission = Submission { ordinal: self.next_ordinal, unix_ms: *submitted_unix_ms };
                self.add_sweep(*id, spec_toml, submission);
            }
            Record::Cancelled { id } => {
                let key = Key::Cancelled { sweep: *id };
                let stored = self.stored.sweeps.get(id).is_some_and(|sweep| sweep.cancelled);
                if !stored && !self.holds(&key) {
                    self.push(|_| key, &CancelRecord {});
                }
            }
            Record::Plan { sweep, experiment, change } => {
                let sweep = *sweep;
                self.push(|sequence| Key::Plan { sweep, sequence }, &plan::encode(*experiment, *change));
                if let Some(row) = self.rows.last_mut() {
                    row.plan = Some((*experiment, *change));
                }
            }
            Record::Outcomes { sweep, experiment, provenance, outcomes } => {
                let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
                sorted.sort_by_key(|outcome| outcome.restart);
                for range in block::cut(&sorted, provenance) {
                    let block = block::encode(&sorted[range], provenance);
                    let (sweep, experiment, first_restart) = (*sweep, *experiment, block.first_restart);
                    self.push(
                        |sequence| Key::Outcomes { sweep, experiment, first_restart, sequence },
                        &block,
                    );
                    if let Some(row) = self.rows.last_mut() {
                        row.restarts = RestartRange::new(first_restart, first_restart + block.count);
                    }
                }
            }
            Record::Failed { sweep, experiment, failure } => {
                let (sweep, experiment, restart) = (*sweep, *experiment, failure.restart);
                let record = FailureRecord { cause: cut(&failure.cause, limits::ERROR_BYTES).to_owned() };
                self.push(|sequence| Key::Failed { sweep, experiment, restart, sequence }, &record);
            }
            Record::Divergence { sweep, experiment, outcome, first_worker, second_worker } => {
                let (sweep, experiment, restart) = (*sweep, *experiment, outcome.restart);
                let how = Provenance {
                    engine: String::new(),
                    build: String::new(),
                    attempt: 0,
                    worker: second_worker.clone(),
                    duration_ms: 0,
                };
                let record = DivergenceRecord {
                    outcome: Some(block::encode(&[outcome], &how)),
                    first_worker: first_worker.clone(),
                    second_worker: second_worker.clone(),
                };
                self.push(|sequence| Key::Divergence { sweep, experiment, restart, sequence }, &record);
            }
            Record::Pairs { sweep, first, trials, pairs } => {
                barriers::pair_records(*first, *trials, pairs).for_each(|(first, record)| {
                    self.push(|sequence| Key::Pairs { sweep: *sweep, first, sequence }, &record);
                });
            }
            Record::Barriers { sweep, provenance, barriers } => {
                for &(pair, barrier) in barriers {
                    let record = barriers::measured(&barrier, provenance);
                    self.push(|sequence| Key::Barrier { sweep: *sweep, pair, sequence }, &record);
                }
            }
            Record::BarrierFailed { sweep, pair, cause } => {
                let cause = cut(cause, limits::ERROR_BYTES).to_owned();
                let record = BarrierRecord { cause, ..Default::default() };
                self.push(|sequence| Key::Barrier { sweep: *sweep, pair: *pair, sequence }, &record);
            }
            Record::Report { sweep, report } => {
                let record = ReportRecord {
                    report_json: report.report_json.clone(),
                    outcomes_digest: report.outcomes_digest.to_vec(),
                    analysis: report.analysis,
                };
                let (sweep, revision) = (*sweep, self.next_sequence());
                self.push_pieces(|piece| Key::Report { sweep, revision, piece }, &record);
            }
        }
    }

    /// Adds a sweep that came as `submission` says.
    pub(super) fn add_sweep(&mut self, id: SweepId, spec_toml: &str, submission: Submission) {
        let stored = self.stored.sweeps.get(&id).is_some_and(|sweep| sweep.submission.is_some());
        if stored || self.holds(&Key::Sweep { sweep: id, piece: 0 }) {
            return;
        }
        self.next_ordinal = self.next_ordinal.max(submission.ordinal + 1);
        let record = SweepRecord {
            spec_toml: spec_toml.to_owned(),
            submitted_unix_ms: submission.unix_ms,
            ordinal: submission.ordinal,
        };
        let first = self.rows.len();
        self.push_pieces(|piece| Key::Sweep { sweep: id, piece }, &record);
        self.rows[first].submission = Some((id, submission));
    }

    fn next_sequence(&self) -> u64 {
        self.stored.sequence + self.rows.len() as u64 + 1
    }

    fn holds(&self, key: &Key) -> bool {
        self.rows.iter().any(|row| row.key == *key)
    }

    fn push_pieces(&mut self, key: impl Fn(u32) -> Key, record: &impl Message) {
        let bytes = record.encode_to_vec();
        // an empty record has one empty piece
        let chunks = if bytes.is_empty() { vec![&bytes[..]] } else { bytes.chunks(PIECE_BYTES).collect() };
        let pieces = chunks.len() as u32;
        for (number, chunk) in (0..pieces).zip(chunks) {
            self.push(|_| key(number), &Piece { pieces, chunk: chunk.to_vec() });
        }
    }

    fn push(&mut self, key: impl FnOnce(u64) -> Key, message: &impl Message) {
        let sequence = self.next_sequence();
        let key = key(sequence);
        let key_bytes = key.encode();
        let value = frame::seal_in(&key_bytes, sequence, message);
        self.rows.push(NewRow {
            key,
            key_bytes,
            value,
            sequence,
            restarts: None,
            plan: None,
            submission: None,
        });
    }
}

impl Tally {
    /// Counts a row that was written.
    pub(super) fn add_new(&mut self, row: &NewRow) {
        self.add(&row.key, &row.key_bytes, &row.value, row.sequence, row.restarts, row.plan);
        if let Some((sweep, submission)) = row.submission {
            self.sweeps.entry(sweep).or_default().submission = Some(submission);
        }
    }
}

/// At most `bytes` of `text`, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// The pieces of one record, put together in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    next: u32,
    expected: u32,
    torn: bool,
}

impl Pieces {
    /// Adds the piece with number `number`.
    pub(super) fn add(&mut self, number: u32, piece: &Piece) {
        self.torn |= number != self.next || (number > 0 && piece.pieces != self.expected);
        self.expected = piece.pieces;
        self.next = number.saturating_add(1);
        self.bytes.extend_from_slice(&piece.chunk);
    }

    /// Whether no piece is missing.
    pub(super) fn is_whole(&self) -> bool {
        !self.torn && self.next == self.expected
    }

    /// The record, if it is whole and can be read.
    pub(super) fn read<M: Message + Default>(&self) -> Option<M> {
        if self.is_whole() { M::decode(&self.bytes[..]).ok() } else { None }
    }
}
