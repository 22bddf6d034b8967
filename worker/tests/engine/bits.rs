//! The published workloads at their full widths, cut short: one outcome for each trial, whatever it ran on.

use std::sync::Arc;

use seedsweep_common::digest::Digest;
use seedsweep_common::fingerprint::ParameterDigest;
use seedsweep_common::outcome::Outcome;
use seedsweep_worker::nn::lane::{Lanes, Level};
use seedsweep_worker::train::Axis;

use crate::slots::outcomes;
use crate::workloads::{Attached, WORKLOADS};

/// Trials of each workload: two full pods of sixteen and one over.
const TRIALS: u32 = 33;
/// Trials of the plain loops, which are tens of times slower where the target promises no fused multiply-add.
const PLAIN_TRIALS: u32 = 3;
/// Most rows worked off at once: as many as the buffers hold, one, and no whole number of batches or tiles.
const PIECES: [usize; 3] = [usize::MAX, 1, 13];
/// Rows of W5's data.
const W5_ROWS: usize = 80;

/// Restart, updates, digest; losses and gradient norm as bits.
type Bits = (u32, u64, ParameterDigest, [Option<u64>; 5]);

fn bits(outcomes: &[Outcome]) -> Vec<Bits> {
    let of = |outcome: &Outcome| {
        let Outcome { loss_train, loss_test, accuracy_train, accuracy_test, grad_norm, .. } = *outcome;
        let values = [Some(loss_train), loss_test, accuracy_train, accuracy_test, Some(grad_norm)];
        (outcome.restart, outcome.steps, outcome.digest, values.map(|value| value.map(f64::to_bits)))
    };
    outcomes.iter().map(of).collect()
}

/// What shortens a workload: no whole number of batches, blocks of updates, or tiles.
fn cuts(name: &str) -> &'static [&'static str] {
    match name {
        "W1" => &["train.steps=150"],
        "W2" | "W2own" => &["data.test_fraction=0.9", "train.epochs=2"],
        "W3" => &["train.steps=4"],
        "W4" => &["train.steps=30"],
        _ => &["train.batch=48", "train.epochs=1"],
    }
}

/// The first `rows` rows of the only file.
fn cut_rows(sweep: &mut Attached, rows: usize) {
    let path = sweep.spec.attachments()[0].path.clone();
    let content = sweep.files.drain().next().expect("one file").1;
    let lines = content.split_inclusive(|&byte| byte == b'\n');
    let content: Vec<u8> = lines.take(1 + rows).flatten().copied().collect();
    let digest = Digest::of(&content);
    sweep.spec.attach(&path, digest);
    sweep.files.insert(digest, content.into());
}

fn assert_same_on_everything(name: &str) {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).expect("a workload");
    let mut sweep = workload.sweep(TRIALS, &[cuts(name), &["minima.polish=false"]].concat());
    if name == "W5" {
        cut_rows(&mut sweep, W5_ROWS);
    }
    let on = |level, axis, piece| {
        let mut prepared = sweep.prepare(0);
        prepared.force_lanes(Lanes::force(level)?);
        prepared.force_axis(axis);
        prepared.force_piece(piece);
        Some(Arc::new(prepared))
    };
    let plain = on(Level::Baseline, Axis::Unit, usize::MAX).expect("every machine has them");
    let defined = bits(&outcomes(&plain, PLAIN_TRIALS, PLAIN_TRIALS, 1));
    let mut expected: Option<Vec<Bits>> = None;
    let mut schedules = 0;
    for level in [Level::Avx2, Level::Avx512] {
        for axis in [Axis::Restart, Axis::Unit] {
            let pieces: Vec<_> = PIECES.into_iter().filter_map(|piece| on(level, axis, piece)).collect();
            if pieces.is_empty() {
                continue;
            }
            schedules += 1;
            let pairs = [1, 2].into_iter().flat_map(|slots| [1, 7, 16, 33].map(|task| (slots, task)));
            for (pair, (slots, task)) in pairs.enumerate() {
                // the sketches of large networks take long: there slots and tasks take turns with lanes and axis
                if name == "W5" && pair % 4 != schedules % 4 {
                    continue;
                }
                // pieces take turns with slots and tasks
                let turn = (pair + schedules) % PIECES.len();
                let found = bits(&outcomes(&pieces[turn], TRIALS, task, slots));
                let what = format!(
                    "{name}: {level:?}, {axis:?}, pieces of {} rows, {slots} slots, tasks of {task}",
                    PIECES[turn]
                );
                assert_eq!(found.len(), TRIALS as usize, "{what}");
                assert_eq!(found[..defined.len()], defined[..], "{what}, against the plain loops");
                let expected = expected.get_or_insert_with(|| found.clone());
                assert!(found == *expected, "{what}");
            }
        }
    }
    if let Some(expected) = expected {
        let mut digests: Vec<_> = expected.iter().map(|bits| bits.2).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), TRIALS as usize, "{name}: every trial ends elsewhere");
    }
}

#[test]
fn w1_has_the_same_bits_on_everything() {
    assert_same_on_everything("W1");
}

#[test]
fn w2_has_the_same_bits_on_everything() {
    assert_same_on_everything("W2");
}

#[test]
fn w2_in_own_orders_has_the_same_bits_on_everything() {
    assert_same_on_everything("W2own");
}

#[test]
fn w3_has_the_same_bits_on_everything() {
    assert_same_on_everything("W3");
}

#[test]
fn w4_has_the_same_bits_on_everything() {
    assert_same_on_everything("W4");
}

#[test]
fn w5_has_the_same_bits_on_everything() {
    assert_same_on_everything("W5");
}
