//! In which order rows are visited: an epoch at a time, from the `order` stream.

use rand::Rng;
use rand::rngs::ChaCha8Rng;
use seedsweep_common::seed::{self, Purpose};

/// The shuffled orders of one trial.
#[derive(Debug)]
pub struct Order {
    rng: ChaCha8Rng,
    rows: Vec<usize>,
}

impl Order {
    /// Orders of `rows` rows from stream number `stream` of a sweep with seed `seed`.
    pub fn new(rows: usize, seed: u64, stream: u64) -> Self {
        Self { rng: seed::generator(Purpose::Order, seed, stream), rows: vec![0; rows] }
    }

    /// The rows of the next epoch, a uniform permutation: Fisher-Yates from the identity, i from n − 1 down to 1,
    /// j ≤ i from one draw each; the stream is read on from epoch to epoch.
    pub fn next_epoch(&mut self) -> &[usize] {
        for (i, row) in self.rows.iter_mut().enumerate() {
            *row = i;
        }
        for i in (1..self.rows.len()).rev() {
            let j = seed::below(self.rng.next_u64(), i as u64 + 1) as usize;
            self.rows.swap(i, j);
        }
        &self.rows
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
