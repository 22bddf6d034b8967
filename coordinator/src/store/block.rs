//! Outcome blocks: a contiguous range of restarts of one experiment in one value, column by column.
//!
//! A block never loses a bit: NaN payloads, the sign of zero and denormals come back as they went in.

use std::ops::Range;

use prost::Message;
use seedsweep_common::fingerprint::{CANONICAL_SKETCH_LENGTH, SKETCH_LENGTH};
use seedsweep_common::limits;
use seedsweep_common::outcome::{NullSpace, Outcome, Polish, Provenance};
use seedsweep_common::range::RestartRange;
use seedsweep_proto::convert;
use seedsweep_proto::store::v1::OutcomeBlock;
use seedsweep_proto::v1;

use super::frame;

/// Most bytes that one outcome adds to a block at least, before format 3: 42 doubles, the digest, three single bytes and
/// the longest varints of `steps` and `polish_steps`.
const ROW_BYTES_MOST: usize = 42 * 8 + 16 + 3 + 10 + 5;
/// Most bytes of the counts that a row can have since format 3.
const COUNTS_BYTES_MOST: usize = 5 + 5;
/// Most bytes that the tag and the length of a row's message add.
const TAG_AND_LENGTH_BYTES_MOST: usize = 4;
/// Most bytes of a block apart from its rows, their measures and texts: tags and lengths of 28 fields, the scalars, and
/// empty measures beside others.
const FIXED_BYTES_MOST: usize = 28 * 5 + 5 + 5 + 5 + 10 + 15 * 3;
/// Most outcomes in any block, of any format: a reader that looks for one restart need not look further back.
pub(super) const ROWS_MOST: usize = (limits::BLOCK_BYTES - FIXED_BYTES_MOST) / ROW_BYTES_MOST;

const DIGEST_BYTES: usize = 16;

const LOSS_TEST: u8 = 1;
const ACCURACY_TRAIN: u8 = 1 << 1;
const ACCURACY_TEST: u8 = 1 << 2;
const POLISH: u8 = 1 << 3;
const CANONICAL: u8 = 1 << 4;
const NULL_DIRECTIONS: u8 = 1 << 5;
const EXPLAINED: u8 = 1 << 6;
const NULL_SPACE: u8 = 1 << 7;

/// The fields of an `OutcomeBlock` that tell which restarts it holds and which of them diverged. Decoding only them
/// is ten times as fast, and an opening needs no more.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Head {
    #[prost(uint32, tag = "1")]
    pub(super) first_restart: u32,
    #[prost(uint32, tag = "2")]
    pub(super) count: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) stop_reason: Vec<u8>,
}

impl Head {
    /// The restarts of the block.
    pub(super) fn restarts(&self) -> Result<RestartRange, BrokenBlock> {
        let range = range(self.first_restart, self.count)?;
        if self.stop_reason.len() != self.count as usize {
            return Err(BrokenBlock(format!(
                "{} stop reasons for {} rows",
                self.stop_reason.len(),
                self.count
            )));
        }
        Ok(range)
    }

    /// The restarts whose training diverged.
    pub(super) fn diverged(&self) -> impl Iterator<Item = u32> {
        let diverged = v1::StopReason::Diverged as u8;
        let rows = self.stop_reason.iter().zip(self.first_restart..);
        rows.filter(move |&(&reason, _)| reason == diverged).map(|(_, restart)| restart)
    }
}

/// Why a message is no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its block of outcomes is inconsistent: {0}")]
pub(super) struct BrokenBlock(String);

/// Cuts `outcomes`, sorted by restart, into ranges that each fit a block: contiguous and small enough.
pub(super) fn cut(outcomes: &[&Outcome], provenance: &Provenance) -> Vec<Range<usize>> {
    let texts = provenance.engine.len() + provenance.build.len() + provenance.worker.len();
    let space = limits::BLOCK_BYTES.saturating_sub(frame::OVERHEAD_BYTES + FIXED_BYTES_MOST + texts);
    let mut cuts = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (row, outcome) in outcomes.iter().enumerate() {
        let canonical = outcome.sketch_canonical.map_or(0, |sketch| size_of_val(&sketch));
        let bytes = ROW_BYTES_MOST
            + COUNTS_BYTES_MOST
            + canonical
            + null_space_bytes(outcome)
            + measures_bytes(outcome);
        let goes_on = row > start && outcomes[row - 1].restart.checked_add(1) == Some(outcome.restart);
        if row > start && !(goes_on && used + bytes <= space) {
            cuts.push(start..row);
            (start, used) = (row, 0);
        }
        used += bytes;
    }
    if start < outcomes.len() {
        cuts.push(start..outcomes.len());
    }
    cuts
}

/// Bytes that the measures of `outcome` add to a block.
fn measures_bytes(outcome: &Outcome) -> usize {
    match outcome.measures.is_empty() {
        true => 0,
        false => TAG_AND_LENGTH_BYTES_MOST + measures(outcome).encoded_len(),
    }
}

/// Bytes that the null space of `outcome` adds to a block.
fn null_space_bytes(outcome: &Outcome) -> usize {
    null_space(outcome).map_or(0, |found| TAG_AND_LENGTH_BYTES_MOST + found.encoded_len())
}

