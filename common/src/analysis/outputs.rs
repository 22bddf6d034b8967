//! The census of runs from elsewhere that are known by what they say: each run's outputs on the same probes.
//!
//! Two runs are one function if a chain of runs leads from one to the other whose every step is at most the
//! tolerance in root-mean-square difference (single linkage, as everywhere else). Exact: norms, clumps and the
//! triangle inequality only spare comparisons whose result is known.

use super::linkage::Sets;
use super::report::Number;
use super::runs::{self, Guards, RunsReport};

/// Between two basins there must be this many tolerances, or the tolerance does not part them cleanly.
const CLEAR_GAP: f64 = 10.0;

/// Values that are compared before looking whether the difference is already too large.
const BLOCK: usize = 64;

/// The census of runs whose outputs on the same probes are `outputs`, all of one length, at a tolerance in
/// root-mean-square difference. A run with a value that is not finite ends in no basin. `name` names the basin of a
/// run.
///
/// # Panics
/// If the lengths differ.
pub fn of_outputs(outputs: &[Vec<f64>], tolerance: f64, name: impl Fn(usize) -> String) -> RunsReport {
    let length = outputs.first().map_or(0, Vec::len);
    assert!(outputs.iter().all(|values| values.len() == length), "runs of different length");
    let clumps = Clumps::of(outputs, tolerance / 4.0);
    let fine = clumps.linked(tolerance);
    let coarse = clumps.linked(CLEAR_GAP * tolerance);
    let mut report = runs::report(&fine, name);
    let widest = widest(outputs, &fine);
    let near =
        (0..outputs.len()).any(|run| coarse[run].is_some_and(|first| fine[run] != fine[first as usize]));
    if near || 2.0 * widest > tolerance {
        report.set_ambiguous();
    }
    let first: Vec<usize> = report.census.basins.iter().map(|basin| basin.representative as usize).collect();
    let pairs = first.iter().enumerate().flat_map(|(i, a)| first[..i].iter().map(move |b| (*a, *b)));
    let nearest = pairs.map(|(a, b)| difference(&outputs[a], &outputs[b])).min_by(f64::total_cmp);
    report.guards =
        Some(Guards { tolerance: Number(tolerance), widest: Number(widest), nearest: nearest.map(Number) });
    report
}

/// The largest distance of a run from the first run of its basin.
fn widest(outputs: &[Vec<f64>], classes: &[Option<u32>]) -> f64 {
    let distances = classes
        .iter()
        .zip(outputs)
        .filter_map(|(class, values)| class.map(|first| difference(values, &outputs[first as usize])));
    distances.fold(0.0, f64::max)
}

/// Root-mean-square difference.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    difference_within(a, b, f64::INFINITY).unwrap_or(f64::INFINITY)
}

/// Root-mean-square difference if it is at most `limit`.
fn difference_within(a: &[f64], b: &[f64], limit: f64) -> Option<f64> {
    let most = limit * limit * a.len() as f64;
    let mut squares = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        squares += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        if squares > most {
            return None;
        }
    }
    let difference = if a.is_empty() { 0.0 } else { (squares / a.len() as f64).sqrt() };
    (difference <= limit).then_some(difference)
}

/// Runs gathered around leaders that are close to them.
struct Clumps<'a> {
    outputs: &'a [Vec<f64>],
    /// By ascending norm of the leader.
    clumps: Vec<Clump>,
}

struct Clump {
    /// The leader is the first.
    members: Vec<u32>,
    /// Of the leader.
    norm: f64,
    /// The largest distance of a member from the leader.
    radius: f64,
}

impl<'a> Clumps<'a> {
    /// Gathers the finite ones of `outputs` in clumps of at most `radius` around their leader.
    fn of(outputs: &'a [Vec<f64>], radius: f64) -> Self {
        let zero = vec![0.0; outputs.first().map_or(0, Vec::len)];
        let mut order: Vec<(f64, u32)> = (0..)
            .zip(outputs)
            .filter(|(_, values)| values.iter().all(|value| value.is_finite()))
            .map(|(run, values)| (difference(values, &zero), run))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut clumps: Vec<Clump> = Vec::new();
        for (norm, run) in order {
            let values = &outputs[run as usize];
            // two runs differ by at least the difference of their norms
            let mut near = clumps.iter_mut().rev().take_while(|clump| norm - clump.norm <= radius);
            let found = near.find_map(|clump| {
                let leader = &outputs[clump.members[0] as usize];
                Some((difference_within(values, leader, radius)?, clump))
            });
            match found {
                Some((distance, clump)) => {
                    clump.members.push(run);
                    clump.radius = clump.radius.max(distance);
                }
                None => clumps.push(Clump { members: vec![run], norm, radius: 0.0 }),
            }
        }
        Self { outputs, clumps }
    }

    /// For each run the smallest run of its class at `tolerance`, which is at least twice a clump's radius; `None`
    /// for those that are not finite.
    fn linked(&self, tolerance: f64) -> Vec<Option<u32>> {
        let mut sets = Sets::new(self.outputs.len());
        let mut finite = vec![false; self.outputs.len()];
        for (i, clump) in self.clumps.iter().enumerate() {
            for member in &clump.members {
                finite[*member as usize] = true;
                sets.join(clump.members[0], *member);
            }
            // a clump's radius is at most half the tolerance
            let reach = 2.0 * tolerance;
            let before = self.clumps[..i].iter().rev().take_while(|other| clump.norm - other.norm <= reach);
            for other in before {
                let apart = sets.root(clump.members[0]) != sets.root(other.members[0]);
                if apart && self.touch(clump, other, tolerance) {
                    sets.join(clump.members[0], other.members[0]);
                }
            }
        }
        let root = |run: usize| finite[run].then(|| sets.root(run as u32));
        (0..self.outputs.len()).map(root).collect()
    }

