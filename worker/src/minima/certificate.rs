//! What a point is, judged from its gradient and its Hessian's eigenvalues (`docs/minima.md`).

use std::convert::Infallible;

use ndarray::{Array2, s};
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Certificate, NullSpace, Symmetry};
use seedsweep_common::seed;
use seedsweep_common::spec::Loss;

use super::explain::{Explained, explain};
use super::lanczos::{self, Ends};
use super::span::Span;
use super::surface::{Cancelled, Point, Surface, dot, row_major};
use super::{eigen, symmetry};

/// Largest absolute entry of the gradient that counts as zero.
const GRADIENT_ZERO: f64 = 1e-8;
/// Eigenvalues of at most this share of the largest count as zero.
const CURVATURE_ZERO: f64 = 1e-6;
/// A unit this near to its kink at a training row may be on it.
const KINK: f64 = 1e-7;

/// A Ritz value has settled once its residual is at most this share of it.
const SETTLED: f64 = 0.05;
/// Most products with the Hessian of a large network.
const LANCZOS_STEPS: usize = 500;
/// Most values of the vectors that these leave (256 MiB).
const LANCZOS_VALUES: usize = 1 << 25;
/// Stream of the probe generator that draws their start.
const LANCZOS_STREAM: u64 = 3;
/// Most products that ask which directions symmetries explain, where the Hessian is not there as a whole.
const EXPLAIN_STEPS: usize = 100;

/// A certificate with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) certificate: Certificate,
    /// NaN where the Hessian was not looked at.
    pub(super) lambda_min: f64,
    /// NaN where the Hessian was not looked at.
    pub(super) lambda_max: f64,
    /// Eigenvalues that count as zero; `None` where they are not known.
    pub(super) null_directions: Option<u32>,
    /// How many of them symmetries explain; `None` where the Hessian was not looked at.
    pub(super) explained: Option<u32>,
    /// Which; `None` likewise.
    pub(super) null_space: Option<NullSpace>,
}

impl Verdict {
    fn of_spectrum(
        certificate: Certificate,
        ends: [f64; 2],
        directions: Option<u32>,
        found: NullSpace,
    ) -> Self {
        let explained = found.explained_by.iter().map(|(_, count)| count).sum();
        Self {
            certificate,
            lambda_min: ends[0],
            lambda_max: ends[1],
            null_directions: directions,
            explained: Some(explained),
            null_space: Some(found),
        }
    }
}

/// Judges `point`.
pub(super) fn judge(surface: &mut Surface<'_>, point: &Point) -> Result<Verdict, Cancelled> {
    let without_hessian = |certificate| Verdict {
        certificate,
        lambda_min: f64::NAN,
        lambda_max: f64::NAN,
        null_directions: None,
        explained: None,
        null_space: None,
    };
    if !point.is_finite() {
        return Ok(without_hessian(Certificate::NotConverged));
    }
    if is_at_kink(surface, &point.theta) {
        return Ok(without_hessian(Certificate::Kink));
    }
    if point.gradient_max() > GRADIENT_ZERO {
        return Ok(without_hessian(Certificate::NotConverged));
    }
    let verdict = if point.theta.len() > limits::DENSE_HESSIAN_PARAMETERS {
        judge_ends(surface, &point.theta)?
    } else {
        judge_whole(surface, &point.theta)?
    };
    Ok(verdict.unwrap_or(without_hessian(Certificate::NotConverged)))
}

/// Judges a point without gradient by all eigenvalues of its Hessian. `None` if they cannot be computed.
pub(super) fn judge_whole(surface: &mut Surface<'_>, theta: &[f64]) -> Result<Option<Verdict>, Cancelled> {
    let trained = surface.network.trained_count();
    let hessian = surface.hessian(theta)?.slice_move(s![..trained, ..trained]);
    Ok(judge_curvature(&hessian, |zero, null_directions| {
        if symmetry::is_as_flat_as_its_outputs(surface) {
            return vec![(Symmetry::UnseenWeight, null_directions)];
        }
        let Some(proposed) = symmetry::proposed(surface, theta, is_free(surface, zero)) else {
            return Vec::new();
        };
        let rows = row_major(&hessian);
        let times =
            |x: &[f64]| Ok::<_, Infallible>(rows.chunks_exact(trained).map(|row| dot(row, x)).collect());
        let Ok(Explained { by, .. }) = explain(&proposed, trained, zero, usize::MAX, times);
        by
    }))
}

