//! `init`: a scheme's name, or a table with its parameters.

use super::data::attachment;
use super::reader::{Mode, Reader, Within, choice, number, wrong_node, wrong_type};
use crate::init::{Bias, FanMode, Init, Kaiming, Nonlinearity, Scheme};
use crate::spec::diagnostic::{Diagnostics, Span, did_you_mean};
use crate::spec::document::{Entry, Table, Value};
use crate::spec::keys;

const SCHEMES: [&str; 17] = [
    "constant",
    "zeros",
    "uniform",
    "normal",
    "truncated_normal",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "lecun_uniform",
    "lecun_normal",
    "torch_linear_default",
    "orthogonal",
    "identity",
    "hadamard",
    "dct",
    "symmetric_dial",
];

/// How many sd away a truncated normal may begin: beyond, its share of the whole is below 10⁻¹⁵.
const TAIL: f64 = 8.0;

/// Reads the value of `init`.
pub(super) fn read(entry: &Entry, out: &mut Diagnostics<'_>) -> Option<Init> {
    match &entry.node.value {
        Value::String(word) => {
            let empty = Table::default();
            let mut reader = Reader::new("`init`", &empty, entry.node.at, Mode::Whole, out);
            let name = scheme_name(word, entry.node.at, reader.out())?;
            named(&mut reader, name)
        }
        Value::Table(table) => {
            let mut reader = Reader::new("`init`", table, entry.key_at, Mode::Whole, out);
            reader.keys(&keys::INIT);
            from_table(&mut reader)
        }
        _ => wrong_type(entry, "a scheme's name or a table", out),
    }
}

fn from_table(reader: &mut Reader<'_, '_, '_>) -> Option<Init> {
    if let (Some(file), Some(_)) = (reader.entry("file"), reader.entry("scheme")) {
        reader.out().error(file.key_at, "`file` and `scheme` exclude each other", "remove one of them");
        return None;
    }
    if reader.entry("file").is_some() {
        reader.only("file", &["digest"], keys::SCHEME);
        if let Some(bias) = reader.entry("bias") {
            reader.out().error(
                bias.key_at,
                "`bias` is not a parameter of `file`",
                "the file holds the biases too",
            );
        }
        let perturb = perturb(reader);
        let scheme = Scheme::File(attachment(reader, &[".npy", ".safetensors"])?);
        return Some(Init { scheme, bias: Bias::Zeros, perturb: perturb? });
    }
    let (word, at) = reader.string("scheme", "for instance `scheme = \"xavier_uniform\"`")?;
    let name = scheme_name(word, at, reader.out())?;
    named(reader, name)
}

fn scheme_name(word: &str, at: Span, out: &mut Diagnostics<'_>) -> Option<&'static str> {
    // names that other libraries use
    let alias = match word {
        "he" | "he_normal" => Some("kaiming_normal"),
        "he_uniform" => Some("kaiming_uniform"),
        "glorot" | "glorot_uniform" | "xavier" => Some("xavier_uniform"),
        "glorot_normal" => Some("xavier_normal"),
        "kaiming" => Some("kaiming_normal"),
        _ => None,
    };
    if let Some(name) = alias {
        out.error(at, format!("`{word}` is not a value of `init`"), format!("it is called `{name}` here"));
        return None;
    }
    if did_you_mean(word, &SCHEMES).is_empty() && word.ends_with(".npy") {
        out.error(at, "a start from a file is a table", "write `init = { file = \"start.npy\" }`");
        return None;
    }
    choice(word, at, "init", &SCHEMES.map(|name| (name, name)), &[], out)
}

fn named(reader: &mut Reader<'_, '_, '_>, name: &'static str) -> Option<Init> {
    reader.only(name, parameters(name), keys::SCHEME);
    let scheme = scheme(reader, name);
    let bias = bias(reader, name);
    let perturb = perturb(reader);
    let (scheme, bias) = (scheme?, bias?);
    if bias == Bias::Same && scheme.is_of_matrices() {
        if let Some(entry) = reader.entry("bias") {
            let title = format!("`bias = \"same\"` has no meaning for `{name}`");
            let label = "its weights are made as a whole: use \"zeros\", \"torch_default\" or a constant";
            reader.out().error(entry.node.at, title, label);
        }
        return None;
    }
    Some(Init { scheme, bias, perturb: perturb? })
}

/// Sd of the noise on top of any scheme.
fn perturb(reader: &mut Reader<'_, '_, '_>) -> Option<f64> {
    reader.number("perturb", Within::NotNegative, Some(0.0))
}

fn parameters(name: &str) -> &'static [&'static str] {
    match name {
        "constant" => &["value"],
        "uniform" => &["low", "high"],
        "normal" => &["mean", "std"],
        "truncated_normal" => &["mean", "std", "low", "high"],
        "orthogonal" => &["gain"],
        "identity" | "hadamard" | "dct" => &["scale"],
        "xavier_uniform" | "xavier_normal" => &["gain"],
        "kaiming_uniform" | "kaiming_normal" => &["mode", "nonlinearity"],
        "symmetric_dial" => &["value", "eps"],
        _ => &[],
    }
}

