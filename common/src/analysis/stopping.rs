//! When enough restarts have been made: goals looked at after 32, 64, 128, … restarts.
//!
//! Only the contiguous prefix of restarts is looked at: trials that end soon arrive first, and a prefix keeps the
//! slow ones in. Only for independent restarts. The rule schedules nothing; the coordinator does, and asks it.

use std::collections::BTreeMap;

use super::abundance::Abundance;
use super::agreement::Pairs;
use super::trials::Trials;
use super::{basins, sequences};
use crate::id::ExperimentIndex;
use crate::outcome::Outcome;
use crate::progress::{ExperimentProgress, Looks, StoppedBy};
use crate::spec::{StopWhen, SweepSpec};

/// Restarts at the first look; each further look is at twice as many.
pub const FIRST_LOOK: u32 = 32;

/// Looks in a row that must find the coverage reached: the estimate has no guarantee for repeated looks.
const COVERED_LOOKS: u32 = 2;

/// Looks at the stored outcomes of experiment `index`, whose restarts are as many as it may make, until the rule says
/// stop or more of them are needed. `earlier` is a stop that was taken back by asking for more restarts.
///
/// A function of the spec, `earlier` and the rows of the prefix: basins are those of the rows looked at, by themselves,
/// so that no later row and no other experiment changes what a look finds. Without `stop_when` nothing is looked at.
pub fn looks(
    spec: &SweepSpec,
    index: ExperimentIndex,
    earlier: Option<Looks>,
    progress: &ExperimentProgress,
    outcomes: &[Outcome],
) -> Looks {
    let experiment = &spec.experiments[index.0 as usize];
    let Some(rule) = &experiment.stop_when else { return Looks::default() };
    let trials = Trials::new(experiment, progress, outcomes);
    let made = (0..).zip(&trials.finished).take_while(|(restart, trial)| *restart == trial.restart).count();
    look(rule, experiment.restarts, earlier, made as u32, |n| {
        basins::of_first(spec, &trials, n as usize, experiment.minima.level)
    })
}

/// Looks at restarts 0, 1, 2, …, of which `made` are there without a gap, until the rule says stop or more are needed;
/// `ends` gives the basins of the first n, `None` where a trial ended in none. It stops at `max_restarts` in any case,
/// and where an earlier stop was taken back only beyond it.
fn look(
    rule: &StopWhen,
    max_restarts: u32,
    earlier: Option<Looks>,
    made: u32,
    ends: impl Fn(u32) -> Vec<Option<u32>>,
) -> Looks {
    let mut looks = Looks { stop: None, ..earlier.unwrap_or_default() };
    let is_covered = |ends: &[Option<u32>]| rule.coverage.is_none_or(|goal| coverage(ends) >= goal);
    let mut covered = match looks.restarts {
        0 => 0,
        n => u32::from(made >= n && is_covered(&ends(n))),
    };
    while looks.stop.is_none() {
        let Some(n) = next_look(looks.restarts, max_restarts).filter(|n| *n <= made) else { break };
        let prefix = ends(n);
        covered = if is_covered(&prefix) { covered + 1 } else { 0 };
        let narrow = rule.same_pair_width.is_none_or(|goal| width(&prefix) <= goal);
        let is_reached = narrow && (rule.coverage.is_none() || covered >= COVERED_LOOKS);
        looks.looks += 1;
        looks.restarts = n;
        looks.stop = match (is_reached, n == max_restarts) {
            (true, _) => Some(StoppedBy::Goals),
            (false, true) => Some(StoppedBy::MaxRestarts),
            (false, false) => None,
        };
    }
    looks
}

/// Restarts at the look that follows one at `last` (0: none was made); `None` after the last one.
pub fn next_look(last: u32, max_restarts: u32) -> Option<u32> {
    let mut next = FIRST_LOOK;
    while next <= last {
        next = next.checked_mul(2)?;
    }
    Some(next.min(max_restarts)).filter(|next| *next > last)
}

/// Width of the confidence sequence of the agreement; trials without a basin widen it.
fn width(ends: &[Option<u32>]) -> f64 {
    let (pairs, _) = ends.as_chunks::<2>();
    let sequence = Pairs::of(pairs.iter().copied()).interval(sequences::share);
    sequence.map_or(1.0, |[low, high]| high - low)
}