fn null_space(outcome: &Outcome) -> Option<v1::NullSpace> {
    outcome.polish.as_ref()?.null_space.as_ref().map(Into::into)
}

fn measures(outcome: &Outcome) -> v1::Measures {
    v1::Measures { measures: convert::measures(&outcome.measures) }
}

/// The block of `outcomes`, which are contiguous, ascending and at least one.
pub(super) fn encode(outcomes: &[&Outcome], provenance: &Provenance) -> OutcomeBlock {
    let mut block = OutcomeBlock {
        first_restart: outcomes.first().map_or(0, |outcome| outcome.restart),
        count: outcomes.len() as u32,
        engine: provenance.engine.clone(),
        build: provenance.build.clone(),
        worker: provenance.worker.clone(),
        attempt: provenance.attempt,
        duration_ms: provenance.duration_ms,
        ..OutcomeBlock::default()
    };
    for outcome in outcomes {
        push(&mut block, outcome);
    }
    if outcomes.iter().any(|outcome| !outcome.measures.is_empty()) {
        block.measures = outcomes.iter().map(|outcome| measures(outcome).encode_to_vec()).collect();
    }
    block
}

fn push(block: &mut OutcomeBlock, outcome: &Outcome) {
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    let polish = outcome.polish.as_ref();
    let null_directions = polish.and_then(|polish| polish.null_directions);
    let explained = polish.and_then(|polish| polish.explained);
    let null_space = null_space(outcome);
    block.stop_reason.push(v1::StopReason::from(outcome.stop_reason) as u8);
    block.steps.push(outcome.steps);
    block.loss_train.push(outcome.loss_train);
    block.loss_test.push(outcome.loss_test.unwrap_or(f64::NAN));
    block.accuracy_train.push(outcome.accuracy_train.unwrap_or(f64::NAN));
    block.accuracy_test.push(outcome.accuracy_test.unwrap_or(f64::NAN));
    block.present.push(
        bit(outcome.loss_test.is_some(), LOSS_TEST)
            | bit(outcome.accuracy_train.is_some(), ACCURACY_TRAIN)
            | bit(outcome.accuracy_test.is_some(), ACCURACY_TEST)
            | bit(polish.is_some(), POLISH)
            | bit(outcome.sketch_canonical.is_some(), CANONICAL)
            | bit(null_directions.is_some(), NULL_DIRECTIONS)
            | bit(explained.is_some(), EXPLAINED)
            | bit(null_space.is_some(), NULL_SPACE),
    );
    block.grad_norm.push(outcome.grad_norm);
    block.digest.extend_from_slice(&outcome.digest);
    block.sketch_raw.extend_from_slice(&outcome.sketch_raw);
    block.sketch_function.extend_from_slice(&outcome.sketch_function);
    block.sketch_canonical.extend(outcome.sketch_canonical.iter().flatten());
    block.certificate.push(polish.map_or(0, |polish| v1::Certificate::from(polish.certificate) as u8));
    block.loss_polished.push(polish.map_or(0.0, |polish| polish.loss));
    block.displacement.push(polish.map_or(0.0, |polish| polish.displacement));
    block.polish_steps.push(polish.map_or(0, |polish| polish.steps));
    block.grad_max.push(polish.map_or(0.0, |polish| polish.grad_max));
    block.lambda_min.push(polish.map_or(0.0, |polish| polish.lambda_min));
    block.lambda_max.push(polish.map_or(0.0, |polish| polish.lambda_max));
    block.null_directions.extend(null_directions);
    block.explained.extend(explained);
    block.null_space.extend(null_space.map(|found| found.encode_to_vec()));
}

/// The `count` restarts from `first` on, if a block may hold them.
fn range(first: u32, count: u32) -> Result<RestartRange, BrokenBlock> {
    if count as usize > ROWS_MOST {
        return Err(BrokenBlock(format!("{count} rows where a block has at most {ROWS_MOST}")));
    }
    first
        .checked_add(count)
        .and_then(|end| RestartRange::new(first, end))
        .ok_or_else(|| BrokenBlock(format!("{count} restarts from {first}")))
}

