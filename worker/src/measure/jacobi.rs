//! Singular values by one-sided Jacobi rotations (Hestenes 1958), which keep the small ones' digits where the
//! eigenvalues of a Gram matrix lose half of them. For single numbers, or for the matrices of several trials in lanes:
//! there are no closures and no folds, whose bodies would be compiled without the instructions of the lanes.

use crate::nn::lane::{Lane, elements};
use crate::nn::scalar::{Number, Scalar as _};

/// Sweeps over all pairs at most; about six are needed.
const SWEEPS: u32 = 40;

/// Chains of [`dot`] and [`distance`], so that they run side by side.
const CHAINS: usize = 8;

/// Σ aᵢ·bᵢ, in [`CHAINS`] chains, ascending.
#[inline(always)]
pub(super) fn dot<V: Number>(a: &[V], b: &[V]) -> V {
    let (mut sums, mut rest) = ([V::ZERO; CHAINS], V::ZERO);
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<CHAINS>(), b.as_chunks::<CHAINS>());
    for (a, b) in whole_a.iter().zip(whole_b) {
        for c in 0..CHAINS {
            sums[c] = sums[c].add(a[c].mul(b[c]));
        }
    }
    for (&a, &b) in rest_a.iter().zip(rest_b) {
        rest = rest.add(a.mul(b));
    }
    total(a.len(), rest, sums)
}

/// ‖a − b‖.
#[inline(always)]
pub(super) fn distance<V: Number>(a: &[V], b: &[V]) -> V {
    let (mut sums, mut rest) = ([V::ZERO; CHAINS], V::ZERO);
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<CHAINS>(), b.as_chunks::<CHAINS>());
    for (a, b) in whole_a.iter().zip(whole_b) {
        for c in 0..CHAINS {
            let difference = a[c].sub(b[c]);
            sums[c] = sums[c].add(difference.mul(difference));
        }
    }
    for (&a, &b) in rest_a.iter().zip(rest_b) {
        let difference = a.sub(b);
        rest = rest.add(difference.mul(difference));
    }
    total(a.len(), rest, sums).sqrt()
}

/// The sum of `count` terms from that of the last ones and those of the chains.
#[inline(always)]
fn total<V: Number>(count: usize, rest: V, sums: [V; CHAINS]) -> V {
    let mut total = rest;
    if count >= CHAINS {
        for sum in sums {
            total = total.add(sum);
        }
    }
    total
}

/// The larger one; `a` where one is NaN.
#[inline(always)]
pub(super) fn larger<V: Number>(a: V, b: V) -> V {
    V::select(b.gt(a), b, a)
}

#[inline(always)]
fn size<V: Number>(x: V) -> V {
    V::select(x.gt(V::ZERO), x, x.neg())
}

/// The singular values of the matrix `rows` (any number, `length`), in no order; as many as its smaller side. Where
/// something is not finite they mean nothing. `room` is for as many numbers as `rows` has, and for the values.
#[inline(always)]
pub(super) fn singular_values<'r, V: Lane>(rows: &[V], length: usize, room: &'r mut [V]) -> &'r [V] {
    let (turned, values) = room.split_at_mut(rows.len());
    let mut largest = V::ZERO;
    for &x in rows {
        largest = larger(largest, size(x));
    }
    let unit = V::select(largest.gt(V::ZERO), largest, V::ONE);
    let count = rows.len() / length;
    let (count, length) = if count > length {
        for (k, column) in turned.chunks_exact_mut(count).enumerate() {
            for (to, row) in column.iter_mut().zip(rows.chunks_exact(length)) {
                *to = row[k].div(unit);
            }
        }
        (length, count)
    } else {
        for (to, &x) in turned.iter_mut().zip(rows) {
            *to = x.div(unit);
        }
        (count, length)
    };
    let values = &mut values[..count];
    make_orthogonal(turned, length, values);
    for square in &mut *values {
        *square = square.sqrt().mul(unit);
    }
    values
}

/// Turns pairs of rows in their plane until all are orthogonal, and leaves the squares of their lengths. A lane that is
/// done stays as it is while others go on.
#[inline(always)]
fn make_orthogonal<V: Lane>(rows: &mut [V], length: usize, squares: &mut [V]) {
    // what rounding leaves of the product of orthogonal rows
    let tolerance = V::from_f64(f64::EPSILON * length.max(8) as f64);
    for (square, row) in squares.iter_mut().zip(rows.chunks_exact(length)) {
        *square = dot(row, row);
    }
    for _ in 0..SWEEPS {
        let mut turned = false;
        for q in 1..squares.len() {
            let (before, from_q) = rows.split_at_mut(q * length);
            let y = &mut from_q[..length];
            let (squares_before, from_q) = squares.split_at_mut(q);
            for (x, xx) in before.chunks_exact_mut(length).zip(squares_before) {
                turned |= turn(x, y, xx, &mut from_q[0], tolerance);
            }
        }
        if !turned {
            return;
        }
    }
}