/// Judges a point without gradient by the ends of its Hessian's spectrum on what symmetries do not explain. `None` if
/// they cannot be computed.
///
/// A Ritz value below zero proves a saddle. That there is none counts only once the smallest has settled: an eigenvalue
/// within its residual, which is small beside it or beside what counts as zero.
pub(super) fn judge_ends(surface: &mut Surface<'_>, theta: &[f64]) -> Result<Option<Verdict>, Cancelled> {
    let trained = surface.network.trained_count();
    let mut rng = seed::probe_generator(LANCZOS_STREAM);
    let mut start: Vec<f64> = (0..theta.len()).map(|_| StandardNormal.sample(&mut rng)).collect();
    start[trained..].fill(0.0);
    let most = lanczos_steps(theta.len());
    let lanczos = |surface: &mut Surface<'_>, out: &Span, is_enough: fn(&Ends) -> bool| {
        let times = |x: &[f64]| surface.hessian_times(theta, x);
        lanczos::ends(times, out, start.clone(), most, CURVATURE_ZERO, is_enough)
    };
    // what counts as zero hangs on the largest eigenvalue, which is soon known
    let Some(first) = lanczos(surface, &Span::new(theta.len()), has_settled_above)? else { return Ok(None) };
    let zero = CURVATURE_ZERO * first.max.value;
    let Some(proposed) = symmetry::proposed(surface, theta, is_free(surface, zero)) else { return Ok(None) };
    let times = |x: &[f64]| surface.hessian_times(theta, x);
    let Explained { span, mut by } = explain(&proposed, theta.len(), zero, EXPLAIN_STEPS, times)?;
    if span.is_full() {
        return Ok(None);
    }
    let Some(ends) = lanczos(surface, &span, is_settled)? else { return Ok(None) };
    let zero = CURVATURE_ZERO * ends.max.value;
    let is_convex = symmetry::is_as_flat_as_its_outputs(surface);
    let certificate = if ends.min.value < -zero {
        Certificate::Saddle
    } else if is_settled(&ends) && ends.min.value - ends.min.residual > zero {
        if span.dimension() == 0 { Certificate::Minimum } else { Certificate::Flat }
    } else if is_convex {
        Certificate::Flat
    } else {
        Certificate::NotConverged
    };
    let mut at_least = (span.dimension() + ends.zeros) as u32;
    let mut null_directions = certificate.is_minimum().then_some(at_least);
    if is_convex && certificate == Certificate::Flat {
        // as many as there are weights without a row, or more
        let rows = surface.features.len() / surface.network.input_width();
        at_least = at_least.max(trained.saturating_sub(rows) as u32);
        null_directions = None;
        by = if at_least > 0 { vec![(Symmetry::UnseenWeight, at_least)] } else { Vec::new() };
    }
    let found = NullSpace { at_least, explained_by: by };
    let extremes = [ends.min.value, ends.max.value];
    Ok(Some(Verdict::of_spectrum(certificate, extremes, null_directions, found)))
}

/// Whether the l2 term is too small to count: along whatever leaves the rest of the loss as it is it has at least the
/// curvature 2·l2, but along rotations.
fn is_free(surface: &Surface<'_>, zero: f64) -> bool {
    surface.l2 == 0.0 || 2.0 * surface.l2 <= zero
}

/// Whether the upper end is known well enough.
fn has_settled_above(ends: &Ends) -> bool {
    ends.max.residual <= SETTLED * ends.max.value.abs()
}

/// Products that are made at most, each of which leaves a vector, for a network of so many parameters.
pub(super) fn lanczos_steps(parameters: usize) -> usize {
    LANCZOS_STEPS.min(LANCZOS_VALUES / parameters)
}

/// Whether both ends are known well enough.
fn is_settled(ends: &Ends) -> bool {
    let zero = CURVATURE_ZERO * ends.max.value.abs();
    has_settled_above(ends) && ends.min.residual <= SETTLED * ends.min.value.abs().max(zero)
}

