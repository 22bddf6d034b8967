//! When enough restarts have been made: goals looked at after 32, 64, 128, … restarts.
//!
//! Only the contiguous prefix of restarts is looked at: trials that end soon arrive first, and a prefix keeps the
//! slow ones in. Only for independent restarts. The rule schedules nothing; whoever does asks it.

use std::collections::BTreeMap;

use super::abundance::Abundance;
use super::agreement::Pairs;
use super::sequences;

/// Restarts at the first look; each further look is at twice as many.
pub const FIRST_LOOK: usize = 32;

/// Looks in a row that must find the coverage reached: the estimate has no guarantee for repeated looks.
const COVERED_LOOKS: u32 = 2;

/// When to stop. Each goal that is given must be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopWhen {
    /// Largest width of the agreement's confidence sequence from disjoint pairs.
    pub same_pair_width: Option<f64>,
    /// Smallest coverage (Chao & Jost), at two looks in a row.
    pub coverage: Option<f64>,
    /// Restarts after which to stop in any case.
    pub max_restarts: usize,
}

/// What the looks at a prefix of restarts have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// How often was looked.
    pub looks: u32,
    /// Restarts at the last look; 0 before the first.
    pub restarts: usize,
    /// Why to stop there; `None` if more restarts are needed.
    pub stop: Option<Reason>,
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Every goal is reached.
    Goals,
    /// `max_restarts` are made, and some goal is not reached.
    MaxRestarts,
}

/// Looks at `ends`, the basins of restarts 0, 1, 2, … without a gap, `None` where a trial ended in none, until the
/// rule says stop or more restarts are needed. Later ends change nothing about an earlier look.
pub fn look(rule: &StopWhen, ends: &[Option<u32>]) -> Looks {
    let mut looks = Looks { looks: 0, restarts: 0, stop: None };
    let mut covered = 0;
    let mut next = FIRST_LOOK;
    while looks.stop.is_none() {
        let n = next.min(rule.max_restarts);
        if n > ends.len() || n == 0 {
            break;
        }
        let prefix = &ends[..n];
        covered = if rule.coverage.is_none_or(|goal| coverage(prefix) >= goal) { covered + 1 } else { 0 };
        let narrow = rule.same_pair_width.is_none_or(|goal| width(prefix) <= goal);
        let has_goal = rule.coverage.is_some() || rule.same_pair_width.is_some();
        let is_covered = rule.coverage.is_none() || covered >= COVERED_LOOKS;
        looks.looks += 1;
        looks.restarts = n;
        looks.stop = match (has_goal && narrow && is_covered, n == rule.max_restarts) {
            (true, _) => Some(Reason::Goals),
            (false, true) => Some(Reason::MaxRestarts),
            (false, false) => None,
        };
        next = n.saturating_mul(2);
    }
    looks
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

    const WIDTH: StopWhen = StopWhen { same_pair_width: Some(0.1), coverage: None, max_restarts: 2_000 };
    const COVERAGE: StopWhen = StopWhen { same_pair_width: None, coverage: Some(0.95), ..WIDTH };

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
            let found = look(&COVERAGE, &ends[..made]);
            assert_eq!((found.looks, found.restarts), (looks, restarts), "{made}");
            assert_eq!(found.stop, (made == 2_000).then_some(Reason::MaxRestarts));
        }
        let few = StopWhen { max_restarts: 20, ..COVERAGE };
        assert_eq!(look(&few, &ends), Looks { looks: 1, restarts: 20, stop: Some(Reason::MaxRestarts) });
    }

    #[test]
    fn all_agreeing_restarts_stop_once_the_sequence_is_narrow() {
        // 32 pairs that agree: (.05/33)^(1/32) = .8164; 64: .8939; 128: .9405, within .1
        let found = look(&WIDTH, &in_turn(1, 2_000));
        assert_eq!(found, Looks { looks: 4, restarts: 256, stop: Some(Reason::Goals) });
    }

    #[test]
    fn coverage_must_be_reached_twice_in_a_row() {
        let found = look(&COVERAGE, &in_turn(3, 100));
        assert_eq!(found, Looks { looks: 2, restarts: 64, stop: Some(Reason::Goals) });
        // covered at 32, no longer at 64, again at 128 and 256
        let mut ends = in_turn(3, 32);
        ends.extend((100..132).map(Some));
        ends.extend((100..132).map(Some));
        ends.extend((100..132).map(Some));
        ends.extend(in_turn(3, 128));
        assert_eq!(look(&COVERAGE, &ends), Looks { looks: 4, restarts: 256, stop: Some(Reason::Goals) });
    }

    #[test]
    fn all_goals_must_be_reached() {
        let both = StopWhen { coverage: Some(0.95), ..WIDTH };
        assert_eq!(look(&both, &in_turn(1, 2_000)).restarts, 256);
        assert_eq!(look(&COVERAGE, &in_turn(1, 2_000)).restarts, 64);
        // without a goal only the end stops
        let none = StopWhen { same_pair_width: None, coverage: None, max_restarts: 64 };
        let found = look(&none, &in_turn(1, 2_000));
        assert_eq!(found, Looks { looks: 2, restarts: 64, stop: Some(Reason::MaxRestarts) });
    }

    #[test]
    fn trials_without_a_basin_keep_the_sequence_wide() {
        let mut ends = in_turn(1, 2_000);
        ends.iter_mut().step_by(8).for_each(|end| *end = None);
        assert_eq!(look(&WIDTH, &ends).stop, Some(Reason::MaxRestarts));
    }

    /// Whenever the rule stops, the sequence holds the agreement in at least 95 % of cases: for shares (.6, .4).
    #[test]
    fn sequence_holds_the_agreement_at_the_chosen_end() {
        const SETS: u64 = 1_000;
        let truth = 0.6 * 0.6 + 0.4 * 0.4;
        let rule = StopWhen { same_pair_width: Some(0.3), ..WIDTH };
        let held = (0..SETS).filter(|set| {
            let mut rng = ChaCha8Rng::seed_from_u64(*set);
            let ends: Vec<Option<u32>> = (0..2_000).map(|_| Some(u32::from(rng.random_bool(0.6)))).collect();
            let found = look(&rule, &ends);
            assert_eq!(found.stop, Some(Reason::Goals), "set {set}");
            let (pairs, _) = ends[..found.restarts].as_chunks::<2>();
            let [low, high] = Pairs::of(pairs.iter().copied()).interval(sequences::share).unwrap();
            low <= truth && truth <= high
        });
        let share = held.count() as f64 / SETS as f64;
        println!("stopped at a width of .3, the sequence holds the agreement in {:.1} %", 100.0 * share);
        assert!(share >= 0.95, "{share}");
    }
}
