//! Experiments as documents: as written, merged with the sweep's tables, and as cells of the grid.

use super::minima;
use super::reader::{self, Mode, Reader};
use crate::id::Name;
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span, shown};
use crate::spec::document::{Entry, Node, Table, Value};
use crate::spec::keys;

/// One experiment with its tables merged, ready to be read.
pub(in crate::spec) struct Cell {
    /// `None` if the name is wrong; that was reported.
    pub(super) name: Option<Name>,
    /// Where the name is written.
    pub(super) name_at: Span,
    /// Keys of the experiment; `network`, `data`, `train`, `minima` and `measure` are complete tables.
    pub(super) table: Table,
    /// Paths of the report's `parameters` and where each is written.
    pub(super) parameters: Vec<(String, Span)>,
}

impl Cell {
    /// Where the value at a dotted path is written; if it is not, where its table is; else the name.
    pub(in crate::spec) fn place(&self, path: &str) -> Span {
        let steps: Vec<&str> = path.split('.').collect();
        let value = self.table.at_path(&steps).map(|entry| entry.node.at);
        let table = || self.table.get(steps[0]).map(|entry| entry.key_at);
        value.or_else(table).unwrap_or(self.name_at)
    }

    /// Where the first of `paths` that is written is written.
    pub(in crate::spec) fn place_of_any(&self, paths: &[&str]) -> Span {
        let written = |path: &&&str| self.table.at_path(&path.split('.').collect::<Vec<_>>()).is_some();
        self.place(paths.iter().find(written).unwrap_or(&paths[0]))
    }

    /// The name as messages show it, even if it is none.
    pub(super) fn shown_name(&self) -> String {
        let written = self.table.get("name").map(|entry| &entry.node.value);
        match (&self.name, written) {
            (Some(name), _) => name.to_string(),
            (None, Some(Value::String(text))) => shown(text),
            _ => "(no name)".to_owned(),
        }
    }
}

/// An experiment as written, merged with the sweep's tables.
pub(super) struct Written {
    /// `None` if the name is wrong; that was reported.
    pub(super) name: Option<Name>,
    /// Where the name is written.
    pub(super) name_at: Span,
    /// What the experiment says itself.
    pub(super) own: Table,
    /// The same with the sweep's tables under it.
    pub(super) table: Table,
    /// Paths of the report's `parameters` and where each is written.
    pub(super) parameters: Vec<(String, Span)>,
}

/// All experiments as written; what cannot be one is reported and left out.
pub(super) fn written(document: &Table, out: &mut Diagnostics<'_>) -> Vec<Written> {
    let Some(entry) = document.get("experiment") else {
        let label = "add at least one, with `name`, `init`, `restarts` and `vary`";
        out.error(Span::new(0, 0..0), "`[[experiment]]` is missing", label);
        return Vec::new();
    };
    match &entry.node.value {
        Value::Array(nodes) if nodes.is_empty() => {
            out.error(entry.node.at, "a sweep needs at least one experiment", "this list is empty");
            Vec::new()
        }
        Value::Array(nodes) => {
            nodes.iter().filter_map(|node| one_written(document, node, entry, out)).collect()
        }
        Value::Broken => Vec::new(),
        value => {
            let title = "`experiment` must be written `[[experiment]]`, with double brackets";
            out.error(entry.key_at, title, format!("this is {}", value.kind()));
            Vec::new()
        }
    }
}

fn one_written(document: &Table, node: &Node, list: &Entry, out: &mut Diagnostics<'_>) -> Option<Written> {
    let Value::Table(own) = &node.value else {
        return reader::wrong_node(node, &list.key, "a table, written `[[experiment]]`", out);
    };
    let mut reader = Reader::new("an `[[experiment]]`", own, node.at, Mode::Whole, out);
    reader.keys(&keys::EXPERIMENT);
    let name = reader.name("name", "for instance `name = \"random\"`");
    let name_at = own.get("name").map_or(node.at, |entry| entry.node.at);
    let mut table = own.clone();
    for section in keys::SECTIONS {
        merge(&mut table, document, own, section, out);
    }
    if let Some(rule) = document.get("stop_when")
        && own.get("restarts").is_none()
        && own.get("stop_when").is_none()
    {
        table.put(rule.clone());
    }
    let parameters = parameters(own, out);
    Some(Written { name, name_at, own: own.clone(), table, parameters })
}

/// Puts the sweep's table `section`, overridden by the experiment's own, in `table`.
fn merge(table: &mut Table, document: &Table, own: &Table, section: &str, out: &mut Diagnostics<'_>) {
    let base = document.get(section);
    let over = own.get(section);
    if let Some(over) = over {
        match reader::as_table(over, out) {
            Some(keys) if section == "minima" => minima::overrides(keys, over.key_at, out),
            _ => {}
        }
    }
    let (Some(base), Some(over)) = (base, over) else {
        if let Some(entry) = base {
            table.put(as_section(entry));
        }
        return;
    };
    let mut entry = base.clone();
    entry.node.value = match (&base.node.value, &over.node.value) {
        (Value::Table(base), Value::Table(over)) => Value::Table(base.overridden_by(over, section)),
        _ => Value::Broken,
    };
    table.put(entry);
}

/// A section that is not a table was reported where it is written.
fn as_section(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    if !matches!(entry.node.value, Value::Table(_)) {
        entry.node.value = Value::Broken;
    }
    entry
}

/// The paths listed in `parameters`; without the key, all keys of the overriding tables.
fn parameters(own: &Table, out: &mut Diagnostics<'_>) -> Vec<(String, Span)> {
    let Some(entry) = own.get("parameters") else {
        // what is measured changes no result
        let is_part = |entry: &&Entry| keys::SECTIONS.contains(&&*entry.key) && &*entry.key != "measure";
        let sections = own.entries().iter().filter(is_part);
        let keys = |section: &Entry| -> Vec<(String, Span)> {
            let Value::Table(table) = &section.node.value else { return Vec::new() };
            let path = |entry: &Entry| (format!("{}.{}", section.key, entry.key), entry.key_at);
            table.entries().iter().map(path).collect()
        };
        return sections.flat_map(keys).collect();
    };
    let Value::Array(items) = &entry.node.value else {
        reader::report_wrong(&entry.node, "parameters", "a list of dotted paths", out);
        return Vec::new();
    };
    if items.len() > limits::KEYS_PER_TABLE {
        let title = format!("`parameters` may list at most {} paths", limits::KEYS_PER_TABLE);
        out.error(entry.node.at, title, format!("this lists {}", items.len()));
        return Vec::new();
    }
    let mut paths: Vec<(String, Span)> = Vec::new();
    for item in items.iter() {
        match &item.value {
            Value::String(path) if paths.iter().any(|(known, _)| **known == **path) => {
                out.error(
                    item.at,
                    format!("`{}` stands twice in `parameters`", shown(path)),
                    "remove one of them",
                );
            }
            Value::String(path) => paths.push((path.to_string(), item.at)),
            _ => {
                reader::report_wrong(item, "parameters", "a list of dotted paths", out);
            }
        }
    }
    paths
}
