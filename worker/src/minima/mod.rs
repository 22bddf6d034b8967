//! From an end point to a minimum: polish, certificate, fingerprint (`docs/minima.md`).
//!
//! Everything is f64 and depends on one trial only; `barrier` and `canonical` alone look at two networks. Nothing here may move
//! bit-equal units apart: an all-equal start must stay on its symmetric saddle, so coordinates are only ever treated
//! alike, except where the Hessian is solved with, which is skipped there.

mod barrier;
pub mod canonical;
mod certificate;
mod cholesky;
pub(crate) mod eigen;
mod explain;
mod flow;
mod implicit;
mod lanczos;
mod lbfgs;
mod memory;
mod newton;
mod polish;
mod probes;
mod projection;
mod rows;
mod span;
mod surface;
mod symmetry;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::atomic::AtomicBool;

use seedsweep_common::fingerprint::{CanonicalSketch, Sketch};
use seedsweep_common::outcome::Polish;
use seedsweep_common::spec::Loss;

use crate::nn::data::Dataset;
use crate::nn::network::Network;

pub use barrier::{Between, between};
pub(crate) use memory::bytes;
pub use probes::Probes;
use surface::{Cancelled, Surface};

/// A trained network and what it was trained for.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its data.
    pub dataset: &'a Dataset,
    /// What was minimised.
    pub loss: Loss,
    /// Adds `l2 · ‖θ‖²`.
    pub l2: f64,
    /// Most steps of the polish; `None` where it is off.
    pub polish: Option<u32>,
    /// What sketches are made with.
    pub probes: &'a Probes,
}

/// What became of an end point.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// What the polish made of it; `None` where it is off.
    pub polish: Option<Polish>,
    /// Sketch of the (polished) parameters.
    pub sketch_raw: Sketch,
    /// Sketch of the (polished) network up to its symmetries; `None` where it has no canonical form.
    pub sketch_canonical: Option<CanonicalSketch>,
    /// Sketch of the outputs or probabilities on the probe set.
    pub sketch_function: Sketch,
    /// The point that was judged and that the sketches are of.
    pub theta: Vec<f64>,
}

/// Polishes `theta` (finite) and takes its fingerprints; `None` if cancelled, which is looked at before every
/// step and between pieces of the data.
pub fn finish(problem: &Problem<'_>, theta: &[f64], cancelled: &AtomicBool) -> Option<Finish> {
    finish_or_stop(problem, theta, cancelled).ok()
}

fn finish_or_stop(problem: &Problem<'_>, theta: &[f64], cancelled: &AtomicBool) -> Result<Finish, Cancelled> {
    let mut surface = Surface::new(problem, cancelled);
    let (polish, theta) = match problem.polish {
        Some(budget) => {
            let (polish, theta) = polish::polish(&mut surface, theta, budget)?;
            (Some(polish), theta)
        }
        None => (None, theta.to_vec()),
    };
    let sketch_function = problem.probes.function(&mut surface, problem.loss, &theta);
    Ok(Finish {
        polish,
        sketch_raw: problem.probes.raw(&theta),
        sketch_canonical: problem.probes.canonical(problem.network, problem.loss, &theta),
        sketch_function,
        theta,
    })
}
