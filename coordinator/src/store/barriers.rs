//! Pairs and barriers as stored: from records to messages and back, and what all of one sweep say together.

use std::collections::{BTreeMap, HashSet};

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, TrialId};
use seedsweep_common::limits;
use seedsweep_common::outcome::Provenance;
use seedsweep_proto::convert::InvalidMessage;
use seedsweep_proto::store::v1::{BarrierRecord, PairsRecord};
use seedsweep_proto::v1;

/// Numbers that name a pair.
const NUMBERS: usize = 4;

/// `pairs` from number `first` on in records that fit a value, each with the number of its first; one at least, which
/// tells that there was a choice.
pub(super) fn pair_records(
    first: u32,
    trials: u64,
    pairs: &[Pair],
) -> impl Iterator<Item = (u32, PairsRecord)> + '_ {
    let pieces = pairs.len().div_ceil(limits::PAIRS_PER_RECORD).max(1);
    (0..pieces).map(move |piece| {
        let start = piece * limits::PAIRS_PER_RECORD;
        let end = pairs.len().min(start + limits::PAIRS_PER_RECORD);
        let numbers = pairs[start..end]
            .iter()
            .flat_map(|Pair { a, b }| [a.experiment.0, a.restart, b.experiment.0, b.restart]);
        (first + start as u32, PairsRecord { trials, trial_numbers: numbers.collect() })
    })
}

/// The record of a measured barrier.
pub(super) fn measured(barrier: &Barrier, how: &Provenance) -> BarrierRecord {
    let v1::Barrier { loss_a, loss_b, height, digest_a, digest_b } = barrier.into();
    BarrierRecord {
        loss_a,
        loss_b,
        height,
        digest_a,
        digest_b,
        cause: String::new(),
        engine: how.engine.clone(),
        build: how.build.clone(),
        worker: how.worker.clone(),
        attempt: how.attempt,
        duration_ms: how.duration_ms,
    }
}

/// The barrier of a record; `None` if it says why there is none.
pub(super) fn read(record: &BarrierRecord) -> Result<Option<Barrier>, InvalidMessage> {
    if !record.cause.is_empty() {
        return Ok(None);
    }
    let message = v1::Barrier {
        loss_a: record.loss_a,
        loss_b: record.loss_b,
        height: record.height,
        digest_a: record.digest_a.clone(),
        digest_b: record.digest_b.clone(),
    };
    Barrier::try_from(&message).map(Some)
}

/// How the barrier of a record came about.
pub(super) fn provenance(record: BarrierRecord) -> Provenance {
    let BarrierRecord { engine, build, worker, attempt, duration_ms, .. } = record;
    Provenance { engine, build, attempt, worker, duration_ms }
}

/// `experiment 2 (the first is 0), restart 7`.
pub(super) fn trial_name(trial: TrialId) -> String {
    format!("experiment {} (the first is 0), restart {}", trial.experiment.0, trial.restart)
}

/// What the records of one sweep say together.
#[derive(Debug, Clone, Default)]
pub(super) struct SecondStage {
    /// All pairs by number, up to the first that is missing.
    pub(super) pairs: Vec<Pair>,
    /// Trials of the sweep at the last choice.
    pub(super) trials: Option<u64>,
    /// What was stored of each pair, in the order of the commits; `None` is a failure.
    records: BTreeMap<Pair, Vec<Option<Barrier>>>,
}

impl SecondStage {
    /// Adds the pairs from number `first` on; records come in the order of their keys.
    pub(super) fn add_pairs(&mut self, first: u32, record: &PairsRecord) -> Result<(), InvalidMessage> {
        let (numbers, rest) = record.trial_numbers.as_chunks::<NUMBERS>();
        if !rest.is_empty() {
            let problem = format!("has {} numbers: a pair takes {NUMBERS}", record.trial_numbers.len());
            return Err(InvalidMessage::new("trial_numbers", problem));
        }
        // a pair behind a gap would have another number than its task: it is chosen again
        if first as usize != self.pairs.len() {
            self.trials = None;
            return Ok(());
        }
        let trial = |experiment, restart| TrialId { experiment: ExperimentIndex(experiment), restart };
        self.pairs.extend(numbers.iter().map(|&[x, r, y, s]| Pair { a: trial(x, r), b: trial(y, s) }));
        self.trials = Some(record.trials);
        Ok(())
    }

