//! Reads a user's `.csv`: a header, numeric columns, one of which (numeric or not) is the target.

use ::csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;
use seedsweep_common::limits;
use seedsweep_common::nearest::nearest;

use super::error::{Cell, DataError, shortened};

/// A `.csv`, its target column apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Csv {
    /// (rows, columns beside the target).
    pub features: Array2<f64>,
    /// The target column as text.
    pub target: Vec<String>,
}

/// Reads `bytes`. Every column beside `target` is a feature and must be numeric. `file` is the name for messages.
pub(super) fn read(file: &str, bytes: &[u8], target: &str) -> Result<Csv, DataError> {
    if bytes.len() as u64 > limits::DATA_BYTES {
        return Err(DataError::FileTooLarge { file: file.to_owned(), bytes: bytes.len() as u64 });
    }
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| malformed(file, 0, &error))?.clone();
    check_header(file, &header)?;
    let target_at = find(file, &header, target)?;
    let columns = header.len() - 1;
    if columns == 0 {
        return Err(DataError::NoFeatures { file: file.to_owned() });
    }
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record).map_err(|error| malformed(file, rows + 1, &error))? {
        rows += 1;
        if (rows as u64).saturating_mul(columns as u64) > limits::DATA_VALUES {
            return Err(DataError::TooManyValues {
                what: file.to_owned(),
                rows: rows as u64,
                columns: columns as u64,
            });
        }
        for (at, (text, name)) in record.iter().zip(&header).enumerate() {
            let cell = || Cell { file: file.to_owned(), row: rows, column: shortened(name) };
            if text.is_empty() {
                return Err(DataError::EmptyCell(cell()));
            }
            if at == target_at {
                labels.push(text.to_owned());
            } else {
                values.push(number(text, cell)?);
            }
        }
    }
    let features = Array2::from_shape_vec((rows, columns), values).expect("every row has as many values");
    Ok(Csv { features, target: labels })
}

/// The finite number that `text` writes.
pub(super) fn number(text: &str, cell: impl Fn() -> Cell) -> Result<f64, DataError> {
    let value: f64 =
        text.parse().map_err(|_| DataError::NotANumber { cell: cell(), value: shortened(text) })?;
    in_range(value, cell)
}

/// `value` if it is one that training can hold.
pub(super) fn in_range(value: f64, cell: impl Fn() -> Cell) -> Result<f64, DataError> {
    if value.abs() <= limits::DATA_MAGNITUDE {
        Ok(value)
    } else {
        Err(DataError::OutOfRange { cell: cell(), value })
    }
}

fn check_header(file: &str, header: &StringRecord) -> Result<(), DataError> {
    let numeric = |name: &str| name.parse::<f64>().is_ok();
    if header.iter().all(numeric) {
        return Err(DataError::NoHeader { file: file.to_owned() });
    }
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DataError::DuplicateColumn { file: file.to_owned(), column: shortened(pair[0]) }),
        None => Ok(()),
    }
}

fn find(file: &str, header: &StringRecord, target: &str) -> Result<usize, DataError> {
    header.iter().position(|name| name == target).ok_or_else(|| {
        let mut columns: Vec<String> =
            header.iter().take(20).map(|name| format!("`{}`", shortened(name))).collect();
        if header.len() > columns.len() {
            columns.push(format!("and {} more", header.len() - columns.len()));
        }
        DataError::NoSuchColumn {
            file: file.to_owned(),
            target: shortened(target),
            columns: columns.join(", "),
            closest: nearest(target, header).map(shortened),
        }
    })
}

fn malformed(file: &str, row: usize, error: &::csv::Error) -> DataError {
    let file = file.to_owned();
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::Ragged { file, row, expected: *expected_len, found: *len }
        }
        // reading from memory fails in no other way
        _ => DataError::NotText { file, row },
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn message(text: &str, target: &str) -> String {
        read("t.csv", text.as_bytes(), target).unwrap_err().to_string()
    }

    #[test]
    fn columns_beside_the_target_are_features_wherever_it_stands() {
        let text = "\u{feff}a, label ,b\r\n1, yes ,-2.5e0\r\n\"3\",no,4\r\n";
        let csv = read("t.csv", text.as_bytes(), "label").unwrap();
        assert_eq!(csv.features, array![[1.0, -2.5], [3.0, 4.0]]);
        assert_eq!(csv.target, ["yes", "no"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_row_and_column() {
        assert_eq!(
            message("a,lable\n1,2\n", "label"),
            "t.csv has no column `label`; it has `a`, `lable`; did you mean `lable`?"
        );
        assert_eq!(message("a,b\n1,2\n", "speed"), "t.csv has no column `speed`; it has `a`, `b`");
        assert_eq!(message("a,y\n1,2\n,4\n", "y"), "t.csv, row 2, column `a` is empty");
        assert_eq!(message("a,y\n1,\n", "y"), "t.csv, row 1, column `y` is empty");
        assert_eq!(message("a,y\nx,2\n", "y"), "t.csv, row 1, column `a` is `x`, which is not a number");
        assert_eq!(
            message("a,y\nNaN,2\n", "y"),
            "t.csv, row 1, column `a` is NaN; finite numbers of at most ±1e30 are allowed"
        );
        assert_eq!(
            message("a,y\n-inf,2\n", "y"),
            "t.csv, row 1, column `a` is -inf; finite numbers of at most ±1e30 are allowed"
        );
        assert!(message("a,y\n1e31,2\n", "y").contains("±1e30"));
        assert_eq!(message("a,y\n1,2\n1,2,3\n", "y"), "t.csv, row 2 has 3 values; the header has 2");
        assert_eq!(
            message("1,2\n3,4\n", "y"),
            "t.csv: the first line must name the columns, but it holds only numbers"
        );
        assert_eq!(message("a,a,y\n", "y"), "t.csv: two columns are named `a`");
        assert_eq!(message("y\n1\n", "y"), "t.csv has no column beside the target");
        let binary = read("t.csv", b"a,y\n\xff,1\n", "y").unwrap_err().to_string();
        assert_eq!(binary, "t.csv, row 1 is not UTF-8 text");
    }

    #[test]
    fn text_from_the_file_cannot_upset_a_terminal() {
        let error = message("a,y\n\u{1b}[31m,2\n", "y");
        assert!(!error.contains('\u{1b}') && error.contains("\\u{1b}"), "{error}");
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let sound = b"a,b,label\n1,2,yes\n3.5,-4e-2,\"no\"\n5,6,yes\n".to_vec();
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = *b",\"\n\r\xff e".get(rng.random_range(0..9_usize)).unwrap_or(&rng.random());
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = read("t.csv", &bytes, "label");
        }
    }
}
