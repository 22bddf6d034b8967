//! NumPy's .npz: one array for each column, in a zip archive without compression.
//!
//! An array's header says how many rows it has and how long its longest text is, so columns wait in files without a
//! name until the last row is there: memory stays small however many rows there are. The same rows give the same
//! bytes. What is absent is −1 in whole numbers, NaN in others, and an empty text.

mod npy;
mod spill;
mod zip;

use std::path::Path;

use seedsweep_shell::error::CliError;

use super::table::{Column, Kind, Table, Values};
use npy::Type;
use spill::Spill;
use zip::Zip;

/// Columns on their way into an archive.
#[derive(Debug)]
pub(crate) struct Writer {
    rows: u64,
    arrays: Vec<Array>,
}

/// A column, or a part of one, on its way.
#[derive(Debug)]
struct Array {
    name: String,
    kind: Type,
    values: Spill,
}

impl Writer {
    /// Arrays for the columns of `table`, whose values wait in `directory`.
    pub(crate) fn new(table: &Table, directory: &Path) -> Result<Self, CliError> {
        let named = table.columns.iter().flat_map(arrays_of);
        let arrays = named
            .map(|(name, kind)| Ok(Array { name, kind, values: Spill::new(directory, kind.items())? }))
            .collect::<Result<_, CliError>>()?;
        Ok(Self { rows: 0, arrays })
    }

    /// Adds all rows of `table`.
    pub(crate) fn group(&mut self, table: &Table) -> Result<(), CliError> {
        let mut arrays = self.arrays.iter_mut();
        for column in &table.columns {
            append(column, self.rows, &mut arrays)?;
        }
        self.rows += table.rows as u64;
        Ok(())
    }

    /// Hands the archive to `write`, with `metadata` as an array of one text.
    pub(crate) fn end(
        self,
        metadata: &str,
        write: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut archive = Zip::new(write);
        for Array { name, kind, mut values } in self.arrays {
            let header = npy::header(kind, Some(values.items()), values.longest());
            let length = header.len() as u64 + values.bytes();
            archive.entry(&name, length, |to| {
                to(&header)?;
                values.read(to)
            })?;
        }
        let characters: Vec<u8> = npy::characters(metadata).collect();
        let header = npy::header(Type::Text, None, metadata.chars().count());
        archive.entry("metadata", (header.len() + characters.len()) as u64, |to| {
            to(&header)?;
            to(&characters)
        })?;
        archive.end()
    }
}

/// Names and types of the arrays that a column becomes.
fn arrays_of(column: &Column) -> Vec<(String, Type)> {
    let kind = match (column.kind, column.may_be_absent) {
        (Kind::Text, _) => Type::Text,
        (Kind::Boolean, false) => Type::Boolean,
        (Kind::UInt32, false) => Type::UInt32,
        (Kind::UInt64, false) => Type::UInt64,
        (Kind::Boolean | Kind::UInt32 | Kind::UInt64, true) | (Kind::Int64, false) => Type::Int64,
        // −1 may be a value of a spec
        (Kind::Int64, true) | (Kind::Double, _) => Type::Float64,
        (Kind::Doubles, _) => Type::Float64s,
        (Kind::Points, _) => {
            let parts = [
                ("row", Type::UInt64),
                ("name", Type::Text),
                ("step", Type::UInt64),
                ("value", Type::Float64),
            ];
            return parts.map(|(part, kind)| (format!("{}_{part}", column.name), kind)).to_vec();
        }
    };
    vec![(column.name.clone(), kind)]
}

/// Adds the values of `column`, whose first row is row `first` of all, to its arrays: the next ones of `arrays`.
fn append<'a>(
    column: &Column,
    first: u64,
    arrays: &mut impl Iterator<Item = &'a mut Array>,
) -> Result<(), CliError> {
    if let Values::Points(lists) = &column.values {
        let points =
            || (first..).zip(lists).flat_map(|(row, list)| list.iter().map(move |point| (row, point)));
        for (part, array) in arrays.take(4).enumerate() {
            for (row, point) in points() {
                match part {
                    0 => array.values.push(row.to_le_bytes()),
                    1 => array.values.push(npy::characters(&point.name)),
                    2 => array.values.push(point.step.to_le_bytes()),
                    _ => array.values.push(point.value.to_le_bytes()),
                }?;
            }
        }
        return Ok(());
    }
    let Some(Array { kind, values: spill, .. }) = arrays.next() else { return Ok(()) };
    let is_absent = |row: usize| !column.is_present[row];
    // a whole number in the array's type
    let mut whole = |row: usize, value: i64| match kind {
        Type::Int64 => spill.push(if is_absent(row) { -1 } else { value }.to_le_bytes()),
        Type::Float64 => spill.push(if is_absent(row) { f64::NAN } else { value as f64 }.to_le_bytes()),
        Type::UInt32 => spill.push((value as u32).to_le_bytes()),
        Type::Boolean => spill.push([value as u8]),
        _ => spill.push((value as u64).to_le_bytes()),
    };
    match &column.values {
        Values::Boolean(values) => (0..).zip(values).try_for_each(|(row, value)| whole(row, (*value).into())),
        Values::UInt32(values) => (0..).zip(values).try_for_each(|(row, value)| whole(row, (*value).into())),
        Values::UInt64(values) => (0..).zip(values).try_for_each(|(row, value)| whole(row, *value as i64)),
        Values::Int64(values) => (0..).zip(values).try_for_each(|(row, value)| whole(row, *value)),
        Values::Double(values) => values.iter().try_for_each(|value| spill.push(value.to_le_bytes())),
        Values::Text(texts) => texts.iter().try_for_each(|text| spill.push(npy::characters(text))),
        Values::Doubles(lists) => {
            lists.iter().try_for_each(|list| spill.push(list.iter().flat_map(|value| value.to_le_bytes())))
        }
        Values::Points(_) => Ok(()),
    }
}
