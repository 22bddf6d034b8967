//! Which null directions of a Hessian the symmetries of a network explain: a symmetry proposes a direction, and the
//! Hessian's product with it decides.

use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::outcome::Symmetry;
use seedsweep_common::seed;

use super::span::{Entries, Span};

/// Stream of the probe generator that draws how directions are mixed.
const MIX_STREAM: u64 = 4;
/// Mixes of several directions that must have no curvature. One of normal factors misses a direction with s times what
/// counts as zero in a share 0.8/s of cases.
const MIXES: u32 = 2;

/// What explains null directions.
#[derive(Debug)]
pub(super) struct Explained {
    /// The directions that are explained.
    pub(super) span: Span,
    /// How many each kind adds to those before it; at least one each.
    pub(super) by: Vec<(Symmetry, u32)>,
}

/// The null directions among the span of `proposed`, by kind: those of which the product with the Hessian (`times`) is no
/// longer than `zero`, for a direction of length 1. After `most` products nothing more is explained.
pub(super) fn explain<E>(
    proposed: &[(Symmetry, Vec<Entries>)],
    parameters: usize,
    zero: f64,
    most: usize,
    times: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<Explained, E> {
    let rng = seed::probe_generator(MIX_STREAM);
    let mut search = Search { span: Span::new(parameters), zero, left: most, rng, times };
    let mut by = Vec::new();
    for (symmetry, directions) in proposed {
        let found = search.accept(directions)?;
        if found > 0 {
            by.push((*symmetry, found as u32));
        }
    }
    Ok(Explained { span: search.span, by })
}

struct Search<T> {
    span: Span,
    zero: f64,
    /// Products that may still be made.
    left: usize,
    rng: ChaCha8Rng,
    times: T,
}

impl<T> Search<T> {
    /// Adds those of `directions` to the span that have no curvature, and says by how much it grows. All are looked at
    /// at once, and only where that fails each half alone.
    fn accept<E>(&mut self, directions: &[Entries]) -> Result<usize, E>
    where
        T: FnMut(&[f64]) -> Result<Vec<f64>, E>,
    {
        let before = self.span.dimension();
        directions.iter().for_each(|direction| self.span.add(direction));
        let new = self.span.dimension() - before;
        if new == 0 || self.is_null(before)? {
            return Ok(new);
        }
        self.span.truncate(before);
        if directions.len() == 1 || self.left == 0 {
            return Ok(0);
        }
        let (first, second) = directions.split_at(directions.len() / 2);
        Ok(self.accept(first)? + self.accept(second)?)
    }

    /// Whether the Hessian vanishes on what the span has from element `from` on.
    fn is_null<E>(&mut self, from: usize) -> Result<bool, E>
    where
        T: FnMut(&[f64]) -> Result<Vec<f64>, E>,
    {
        let is_one = self.span.dimension() - from == 1;
        for _ in 0..if is_one { 1 } else { MIXES } {
            if self.left == 0 {
                return Ok(false);
            }
            self.left -= 1;
            let rng = &mut self.rng;
            let mix = self.span.mix(from, || if is_one { 1.0 } else { StandardNormal.sample(rng) });
            let image = (self.times)(&mix)?;
            let length = image.iter().map(|x| x * x).sum::<f64>().sqrt();
            // a NaN proves nothing
            let is_null = length <= self.zero;
            if !is_null {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// What is explained where parameter i has the curvature `curvatures[i]` and no other, and the products it took.
    fn explained(
        curvatures: &[f64],
        proposed: &[(Symmetry, Vec<Entries>)],
        most: usize,
    ) -> (Vec<(Symmetry, u32)>, usize, usize) {
        let mut products = 0;
        let times = |x: &[f64]| {
            products += 1;
            Ok::<_, Infallible>(x.iter().zip(curvatures).map(|(x, c)| c * x).collect())
        };
        let Ok(found) = explain(proposed, curvatures.len(), 1e-6, most, times);
        (found.by, found.span.dimension(), products)
    }

    #[test]
    fn only_directions_without_curvature_are_explained_and_each_once() {
        let curvatures = [0.0, 1e-9, 0.0, 1.0, 2e-6, 0.0];
        let proposed = [
            // parameters 3 and 4 are curved
            (Symmetry::DeadUnit, (0..5).map(|at| vec![(at, 1.0)]).collect()),
            // the second lies in the span of those before but for its curved part
            (Symmetry::UnitScale, vec![vec![(0, 1.0), (2, 1.0)], vec![(0, 1.0), (3, 1.0)]]),
            (Symmetry::LogitShift, vec![vec![(5, 1.0), (0, 3.0)]]),
        ];
        let (by, dimension, _) = explained(&curvatures, &proposed, usize::MAX);
        assert_eq!(by, [(Symmetry::DeadUnit, 3), (Symmetry::LogitShift, 1)]);
        assert_eq!(dimension, 4);
    }

    #[test]
    fn a_thousand_directions_of_one_kind_take_two_products_and_one_curved_among_them_few() {
        let mut curvatures = vec![0.0; 1000];
        let proposed = [(Symmetry::DeadUnit, (0..1000).map(|at| vec![(at, 1.0)]).collect::<Vec<_>>())];
        let (by, _, products) = explained(&curvatures, &proposed, usize::MAX);
        assert_eq!((by, products), (vec![(Symmetry::DeadUnit, 1000)], 2));
        curvatures[700] = 1e-3;
        let (by, _, products) = explained(&curvatures, &proposed, usize::MAX);
        assert_eq!(by, [(Symmetry::DeadUnit, 999)]);
        assert!(products < 40, "{products}");
        // a budget that is out explains less, never more
        let (by, dimension, products) = explained(&curvatures, &proposed, 5);
        assert!(dimension < 999 && by.iter().all(|(_, count)| *count < 999) && products == 5);
    }

    #[test]
    fn a_curvature_that_is_not_finite_explains_nothing() {
        let proposed = [(Symmetry::DeadUnit, vec![vec![(0, 1.0)]])];
        assert_eq!(explained(&[f64::NAN, 0.0], &proposed, usize::MAX).0, []);
    }
}
