//! `[train]`.

use super::reader::{Mode, Reader, Within, as_table, integer, number, wrong_type};
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::{Table, Value};
use crate::spec::keys;
use crate::spec::model::{Batch, Budget, Loss, Optimizer, Stop, Train};

const LOSSES: [(&str, Loss); 3] =
    [("mse", Loss::Mse), ("cross_entropy", Loss::CrossEntropy), ("logistic", Loss::Logistic)];
const OPTIMIZERS: [(&str, &str); 3] = [("gd", "gd"), ("sgd", "sgd"), ("adam", "adam")];

/// Reads the table `train`.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Train> {
    let mut reader = Reader::new("`[train]`", table, at, mode, out);
    reader.keys(&keys::TRAIN);
    let loss = reader.choice("loss", &LOSSES, &["population"], None);
    let l2 = reader.number("l2", Within::NotNegative, Some(0.0));
    let optimizer = optimizer(&mut reader);
    let lr = reader.number("lr", Within::Positive, None);
    let batch = batch(&mut reader, optimizer == Some(Optimizer::Gd));
    let budget = budget(&mut reader);
    let stop = stop(&mut reader);
    Some(Train {
        loss: loss?,
        l2: l2?,
        optimizer: optimizer?,
        lr: lr?,
        batch: batch?,
        budget: budget?,
        stop: stop?,
    })
}

fn optimizer(reader: &mut Reader<'_, '_, '_>) -> Option<Optimizer> {
    // an override may hold the optimiser's parameters without naming it
    let unnamed = reader.entry("optimizer").is_none() && reader.mode() == Mode::Part;
    let name = reader.choice("optimizer", &OPTIMIZERS, &["adamw", "rmsprop"], Some("sgd"));
    let momentum = reader.number("momentum", Within::HalfOpenUnit, Some(0.0));
    let betas = betas(reader);
    let eps = reader.number("eps", Within::Positive, Some(1e-8));
    let name = name?;
    if !unnamed {
        let takes: &[&str] = match name {
            "gd" => &[],
            "sgd" => &["momentum"],
            _ => &["betas", "eps"],
        };
        reader.only(name, takes, keys::OPTIMIZER);
    }
    let (momentum, (beta1, beta2), eps) = (momentum?, betas?, eps?);
    Some(match name {
        "gd" => Optimizer::Gd,
        "sgd" => Optimizer::Sgd { momentum },
        _ => Optimizer::Adam { beta1, beta2, eps },
    })
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
