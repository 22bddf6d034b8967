//! Single linkage at a fixed tolerance: points belong together if a chain of points leads from one to the other
//! whose every step is at most the tolerance. So classes do not depend on the order of points, and no grid is
//! laid over them that would part neighbours.
//!
//! Exact, by comparing the boxes of a kd-tree: boxes further apart than the tolerance need no look inside, and a
//! box no wider than it holds one class.

use crate::fingerprint::distance;

/// Points of a leaf: below it all pairs are compared.
const LEAF_POINTS: usize = 16;

/// For each sketch, the smallest index of its class. A sketch with a value that is not finite equals nothing.
pub(crate) fn classes<const N: usize>(sketches: &[&[f64; N]], tolerance: f64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..sketches.len() as u32).collect();
    order.retain(|&i| sketches[i as usize].iter().all(|value| value.is_finite()));
    let mut nodes = Vec::new();
    if !order.is_empty() {
        build(sketches, &mut order, 0, &mut nodes);
    }
    let mut linker = Linker { sketches, tolerance, order: &order, nodes, sets: Sets::new(sketches.len()) };
    if let Some(root) = linker.nodes.len().checked_sub(1) {
        linker.link_within(root);
    }
    (0..sketches.len() as u32).map(|i| linker.sets.root(i)).collect()
}

/// Joins any two points with equal keys, in classes made by [`classes`].
pub(crate) fn join_equal<K: Ord>(classes: &mut [u32], key: impl Fn(usize) -> K) {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|&i| (key(i), i));
    let mut sets = Sets { parents: classes.to_vec() };
    for pair in order.windows(2) {
        if key(pair[0]) == key(pair[1]) {
            sets.join(pair[0] as u32, pair[1] as u32);
        }
    }
    for (i, class) in classes.iter_mut().enumerate() {
        *class = sets.root(i as u32);
    }
}

/// Disjoint sets whose root is their smallest member.
pub(crate) struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    /// Each of `n` by itself.
    pub(crate) fn new(n: usize) -> Self {
        Self { parents: (0..n as u32).collect() }
    }

    /// The smallest member of the set that holds `i`.
    pub(crate) fn root(&mut self, mut i: u32) -> u32 {
        while self.parents[i as usize] != i {
            // halves the path
            self.parents[i as usize] = self.parents[self.parents[i as usize] as usize];
            i = self.parents[i as usize];
        }
        i
    }

    /// Makes one set of those that hold `a` and `b`.
    pub(crate) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }
}

/// An axis-parallel box around points.
#[derive(Clone)]
struct Bounds<const N: usize> {
    low: [f64; N],
    high: [f64; N],
}

impl<const N: usize> Bounds<N> {
    fn of<'a>(sketches: impl Iterator<Item = &'a [f64; N]>) -> Self {
        let mut bounds = Self { low: [f64::INFINITY; N], high: [f64::NEG_INFINITY; N] };
        for sketch in sketches {
            for (axis, value) in sketch.iter().enumerate() {
                bounds.low[axis] = bounds.low[axis].min(*value);
                bounds.high[axis] = bounds.high[axis].max(*value);
            }
        }
        bounds
    }

    /// The widest axis.
    fn widest(&self) -> usize {
        let extent = |axis: &usize| self.high[*axis] - self.low[*axis];
        (0..N).max_by(|a, b| extent(a).total_cmp(&extent(b))).unwrap_or(0)
    }

    /// Largest distance of two points in the box; for a tight box it is the largest distance of its points.
    fn span(&self) -> f64 {
        distance(&self.high, &self.low)
    }

    fn union(&self, other: &Self) -> Self {
        Self::of([&self.low, &self.high, &other.low, &other.high].into_iter())
    }

    /// Smallest distance of a point in this box from one in the other.
    fn gap(&self, other: &Self) -> f64 {
        (0..N).fold(0.0, |gap: f64, axis| {
            gap.max(other.low[axis] - self.high[axis]).max(self.low[axis] - other.high[axis])
        })
    }
}

/// A box of the tree: the points `order[start..end]`.
struct Node<const N: usize> {
    bounds: Bounds<N>,
    start: usize,
    end: usize,
    children: Option<(usize, usize)>,
    /// All points are known to be of one class.
    whole: bool,
}

