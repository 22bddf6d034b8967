//! What the second stage of a sweep would take: barriers between minima, measured when the trials have ended.

use seedsweep_common::barrier::basins_at_most;
use seedsweep_worker::cost::barrier::{self, PairEstimate};
use seedsweep_worker::means::Means;
use seedsweep_worker::train::Prepared;
use serde::Serialize;

use super::seconds;

/// What a pair of one experiment takes on this machine.
#[derive(Clone, Copy)]
pub(super) struct PairCost {
    estimate: PairEstimate,
    /// Whether a few pairs were tried to tell; else it is from their operations.
    is_sampled: bool,
}

impl PairCost {
    /// Of the experiment that `prepared` is, by pairs that take `sampled_s` at most; `None` where no two basins are to be
    /// compared.
    pub(super) fn of(prepared: &Prepared, means: &Means, sampled_s: f64) -> Option<Self> {
        let shape = prepared.shape();
        if basins_at_most(shape.experiment) < 2 {
            return None;
        }
        let estimate = barrier::estimate(&shape, means.machine(shape.precision));
        // what does not fit is not tried
        let fits = means.allow(prepared.slot_bytes()).is_ok();
        let sampled = if fits { barrier::sample(prepared, estimate, sampled_s) } else { None };
        Some(Self { estimate: sampled.unwrap_or(estimate), is_sampled: sampled.is_some() })
    }
}

/// The second stage of a whole sweep. All are upper bounds: there may be fewer basins.
#[derive(Serialize)]
pub(super) struct BarrierCost {
    pairs_at_most: u64,
    trainings_at_most: u64,
    /// With all slots at work.
    pub(super) total_s: f64,
    sampled: bool,
}

impl BarrierCost {
    /// That of experiments which ask for `pairs`, on `slots`; `None` if none does.
    pub(super) fn new<'a>(
        experiments: impl Iterator<Item = (&'a seedsweep_common::spec::Experiment, Option<PairCost>)>,
        slots: u32,
    ) -> Option<Self> {
        let asking: Vec<_> = experiments.filter_map(|(experiment, cost)| Some((experiment, cost?))).collect();
        let pairs = |per_task| asking.iter().map(move |(of, _)| barrier::pairs_and_trainings(of, per_task));
        let all: u64 = pairs(1).map(|(pairs, _)| pairs).sum();
        let dearest = asking.iter().map(|(_, cost)| cost.estimate.pair_s()).fold(0.0, f64::max);
        let per_task = barrier::pairs_per_task(all, dearest, slots);
        let busy_s = pairs(per_task).zip(&asking).map(|((pairs, trainings), (_, cost))| {
            trainings as f64 * cost.estimate.end_s + pairs as f64 * cost.estimate.between_s
        });
        // fewer tasks than slots leave some empty
        let busy_slots = all.div_ceil(per_task).min(slots.into()).max(1);
        (all > 0).then(|| Self {
            pairs_at_most: all,
            trainings_at_most: pairs(per_task).map(|(_, trainings)| trainings).sum(),
            total_s: busy_s.sum::<f64>() / busy_slots as f64,
            sampled: asking.iter().all(|(_, cost)| cost.is_sampled),
        })
    }

    /// A line for people.
    pub(super) fn line(&self) -> String {
        let Self { pairs_at_most, trainings_at_most, total_s, sampled } = *self;
        let pairs = if pairs_at_most == 1 { "1 pair".to_owned() } else { format!("{pairs_at_most} pairs") };
        let about = if sampled { "" } else { "~ " };
        format!(
            "barriers: {about}{} in all, of at most {pairs} of minima, for which {trainings_at_most} trials are trained \
             again; less where there are fewer basins",
            seconds(total_s)
        )
    }
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec::{self, Experiment};

    use super::*;

    fn experiments(barriers: u32) -> Vec<Experiment> {
        let text = format!(
            "name = \"m\"\nseed = 7\nnetwork = {{ layers = [2, 4, 1], activation = \"tanh\" }}\n\
             data = {{ dataset = \"moons\" }}\ntrain = {{ loss = \"mse\", lr = 0.05, batch = 4, epochs = 20 }}\n\
             minima = {{ barriers = {barriers} }}\n\
             [[experiment]]\nname = \"a\"\ninit = \"xavier_uniform\"\nrestarts = 300\nvary = [\"init\"]\n\
             [[experiment]]\nname = \"b\"\ninit = \"xavier_uniform\"\nrestarts = 3\nvary = [\"init\"]\n"
        );
        spec::parse("check", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec.experiments
    }

    fn cost(barriers: u32, slots: u32) -> Option<BarrierCost> {
        let estimate = PairEstimate { end_s: 2e-3, between_s: 1e-3 };
        let pair = (barriers > 1).then_some(PairCost { estimate, is_sampled: true });
        BarrierCost::new(experiments(barriers).iter().map(|experiment| (experiment, pair)), slots)
    }

    #[test]
    fn all_pairs_are_counted_and_shared_by_the_slots() {
        assert!(cost(0, 2).is_none() && cost(1, 2).is_none());
        let two = cost(4, 2).unwrap();
        // 6 of four basins and 3 of three restarts, in tasks of three: 3 + 4 and 3 trials
        assert_eq!((two.pairs_at_most, two.trainings_at_most), (9, 10));
        assert!((two.total_s - (10.0 * 2e-3 + 9.0 * 1e-3) / 2.0).abs() < 1e-12, "{}", two.total_s);
        assert_eq!(
            two.line(),
            "barriers: 14.5 ms in all, of at most 9 pairs of minima, for which 10 trials are trained again; less where \
             there are fewer basins"
        );
        // one slot takes tasks of five: 4 + 2 and 3
        let one = cost(4, 1).unwrap();
        assert_eq!((one.pairs_at_most, one.trainings_at_most), (9, 9));
        assert!((one.total_s - 9.0 * 3e-3).abs() < 1e-12, "{}", one.total_s);
    }
}
