//! From the document to the spec: every table read with its types and bounds, overrides merged, the grid
//! expanded. What depends on several keys at once is looked at afterwards, in `check`.

mod cell;
mod data;
mod experiment;
mod grid;
mod init;
mod measure;
mod minima;
mod network;
mod reader;
mod stop_when;
mod train;

use super::diagnostic::{Diagnostics, Span};
use super::document::Table;
use super::model::*;
use super::{check, keys};
use crate::id::Name;
use crate::limits;
pub(super) use cell::Cell;
use reader::{Mode, Reader};

/// Reads `document`. Whatever is wrong is reported; `None` if anything was.
pub(super) fn spec(document: &Table, out: &mut Diagnostics<'_>) -> Option<SweepSpec> {
    let top = Span::new(0, 0..0);
    let mut reader = Reader::new(reader::TOP, document, top, Mode::Whole, out);
    reader.keys(&keys::TOP);
    let name = reader.name("name", "for instance `name = \"first-try\"`");
    let seed = reader.integer("seed", 0, limits::SEED, Some(0));
    let precision = reader.choice(
        "precision",
        &[("f32", Precision::F32), ("f64", Precision::F64)],
        &[],
        Some(Precision::F32),
    );
    sections_as_written(document, out);
    if let Some(entry) = document.get("stop_when")
        && let Some(table) = reader::as_table(entry, out)
    {
        stop_when::read(table, entry.key_at, out);
    }
    let tolerances = minima::tolerances(document, out);
    let cells = grid::cells(document, out);
    let experiments = experiments(&cells, out);
    let spec = SweepSpec {
        name: name?,
        seed: seed?,
        precision: precision?,
        tolerances: tolerances?,
        experiments: experiments?,
    };
    check::sweep(&spec, &cells, out);
    Some(spec)
}

/// Reads the sweep's own tables once for what is wrong with them even if every experiment overrides it.
fn sections_as_written(document: &Table, out: &mut Diagnostics<'_>) {
    for section in keys::SECTIONS {
        if let Some(entry) = document.get(section) {
            let Some(table) = reader::as_table(entry, out) else { continue };
            section_of(section, table, entry.key_at, out);
        } else if document.get("experiment").is_none() && !["minima", "measure"].contains(&section) {
            experiment::missing_section(section, out);
        }
    }
}

/// Reads the table `section` and drops what it says.
fn section_of(section: &str, table: &Table, at: Span, out: &mut Diagnostics<'_>) {
    let mode = Mode::Part;
    match section {
        "network" => drop(network::read(table, at, mode, out)),
        "data" => drop(data::read(table, at, mode, out)),
        "train" => drop(train::read(table, at, mode, out)),
        "measure" => drop(measure::read(table, at, mode, out)),
        _ => drop(minima::read(table, at, mode, out)),
    }
}

fn experiments(cells: &[Cell], out: &mut Diagnostics<'_>) -> Option<Vec<Experiment>> {
    let mut experiments = Vec::with_capacity(cells.len());
    let mut names: Vec<&Name> = Vec::with_capacity(cells.len());
    let mut complete = !cells.is_empty();
    let mut twice = None;
    out.name_experiments(cells.iter().map(|cell| cell.shown_name()).collect());
    for (index, cell) in cells.iter().enumerate() {
        out.about(Some(index));
        let experiment = experiment::read(cell, out);
        if let Some(experiment) = &experiment {
            check::experiment(experiment, cell, out);
        }
        out.about(None);
        if let Some(name) = &cell.name {
            if names.contains(&name) {
                complete = false;
                // the cells of a grid share the place of their name
                if twice.replace(cell.name_at) != Some(cell.name_at) {
                    let label = "each experiment needs a name of its own";
                    out.error(cell.name_at, format!("there are two experiments named `{name}`"), label);
                }
            }
            names.push(name);
        }
        match experiment {
            Some(experiment) => experiments.push(experiment),
            None => complete = false,
        }
    }
    complete.then_some(experiments)
}
