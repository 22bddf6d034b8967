//! Where the basins at level `canonical` could be wrong: the pairs of end points that an exact distance should decide.
//!
//! Sketches are numbers for 10⁵ networks; a distance needs two networks and a matching. So only the widest pair of each
//! basin and its nearest neighbour are worth the look.

use std::collections::BTreeMap;

use crate::fingerprint::{CANONICAL_SKETCH_LENGTH, CanonicalSketch, distance};
use crate::limits;
use crate::outcome::Outcome;

/// Two restarts of an experiment that a border lies between, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Border {
    /// The restarts, ascending.
    pub restarts: [u32; 2],
    /// Whether they are in one basin.
    pub is_same: bool,
}

/// The pairs to look at among `members`, end points of one experiment with the numbers of their basins: of each of the
/// largest basins (at most [`limits::BASINS_PER_REPORT`]) the two members whose sketches differ most, and its first member
/// with that of the nearest other one. Each pair once, sorted.
pub fn borders<'a>(members: impl IntoIterator<Item = (u32, &'a Outcome)>) -> Vec<Border> {
    let mut basins: BTreeMap<u32, Vec<(&CanonicalSketch, u32)>> = BTreeMap::new();
    for (basin, outcome) in members {
        if let Some(sketch) = &outcome.sketch_canonical {
            basins.entry(basin).or_default().push((sketch, outcome.restart));
        }
    }
    let mut basins: Vec<Vec<(&CanonicalSketch, u32)>> = basins.into_values().collect();
    // stable: among equals the smaller number first
    basins.sort_by_key(|members| std::cmp::Reverse(members.len()));
    basins.truncate(limits::BASINS_PER_REPORT);
    basins.iter_mut().for_each(|members| members.sort_by_key(|member| member.1));
    let mut found: Vec<Border> = Vec::new();
    let border = |a: u32, b: u32, is_same| Border { restarts: [a.min(b), a.max(b)], is_same };
    for (number, members) in basins.iter().enumerate() {
        if members.len() > 1 {
            let [a, b] = widest(members);
            found.push(border(a, b, true));
        }
        let first = members[0];
        let others = basins.iter().enumerate().filter(|(other, _)| *other != number);
        let nearest = others
            .map(|(_, other)| (distance(first.0, other[0].0), other[0].1))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        found.extend(nearest.map(|(_, restart)| border(first.1, restart, false)));
    }
    found.sort();
    found.dedup();
    found
}

/// The two members, of two or more, whose sketches are furthest apart: those at the ends of the widest axis.
fn widest(members: &[(&CanonicalSketch, u32)]) -> [u32; 2] {
    let ends = |axis: usize| {
        let by_value =
            |a: &&(&CanonicalSketch, u32), b: &&(&CanonicalSketch, u32)| a.0[axis].total_cmp(&b.0[axis]);
        let low = members.iter().min_by(by_value).unwrap_or(&members[0]);
        let high = members.iter().max_by(by_value).unwrap_or(&members[0]);
        (high.0[axis] - low.0[axis], [low.1, high.1])
    };
    let (extent, pair) =
        (0..CANONICAL_SKETCH_LENGTH).map(ends).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, [0; 2]));
    if extent > 0.0 { pair } else { [members[0].1, members[1].1] }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixtures::outcome;
    use super::*;

    #[test]
    fn the_widest_pair_and_the_nearest_neighbour_of_each_basin_are_looked_at() {
        let at = |restart: u32, axis: usize, value: f64| {
            let mut sketch = [0.0; CANONICAL_SKETCH_LENGTH];
            sketch[axis] = value;
            Outcome { sketch_canonical: Some(sketch), ..outcome(restart, 0.0) }
        };
        let rows = [
            (0, at(4, 3, 1e-7)),
            (0, at(9, 3, -2e-7)),
            (0, at(5, 7, 1e-7)),
            (1, at(1, 0, 1.0)),
            (1, at(2, 0, 1.0)),
            (2, at(8, 0, 1.5)),
        ];
        let found = borders(rows.iter().map(|(basin, outcome)| (*basin, outcome)));
        let pair = |a, b, is_same| Border { restarts: [a, b], is_same };
        assert_eq!(
            found,
            [pair(1, 2, true), pair(1, 4, false), pair(1, 8, false), pair(4, 9, true)],
            "1 and 8 are nearest to each other, 4 is nearest to 1"
        );
        // nothing to compare with
        assert_eq!(borders([(0, &rows[0].1)]), []);
        // what has no sketch takes no part
        let none = Outcome { sketch_canonical: None, ..outcome(7, 0.0) };
        assert_eq!(borders([(0, &none), (1, &rows[3].1)]), []);
    }
}
