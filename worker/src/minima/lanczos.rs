//! Both ends of a large symmetric matrix's spectrum, from products with it: Lanczos with full reorthogonalisation.
//!
//! One run serves both ends, since the Krylov space of λI − A is that of A. A Ritz value never lies outside the spectrum,
//! so a negative one proves a negative eigenvalue; that there is none below the smallest is only as sure as its residual
//! and the random start are.

use super::eigen;
use super::span::Span;
use super::surface::{dot, largest};

/// Steps between two looks at the Ritz values.
const LOOK: usize = 10;
/// A new direction this small, beside the largest Ritz value, is rounding: the space is invariant.
const INVARIANT: f64 = 1e-13;

/// A Ritz value and how far from it an eigenvalue can be at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ritz {
    pub(super) value: f64,
    pub(super) residual: f64,
}

/// The smallest and the largest Ritz value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ends {
    pub(super) min: Ritz,
    pub(super) max: Ritz,
    /// Ritz values that count as zero, the residual included: so many eigenvalues do (Kahan, in Parlett 1980, 11.5). One
    /// start sees equal eigenvalues as one.
    pub(super) zeros: usize,
}

/// The ends of the spectrum of a symmetric matrix on the complement of `out`, after at most `most` products, or as soon as
/// `is_enough`. `start` must not lie in `out`, or there are none. `zero` is the share of the largest value up to which
/// one counts as zero.
pub(super) fn ends<E>(
    mut times: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
    out: &Span,
    start: Vec<f64>,
    most: usize,
    zero: f64,
    is_enough: impl Fn(&Ends) -> bool,
) -> Result<Option<Ends>, E> {
    let mut next = start;
    let mut length = orthogonalise(&mut next, out, &[]);
    let (mut basis, mut diagonal, mut below) = (Vec::<Vec<f64>>::new(), Vec::new(), Vec::new());
    let mut found = None;
    let most = most.min(next.len().saturating_sub(out.dimension()));
    while diagonal.len() < most && length > 0.0 {
        next.iter_mut().for_each(|x| *x /= length);
        let mut image = times(&next)?;
        diagonal.push(dot(&next, &image));
        basis.push(next);
        length = orthogonalise(&mut image, out, &basis);
        next = image;
        let is_last = diagonal.len() == most || length <= INVARIANT * largest(&diagonal);
        if is_last || diagonal.len().is_multiple_of(LOOK) {
            found = ritz_ends(&diagonal, &below, length, zero);
            if is_last || found.as_ref().is_some_and(&is_enough) {
                break;
            }
        }
        below.push(length);
    }
    Ok(found)
}

/// Takes the shares in `out` and of the orthonormal vectors `known` out, and returns the length of what is left; twice is enough (Kahan, in
/// Parlett 1980).
fn orthogonalise(x: &mut [f64], out: &Span, known: &[Vec<f64>]) -> f64 {
    for _ in 0..2 {
        out.take_out(x);
        for known in known {
            let share = dot(known, x);
            x.iter_mut().zip(known).for_each(|(x, k)| *x -= share * k);
        }
    }
    dot(x, x).sqrt()
}

