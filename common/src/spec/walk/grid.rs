//! `[grid]`: its axes, and the cells into which it multiplies every experiment.

use std::rc::Rc;

use super::cell::{Cell, Written, written};
use super::reader;
use crate::id::Name;
use crate::limits;
use crate::nearest::nearest;
use crate::spec::diagnostic::{Diagnostics, Span, shown};
use crate::spec::document::{Node, Table, Value};
use crate::spec::keys::{self, Keys};

/// One `key = [values]` of `[grid]`.
struct Axis {
    path: String,
    at: Span,
    values: Rc<[Node]>,
}

impl Axis {
    fn steps(&self) -> Vec<&str> {
        self.path.split('.').collect()
    }
}

/// All experiments in the order of the report: as written, each followed through the grid, whose last key
/// changes fastest. What is wrong is reported and left out, so that the rest is still looked at.
pub(super) fn cells(document: &Table, out: &mut Diagnostics<'_>) -> Vec<Cell> {
    let mut axes = axes(document, out);
    let written = written(document, out);
    for (experiment, axis) in
        written.iter().flat_map(|experiment| axes.iter().map(move |axis| (experiment, axis)))
    {
        refuse_conflict(&experiment.own, axis, out);
    }
    let cells = cell_count(document, &axes, written.len(), out).unwrap_or_else(|| {
        // the rest is looked at with the first value of each key
        axes.iter_mut().for_each(|axis| axis.values = Rc::from([axis.values[0].clone()]));
        1
    });
    let of_all = written.iter().flat_map(|experiment| (0..cells).map(move |cell| (experiment, cell)));
    of_all.map(|(experiment, cell)| expanded(experiment, &axes, cell, out)).collect()
}

/// How many cells each experiment becomes; `None` if there would be too many.
fn cell_count(
    document: &Table,
    axes: &[Axis],
    experiments: usize,
    out: &mut Diagnostics<'_>,
) -> Option<usize> {
    let cells = axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.values.len()));
    let total = cells.and_then(|cells| cells.checked_mul(experiments));
    if total.is_none_or(|total| total > limits::EXPERIMENTS) {
        let entry = document.get("grid")?;
        let title = format!("a sweep may have at most {} experiments", limits::EXPERIMENTS);
        let sizes: Vec<String> = axes.iter().map(|axis| axis.values.len().to_string()).collect();
        let product = total.map_or_else(|| "more than can be counted".to_owned(), |total| total.to_string());
        let label = format!("{experiments} in the file × {} cells = {product}", sizes.join(" × "));
        out.error(entry.key_at, title, label);
        return None;
    }
    cells
}

fn axes(document: &Table, out: &mut Diagnostics<'_>) -> Vec<Axis> {
    let Some(entry) = document.get("grid") else { return Vec::new() };
    let Some(table) = reader::as_table(entry, out) else { return Vec::new() };
    if table.entries().is_empty() {
        out.error(
            entry.key_at,
            "`[grid]` is empty",
            "for instance `\"train.lr\" = [0.05, 0.1]`; or remove it",
        );
    }
    let mut written = Vec::new();
    flatten(table, "", &mut written, out);
    if written.len() > limits::GRID_AXES {
        let title = format!("a grid may have at most {} keys", limits::GRID_AXES);
        out.error(entry.key_at, title, format!("this has {}", written.len()));
        written.truncate(limits::GRID_AXES);
    }
    let mut axes: Vec<Axis> = Vec::new();
    for axis in written {
        if axes.iter().any(|before| before.path == axis.path) {
            out.error(axis.at, format!("`{}` stands twice in `[grid]`", axis.path), "remove one of them");
        } else if path_is_legal(&axis, out) {
            axes.push(axis);
        }
    }
    axes
}

/// Collects the axes of `table`: `"train.lr" = […]` and `train.lr = […]` are the same.
fn flatten(table: &Table, prefix: &str, axes: &mut Vec<Axis>, out: &mut Diagnostics<'_>) {
    // stands for the values of a key whose list was reported: nobody misses the key, and nobody reads it
    let broken =
        |path: String, at: Span| Axis { path, at, values: Rc::from([Node { at, value: Value::Broken }]) };
    for entry in table.entries() {
        let path = format!("{prefix}{}", entry.key);
        match &entry.node.value {
            Value::Table(inner) => flatten(inner, &format!("{path}."), axes, out),
            Value::Array(values) if values.is_empty() => {
                out.error(entry.node.at, "a grid key needs at least one value", "this list is empty");
                axes.push(broken(path, entry.key_at));
            }
            Value::Array(values) => axes.push(Axis { path, at: entry.key_at, values: Rc::clone(values) }),
            Value::Broken => axes.push(broken(path, entry.key_at)),
            _ => {
                let title = format!("`{}` in `[grid]` must be a list of values", shown(&path));
                out.error(entry.node.at, title, format!("this is {}", entry.node.value.kind()));
                axes.push(broken(path, entry.key_at));
            }
        }
    }
}

fn path_is_legal(axis: &Axis, out: &mut Diagnostics<'_>) -> bool {
    const OWN: [&str; 6] = ["init", "restarts", "starts", "orders", "fork", "vary"];
    let steps = axis.steps();
    let legal = match steps.as_slice() {
        ["minima", key] if key.starts_with("tolerance_") => {
            let title = format!("`{}` is the same for all experiments", axis.path);
            out.error(axis.at, title, "it belongs in `[minima]`: all minima are told apart together");
            return false;
        }
        [own] => OWN.contains(own),
        ["init", _] => true,
        [section, key] | [section, key, _] if keys::SECTIONS.contains(section) => {
            return key_is_known(section, key, axis, out);
        }
        _ => false,
    };
    if !legal {
        let sections = keys::SECTIONS.iter().map(|section| format!("`{section}.KEY`"));
        let own = OWN.iter().map(|key| format!("`{key}`"));
        let all: Vec<String> = sections.chain(["`init.KEY`".to_owned()]).chain(own).collect();
        let label = suggestion(&axis.path).unwrap_or_else(|| format!("allowed: {}", all.join(", ")));
        out.error(axis.at, format!("`{}` cannot stand in `[grid]`", shown(&axis.path)), label);
    }
    legal
}

