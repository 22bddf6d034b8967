//! Single linkage at a fixed tolerance: points belong together if a chain of points leads from one to the other
//! whose every step is at most the tolerance. So classes do not depend on the order of points, and no grid is
//! laid over them that would part neighbours.
//!
//! Exact, by comparing the boxes of a kd-tree: boxes further apart than the tolerance need no look inside, and a
//! box no wider than it holds one class. The tree splits one axis until it is no wider than the tolerance before it
//! turns to the next (the ε-kdB tree of Shim, Srikant & Agrawal 1997): in sixteen and more dimensions halves of every
//! axis would all be neighbours.

/// Points of a leaf: below it all pairs are compared.
const LEAF_POINTS: usize = 16;

/// For each point, the smallest index of its class. All points have as many values; one with a value that is not
/// finite equals nothing.
pub(crate) fn classes(points: &[&[f64]], tolerance: f64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    order.retain(|&i| points[i as usize].iter().all(|value| value.is_finite()));
    let mut tree = Tree { points, tolerance, nodes: Vec::new() };
    if !order.is_empty() {
        tree.build(&mut order, 0);
    }
    let nodes = tree.nodes;
    let mut linker = Linker { points, tolerance, order: &order, nodes, sets: Sets::new(points.len()) };
    if let Some(root) = linker.nodes.len().checked_sub(1) {
        linker.link_within(root);
    }
    (0..points.len() as u32).map(|i| linker.sets.root(i)).collect()
}

/// Whether no value of `a` is further from that of `b` than the tolerance.
fn are_near(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance)
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
struct Bounds {
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Bounds {
    /// The smallest box around `points`, of which there is one at least.
    fn of<'a>(mut points: impl Iterator<Item = &'a [f64]>) -> Self {
        let first = points.next().unwrap_or_default();
        let mut bounds = Self { low: first.to_vec(), high: first.to_vec() };
        for point in points {
            for ((low, high), value) in bounds.low.iter_mut().zip(&mut bounds.high).zip(point) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        bounds
    }

    /// The first axis that is wider than `tolerance`; `None` where the box holds one class.
    fn first_wide(&self, tolerance: f64) -> Option<usize> {
        self.low.iter().zip(&self.high).position(|(low, high)| high - low > tolerance)
    }

    /// Largest distance of two points in the box, which is that of its own points: the box is tight.
    fn span(&self) -> f64 {
        self.low.iter().zip(&self.high).fold(0.0, |span, (low, high)| span.max(high - low))
    }

    /// Whether any two points of both boxes are at most `tolerance` apart.
    fn all_near(&self, other: &Self, tolerance: f64) -> bool {
        let axes = self.low.iter().zip(&self.high).zip(other.low.iter().zip(&other.high));
        axes.into_iter().all(|((low, high), (other_low, other_high))| {
            high.max(*other_high) - low.min(*other_low) <= tolerance
        })
    }

    /// Whether no point of this box is within `tolerance` of one of the other.
    fn is_far(&self, other: &Self, tolerance: f64) -> bool {
        let axes = self.low.iter().zip(&self.high).zip(other.low.iter().zip(&other.high));
        axes.into_iter().any(|((low, high), (other_low, other_high))| {
            other_low - high > tolerance || low - other_high > tolerance
        })
    }
}

/// A box of the tree: the points `order[start..end]`.
struct Node {
    bounds: Bounds,
    start: usize,
    end: usize,
    children: Option<(usize, usize)>,
    /// All points are known to be of one class.
    whole: bool,
}

struct Tree<'a> {
    points: &'a [&'a [f64]],
    tolerance: f64,
    nodes: Vec<Node>,
}

impl Tree<'_> {
    /// Adds the tree over `order`, which starts at `start` of the whole, and gives its root.
    fn build(&mut self, order: &mut [u32], start: usize) -> usize {
        let points = self.points;
        let bounds = Bounds::of(order.iter().map(|&i| points[i as usize]));
        let end = start + order.len();
        let axis = bounds.first_wide(self.tolerance).filter(|_| order.len() > LEAF_POINTS);
        let children = axis.map(|axis| {
            let middle = order.len() / 2;
            order.select_nth_unstable_by(middle, |&a, &b| {
                points[a as usize][axis].total_cmp(&points[b as usize][axis])
            });
            let (left, right) = order.split_at_mut(middle);
            (self.build(left, start), self.build(right, start + middle))
        });
        self.nodes.push(Node { bounds, start, end, children, whole: false });
        self.nodes.len() - 1
    }
}

struct Linker<'a> {
    points: &'a [&'a [f64]],
    tolerance: f64,
    order: &'a [u32],
    nodes: Vec<Node>,
    sets: Sets,
}

impl Linker<'_> {
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
        if bounds_a.is_far(bounds_b, self.tolerance) {
            return;
        }
        if bounds_a.all_near(bounds_b, self.tolerance) {
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
                if are_near(self.points[i as usize], self.points[j as usize], self.tolerance) {
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

    /// Values of a point; the code does not depend on it.
    const AXES: usize = 16;
    type Point = [f64; AXES];

    /// All pairs, again and again until nothing changes: the definition.
    fn by_definition(points: &[Point], tolerance: f64) -> Vec<u32> {
        let mut classes: Vec<u32> = (0..points.len() as u32).collect();
        loop {
            let before = classes.clone();
            for i in 0..points.len() {
                for j in 0..points.len() {
                    if are_near(&points[i], &points[j], tolerance) {
                        classes[i] = classes[i].min(classes[j]);
                    }
                }
            }
            if classes == before {
                return classes;
            }
        }
    }

    fn linked(points: &[Point], tolerance: f64) -> Vec<u32> {
        classes(&points.iter().map(|point| point.as_slice()).collect::<Vec<_>>(), tolerance)
    }

    fn along_first_axis(values: &[f64]) -> Vec<Point> {
        let point = |value: &f64| {
            let mut point = [0.5; AXES];
            point[0] = *value;
            point
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn classes_are_the_connected_components() {
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = rng.random_range(1..150);
            // few axes that differ and a tolerance near the typical distance: chains, bridges and lone points
            let axes = rng.random_range(1..4);
            let points: Vec<Point> = (0..n)
                .map(|_| {
                    let mut point = [0.0; AXES];
                    point[..axes].fill_with(|| rng.random::<f64>());
                    point
                })
                .collect();
            for tolerance in [0.0, 0.003, 0.02, 0.1, 0.5] {
                let expected = by_definition(&points, tolerance);
                assert_eq!(linked(&points, tolerance), expected, "seed {seed}, tolerance {tolerance}");
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
    fn equal_keys_join_whatever_the_points_say() {
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
        let mut point = |i: usize| -> Point {
            match i % 3 {
                0 => {
                    std::array::from_fn(|axis| centres[i / 3 % 10] + axis as f64 + 1e-9 * rng.random::<f64>())
                }
                1 => std::array::from_fn(|_| -5.0 + 1.7e-4 * rng.random::<f64>()),
                _ => std::array::from_fn(|_| 100.0 + rng.random::<f64>()),
            }
        };
        let points: Vec<Point> = (0..100_000).map(&mut point).collect();
        let mut roots = linked(&points, 1e-4);
        roots.sort_unstable();
        roots.dedup();
        assert!(roots.len() >= 33_333 + 11 && roots.len() < 33_400, "{}", roots.len());
    }
}
