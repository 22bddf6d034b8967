//! Gaussian projections: a few numbers from many, such that distances survive.

use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::fingerprint::{SKETCH_LENGTH, Sketch};
use seedsweep_common::seed;

use crate::nn::lane::{Job, Lanes};

/// Most values for which the normal draws are kept: 8 MiB. Beyond it they are drawn anew for each sketch.
const KEPT_VALUES: usize = 1 << 16;

/// S_k = Σᵢ z_ik·xᵢ / √n over n values with z_ik ~ N(0, 1). The difference of two sketches in one entry then has
/// mean square Σ(xᵢ − x'ᵢ)²/n: a sketch distance is a root-mean-square difference (Johnson & Lindenstrauss 1984).
#[derive(Debug)]
pub(super) struct Projection {
    stream: u64,
    /// z (values, sketch); empty if they are too many to keep.
    kept: Vec<[f64; SKETCH_LENGTH]>,
    values: usize,
}

impl Projection {
    /// The projection of `values` values with the draws of probe stream `stream`.
    pub(super) fn new(stream: u64, values: usize) -> Self {
        let mut rng = seed::probe_generator(stream);
        let kept =
            if values <= KEPT_VALUES { (0..values).map(|_| draw(&mut rng)).collect() } else { Vec::new() };
        Self { stream, kept, values }
    }

    /// The sketch of `x`, as many values as it was made for.
    pub(super) fn sketch(&self, x: &[f64]) -> Sketch {
        assert_eq!(x.len(), self.values, "a projection is made for its number of values");
        let mut sums = [0.0; SKETCH_LENGTH];
        if self.kept.is_empty() {
            let mut rng = seed::probe_generator(self.stream);
            x.iter().for_each(|&x| add(&mut sums, x, &draw(&mut rng)));
        } else {
            sums = Lanes::detect().run(Sums { x, z: &self.kept });
        }
        let root = (self.values as f64).sqrt();
        sums.map(|sum| sum / root)
    }
}

/// Σ z·x over the values, ascending.
struct Sums<'a> {
    x: &'a [f64],
    z: &'a [[f64; SKETCH_LENGTH]],
}

impl Job for Sums<'_> {
    type Output = Sketch;

    #[inline(always)]
    fn run(self) -> Sketch {
        let mut sums = [0.0; SKETCH_LENGTH];
        for (&x, z) in self.x.iter().zip(self.z) {
            add(&mut sums, x, z);
        }
        sums
    }
}

#[inline(always)]
fn add(sums: &mut Sketch, x: f64, z: &Sketch) {
    for (sum, z) in sums.iter_mut().zip(z) {
        *sum += z * x;
    }
}

fn draw(rng: &mut ChaCha8Rng) -> [f64; SKETCH_LENGTH] {
    std::array::from_fn(|_| StandardNormal.sample(rng))
}

#[cfg(test)]
mod tests {
    use seedsweep_common::fingerprint;

    use super::*;

    #[test]
    fn differences_of_sketches_are_root_mean_square_differences() {
        // over many projections the mean square of one entry's difference is the mean square difference
        let (a, b) = ([1.0, -2.0, 0.5], [1.5, -2.0, 1.5]);
        let mean_square = (0.25 + 1.0) / 3.0;
        let mut total = 0.0;
        for stream in 100..1100 {
            let projection = Projection::new(stream, 3);
            let (a, b) = (projection.sketch(&a), projection.sketch(&b));
            total += a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        }
        let n = 1000.0 * SKETCH_LENGTH as f64;
        // the variance of z² is 2
        assert!(
            (total / n / mean_square - 1.0).abs() < 5.0 * (2.0_f64 / n).sqrt(),
            "{}",
            total / n / mean_square
        );
    }

    #[test]
    fn draws_that_are_not_kept_give_the_same_bits() {
        let x: Vec<f64> = (0..1000).map(|i| f64::from(i).sqrt()).collect();
        let kept = Projection::new(7, 1000);
        let drawn = Projection { kept: Vec::new(), ..Projection::new(7, 1000) };
        assert_eq!(kept.sketch(&x), drawn.sketch(&x));
        assert!(fingerprint::distance(&kept.sketch(&x), &Projection::new(8, 1000).sketch(&x)) > 0.1);
    }
}
