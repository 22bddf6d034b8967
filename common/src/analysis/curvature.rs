//! What the Hessians at end points say: the ends of their spectra, and how many flat directions symmetries explain.

use super::report::{Curvature, Curvatures, Number};
use super::trials::Trials;
use super::words;
use crate::outcome::Outcome;

/// The Hessian at the end point of `outcome`; `None` where none was looked at.
pub(crate) fn curvature(outcome: &Outcome) -> Option<Curvature> {
    let polish = outcome.polish.as_ref().filter(|polish| !polish.lambda_min.is_nan())?;
    Some(Curvature {
        lambda_min: Number(polish.lambda_min),
        lambda_max: Number(polish.lambda_max),
        null_directions: polish.null_directions,
        explained: polish.explained,
    })
}

/// The Hessians at the end points of `trials`; `None` where none was looked at.
pub(crate) fn curvatures(trials: &Trials) -> Option<Curvatures> {
    let found: Vec<Curvature> = trials.outcomes().filter_map(curvature).collect();
    let end = |value: fn(&Curvature) -> Number, further: fn(f64, f64) -> f64| {
        found.iter().map(|curvature| value(curvature).0).reduce(further).map(Number)
    };
    let counts = || found.iter().filter_map(|curvature| curvature.null_directions);
    let flat = counts().filter(|count| *count > 0);
    let is_unexplained = |curvature: &&Curvature| {
        curvature.null_directions.zip(curvature.explained).is_some_and(|(null, explained)| null > explained)
    };
    let is_explained = found.iter().any(|curvature| curvature.explained > Some(0));
    Some(Curvatures {
        lambda_min: end(|curvature| curvature.lambda_min, f64::min)?,
        lambda_max: end(|curvature| curvature.lambda_max, f64::max)?,
        looked_at: found.len() as u64,
        null_directions: counts().min().zip(counts().max()).map(|(fewest, most)| [fewest, most]),
        flat: flat.count() as u64,
        unexplained: found.iter().filter(is_unexplained).count() as u64,
        explained_by: if is_explained { words::symmetries(trials.experiment) } else { Vec::new() },
    })
}