fn key_is_known(section: &str, key: &str, axis: &Axis, out: &mut Diagnostics<'_>) -> bool {
    let keys = keys_of(section);
    // later keys are refused where the table is read
    let known = keys.known.contains(&key) || keys.later.contains(&key);
    if !known {
        let label = match nearest(key, keys.known.iter().copied()) {
            Some(meant) => format!("did you mean `{section}.{meant}`?"),
            None => format!("allowed after `{section}.`: {}", keys.known.join(", ")),
        };
        out.error(axis.at, format!("unknown key `{}`", shown(&axis.path)), label);
    }
    known
}

fn keys_of(section: &str) -> &'static Keys {
    match section {
        "network" => &keys::NETWORK,
        "data" => &keys::DATA,
        "train" => &keys::TRAIN,
        "measure" => &keys::MEASURE,
        _ => &keys::EXPERIMENT_MINIMA,
    }
}

/// The path that was meant, where a key was written without its table.
fn suggestion(path: &str) -> Option<String> {
    let meant = keys::SECTIONS.into_iter().find(|section| keys_of(section).known.contains(&path));
    if let Some(section) = meant {
        return Some(format!("did you mean `{section}.{path}`?"));
    }
    let (section, key) = path.split_once('.')?;
    let meant = nearest(section, keys::SECTIONS)?;
    Some(format!("did you mean `{meant}.{key}`?"))
}

/// What an experiment sets itself cannot be in the grid as well: one of the two would be ignored.
fn refuse_conflict(own: &Table, axis: &Axis, out: &mut Diagnostics<'_>) {
    let steps = axis.steps();
    let direct = own.at_path(&steps);
    let rival = || {
        let [section, key, ..] = steps.as_slice() else { return None };
        // an experiment's `init` is its own: the grid changes it key by key
        let rivals = if *section == "init" { &[] } else { keys::rivals(section, key) };
        rivals.iter().find_map(|rival| own.at_path(&[section, rival]))
    };
    if let Some(entry) = direct.or_else(rival) {
        let title = if direct.is_some() {
            format!("`{}` is set both here and in `[grid]`", axis.path)
        } else {
            format!("`{}` is set here, and `{}` in `[grid]` replaces it", entry.key, axis.path)
        };
        out.error(entry.key_at, title, "remove one of them: the grid multiplies every experiment");
    }
}

/// Cell number `cell` of an experiment: the last axis changes fastest.
fn expanded(experiment: &Written, axes: &[Axis], cell: usize, out: &mut Diagnostics<'_>) -> Cell {
    let mut table = experiment.table.clone();
    let mut parameters = experiment.parameters.clone();
    let mut left = cell;
    let mut picked: Vec<(&Axis, &Node)> = Vec::new();
    for axis in axes.iter().rev() {
        picked.push((axis, &axis.values[left % axis.values.len()]));
        left /= axis.values.len();
    }
    picked.reverse();
    for (axis, _) in &picked {
        drop_rivals(&mut table, &axis.steps());
    }
    for (axis, value) in picked {
        warn_of_vain_set(&table, axis, out);
        let steps: Vec<(&str, Span)> = axis.path.split('.').map(|step| (step, axis.at)).collect();
        if let Err(step) = table.put_at(&steps, value.clone()) {
            let title = format!("`{}` in `[grid]` leads nowhere", axis.path);
            out.error(axis.at, title, format!("`{}` is not a table", steps[step].0));
        }
        if !parameters.iter().any(|(path, _)| *path == axis.path) {
            parameters.push((axis.path.clone(), axis.at));
        }
    }
    let name = match &experiment.name {
        Some(name) if !axes.is_empty() => cell_name(name, cell, experiment.name_at, out),
        name => name.clone(),
    };
    Cell { name, name_at: experiment.name_at, table, parameters }
}

fn cell_name(name: &Name, cell: usize, at: Span, out: &mut Diagnostics<'_>) -> Option<Name> {
    let numbered = Name::new(&format!("{name}.g{cell}"));
    if let Err(error) = &numbered {
        out.error(at, "this name is too long for a grid, which adds `.g0`, `.g1`, …", error.to_string());
    }
    numbered.ok()
}

fn drop_rivals(table: &mut Table, steps: &[&str]) {
    let [section, key, ..] = steps else { return };
    let rivals = keys::rivals(section, key);
    if let Some(Value::Table(inner)) = table.value_mut(section) {
        inner.remove_if(|entry| rivals.contains(&&*entry.key));
    }
}

/// A `--set` that the grid overwrites does nothing, which its author should know.
fn warn_of_vain_set(table: &Table, axis: &Axis, out: &mut Diagnostics<'_>) {
    if let Some(entry) = table.at_path(&axis.steps())
        && entry.node.at.source != 0
    {
        let title = format!("`{}` has no effect", axis.path);
        let label = format!("`[grid]` sets it for every experiment; write `--set grid.{}=[…]`", axis.path);
        out.warn(entry.key_at, title, label);
    }
}
