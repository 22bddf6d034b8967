//! `[minima]`.

use super::reader::{Mode, Reader, Within, as_table, wrong_type};
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::{Table, Value};
use crate::spec::keys;
use crate::spec::model::{Level, Minima, PolishMode, Tolerances};

const LEVELS: [(&str, Level); 4] = [
    ("bits", Level::Bits),
    ("raw", Level::Raw),
    ("canonical", Level::Canonical),
    ("function", Level::Function),
];

/// Reads the table `minima`, merged with an experiment's where there is one. Keys are looked at where they
/// are written: `tolerances` does it for the sweep's table, `overrides` for an experiment's.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Minima> {
    let mut reader = Reader::new("`[minima]`", table, at, mode, out);
    let polish = polish(&mut reader);
    let polish_max_steps = reader.count("polish_max_steps", 1, limits::POLISH_STEPS, Some(2000));
    let level = reader.choice("level", &LEVELS, &["connected"], Some(Level::Function));
    let same_at = reader.number("same_at", Within::Unit, Some(0.8));
    let spread_at = reader.number("spread_at", Within::Unit, Some(0.5));
    let barriers = reader.count("barriers", 0, limits::BARRIER_BASINS, Some(0));
    Some(Minima {
        polish: polish?,
        polish_max_steps: polish_max_steps?,
        level: level?,
        same_at: same_at?,
        spread_at: spread_at?,
        barriers: barriers?,
    })
}

/// Reads the tolerances and looks at the keys of the sweep's `[minima]`.
pub(super) fn tolerances(document: &Table, out: &mut Diagnostics<'_>) -> Option<Tolerances> {
    let default = Tolerances::default();
    let Some(entry) = document.get("minima") else { return Some(default) };
    let table = as_table(entry, out)?;
    let mut reader = Reader::new("`[minima]`", table, entry.key_at, Mode::Whole, out);
    reader.keys(&keys::MINIMA);
    let raw = reader.number("tolerance_raw", Within::Positive, Some(default.raw));
    let canonical = reader.number("tolerance_canonical", Within::Positive, Some(default.canonical));
    let function = reader.number("tolerance_function", Within::Positive, Some(default.function));
    let barrier = reader.number("tolerance_barrier", Within::Positive, Some(default.barrier));
    Some(Tolerances { raw: raw?, canonical: canonical?, function: function?, barrier: barrier? })
}

/// Looks at the keys of an experiment's `minima`.
pub(super) fn overrides(table: &Table, at: Span, out: &mut Diagnostics<'_>) {
    let mut own = table.clone();
    for tolerance in ["tolerance_raw", "tolerance_canonical", "tolerance_function", "tolerance_barrier"] {
        if let Some(entry) = own.get(tolerance) {
            let label = "it belongs in `[minima]`: the minima of all experiments are told apart together";
            out.error(entry.key_at, format!("`{tolerance}` is the same for all experiments"), label);
        }
    }
    own.remove_if(|entry| entry.key.starts_with("tolerance_"));
    Reader::new("an experiment's `minima`", &own, at, Mode::Part, out).keys(&keys::EXPERIMENT_MINIMA);
}

fn polish(reader: &mut Reader<'_, '_, '_>) -> Option<PolishMode> {
    let Some(entry) = reader.entry("polish") else { return Some(PolishMode::Auto) };
    match &entry.node.value {
        Value::Boolean(true) => Some(PolishMode::On),
        Value::Boolean(false) => Some(PolishMode::Off),
        Value::String(word) if &**word == "auto" => Some(PolishMode::Auto),
        _ => wrong_type(entry, "`true`, `false` or \"auto\"", reader.out()),
    }
}
