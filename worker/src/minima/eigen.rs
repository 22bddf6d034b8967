//! Eigenvalues of a dense symmetric matrix: Householder's reduction to tridiagonal form, then implicit QL
//! (Bowdler, Martin, Reinsch & Wilkinson 1968, `tred1` and `imtql1`). Deterministic; O(n³) for up to
//! `limits::DENSE_HESSIAN_PARAMETERS` rows.

use ndarray::Array2;

use super::surface::{dot, row_major};

/// Rotations until an eigenvalue counts as lost; it takes two or three.
const SWEEPS_PER_VALUE: u32 = 60;

/// All eigenvalues of the symmetric `matrix`, ascending; `None` if it holds a NaN or an infinity, or (never seen)
/// if the iteration does not settle.
pub(crate) fn values(matrix: &Array2<f64>) -> Option<Vec<f64>> {
    if matrix.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let (mut diagonal, mut below) = tridiagonal(matrix);
    implicit_ql(&mut diagonal, &mut below)?;
    diagonal.sort_by(f64::total_cmp);
    Some(diagonal)
}

/// All eigenvalues of a tridiagonal matrix, ascending: its diagonal (n) and what is below it (n − 1).
pub(super) fn tridiagonal_values(diagonal: &[f64], below: &[f64]) -> Option<Vec<f64>> {
    let (mut diagonal, mut below) = (diagonal.to_vec(), below.to_vec());
    below.resize(diagonal.len(), 0.0);
    implicit_ql(&mut diagonal, &mut below)?;
    diagonal.sort_by(f64::total_cmp);
    Some(diagonal)
}

/// Diagonal (n) and subdiagonal (n, the last 0) of a tridiagonal matrix with the same eigenvalues.
fn tridiagonal(matrix: &Array2<f64>) -> (Vec<f64>, Vec<f64>) {
    let n = matrix.nrows();
    let mut a = row_major(matrix).into_owned();
    let mut below = vec![0.0; n];
    for (k, below) in below.iter_mut().enumerate().take(n.saturating_sub(2)) {
        let mut v: Vec<f64> = a[k * n + k..].iter().step_by(n).skip(1).copied().collect();
        let norm = dot(&v, &v).sqrt();
        if norm == 0.0 {
            continue;
        }
        // the sign that does not cancel
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= alpha;
        *below = alpha;
        reflect(&mut a[(k + 1) * n..], n, &v);
    }
    if n >= 2 {
        below[n - 2] = a[(n - 1) * n + n - 2];
    }
    (a.iter().step_by(n + 1).copied().collect(), below)
}

/// A ← (I − 2vvᵀ/‖v‖²)·A·(I − 2vvᵀ/‖v‖²), by a symmetric update of rank two. A is the last columns of `rows`, which
/// are `n` long, as many as there are rows.
fn reflect(rows: &mut [f64], n: usize, v: &[f64]) {
    let (from, squared) = (n - v.len(), dot(v, v));
    let mut p: Vec<f64> = rows.chunks_exact(n).map(|row| 2.0 / squared * dot(&row[from..], v)).collect();
    let half = dot(&p, v) / squared;
    p.iter_mut().zip(v).for_each(|(p, v)| *p -= half * v);
    for (row, (v_i, p_i)) in rows.chunks_exact_mut(n).zip(v.iter().zip(&p)) {
        for ((x, v_j), p_j) in row[from..].iter_mut().zip(v).zip(&p) {
            *x -= v_i * p_j + p_i * v_j;
        }
    }
}

/// Replaces the diagonal by the eigenvalues.
fn implicit_ql(d: &mut [f64], e: &mut [f64]) -> Option<()> {
    let n = d.len();
    for l in 0..n {
        for sweep in 0.. {
            let split = |m: &usize| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(split).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if sweep == SWEEPS_PER_VALUE {
                return None;
            }
            ql_sweep(&mut d[l..=m], &mut e[l..=m]);
        }
    }
    Some(())
}

