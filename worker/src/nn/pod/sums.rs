//! Sums over all parameters of a pod, each lane's one chain in drawing order.

use super::Pod;
use super::strip::Strip;
use crate::nn::lane::{Job, Lane};
use crate::nn::loss;
use crate::nn::scalar::Number;

/// The mean loss over `count` rows, with fma(l2, ‖θ‖², loss) where l2 is not 0.
pub(super) struct Mean<'a, 'p, V: Lane> {
    pub(super) pod: &'p Pod<'a, V>,
    pub(super) sum: V,
    pub(super) count: usize,
}

impl<V: Lane> Job for Mean<'_, '_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let Pod { strips, theta, loss, l2, .. } = self.pod;
        let mean = loss::mean(*loss, self.sum, self.count, self.pod.output_width());
        if *l2 == 0.0 {
            return mean;
        }
        let norm = SquaredNorm { strips, vector: theta }.run();
        V::from_f64(*l2).fma(norm, mean)
    }
}

/// Σ x² over a vector laid out like the parameters, one chain in drawing order.
pub(super) struct SquaredNorm<'a, V> {
    pub(super) strips: &'a [Strip],
    pub(super) vector: &'a [V],
}

impl<V: Lane> Job for SquaredNorm<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sum = V::ZERO;
        for strip in self.strips {
            let (weights, biases) = strip.split(self.vector);
            for row in weights.chunks_exact(strip.stride).map(|row| &row[..strip.layer.inputs]) {
                for &x in row {
                    sum = x.fma(x, sum);
                }
            }
            for &x in biases {
                sum = x.fma(x, sum);
            }
        }
        sum
    }
}

/// x − x is 0 for finite x, else NaN, and NaN survives every sum.
pub(super) struct Finite<'a, V> {
    pub(super) strips: &'a [Strip],
    pub(super) vector: &'a [V],
}

impl<V: Lane> Job for Finite<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let mut sum = V::ZERO;
        for strip in self.strips {
            let (weights, biases) = strip.split(self.vector);
            for row in weights.chunks_exact(strip.stride).map(|row| &row[..strip.layer.inputs]) {
                sum = sum.add(differences(row));
            }
            sum = sum.add(differences(biases));
        }
        sum
    }
}

/// Σ (x − x), in four chains: only whether it is NaN is looked at.
#[inline(always)]
fn differences<V: Number>(values: &[V]) -> V {
    let mut sums = [V::ZERO; 4];
    let mut chunks = values.chunks_exact(4);
    for chunk in &mut chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum = sum.add(x.sub(x));
        }
    }
    for &x in chunks.remainder() {
        sums[0] = sums[0].add(x.sub(x));
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}
