//! The keys of the one tree: what is stored where, and for how long.
//!
//! Numbers are big-endian, so that keys sort by sweep, experiment and restart. A prefix is never used for two things.

use seedsweep_common::barrier::Pair;
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId, TrialId};

/// Where a record is kept. Every record but `Meta` is written once and never changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// `m` → `Meta`: identity and boot number. Written at creation, overwritten at each open.
    Meta,
    /// `s` sweep(32) piece(4) → `Piece` of a `SweepRecord`. From submission for ever.
    Sweep { sweep: SweepId, piece: u32 },
    /// `x` sweep(32) → `CancelRecord`. From cancellation for ever.
    Cancelled { sweep: SweepId },
    /// `p` sweep(32) sequence(8) → `PlanRecord`. From an extension or a stop for ever; in this order they are the plan.
    Plan { sweep: SweepId, sequence: u64 },
    /// `o` sweep(32) experiment(4) first restart(4) sequence(8) → `OutcomeBlock`. From the report of the outcomes
    /// for ever. Blocks of one experiment do not overlap, except where lost outcomes were trained again and came
    /// back: then the smaller sequence counts.
    Outcomes { sweep: SweepId, experiment: ExperimentIndex, first_restart: u32, sequence: u64 },
    /// `f` sweep(32) experiment(4) restart(4) sequence(8) → `FailureRecord`. For ever; an outcome of the same trial
    /// outweighs it.
    Failed { sweep: SweepId, experiment: ExperimentIndex, restart: u32, sequence: u64 },
    /// `d` sweep(32) experiment(4) restart(4) sequence(8) → `DivergenceRecord`. For ever.
    Divergence { sweep: SweepId, experiment: ExperimentIndex, restart: u32, sequence: u64 },
    /// `r` sweep(32) revision(8) piece(4) → `Piece` of a `ReportRecord`; the revision is the sequence of the first
    /// piece. For ever; the latest complete revision counts.
    Report { sweep: SweepId, revision: u64, piece: u32 },
    /// `k` sweep(32) number of the first pair(4) sequence(8) → `PairsRecord`. From the end of the trials for ever.
    Pairs { sweep: SweepId, first: u32, sequence: u64 },
    /// `b` sweep(32) experiment(4) restart(4) experiment(4) restart(4) sequence(8) → `BarrierRecord`. From the report of
    /// the barrier for ever; the first that holds one counts.
    Barrier { sweep: SweepId, pair: Pair, sequence: u64 },
}

const META: u8 = b'm';
const SWEEP: u8 = b's';
const CANCELLED: u8 = b'x';
const PLAN: u8 = b'p';
const OUTCOMES: u8 = b'o';
const FAILED: u8 = b'f';
const DIVERGENCE: u8 = b'd';
const REPORT: u8 = b'r';
const PAIRS: u8 = b'k';
const BARRIER: u8 = b'b';

impl Key {
    /// The bytes of this key.
    pub(super) fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Meta => vec![META],
            Self::Sweep { sweep, piece } => join(SWEEP, sweep, &[&piece.to_be_bytes()]),
            Self::Cancelled { sweep } => join(CANCELLED, sweep, &[]),
            Self::Plan { sweep, sequence } => join(PLAN, sweep, &[&sequence.to_be_bytes()]),
            Self::Outcomes { sweep, experiment, first_restart, sequence } => {
                trial(OUTCOMES, sweep, experiment, first_restart, sequence)
            }
            Self::Failed { sweep, experiment, restart, sequence } => {
                trial(FAILED, sweep, experiment, restart, sequence)
            }
            Self::Divergence { sweep, experiment, restart, sequence } => {
                trial(DIVERGENCE, sweep, experiment, restart, sequence)
            }
            Self::Report { sweep, revision, piece } => {
                join(REPORT, sweep, &[&revision.to_be_bytes(), &piece.to_be_bytes()])
            }
            Self::Pairs { sweep, first, sequence } => {
                join(PAIRS, sweep, &[&first.to_be_bytes(), &sequence.to_be_bytes()])
            }
            Self::Barrier { sweep, pair: Pair { a, b }, sequence } => {
                let numbers = [a.experiment.0, a.restart, b.experiment.0, b.restart].map(u32::to_be_bytes);
                join(BARRIER, sweep, &[numbers.as_flattened(), &sequence.to_be_bytes()])
            }
        }
    }

    /// The key with these bytes; `None` if no key has them.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let kind = take::<1>(&mut rest)?[0];
        if kind == META {
            return rest.is_empty().then_some(Self::Meta);
        }
        let sweep = SweepId(Digest(take(&mut rest)?));
        let key = match kind {
            SWEEP => Self::Sweep { sweep, piece: take_u32(&mut rest)? },
            CANCELLED => Self::Cancelled { sweep },
            PAIRS => Self::Pairs { sweep, first: take_u32(&mut rest)?, sequence: take_u64(&mut rest)? },
            BARRIER => {
                let (a, b) = (take_trial(&mut rest)?, take_trial(&mut rest)?);
                Self::Barrier { sweep, pair: Pair { a, b }, sequence: take_u64(&mut rest)? }
            }
            PLAN => Self::Plan { sweep, sequence: take_u64(&mut rest)? },
            REPORT => Self::Report { sweep, revision: take_u64(&mut rest)?, piece: take_u32(&mut rest)? },
            OUTCOMES | FAILED | DIVERGENCE => {
                let experiment = ExperimentIndex(take_u32(&mut rest)?);
                let restart = take_u32(&mut rest)?;
                let sequence = take_u64(&mut rest)?;
                match kind {
                    OUTCOMES => Self::Outcomes { sweep, experiment, first_restart: restart, sequence },
                    FAILED => Self::Failed { sweep, experiment, restart, sequence },
                    _ => Self::Divergence { sweep, experiment, restart, sequence },
                }
            }
            _ => return None,
        };
        rest.is_empty().then_some(key)
    }

    /// The sweep that the record is about.
    pub(super) fn sweep(&self) -> Option<SweepId> {
        match *self {
            Self::Meta => None,
            Self::Sweep { sweep, .. }
            | Self::Cancelled { sweep }
            | Self::Plan { sweep, .. }
            | Self::Outcomes { sweep, .. }
            | Self::Failed { sweep, .. }
            | Self::Divergence { sweep, .. }
            | Self::Report { sweep, .. }
            | Self::Pairs { sweep, .. }
            | Self::Barrier { sweep, .. } => Some(sweep),
        }
    }
}

