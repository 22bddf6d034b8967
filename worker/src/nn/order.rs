//! In which order rows are visited: an epoch at a time, from the `order` stream, or as they stand in the file.

use rand::Rng;
use rand::rngs::ChaCha8Rng;
use seedsweep_common::seed::{self, Purpose};

/// The orders of one trial.
#[derive(Debug)]
pub struct Order {
    own: Permutations,
    /// What all trials follow before they part.
    common: Option<Common>,
}

#[derive(Debug)]
struct Common {
    permutations: Permutations,
    /// Rows to visit before the orders part.
    left: u64,
}

impl Order {
    /// Shuffled orders of `rows` rows from stream number `stream` of a sweep with seed `seed`.
    pub fn new(rows: usize, seed: u64, stream: u64) -> Self {
        Self { own: Permutations::new(rows, seed, stream), common: None }
    }

    /// The order of the file, in every epoch; nothing is drawn.
    pub fn of_file(rows: usize) -> Self {
        Self { own: Permutations { rng: None, rows: vec![0; rows] }, common: None }
    }

    /// As [`Order::new`], but update 1 to `fork`, of `batch` rows each, follow stream 0. Where the fork lies within
    /// an epoch, the rows that are left of it come in the order in which the trial's own epoch has them.
    pub fn forked(rows: usize, seed: u64, stream: u64, fork: u64, batch: usize) -> Self {
        let per_epoch = rows.div_ceil(batch) as u64;
        let within = (fork % per_epoch).saturating_mul(batch as u64);
        let left = (fork / per_epoch).saturating_mul(rows as u64).saturating_add(within);
        let common = Common { permutations: Permutations::new(rows, seed, 0), left };
        Self { common: Some(common), ..Self::new(rows, seed, stream) }
    }

    /// The rows of the next epoch, each once.
    pub fn next_epoch(&mut self) -> &[usize] {
        self.own.draw();
        self.common.take_if(|common| common.left == 0);
        let Some(common) = &mut self.common else { return &self.own.rows };
        let shared = usize::try_from(common.left).unwrap_or(usize::MAX).min(self.own.rows.len());
        common.permutations.draw();
        common.left -= shared as u64;
        let rows = &mut common.permutations.rows;
        let mut is_visited = vec![false; rows.len()];
        rows[..shared].iter().for_each(|&row| is_visited[row] = true);
        let rest = self.own.rows.iter().filter(|&&row| !is_visited[row]);
        rows[shared..].iter_mut().zip(rest).for_each(|(to, &row)| *to = row);
        rows
    }
}

/// Permutations of the rows, one after the other.
#[derive(Debug)]
struct Permutations {
    /// `None` for the identity.
    rng: Option<ChaCha8Rng>,
    /// The last one.
    rows: Vec<usize>,
}

impl Permutations {
    fn new(rows: usize, seed: u64, stream: u64) -> Self {
        Self { rng: Some(seed::generator(Purpose::Order, seed, stream)), rows: vec![0; rows] }
    }

    /// A uniform permutation: Fisher-Yates from the identity, i from n − 1 down to 1, j ≤ i from one draw each; the
    /// stream is read on from epoch to epoch.
    fn draw(&mut self) {
        for (i, row) in self.rows.iter_mut().enumerate() {
            *row = i;
        }
        let Some(rng) = &mut self.rng else { return };
        for i in (1..self.rows.len()).rev() {
            let j = seed::below(rng.next_u64(), i as u64 + 1) as usize;
            self.rows.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From an independent ChaCha8 (the Python of `seed`'s tests):
    /// ```python
    /// g = generator("order", 2026, 3)
    /// for _ in range(2):
    ///     rows = list(range(8))
    ///     for i in range(7, 0, -1):
    ///         j = next(g) * (i + 1) >> 64
    ///         rows[i], rows[j] = rows[j], rows[i]
    ///     print(rows)
    /// ```
    #[test]
    fn orders_are_golden() {
        let mut order = Order::new(8, 2026, 3);
        let epochs: Vec<Vec<usize>> = (0..2).map(|_| order.next_epoch().to_vec()).collect();
        assert_eq!(epochs, [[4, 5, 3, 7, 1, 2, 0, 6], [1, 6, 3, 4, 0, 2, 5, 7]]);
    }

    #[test]
    fn a_fork_follows_stream_0_and_then_the_trials_own_order() {
        let epochs = |mut order: Order| (0..4).map(|_| order.next_epoch().to_vec()).collect::<Vec<_>>();
        let (zero, own) = (epochs(Order::new(8, 2026, 0)), epochs(Order::new(8, 2026, 3)));
        // batches of 3: an epoch has the updates 3k + 1 to 3k + 3, of 3, 3 and 2 rows
        for (fork, whole, within) in
            [(1, 0, 3), (2, 0, 6), (3, 1, 0), (4, 1, 3), (6, 2, 0), (11, 3, 6), (99, 4, 0)]
        {
            let forked = epochs(Order::forked(8, 2026, 3, fork, 3));
            for (epoch, rows) in forked.iter().enumerate() {
                let shared = if epoch < whole {
                    8
                } else if epoch == whole {
                    within
                } else {
                    0
                };
                assert_eq!(rows[..shared], zero[epoch][..shared], "{fork}, epoch {epoch}");
                let rest: Vec<usize> =
                    own[epoch].iter().copied().filter(|row| !rows[..shared].contains(row)).collect();
                assert_eq!(rows[shared..], rest, "{fork}, epoch {epoch}");
            }
            assert_eq!(epochs(Order::forked(8, 2026, 0, fork, 3)), zero, "restart 0 follows its own order");
        }
    }

    #[test]
    fn the_order_of_the_file_never_changes() {
        let mut order = Order::of_file(4);
        assert_eq!(order.next_epoch(), [0, 1, 2, 3]);
        assert_eq!(order.next_epoch(), [0, 1, 2, 3]);
    }

    #[test]
    fn each_epoch_visits_each_row_once_and_each_order_is_as_likely() {
        let mut order = Order::new(4, 1, 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let rows = order.next_epoch();
            let mut sorted = rows.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            *counts.entry(rows.to_vec()).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // 1,000 expected of each, sd 31
        assert!(counts.values().all(|count| (count - 1_000).abs() < 160), "{counts:?}");
    }

    #[test]
    fn streams_and_seeds_differ_and_one_row_needs_no_draw() {
        let first = |seed, stream| Order::new(50, seed, stream).next_epoch().to_vec();
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        assert_eq!(Order::new(1, 1, 0).next_epoch(), [0]);
    }
}
