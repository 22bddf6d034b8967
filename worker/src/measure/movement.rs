//! How far training moved the units of a network: in wide ones hardly, which is what makes them almost linear (Du et al. 2018,
//! corollary 3.1).

use crate::nn::layer::Layer;
use crate::nn::network::Network;

/// For each hidden layer the largest distance between a unit's in-weights and bias at `start` and at `end` (all
/// parameters each); for a sum of relus that of its units' weights. NaN where one is not finite.
pub(super) fn of_layers(network: &Network, start: &[f64], end: &[f64]) -> Vec<f64> {
    if let Some(sum) = network.sum() {
        let units = |theta: &[f64]| -> Vec<Vec<f64>> {
            theta[..sum.units * sum.inputs].chunks_exact(sum.inputs).map(<[f64]>::to_vec).collect()
        };
        return vec![largest(&units(start), &units(end))];
    }
    let hidden = &network.layers()[..network.layers().len() - 1];
    let units = |layer: &Layer, theta: &[f64]| -> Vec<Vec<f64>> {
        let (weights, biases) = layer.parameters(theta);
        weights.chunks_exact(layer.inputs).zip(biases).map(|(w, &b)| [w, &[b]].concat()).collect()
    };
    hidden.iter().map(|layer| largest(&units(layer, start), &units(layer, end))).collect()
}

/// The largest of the distances between one's rows and the other's.
fn largest(start: &[Vec<f64>], end: &[Vec<f64>]) -> f64 {
    let distance = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (b - a) * (b - a)).sqrt()
    };
    // f64::max would drop a NaN
    let larger = |most: f64, next: f64| if next > most || next.is_nan() { next } else { most };
    start.iter().zip(end).map(distance).fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec::{self, Activation, SumOutput, SumScale};

    use super::*;

    #[test]
    fn the_unit_that_moved_furthest_counts_and_the_output_layer_does_not() {
        let spec = spec::Mlp {
            layers: vec![1, 2, 1, 1],
            activation: Activation::Tanh,
            output_activation: Activation::Identity,
        };
        let network = Network::new(&spec.into());
        // weights and biases: (1, 2), (3, 4); (5, 6), 7; 8, 9
        let start = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let mut end = start;
        (end[0], end[1], end[3]) = (1.5, 5.0, 8.0);
        end[7] = 100.0;
        // unit (2, 4) moved by (3, 4), unit (1, 3) by (0.5, 0)
        assert_eq!(of_layers(&network, &start, &end), [5.0, 0.0]);
        end[0] = f64::NAN;
        assert!(of_layers(&network, &start, &end)[0].is_nan());
    }

    #[test]
    fn the_fixed_outputs_of_a_sum_are_no_weights_of_its_units() {
        let (output, scale) = (SumOutput::RandomSigns, SumScale::InverseSqrtUnits);
        let network =
            Network::new(&spec::Network::ReluSum(spec::ReluSum { inputs: 2, units: 2, output, scale }));
        let start = [0.0, 0.0, 1.0, 1.0, 1.0, -1.0];
        let end = [0.0, 1.0, 4.0, 5.0, -1.0, 1.0];
        assert_eq!(of_layers(&network, &start, &end), [5.0]);
    }
}
