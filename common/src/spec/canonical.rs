//! The one text that identifies a sweep.
//!
//! Every default is written out, keys stand in a fixed order, floats in their shortest form that reads back
//! the same, the grid is expanded, files are known by content. A table (`network`, `data`, `train`,
//! `minima`, `measure`) that all experiments share stands at the top; one that differs anywhere stands whole in each
//! experiment. The text is a deterministic function of the spec and must never change between releases: the
//! identity of every stored sweep hangs on it. So a key that came later is left out where it has its default
//! ([`CAME_LATER`]).

use std::fmt::Write as _;

use toml::Value;

use super::model::*;
use crate::init::{Bias, FanMode, Init, Kaiming, Nonlinearity, Scheme};

/// Keys and values in the order in which they are written.
type Entries = Vec<(&'static str, Value)>;

/// What an experiment holds, as tables: what parameter paths are looked up in.
pub(super) struct ExperimentTable {
    own: Entries,
    sections: [(&'static str, Entries); 5],
}

/// Keys that older releases did not know: a spec that does not need them keeps the id it had.
const CAME_LATER: [(&str, IsDefault); 13] = [
    ("output_activation", |_, value| value.as_str() == Some("identity")),
    ("nesterov", |_, value| value.as_bool() == Some(false)),
    // `adamw` has another default, and came with the key
    ("weight_decay", |table, value| {
        value.as_float() == Some(0.0) && !table.contains(&("optimizer", string("adamw")))
    }),
    ("schedule", |_, value| *value == schedule(&Schedule::default())),
    ("shuffle", |_, value| value.as_bool() == Some(true)),
    ("tolerance_canonical", |_, value| value.as_float() == Some(Tolerances::default().canonical)),
    ("curve", |_, value| value.as_bool() == Some(false)),
    ("symmetry", |_, value| value.as_bool() == Some(false)),
    ("geometry", |_, value| value.as_bool() == Some(false)),
    ("ntk", |_, value| value.as_bool() == Some(false)),
    ("movement", |_, value| value.as_bool() == Some(false)),
    ("barriers", |_, value| value.as_integer() == Some(0)),
    ("tolerance_barrier", |_, value| value.as_float() == Some(Tolerances::default().barrier)),
];

/// Whether a value, in its table, is the default of its key.
type IsDefault = fn(&Entries, &Value) -> bool;

/// The canonical form of `spec`.
pub(super) fn text(spec: &SweepSpec) -> String {
    let tables: Vec<ExperimentTable> = spec.experiments.iter().map(experiment_table).collect();
    let shared: [Option<&(&str, Entries)>; 5] = std::array::from_fn(|section| {
        let first = &tables.first()?.sections[section];
        tables.iter().all(|table| table.sections[section] == *first).then_some(first)
    });
    let mut text = String::new();
    line(&mut text, "name", &string(spec.name.as_str()));
    line(&mut text, "seed", &Value::Integer(i64::try_from(spec.seed).unwrap_or(i64::MAX)));
    line(&mut text, "precision", &string(precision(spec.precision)));
    for (name, entries) in shared[..3].iter().copied().flatten() {
        header(&mut text, &format!("[{name}]"));
        lines(&mut text, entries);
    }
    header(&mut text, "[minima]");
    if let Some((_, entries)) = shared[3] {
        lines(&mut text, entries);
    }
    lines(&mut text, &tolerances(spec.tolerances));
    if let Some((name, entries)) = shared[4] {
        later_section(&mut text, &format!("[{name}]"), entries);
    }
    for (experiment, table) in spec.experiments.iter().zip(&tables) {
        header(&mut text, "[[experiment]]");
        line(&mut text, "name", &string(experiment.name.as_str()));
        lines(&mut text, &table.own);
        let paths = experiment.parameters.iter().map(|parameter| string(&parameter.path)).collect();
        line(&mut text, "parameters", &Value::Array(paths));
        for (section, (name, entries)) in table.sections.iter().enumerate() {
            match shared[section] {
                Some(_) => {}
                None if *name == "measure" => {
                    later_section(&mut text, &format!("[experiment.{name}]"), entries);
                }
                None => {
                    header(&mut text, &format!("[experiment.{name}]"));
                    lines(&mut text, entries);
                }
            }
        }
    }
    text
}

/// The tables of `experiment` with all defaults.
pub(super) fn experiment_table(experiment: &Experiment) -> ExperimentTable {
    let restarts = match &experiment.stop_when {
        // came later: the most restarts are a part of it
        Some(rule) => ("stop_when", stop_when(rule, experiment.restarts)),
        None => ("restarts", integer(experiment.restarts)),
    };
    let mut own = vec![("init", init(&experiment.init)), restarts];
    own.extend(experiment.starts.map(|starts| ("starts", integer(starts))));
    own.extend(experiment.orders.map(|orders| ("orders", integer(orders))));
    own.extend(experiment.fork.map(|updates| ("fork", long(updates))));
    let vary = experiment.vary.names().into_iter().map(string).collect();
    own.push(("vary", Value::Array(vary)));
    let sections = [
        ("network", network(&experiment.network)),
        ("data", data(&experiment.data)),
        ("train", train(&experiment.train)),
        ("minima", minima(&experiment.minima)),
        ("measure", measure(&experiment.measure)),
    ];
    ExperimentTable { own, sections }
}

/// The value at a dotted path of an experiment.
pub(super) fn look_up(table: &ExperimentTable, path: &str) -> Option<Value> {
    let mut steps = path.split('.');
    let first = steps.next()?;
    let section = table.sections.iter().find(|(name, _)| *name == first);
    let (entries, key) = match section {
        Some((_, entries)) => (entries, steps.next()?),
        None => (&table.own, first),
    };
    let value = entries.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
    let found = value.and_then(|value| steps.try_fold(value, |value, step| value.get(step))).cloned();
    // a perturbation of 0 and a fork at 0 are not written, but they can be cells of the grid
    let none = || match path {
        "init.perturb" => Some(Value::Float(0.0)),
        "fork" => Some(long(0)),
        _ => None,
    };
    found.or_else(none)
}

fn network(network: &Network) -> Entries {
    match network {
        Network::Mlp(mlp) => {
            let layers = mlp.layers.iter().map(|&size| integer(size)).collect();
            vec![
                ("kind", string("mlp")),
                ("layers", Value::Array(layers)),
                ("activation", string(mlp.activation.name())),
                ("output_activation", string(mlp.output_activation.name())),
            ]
        }
        Network::ReluSum(sum) => {
            let output = match sum.output {
                SumOutput::Ones => "ones",
                SumOutput::RandomSigns => "random_signs",
            };
            let scale = match sum.scale {
                SumScale::One => "one",
                SumScale::InverseSqrtUnits => "inverse_sqrt_units",
            };
            vec![
                ("kind", string("relu_sum")),
                ("inputs", integer(sum.inputs)),
                ("units", integer(sum.units)),
                ("output", string(output)),
                ("scale", string(scale)),
            ]
        }
    }
}

fn data(data: &Data) -> Entries {
    let mut entries = match &data.source {
        DataSource::Xor { encoding } => {
            vec![("dataset", string("xor")), ("encoding", string(xor_encoding(*encoding)))]
        }
        DataSource::Parity { dims, encoding } => vec![
            ("dataset", string("parity")),
            ("dims", integer(*dims)),
            ("encoding", string(xor_encoding(*encoding))),
        ],
        DataSource::NoisyXor { samples, noise } => vec![
            ("dataset", string("noisy_xor")),
            ("samples", integer(*samples)),
            ("noise", Value::Float(*noise)),
        ],
        DataSource::TwoSpirals => vec![("dataset", string("two_spirals"))],
        DataSource::TeacherStudent { samples, dims, teacher_units, label_noise } => vec![
            ("dataset", string("teacher_student")),
            ("samples", integer(*samples)),
            ("dims", integer(*dims)),
            ("teacher_units", integer(*teacher_units)),
            ("label_noise", Value::Float(*label_noise)),
        ],
        DataSource::TeacherPopulation { teacher_units } => {
            vec![("dataset", string("teacher_population")), ("teacher_units", integer(*teacher_units))]
        }
        DataSource::TeacherStream { samples, dims, teacher_units } => vec![
            ("dataset", string("teacher_stream")),
            ("samples", integer(*samples)),
            ("dims", integer(*dims)),
            ("teacher_units", integer(*teacher_units)),
        ],
        DataSource::SphereRandom { samples, dims, labels } => {
            let labels = match labels {
                SphereLabels::Signs => "signs",
                SphereLabels::Normal => "normal",
            };
            vec![
                ("dataset", string("sphere_random")),
                ("samples", integer(*samples)),
                ("dims", integer(*dims)),
                ("labels", string(labels)),
            ]
        }
        DataSource::Preimage { samples, dims, scheme } => vec![
            ("dataset", string("preimage")),
            ("samples", integer(*samples)),
            ("dims", integer(*dims)),
            ("scheme", string(scheme.name())),
        ],
        DataSource::Wine => vec![("dataset", string("wine"))],
        DataSource::BreastCancer => vec![("dataset", string("breast_cancer"))],
        DataSource::Moons { samples, noise } => vec![
            ("dataset", string("moons")),
            ("samples", integer(*samples)),
            ("noise", Value::Float(*noise)),
        ],
        DataSource::Circles { samples, factor, noise } => vec![
            ("dataset", string("circles")),
            ("samples", integer(*samples)),
            ("factor", Value::Float(*factor)),
            ("noise", Value::Float(*noise)),
        ],
        DataSource::GaussMix { samples, classes, dims, radius } => vec![
            ("dataset", string("gauss_mix")),
            ("samples", integer(*samples)),
            ("classes", integer(*classes)),
            ("dims", integer(*dims)),
            ("radius", Value::Float(*radius)),
        ],
        DataSource::Digits => vec![("dataset", string("digits"))],
        DataSource::Iris => vec![("dataset", string("iris"))],
        DataSource::File(file) => {
            let mut entries = attachment(&file.features);
            entries.extend(target(&file.target));
            entries
        }
    };
    entries.push(("test_fraction", Value::Float(data.test_fraction)));
    entries.push(("standardize", Value::Boolean(data.standardize)));
    entries
}

fn xor_encoding(encoding: XorEncoding) -> &'static str {
    match encoding {
        XorEncoding::Signed => "signed",
        XorEncoding::Binary => "binary",
    }
}

fn target(target: &Target) -> Entries {
    match target {
        Target::Column(name) => vec![("target", string(name))],
        Target::ColumnIndex(index) => vec![("target", Value::Integer(*index))],
        Target::File(file) => vec![("target", table(attachment(file)))],
        Target::Arrays { x, y } => vec![("x", string(x)), ("y", string(y))],
    }
}

/// The last component of the path, and the digest if the file was read.
fn attachment(file: &Attachment) -> Entries {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mut entries = vec![("file", string(name))];
    entries.extend(file.digest.map(|digest| ("digest", string(&digest.to_string()))));
    entries
}

fn train(train: &Train) -> Entries {
    let loss = match train.loss {
        Loss::Mse => "mse",
        Loss::CrossEntropy => "cross_entropy",
        Loss::Logistic => "logistic",
        Loss::Population => "population",
    };
    let mut entries = vec![("loss", string(loss)), ("l2", Value::Float(train.l2))];
    match train.optimizer {
        Optimizer::Gd => entries.push(("optimizer", string("gd"))),
        Optimizer::Sgd { momentum } => {
            entries.push(("optimizer", string("sgd")));
            entries.push(("momentum", Value::Float(momentum)));
            entries.push(("nesterov", Value::Boolean(false)));
        }
        Optimizer::Nesterov { momentum } => {
            entries.push(("optimizer", string("sgd")));
            entries.push(("momentum", Value::Float(momentum)));
            entries.push(("nesterov", Value::Boolean(true)));
        }
        Optimizer::Adam { beta1, beta2, eps } => {
            entries.push(("optimizer", string("adam")));
            entries.push(("betas", Value::Array(vec![Value::Float(beta1), Value::Float(beta2)])));
            entries.push(("eps", Value::Float(eps)));
        }
        Optimizer::AdamW { beta1, beta2, eps } => {
            entries.push(("optimizer", string("adamw")));
            entries.push(("betas", Value::Array(vec![Value::Float(beta1), Value::Float(beta2)])));
            entries.push(("eps", Value::Float(eps)));
        }
        Optimizer::RmsProp { alpha, eps } => {
            entries.push(("optimizer", string("rmsprop")));
            entries.push(("alpha", Value::Float(alpha)));
            entries.push(("eps", Value::Float(eps)));
        }
    }
    entries.push(("weight_decay", Value::Float(train.weight_decay)));
    entries.push(("lr", Value::Float(train.lr)));
    entries.push(("schedule", schedule(&train.schedule)));
    entries.push(match train.batch {
        Batch::Full => ("batch", string("full")),
        Batch::Size(rows) => ("batch", integer(rows)),
    });
    entries.push(("shuffle", Value::Boolean(train.shuffle)));
    entries.push(match train.budget {
        Budget::Epochs(epochs) => ("epochs", long(epochs)),
        Budget::Steps(steps) => ("steps", long(steps)),
    });
    entries.push(("stop", stop(&train.stop)));
    entries
}

fn schedule(schedule: &Schedule) -> Value {
    let mut entries = match schedule.shape {
        LrShape::Constant => vec![("kind", string("constant"))],
        LrShape::Step { step_size, gamma } => {
            vec![("kind", string("step")), ("step_size", long(step_size)), ("gamma", Value::Float(gamma))]
        }
        LrShape::Cosine { t_max, eta_min } => {
            let mut entries = vec![("kind", string("cosine")), ("eta_min", Value::Float(eta_min))];
            entries.extend(t_max.map(|updates| ("t_max", long(updates))));
            entries
        }
    };
    entries.push(("warmup", long(schedule.warmup)));
    table(entries)
}

fn stop_when(rule: &StopWhen, max_restarts: u32) -> Value {
    let goals = [("same_pair_width", rule.same_pair_width), ("coverage", rule.coverage)];
    let goals = goals.into_iter().filter_map(|(key, goal)| Some((key, Value::Float(goal?))));
    table(goals.chain([("max_restarts", integer(max_restarts))]).collect())
}

fn stop(stop: &Stop) -> Value {
    let rules = [("grad_norm", stop.grad_norm), ("loss", stop.loss), ("max_error", stop.max_error)];
    table(rules.into_iter().filter_map(|(key, value)| Some((key, Value::Float(value?)))).collect())
}

fn minima(minima: &Minima) -> Entries {
    let polish = match minima.polish {
        PolishMode::Auto => string("auto"),
        PolishMode::On => Value::Boolean(true),
        PolishMode::Off => Value::Boolean(false),
    };
    vec![
        ("polish", polish),
        ("polish_max_steps", integer(minima.polish_max_steps)),
        ("level", string(minima.level.name())),
        ("same_at", Value::Float(minima.same_at)),
        ("spread_at", Value::Float(minima.spread_at)),
        ("barriers", integer(minima.barriers)),
    ]
}

fn tolerances(tolerances: Tolerances) -> Entries {
    vec![
        ("tolerance_raw", Value::Float(tolerances.raw)),
        ("tolerance_canonical", Value::Float(tolerances.canonical)),
        ("tolerance_function", Value::Float(tolerances.function)),
        ("tolerance_barrier", Value::Float(tolerances.barrier)),
    ]
}

fn measure(measure: &Measure) -> Entries {
    let mut entries = vec![
        ("curve", Value::Boolean(measure.curve)),
        ("symmetry", Value::Boolean(measure.symmetry)),
        ("geometry", Value::Boolean(measure.geometry)),
        ("ntk", Value::Boolean(measure.ntk)),
        ("movement", Value::Boolean(measure.movement)),
    ];
    entries.extend(measure.every.map(|every| ("every", long(every))));
    entries
}

fn init(init: &Init) -> Value {
    let mut entries = match &init.scheme {
        Scheme::File(file) => {
            let mut entries = attachment(file);
            entries.extend(perturb(init));
            return table(entries);
        }
        scheme => vec![("scheme", string(scheme.name()))],
    };
    match &init.scheme {
        Scheme::Zeros
        | Scheme::TorchLinearDefault
        | Scheme::LecunUniform
        | Scheme::LecunNormal
        | Scheme::File(_) => {}
        Scheme::TruncatedNormal { mean, std, low, high } => entries.extend([
            ("mean", Value::Float(*mean)),
            ("std", Value::Float(*std)),
            ("low", Value::Float(*low)),
            ("high", Value::Float(*high)),
        ]),
        Scheme::Orthogonal { gain } => entries.push(("gain", Value::Float(*gain))),
        Scheme::Identity { scale } | Scheme::Hadamard { scale } | Scheme::Dct { scale } => {
            entries.push(("scale", Value::Float(*scale)));
        }
        Scheme::Constant { value } => entries.push(("value", Value::Float(*value))),
        Scheme::Uniform { low, high } => {
            entries.extend([("low", Value::Float(*low)), ("high", Value::Float(*high))]);
        }
        Scheme::Normal { mean, std } => {
            entries.extend([("mean", Value::Float(*mean)), ("std", Value::Float(*std))]);
        }
        Scheme::XavierUniform { gain } | Scheme::XavierNormal { gain } => {
            entries.push(("gain", Value::Float(*gain)));
        }
        Scheme::KaimingUniform(parameters) | Scheme::KaimingNormal(parameters) => {
            entries.extend(kaiming(*parameters));
        }
        Scheme::SymmetricDial { value, eps } => {
            entries.extend([("value", Value::Float(*value)), ("eps", Value::Float(*eps))]);
        }
    }
    entries.push(("bias", bias(init.bias)));
    entries.extend(perturb(init));
    table(entries)
}

/// Came later: not written where it is 0.
fn perturb(init: &Init) -> Option<(&'static str, Value)> {
    (init.perturb != 0.0).then_some(("perturb", Value::Float(init.perturb)))
}

fn kaiming(parameters: Kaiming) -> Entries {
    let mode = match parameters.mode {
        FanMode::FanIn => "fan_in",
        FanMode::FanOut => "fan_out",
    };
    let nonlinearity = match parameters.nonlinearity {
        Nonlinearity::Linear => "linear",
        Nonlinearity::Sigmoid => "sigmoid",
        Nonlinearity::Tanh => "tanh",
        Nonlinearity::Relu => "relu",
        Nonlinearity::LeakyRelu => "leaky_relu",
    };
    vec![("mode", string(mode)), ("nonlinearity", string(nonlinearity))]
}

fn bias(bias: Bias) -> Value {
    match bias {
        Bias::Zeros => string("zeros"),
        Bias::Same => string("same"),
        Bias::TorchDefault => string("torch_default"),
        Bias::Constant(value) => table(vec![("constant", Value::Float(value))]),
    }
}

fn precision(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::F64 => "f64",
    }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn integer(value: u32) -> Value {
    Value::Integer(value.into())
}

fn long(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn table(entries: Entries) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn header(text: &mut String, header: &str) {
    let _ = writeln!(text, "\n{header}");
}

/// A table that came later: not there at all where each of its keys has its default.
fn later_section(text: &mut String, name: &str, entries: &Entries) {
    let mut own = String::new();
    lines(&mut own, entries);
    if !own.is_empty() {
        header(text, name);
        text.push_str(&own);
    }
}

fn lines(text: &mut String, entries: &Entries) {
    let is_unwritten = |key: &str, value: &Value| {
        CAME_LATER.iter().any(|(later, is_default)| *later == key && is_default(entries, value))
    };
    let written = entries.iter().filter(|(key, value)| !is_unwritten(key, value));
    written.for_each(|(key, value)| line(text, key, value));
}

fn line(text: &mut String, key: &str, value: &Value) {
    let _ = write!(text, "{key} = ");
    write_value(text, value);
    text.push('\n');
}

/// Writes a value on one line. Keys of inline tables stand in alphabetical order, whatever order `toml` keeps,
/// but what a table is (`scheme`, `file`, `kind`) comes first.
fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::String(value) => write_string(text, value),
        Value::Integer(value) => drop(write!(text, "{value}")),
        // Rust's shortest form that reads back the same, always with a point or an exponent
        Value::Float(value) => drop(write!(text, "{value:?}")),
        Value::Boolean(value) => drop(write!(text, "{value}")),
        Value::Datetime(value) => drop(write!(text, "{value}")),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                write_value(text, value);
            }
            text.push(']');
        }
        Value::Table(table) => {
            let mut entries: Vec<(&String, &Value)> = table.iter().collect();
            entries.sort_by_key(|(key, _)| (!matches!(key.as_str(), "scheme" | "file" | "kind"), *key));
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                let _ = write!(text, "{}{key} = ", if index > 0 { ", " } else { " " });
                write_value(text, value);
            }
            text.push_str(if table.is_empty() { "}" } else { " }" });
        }
    }
}

fn write_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => drop(write!(text, "\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}
