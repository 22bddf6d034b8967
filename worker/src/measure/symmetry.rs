//! How far apart the units of a hidden layer are: whether a start of equal units ever parts.
//!
//! A unit is one row: its in-weights, its bias and its out-weights.

use super::jacobi;
use crate::nn::layer::Layer;
use crate::nn::scalar::{Number, Scalar};

/// Units whose distance is at most this share of the longer one count as one.
const SAME_UNIT: f64 = 1e-6;

/// Buffers, kept from point to point.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// (units, numbers of a unit).
    rows: Vec<f64>,
    /// The first of each group of units that count as one.
    first: Vec<usize>,
    lengths: Vec<f64>,
    singular: Vec<f64>,
}

impl Units {
    /// Units that differ in any bit, units that differ by more than a millionth, the largest distance of two units,
    /// and the effective rank of all: of the units of `layer`, which `next` reads. NaN, but for the first, where a
    /// parameter is not finite.
    pub(super) fn measure<S: Scalar>(&mut self, layer: Layer, next: Layer, theta: &[S]) -> [f64; 4] {
        let length = self.load(layer, next, theta);
        let by_bits = self.distinct_by_bits(length) as f64;
        if !self.rows.iter().all(|x| x.is_finite()) {
            return [by_bits, f64::NAN, f64::NAN, f64::NAN];
        }
        let (distinct, difference) = self.distinct(length);
        [by_bits, distinct as f64, difference, self.effective_rank(length)]
    }

    /// Fills `rows`; says how many numbers a unit has.
    fn load<S: Scalar>(&mut self, layer: Layer, next: Layer, theta: &[S]) -> usize {
        let (weights, biases) = layer.parameters(theta);
        let (out, _) = next.parameters(theta);
        self.rows.clear();
        for (unit, (weights, bias)) in weights.chunks_exact(layer.inputs).zip(biases).enumerate() {
            self.rows.extend(weights.iter().map(|w| w.to_f64()));
            self.rows.push(bias.to_f64());
            self.rows.extend(out[unit..].iter().step_by(next.inputs).map(|v| v.to_f64()));
        }
        layer.inputs + 1 + next.outputs
    }

    fn distinct_by_bits(&mut self, length: usize) -> usize {
        let Self { rows, first, .. } = self;
        first.clear();
        for (unit, row) in rows.chunks_exact(length).enumerate() {
            let same = |other: &usize| {
                let other = &rows[other * length..(other + 1) * length];
                row.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits())
            };
            if !first.iter().any(same) {
                first.push(unit);
            }
        }
        first.len()
    }

    /// Units that differ by more than [`SAME_UNIT`] from each one before that did, and the largest distance of any two.
    fn distinct(&mut self, length: usize) -> (usize, f64) {
        let Self { rows, first, lengths, .. } = self;
        lengths.clear();
        lengths.extend(rows.chunks_exact(length).map(|row| jacobi::dot(row, row).sqrt()));
        first.clear();
        let mut largest = 0.0_f64;
        for (unit, row) in rows.chunks_exact(length).enumerate() {
            let mut is_new = true;
            let mut known = first.iter().peekable();
            for (other, other_row) in rows.chunks_exact(length).take(unit).enumerate() {
                let distance = jacobi::distance(row, other_row);
                largest = largest.max(distance);
                if known.next_if_eq(&&other).is_some() {
                    is_new &= distance > SAME_UNIT * lengths[unit].max(lengths[other]);
                }
            }
            if is_new {
                first.push(unit);
            }
        }
        (first.len(), largest)
    }

    /// exp of the entropy of the singular values over their sum (Roy & Vetterli 2007, eq. 1); 0 where all are 0.
    /// Overwrites `rows`.
    fn effective_rank(&mut self, length: usize) -> f64 {
        jacobi::singular_values(&mut self.rows, length, &mut self.singular);
        let total = self.singular.iter().fold(0.0, |sum, value| sum + value);
        if total == 0.0 {
            return 0.0;
        }
        let shares = self.singular.iter().map(|value| value / total).filter(|&share| share > 0.0);
        let entropy = shares.fold(0.0, |sum, share| sum - share * Number::log(share));
        Number::exp(entropy)
    }
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec::{self, Activation};

    use super::*;
    use crate::nn::network::Network;

    fn measure(layers: &[u32], theta: &[f64]) -> Vec<[f64; 4]> {
        let (layers, output_activation) = (layers.to_vec(), Activation::Identity);
        let network =
            Network::new(&spec::Mlp { layers, activation: Activation::Tanh, output_activation }.into());
        assert_eq!(theta.len(), network.parameter_count());
        network.layers().windows(2).map(|pair| Units::default().measure(pair[0], pair[1], theta)).collect()
    }

    #[test]
    fn equal_units_are_one_of_rank_exactly_one() {
        for h in 1..20 {
            let theta = vec![0.01; 3 * h as usize + 1];
            assert_eq!(measure(&[1, h, 1], &theta), [[1.0, 1.0, 0.0, 1.0]], "{h} units");
            assert_eq!(measure(&[1, h, 1], &vec![0.0; theta.len()]), [[1.0, 1.0, 0.0, 0.0]], "{h} units");
        }
    }

    #[test]
    fn units_a_rounding_apart_differ_in_bits_only() {
        // units (1, 0, 1), (1 + 2⁻⁵², 0, 1), (1, 0, 1) and (1, 0, 2)
        let theta = [1.0, 1.0 + f64::EPSILON, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0];
        let [by_bits, distinct, difference, rank] = measure(&[1, 4, 1], &theta)[0];
        assert_eq!((by_bits, distinct, difference), (3.0, 2.0, 1.0));
        // numpy 2.4.6: s = np.linalg.svd([[1,0,1]]*3+[[1,0,2]], compute_uv=False); p = s/s.sum(); np.exp(-(p*np.log(p)).sum())
        assert!((rank - 1.496_784_171_829_723_5).abs() < 1e-14, "{rank}");
    }

    #[test]
    fn what_is_not_finite_is_counted_by_bits_only() {
        let theta = [1.0, f64::INFINITY, 0.0, 0.0, 1.0, 1.0, 0.0];
        let [by_bits, rest @ ..] = measure(&[1, 2, 1], &theta)[0];
        assert!(by_bits == 2.0 && rest.iter().all(|value| value.is_nan()));
    }
}
