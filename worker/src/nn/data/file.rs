//! A user's file: features and targets from `.csv`, `.npy` and `.npz`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ndarray::{Array2, Axis};
use seedsweep_common::spec::{Attachment, DataFile, Loss, Target};

use super::error::{Cell, DataError, shortened};
use super::target::Targets;
use super::{Files, Table, csv, npy, npz};

/// Rows of a user's file. With mse the target is numbers, with the other losses one of `classes` classes.
pub(super) fn read(
    data: &DataFile,
    loss: Loss,
    outputs: usize,
    files: Files<'_>,
) -> Result<Table, DataError> {
    let name = data.features.path.as_str();
    let bytes = content(&data.features, files)?;
    let (features, target) = match (format(name)?, &data.target) {
        (Format::Csv, Target::Column(column)) => {
            let csv = csv::read(name, &bytes, column)?;
            (csv.features, Column::Texts { file: name, name: column, texts: csv.target })
        }
        (Format::Npy, Target::ColumnIndex(index)) => {
            let values = matrix(name, npy::array(name, &bytes)?)?;
            let (features, target, at) = take_column(name, &values, *index)?;
            (features, Column::Values { file: name, first: at, values: target })
        }
        (Format::Npy, Target::File(targets)) => {
            (matrix(name, npy::array(name, &bytes)?)?, targets_file(targets, files)?)
        }
        (Format::Npz, Target::Arrays { x, y }) => {
            let features = npy::array(name, npz::member(name, &bytes, x)?)?;
            let targets = npy::array(name, npz::member(name, &bytes, y)?)?;
            (matrix(name, features)?, targets_array(name, targets)?)
        }
        (Format::Npz, _) | (_, Target::Arrays { .. }) => {
            return Err(DataError::TargetForm {
                file: name.to_owned(),
                allowed: "the arrays of a `.npz`, and of no other file, are named by `x` and `y`",
            });
        }
        (Format::Csv, Target::ColumnIndex(_) | Target::File(_)) => {
            return Err(DataError::TargetForm {
                file: name.to_owned(),
                allowed: "the target of a `.csv` is the name of a column",
            });
        }
        (Format::Npy, Target::Column(_)) => {
            return Err(DataError::TargetForm {
                file: name.to_owned(),
                allowed: "the target of a `.npy` is a column's number or a second `.npy` file",
            });
        }
    };
    if target.rows() != features.nrows() {
        return Err(DataError::TargetRows {
            features: name.to_owned(),
            rows: features.nrows(),
            targets: target.file().to_owned(),
            target_rows: target.rows(),
        });
    }
    let targets = match loss {
        Loss::Mse | Loss::Population => Targets::Numbers(target.numbers()?),
        Loss::CrossEntropy => Targets::classes(target.classes(outputs)?, outputs),
        Loss::Logistic => Targets::classes(target.classes(2)?, 2),
    };
    Ok(Table { features, targets })
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Npy,
    Npz,
}

fn format(name: &str) -> Result<Format, DataError> {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv") => Ok(Format::Csv),
        Some("npy") => Ok(Format::Npy),
        Some("npz") => Ok(Format::Npz),
        _ => Err(DataError::UnknownFormat { file: name.to_owned() }),
    }
}

fn content(file: &Attachment, files: Files<'_>) -> Result<Arc<[u8]>, DataError> {
    file.digest.and_then(files).ok_or_else(|| DataError::NotAtHand { file: file.path.clone() })
}

/// The array as a matrix of values in range.
pub(super) fn matrix(file: &str, array: npy::Array) -> Result<Array2<f64>, DataError> {
    let npy::Array { shape, values } = array;
    let [rows, columns] = shape[..] else {
        let allowed = "two dimensions are needed: rows and features";
        return Err(DataError::Shape { file: file.to_owned(), shape, allowed });
    };
    if columns == 0 {
        return Err(DataError::NoFeatures { file: file.to_owned() });
    }
    for (at, &value) in values.iter().enumerate() {
        csv::in_range(value, || npy_cell(file, at / columns, at % columns))?;
    }
    Ok(Array2::from_shape_vec((rows, columns), values).expect("the reader compared shape and length"))
}

fn npy_cell(file: &str, row: usize, column: usize) -> Cell {
    Cell { file: file.to_owned(), row: row + 1, column: column.to_string() }
}

/// The second file: (rows) or (rows, outputs).
fn targets_file<'a>(file: &'a Attachment, files: Files<'_>) -> Result<Column<'a>, DataError> {
    let name = file.path.as_str();
    if !matches!(format(name)?, Format::Npy) {
        let allowed = "targets beside the features are a `.npy` file";
        return Err(DataError::TargetForm { file: name.to_owned(), allowed });
    }
    targets_array(name, npy::array(name, &content(file, files)?)?)
}

