//! Outcome rows for other programs: CSV, JSON lines, Parquet and .npz (docs/export.md).
//!
//! All forms hold the same columns in the same order. All columns up to `engine` are a pure function of the spec: two
//! exports of one sweep agree on them byte for byte.

mod destination;
mod encoder;
mod float_hex;
mod npz;
mod parquet;
mod row;
mod table;

use clap::ValueEnum;
use seedsweep_shell::error::{CliError, Kind};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(crate) use destination::Destination;
pub(crate) use encoder::{About, Encoder, refuse_terminal};
pub(crate) use row::{Cell, Layout, number};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Parquet: typed columns, for pandas, polars, duckdb and others.
    Parquet,
    /// An archive of NumPy arrays, one for each column.
    Npz,
}

impl Format {
    /// Whether people can read it.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

/// The header of a CSV, with its line end.
fn csv_header(layout: &Layout) -> Result<Vec<u8>, CliError> {
    csv_line(layout.columns().iter().map(|name| text_cell(name)))
}

/// One row of a CSV, with its line end.
fn csv_row(cells: &[Cell]) -> Result<Vec<u8>, CliError> {
    csv_line(cells.iter().map(csv_cell))
}

/// One row as a line of JSON.
fn json_row(layout: &Layout, cells: &[Cell]) -> Result<Vec<u8>, CliError> {
    let mut line = serde_json::to_vec(&JsonRow { columns: layout.columns(), cells }).map_err(unwritable)?;
    line.push(b'\n');
    Ok(line)
}

fn unwritable(error: impl std::error::Error + 'static) -> CliError {
    CliError::caused(Kind::Bug, "cannot write a row", &error)
}

fn csv_line(cells: impl Iterator<Item = String>) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(unwritable)?;
    writer.into_inner().map_err(|error| unwritable(error.into_error()))
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Text(text) => text_cell(text),
        Cell::Digits(digits) => digits.clone(),
        Cell::Integer(number) => number.to_string(),
        Cell::Float(number) => float(*number).unwrap_or_else(|name| name.to_owned()),
        Cell::Json(value) => value.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula (OWASP, "CSV injection").
fn text_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// The shortest text that reads back as `number`, or the name of a number that JSON lacks.
fn float(number: f64) -> Result<String, &'static str> {
    match number {
        n if n.is_nan() => Err("NaN"),
        n if n == f64::INFINITY => Err("inf"),
        n if n == f64::NEG_INFINITY => Err("-inf"),
        n => Ok(format!("{n:?}")),
    }
}

/// A row as a JSON object whose keys are in the order of the columns.
pub(crate) struct JsonRow<'a> {
    /// Names.
    pub(crate) columns: &'a [String],
    /// One per name.
    pub(crate) cells: &'a [Cell],
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(column, cell)?;
        }
        map.end()
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Missing => serializer.serialize_none(),
            Self::Text(text) | Self::Digits(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_u64(*number),
            Self::Float(number) => match float(*number) {
                Ok(_) => serializer.serialize_f64(*number),
                Err(name) => serializer.serialize_str(name),
            },
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_bit_for_bit() {
        for number in [0.1 + 0.2, -0.0, 5e-324, f64::MAX, 1e300, 1.0 / 3.0, 123_456_789.0] {
            let text = csv_cell(&Cell::Float(number));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}");
            let json = serde_json::to_string(&Cell::Float(number)).unwrap();
            assert_eq!(json.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{json}");
        }
        assert_eq!(csv_cell(&Cell::Float(f64::NAN)), "NaN");
        assert_eq!(serde_json::to_string(&Cell::Float(f64::NEG_INFINITY)).unwrap(), "\"-inf\"");
    }

    #[test]
    fn no_text_becomes_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(csv_cell(&Cell::Text(text.into())).starts_with('\''), "{text}");
        }
        assert_eq!(csv_cell(&Cell::Text("constant-0.5".into())), "constant-0.5");
        assert_eq!(csv_cell(&Cell::Float(-0.5)), "-0.5");
    }

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        let line = csv_line(["a,b".to_owned(), "c\"d".to_owned()].into_iter()).unwrap();
        assert_eq!(line, b"\"a,b\",\"c\"\"d\"\n");
    }
}
