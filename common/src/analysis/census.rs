//! The census of one experiment at one level: how much of where training ends has been seen, how many basins there
//! are at least, how many more restarts would show the rest.
//!
//! Only independent restarts may enter. Trials without a basin take no part; what is estimated is about those that
//! end in one.

use std::collections::BTreeMap;

use super::abundance::Abundance;
use super::chao1;
use super::report::{Chao1, Coverage, Number, RarefactionPoint};

/// The coverages for which the restarts still needed are given, as they are written and as numbers.
const COVERAGES: [(&str, f64); 2] = [("0.95", 0.95), ("0.99", 0.99)];

/// Below this coverage most of where training ends has not been seen.
pub(crate) const COVERAGE_LOW_BELOW: f64 = 0.5;

/// All that a census says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Census {
    /// How much has been seen.
    pub(crate) coverage: Coverage,
    /// How many basins there are at least.
    pub(crate) chao1: Chao1,
    /// Restarts still needed.
    pub(crate) more_restarts_for: BTreeMap<String, Option<u64>>,
    /// Fewer and more restarts.
    pub(crate) rarefaction: Vec<RarefactionPoint>,
}

/// The census of basins visited `visits` times each, of `n` trials with and without a basin. `None` below two
/// visits.
pub(crate) fn census(visits: impl IntoIterator<Item = u64>, n: u64) -> Option<Census> {
    let abundance = Abundance::of(visits);
    if abundance.n < 2 {
        return None;
    }
    // of further restarts only as large a share is expected to end in a basin
    let trials_per_visit = n as f64 / abundance.n as f64;
    let more = |target: f64| Some((abundance.more_restarts_for(target)? * trials_per_visit).ceil() as u64);
    let coverage = Coverage {
        good_turing: Number(1.0 - abundance.unseen_good_turing()),
        chao_jost: Number(abundance.coverage()),
        at_least: Number(1.0 - abundance.unseen_at_most()),
        share_surely_seen: Number(abundance.share_surely_seen()),
    };
    let chao1 = Chao1 {
        estimate: Number(chao1::estimate(&abundance)),
        ci95: chao1::interval(&abundance).map(Number),
        unseen: Number(abundance.unseen_basins()),
    };
    Some(Census {
        coverage,
        chao1,
        more_restarts_for: COVERAGES.into_iter().map(|(name, q)| (name.to_owned(), more(q))).collect(),
        rarefaction: rarefaction(&abundance),
    })
}

/// Points at 1, 2, 5, 10, 20, 50, … restarts, at n, and, unless all differ, at 1.5 n and 2 n: no estimate is any
/// good further out.
fn rarefaction(abundance: &Abundance) -> Vec<RarefactionPoint> {
    let n = abundance.n;
    let decades = std::iter::successors(Some(1_u64), |decade| decade.checked_mul(10));
    let fewer = decades.flat_map(|decade| [1, 2, 5].map(|digit| decade.saturating_mul(digit)));
    let within = fewer.take_while(|m| *m < n).map(|m| RarefactionPoint {
        restarts: m,
        basins: Number(abundance.rarefied_basins(m)),
        coverage: Number(abundance.rarefied_coverage(m)),
        extrapolated: false,
    });
    let beyond = [0, n / 2, n].into_iter().take(if abundance.all_differ() { 1 } else { 3 });
    let beyond = beyond.map(|more| RarefactionPoint {
        restarts: n + more,
        basins: Number(abundance.extrapolated_basins(more)),
        coverage: Number(abundance.extrapolated_coverage(more)),
        extrapolated: more > 0,
    });
    within.chain(beyond).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::abundance::tests::E1;

    #[test]
    fn rarefaction_ends_at_twice_the_restarts_made() {
        let points = census(E1, 52).unwrap().rarefaction;
        let restarts: Vec<u64> = points.iter().map(|point| point.restarts).collect();
        assert_eq!(restarts, [1, 2, 5, 10, 20, 50, 52, 78, 104]);
        assert!(points.is_sorted_by(|a, b| a.basins <= b.basins && a.coverage <= b.coverage));
        assert_eq!(points.iter().filter(|point| point.extrapolated).count(), 2);
        // where all differ nothing is extrapolated
        assert_eq!(census([1; 52], 52).unwrap().rarefaction.last().unwrap().restarts, 52);
    }

    #[test]
    fn restarts_that_will_be_lost_are_counted_in_what_is_still_needed() {
        let more = |n: u64| census(E1, n).unwrap().more_restarts_for["0.95"];
        // one trial in two ends in no basin: twice as many are needed
        assert_eq!((more(52), more(104)), (Some(44), Some(88)));
        assert_eq!(census([1; 5], 5).unwrap().more_restarts_for["0.95"], None);
    }

    #[test]
    fn two_visits_are_the_least() {
        assert_eq!(census([1], 1), None);
        assert_eq!(census([], 30), None);
        assert!(census([1, 1], 2).is_some() && census([2], 2).is_some());
    }
}
