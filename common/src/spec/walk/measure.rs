//! `[measure]`.

use super::reader::{Mode, Reader};
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::Table;
use crate::spec::keys;
use crate::spec::model::Measure;

/// Reads the table `measure`.
pub(super) fn read(table: &Table, at: Span, mode: Mode, out: &mut Diagnostics<'_>) -> Option<Measure> {
    let mut reader = Reader::new("`[measure]`", table, at, mode, out);
    reader.keys(&keys::MEASURE);
    let curve = reader.boolean("curve", false);
    let symmetry = reader.boolean("symmetry", false);
    let geometry = reader.boolean("geometry", false);
    let ntk = reader.boolean("ntk", false);
    let movement = reader.boolean("movement", false);
    let every = match reader.entry("every") {
        Some(_) => reader.integer("every", 1, limits::STEPS_PER_TRIAL, None).map(Some),
        None => Some(None),
    };
    Some(Measure {
        curve: curve?,
        symmetry: symmetry?,
        geometry: geometry?,
        ntk: ntk?,
        movement: movement?,
        every: every?,
    })
}
