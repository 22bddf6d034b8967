//! The spec as it is written: a tree of values, each with its place, in the order of the file.
//!
//! This is TOML with two things added that `toml` does not keep: values from `--set` texts beside those
//! from the file, and the order of keys. A document is copied for every cell of a grid, so all that can be long
//! is shared between copies. Nothing here knows which keys are legal, apart from which keys
//! cannot stand together (`rivals`).

use std::ops::Range;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostics, Span};
use super::keys;
use crate::limits;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    String(Rc<str>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Rc<[Node]>),
    Table(Table),
    /// Already reported: readers pass over it in silence.
    Broken,
}

impl Value {
    /// The type with its article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
            Self::Broken => "unreadable",
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    pub(super) key_at: Span,
    pub(super) node: Node,
}

/// Entries in the order written; no key twice. Copies share their entries until one is changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    entries: Rc<Vec<Entry>>,
}

impl Table {
    fn new(entries: Vec<Entry>) -> Self {
        Self { entries: Rc::new(entries) }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.key == key)
    }

    /// The value of `key`, to be changed.
    pub(super) fn value_mut(&mut self, key: &str) -> Option<&mut Value> {
        let entry = Rc::make_mut(&mut self.entries).iter_mut().find(|entry| &*entry.key == key);
        entry.map(|entry| &mut entry.node.value)
    }

    /// Adds `entry`, in the place of an entry of the same key.
    pub(super) fn put(&mut self, entry: Entry) {
        let entries = Rc::make_mut(&mut self.entries);
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }

    /// Removes the entries that `unwanted` picks.
    pub(super) fn remove_if(&mut self, unwanted: impl Fn(&Entry) -> bool) {
        if self.entries.iter().any(&unwanted) {
            Rc::make_mut(&mut self.entries).retain(|entry| !unwanted(entry));
        }
    }

    /// These entries with those of `over` in their place, key by key; `section` names the table.
    pub(super) fn overridden_by(&self, over: &Table, section: &str) -> Table {
        let mut merged = self.clone();
        for entry in over.entries() {
            let rivals = keys::rivals(section, &entry.key);
            merged.remove_if(|known| rivals.contains(&&*known.key));
        }
        over.entries.iter().for_each(|entry| merged.put(entry.clone()));
        merged
    }

    /// The entry at a dotted path.
    pub(super) fn at_path(&self, path: &[&str]) -> Option<&Entry> {
        let (key, rest) = path.split_first()?;
        let entry = self.get(key)?;
        match (&entry.node.value, rest) {
            (_, []) => Some(entry),
            (Value::Table(table), rest) => table.at_path(rest),
            _ => None,
        }
    }

    /// Puts `node` at a dotted path, making tables on the way. A start written as a string becomes a table
    /// first. Fails with the number of the step that leads into something else than a table.
    pub(super) fn put_at(&mut self, path: &[(&str, Span)], node: Node) -> Result<(), usize> {
        let Some(((key, key_at), rest)) = path.split_first() else { return Ok(()) };
        if rest.is_empty() {
            self.put(Entry { key: Rc::from(*key), key_at: *key_at, node });
            return Ok(());
        }
        if self.get(key).is_none() {
            let empty = Node { at: *key_at, value: Value::Table(Table::default()) };
            self.put(Entry { key: Rc::from(*key), key_at: *key_at, node: empty });
        }
        let entries = Rc::make_mut(&mut self.entries);
        let entry = entries.iter_mut().find(|entry| &*entry.key == *key).ok_or(0_usize)?;
        if *key == "init"
            && let Value::String(_) = entry.node.value
        {
            let scheme = Entry { key: Rc::from("scheme"), key_at: entry.key_at, node: entry.node.clone() };
            entry.node.value = Value::Table(Table::new(vec![scheme]));
        }
        match &mut entry.node.value {
            Value::Table(table) => table.put_at(rest, node).map_err(|step| step + 1),
            Value::Broken => Ok(()),
            _ => Err(0),
        }
    }
}

