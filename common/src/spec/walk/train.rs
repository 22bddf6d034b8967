//! `[train]`.

use super::reader::{Mode, Reader, Within, as_table, integer, number, wrong_type};
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::{Table, Value};
use crate::spec::keys;
use crate::spec::model::{Batch, Budget, Loss, LrShape, Optimizer, Schedule, Stop, Train};

const LOSSES: [(&str, Loss); 4] = [
    ("mse", Loss::Mse),
    ("cross_entropy", Loss::CrossEntropy),
    ("logistic", Loss::Logistic),
    ("population", Loss::Population),
];
const OPTIMIZERS: [(&str, &str); 5] =
    [("gd", "gd"), ("sgd", "sgd"), ("adam", "adam"), ("adamw", "adamw"), ("rmsprop", "rmsprop")];

/// Reads the table `train`.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Train> {
    let mut reader = Reader::new("`[train]`", table, at, mode, out);
    reader.keys(&keys::TRAIN);
    let loss = reader.choice("loss", &LOSSES, &[], None);
    let l2 = reader.number("l2", Within::NotNegative, Some(0.0));
    let optimizer = optimizer(&mut reader);
    // PyTorch's default of AdamW; of all others too
    let decay = if matches!(optimizer, Some(Optimizer::AdamW { .. })) { 0.01 } else { 0.0 };
    let weight_decay = reader.number("weight_decay", Within::NotNegative, Some(decay));
    let lr = reader.number("lr", Within::Positive, None);
    let schedule = schedule(&mut reader);
    let shuffle = reader.boolean("shuffle", true);
    let batch = batch(&mut reader, optimizer == Some(Optimizer::Gd));
    let budget = budget(&mut reader);
    let stop = stop(&mut reader);
    Some(Train {
        loss: loss?,
        l2: l2?,
        optimizer: optimizer?,
        weight_decay: weight_decay?,
        lr: lr?,
        schedule: schedule?,
        batch: batch?,
        shuffle: shuffle?,
        budget: budget?,
        stop: stop?,
    })
}

fn optimizer(reader: &mut Reader<'_, '_, '_>) -> Option<Optimizer> {
    // an override may hold the optimiser's parameters without naming it
    let unnamed = reader.entry("optimizer").is_none() && reader.mode() == Mode::Part;
    let name = reader.choice("optimizer", &OPTIMIZERS, &[], Some("sgd"));
    let momentum = reader.number("momentum", Within::HalfOpenUnit, Some(0.0));
    let nesterov = nesterov(reader, momentum, name);
    let alpha = reader.number("alpha", Within::HalfOpenUnit, Some(0.99));
    let betas = betas(reader);
    let eps = reader.number("eps", Within::Positive, Some(1e-8));
    let name = name?;
    if !unnamed {
        let takes: &[&str] = match name {
            "gd" => &["weight_decay"],
            "sgd" => &["momentum", "nesterov", "weight_decay"],
            "rmsprop" => &["alpha", "eps", "weight_decay"],
            _ => &["betas", "eps", "weight_decay"],
        };
        reader.only(name, takes, keys::OPTIMIZER);
    }
    let (momentum, nesterov, (beta1, beta2), alpha, eps) = (momentum?, nesterov?, betas?, alpha?, eps?);
    Some(match name {
        "gd" => Optimizer::Gd,
        "sgd" if nesterov => Optimizer::Nesterov { momentum },
        "sgd" => Optimizer::Sgd { momentum },
        "adam" => Optimizer::Adam { beta1, beta2, eps },
        "adamw" => Optimizer::AdamW { beta1, beta2, eps },
        _ => Optimizer::RmsProp { alpha, eps },
    })
}

/// As in PyTorch, Nesterov's look ahead needs a momentum to look along.
fn nesterov(reader: &mut Reader<'_, '_, '_>, momentum: Option<f64>, name: Option<&str>) -> Option<bool> {
    let nesterov = reader.boolean("nesterov", false)?;
    let is_whole = reader.mode() == Mode::Whole;
    if let Some(entry) = reader.entry("nesterov")
        && nesterov
        && is_whole
        && momentum == Some(0.0)
        && name == Some("sgd")
    {
        let label = "write for instance `momentum = 0.9` beside it";
        reader.out().error(entry.key_at, "`nesterov` needs a `momentum` above 0", label);
        return None;
    }
    Some(nesterov)
}

