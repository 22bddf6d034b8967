//! `[network]`.

use super::reader::{Mode, Reader, integer, wrong_type};
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::{Table, Value};
use crate::spec::keys;
use crate::spec::model::{Activation, Mlp, Network, ReluSum, SumOutput, SumScale};

const ACTIVATIONS: [(&str, Activation); 6] = [
    ("relu", Activation::Relu),
    ("leaky_relu", Activation::LeakyRelu),
    ("gelu", Activation::Gelu),
    ("tanh", Activation::Tanh),
    ("sigmoid", Activation::Sigmoid),
    ("identity", Activation::Identity),
];
/// A rectified output could be dead on every row, and then nothing would train.
const OUTPUT_ACTIVATIONS: [(&str, Activation); 3] =
    [("identity", Activation::Identity), ("tanh", Activation::Tanh), ("sigmoid", Activation::Sigmoid)];

/// Reads the table `network`.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Network> {
    let mut reader = Reader::new("`[network]`", table, at, mode, out);
    reader.keys(&keys::NETWORK);
    // an override may hold the parameters of a kind without naming it
    let unnamed = reader.entry("kind").is_none() && reader.mode() == Mode::Part;
    let kind = reader.choice("kind", &[("mlp", "mlp"), ("relu_sum", "relu_sum")], &[], Some("mlp"))?;
    if unnamed {
        mlp(&mut reader);
        relu_sum(&mut reader);
        return None;
    }
    match kind {
        "mlp" => {
            reader.only(kind, &["layers", "activation", "output_activation"], keys::KIND);
            mlp(&mut reader).map(Network::Mlp)
        }
        _ => {
            reader.only(kind, &["inputs", "units", "output", "scale"], keys::KIND);
            relu_sum(&mut reader).map(Network::ReluSum)
        }
    }
}

fn relu_sum(reader: &mut Reader<'_, '_, '_>) -> Option<ReluSum> {
    let inputs = reader.count("inputs", 1, limits::LAYER_WIDTH, None);
    let units = reader.count("units", 1, limits::LAYER_WIDTH, None);
    let outputs = [("ones", SumOutput::Ones), ("random_signs", SumOutput::RandomSigns)];
    let output = reader.choice("output", &outputs, &[], Some(SumOutput::Ones));
    let scales = [("one", SumScale::One), ("inverse_sqrt_units", SumScale::InverseSqrtUnits)];
    let scale = reader.choice("scale", &scales, &[], Some(SumScale::One));
    let sum = ReluSum { inputs: inputs?, units: units?, output: output?, scale: scale? };
    if sum.parameter_count() > limits::PARAMETERS {
        let title = format!("a network may have at most {} parameters", limits::PARAMETERS);
        if let Some(entry) = reader.entry("units") {
            reader.out().error(entry.node.at, title, format!("this makes {}", sum.parameter_count()));
        }
        return None;
    }
    Some(sum)
}

fn mlp(reader: &mut Reader<'_, '_, '_>) -> Option<Mlp> {
    let layers = layers(reader);
    // a network without a hidden layer has nothing to activate
    let default = layers.as_ref().is_some_and(|layers| layers.len() == 2).then_some(Activation::Identity);
    let activation = reader.choice("activation", &ACTIVATIONS, &[], default);
    let output = reader.choice("output_activation", &OUTPUT_ACTIVATIONS, &[], Some(Activation::Identity));
    Some(Mlp { layers: layers?, activation: activation?, output_activation: output? })
}

fn layers(reader: &mut Reader<'_, '_, '_>) -> Option<Vec<u32>> {
    let entry = reader.required("layers", "sizes from input to output, for instance `layers = [2, 8, 1]`")?;
    let Value::Array(items) = &entry.node.value else {
        return wrong_type(entry, "a list of whole numbers", reader.out());
    };
    if !(2..=limits::LAYERS).contains(&items.len()) {
        let title = format!("`layers` must list from 2 to {} sizes", limits::LAYERS);
        reader.out().error(entry.node.at, title, format!("this lists {}", items.len()));
        return None;
    }
    let widest = u64::from(limits::LAYER_WIDTH);
    let sizes: Vec<Option<u32>> = items
        .iter()
        .map(|item| {
            integer(item, "layers", 1, widest, reader.out()).and_then(|size| u32::try_from(size).ok())
        })
        .collect();
    let layers: Vec<u32> = sizes.into_iter().collect::<Option<_>>()?;
    let mlp = Mlp { layers, activation: Activation::Identity, output_activation: Activation::Identity };
    let parameters = mlp.parameter_count();
    if parameters > limits::PARAMETERS {
        let title = format!("a network may have at most {} parameters", limits::PARAMETERS);
        reader.out().error(entry.node.at, title, format!("this has {parameters}"));
        return None;
    }
    Some(mlp.layers)
}
