//! Outcome blocks give back what they were given.

use prost::Message;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::limits;
use seedsweep_proto::store::v1::OutcomeBlock;

use super::super::{block, frame};
use super::*;

#[test]
fn blocks_round_trip_bit_for_bit_and_fit_their_bound() {
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut restarts: Vec<u32> = Vec::new();
        let mut next = rng.random_range(0..3_000_000_000);
        for _ in 0..rng.random_range(1..80) {
            restarts.push(next);
            next += if rng.random_bool(0.1) { rng.random_range(2..9) } else { 1 };
        }
        let rows: Vec<Outcome> = restarts.iter().map(|&restart| outcome(seed, 0, restart)).collect();
        let sorted: Vec<&Outcome> = rows.iter().collect();
        let how = Provenance {
            attempt: rng.random(),
            duration_ms: rng.random(),
            worker: "w".repeat(limits::NAME_CHARS),
            build: "b".repeat(rng.random_range(0..500)),
            ..provenance()
        };
        let mut back: Vec<Outcome> = Vec::new();
        for range in block::cut(&sorted, &how) {
            let message = block::encode(&sorted[range], &how);
            let value = frame::seal_in(b"key", u64::MAX, &message);
            assert!(value.len() <= limits::BLOCK_BYTES, "seed {seed}: {} bytes", value.len());
            let (_, read): (u64, OutcomeBlock) = frame::read(b"key", &value).unwrap();
            let (outcomes, read_how) = block::decode(&read).unwrap();
            assert_eq!(read_how, how);
            back.extend(outcomes);
        }
        assert_eq!(back.len(), rows.len(), "seed {seed}");
        assert!(back.iter().zip(&rows).all(|(a, b)| a.same_bits(b)), "seed {seed}");
    }
}

#[test]
fn blocks_of_older_formats_are_read() {
    // format 1 had no measures, neither 1 nor 2 a canonical sketch or counts, and none before 4 a null space: those
    // columns are not there
    let mut rows: Vec<Outcome> = (0..16).map(|restart| outcome(3, 0, restart)).collect();
    for row in &mut rows {
        (row.sketch_canonical, row.measures) = (None, Vec::new());
        if let Some(polish) = &mut row.polish {
            (polish.null_directions, polish.explained, polish.null_space) = (None, None, None);
        }
    }
    let block = block::encode(&rows.iter().collect::<Vec<_>>(), &provenance());
    assert!(block.sketch_canonical.is_empty() && block.null_directions.is_empty());
    assert!(block.explained.is_empty() && block.null_space.is_empty() && block.measures.is_empty());
    let (read, _) = block::decode(&block).unwrap();
    assert!(read.iter().zip(&rows).all(|(a, b)| a.same_bits(b)) && read.len() == rows.len());
}

#[test]
fn inconsistent_blocks_are_refused() {
    let rows = [outcome(1, 0, 5), outcome(1, 0, 6)];
    let whole = block::encode(&rows.each_ref(), &provenance());
    assert!(block::decode(&whole).is_ok());
    let edits: [fn(&mut OutcomeBlock); 15] = [
        |block| block.count = 3,
        |block| block.count = 0,
        |block| block.first_restart = u32::MAX,
        |block| block.stop_reason[1] = 9,
        |block| block.present[0] = 0xff,
        |block| {
            block.digest.pop();
        },
        |block| block.sketch_raw.push(0.0),
        |block| block.sketch_canonical.push(0.0),
        |block| block.null_directions.push(7),
        |block| block.present[1] ^= 1 << 6,
        |block| block.present[1] ^= 1 << 7,
        |block| {
            let no_message = vec![7];
            block.null_space = vec![no_message; block.null_space.len().max(1)];
        },
        |block| block.measures = vec![Vec::new()],
        |block| block.measures = vec![Vec::new(); 3],
        |block| block.measures = vec![vec![7]; 2],
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut broken = whole.clone();
        edit(&mut broken);
        assert!(block::decode(&broken).is_err(), "edit {number}");
    }
    assert!(OutcomeBlock::decode(&whole.encode_to_vec()[..]).is_ok());
}