/// Adds the tree over `order`, which starts at `start` of the whole, and gives its root.
fn build<const N: usize>(
    sketches: &[&[f64; N]],
    order: &mut [u32],
    start: usize,
    nodes: &mut Vec<Node<N>>,
) -> usize {
    let bounds = Bounds::of(order.iter().map(|&i| sketches[i as usize]));
    let end = start + order.len();
    let children = (order.len() > LEAF_POINTS).then(|| {
        let axis = bounds.widest();
        let middle = order.len() / 2;
        order.select_nth_unstable_by(middle, |&a, &b| {
            sketches[a as usize][axis].total_cmp(&sketches[b as usize][axis])
        });
        let (left, right) = order.split_at_mut(middle);
        (build(sketches, left, start, nodes), build(sketches, right, start + middle, nodes))
    });
    nodes.push(Node { bounds, start, end, children, whole: false });
    nodes.len() - 1
}

struct Linker<'a, const N: usize> {
    sketches: &'a [&'a [f64; N]],
    tolerance: f64,
    order: &'a [u32],
    nodes: Vec<Node<N>>,
    sets: Sets,
}

impl<const N: usize> Linker<'_, N> {
    /// Links all points of one box.
    fn link_within(&mut self, node: usize) {
        if self.nodes[node].bounds.span() <= self.tolerance {
            return self.join_all(node, node);
        }
        match self.nodes[node].children {
            Some((left, right)) => {
                self.link_within(left);
                self.link_within(right);
                self.link_between(left, right);
            }
            None => self.compare(node, node),
        }
    }

    /// Links the points of one box with those of another.
    fn link_between(&mut self, a: usize, b: usize) {
        let (bounds_a, bounds_b) = (&self.nodes[a].bounds, &self.nodes[b].bounds);
        if bounds_a.gap(bounds_b) > self.tolerance {
            return;
        }
        if bounds_a.union(bounds_b).span() <= self.tolerance {
            return self.join_all(a, b);
        }
        let a_is_wider = bounds_a.span() > bounds_b.span();
        if self.is_whole(a) && self.is_whole(b) && self.class(a) == self.class(b) {
            return;
        }
        let split = match (self.nodes[a].children, self.nodes[b].children) {
            (None, None) => return self.compare(a, b),
            (Some(children), None) => (children, b),
            (None, Some(children)) => (children, a),
            (Some(children_a), Some(_)) if a_is_wider => (children_a, b),
            (Some(_), Some(children_b)) => (children_b, a),
        };
        let ((left, right), other) = split;
        self.link_between(left, other);
        self.link_between(right, other);
    }

    /// Compares each point of `a` with each of `b`.
    fn compare(&mut self, a: usize, b: usize) {
        for i in self.nodes[a].start..self.nodes[a].end {
            for j in self.nodes[b].start..self.nodes[b].end {
                let (i, j) = (self.order[i], self.order[j]);
                if distance(self.sketches[i as usize], self.sketches[j as usize]) <= self.tolerance {
                    self.sets.join(i, j);
                }
            }
        }
    }

    fn join_all(&mut self, a: usize, b: usize) {
        let first = self.order[self.nodes[a].start];
        for node in [a, b] {
            if self.is_whole(node) {
                self.sets.join(first, self.order[self.nodes[node].start]);
                continue;
            }
            for position in self.nodes[node].start..self.nodes[node].end {
                self.sets.join(first, self.order[position]);
            }
            self.nodes[node].whole = true;
        }
    }

    /// The class of the box's first point.
    fn class(&mut self, node: usize) -> u32 {
        let first = self.order[self.nodes[node].start];
        self.sets.root(first)
    }

    /// Whether all points of the box are of one class by now.
    fn is_whole(&mut self, node: usize) -> bool {
        if self.nodes[node].whole {
            return true;
        }
        let whole = match self.nodes[node].children {
            Some((left, right)) => {
                self.is_whole(left) && self.is_whole(right) && self.class(left) == self.class(right)
            }
            None => {
                let class = self.class(node);
                let (start, end) = (self.nodes[node].start, self.nodes[node].end);
                (start..end).all(|position| self.sets.root(self.order[position]) == class)
            }
        };
        self.nodes[node].whole = whole;
        whole
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::fingerprint::{SKETCH_LENGTH, Sketch};

    /// All pairs, again and again until nothing changes: the definition.
    fn by_definition(sketches: &[Sketch], tolerance: f64) -> Vec<u32> {
        let mut classes: Vec<u32> = (0..sketches.len() as u32).collect();
        loop {
            let before = classes.clone();
            for i in 0..sketches.len() {
                for j in 0..sketches.len() {
                    if distance(&sketches[i], &sketches[j]) <= tolerance {
                        classes[i] = classes[i].min(classes[j]);
                    }
                }
            }
            if classes == before {
                return classes;
            }
        }
    }

    fn linked(sketches: &[Sketch], tolerance: f64) -> Vec<u32> {
        classes(&sketches.iter().collect::<Vec<_>>(), tolerance)
    }

    fn along_first_axis(values: &[f64]) -> Vec<Sketch> {
        let sketch = |value: &f64| {
            let mut sketch = [0.5; SKETCH_LENGTH];
            sketch[0] = *value;
            sketch
        };
        values.iter().map(sketch).collect()
    }

    #[test]
    fn classes_are_the_connected_components() {
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = rng.random_range(1..150);
            // few axes that differ and a tolerance near the typical distance: chains, bridges and lone points
            let axes = rng.random_range(1..4);
            let sketches: Vec<Sketch> = (0..n)
                .map(|_| {
                    let mut sketch = [0.0; SKETCH_LENGTH];
                    sketch[..axes].fill_with(|| rng.random::<f64>());
                    sketch
                })
                .collect();
            for tolerance in [0.0, 0.003, 0.02, 0.1, 0.5] {
                let expected = by_definition(&sketches, tolerance);
                assert_eq!(linked(&sketches, tolerance), expected, "seed {seed}, tolerance {tolerance}");
            }
        }
    }

    #[test]
    fn a_chain_is_one_class_and_a_broken_chain_is_two() {
        let whole: Vec<f64> = (0..1_000).map(|i| f64::from(i) * 0.9).collect();
        assert!(linked(&along_first_axis(&whole), 1.0).iter().all(|class| *class == 0));
        let broken: Vec<f64> = whole.iter().map(|x| if *x > 450.0 { x + 0.2 } else { *x }).collect();
        let classes = linked(&along_first_axis(&broken), 1.0);
        assert_eq!(classes.iter().filter(|class| **class == 0).count(), 501);
        assert!(classes[501..].iter().all(|class| *class == 501));
    }

    #[test]
    fn what_is_not_finite_equals_nothing_not_even_itself() {
        let values = [1.0, f64::NAN, 1.0, f64::NAN, f64::INFINITY, f64::INFINITY];
        assert_eq!(linked(&along_first_axis(&values), 1e9), [0, 1, 0, 3, 4, 5]);
        assert_eq!(linked(&[], 1.0), Vec::<u32>::new());
    }

    #[test]
    fn equal_keys_join_whatever_the_sketches_say() {
        let mut classes = vec![0, 1, 0, 3, 4];
        let digests = [7, 8, 9, 8, 9];
        join_equal(&mut classes, |i| digests[i]);
        assert_eq!(classes, [0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_hundred_thousand_points_are_linked_however_they_lie() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        // ten tight classes, one blob somewhat wider than the tolerance, a cloud of lone points
        let centres: [f64; 10] = std::array::from_fn(|_| rng.random());
        let mut sketch = |i: usize| -> Sketch {
            match i % 3 {
                0 => {
                    std::array::from_fn(|axis| centres[i / 3 % 10] + axis as f64 + 1e-9 * rng.random::<f64>())
                }
                1 => std::array::from_fn(|_| -5.0 + 1.7e-4 * rng.random::<f64>()),
                _ => std::array::from_fn(|_| 100.0 + rng.random::<f64>()),
            }
        };
        let sketches: Vec<Sketch> = (0..100_000).map(&mut sketch).collect();
        let mut roots = linked(&sketches, 1e-4);
        roots.sort_unstable();
        roots.dedup();
        assert!(roots.len() >= 33_333 + 11 && roots.len() < 33_400, "{}", roots.len());
    }
}
