//! `--set key=value`: changes to the document before it is read, each with its own place for messages.

use std::rc::Rc;

use super::diagnostic::{Diagnostics, Span, any_of, shown};
use super::document::{self, Node, Table, Value};
use super::keys;
use crate::nearest::nearest;

/// Applies `sets` in the order given; a later one wins over an earlier one.
pub(super) fn apply<'s>(document: &mut Table, sets: &'s [String], out: &mut Diagnostics<'s>) {
    for set in sets {
        let source = out.add_set(set);
        apply_one(document, set, source, out);
    }
}

fn apply_one(document: &mut Table, set: &str, source: usize, out: &mut Diagnostics<'_>) {
    let whole = Span::new(source, 0..set.len());
    let Some((key, text)) = set.split_once('=') else {
        out.error(whole, "`--set` needs `key=value`", "for instance `train.lr=0.1`");
        return;
    };
    let offset = set.len() - text.trim_start().len();
    let node = value(text.trim(), source, offset, out);
    let key = key.trim_end();
    let key_at = Span::new(source, 0..key.len());
    if key.split('.').any(str::is_empty) {
        out.error(key_at, "this is not a key", "write it as `TABLE.KEY`, for instance `train.lr`");
        return;
    }
    let steps = |start: usize| steps(key, source, start);
    let placed = match key.split_once('.') {
        Some(("experiment", rest)) => {
            let Some((experiment, used)) = experiment(document, rest, key_at, out) else { return };
            put(experiment, &steps("experiment.".len() + used), node)
        }
        Some(("grid", _)) => put_in_grid(document, &steps(0), node),
        _ => put(document, &steps(0), node),
    };
    if let Err((step, at)) = placed {
        out.error(at, format!("`{}` is not a table", shown(&step)), "so no key of it can be set");
    }
}

/// A TOML value, or a bare word, which stands for the string.
fn value(text: &str, source: usize, offset: usize, out: &mut Diagnostics<'_>) -> Node {
    let quoted = text.is_empty() || text.starts_with(['"', '\'', '[', '{']);
    if !quoted && toml::de::DeValue::parse(text).is_err() {
        let at = Span::new(source, offset..offset + text.len());
        return Node { at, value: Value::String(Rc::from(text)) };
    }
    document::parse_value(text, source, offset, out)
}

/// The dotted steps of `key` from byte `start` on, each with its place.
fn steps(key: &str, source: usize, start: usize) -> Vec<(&str, Span)> {
    let mut at = start;
    key[start..]
        .split('.')
        .map(|step| {
            let span = Span::new(source, at..at + step.len());
            at += step.len() + 1;
            (step, span)
        })
        .collect()
}

/// The experiment that `rest` (`NAME.key…`) speaks of and how many bytes its name and dot take. Names may
/// hold dots: the longest that fits is meant.
fn experiment<'t>(
    document: &'t mut Table,
    rest: &str,
    key_at: Span,
    out: &mut Diagnostics<'_>,
) -> Option<(&'t mut Table, usize)> {
    let experiments: &mut [Node] = match document.value_mut("experiment") {
        Some(Value::Array(experiments)) => Rc::make_mut(experiments),
        _ => &mut [],
    };
    let names: Vec<String> = experiments.iter().map(|node| name_of(node).unwrap_or_default()).collect();
    let best = (0..names.len())
        .filter(|&i| !names[i].is_empty() && rest.strip_prefix(&names[i]).is_some_and(|r| r.starts_with('.')))
        .max_by_key(|&i| (names[i].len(), std::cmp::Reverse(i)));
    let Some(best) = best else {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        report_no_experiment(rest, &names, key_at, out);
        return None;
    };
    match &mut experiments[best].value {
        Value::Table(table) => Some((table, names[best].len() + 1)),
        _ => None,
    }
}

fn report_no_experiment(rest: &str, names: &[&str], key_at: Span, out: &mut Diagnostics<'_>) {
    if names.contains(&rest) {
        let label = format!("for instance `experiment.{rest}.restarts=100`");
        out.error(key_at, "a key of the experiment is missing", label);
        return;
    }
    let wrong = rest.rsplit_once('.').map_or(rest, |(name, _)| name);
    let label = match nearest(wrong, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the experiments are {}", any_of(names)),
    };
    out.error(key_at, format!("no experiment is named `{}`", shown(wrong)), label);
}

fn name_of(node: &Node) -> Option<String> {
    let Value::Table(table) = &node.value else { return None };
    match &table.get("name")?.node.value {
        Value::String(name) => Some(name.to_string()),
        _ => None,
    }
}

/// Grid keys are dotted paths, written quoted or not: the one already there is replaced.
fn put_in_grid(document: &mut Table, steps: &[(&str, Span)], node: Node) -> Result<(), (String, Span)> {
    let path: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
    if document.at_path(&path).is_some() {
        return put(document, steps, node);
    }
    let (first, last) = (steps[1].1, steps[steps.len() - 1].1);
    let dotted = path[1..].join(".");
    let at = Span { end: last.end, ..first };
    put(document, &[steps[0], (&dotted, at)], node)
}

/// Puts `node` at the path and removes what the file says beside it that would contradict it.
fn put(table: &mut Table, steps: &[(&str, Span)], node: Node) -> Result<(), (String, Span)> {
    let failed = |step: usize| (steps[step].0.to_owned(), steps[step].1);
    table.put_at(steps, node).map_err(failed)?;
    drop_rivals(table, steps);
    Ok(())
}

fn drop_rivals(table: &mut Table, steps: &[(&str, Span)]) {
    let [(section, _), rest @ ..] = steps else { return };
    let Some((key, _)) = rest.first() else { return };
    let Some(Value::Table(inner)) = table.value_mut(section) else { return };
    let rivals = keys::rivals(section, key);
    // what another `--set` says stays
    inner.remove_if(|entry| {
        let rival = &*entry.key != *key && rivals.contains(&&*entry.key);
        rival && entry.node.at.source == 0
    });
    drop_rivals(inner, rest);
}