/// Judges a point without gradient by its `hessian`. `explain` says which symmetries explain null directions, given what
/// counts as zero and how many there are. `None` if the eigenvalues cannot be computed.
fn judge_curvature(
    hessian: &Array2<f64>,
    explain: impl FnOnce(f64, u32) -> Vec<(Symmetry, u32)>,
) -> Option<Verdict> {
    let eigenvalues = eigen::values(hessian)?;
    let (lambda_min, lambda_max) = (*eigenvalues.first()?, *eigenvalues.last()?);
    let zero = CURVATURE_ZERO * lambda_max;
    let null_directions = eigenvalues.iter().filter(|lambda| lambda.abs() <= zero).count() as u32;
    let mut explained_by = if null_directions == 0 { Vec::new() } else { explain(zero, null_directions) };
    // products are judged to a tolerance of their own: no more is explained than there is
    let mut left = null_directions;
    explained_by.retain_mut(|(_, count)| {
        *count = left.min(*count);
        left -= *count;
        *count > 0
    });
    let certificate = if lambda_min > zero {
        Certificate::Minimum
    } else if lambda_min < -zero {
        Certificate::Saddle
    } else if null_directions > 0 && left == 0 {
        Certificate::Flat
    } else {
        Certificate::NotConverged
    };
    let found = NullSpace { at_least: null_directions, explained_by };
    Some(Verdict::of_spectrum(certificate, [lambda_min, lambda_max], Some(null_directions), found))
}

/// Whether a unit whose activation has a kink switches at a training row, as near as can be told; over all inputs at
/// once it is where the unit vanishes.
pub(super) fn is_at_kink(surface: &Surface<'_>, theta: &[f64]) -> bool {
    if surface.loss == Loss::Population {
        return theta.chunks_exact(surface.network.input_width()).any(|w| dot(w, w).sqrt() < KINK);
    }
    surface.network.activation().has_kink()
        && surface.network.pre_activations(theta, &surface.features).iter().flatten().any(|z| z.abs() < KINK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(diagonal: &[f64], explained: u32) -> Verdict {
        let hessian = Array2::from_diag(&ndarray::Array1::from(diagonal.to_vec()));
        judge_curvature(&hessian, |_, _| vec![(Symmetry::UnitScale, explained)]).unwrap()
    }

    fn judged(diagonal: &[f64], explained: u32) -> Certificate {
        verdict(diagonal, explained).certificate
    }

    #[test]
    fn null_directions_are_counted_and_no_more_are_explained_than_there_are() {
        for (diagonal, explained, counts) in [
            (&[1e-5, 1.0][..], 3, (0, 0)),
            (&[0.9e-6, -0.9e-6, 1.0], 1, (2, 1)),
            (&[0.9e-6, -0.9e-6, 1.0], 5, (2, 2)),
            (&[-0.5, 1e-9, 1.0], 1, (1, 1)),
            (&[-1.0, -0.5], 2, (0, 0)),
        ] {
            let verdict = verdict(diagonal, explained);
            assert_eq!(verdict.null_directions.zip(verdict.explained), Some(counts), "{diagonal:?}");
        }
    }

    #[test]
    fn the_smallest_eigenvalue_decides_and_symmetries_explain_zeros() {
        assert_eq!(judged(&[1.1e-6, 1.0], 0), Certificate::Minimum);
        assert_eq!(judged(&[-1.1e-6, 1.0], 9), Certificate::Saddle);
        assert_eq!(judged(&[0.9e-6, 1.0], 0), Certificate::NotConverged);
        assert_eq!(judged(&[0.9e-6, -0.9e-6, 1.0], 1), Certificate::NotConverged);
        assert_eq!(judged(&[0.9e-6, -0.9e-6, 1.0], 2), Certificate::Flat);
        // a peak has no positive curvature at all
        assert_eq!(judged(&[-1.0, -0.5], 2), Certificate::Saddle);
        assert_eq!(judged(&[0.0, 0.0], 1), Certificate::NotConverged);
    }
}
