//! Whether stored barriers are those that training gives: a sample of them measured again, both ends trained anew.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use seedsweep_common::audit;
use seedsweep_common::barrier::{Barrier, Pair, basins_at_most};
use seedsweep_common::id::{ExperimentIndex, TrialId};
use seedsweep_shell::error::CliError;
use seedsweep_worker::train::{EndError, Prepared, TrainError};

use super::{Check, name_of, on_slots};
use crate::args::Share;
use crate::stored::Stored;

/// Barriers to be measured again.
pub(super) struct Barriers {
    sample: Vec<(Pair, Barrier)>,
    /// Experiments of the trials in the sample, with their names.
    prepared: BTreeMap<ExperimentIndex, (String, Prepared)>,
    /// Barriers there are.
    of: usize,
}

impl Barriers {
    /// A share of the sweep's barriers, at least one unless it is 0; which ones, `draw` says. `None` where the sweep asks
    /// for none.
    pub(super) fn draw(stored: &Stored, share: Share, draw: u64) -> Result<Option<Self>, CliError> {
        let experiments = &stored.spec.experiments;
        if experiments.iter().all(|experiment| basins_at_most(experiment) < 2) {
            return Ok(None);
        }
        let of = stored.barriers.len();
        // as if pairs were the restarts of one more experiment, as they are for tasks
        let chosen = audit::sample(draw, experiments.len() as u32, of, share.0);
        let sample = stored.barriers.iter().enumerate().filter(|(at, _)| chosen.binary_search(at).is_ok());
        let sample: Vec<(Pair, Barrier)> = sample.map(|(_, (pair, barrier))| (*pair, *barrier)).collect();
        let mut prepared = BTreeMap::new();
        for index in sample.iter().flat_map(|(pair, _)| [pair.a.experiment, pair.b.experiment]) {
            if let std::collections::btree_map::Entry::Vacant(e) = prepared.entry(index) {
                e.insert((name_of(stored, index), stored.prepare(index)?));
            }
        }
        Ok(Some(Self { sample, prepared, of }))
    }

    /// Measures each barrier by itself, `slots` at a time.
    pub(super) fn measure(&self, slots: u32, cancelled: &AtomicBool) -> Result<Check, TrainError> {
        let found = on_slots(&self.sample, slots, |(pair, stored)| self.problem(pair, stored, cancelled))?;
        let mut problems: Vec<String> = found.into_iter().flatten().collect();
        problems.sort();
        let looked_at = format!("{} of {} measured again, bit for bit", self.sample.len(), self.of);
        Ok(Check::new("barriers", looked_at, problems))
    }

    fn problem(
        &self,
        pair: &Pair,
        stored: &Barrier,
        cancelled: &AtomicBool,
    ) -> Result<Option<String>, TrainError> {
        let (Some((_, a)), Some((_, b))) =
            (self.prepared.get(&pair.a.experiment), self.prepared.get(&pair.b.experiment))
        else {
            return Ok(None);
        };
        let between = format!("between {} and {}", self.name(pair.a), self.name(pair.b));
        let ends =
            a.end(pair.a.restart, cancelled).and_then(|end| Ok((end, b.end(pair.b.restart, cancelled)?)));
        let (end_a, end_b) = match ends {
            Ok(ends) => ends,
            Err(EndError::Train(error)) => return Err(error),
            Err(error @ EndError::Diverged(_)) => return Ok(Some(format!("{between}: {error}"))),
        };
        let again = a.barrier(&end_a, &end_b, cancelled)?;
        Ok((!again.same_bits(stored)).then(|| format!("{between}: {}", difference(stored, &again))))
    }

    /// `random restart 7`.
    fn name(&self, trial: TrialId) -> String {
        let name = self.prepared.get(&trial.experiment).map_or("", |(name, _)| name);
        format!("{name} restart {}", trial.restart)
    }
}

/// In what `again` differs from what is stored, in words.
fn difference(stored: &Barrier, again: &Barrier) -> String {
    let numbers = [
        ("height", stored.height, again.height),
        ("loss at the first end", stored.loss_a, again.loss_a),
        ("loss at the second end", stored.loss_b, again.loss_b),
    ];
    let numbers = numbers.into_iter().filter(|(_, stored, again)| stored.to_bits() != again.to_bits());
    let mut parts: Vec<String> = numbers
        .map(|(name, stored, again)| format!("{name} is stored as {stored:e}, but is {again:e}"))
        .collect();
    for (name, stored, again) in
        [("first", stored.digest_a, again.digest_a), ("second", stored.digest_b, again.digest_b)]
    {
        if stored != again {
            parts.push(format!("the {name} trial ended elsewhere"));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_barrier_that_differs_is_named() {
        let stored = Barrier { loss_a: 0.0, loss_b: 0.5, height: 0.25, digest_a: [1; 16], digest_b: [2; 16] };
        assert_eq!(difference(&stored, &stored), "");
        let higher = Barrier { height: 0.25_f64.next_up(), ..stored };
        assert_eq!(difference(&stored, &higher), "height is stored as 2.5e-1, but is 2.5000000000000006e-1");
        let elsewhere = Barrier { loss_a: -0.0, digest_b: [3; 16], ..stored };
        assert_eq!(
            difference(&stored, &elsewhere),
            "loss at the first end is stored as 0e0, but is -0e0, the second trial ended elsewhere"
        );
    }
}
