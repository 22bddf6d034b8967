//! One experiment, from its cell.

use super::cell::Cell;
use super::reader::{self, Mode, Reader, as_table, report_wrong, wrong_type};
use super::{data, init, measure, minima, network, stop_when, train};
use crate::limits;
use crate::spec::canonical;
use crate::spec::diagnostic::{Diagnostics, Span, shown};
use crate::spec::document::{Table, Value};
use crate::spec::model::{Experiment, Measure, Parameter, StopWhen, VarySet};

/// Reads `cell`; `None` if anything in it is wrong.
pub(super) fn read(cell: &Cell, out: &mut Diagnostics<'_>) -> Option<Experiment> {
    let network = section(cell, "network", out, network::read);
    let data = section(cell, "data", out, data::read);
    let train = section(cell, "train", out, train::read);
    let minima = match cell.table.get("minima") {
        Some(_) => section(cell, "minima", out, minima::read),
        None => minima::read(&Table::default(), cell.name_at, Mode::Whole, out),
    };
    let measure = match cell.table.get("measure") {
        Some(_) => section(cell, "measure", out, measure::read),
        None => Some(Measure::default()),
    };
    let mut reader = Reader::new("an `[[experiment]]`", &cell.table, cell.name_at, Mode::Whole, out);
    let most = u32::try_from(limits::TRIALS_PER_SWEEP).unwrap_or(u32::MAX);
    let planned = restarts(&mut reader, most);
    let starts = optional_count(&mut reader, "starts", most);
    let orders = optional_count(&mut reader, "orders", most);
    let fork = match reader.entry("fork") {
        // a fork at 0 is none: the first cell of a grid over it
        Some(_) => reader.integer("fork", 0, limits::STEPS_PER_TRIAL, None).map(|at| (at > 0).then_some(at)),
        None => Some(None),
    };
    let vary = vary(&mut reader);
    let init = reader.required("init", "where training starts, for instance `init = \"xavier_uniform\"`");
    let init = init.and_then(|entry| init::read(entry, out));
    let mut experiment = Experiment {
        name: cell.name.clone()?,
        network: network?,
        data: data?,
        train: train?,
        minima: minima?,
        measure: measure?,
        init: init?,
        restarts: planned?.0,
        stop_when: planned?.1,
        starts: starts?,
        orders: orders?,
        fork: fork?,
        vary: vary?,
        parameters: Vec::new(),
    };
    experiment.parameters = parameters(cell, &experiment, out);
    Some(experiment)
}

type Read<T> = fn(&Table, Span, Mode, &mut Diagnostics<'_>) -> Option<T>;

fn section<T>(cell: &Cell, name: &str, out: &mut Diagnostics<'_>, read: Read<T>) -> Option<T> {
    let Some(entry) = cell.table.get(name) else {
        missing_section(name, out);
        return None;
    };
    read(as_table(entry, out)?, entry.key_at, Mode::Whole, out)
}

/// Reports that there is no table `name`.
pub(super) fn missing_section(name: &str, out: &mut Diagnostics<'_>) {
    let keys = match name {
        "network" => "`layers` and `activation`",
        "data" => "`dataset` or `file`",
        _ => "`loss`, `lr`, `batch` and `epochs` or `steps`",
    };
    out.error(Span::new(0, 0..0), format!("`[{name}]` is missing"), format!("add this table, with {keys}"));
}

/// How many trials, and what ends them earlier: `restarts`, or the most of `stop_when`.
fn restarts(reader: &mut Reader<'_, '_, '_>, most: u32) -> Option<(u32, Option<StopWhen>)> {
    let Some(rule) = reader.entry("stop_when") else {
        return reader.count("restarts", 1, most, None).map(|restarts| (restarts, None));
    };
    let beside = reader.entry("restarts");
    if let Some(restarts) = beside {
        let label = "remove it: with `stop_when` there are as many as it takes, at most `max_restarts`";
        reader.out().error(restarts.node.at, "`restarts` cannot stand beside `stop_when`", label);
    }
    let (rule, max_restarts) = stop_when::read(as_table(rule, reader.out())?, rule.key_at, reader.out())?;
    beside.is_none().then_some((max_restarts, Some(rule)))
}

fn optional_count(reader: &mut Reader<'_, '_, '_>, key: &str, most: u32) -> Option<Option<u32>> {
    match reader.entry(key) {
        Some(_) => reader.count(key, 1, most, None).map(Some),
        None => Some(None),
    }
}

fn vary(reader: &mut Reader<'_, '_, '_>) -> Option<VarySet> {
    let hint = "what changes from restart to restart, for instance `vary = [\"init\", \"order\"]`";
    let entry = reader.required("vary", hint)?;
    let Value::Array(items) = &entry.node.value else {
        return wrong_type(entry, "a list of `init`, `order`, `data` and `perturb`", reader.out());
    };
    let mut vary = VarySet::default();
    let mut sound = true;
    for item in items.iter() {
        let Value::String(word) = &item.value else {
            sound = false;
            report_wrong(item, "vary", "a list of `init`, `order`, `data` and `perturb`", reader.out());
            continue;
        };
        let stream = match &**word {
            "init" => &mut vary.init,
            "order" => &mut vary.order,
            "data" => &mut vary.data,
            "perturb" => &mut vary.perturb,
            _ => {
                sound = false;
                let words = [("init", ()), ("order", ()), ("data", ()), ("perturb", ())];
                reader::choice(word, item.at, "vary", &words, &[], reader.out());
                continue;
            }
        };
        if std::mem::replace(stream, true) {
            sound = false;
            reader.out().error(item.at, format!("`{word}` stands twice in `vary`"), "once is enough");
        }
    }
    sound.then_some(vary)
}

/// The values at the cell's parameter paths, as the canonical form has them.
fn parameters(cell: &Cell, experiment: &Experiment, out: &mut Diagnostics<'_>) -> Vec<Parameter> {
    let table = canonical::experiment_table(experiment);
    let listed = cell.table.get("parameters").is_some();
    let mut parameters = Vec::with_capacity(cell.parameters.len());
    for (path, at) in &cell.parameters {
        match canonical::look_up(&table, path) {
            Some(value) => parameters.push(Parameter { path: path.clone(), value }),
            // an overriding key that is not there is unknown, which was said where its table was read
            None if listed => {
                let label = "write the path of a key, for instance `train.lr`";
                out.error(*at, format!("this experiment has no key `{}`", shown(path)), label);
            }
            None => {}
        }
    }
    parameters
}
