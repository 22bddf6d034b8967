//! Digests that do not depend on the order in which rows arrived.

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::outcome::{NullSpace, Outcome};
use seedsweep_proto::v1;

/// Sum of the BLAKE3 hashes of rows, as four wrapping 64-bit lanes: equal for the same rows in any order, and a
/// lost, doubled or changed row changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowsDigest([u64; 4]);

impl RowsDigest {
    /// Adds a row made of `parts`.
    pub(super) fn add(&mut self, parts: &[&[u8]]) {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        for (lane, bytes) in self.0.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_le_bytes(*bytes));
        }
    }

    /// The digest as 32 bytes.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *chunk = lane.to_le_bytes();
        }
        bytes
    }
}

/// Digest of a sweep's outcomes: what a stored report was computed from. The same for the same outcomes bit for
/// bit, whatever their order, the workers that trained them and the blocks that hold them. Without the measures, which no
/// report reads.
pub fn outcomes_digest<'a>(rows: impl IntoIterator<Item = (ExperimentIndex, &'a Outcome)>) -> [u8; 32] {
    let mut digest = RowsDigest::default();
    let mut row = Vec::with_capacity(1024);
    for (experiment, outcome) in rows {
        row.clear();
        put_outcome(&mut row, outcome);
        digest.add(&[&experiment.0.to_le_bytes(), &row]);
    }
    digest.to_bytes()
}

/// One outcome as bytes, little-endian, each field at its place. Not the wire's encoding: that may grow.
fn put_outcome(row: &mut Vec<u8>, outcome: &Outcome) {
    let Outcome {
        restart,
        stop_reason,
        steps,
        loss_train,
        loss_test,
        accuracy_train,
        accuracy_test,
        grad_norm,
        digest,
        polish,
        sketch_raw,
        sketch_canonical,
        sketch_function,
        measures: _,
    } = outcome;
    row.extend_from_slice(&restart.to_le_bytes());
    row.push(v1::StopReason::from(*stop_reason) as u8);
    row.extend_from_slice(&steps.to_le_bytes());
    put_f64s(row, [*loss_train, *grad_norm]);
    for optional in [loss_test, accuracy_train, accuracy_test] {
        row.push(u8::from(optional.is_some()));
        put_f64s(row, *optional);
    }
    row.extend_from_slice(digest);
    row.push(u8::from(polish.is_some()));
    if let Some(polish) = polish {
        row.push(v1::Certificate::from(polish.certificate) as u8);
        row.extend_from_slice(&polish.steps.to_le_bytes());
        put_f64s(
            row,
            [polish.loss, polish.displacement, polish.grad_max, polish.lambda_min, polish.lambda_max],
        );
        for count in [polish.null_directions, polish.explained] {
            row.push(u8::from(count.is_some()));
            row.extend(count.iter().flat_map(|count| count.to_le_bytes()));
        }
        // absent in outcomes of older stores, whose digest stays
        if let Some(NullSpace { at_least, explained_by }) = &polish.null_space {
            row.extend_from_slice(&at_least.to_le_bytes());
            row.extend_from_slice(&(explained_by.len() as u32).to_le_bytes());
            for (symmetry, directions) in explained_by {
                row.push(v1::Symmetry::from(*symmetry) as u8);
                row.extend_from_slice(&directions.to_le_bytes());
            }
        }
    }
    put_f64s(row, *sketch_raw);
    put_f64s(row, *sketch_function);
    row.push(u8::from(sketch_canonical.is_some()));
    put_f64s(row, sketch_canonical.iter().flatten().copied());
}

fn put_f64s(row: &mut Vec<u8>, values: impl IntoIterator<Item = f64>) {
    for value in values {
        row.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}