    /// Adds a record of `pair`.
    pub(super) fn add_barrier(&mut self, pair: Pair, record: &BarrierRecord) -> Result<(), InvalidMessage> {
        let barrier = read(record)?;
        self.records.entry(pair).or_default().push(barrier);
        Ok(())
    }

    /// The pairs with a barrier.
    pub(super) fn measured(&self) -> HashSet<Pair> {
        self.with(|records| records.iter().any(Option::is_some))
    }

    /// The pairs of which every attempt failed.
    pub(super) fn failed(&self) -> HashSet<Pair> {
        self.with(|records| records.iter().all(Option::is_none))
    }

    /// Barriers that differ from the first of their pair.
    pub(super) fn divergences(&self) -> u64 {
        let of_pair = |records: &Vec<Option<Barrier>>| {
            let mut barriers = records.iter().flatten();
            let first = barriers.next();
            barriers.filter(|later| first.is_some_and(|first| !first.same_bits(later))).count() as u64
        };
        self.records.values().map(of_pair).sum()
    }

    fn with(&self, is_wanted: impl Fn(&[Option<Barrier>]) -> bool) -> HashSet<Pair> {
        self.records.iter().filter(|(_, records)| is_wanted(records)).map(|(pair, _)| *pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::frame;
    use super::*;

    fn pair(number: u32) -> Pair {
        let trial = |restart| TrialId { experiment: ExperimentIndex(u32::MAX - 1), restart };
        Pair { a: trial(u32::MAX - 5_000), b: trial(u32::MAX - number) }
    }

    #[test]
    fn pairs_come_back_in_order_and_each_record_fits_a_value() {
        let pairs: Vec<Pair> = (0..1_000).map(pair).collect();
        let mut stage = SecondStage::default();
        for (first, record) in pair_records(0, 70, &pairs[..600]).chain(pair_records(600, 90, &pairs[600..]))
        {
            let value = frame::seal_in(b"key", u64::MAX, &record);
            assert!(value.len() <= limits::BLOCK_BYTES, "{}", value.len());
            stage.add_pairs(first, &PairsRecord::decode(&record.encode_to_vec()[..]).unwrap()).unwrap();
        }
        assert_eq!((stage.pairs, stage.trials), (pairs, Some(90)));
    }

    #[test]
    fn a_choice_of_no_pairs_is_a_choice_and_a_gap_is_none() {
        let mut stage = SecondStage::default();
        let (first, none) = pair_records(0, 70, &[]).next().unwrap();
        stage.add_pairs(first, &none).unwrap();
        assert_eq!((stage.pairs.len(), stage.trials), (0, Some(70)));
        let (first, behind) = pair_records(5, 80, &[pair(0)]).next().unwrap();
        stage.add_pairs(first, &behind).unwrap();
        assert_eq!((stage.pairs.len(), stage.trials), (0, None), "it is chosen again");
        let torn = PairsRecord { trials: 1, trial_numbers: vec![1, 2, 3] };
        assert!(stage.add_pairs(0, &torn).is_err());
    }

    #[test]
    fn the_first_barrier_counts_over_failures_and_others_diverge() {
        let barrier =
            |height| Barrier { loss_a: 0.0, loss_b: -0.0, height, digest_a: [1; 16], digest_b: [2; 16] };
        let how = Provenance {
            engine: "3".to_owned(),
            build: "b".to_owned(),
            attempt: 2,
            worker: "w".to_owned(),
            duration_ms: 9,
        };
        let record = measured(&barrier(0.5), &how);
        assert!(read(&record).unwrap().unwrap().same_bits(&barrier(0.5)));
        assert_eq!(provenance(record.clone()), how);
        let failed = BarrierRecord { cause: "broke".to_owned(), ..Default::default() };
        let mut stage = SecondStage::default();
        stage.add_barrier(pair(0), &failed).unwrap();
        stage.add_barrier(pair(1), &failed).unwrap();
        for record in [&record, &record, &measured(&barrier(0.25), &how)] {
            stage.add_barrier(pair(1), record).unwrap();
        }
        assert_eq!((stage.measured(), stage.failed()), ([pair(1)].into(), [pair(0)].into()));
        assert_eq!(stage.divergences(), 1);
        assert!(stage.add_barrier(pair(0), &BarrierRecord::default()).is_err());
    }
}
