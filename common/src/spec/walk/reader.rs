//! Typed access to one table: each getter reports what it does not like and then returns `None`.

use crate::id::Name;
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span, any_of, did_you_mean, shown};
use crate::spec::document::{Entry, Node, Table, Value};
use crate::spec::keys::{self, Keys};

/// What messages call the table that has no name.
pub(super) const TOP: &str = "the top of the file";

/// Whether a table must be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All required keys must be there.
    Whole,
    /// A table that overrides another or is overridden: keys may be missing.
    Part,
}

/// Reads one table.
pub(super) struct Reader<'t, 'd, 's> {
    /// The table as messages call it.
    title: &'static str,
    table: &'t Table,
    /// Where the table's name is written.
    at: Span,
    mode: Mode,
    out: &'d mut Diagnostics<'s>,
}

impl<'t, 'd, 's> Reader<'t, 'd, 's> {
    pub(super) fn new(
        title: &'static str,
        table: &'t Table,
        at: Span,
        mode: Mode,
        out: &'d mut Diagnostics<'s>,
    ) -> Self {
        Self { title, table, at, mode, out }
    }

    /// Reports every key that is not one of `keys`.
    pub(super) fn keys(&mut self, keys: &Keys) {
        for entry in self.table.entries() {
            let key = &*entry.key;
            if keys.later.contains(&key) {
                let label = "not yet: a later version will know it, this one would have to ignore it";
                self.out.error(entry.key_at, format!("`{key}` is not available yet"), label);
            } else if !keys.known.contains(&key) {
                let label = unknown_key_label(key, self.title, keys);
                self.out.error(entry.key_at, format!("unknown key `{}`", shown(key)), label);
            }
        }
    }

    /// Reports keys of `all` that `owner` does not take.
    pub(super) fn only(&mut self, owner: &str, takes: &[&str], all: &[&str]) {
        for entry in self.table.entries() {
            let key = &*entry.key;
            if all.contains(&key) && !takes.contains(&key) {
                let label = if takes.is_empty() {
                    format!("`{owner}` takes no parameters")
                } else {
                    format!("`{owner}` takes {}", any_of(takes).replace(" or ", " and "))
                };
                self.out.error(entry.key_at, format!("`{key}` is not a parameter of `{owner}`"), label);
            }
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'t Entry> {
        self.table.get(key)
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn out(&mut self) -> &mut Diagnostics<'s> {
        self.out
    }

    /// The entry of `key`; where it must be there and is not, `hint` says what to write.
    pub(super) fn required(&mut self, key: &str, hint: &str) -> Option<&'t Entry> {
        let entry = self.table.get(key);
        if entry.is_none() {
            self.missing(&format!("`{key}`"), hint);
        }
        entry
    }

    /// Reports that `what` is missing.
    pub(super) fn missing(&mut self, what: &str, hint: &str) {
        if self.mode == Mode::Whole {
            self.out.error(self.at, format!("{what} is missing {}", place(self.title)), hint);
        }
    }

    pub(super) fn string(&mut self, key: &str, hint: &str) -> Option<(&'t str, Span)> {
        let entry = self.required(key, hint)?;
        string(entry, self.out).map(|text| (text, entry.node.at))
    }

    pub(super) fn name(&mut self, key: &str, hint: &str) -> Option<Name> {
        let (text, at) = self.string(key, hint)?;
        let name = Name::new(text);
        if let Err(error) = &name {
            self.out.error(at, format!("`{}` cannot be a name", shown(text)), error.to_string());
        }
        name.ok()
    }