fn scheme(reader: &mut Reader<'_, '_, '_>, name: &str) -> Option<Scheme> {
    match name {
        "constant" => Some(Scheme::Constant { value: reader.number("value", Within::Any, None)? }),
        "zeros" => Some(Scheme::Zeros),
        "uniform" => uniform(reader),
        "normal" => {
            let mean = reader.number("mean", Within::Any, Some(0.0));
            let std = reader.number("std", Within::Positive, None);
            Some(Scheme::Normal { mean: mean?, std: std? })
        }
        "xavier_uniform" => Some(Scheme::XavierUniform { gain: gain(reader)? }),
        "xavier_normal" => Some(Scheme::XavierNormal { gain: gain(reader)? }),
        "kaiming_uniform" => kaiming(reader).map(Scheme::KaimingUniform),
        "kaiming_normal" => kaiming(reader).map(Scheme::KaimingNormal),
        "torch_linear_default" => Some(Scheme::TorchLinearDefault),
        "truncated_normal" => truncated_normal(reader),
        "lecun_uniform" => Some(Scheme::LecunUniform),
        "lecun_normal" => Some(Scheme::LecunNormal),
        "orthogonal" => Some(Scheme::Orthogonal { gain: gain(reader)? }),
        "identity" => Some(Scheme::Identity { scale: scale(reader)? }),
        "hadamard" => Some(Scheme::Hadamard { scale: scale(reader)? }),
        "dct" => Some(Scheme::Dct { scale: scale(reader)? }),
        _ => {
            let value = reader.number("value", Within::Any, None);
            let eps = reader.number("eps", Within::NotNegative, None);
            Some(Scheme::SymmetricDial { value: value?, eps: eps? })
        }
    }
}

fn uniform(reader: &mut Reader<'_, '_, '_>) -> Option<Scheme> {
    let low = reader.number("low", Within::Any, None);
    let high = reader.number("high", Within::Any, None);
    let (low, high) = (low?, high?);
    if low >= high {
        if let Some(entry) = reader.entry("high") {
            reader.out().error(entry.node.at, "`high` must be above `low`", format!("`low` is {low:?}"));
        }
        return None;
    }
    Some(Scheme::Uniform { low, high })
}

/// As PyTorch: absolute ends, by default −2 and 2.
fn truncated_normal(reader: &mut Reader<'_, '_, '_>) -> Option<Scheme> {
    let mean = reader.number("mean", Within::Any, Some(0.0));
    let std = reader.number("std", Within::Positive, None);
    let low = reader.number("low", Within::Any, Some(-2.0));
    let high = reader.number("high", Within::Any, Some(2.0));
    let (mean, std, low, high) = (mean?, std?, low?, high?);
    let refused = if low >= high {
        Some(("`high` must be above `low`".to_owned(), format!("from {low:?} to {high:?}")))
    } else if low > mean + TAIL * std || high < mean - TAIL * std {
        let title = format!("`low` to `high` must come within {TAIL} `std` of `mean`");
        Some((title, format!("from {low:?} to {high:?}, around {mean:?}")))
    } else {
        None
    };
    if let Some((title, label)) = refused {
        let entry = ["high", "low", "std", "mean"].iter().find_map(|key| reader.entry(key));
        if let Some(entry) = entry {
            reader.out().error(entry.node.at, title, label);
        }
        return None;
    }
    Some(Scheme::TruncatedNormal { mean, std, low, high })
}

fn scale(reader: &mut Reader<'_, '_, '_>) -> Option<f64> {
    reader.number("scale", Within::Any, Some(1.0))
}

fn gain(reader: &mut Reader<'_, '_, '_>) -> Option<f64> {
    reader.number("gain", Within::Positive, Some(1.0))
}

fn kaiming(reader: &mut Reader<'_, '_, '_>) -> Option<Kaiming> {
    let modes = [("fan_in", FanMode::FanIn), ("fan_out", FanMode::FanOut)];
    let nonlinearities = [
        ("linear", Nonlinearity::Linear),
        ("sigmoid", Nonlinearity::Sigmoid),
        ("tanh", Nonlinearity::Tanh),
        ("relu", Nonlinearity::Relu),
        ("leaky_relu", Nonlinearity::LeakyRelu),
    ];
    let mode = reader.choice("mode", &modes, &[], Some(FanMode::FanIn));
    let nonlinearity = reader.choice("nonlinearity", &nonlinearities, &[], Some(Nonlinearity::Relu));
    Some(Kaiming { mode: mode?, nonlinearity: nonlinearity? })
}

/// The biases; the default is zeros, but as the weights where the scheme fills every layer alike.
fn bias(reader: &mut Reader<'_, '_, '_>, scheme: &str) -> Option<Bias> {
    let Some(entry) = reader.entry("bias") else {
        return Some(match scheme {
            "constant" | "symmetric_dial" => Bias::Same,
            "torch_linear_default" => Bias::TorchDefault,
            _ => Bias::Zeros,
        });
    };
    match &entry.node.value {
        Value::String(word) => {
            let words = [("zeros", Bias::Zeros), ("same", Bias::Same), ("torch_default", Bias::TorchDefault)];
            choice(word, entry.node.at, "bias", &words, &[], reader.out())
        }
        Value::Table(table) => {
            let mut reader = Reader::new("`bias`", table, entry.key_at, Mode::Whole, reader.out());
            reader.keys(&keys::Keys { known: &["constant"], later: &[] });
            let hint = "for instance `bias = { constant = 0.1 }`";
            let constant = reader.required("constant", hint)?;
            number(&constant.node, "constant", Within::Any, reader.out()).map(Bias::Constant)
        }
        _ => {
            let expected = "\"zeros\", \"same\", \"torch_default\" or `{ constant = 0.1 }`";
            wrong_node(&entry.node, "bias", expected, reader.out())
        }
    }
}