/// What all outcome blocks of one experiment start with.
pub(super) fn outcomes_of(sweep: SweepId, experiment: ExperimentIndex) -> Vec<u8> {
    join(OUTCOMES, sweep, &[&experiment.0.to_be_bytes()])
}

/// What all pieces of all reports of one sweep start with.
pub(super) fn reports_of(sweep: SweepId) -> Vec<u8> {
    join(REPORT, sweep, &[])
}

/// What all barriers of one sweep start with.
pub(super) fn barriers_of(sweep: SweepId) -> Vec<u8> {
    join(BARRIER, sweep, &[])
}

/// What all failures of one sweep start with.
pub(super) fn failures_of(sweep: SweepId) -> Vec<u8> {
    join(FAILED, sweep, &[])
}

/// What all divergences of one sweep start with.
pub(super) fn divergences_of(sweep: SweepId) -> Vec<u8> {
    join(DIVERGENCE, sweep, &[])
}

fn join(kind: u8, sweep: SweepId, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&sweep.0.0);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn trial(kind: u8, sweep: SweepId, experiment: ExperimentIndex, restart: u32, sequence: u64) -> Vec<u8> {
    join(kind, sweep, &[&experiment.0.to_be_bytes(), &restart.to_be_bytes(), &sequence.to_be_bytes()])
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn take_trial(rest: &mut &[u8]) -> Option<TrialId> {
    Some(TrialId { experiment: ExperimentIndex(take_u32(rest)?), restart: take_u32(rest)? })
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn any_key(rng: &mut ChaCha8Rng) -> Key {
        let sweep = SweepId(Digest(rng.random()));
        let (experiment, restart, sequence) = (ExperimentIndex(rng.random()), rng.random(), rng.random());
        match rng.random_range(0..10) {
            0 => Key::Meta,
            1 => Key::Sweep { sweep, piece: rng.random() },
            2 => Key::Cancelled { sweep },
            3 => Key::Outcomes { sweep, experiment, first_restart: restart, sequence },
            4 => Key::Failed { sweep, experiment, restart, sequence },
            8 => Key::Plan { sweep, sequence },
            5 => Key::Divergence { sweep, experiment, restart, sequence },
            6 => Key::Report { sweep, revision: sequence, piece: restart },
            7 => Key::Pairs { sweep, first: restart, sequence },
            _ => {
                let mut trial =
                    || TrialId { experiment: ExperimentIndex(rng.random()), restart: rng.random() };
                Key::Barrier { sweep, pair: Pair { a: trial(), b: trial() }, sequence }
            }
        }
    }

    #[test]
    fn keys_round_trip_and_no_other_bytes_are_a_key() {
        for seed in 0..2_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let key = any_key(&mut rng);
            let bytes = key.encode();
            assert_eq!(Key::decode(&bytes), Some(key), "seed {seed}");
            assert_eq!(Key::decode(&[&bytes[..], b"x"].concat()), None, "longer: seed {seed}");
            assert_eq!(Key::decode(&bytes[..bytes.len() - 1]), None, "shorter: seed {seed}");
        }
        assert_eq!(Key::decode(b"z"), None);
        assert_eq!(Key::decode(b""), None);
    }

    #[test]
    fn keys_sort_by_experiment_then_restart_then_sequence() {
        let sweep = SweepId(Digest([7; 32]));
        let key = |experiment, first_restart, sequence| {
            Key::Outcomes { sweep, experiment: ExperimentIndex(experiment), first_restart, sequence }.encode()
        };
        let sorted = [key(0, 1, 9), key(0, 2, 3), key(0, 256, 1), key(1, 0, 2), key(256, 0, 0)];
        assert!(sorted.is_sorted());
        assert!(key(1, 0, 2).starts_with(&outcomes_of(sweep, ExperimentIndex(1))));
    }
}
