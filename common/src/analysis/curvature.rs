//! What the Hessians at end points say: the ends of their spectra, and how many flat directions symmetries explain.

use super::report::{Curvature, Curvatures, Explains, ExplainsAcross, Number};
use super::trials::Trials;
use crate::outcome::{NullSpace, Outcome, Symmetry};

/// The Hessian at the end point of `outcome`; `None` where none was looked at.
pub(crate) fn curvature(outcome: &Outcome) -> Option<Curvature> {
    let polish = outcome.polish.as_ref().filter(|polish| !polish.lambda_min.is_nan())?;
    Some(Curvature {
        lambda_min: Number(polish.lambda_min),
        lambda_max: Number(polish.lambda_max),
        null_directions: polish.null_directions,
        null_directions_at_least: polish.null_space.as_ref().map(|found| found.at_least),
        explained: polish.explained,
        symmetries: explained_by(polish.null_space.as_ref()),
    })
}

fn explained_by(null_space: Option<&NullSpace>) -> Vec<Explains> {
    let by = null_space.map_or(&[][..], |found| &found.explained_by);
    by.iter()
        .map(|&(symmetry, directions)| Explains { symmetry: symmetry.name().into(), directions })
        .collect()
}

/// The Hessians at the end points of `trials`; `None` where none was looked at.
pub(crate) fn curvatures(trials: &Trials) -> Option<Curvatures> {
    let found: Vec<Curvature> = trials.outcomes().filter_map(curvature).collect();
    let end = |value: fn(&Curvature) -> Number, further: fn(f64, f64) -> f64| {
        found.iter().map(|curvature| value(curvature).0).reduce(further).map(Number)
    };
    let counts = || found.iter().filter_map(|curvature| curvature.null_directions);
    let not_counted = || found.iter().filter(|curvature| curvature.null_directions.is_none());
    let is_unexplained = |curvature: &&Curvature| {
        curvature.null_directions.zip(curvature.explained).is_some_and(|(null, explained)| null > explained)
    };
    Some(Curvatures {
        lambda_min: end(|curvature| curvature.lambda_min, f64::min)?,
        lambda_max: end(|curvature| curvature.lambda_max, f64::max)?,
        looked_at: found.len() as u64,
        null_directions: extremes(counts()),
        not_counted: not_counted().count() as u64,
        null_directions_at_least: extremes(not_counted().filter_map(|c| c.null_directions_at_least)),
        flat: counts().filter(|count| *count > 0).count() as u64,
        unexplained: found.iter().filter(is_unexplained).count() as u64,
        symmetries: Symmetry::ALL.iter().filter_map(|symmetry| across(symmetry.name(), &found)).collect(),
    })
}

/// At how many of the points `symmetry` explains null directions, and how many; `None` where it explains none.
fn across(symmetry: &str, found: &[Curvature]) -> Option<ExplainsAcross> {
    let explained = found.iter().flat_map(|curvature| &curvature.symmetries);
    let directions = explained.filter(|by| by.symmetry == symmetry).map(|by| by.directions);
    Some(ExplainsAcross {
        symmetry: symmetry.to_owned(),
        points: directions.clone().count() as u64,
        directions: extremes(directions)?,
    })
}

/// The smallest and the largest, if there is any.
fn extremes(counts: impl Iterator<Item = u32> + Clone) -> Option<[u32; 2]> {
    counts.clone().min().zip(counts.max()).map(|(fewest, most)| [fewest, most])
}