/// Reads the file. `None` if it is not TOML: what could be made of the rest would only raise false alarms.
pub(super) fn parse(text: &str, out: &mut Diagnostics<'_>) -> Option<Table> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(text.len()..text.len());
        report_syntax(text, error.message(), Span::new(0, at), out);
    }
    errors.is_empty().then(|| Reading { source: 0, offset: 0, out }.table(table.into_inner()))
}

/// Reads the value of a `--set` text, which starts at `offset`; syntax errors are reported.
pub(super) fn parse_value(text: &str, source: usize, offset: usize, out: &mut Diagnostics<'_>) -> Node {
    let (value, errors) = DeValue::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(text.len()..text.len());
        let at = Span::new(source, at.start + offset..at.end + offset);
        report_syntax(text, error.message(), at, out);
    }
    let at = Span::new(source, offset..offset + text.len());
    let node = Reading { source, offset, out }.node(value.span(), value.into_inner());
    Node { at, value: if errors.is_empty() { node.value } else { Value::Broken } }
}

fn report_syntax(text: &str, message: &str, at: Span, out: &mut Diagnostics<'_>) {
    let here = text.get(at.start..).unwrap_or("");
    let missing = at.start == at.end && message.starts_with("string values must be quoted");
    let message = if missing && (here.is_empty() || here.starts_with(['\n', '\r', '#'])) {
        "a value is missing here"
    } else {
        message
    };
    out.error(at, "this is not valid TOML", message);
}

/// Turns what `toml` read into nodes. Its depth is bounded by `toml`'s own recursion limit (80).
struct Reading<'d, 's> {
    source: usize,
    offset: usize,
    out: &'d mut Diagnostics<'s>,
}

impl Reading<'_, '_> {
    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range.start + self.offset..range.end + self.offset)
    }

    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut entries: Vec<Entry> = table
            .into_iter()
            .map(|(key, value)| Entry {
                key_at: self.span(key.span()),
                key: Rc::from(&**key.get_ref()),
                node: self.node(value.span(), value.into_inner()),
            })
            .collect();
        // `toml` sorts by key
        entries.sort_by_key(|entry| entry.key_at);
        if let Some(first_too_many) = entries.get(limits::KEYS_PER_TABLE) {
            let title = format!("a table may have at most {} keys", limits::KEYS_PER_TABLE);
            self.out.error(first_too_many.key_at, title, format!("this one has {}", entries.len()));
            entries.truncate(limits::KEYS_PER_TABLE);
        }
        Table::new(entries)
    }

    fn node(&mut self, range: Range<usize>, value: DeValue<'_>) -> Node {
        let at = self.span(range);
        let value = match value {
            DeValue::String(text) => Value::String(Rc::from(&*text)),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Integer(number) => self.number(at, i64::from_str_radix(number.as_str(), number.radix())),
            DeValue::Float(number) => self.float(at, number.as_str()),
            DeValue::Array(items) if items.len() > limits::EXPERIMENTS => {
                let title = format!("a list may have at most {} values", limits::EXPERIMENTS);
                self.out.error(at, title, format!("this has {}", items.len()));
                Value::Broken
            }
            DeValue::Array(items) => {
                let nodes = items.into_iter().map(|item| self.node(item.span(), item.into_inner()));
                Value::Array(nodes.collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { at, value }
    }

    fn number(&mut self, at: Span, number: Result<i64, std::num::ParseIntError>) -> Value {
        number.map(Value::Integer).unwrap_or_else(|_| {
            let label = format!("whole numbers go from {} to {}", i64::MIN, i64::MAX);
            self.out.error(at, "this number is too large", label);
            Value::Broken
        })
    }

    fn float(&mut self, at: Span, text: &str) -> Value {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => {
                self.out.error(at, "numbers in a spec must be finite", "not a finite 64-bit number");
                Value::Broken
            }
        }
    }
}
