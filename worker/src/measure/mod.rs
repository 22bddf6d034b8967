//! What is measured of a trial besides its end (`docs/measures.md`).
//!
//! Everything is f64 apart from the curve, pure, and one chain of operations per number, so that a trial measures the
//! same alone and in a pod. Nothing here changes what is trained.

mod geometry;
mod jacobi;
mod meter;
mod movement;
mod ntk;
mod rate;
mod symmetry;

use seedsweep_common::measure::{Measured, Plan, Quantity, Series};
use seedsweep_common::spec::Experiment;

use crate::nn::data::Dataset;
use crate::nn::network::Network;

pub(crate) use meter::{Meter, Track};

/// The measures of one trial from what was recorded on its way, and from its start and end (f64).
pub(crate) fn finish(
    experiment: &Experiment,
    network: &Network,
    dataset: &Dataset,
    track: Track,
    start: impl FnOnce() -> Vec<f64>,
    end: &[f64],
) -> Vec<Measured> {
    let plan = Plan::new(&experiment.measure, &experiment.network);
    let mut measures = Vec::new();
    let moved = track.last_step() > 0;
    let wants_start = !plan.at_the_ends.is_empty() || experiment.measure.movement;
    let start = (moved && wants_start).then(start);
    if !plan.at_the_ends.is_empty() {
        let points = start.as_deref().into_iter().chain([end]);
        let values: Vec<Vec<f64>> = points.map(|theta| point(experiment, network, dataset, theta)).collect();
        let steps = if values.len() > 1 { vec![0, track.last_step()] } else { vec![0] };
        let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        measures.push(table(steps, &plan.at_the_ends, &values));
    }
    if !plan.of_all.is_empty() {
        let mut values = Vec::new();
        if experiment.measure.ntk {
            values.push(rate::late(&experiment.train, dataset, track.curve()));
        }
        if experiment.measure.movement {
            values.extend(movement::of_layers(network, start.as_deref().unwrap_or(end), end));
        }
        measures.push(table(vec![track.last_step()], &plan.of_all, &[&values]));
    }
    if !plan.on_the_way.is_empty() {
        measures.insert(0, track.measured(&plan.on_the_way));
    }
    measures
}

/// What is asked for of one point, in the order of [`Plan::at_the_ends`].
fn point(experiment: &Experiment, network: &Network, dataset: &Dataset, theta: &[f64]) -> Vec<f64> {
    let mut values = Vec::new();
    if experiment.measure.geometry {
        values.extend(geometry::of_layers(network, theta, &dataset.train));
    }
    if experiment.measure.ntk {
        values.push(ntk::lambda_min(network, theta, &dataset.train));
    }
    values
}

/// `points` (steps, series) as a table. The sign and payload of a NaN differ between machines: every NaN is one.
fn table(steps: Vec<u64>, wanted: &[(Quantity, u32)], points: &[&[f64]]) -> Measured {
    let one = |value: f64| if value.is_nan() { f64::NAN } else { value };
    let series = wanted.iter().enumerate().map(|(number, &(quantity, layer))| {
        let values = points.iter().map(|point| one(point[number])).collect();
        Series { quantity, layer, values }
    });
    Measured { series: series.collect(), steps }
}
