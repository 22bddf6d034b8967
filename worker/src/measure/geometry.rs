//! How far apart the layers keep the training rows (Cho & Saul 2009; `docs/measures.md`).

use seedsweep_common::measure::Quantity;

use super::jacobi;
use crate::nn::data::Rows;
use crate::nn::lane::{Job, Lanes};
use crate::nn::layer;
use crate::nn::network::Network;
use crate::nn::scalar::Number;

/// Rows that are looked at: the first so many of the training rows. Pairs grow with the square.
const ROWS: usize = 50;
/// Singular values above this share of the largest count for the rank.
const RANK_SHARE: f64 = 1e-6;

/// [`Quantity::GEOMETRY`] of the inputs and then of each hidden layer after its activation.
pub(super) fn of_layers(network: &Network, theta: &[f64], rows: &Rows) -> Vec<f64> {
    let width = network.input_width();
    let features: Vec<f64> = rows.features.iter().copied().take(ROWS * width).collect();
    let mut values = vec![features.clone()];
    values.extend(network.pre_activations(theta, &features).into_iter().map(|mut sums| {
        layer::activate(network.activation(), &mut sums);
        sums
    }));
    let count = features.len() / width;
    values.into_iter().flat_map(|rows| Lanes::detect().run(Geometry { count, rows })).collect()
}

/// [`Quantity::GEOMETRY`] of some vectors.
struct Geometry {
    count: usize,
    /// (count, any width).
    rows: Vec<f64>,
}

impl Job for Geometry {
    type Output = [f64; Quantity::GEOMETRY.len()];

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { count, mut rows } = self;
        if !rows.iter().all(|x| x.is_finite()) {
            return [f64::NAN; Quantity::GEOMETRY.len()];
        }
        let width = rows.len() / count;
        let lengths: Vec<f64> = rows.chunks_exact(width).map(|row| jacobi::dot(row, row).sqrt()).collect();
        let mut nearest = f64::INFINITY;
        for (number, row) in rows.chunks_exact(width).enumerate() {
            for other in rows.chunks_exact(width).take(number) {
                nearest = nearest.min(jacobi::distance(row, other));
            }
        }
        let mut room = vec![0.0; rows.len() + width];
        let values = jacobi::singular_values(&rows, width, &mut room);
        let least = RANK_SHARE * values.iter().fold(0.0, |largest: f64, &value| largest.max(value));
        let rank = values.iter().filter(|&&value| value > least).count() as f64;
        let angles = angles(&mut rows, width, &lengths);
        let smallest = angles.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
        let nearest = if count > 1 { nearest } else { f64::NAN };
        [smallest, median(angles), nearest, median(lengths), rank]
    }
}

/// The angles of all pairs of rows that are not 0, in radians. Overwrites `rows`.
#[inline(always)]
fn angles(rows: &mut [f64], width: usize, lengths: &[f64]) -> Vec<f64> {
    for (row, &length) in rows.chunks_exact_mut(width).zip(lengths) {
        row.iter_mut().for_each(|x| *x /= length);
    }
    let directions: Vec<&[f64]> = rows
        .chunks_exact(width)
        .zip(lengths)
        .filter(|(_, length)| **length > 0.0)
        .map(|(row, _)| row)
        .collect();
    let mut angles = Vec::new();
    for (number, &a) in directions.iter().enumerate() {
        for &b in &directions[..number] {
            // half the angle has the halves of difference and sum as its sides (Kahan 2006): it keeps its digits
            // where the cosine is flat
            let sum = a.iter().zip(b).fold(0.0, |sum: f64, (a, b)| sum + (a + b) * (a + b)).sqrt();
            angles.push(2.0 * Number::atan2(jacobi::distance(a, b), sum));
        }
    }
    angles
}

/// The middle of `values`, or the mean of the two in the middle; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => 0.5 * (values[half - 1] + values[half]),
        (half, _) => values[half],
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_4, PI};

    use super::*;

    fn of(count: usize, rows: &[f64]) -> [f64; 5] {
        Geometry { count, rows: rows.to_vec() }.run()
    }

    #[test]
    fn angles_distances_norms_and_ranks_of_a_few_vectors() {
        let close = |found: [f64; 5], expected: [f64; 5]| {
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-14 || a.is_nan() && b.is_nan();
            assert!(found.iter().zip(&expected).all(near), "{found:?} instead of {expected:?}");
        };
        close(of(3, &[1.0, 0.0, 0.0, 2.0, 3.0, 3.0]), [FRAC_PI_4, FRAC_PI_4, 5.0_f64.sqrt(), 2.0, 2.0]);
        close(of(2, &[1.0, 0.0, -2.0, 0.0]), [PI, PI, 3.0, 1.5, 1.0]);
        // a row of zeros has no direction, and equal rows have no angle between them
        close(of(3, &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), [0.0, 0.0, 0.0, 2.0_f64.sqrt(), 1.0]);
        close(of(2, &[0.0, 0.0, 0.0, 0.0]), [f64::NAN, f64::NAN, 0.0, 0.0, 0.0]);
        close(of(1, &[3.0, 4.0]), [f64::NAN, f64::NAN, f64::NAN, 5.0, 1.0]);
        close(of(2, &[1.0, f64::INFINITY, 0.0, 1.0]), [f64::NAN; 5]);
    }

    #[test]
    fn a_small_angle_keeps_its_digits() {
        let [angle, ..] = of(2, &[1.0, 0.0, 1.0, 1e-9]);
        assert!((angle / 1e-9 - 1.0).abs() < 1e-15, "{angle}");
    }
}