/// Makes `x` and `y`, whose squares are `xx` and `yy`, orthogonal by a rotation, in the lanes where they are not; says
/// whether there was one.
#[inline(always)]
fn turn<V: Lane>(x: &mut [V], y: &mut [V], xx: &mut V, yy: &mut V, tolerance: V) -> bool {
    let xy = dot(x, y);
    let is_askew = size(xy).gt(tolerance.mul(xx.mul(*yy).sqrt()));
    let askew = V::select(is_askew, V::ONE, V::ZERO);
    let mut any = false;
    for lane in elements(std::slice::from_ref(&askew)) {
        // all are looked at, so that the lanes are compared at once
        any |= lane.to_f64() != 0.0;
    }
    if !any {
        return false;
    }
    let zeta = yy.sub(*xx).div(V::from_f64(2.0).mul(xy));
    let root = V::ONE.add(zeta.mul(zeta)).sqrt();
    let tangent = V::ONE.div(zeta.add(V::select(V::ZERO.gt(zeta), root.neg(), root)));
    let cosine = V::select(is_askew, V::ONE.div(V::ONE.add(tangent.mul(tangent)).sqrt()), V::ONE);
    let sine = V::select(is_askew, cosine.mul(tangent), V::ZERO);
    for (x, y) in x.iter_mut().zip(y.iter_mut()) {
        (*x, *y) = (cosine.mul(*x).sub(sine.mul(*y)), sine.mul(*x).add(cosine.mul(*y)));
    }
    (*xx, *yy) = (dot(x, x), dot(y, y));
    true
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn values(rows: &[f64], length: usize) -> Vec<f64> {
        let mut values = singular_values(rows, length, &mut vec![0.0; rows.len() + length]).to_vec();
        values.sort_by(|a, b| b.total_cmp(a));
        values
    }

    #[test]
    fn hilberts_matrix_keeps_its_small_singular_values() {
        let rows: Vec<f64> = (0..64).map(|at| 1.0 / f64::from(at / 8 + at % 8 + 1)).collect();
        // mpmath 1.3, 40 digits: svd_r(hilbert(8))
        let expected = [
            1.695_938_996_921_949,
            0.298_125_211_316_930_7,
            0.026_212_843_578_119_05,
            0.001_467_688_117_741_867,
            5.436_943_369_749_942e-5,
            1.294_332_091_872_811e-6,
            1.798_873_745_817_577e-8,
            1.111_538_966_372_442e-10,
        ];
        for (found, expected) in values(&rows, 8).into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-15 * 1.7 + 1e-12 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn wide_and_tall_have_the_same_singular_values_and_their_squares_add_up() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (count, length) in [(1, 5), (5, 1), (7, 19), (30, 30), (50, 128)] {
            let rows: Vec<f64> = (0..count * length).map(|_| rng.random_range(-1.0..1.0)).collect();
            let tall: Vec<f64> =
                (0..length).flat_map(|k| rows[k..].iter().step_by(length).copied()).collect();
            let squares = dot(&rows, &rows);
            let (wide, tall) = (values(&rows, length), values(&tall, count));
            assert_eq!(wide.len(), count.min(length));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-13;
            assert!(tall.len() == wide.len() && wide.iter().zip(&tall).all(near), "{wide:?} {tall:?}");
            let sum: f64 = wide.iter().map(|value| value * value).sum();
            assert!((sum - squares).abs() < 1e-12 * squares, "{sum} {squares}");
        }
    }

    #[test]
    fn ranks_are_exact_and_size_does_not_matter() {
        // three rows of rank two, from 1e-200 to 1e200
        for scale in [1e-200, 1.0, 1e200] {
            let rows = [1.0, 2.0, 3.0, 0.5, -1.0, 4.0, 1.5, 1.0, 7.0].map(|x| x * scale);
            let values = values(&rows, 3);
            assert!(values[1] > 1e-3 * values[0] && values[2] < 1e-14 * values[0], "{values:?}");
        }
        assert_eq!(values(&[0.0; 12], 4), [0.0; 3]);
    }
}
