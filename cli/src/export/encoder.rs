//! From rows to the bytes of a form.

use std::path::Path;

use seedsweep_shell::error::{CliError, Kind};
use serde::Serialize;

use super::destination::Destination;
use super::row::{Cell, Layout};
use super::table::Table;
use super::{Format, csv_header, csv_row, json_row, npz, parquet, unwritable};

/// What the files that can hold it say of the sweep.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    /// `seedsweep.outcomes/1`.
    pub(crate) schema: &'static str,
    /// The sweep's id.
    pub(crate) sweep: String,
    /// Its name.
    pub(crate) name: String,
    /// Version of the numeric contract; several, joined by commas, where rows differ in it.
    pub(crate) engine: String,
    /// Its spec in canonical form.
    pub(crate) spec: String,
}

/// Turns rows into the bytes of a form.
pub(crate) enum Encoder<'a> {
    /// Comma-separated values.
    Csv,
    /// JSON lines.
    Jsonl(&'a Layout),
    /// Parquet, whose next row group gathers in the table.
    Parquet(Table, parquet::Writer),
    /// Arrays, which the rows of the table join next.
    Npz(Table, npz::Writer),
}

impl<'a> Encoder<'a> {
    /// Writes what comes before the rows. What must wait for the last row waits beside `output`.
    pub(crate) fn begin(
        format: Format,
        layout: &'a Layout,
        output: &Path,
        to: &mut Destination,
    ) -> Result<Self, CliError> {
        Ok(match format {
            Format::Csv => {
                to.write(&csv_header(layout)?)?;
                Self::Csv
            }
            Format::Jsonl => Self::Jsonl(layout),
            Format::Parquet => {
                to.write(parquet::MAGIC)?;
                Self::Parquet(Table::new(layout), parquet::Writer::new())
            }
            Format::Npz => {
                let table = Table::new(layout);
                let beside = output.parent().filter(|parent| !parent.as_os_str().is_empty());
                let directory = match (output == Path::new("-"), beside) {
                    (true, _) => std::env::temp_dir(),
                    (false, Some(parent)) => parent.to_owned(),
                    (false, None) => Path::new(".").to_owned(),
                };
                let arrays = npz::Writer::new(&table, &directory)?;
                Self::Npz(table, arrays)
            }
        })
    }

    /// Takes a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>, to: &mut Destination) -> Result<(), CliError> {
        match self {
            Self::Csv => to.write(&csv_row(&cells)?),
            Self::Jsonl(layout) => to.write(&json_row(layout, &cells)?),
            Self::Parquet(table, file) => {
                table.push(cells)?;
                if table.rows == parquet::ROWS_PER_GROUP {
                    to.write(&file.group(table))?;
                    table.clear();
                }
                Ok(())
            }
            Self::Npz(table, arrays) => {
                table.push(cells)?;
                if table.rows == parquet::ROWS_PER_GROUP {
                    arrays.group(table)?;
                    table.clear();
                }
                Ok(())
            }
        }
    }

    /// Writes what comes after the rows.
    pub(crate) fn end(self, about: &About, to: &mut Destination) -> Result<(), CliError> {
        match self {
            Self::Csv | Self::Jsonl(_) => Ok(()),
            Self::Parquet(table, mut file) => {
                if table.rows > 0 {
                    to.write(&file.group(&table))?;
                }
                let metadata = [
                    ("seedsweep.schema", about.schema),
                    ("seedsweep.sweep", &about.sweep),
                    ("seedsweep.name", &about.name),
                    ("seedsweep.engine", &about.engine),
                    ("seedsweep.spec", &about.spec),
                ];
                to.write(&file.end(&table, &metadata))
            }
            Self::Npz(table, mut arrays) => {
                arrays.group(&table)?;
                let metadata = serde_json::to_string(about).map_err(unwritable)?;
                arrays.end(&metadata, |bytes| to.write(bytes))
            }
        }
    }
}

/// Refuses to write what people cannot read to a terminal.
pub(crate) fn refuse_terminal(format: Format, output: &Path, is_terminal: bool) -> Result<(), CliError> {
    if output == Path::new("-") && is_terminal && !format.is_text() {
        return Err(CliError::new(Kind::Usage, "this form is not text: name a file with --output"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_goes_to_a_terminal() {
        let refused =
            |format, output: &str, terminal| refuse_terminal(format, Path::new(output), terminal).is_err();
        assert!(refused(Format::Npz, "-", true) && refused(Format::Parquet, "-", true));
        assert!(!refused(Format::Csv, "-", true) && !refused(Format::Npz, "-", false));
        assert!(!refused(Format::Parquet, "rows.parquet", true));
    }
}