fn schedule(reader: &mut Reader<'_, '_, '_>) -> Option<Schedule> {
    let Some(entry) = reader.entry("schedule") else { return Some(Schedule::default()) };
    let table = as_table(entry, reader.out())?;
    let mut reader = Reader::new("`schedule`", table, entry.key_at, Mode::Whole, reader.out());
    reader.keys(&keys::SCHEDULE);
    let kinds = [("constant", "constant"), ("step", "step"), ("cosine", "cosine")];
    let kind = reader.choice("kind", &kinds, &[], None);
    let most = limits::STEPS_PER_TRIAL;
    let warmup = reader.integer("warmup", 0, most, Some(0));
    let takes: &[&str] = match kind? {
        "constant" => &[],
        "step" => &["step_size", "gamma"],
        _ => &["t_max", "eta_min"],
    };
    reader.only(kind?, takes, keys::SHAPE);
    let shape = match kind? {
        "constant" => LrShape::Constant,
        "step" => {
            let step_size = reader.integer("step_size", 1, most, None);
            let gamma = reader.number("gamma", Within::PositiveUnit, Some(0.1));
            LrShape::Step { step_size: step_size?, gamma: gamma? }
        }
        _ => {
            let t_max = match reader.entry("t_max") {
                Some(_) => reader.integer("t_max", 1, most, None).map(Some),
                None => Some(None),
            };
            let eta_min = reader.number("eta_min", Within::NotNegative, Some(0.0));
            LrShape::Cosine { t_max: t_max?, eta_min: eta_min? }
        }
    };
    Some(Schedule { warmup: warmup?, shape })
}

fn betas(reader: &mut Reader<'_, '_, '_>) -> Option<(f64, f64)> {
    let Some(entry) = reader.entry("betas") else { return Some((0.9, 0.999)) };
    let Value::Array(items) = &entry.node.value else {
        return wrong_type(entry, "a list of two numbers", reader.out());
    };
    let [first, second] = &**items else {
        let label = format!("this lists {}", items.len());
        reader.out().error(entry.node.at, "`betas` must be a list of two numbers", label);
        return None;
    };
    let first = number(first, "betas", Within::HalfOpenUnit, reader.out());
    let second = number(second, "betas", Within::HalfOpenUnit, reader.out());
    Some((first?, second?))
}

fn batch(reader: &mut Reader<'_, '_, '_>, full: bool) -> Option<Batch> {
    if full && reader.entry("batch").is_none() {
        return Some(Batch::Full);
    }
    let entry =
        reader.required("batch", "rows per update, for instance `batch = 32`, or `batch = \"full\"`")?;
    let batch = match &entry.node.value {
        Value::String(word) if &**word == "full" => Some(Batch::Full),
        Value::Integer(_) => {
            let rows = integer(&entry.node, "batch", 1, limits::DATA_VALUES, reader.out())?;
            u32::try_from(rows).ok().map(Batch::Size)
        }
        _ => wrong_type(entry, "a whole number or \"full\"", reader.out()),
    };
    if full && batch.is_some_and(|batch| batch != Batch::Full) {
        let label = "write `batch = \"full\"` or `optimizer = \"sgd\"`";
        reader.out().error(entry.node.at, "`gd` uses all rows in each update", label);
        return None;
    }
    batch
}

fn budget(reader: &mut Reader<'_, '_, '_>) -> Option<Budget> {
    let most = limits::STEPS_PER_TRIAL;
    match (reader.entry("epochs"), reader.entry("steps")) {
        (Some(_), Some(steps)) => {
            reader.out().error(steps.key_at, "`steps` and `epochs` exclude each other", "remove one of them");
            None
        }
        (Some(_), None) => reader.integer("epochs", 1, most, None).map(Budget::Epochs),
        (None, Some(_)) => reader.integer("steps", 0, most, None).map(Budget::Steps),
        (None, None) => {
            reader.missing("`epochs` or `steps`", "when training ends, for instance `epochs = 20`");
            None
        }
    }
}

fn stop(reader: &mut Reader<'_, '_, '_>) -> Option<Stop> {
    let Some(entry) = reader.entry("stop") else { return Some(Stop::default()) };
    let table = as_table(entry, reader.out())?;
    let mut reader = Reader::new("`stop`", table, entry.key_at, Mode::Whole, reader.out());
    reader.keys(&keys::STOP);
    let grad_norm = reader.optional_number("grad_norm", Within::Positive);
    let loss = reader.optional_number("loss", Within::NotNegative);
    let max_error = reader.optional_number("max_error", Within::Positive);
    Some(Stop { grad_norm: grad_norm?, loss: loss?, max_error: max_error? })
}