/// The outer eigenvalues of a tridiagonal matrix, with the residuals that `length`, the next entry below the diagonal,
/// gives them: `length` times the last entry of the eigenvector.
fn ritz_ends(diagonal: &[f64], below: &[f64], length: f64, zero: f64) -> Option<Ends> {
    let (last, all) = (diagonal.len() - 1, eigen::tridiagonal_values(diagonal, below)?);
    let without_last = eigen::tridiagonal_values(&diagonal[..last], &below[..last.saturating_sub(1)])?;
    // the square of the entry is a product of ratios of distances, each at most 1 since the values interlace
    let ritz = |at: usize| {
        let value = all[at];
        let others = all[..at].iter().chain(&all[at + 1..]);
        let ratios = without_last.iter().zip(others).map(|(inner, outer)| match outer - value {
            0.0 => 0.0,
            distance => ((inner - value) / distance).clamp(0.0, 1.0),
        });
        let square = ratios.product::<f64>().max(f64::EPSILON);
        Ritz { value, residual: length * square.sqrt() }
    };
    let (min, max) = (ritz(0), ritz(last));
    let zero = zero * max.value;
    let zeros = (0..=last).filter(|&at| all[at].abs() <= zero).map(ritz);
    let zeros = zeros.filter(|ritz| ritz.value.abs() + ritz.residual <= zero).count();
    Some(Ends { min, max, zeros })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Ends of diag(`spectrum`) in a basis turned by two reflections, without its first `out` eigenvectors.
    fn of_spectrum(spectrum: &[f64], out: usize, most: usize) -> (Ends, usize) {
        let n = spectrum.len();
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut random = || -> Vec<f64> { (0..n).map(|_| rng.random::<f64>() - 0.5).collect() };
        let (mirrors, start) = ([random(), random()], random());
        let reflect = |x: &mut [f64], v: &[f64]| {
            let share = 2.0 * dot(v, x) / dot(v, v);
            x.iter_mut().zip(v).for_each(|(x, v)| *x -= share * v);
        };
        let turn = |mut x: Vec<f64>| {
            mirrors.iter().for_each(|mirror| reflect(&mut x, mirror));
            x
        };
        let unit = |i: usize| (0..n).map(|k| f64::from(k == i)).collect::<Vec<f64>>();
        let mut products = 0;
        let times = |x: &[f64]| {
            products += 1;
            let mut x = x.to_vec();
            mirrors.iter().rev().for_each(|mirror| reflect(&mut x, mirror));
            x.iter_mut().zip(spectrum).for_each(|(x, lambda)| *x *= lambda);
            Ok::<_, Infallible>(turn(x))
        };
        let mut known = Span::new(n);
        (0..out).for_each(|i| known.add(&turn(unit(i)).into_iter().enumerate().collect::<Vec<_>>()));
        let enough = |ends: &Ends| ends.min.residual < 1e-7 && ends.max.residual < 1e-7;
        let ends = ends(times, &known, start, most, 1e-6, enough).unwrap().unwrap();
        (ends, products)
    }

    #[test]
    fn both_ends_are_found_and_lie_within_their_residuals() {
        let spectrum: Vec<f64> = (0..300).map(|i| -2.0 + f64::from(i) / 30.0).collect();
        let (ends, products) = of_spectrum(&spectrum, 0, 300);
        for (ritz, lambda) in [(ends.min, -2.0), (ends.max, spectrum[299])] {
            assert!((ritz.value - lambda).abs() < 1e-10 && ritz.residual < 1e-7, "{ends:?}");
        }
        assert!((50..200).contains(&products), "{products}");
    }

    #[test]
    fn too_few_steps_have_large_residuals_and_stay_inside_the_spectrum() {
        let spectrum: Vec<f64> = (0..300).map(|i| -2.0 + f64::from(i) / 30.0).collect();
        for most in [1, 2, 10, 25] {
            let (ends, products) = of_spectrum(&spectrum, 0, most);
            assert_eq!(products, most);
            for (ritz, lambda) in [(ends.min, -2.0), (ends.max, spectrum[299])] {
                assert!((-2.0..=spectrum[299]).contains(&ritz.value), "{ends:?}");
                let nearest = spectrum.iter().map(|x| (x - ritz.value).abs()).fold(f64::INFINITY, f64::min);
                assert!(nearest <= ritz.residual, "{most}: {ends:?}");
                assert!((ritz.value - lambda).abs() > 1e-4 && ritz.residual > 1e-3, "{most}: {ends:?}");
            }
        }
    }

    #[test]
    fn known_vectors_are_left_out() {
        // three zeros and a negative eigenvalue whose vectors are known
        let mut spectrum = vec![0.0, 0.0, 0.0, -5.0];
        spectrum.extend((1..60).map(f64::from));
        let (ends, _) = of_spectrum(&spectrum, 4, 100);
        assert!((ends.min.value - 1.0).abs() < 1e-9 && (ends.max.value - 59.0).abs() < 1e-9, "{ends:?}");
        assert_eq!(ends.zeros, 0);
    }

    #[test]
    fn zeros_inside_the_spectrum_are_counted_once_they_have_settled() {
        let mut spectrum = vec![-1.0, 0.0, 0.0, 1e-3];
        spectrum.extend((1..60).map(f64::from));
        // the two zeros are one to the start, unless rounding shows it the other
        assert!((1..=2).contains(&of_spectrum(&spectrum, 0, 63).0.zeros));
        spectrum.truncate(10);
        assert_eq!(of_spectrum(&spectrum, 0, 3).0.zeros, 0);
    }

    #[test]
    fn few_different_eigenvalues_are_an_invariant_space() {
        let spectrum: Vec<f64> = (0..40).map(|i| f64::from(i % 3) + 1.0).collect();
        let (ends, products) = of_spectrum(&spectrum, 0, 40);
        assert!((ends.min.value - 1.0).abs() < 1e-12 && (ends.max.value - 3.0).abs() < 1e-12, "{ends:?}");
        assert!(products <= 5 && ends.min.residual < 1e-12, "{products} {ends:?}");
    }
}