/// Targets of shape (rows) or (rows, outputs).
fn targets_array(name: &str, mut array: npy::Array) -> Result<Column<'_>, DataError> {
    if array.shape.len() == 1 {
        array.shape.push(1);
    }
    Ok(Column::Values { file: name, first: 0, values: matrix(name, array)? })
}

/// Column `index` (from the end if negative) apart from the others, and its number from 0.
fn take_column(
    file: &str,
    values: &Array2<f64>,
    index: i64,
) -> Result<(Array2<f64>, Array2<f64>, usize), DataError> {
    let columns = values.ncols();
    let at = if index < 0 { index + columns as i64 } else { index };
    let Some(at) = usize::try_from(at).ok().filter(|&at| at < columns) else {
        return Err(DataError::NoSuchColumn {
            file: file.to_owned(),
            target: index.to_string(),
            columns: format!("{columns}, counted from 0"),
            closest: None,
        });
    };
    if columns == 1 {
        return Err(DataError::NoFeatures { file: file.to_owned() });
    }
    let others: Vec<usize> = (0..columns).filter(|&column| column != at).collect();
    Ok((values.select(Axis(1), &others), values.select(Axis(1), &[at]), at))
}

/// Targets as the file holds them.
enum Column<'a> {
    /// A column of a `.csv`.
    Texts { file: &'a str, name: &'a str, texts: Vec<String> },
    /// Columns of a `.npy`, the first of which has number `first` in its file.
    Values { file: &'a str, first: usize, values: Array2<f64> },
}

impl Column<'_> {
    fn file(&self) -> &str {
        match self {
            Self::Texts { file, .. } | Self::Values { file, .. } => file,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Texts { texts, .. } => texts.len(),
            Self::Values { values, .. } => values.nrows(),
        }
    }

    fn numbers(self) -> Result<Array2<f64>, DataError> {
        match self {
            Self::Values { values, .. } => Ok(values),
            Self::Texts { file, name, texts } => {
                let number = |(row, text): (usize, &String)| csv::number(text, || csv_cell(file, row, name));
                let numbers: Vec<f64> = texts.iter().enumerate().map(number).collect::<Result<_, _>>()?;
                Ok(Array2::from_shape_vec((numbers.len(), 1), numbers).expect("one column"))
            }
        }
    }

    /// Class of each row: integers 0 to `classes` − 1, or (in a `.csv`) as many names, sorted.
    fn classes(self, classes: usize) -> Result<Vec<usize>, DataError> {
        match self {
            Self::Values { file, first, values } => {
                if values.ncols() != 1 {
                    let shape = values.shape().to_vec();
                    let allowed = "labels are one column";
                    return Err(DataError::Shape { file: file.to_owned(), shape, allowed });
                }
                let class =
                    |(row, &value): (usize, &f64)| class(value, classes, || npy_cell(file, row, first));
                values.iter().enumerate().map(class).collect()
            }
            Self::Texts { file, name, texts } => {
                let numbers: Option<Vec<f64>> = texts.iter().map(|text| text.parse().ok()).collect();
                let Some(numbers) = numbers else {
                    return names_to_classes(file, name, &texts, classes);
                };
                let class =
                    |(row, &value): (usize, &f64)| class(value, classes, || csv_cell(file, row, name));
                numbers.iter().enumerate().map(class).collect()
            }
        }
    }
}

fn csv_cell(file: &str, row: usize, column: &str) -> Cell {
    Cell { file: file.to_owned(), row: row + 1, column: shortened(column) }
}

fn class(value: f64, classes: usize, cell: impl Fn() -> Cell) -> Result<usize, DataError> {
    if value >= 0.0 && value < classes as f64 && value.fract() == 0.0 {
        Ok(value as usize)
    } else {
        Err(DataError::Label { cell: cell(), value, classes })
    }
}

/// Numbers the different `names` in byte order; there must be exactly `classes` of them.
pub(super) fn names_to_classes(
    file: &str,
    column: &str,
    names: &[String],
    classes: usize,
) -> Result<Vec<usize>, DataError> {
    let different: Vec<&str> =
        names.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    if different.len() != classes {
        let (file, column) = (file.to_owned(), shortened(column));
        return Err(DataError::LabelCount { file, column, found: different.len(), classes });
    }
    let number = |name: &String| different.binary_search(&name.as_str()).expect("every name was collected");
    Ok(names.iter().map(number).collect())
}

#[cfg(test)]
mod tests;
