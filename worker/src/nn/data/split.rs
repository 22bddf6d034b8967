//! Training and test rows, and standardisation by what the training rows say.

use ndarray::{Array2, Axis};
use rand::Rng;
use seedsweep_common::seed::{self, Purpose};

/// Numbers of the training rows and of the test rows, each in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// How many of `rows` rows are kept for testing.
pub(super) fn test_rows(rows: usize, test_fraction: f64) -> usize {
    (test_fraction * rows as f64).round() as usize
}

/// Takes the first `test` of a permutation keyed by `seed` and `stream` for testing. Nothing is drawn for none.
pub(super) fn rows(rows: usize, test: usize, seed: u64, stream: u64) -> Split {
    if test == 0 {
        return Split { train: (0..rows).collect(), test: Vec::new() };
    }
    let mut permutation = permutation(rows, &mut seed::generator(Purpose::Split, seed, stream));
    let mut train = permutation.split_off(test);
    train.sort_unstable();
    permutation.sort_unstable();
    Split { train, test: permutation }
}

/// Fisher-Yates from the identity: i = n−1 … 1, j = high 64 bits of `next_u64` · (i + 1).
fn permutation(n: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut permutation: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        permutation.swap(i, seed::below(rng.next_u64(), i as u64 + 1) as usize);
    }
    permutation
}

/// Shifts and scales every column of both tables by the mean and sd (divided by n) that it has in `train`.
/// A column that is constant there is shifted only.
pub(super) fn standardize(train: &mut Array2<f64>, test: &mut Array2<f64>) {
    let n = train.nrows() as f64;
    for (mut train, mut test) in train.axis_iter_mut(Axis(1)).zip(test.axis_iter_mut(Axis(1))) {
        let constant = train.iter().all(|value| *value == train[0]);
        // the sums of a constant column round, and dividing by such an sd would make ±1 of nothing
        let (mean, sd) = if constant {
            (train[0], 1.0)
        } else {
            let mean = train.iter().fold(0.0, |sum, value| sum + value) / n;
            let square = |sum: f64, value: &f64| (value - mean).mul_add(value - mean, sum);
            (mean, (train.iter().fold(0.0, square) / n).sqrt())
        };
        train.mapv_inplace(|value| (value - mean) / sd);
        test.mapv_inplace(|value| (value - mean) / sd);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn split_is_a_partition_that_depends_on_seed_and_stream_alone() {
        for n in [2, 3, 10, 1797] {
            let test = test_rows(n, 0.3);
            let split = rows(n, test, 7, 3);
            assert_eq!(split.test.len(), test);
            let mut all = [split.train.clone(), split.test.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
            assert!(split.train.is_sorted() && split.test.is_sorted());
            assert_eq!(split, rows(n, test, 7, 3));
        }
        assert_ne!(rows(100, 30, 7, 3), rows(100, 30, 7, 4));
        assert_ne!(rows(100, 30, 7, 3), rows(100, 30, 8, 3));
    }

    #[test]
    fn fractions_round_half_away_from_zero() {
        assert_eq!(
            [(4, 0.0), (4, 0.125), (1797, 0.2), (150, 0.25)].map(|(n, f)| test_rows(n, f)),
            [0, 1, 359, 38]
        );
    }

    #[test]
    fn standardised_training_columns_have_mean_zero_and_sd_one() {
        let mut train = array![[1.0, 0.1, -3.0], [2.0, 0.1, 5.0], [6.0, 0.1, 4.0]];
        let mut test = array![[3.0, 1.1, 2.0]];
        standardize(&mut train, &mut test);
        for column in [0, 2] {
            let column = train.column(column);
            assert!(column.sum().abs() < 1e-15 && (column.mapv(|x| x * x).sum() / 3.0 - 1.0).abs() < 1e-15);
        }
        // three times 0.1 does not sum to 0.3
        assert!(train.column(1).iter().all(|&value| value == 0.0));
        assert_eq!((test[[0, 0]], test[[0, 1]]), (0.0, 1.0));
    }
}