    /// Whether a member of one is within `tolerance` of a member of the other.
    fn touch(&self, a: &Clump, b: &Clump, tolerance: f64) -> bool {
        let values = |run: u32| &self.outputs[run as usize];
        let reach = tolerance + a.radius + b.radius;
        match difference_within(values(a.members[0]), values(b.members[0]), reach) {
            None => false,
            Some(distance) if distance <= tolerance => true,
            Some(_) => a.members.iter().any(|i| {
                b.members.iter().any(|j| difference_within(values(*i), values(*j), tolerance).is_some())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// All pairs, again and again until nothing changes: the definition.
    fn by_definition(outputs: &[Vec<f64>], tolerance: f64) -> Vec<Option<u32>> {
        let mut classes: Vec<u32> = (0..outputs.len() as u32).collect();
        loop {
            let before = classes.clone();
            for i in 0..outputs.len() {
                for j in 0..outputs.len() {
                    if difference(&outputs[i], &outputs[j]) <= tolerance {
                        classes[i] = classes[i].min(classes[j]);
                    }
                }
            }
            if classes == before {
                return classes.into_iter().map(Some).collect();
            }
        }
    }

    #[test]
    fn classes_are_the_connected_components() {
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = rng.random_range(1..80);
            let length = rng.random_range(1..4);
            // many at a few places, some between them: clumps, chains and bridges
            let outputs: Vec<Vec<f64>> = (0..n)
                .map(|_| {
                    let place = f64::from(rng.random_range(0..3_u32));
                    let spread = [1e-3, 0.1, 1.0][rng.random_range(0..3)];
                    (0..length).map(|_| place + spread * rng.random::<f64>()).collect()
                })
                .collect();
            for tolerance in [1e-4, 0.003, 0.02, 0.1, 0.5] {
                let clumps = Clumps::of(&outputs, tolerance / 4.0);
                let expected = by_definition(&outputs, tolerance);
                assert_eq!(clumps.linked(tolerance), expected, "seed {seed}, tolerance {tolerance}");
                let expected = by_definition(&outputs, 10.0 * tolerance);
                assert_eq!(clumps.linked(10.0 * tolerance), expected, "seed {seed}, coarse {tolerance}");
            }
        }
    }

    /// Runs of `functions` random functions on 300 probes, each value off by at most 1e-6.
    fn planted(functions: usize, runs: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<Vec<f64>> =
            (0..functions).map(|_| (0..300).map(|_| rng.random::<f64>()).collect()).collect();
        let of: Vec<usize> = (0..runs).map(|_| rng.random_range(0..functions)).collect();
        let noisy = |function: &usize| {
            values[*function].iter().map(|v| v + 1e-6 * (rng.random::<f64>() - 0.5)).collect()
        };
        (of.iter().map(noisy).collect(), of)
    }

    #[test]
    fn planted_functions_are_found_and_the_guards_are_clear() {
        let (outputs, of) = planted(7, 100, 1);
        let report = of_outputs(&outputs, 1e-4, |run| of[run].to_string());
        let mut counts = [0_u64; 7];
        of.iter().for_each(|function| counts[*function] += 1);
        for (basin, name) in report.census.basins.iter().zip(&report.names) {
            assert_eq!(basin.count, counts[name.parse::<usize>().unwrap()]);
        }
        let guards = report.guards.unwrap();
        assert_eq!((report.census.basins_found, report.census.ambiguous), (7, false));
        assert!(guards.widest.0 < 1e-6 && guards.nearest.unwrap().0 > 0.3, "{guards:?}");
    }

    #[test]
    fn order_of_runs_changes_no_count() {
        let (outputs, _) = planted(5, 60, 2);
        let counts = |outputs: &[Vec<f64>]| -> Vec<u64> {
            let report = of_outputs(outputs, 1e-4, |run| run.to_string());
            report.census.basins.iter().map(|basin| basin.count).collect()
        };
        let expected = counts(&outputs);
        for seed in 0..20 {
            let mut shuffled = outputs.clone();
            shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(counts(&shuffled), expected, "seed {seed}");
        }
    }

    #[test]
    fn basins_that_touch_are_ambiguous() {
        let at = |places: &[f64]| -> Vec<Vec<f64>> { places.iter().map(|x| vec![*x; 3]).collect() };
        let ambiguous = |places: &[f64]| of_outputs(&at(places), 1.0, |_| String::new()).census.ambiguous;
        assert!(!ambiguous(&[0.0, 0.1, 20.0]));
        // nearer than ten tolerances
        assert!(ambiguous(&[0.0, 0.1, 9.0]));
        // a chain
        assert!(ambiguous(&[0.0, 0.9, 1.8]));
    }

    #[test]
    fn a_run_that_is_not_finite_ends_in_no_basin() {
        let outputs = vec![vec![1.0, 2.0], vec![1.0, f64::NAN], vec![1.0, 2.0], vec![f64::INFINITY, 0.0]];
        let report = of_outputs(&outputs, 1e-4, |run| run.to_string());
        assert_eq!((report.n, report.without_basin, report.census.basins_found), (4, 2, 1));
        assert_eq!(of_outputs(&[], 1e-4, |run| run.to_string()).n, 0);
    }
}