    /// A boolean with its default.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> Option<bool> {
        let Some(entry) = self.entry(key) else { return Some(default) };
        match entry.node.value {
            Value::Boolean(value) => Some(value),
            _ => wrong_type(entry, "`true` or `false`", self.out),
        }
    }

    /// A whole number from `low` to `high`; required if there is no default.
    pub(super) fn integer(&mut self, key: &str, low: u64, high: u64, default: Option<u64>) -> Option<u64> {
        match (self.entry(key), default) {
            (Some(entry), _) => integer(&entry.node, key, low, high, self.out),
            (None, Some(default)) => Some(default),
            (None, None) => {
                self.missing(&format!("`{key}`"), &format!("a whole number from {low} to {high}"));
                None
            }
        }
    }

    /// Like [`Self::integer`] for sizes and counts that fit 32 bits.
    pub(super) fn count(&mut self, key: &str, low: u32, high: u32, default: Option<u32>) -> Option<u32> {
        let value = self.integer(key, low.into(), high.into(), default.map(u64::from))?;
        u32::try_from(value).ok()
    }

    /// A number; required if there is no default.
    pub(super) fn number(&mut self, key: &str, within: Within, default: Option<f64>) -> Option<f64> {
        match (self.entry(key), default) {
            (Some(entry), _) => number(&entry.node, key, within, self.out),
            (None, Some(default)) => Some(default),
            (None, None) => {
                self.missing(&format!("`{key}`"), &format!("a number {within}"));
                None
            }
        }
    }

    /// A number that may be absent: `Some(None)` if it is.
    pub(super) fn optional_number(&mut self, key: &str, within: Within) -> Option<Option<f64>> {
        match self.entry(key) {
            Some(entry) => number(&entry.node, key, within, self.out).map(Some),
            None => Some(None),
        }
    }

    /// One of the words of `allowed`; required if there is no default.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        allowed: &[(&str, T)],
        later: &[&str],
        default: Option<T>,
    ) -> Option<T> {
        let words: Vec<&str> = allowed.iter().map(|(word, _)| *word).collect();
        match (self.entry(key), default) {
            (Some(entry), _) => {
                let word = string(entry, self.out)?;
                choice(word, entry.node.at, key, allowed, later, self.out)
            }
            (None, Some(default)) => Some(default),
            (None, None) => {
                self.missing(&format!("`{key}`"), &format!("one of {}", any_of(&words)));
                None
            }
        }
    }
}

fn unknown_key_label(key: &str, title: &str, keys: &Keys) -> String {
    let hint = did_you_mean(key, keys.known);
    if !hint.is_empty() {
        return hint;
    }
    match keys::home(key) {
        Some(home) if home != title => format!("it belongs in {home}"),
        _ => format!("allowed {}: {}", place(title), keys.known.join(", ")),
    }
}

fn place(title: &str) -> String {
    format!("{} {title}", if title == TOP { "at" } else { "in" })
}

/// The value of `entry` as a string.
pub(super) fn string<'t>(entry: &'t Entry, out: &mut Diagnostics<'_>) -> Option<&'t str> {
    match &entry.node.value {
        Value::String(text) if text.len() > limits::TEXT_BYTES => {
            let title = format!("`{}` must be at most {} bytes long", entry.key, limits::TEXT_BYTES);
            out.error(entry.node.at, title, format!("this has {}", text.len()));
            None
        }
        Value::String(text) => Some(text),
        _ => wrong_type(entry, "a string", out),
    }
}

/// The value of `entry` as a table.
pub(super) fn as_table<'t>(entry: &'t Entry, out: &mut Diagnostics<'_>) -> Option<&'t Table> {
    match &entry.node.value {
        Value::Table(table) => Some(table),
        _ => wrong_type(entry, "a table", out),
    }
}

/// Reports that the value of `entry` is not `expected`.
pub(super) fn wrong_type<T>(entry: &Entry, expected: &str, out: &mut Diagnostics<'_>) -> Option<T> {
    wrong_node(&entry.node, &entry.key, expected, out)
}

/// Reports that `node`, the value of `key`, is not `expected`.
pub(super) fn wrong_node<T>(node: &Node, key: &str, expected: &str, out: &mut Diagnostics<'_>) -> Option<T> {
    report_wrong(node, key, expected, out);
    None
}