fn coverage(ends: &[Option<u32>]) -> f64 {
    let mut visits: BTreeMap<u32, u64> = BTreeMap::new();
    for basin in ends.iter().flatten() {
        *visits.entry(*basin).or_insert(0) += 1;
    }
    let abundance = Abundance::of(visits.into_values());
    if abundance.n < 2 { 0.0 } else { abundance.coverage() }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const WIDTH: StopWhen = StopWhen { same_pair_width: Some(0.1), coverage: None };
    const COVERAGE: StopWhen = StopWhen { same_pair_width: None, coverage: Some(0.95) };
    const MOST: u32 = 2_000;

    /// Basins that are the same whatever of them is looked at.
    fn look_at(rule: &StopWhen, max_restarts: u32, earlier: Option<Looks>, all: &[Option<u32>]) -> Looks {
        look(rule, max_restarts, earlier, all.len() as u32, |n| all[..n as usize].to_vec())
    }

    fn stopped(looks: u32, restarts: u32, stop: StoppedBy) -> Looks {
        Looks { looks, restarts, stop: Some(stop) }
    }

    /// `n` restarts in turn over `basins`.
    fn in_turn(basins: u32, n: u32) -> Vec<Option<u32>> {
        (0..n).map(|restart| Some(restart % basins)).collect()
    }

    #[test]
    fn looks_are_at_powers_of_two_and_at_the_end() {
        let ends = in_turn(2_000, 2_000);
        for (made, looks, restarts) in
            [(0, 0, 0), (31, 0, 0), (32, 1, 32), (200, 3, 128), (1_999, 6, 1_024), (2_000, 7, 2_000)]
        {
            let found = look_at(&COVERAGE, MOST, None, &ends[..made]);
            assert_eq!((found.looks, found.restarts), (looks, restarts), "{made}");
            assert_eq!(found.stop, (made == 2_000).then_some(StoppedBy::MaxRestarts));
        }
        assert_eq!(look_at(&COVERAGE, 20, None, &ends), stopped(1, 20, StoppedBy::MaxRestarts));
        assert_eq!(
            [0, 32, 33, 64, 1_024].map(|last| next_look(last, MOST).unwrap()),
            [32, 64, 64, 128, 2_000]
        );
        assert_eq!(
            [(2_000, 2_000), (64, 64), (1 << 31, u32::MAX)].map(|(n, most)| next_look(n, most)),
            [None; 3]
        );
    }

    #[test]
    fn all_agreeing_restarts_stop_once_the_sequence_is_narrow() {
        // 32 pairs that agree: (.05/33)^(1/32) = .8164; 64: .8939; 128: .9405, within .1
        let found = look_at(&WIDTH, MOST, None, &in_turn(1, 2_000));
        assert_eq!(found, stopped(4, 256, StoppedBy::Goals));
    }

    #[test]
    fn coverage_must_be_reached_twice_in_a_row() {
        let found = look_at(&COVERAGE, MOST, None, &in_turn(3, 100));
        assert_eq!(found, stopped(2, 64, StoppedBy::Goals));
        // covered at 32, no longer at 64, again at 128 and 256
        let mut ends = in_turn(3, 32);
        ends.extend((100..132).map(Some));
        ends.extend((100..132).map(Some));
        ends.extend((100..132).map(Some));
        ends.extend(in_turn(3, 128));
        assert_eq!(look_at(&COVERAGE, MOST, None, &ends), stopped(4, 256, StoppedBy::Goals));
    }

    #[test]
    fn all_goals_must_be_reached() {
        let both = StopWhen { coverage: Some(0.95), ..WIDTH };
        assert_eq!(look_at(&both, MOST, None, &in_turn(1, 2_000)).restarts, 256);
        assert_eq!(look_at(&COVERAGE, MOST, None, &in_turn(1, 2_000)).restarts, 64);
    }

    #[test]
    fn trials_without_a_basin_keep_the_sequence_wide() {
        let mut ends = in_turn(1, 2_000);
        ends.iter_mut().step_by(8).for_each(|end| *end = None);
        assert_eq!(look_at(&WIDTH, MOST, None, &ends).stop, Some(StoppedBy::MaxRestarts));
    }

    #[test]
    fn looking_goes_on_after_a_stop_that_was_taken_back() {
        let ends = in_turn(1, 2_000);
        let first = look_at(&WIDTH, MOST, None, &ends);
        assert_eq!(first.restarts, 256);
        let again = |made: usize| look_at(&WIDTH, MOST, Some(first), &ends[..made]);
        assert_eq!(again(511), Looks { stop: None, ..first });
        assert_eq!(again(512), stopped(5, 512, StoppedBy::Goals));
        // the last restarts counted as one of two looks in a row
        let few = look_at(&COVERAGE, 32, None, &ends);
        assert_eq!(few, stopped(1, 32, StoppedBy::MaxRestarts));
        assert_eq!(look_at(&COVERAGE, 40, Some(few), &ends), stopped(2, 40, StoppedBy::Goals));
    }

    /// Whenever the rule stops, the sequence holds the agreement in at least 95 % of cases: for shares (.6, .4).
    #[test]
    fn sequence_holds_the_agreement_at_the_chosen_end() {
        const SETS: u64 = 1_000;
        let truth = 0.6 * 0.6 + 0.4 * 0.4;
        let rule = StopWhen { same_pair_width: Some(0.3), coverage: None };
        let held = (0..SETS).filter(|set| {
            let mut rng = ChaCha8Rng::seed_from_u64(*set);
            let ends: Vec<Option<u32>> = (0..2_000).map(|_| Some(u32::from(rng.random_bool(0.6)))).collect();
            let found = look_at(&rule, MOST, None, &ends);
            assert_eq!(found.stop, Some(StoppedBy::Goals), "set {set}");
            let (pairs, _) = ends[..found.restarts as usize].as_chunks::<2>();
            let [low, high] = Pairs::of(pairs.iter().copied()).interval(sequences::share).unwrap();
            low <= truth && truth <= high
        });
        let share = held.count() as f64 / SETS as f64;
        println!("stopped at a width of .3, the sequence holds the agreement in {:.1} %", 100.0 * share);
        assert!(share >= 0.95, "{share}");
    }
}
