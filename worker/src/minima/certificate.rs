//! What a point is, judged from its gradient and its Hessian's eigenvalues (`docs/minima.md`).

use ndarray::Array2;
use seedsweep_common::limits;
use seedsweep_common::outcome::Certificate;
use seedsweep_common::spec::Loss;

use super::surface::{Cancelled, Point, Surface, dot};
use super::{eigen, symmetry};

/// Largest absolute entry of the gradient that counts as zero.
const GRADIENT_ZERO: f64 = 1e-8;
/// Eigenvalues of at most this share of the largest count as zero.
const CURVATURE_ZERO: f64 = 1e-6;
/// A unit this near to its kink at a training row may be on it.
const KINK: f64 = 1e-7;

/// A certificate with what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    pub(super) certificate: Certificate,
    /// NaN where the Hessian was not looked at.
    pub(super) lambda_min: f64,
    /// NaN where the Hessian was not looked at.
    pub(super) lambda_max: f64,
}

/// Judges `point`.
pub(super) fn judge(surface: &mut Surface<'_>, point: &Point) -> Result<Verdict, Cancelled> {
    let without_hessian = |certificate| Verdict { certificate, lambda_min: f64::NAN, lambda_max: f64::NAN };
    if !point.is_finite() || point.theta.len() > limits::DENSE_HESSIAN_PARAMETERS {
        return Ok(without_hessian(Certificate::NotConverged));
    }
    if is_at_kink(surface, &point.theta) {
        return Ok(without_hessian(Certificate::Kink));
    }
    if point.gradient_max() > GRADIENT_ZERO {
        return Ok(without_hessian(Certificate::NotConverged));
    }
    let hessian = surface.hessian(&point.theta)?;
    Ok(judge_curvature(hessian, || symmetry::null_directions(surface, &point.theta))
        .unwrap_or(without_hessian(Certificate::NotConverged)))
}

/// Judges a point without gradient by its `hessian`; `explained` counts the null directions that symmetries
/// explain. `None` if the eigenvalues cannot be computed.
fn judge_curvature(hessian: Array2<f64>, explained: impl FnOnce() -> usize) -> Option<Verdict> {
    let eigenvalues = eigen::values(hessian)?;
    let (lambda_min, lambda_max) = (*eigenvalues.first()?, *eigenvalues.last()?);
    let zero = CURVATURE_ZERO * lambda_max;
    let certificate = if lambda_min > zero {
        Certificate::Minimum
    } else if lambda_min < -zero {
        Certificate::Saddle
    } else if eigenvalues.iter().filter(|&&lambda| lambda <= zero).count() <= explained() {
        Certificate::Flat
    } else {
        Certificate::NotConverged
    };
    Some(Verdict { certificate, lambda_min, lambda_max })
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

    fn judged(diagonal: &[f64], explained: usize) -> Certificate {
        let hessian = Array2::from_diag(&ndarray::Array1::from(diagonal.to_vec()));
        judge_curvature(hessian, || explained).unwrap().certificate
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