/// One implicit shift (Wilkinson's) chased through an unreduced block.
fn ql_sweep(d: &mut [f64], e: &mut [f64]) {
    let m = d.len() - 1;
    let half = (d[1] - d[0]) / (2.0 * e[0]);
    let root = (half * half + 1.0).sqrt();
    let shift = d[0] - e[0] / (half + if half >= 0.0 { root } else { -root });
    let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
    let mut g = d[m] - shift;
    for i in (0..m).rev() {
        let (f, b) = (sine * e[i], cosine * e[i]);
        let r = length(f, g);
        e[i + 1] = r;
        if r == 0.0 {
            // the block has split
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1] - p;
        let r = (d[i] - g) * sine + 2.0 * cosine * b;
        p = sine * r;
        d[i + 1] = g + p;
        g = cosine * r - b;
    }
    d[0] -= p;
    e[0] = g;
    e[m] = 0.0;
}

/// √(a² + b²) without overflow, by IEEE operations (`hypot` is the platform's).
fn length(a: f64, b: f64) -> f64 {
    let (small, large) = if a.abs() < b.abs() { (a.abs(), b.abs()) } else { (b.abs(), a.abs()) };
    if large == 0.0 { 0.0 } else { large * ((small / large) * (small / large) + 1.0).sqrt() }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;
    use std::time::Instant;

    use ndarray::{Array1, array};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{found} instead of {expected}");
        }
    }

    #[test]
    fn hilberts_matrix_has_its_published_eigenvalues() {
        let hilbert = Array2::from_shape_fn((5, 5), |(i, j)| 1.0 / (i + j + 1) as f64);
        // numpy 2.4.6: np.linalg.eigvalsh(1 / (np.arange(5)[:, None] + np.arange(5) + 1))
        let expected = [
            3.287928772175417e-6,
            0.00030589804015117647,
            0.011407491623419842,
            0.20853421861101346,
            1.5670506910982307,
        ];
        assert_close(&values(&hilbert).unwrap(), &expected, 1e-15);
    }

    #[test]
    fn a_second_difference_has_eigenvalues_in_closed_form() {
        // 2 − 2·cos(kπ/(n + 1)), k = 1 … n
        for n in [1, 2, 3, 10, 77] {
            let matrix = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            let expected: Vec<f64> =
                (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * PI / (n + 1) as f64).cos()).collect();
            assert_close(&values(&matrix).unwrap(), &expected, 1e-14);
        }
    }

    #[test]
    fn equal_and_zero_eigenvalues_are_found() {
        assert_eq!(values(&Array2::zeros((4, 4))).unwrap(), [0.0; 4]);
        assert_eq!(values(&Array2::eye(3)).unwrap(), [1.0; 3]);
        assert_close(&values(&Array2::ones((6, 6))).unwrap(), &[0.0, 0.0, 0.0, 0.0, 0.0, 6.0], 1e-14);
        assert_eq!(values(&Array2::zeros((0, 0))).unwrap(), [0.0; 0]);
        assert_eq!(values(&array![[1.0, f64::NAN], [f64::NAN, 1.0]]), None);
    }

    #[test]
    fn five_hundred_rows_keep_their_spectrum_and_take_seconds_at_most() {
        // Q·D·Qᵀ with Q a product of random reflections: the spectrum is D
        let n = 500;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let expected: Vec<f64> = (0..n).map(|i| (i as f64 - 100.0) / 7.0).collect();
        let mut matrix = Array2::from_diag(&Array1::from(expected.clone()));
        for _ in 0..3 {
            let v: Vec<f64> = (0..n).map(|_| rng.random::<f64>() - 0.5).collect();
            reflect(matrix.as_slice_mut().unwrap(), n, &v);
        }
        let started = Instant::now();
        let found = values(&matrix).unwrap();
        let took = started.elapsed();
        assert_close(&found, &expected, 1e-11);
        // 0.1 to 0.6 s were measured, by what else the machine did; one order of n more would take minutes
        assert!(took.as_secs_f64() < 10.0, "{took:?}");
    }
}
