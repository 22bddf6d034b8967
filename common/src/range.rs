//! Contiguous ranges of restarts, and sets of them.
//!
//! A million trials in a handful of states cost a few intervals, not a million entries.

use std::collections::BTreeMap;
use std::fmt;

/// The restarts `start <= r < end` of one experiment. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RestartRange {
    start: u32,
    end: u32,
}

impl RestartRange {
    /// `start..end`, or `None` if it holds nothing.
    pub fn new(start: u32, end: u32) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The range of the single restart `restart`.
    pub fn one(restart: u32) -> Self {
        Self { start: restart, end: restart.saturating_add(1) }
    }

    /// First restart.
    pub fn start(self) -> u32 {
        self.start
    }

    /// One past the last restart.
    pub fn end(self) -> u32 {
        self.end
    }

    /// How many restarts.
    pub fn count(self) -> u32 {
        self.end - self.start
    }

    /// Whether `restart` is in it.
    pub fn contains(self, restart: u32) -> bool {
        (self.start..self.end).contains(&restart)
    }

    /// The restarts, ascending.
    pub fn iter(self) -> std::ops::Range<u32> {
        self.start..self.end
    }
}

impl fmt::Debug for RestartRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A set of restarts as disjoint, non-touching, ascending ranges.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// start -> end; neighbours never touch.
    ranges: BTreeMap<u32, u32>,
    count: u64,
}

impl IntervalSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// All restarts below `n`.
    pub fn all(n: u32) -> Self {
        let mut set = Self::new();
        if let Some(range) = RestartRange::new(0, n) {
            set.insert(range);
        }
        set
    }

    /// How many restarts are in the set.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `restart` is in the set.
    pub fn contains(&self, restart: u32) -> bool {
        self.ranges.range(..=restart).next_back().is_some_and(|(_, &end)| restart < end)
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RestartRange> + '_ {
        self.ranges.iter().map(|(&start, &end)| RestartRange { start, end })
    }

    /// What the set and `range` have in common, ascending.
    pub fn within(&self, range: RestartRange) -> impl Iterator<Item = RestartRange> + '_ {
        let left = self.ranges.range(..range.start).next_back();
        left.into_iter()
            .chain(self.ranges.range(range.start..range.end))
            .filter_map(move |(&start, &end)| RestartRange::new(start.max(range.start), end.min(range.end)))
    }

    /// Adds `range`; returns how many restarts were new.
    pub fn insert(&mut self, range: RestartRange) -> u64 {
        let before = self.count;
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&left, &left_end)) = self.ranges.range(..=start).next_back()
            && left_end >= start
        {
            start = left;
            end = end.max(left_end);
            self.ranges.remove(&left);
            self.count -= u64::from(left_end - left);
        }
        while let Some((&right, &right_end)) = self.ranges.range(start..=end).next() {
            end = end.max(right_end);
            self.ranges.remove(&right);
            self.count -= u64::from(right_end - right);
        }
        self.ranges.insert(start, end);
        self.count += u64::from(end - start);
        self.count - before
    }

    /// Takes `range` out; returns how many restarts were in the set.
    pub fn remove(&mut self, range: RestartRange) -> u64 {
        let before = self.count;
        if let Some((&left, &left_end)) = self.ranges.range(..range.start).next_back()
            && left_end > range.start
        {
            self.ranges.insert(left, range.start);
            self.count -= u64::from(left_end - range.start);
            if left_end > range.end {
                self.ranges.insert(range.end, left_end);
                self.count += u64::from(left_end - range.end);
            }
        }
        while let Some((&start, &end)) = self.ranges.range(range.start..range.end).next() {
            self.ranges.remove(&start);
            self.count -= u64::from(end - start);
            if end > range.end {
                self.ranges.insert(range.end, end);
                self.count += u64::from(end - range.end);
            }
        }
        before - self.count
    }
}

impl fmt::Debug for IntervalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<u32> for IntervalSet {
    fn from_iter<T: IntoIterator<Item = u32>>(restarts: T) -> Self {
        let mut set = Self::new();
        for restart in restarts {
            set.insert(RestartRange::one(restart));
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn interval_set_equals_a_plain_set_after_any_edits() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut set, mut plain) = (IntervalSet::new(), BTreeSet::new());
            for _ in 0..60 {
                let start = rng.random_range(0..40_u32);
                let range = RestartRange::new(start, start + rng.random_range(1..10)).unwrap();
                let changed = if rng.random_bool(0.5) {
                    let new = range.iter().filter(|&r| plain.insert(r)).count();
                    (set.insert(range), new as u64)
                } else {
                    let gone = range.iter().filter(|r| plain.remove(r)).count();
                    (set.remove(range), gone as u64)
                };
                assert_eq!(changed.0, changed.1, "seed {seed}");
                assert_eq!(set.count(), plain.len() as u64, "seed {seed}");
                let listed: Vec<u32> = set.iter().flat_map(RestartRange::iter).collect();
                assert_eq!(listed, plain.iter().copied().collect::<Vec<_>>(), "seed {seed}");
                assert!((0..55).all(|r| set.contains(r) == plain.contains(&r)), "seed {seed}");
                let common: Vec<u32> = set.within(range).flat_map(RestartRange::iter).collect();
                assert_eq!(
                    common,
                    range.iter().filter(|r| plain.contains(r)).collect::<Vec<_>>(),
                    "seed {seed}"
                );
                let ranges: Vec<_> = set.iter().collect();
                assert!(ranges.windows(2).all(|w| w[0].end < w[1].start), "touching: seed {seed}");
            }
        }
    }
}
