//! What a point is, judged from its gradient and its Hessian's eigenvalues (`docs/minima.md`).

use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::limits;
use seedsweep_common::outcome::Certificate;
use seedsweep_common::seed;
use seedsweep_common::spec::Loss;

use super::lanczos::{self, Ends};
use super::surface::{Cancelled, Point, Surface, dot};
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

/// A certificate with what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
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
}

/// Judges `point`.
pub(super) fn judge(surface: &mut Surface<'_>, point: &Point) -> Result<Verdict, Cancelled> {
    let without_hessian = |certificate| Verdict {
        certificate,
        lambda_min: f64::NAN,
        lambda_max: f64::NAN,
        null_directions: None,
        explained: None,
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
        let hessian = surface.hessian(&point.theta)?;
        judge_curvature(&hessian, || symmetry::explained(surface, &point.theta))
    };
    Ok(verdict.unwrap_or(without_hessian(Certificate::NotConverged)))
}

/// Judges a point without gradient by the ends of its Hessian's spectrum on what symmetries do not explain. `None` if
/// they cannot be computed.
///
/// A Ritz value below zero proves a saddle. That there is none counts only once the smallest has settled: an eigenvalue
/// within its residual, which is small beside it or beside what counts as zero.
pub(super) fn judge_ends(surface: &mut Surface<'_>, theta: &[f64]) -> Result<Option<Verdict>, Cancelled> {
    let Some(known) = symmetry::null_directions(surface, theta) else { return Ok(None) };
    let mut rng = seed::probe_generator(LANCZOS_STREAM);
    let start = (0..theta.len()).map(|_| StandardNormal.sample(&mut rng)).collect();
    let most = lanczos_steps(theta.len());
    let times = |x: &[f64]| surface.hessian_times(theta, x);
    let Some(ends) = lanczos::ends(times, &known, start, most, is_settled)? else { return Ok(None) };
    let Ends { min, max } = ends;
    let zero = CURVATURE_ZERO * max.value;
    let certificate = if min.value < -zero {
        Certificate::Saddle
    } else if !is_settled(&ends) || min.value - min.residual <= zero {
        Certificate::NotConverged
    } else if known.is_empty() {
        Certificate::Minimum
    } else {
        Certificate::Flat
    };
    let explained = known.len() as u32;
    // a minimum but for what is explained has no other null directions; else nobody has counted
    let null_directions = certificate.is_minimum().then_some(explained);
    let (lambda_min, lambda_max) = (min.value, max.value);
    Ok(Some(Verdict { certificate, lambda_min, lambda_max, null_directions, explained: Some(explained) }))
}

/// Products that are made at most, each of which leaves a vector, for a network of so many parameters.
pub(super) fn lanczos_steps(parameters: usize) -> usize {
    LANCZOS_STEPS.min(LANCZOS_VALUES / parameters)
}

/// Whether both ends are known well enough.
fn is_settled(ends: &Ends) -> bool {
    let zero = CURVATURE_ZERO * ends.max.value.abs();
    ends.max.residual <= SETTLED * ends.max.value.abs()
        && ends.min.residual <= SETTLED * ends.min.value.abs().max(zero)
}

/// Judges a point without gradient by its `hessian`; `explained` counts the null directions that symmetries
/// explain. `None` if the eigenvalues cannot be computed.
fn judge_curvature(hessian: &Array2<f64>, explained: impl FnOnce() -> usize) -> Option<Verdict> {
    let eigenvalues = eigen::values(hessian)?;
    let (lambda_min, lambda_max) = (*eigenvalues.first()?, *eigenvalues.last()?);
    let zero = CURVATURE_ZERO * lambda_max;
    let null_directions = eigenvalues.iter().filter(|lambda| lambda.abs() <= zero).count();
    let explained = if null_directions == 0 { 0 } else { explained().min(null_directions) };
    let certificate = if lambda_min > zero {
        Certificate::Minimum
    } else if lambda_min < -zero {
        Certificate::Saddle
    } else if null_directions == explained {
        Certificate::Flat
    } else {
        Certificate::NotConverged
    };
    let (null_directions, explained) = (Some(null_directions as u32), Some(explained as u32));
    Some(Verdict { certificate, lambda_min, lambda_max, null_directions, explained })
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

    fn verdict(diagonal: &[f64], explained: usize) -> Verdict {
        let hessian = Array2::from_diag(&ndarray::Array1::from(diagonal.to_vec()));
        judge_curvature(&hessian, || explained).unwrap()
    }

    fn judged(diagonal: &[f64], explained: usize) -> Certificate {
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