/// Like [`wrong_node`], where no value is waited for.
pub(super) fn report_wrong(node: &Node, key: &str, expected: &str, out: &mut Diagnostics<'_>) {
    if !matches!(node.value, Value::Broken) {
        out.error(node.at, format!("`{key}` must be {expected}"), format!("this is {}", node.value.kind()));
    }
}

/// `node` as a whole number from `low` to `high`.
pub(super) fn integer(node: &Node, key: &str, low: u64, high: u64, out: &mut Diagnostics<'_>) -> Option<u64> {
    let Value::Integer(value) = node.value else { return wrong_node(node, key, "a whole number", out) };
    let fits = u64::try_from(value).ok().filter(|value| (low..=high).contains(value));
    if fits.is_none() {
        out.error(node.at, format!("`{key}` must be from {low} to {high}"), format!("this is {value}"));
    }
    fits
}

/// `node` as a number `within` its bounds; whole numbers count, and -0.0 is read as 0.
pub(super) fn number(node: &Node, key: &str, within: Within, out: &mut Diagnostics<'_>) -> Option<f64> {
    let (value, written) = match node.value {
        Value::Integer(value) => (value as f64, value.to_string()),
        Value::Float(value) => (value + 0.0, format!("{value:?}")),
        _ => return wrong_node(node, key, "a number", out),
    };
    if !within.holds(value) {
        out.error(node.at, format!("`{key}` must be {within}"), format!("this is {written}"));
        return None;
    }
    Some(value)
}

/// `word` as one of `allowed`.
pub(super) fn choice<T: Copy>(
    word: &str,
    at: Span,
    key: &str,
    allowed: &[(&str, T)],
    later: &[&str],
    out: &mut Diagnostics<'_>,
) -> Option<T> {
    if let Some((_, value)) = allowed.iter().find(|(known, _)| *known == word) {
        return Some(*value);
    }
    let words: Vec<&str> = allowed.iter().map(|(known, _)| *known).collect();
    if later.contains(&word) {
        out.error(at, format!("`{word}` is not available yet"), format!("not yet; use {}", any_of(&words)));
        return None;
    }
    let hint = did_you_mean(word, &words);
    let label = match (hint.is_empty(), words.len() > 8) {
        (true, _) => format!("allowed: {}", any_of(&words)),
        (false, true) => hint,
        (false, false) => format!("{hint} (allowed: {})", any_of(&words)),
    };
    out.error(at, format!("`{}` is not a value of `{key}`", shown(word)), label);
    None
}

/// The numbers that a key may take. No end is beyond [`limits::NUMBER`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Within {
    /// Any number.
    Any,
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// 0 ≤ x < 1.
    HalfOpenUnit,
    /// 0 < x < 1.
    OpenUnit,
    /// 0 ≤ x ≤ 1.
    Unit,
    /// 0 < x ≤ 1.
    PositiveUnit,
}

impl Within {
    fn holds(self, value: f64) -> bool {
        value.abs() <= limits::NUMBER
            && match self {
                Self::Any => true,
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::HalfOpenUnit => (0.0..1.0).contains(&value),
                Self::OpenUnit => value > 0.0 && value < 1.0,
                Self::Unit => (0.0..=1.0).contains(&value),
                Self::PositiveUnit => value > 0.0 && value <= 1.0,
            }
    }
}

impl std::fmt::Display for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = limits::NUMBER;
        match self {
            Self::Any => write!(f, "from {:?} to {most:?}", -most),
            Self::Positive => write!(f, "above 0 and at most {most:?}"),
            Self::NotNegative => write!(f, "at least 0 and at most {most:?}"),
            Self::HalfOpenUnit => f.write_str("at least 0 and below 1"),
            Self::OpenUnit => f.write_str("above 0 and below 1"),
            Self::Unit => f.write_str("from 0 to 1"),
            Self::PositiveUnit => f.write_str("above 0 and at most 1"),
        }
    }
}
