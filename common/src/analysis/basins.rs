//! Basins: classes of end points equal at a level, numbered once for all experiments that can be compared.

use std::collections::BTreeMap;

use super::trials::Trials;
use super::{ByLevel, linkage};
use crate::outcome::Outcome;
use crate::plan;
use crate::spec::{Level, SweepSpec};

/// Between two basins there must be this many tolerances, or the tolerance does not part them cleanly.
const CLEAR_GAP: f64 = 10.0;

/// The basins of one experiment's finished trials at one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basins {
    /// For each finished trial, its basin; `None` where it is in none.
    pub(crate) labels: Vec<Option<u32>>,
    /// Whether a basin of this experiment is wider than the tolerance or closer than ten of them to another.
    pub(crate) ambiguous: bool,
}

/// An end point that takes part.
struct Point<'a> {
    experiment: usize,
    trial: usize,
    outcome: &'a Outcome,
}

/// The basins of all experiments at each level, in the order of `Level::ALL`. Equal bits are one point and equal points
/// are one network by definition, so that basins of `raw` are unions of those of `bits`, and basins of `canonical` of
/// those of `raw`.
pub(crate) fn all(spec: &SweepSpec, trials: &[Trials]) -> ByLevel<Vec<Basins>> {
    let bits = find(spec, trials, Level::Bits, None);
    let raw = find(spec, trials, Level::Raw, Some(&bits));
    let canonical = find(spec, trials, Level::Canonical, Some(&raw));
    let function = find(spec, trials, Level::Function, None);
    [bits, raw, canonical, function]
}

/// The basins of all experiments at `level`, one clustering for each group of experiments that can be compared. Points
/// that share a basin of `finer` share one.
fn find(spec: &SweepSpec, trials: &[Trials], level: Level, finer: Option<&[Basins]>) -> Vec<Basins> {
    let groups = plan::comparable(spec, level);
    let mut basins: Vec<Basins> = trials
        .iter()
        .map(|trials| Basins { labels: vec![None; trials.finished.len()], ambiguous: false })
        .collect();
    for group in 0..groups.iter().max().map_or(0, |last| last + 1) {
        let points: Vec<Point> = trials
            .iter()
            .enumerate()
            .filter(|(experiment, trials)| groups[*experiment] == group && trials.has_level(level))
            .flat_map(|(experiment, trials)| points_of(experiment, trials, level))
            .collect();
        let same = |i: usize| {
            let Point { experiment, trial, .. } = points[i];
            finer.and_then(|finer| finer[experiment].labels[trial]).ok_or(i)
        };
        let (labels, unclear) = cluster(&points, level, spec, &same);
        for (point, label) in points.iter().zip(labels) {
            let basins = &mut basins[point.experiment];
            basins.labels[point.trial] = Some(label);
            basins.ambiguous |= unclear[label as usize];
        }
    }
    basins
}

/// The basins of the first `n` finished trials of one experiment by themselves, numbered among them.
pub(crate) fn of_first(spec: &SweepSpec, trials: &Trials, n: usize, level: Level) -> Vec<Option<u32>> {
    let mut basins = vec![None; n];
    if !trials.has_level(level) {
        return basins;
    }
    let finer = match level {
        Level::Raw => Some(of_first(spec, trials, n, Level::Bits)),
        Level::Canonical => Some(of_first(spec, trials, n, Level::Raw)),
        Level::Bits | Level::Function => None,
    };
    let points: Vec<Point> = points_of(0, trials, level).take_while(|point| point.trial < n).collect();
    let same = |i: usize| finer.as_ref().and_then(|finer| finer[points[i].trial]).ok_or(i);
    let (labels, _) = cluster(&points, level, spec, &same);
    for (point, label) in points.iter().zip(labels) {
        basins[point.trial] = Some(label);
    }
    basins
}

fn points_of<'a>(
    experiment: usize,
    trials: &'a Trials<'a>,
    level: Level,
) -> impl Iterator<Item = Point<'a>> + 'a {
    trials.finished.iter().enumerate().filter_map(move |(trial, finished)| {
        let outcome = finished.outcome.filter(|outcome| trials.may_enter(outcome, level))?;
        Some(Point { experiment, trial, outcome })
    })
}

/// What points have in common at a finer level; `Err` with its own number where nothing is.
type Finer<'a> = &'a dyn Fn(usize) -> Result<u32, usize>;

