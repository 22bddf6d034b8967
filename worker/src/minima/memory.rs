//! How much memory lies between an end point and its sketches: told before anything is allocated.

use seedsweep_common::limits;

use super::{certificate, lbfgs, probes, rows, surface};
use crate::nn::network::{Curvature, Network};

/// Points, gradients, directions and products that a polish holds at once beside what L-BFGS remembers.
const VECTORS: usize = 8;

/// Bytes that [`super::finish`] takes at most, the end point that it is given not counted: of a network trained on
/// `rows` rows, polished or not.
pub(crate) fn bytes(network: &Network, rows: usize, is_polished: bool) -> usize {
    let parameters = network.parameter_count();
    let surface = match surface::has_row_lanes(network) {
        true => rows::bytes(network, rows, is_polished),
        false => network.workspace_bytes::<f64>(),
    };
    let polish = if is_polished { polish(network, rows) } else { 0 };
    surface + parameters * size_of::<f64>() + polish.max(probes::bytes(network))
}

/// Bytes of following the flow, of Hessians and of a certificate.
fn polish(network: &Network, rows: usize) -> usize {
    let parameters = network.parameter_count();
    let mut values = (2 * lbfgs::MEMORY + VECTORS) * parameters;
    values += match surface::has_row_lanes(network) {
        // a Hessian, and what it is reduced or factorised to
        true => 2 * parameters * parameters,
        // column by column
        false if parameters <= limits::DENSE_HESSIAN_PARAMETERS => 3 * parameters * parameters,
        false => certificate::lanczos_steps(parameters) * parameters,
    };
    if network.activation().has_kink() {
        // sums of the hidden layers, one of them twice, and the values below
        values += rows * (network.input_width() + 3 * network.hidden_units());
    }
    let curvature = if surface::has_row_lanes(network) { 0 } else { Curvature::bytes(network, rows) };
    values * size_of::<f64>() + curvature
}
