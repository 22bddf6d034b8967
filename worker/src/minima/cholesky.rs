//! Cholesky's factorisation of a symmetric positive definite matrix, and solving with it.

use ndarray::Array2;

use super::surface::{dot, row_major};

/// Upper triangle R with Rᵀ·R = A, row by row.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    rows: Vec<f64>,
    size: usize,
}

impl Factor {
    /// Factorises `matrix` + `shift`·I; `None` if that is not positive definite.
    pub(super) fn new(matrix: &Array2<f64>, shift: f64) -> Option<Self> {
        let size = matrix.nrows();
        let mut rows = row_major(matrix).into_owned();
        let mut rest = rows.as_mut_slice();
        for k in 0..size {
            let (row, below) = rest.split_at_mut(size);
            let pivot = row[k] + shift;
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            let root = pivot.sqrt();
            row[..k].fill(0.0);
            row[k] = root;
            row[k + 1..].iter_mut().for_each(|x| *x /= root);
            for (i, other) in (k + 1..).zip(below.chunks_exact_mut(size)) {
                let factor = row[i];
                other[i..].iter_mut().zip(&row[i..]).for_each(|(x, r)| *x -= factor * r);
            }
            rest = below;
        }
        Some(Self { rows, size })
    }

    /// x with A·x = `b`.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for (i, row) in self.rows.chunks_exact(self.size).enumerate() {
            x[i] /= row[i];
            let known = x[i];
            x[i + 1..].iter_mut().zip(&row[i + 1..]).for_each(|(x, r)| *x -= known * r);
        }
        for (i, row) in self.rows.chunks_exact(self.size).enumerate().rev() {
            x[i] = (x[i] - dot(&row[i + 1..], &x[i + 1..])) / row[i];
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solves_a_system_done_by_hand() {
        // A = L·Lᵀ with L = [[2, 0, 0], [6, 1, 0], [-8, 5, 3]] (the example of Wikipedia's article); A·[1, 2, 3]
        let a = array![[4.0, 12.0, -16.0], [12.0, 37.0, -43.0], [-16.0, -43.0, 98.0]];
        let factor = Factor::new(&a, 0.0).unwrap();
        assert_eq!(factor.rows, [2.0, 6.0, -8.0, 0.0, 1.0, 5.0, 0.0, 0.0, 3.0]);
        let x = factor.solve(&[-20.0, -43.0, 192.0]);
        assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(x, y)| (x - y).abs() < 1e-12), "{x:?}");
    }

    #[test]
    fn refuses_what_is_not_positive_definite() {
        let saddle = array![[1.0, 2.0], [2.0, 1.0]];
        assert!(Factor::new(&saddle, 0.0).is_none() && Factor::new(&saddle, 0.99).is_none());
        assert!(Factor::new(&saddle, 1.01).is_some());
        assert!(Factor::new(&array![[f64::NAN]], 0.0).is_none());
    }
}
