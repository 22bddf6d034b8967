//! What the second stage of a sweep would take: barriers between minima, measured when the trials have ended.

use std::collections::HashSet;

use seedsweep_common::barrier::basins_at_most;
use seedsweep_common::limits;
use seedsweep_common::spec::Experiment;
use seedsweep_worker::cost::barrier::{self, PairEstimate};
use seedsweep_worker::means::Means;
use seedsweep_worker::train::Prepared;
use serde::Serialize;

use super::seconds;

/// Seconds that the coordinator wants a task to take, unless told otherwise.
const TASK_S: f64 = 1.0;
/// Least part of such a task that a share of the rest may be.
const SMALLEST_SHARE: usize = 16;
/// Larger tasks are a multiple of so many.
const LANES: usize = 16;

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
    /// That of experiments which ask for pairs at a cost, on `slots`; `None` if none does.
    pub(super) fn new<'a>(
        experiments: impl Iterator<Item = (&'a Experiment, Option<PairCost>)>,
        slots: u32,
    ) -> Option<Self> {
        let asking: Vec<(u32, PairCost)> =
            experiments.filter_map(|(experiment, cost)| Some((basins_at_most(experiment), cost?))).collect();
        let dearest_s = asking.iter().map(|(_, cost)| cost.estimate.pair_s()).fold(0.0, f64::max);
        let basins: Vec<u32> = asking.iter().map(|(basins, _)| *basins).collect();
        let pairs = pairs(&basins);
        let (mut left, mut tasks, mut trainings, mut busy_s) = (&pairs[..], 0, 0, 0.0);
        while !left.is_empty() {
            let (task, later) = left.split_at(task_size(left.len(), dearest_s, slots));
            // a task trains each trial of its pairs once
            let trials: HashSet<(usize, u32)> =
                task.iter().flat_map(|&(asking, pair)| pair.map(|member| (asking, member))).collect();
            busy_s += trials.iter().map(|&(at, _)| asking[at].1.estimate.end_s).sum::<f64>();
            busy_s += task.iter().map(|&(at, _)| asking[at].1.estimate.between_s).sum::<f64>();
            (left, tasks, trainings) = (later, tasks + 1, trainings + trials.len() as u64);
        }
        (!pairs.is_empty()).then(|| Self {
            pairs_at_most: pairs.len() as u64,
            trainings_at_most: trainings,
            // fewer tasks than slots leave some empty
            total_s: busy_s / f64::from(slots.min(tasks).max(1)),
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

/// The pairs of experiments with so many `basins` each, in the order in which they are measured
/// (`common::analysis::connected`): the number of the experiment, and the two basins.
fn pairs(basins: &[u32]) -> Vec<(usize, [u32; 2])> {
    let of = |(at, &basins): (usize, &u32)| {
        (1..basins).flat_map(move |later| (0..later).map(move |earlier| (at, [earlier, later])))
    };
    basins.iter().enumerate().flat_map(of).take(limits::BARRIER_PAIRS).collect()
}

/// Pairs of the next task where `left` are left and each takes `pair_s`: about as the coordinator sizes tasks
/// (`coordinator/src/core/sizing.rs`).
fn task_size(left: usize, pair_s: f64, slots: u32) -> usize {
    // `as` saturates
    let timely = (TASK_S / pair_s) as usize;
    let share = left.div_ceil(2 * slots.max(1) as usize).max(timely / SMALLEST_SHARE);
    let size = timely.min(share).clamp(1, limits::PAIRS_PER_TASK as usize);
    left.min(if size > LANES { size - size % LANES } else { size })
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec;

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
        // 6 of four basins and 3 of three restarts, in tasks of what a quarter of the rest is, rounded up, but at least
        // a 16th of the 200 that take a second: all 9 in one
        assert_eq!((two.pairs_at_most, two.trainings_at_most), (9, 4 + 3));
        assert!(
            (two.total_s - (7.0 * 2e-3 + 9.0 * 1e-3)).abs() < 1e-12,
            "one task has one slot: {}",
            two.total_s
        );
        assert_eq!(
            two.line(),
            "barriers: 23.0 ms in all, of at most 9 pairs of minima, for which 7 trials are trained again; less where \
             there are fewer basins"
        );
        assert_eq!(cost(20, 2).unwrap().pairs_at_most, 190 + 3, "three restarts are three basins at most");
    }

    #[test]
    fn tasks_of_pairs_are_shared_and_bounded() {
        assert_eq!(task_size(12, 50e-3, 2), 3);
        assert_eq!(task_size(1, 1e-3, 2), 1);
        assert_eq!(task_size(4_096, 1e-9, 1), 64);
        assert_eq!(task_size(190, 30.0, 2), 1);
        assert_eq!(task_size(190, 5e-3, 2), 48, "a multiple of the lanes");
        assert_eq!(pairs(&[3, 0, 2]), [(0, [0, 1]), (0, [0, 2]), (0, [1, 2]), (2, [0, 1])]);
        assert_eq!(pairs(&[20; 30]).len(), limits::BARRIER_PAIRS);
    }
}
