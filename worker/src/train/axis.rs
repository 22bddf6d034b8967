//! What shares a register: restarts of one experiment, or the units of one network. Speed alone hangs on it.

use seedsweep_common::spec::Activation;

use crate::nn::network::Network;

/// Largest network that trains in restart lanes: beyond it a pod's parameters, gradient and moments leave the cache.
const MOST_RESTART_LANE_PARAMETERS: usize = 12_000;
/// Share of a pod's lanes that must be filled for it to be as quick as trials alone whose own lanes are all filled.
/// Chosen between measured shapes (docs/performance.md, "Which axis").
const POD_COST: f64 = 0.85;
/// A layer of one output is summed number by number, two multiply-adds at once.
const SINGLES_AT_ONCE: f64 = 2.0;
/// A curved activation takes as long as so many multiply-adds.
const CURVE_COST: f64 = 30.0;

/// Which numbers fill the lanes of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// The same number of many restarts.
    Restart,
    /// Numbers of one network that lie side by side.
    Unit,
}

/// The quicker axis for `trials` restarts of one experiment in registers of `lanes` numbers.
pub(super) fn choose(network: &Network, trials: u32, lanes: u32) -> Axis {
    let can_share = lanes > 1 && trials <= lanes;
    let is_small = network.parameter_count() <= MOST_RESTART_LANE_PARAMETERS;
    // a pod takes as long as all its lanes, however few are filled
    let fewest = POD_COST * f64::from(lanes) * fill(network, lanes as usize);
    match can_share && is_small && trials > 1 && f64::from(trials) >= fewest {
        true => Axis::Restart,
        false => Axis::Unit,
    }
}

/// Share of the lanes that compute something where the units of one network fill them, counted in multiply-adds of
/// forward, δ and gradient, and activations.
fn fill(network: &Network, lanes: usize) -> f64 {
    if network.sum().is_some() {
        // alone it uses no lanes
        return 1.0 / lanes as f64;
    }
    let registers = |width: usize| width.div_ceil(lanes) as f64;
    let curve = match network.activation() {
        Activation::Relu | Activation::LeakyRelu | Activation::Identity => 0.0,
        Activation::Gelu | Activation::Tanh | Activation::Sigmoid => CURVE_COST,
    };
    let last = network.layers().len() - 1;
    let (mut useful, mut used) = (0.0, 0.0);
    for (l, layer) in network.layers().iter().enumerate() {
        let (inputs, outputs) = (layer.inputs as f64, layer.outputs as f64);
        let (along_outputs, along_inputs) =
            (inputs * registers(layer.outputs), outputs * registers(layer.inputs));
        let forward = if layer.outputs == 1 { inputs / SINGLES_AT_ONCE } else { along_outputs };
        let (products, backward) = if l == 0 { (2.0, 0.0) } else { (3.0, along_inputs) };
        let curve = if l == last { 0.0 } else { curve };
        useful += (products * inputs * outputs + curve * outputs) / lanes as f64;
        used += forward + backward + along_outputs.min(along_inputs) + curve * registers(layer.outputs);
    }
    useful / used
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec;

    use super::*;

    /// Restarts from which on a pod of 16 lanes is chosen, or none.
    fn fewest(layers: &[u32], activation: Activation) -> Option<u32> {
        let (layers, output_activation) = (layers.to_vec(), Activation::Identity);
        let network = Network::new(&spec::Network::Mlp(spec::Mlp { layers, activation, output_activation }));
        (1..=16).find(|&trials| choose(&network, trials, 16) == Axis::Restart)
    }

    #[test]
    fn the_axis_is_the_quicker_one_of_those_measured() {
        let (relu, tanh) = (Activation::Relu, Activation::Tanh);
        assert_eq!(fewest(&[2, 4, 1], tanh), Some(4));
        assert_eq!(fewest(&[2, 32, 1], tanh), Some(12));
        assert_eq!(fewest(&[2, 16, 16, 1], tanh), Some(13));
        assert_eq!(fewest(&[2, 32, 32, 1], tanh), Some(14));
        assert_eq!(fewest(&[16, 32, 32, 4], relu), Some(13));
        assert_eq!(fewest(&[64, 32, 10], relu), Some(14));
        assert_eq!(fewest(&[2, 64, 64, 1], tanh), Some(14));
        assert_eq!(fewest(&[64, 128, 10], relu), Some(14));
        assert_eq!(fewest(&[2, 128, 128, 1], tanh), None);
        assert_eq!(fewest(&[784, 256, 10], relu), None);
    }

    #[test]
    fn a_register_of_one_number_is_shared_by_nobody() {
        let spec = spec::Network::Mlp(spec::Mlp {
            layers: vec![2, 4, 1],
            activation: Activation::Tanh,
            output_activation: Activation::Identity,
        });
        assert_eq!(choose(&Network::new(&spec), 1, 1), Axis::Unit);
        assert_eq!(choose(&Network::new(&spec), 17, 16), Axis::Unit);
    }
}