/// The restarts of `block`, its columns checked to be as long as it says.
fn restarts(block: &OutcomeBlock) -> Result<RestartRange, BrokenBlock> {
    let range = range(block.first_restart, block.count)?;
    let count = block.count as usize;
    let columns = [
        ("stop_reason", block.stop_reason.len(), 1),
        ("steps", block.steps.len(), 1),
        ("loss_train", block.loss_train.len(), 1),
        ("loss_test", block.loss_test.len(), 1),
        ("accuracy_train", block.accuracy_train.len(), 1),
        ("accuracy_test", block.accuracy_test.len(), 1),
        ("present", block.present.len(), 1),
        ("grad_norm", block.grad_norm.len(), 1),
        ("digest", block.digest.len(), DIGEST_BYTES),
        ("sketch_raw", block.sketch_raw.len(), SKETCH_LENGTH),
        ("sketch_function", block.sketch_function.len(), SKETCH_LENGTH),
        ("certificate", block.certificate.len(), 1),
        ("loss_polished", block.loss_polished.len(), 1),
        ("displacement", block.displacement.len(), 1),
        ("polish_steps", block.polish_steps.len(), 1),
        ("grad_max", block.grad_max.len(), 1),
        ("lambda_min", block.lambda_min.len(), 1),
        ("lambda_max", block.lambda_max.len(), 1),
    ];
    let packed = [
        ("sketch_canonical", block.sketch_canonical.len(), CANONICAL, CANONICAL_SKETCH_LENGTH),
        ("null_directions", block.null_directions.len(), NULL_DIRECTIONS, 1),
        ("explained", block.explained.len(), EXPLAINED, 1),
        ("null_space", block.null_space.len(), NULL_SPACE, 1),
    ];
    for (name, length, bit, each) in packed {
        let rows = block.present.iter().filter(|present| *present & bit != 0).count();
        if length != rows * each {
            return Err(BrokenBlock(format!(
                "column `{name}` has {length} entries for {rows} rows with one"
            )));
        }
    }
    match columns.iter().find(|(_, length, each)| *length != count * each) {
        None if ![0, count].contains(&block.measures.len()) => {
            Err(BrokenBlock(format!("{} measures for {count} rows", block.measures.len())))
        }
        Some((name, length, _)) => {
            Err(BrokenBlock(format!("column `{name}` has {length} entries for {count} rows")))
        }
        None => Ok(range),
    }
}

/// All outcomes of `block` and how they came about.
pub(super) fn decode(block: &OutcomeBlock) -> Result<(Vec<Outcome>, Provenance), BrokenBlock> {
    let range = restarts(block)?;
    let outcomes = range
        .iter()
        .enumerate()
        .map(|(row, restart)| outcome(block, row, restart))
        .collect::<Result<_, _>>()?;
    let provenance = Provenance {
        engine: block.engine.clone(),
        build: block.build.clone(),
        attempt: block.attempt,
        worker: block.worker.clone(),
        duration_ms: block.duration_ms,
    };
    Ok((outcomes, provenance))
}

/// Row `row` of a block whose columns were checked.
fn outcome(block: &OutcomeBlock, row: usize, restart: u32) -> Result<Outcome, BrokenBlock> {
    let present = block.present[row];
    let optional = |bit: u8, value: f64| (present & bit != 0).then_some(value);
    // where the entry of this row is, in a column of those rows only that have one
    let place = |bit: u8| {
        let before = block.present[..row].iter().filter(|present| *present & bit != 0).count();
        (present & bit != 0).then_some(before)
    };
    let unknown = |error: convert::InvalidMessage| BrokenBlock(format!("restart {restart}: {error}"));
    let stop_reason = convert::stop_reason(block.stop_reason[row].into()).map_err(unknown)?;
    let polish = if present & POLISH == 0 {
        None
    } else {
        Some(Polish {
            certificate: convert::certificate(block.certificate[row].into()).map_err(unknown)?,
            loss: block.loss_polished[row],
            displacement: block.displacement[row],
            steps: block.polish_steps[row],
            grad_max: block.grad_max[row],
            lambda_min: block.lambda_min[row],
            lambda_max: block.lambda_max[row],
            null_directions: place(NULL_DIRECTIONS).map(|at| block.null_directions[at]),
            explained: place(EXPLAINED).map(|at| block.explained[at]),
            null_space: match place(NULL_SPACE).map(|at| &block.null_space[at][..]) {
                Some(bytes) => {
                    let message = v1::NullSpace::decode(bytes).map_err(|_| {
                        BrokenBlock(format!("restart {restart}: its null space is no message"))
                    })?;
                    Some(NullSpace::try_from(&message).map_err(unknown)?)
                }
                None => None,
            },
        })
    };
    Ok(Outcome {
        restart,
        stop_reason,
        steps: block.steps[row],
        loss_train: block.loss_train[row],
        loss_test: optional(LOSS_TEST, block.loss_test[row]),
        accuracy_train: optional(ACCURACY_TRAIN, block.accuracy_train[row]),
        accuracy_test: optional(ACCURACY_TEST, block.accuracy_test[row]),
        grad_norm: block.grad_norm[row],
        digest: fixed(&block.digest, row),
        polish,
        sketch_raw: fixed(&block.sketch_raw, row),
        sketch_canonical: place(CANONICAL).map(|at| fixed(&block.sketch_canonical, at)),
        sketch_function: fixed(&block.sketch_function, row),
        measures: match block.measures.get(row) {
            Some(bytes) => {
                let message = v1::Measures::decode(&bytes[..])
                    .map_err(|_| BrokenBlock(format!("restart {restart}: its measures are no message")))?;
                convert::read_measures(&message.measures).map_err(unknown)?
            }
            None => Vec::new(),
        },
    })
}

/// Entry `row` of a column with `N` values a row.
fn fixed<T: Copy + Default, const N: usize>(column: &[T], row: usize) -> [T; N] {
    let mut entry = [T::default(); N];
    entry.copy_from_slice(&column[row * N..(row + 1) * N]);
    entry
}