/// Numbers of the points' basins, and for each basin whether the tolerance leaves it unclear.
fn cluster(points: &[Point], level: Level, spec: &SweepSpec, finer: Finer) -> (Vec<u32>, Vec<bool>) {
    let (sketches, tolerance): (Vec<&[f64]>, f64) = match level {
        Level::Bits => {
            let mut classes: Vec<u32> = (0..points.len() as u32).collect();
            linkage::join_equal(&mut classes, |i| points[i].outcome.digest);
            let labels = number(&classes);
            let basins = labels.iter().max().map_or(0, |last| *last as usize + 1);
            return (labels, vec![false; basins]);
        }
        Level::Raw => (points.iter().map(|p| p.outcome.sketch_raw.as_slice()).collect(), spec.tolerances.raw),
        Level::Canonical => {
            // who has the level has a sketch
            let sketches = points.iter().filter_map(|point| point.outcome.sketch_canonical.as_ref());
            (sketches.map(|sketch| sketch.as_slice()).collect(), spec.tolerances.canonical)
        }
        Level::Function => {
            (points.iter().map(|p| p.outcome.sketch_function.as_slice()).collect(), spec.tolerances.function)
        }
    };
    let link = |tolerance: f64| {
        let mut classes = linkage::classes(&sketches, tolerance);
        linkage::join_equal(&mut classes, finer);
        classes
    };
    let labels = number(&link(tolerance));
    let unclear = unclear(&labels, &link(CLEAR_GAP * tolerance), &sketches, tolerance);
    (labels, unclear)
}

/// Numbers classes from 0: the largest first, among equals the one whose first point comes first. Points are
/// sorted by experiment and restart, so that neither arrival nor the class's own name matters.
pub(crate) fn number(classes: &[u32]) -> Vec<u32> {
    let mut sizes: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (point, class) in classes.iter().enumerate() {
        sizes.entry(*class).or_insert((0, point)).0 += 1;
    }
    let mut ranked: Vec<(usize, usize, u32)> =
        sizes.into_iter().map(|(class, (size, first))| (size, first, class)).collect();
    ranked.sort_by_key(|&(size, first, _)| (std::cmp::Reverse(size), first));
    let numbers: BTreeMap<u32, u32> =
        ranked.iter().enumerate().map(|(number, (_, _, class))| (*class, number as u32)).collect();
    classes.iter().map(|class| numbers[class]).collect()
}

/// For each basin: whether two of its points are further apart than the tolerance, or one of another basin is
/// nearer than [`CLEAR_GAP`] tolerances, so that both are one class of `coarse`.
fn unclear(labels: &[u32], coarse: &[u32], sketches: &[&[f64]], tolerance: f64) -> Vec<bool> {
    let basins = labels.iter().max().map_or(0, |last| *last as usize + 1);
    let mut boxes: Vec<Option<(Vec<f64>, Vec<f64>)>> = vec![None; basins];
    let mut coarse_of = vec![0; basins];
    for ((label, sketch), coarse) in labels.iter().zip(sketches).zip(coarse) {
        let (low, high) = boxes[*label as usize].get_or_insert_with(|| (sketch.to_vec(), sketch.to_vec()));
        for (axis, value) in sketch.iter().enumerate() {
            low[axis] = low[axis].min(*value);
            high[axis] = high[axis].max(*value);
        }
        coarse_of[*label as usize] = *coarse;
    }
    let mut basins_in: BTreeMap<u32, u32> = BTreeMap::new();
    for coarse in &coarse_of {
        *basins_in.entry(*coarse).or_insert(0) += 1;
    }
    boxes
        .iter()
        .zip(&coarse_of)
        .map(|(bounds, coarse)| {
            // the largest distance of two points is the longest edge of their box: distance is by the largest axis
            let is_wide = |(low, high): &(Vec<f64>, Vec<f64>)| {
                low.iter().zip(high).any(|(low, high)| high - low > tolerance)
            };
            let wide = bounds.as_ref().is_some_and(is_wide);
            wide || basins_in[coarse] > 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basins_are_numbered_by_size_then_by_first_point() {
        assert_eq!(number(&[0, 1, 1, 3, 4, 4, 3, 3]), [3, 1, 1, 0, 2, 2, 0, 0]);
        assert_eq!(number(&[]), Vec::<u32>::new());
    }

    #[test]
    fn a_basin_is_unclear_when_wide_or_near() {
        let at = |x: f64| {
            let mut sketch = [0.0; crate::fingerprint::SKETCH_LENGTH];
            sketch[3] = x;
            sketch
        };
        let sketches = [at(0.0), at(0.5), at(20.0), at(29.0), at(100.0), at(101.0), at(102.0)];
        let views: Vec<&[f64]> = sketches.iter().map(|sketch| sketch.as_slice()).collect();
        let fine = linkage::classes(&views, 1.0);
        let labels = number(&fine);
        assert_eq!(labels, [1, 1, 2, 3, 0, 0, 0]);
        // 0 is a chain wider than the tolerance, 1 is clear, 2 and 3 are nine tolerances apart
        assert_eq!(unclear(&labels, &linkage::classes(&views, 10.0), &views, 1.0), [true, false, true, true]);
    }
}
