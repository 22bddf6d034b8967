//! The census of runs from elsewhere that are known by their distances to each other alone.
//!
//! Two runs are one class if a chain of runs leads from one to the other whose every step is at most the tolerance
//! (single linkage, as everywhere else). All pairs are looked at.

use super::linkage::Sets;
use super::report::Number;
use super::runs::{self, Guards, RunsReport};

/// Between two basins there must be this many tolerances, or the tolerance does not part them cleanly.
const CLEAR_GAP: f64 = 10.0;

/// The census of `count` runs; `distance` of two of them is symmetric, and NaN counts as far. Runs that are not
/// `usable` end in no basin. `name` names the basin of a run.
pub fn of_distances(
    count: usize,
    tolerance: f64,
    usable: impl Fn(usize) -> bool,
    mut distance: impl FnMut(usize, usize) -> f64,
    name: impl Fn(usize) -> String,
) -> RunsReport {
    let runs: Vec<usize> = (0..count).filter(|&run| usable(run)).collect();
    let mut sets = Sets::new(count);
    let mut pairs = Vec::with_capacity(runs.len() * runs.len().saturating_sub(1) / 2);
    for (i, &a) in runs.iter().enumerate() {
        for &b in &runs[..i] {
            let apart = distance(a, b);
            if apart <= tolerance {
                sets.join(a as u32, b as u32);
            }
            pairs.push((a as u32, b as u32, apart));
        }
    }
    let classes: Vec<Option<u32>> =
        (0..count).map(|run| usable(run).then(|| sets.root(run as u32))).collect();
    let mut report = runs::report(&classes, name);
    let (mut widest, mut nearest) = (0.0_f64, None::<f64>);
    for (a, b, apart) in pairs {
        if classes[a as usize] == classes[b as usize] {
            widest = widest.max(apart);
        } else if apart < nearest.unwrap_or(f64::INFINITY) {
            nearest = Some(apart);
        }
    }
    if widest > tolerance || nearest.is_some_and(|nearest| nearest < CLEAR_GAP * tolerance) {
        report.set_ambiguous();
    }
    report.guards =
        Some(Guards { tolerance: Number(tolerance), widest: Number(widest), nearest: nearest.map(Number) });
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(places: &[f64], tolerance: f64) -> RunsReport {
        let distance = |a: usize, b: usize| (places[a] - places[b]).abs();
        of_distances(places.len(), tolerance, |run| places[run].is_finite(), distance, |run| run.to_string())
    }

    #[test]
    fn classes_are_chains_of_near_runs() {
        let report = census(&[0.0, 50.0, 0.5, 51.0, 50.2, f64::NAN], 1.0);
        assert_eq!((report.n, report.without_basin, report.census.basins_found), (6, 1, 2));
        assert_eq!(report.census.basins.iter().map(|basin| basin.count).collect::<Vec<_>>(), [3, 2]);
        let guards = report.guards.unwrap();
        assert_eq!((guards.widest.0, guards.nearest.unwrap().0), (1.0, 49.5));
        assert!(!report.census.ambiguous);
    }

    #[test]
    fn what_the_tolerance_does_not_part_is_ambiguous() {
        assert!(census(&[0.0, 0.9, 1.8], 1.0).census.ambiguous, "a chain is wider than the tolerance");
        assert!(census(&[0.0, 9.0], 1.0).census.ambiguous, "a gap of less than ten tolerances");
        assert!(!census(&[0.0, 11.0], 1.0).census.ambiguous);
        assert_eq!(census(&[], 1.0).n, 0);
    }
}
