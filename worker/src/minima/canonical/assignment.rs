//! The cheapest way to pair rows with columns (Kuhn 1955; shortest augmenting paths as in Jonker & Volgenant 1987).

use ndarray::Array2;

/// For each row of the square `costs` its column, such that the sum of the costs is least. O(n³).
pub(super) fn assign(costs: &Array2<f64>) -> Vec<usize> {
    let n = costs.nrows();
    // prices of rows and columns; `row_of[n]` holds the row that looks for a column
    let (mut row_prices, mut column_prices) = (vec![0.0; n], vec![0.0; n + 1]);
    let mut row_of = vec![None; n + 1];
    for row in 0..n {
        row_of[n] = Some(row);
        let (mut distance, mut before) = (vec![f64::INFINITY; n], vec![n; n]);
        let mut done = vec![false; n + 1];
        let mut at = n;
        while let Some(from) = row_of[at] {
            done[at] = true;
            let (mut nearest, mut next) = (f64::INFINITY, n);
            for column in (0..n).filter(|&column| !done[column]) {
                let reduced = costs[[from, column]] - row_prices[from] - column_prices[column];
                if reduced < distance[column] {
                    (distance[column], before[column]) = (reduced, at);
                }
                if next == n || distance[column] < nearest {
                    (nearest, next) = (distance[column], column);
                }
            }
            for column in 0..=n {
                if done[column] {
                    column_prices[column] -= nearest;
                    if let Some(row) = row_of[column] {
                        row_prices[row] += nearest;
                    }
                } else {
                    distance[column] -= nearest;
                }
            }
            at = next;
        }
        while at != n {
            row_of[at] = row_of[before[at]];
            at = before[at];
        }
    }
    let mut columns = vec![0; n];
    for (column, row) in row_of[..n].iter().enumerate() {
        if let Some(row) = row {
            columns[*row] = column;
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The least sum over all permutations of the columns left.
    fn cheapest(costs: &Array2<f64>, row: usize, used: &mut [bool]) -> f64 {
        if row == costs.nrows() {
            return 0.0;
        }
        let mut least = f64::INFINITY;
        for column in 0..costs.nrows() {
            if !used[column] {
                used[column] = true;
                least = least.min(costs[[row, column]] + cheapest(costs, row + 1, used));
                used[column] = false;
            }
        }
        least
    }

    #[test]
    fn no_permutation_is_cheaper() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for round in 0..300 {
            let n = round % 7;
            let costs = Array2::from_shape_simple_fn((n, n), || (rng.random::<f64>() * 8.0).floor() - 3.0);
            let columns = assign(&costs);
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            let sum: f64 = columns.iter().enumerate().map(|(row, &column)| costs[[row, column]]).sum();
            assert_eq!(sum, cheapest(&costs, 0, &mut vec![false; n]), "{costs}");
        }
    }
}
