//! Cholesky's factorisation of a symmetric positive definite matrix, and solving with it.

use ndarray::Array2;

/// Lower triangle L with L·Lᵀ = A.
#[derive(Debug, Clone)]
pub(super) struct Factor(Array2<f64>);

impl Factor {
    /// Factorises `matrix` + `shift`·I; `None` if that is not positive definite.
    pub(super) fn new(matrix: &Array2<f64>, shift: f64) -> Option<Self> {
        let n = matrix.nrows();
        let mut lower = Array2::<f64>::zeros((n, n));
        for i in 0..n {
            for j in 0..=i {
                let (row_i, row_j) = (lower.row(i), lower.row(j));
                let sum = row_i.iter().zip(row_j).take(j).fold(0.0, |sum, (a, b)| sum + a * b);
                let rest = matrix[[i, j]] - sum;
                lower[[i, j]] = if i > j {
                    rest / lower[[j, j]]
                } else {
                    let pivot = rest + shift;
                    if pivot.is_nan() || pivot <= 0.0 {
                        return None;
                    }
                    pivot.sqrt()
                };
            }
        }
        Some(Self(lower))
    }

    /// x with A·x = `b`.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = b.len();
        let mut x = b.to_vec();
        for i in 0..n {
            let sum = (0..i).fold(0.0, |sum, k| sum + self.0[[i, k]] * x[k]);
            x[i] = (x[i] - sum) / self.0[[i, i]];
        }
        for i in (0..n).rev() {
            let sum = (i + 1..n).fold(0.0, |sum, k| sum + self.0[[k, i]] * x[k]);
            x[i] = (x[i] - sum) / self.0[[i, i]];
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
        assert_eq!(factor.0, array![[2.0, 0.0, 0.0], [6.0, 1.0, 0.0], [-8.0, 5.0, 3.0]]);
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
