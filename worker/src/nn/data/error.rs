//! What can be wrong with a data set, in the words of the person who can mend it.

use std::fmt;

use seedsweep_common::limits;

/// One value of a user's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The file as the spec writes it.
    pub file: String,
    /// Row, from 1; a header is not counted.
    pub row: usize,
    /// Column: its name in a `.csv`, its number from 0 in a `.npy`.
    pub column: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}, column `{}`", self.file, self.row, self.column)
    }
}

/// What is wrong with a data set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DataError {
    /// The content of a file was not handed over.
    #[error("{file}: its content is not at hand")]
    NotAtHand {
        /// The file.
        file: String,
    },
    /// The file is larger than allowed.
    #[error("{file} has {bytes} bytes; at most {max} are allowed", max = limits::DATA_BYTES)]
    FileTooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// More values than a worker holds in memory.
    #[error("{what} has {rows} rows of {columns} values; at most {max} values are allowed", max = limits::DATA_VALUES)]
    TooManyValues {
        /// The file or the built-in data set.
        what: String,
        /// Rows.
        rows: u64,
        /// Values of each row.
        columns: u64,
    },
    /// The name ends in something that is not read.
    #[error("{file}: only `.csv`, `.npy` and `.npz` files are read")]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// The target is given in a way that does not fit the file.
    #[error("{file}: {allowed}")]
    TargetForm {
        /// The file.
        file: String,
        /// How the target of such a file is given.
        allowed: &'static str,
    },
    /// The first line of a `.csv` holds numbers.
    #[error("{file}: the first line must name the columns, but it holds only numbers")]
    NoHeader {
        /// The file.
        file: String,
    },
    /// Two columns of a `.csv` share a name.
    #[error("{file}: two columns are named `{column}`")]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The name.
        column: String,
    },
    /// The target's column is missing.
    #[error("{file} has no column `{target}`; it has {columns}{hint}", hint = did_you_mean(.closest.as_deref()))]
    NoSuchColumn {
        /// The file.
        file: String,
        /// What the spec asks for.
        target: String,
        /// The names (or the number) of its columns.
        columns: String,
        /// A column with nearly that name.
        closest: Option<String>,
    },
    /// Nothing is left beside the target.
    #[error("{file} has no column beside the target")]
    NoFeatures {
        /// The file.
        file: String,
    },
    /// A row is longer or shorter than the header.
    #[error("{file}, row {row} has {found} values; the header has {expected}")]
    Ragged {
        /// The file.
        file: String,
        /// Row, from 1 below the header.
        row: usize,
        /// Columns of the header.
        expected: u64,
        /// Values of this row.
        found: u64,
    },
    /// The bytes are not UTF-8.
    #[error("{file}, row {row} is not UTF-8 text")]
    NotText {
        /// The file.
        file: String,
        /// Row, from 1 below the header; 0 is the header.
        row: usize,
    },
    /// Nothing where a value is needed.
    #[error("{0} is empty")]
    EmptyCell(Cell),
    /// A value that is not a number where one is needed.
    #[error("{cell} is `{value}`, which is not a number")]
    NotANumber {
        /// Where.
        cell: Cell,
        /// The value, shortened.
        value: String,
    },
    /// NaN, an infinity, or too large to train on.
    #[error("{cell} is {value}; finite numbers of at most ±{max:e} are allowed", max = limits::DATA_MAGNITUDE)]
    OutOfRange {
        /// Where.
        cell: Cell,
        /// The value.
        value: f64,
    },
    /// A label that is no class.
    #[error("{cell} is {value}; the classes are the integers 0 to {last}", last = .classes - 1)]
    Label {
        /// Where.
        cell: Cell,
        /// The value.
        value: f64,
        /// Classes of the network.
        classes: usize,
    },
    /// More or fewer names than classes.
    #[error(
        "{file}, column `{column}` holds {found} different labels; the network and its loss tell {classes} classes apart"
    )]
    LabelCount {
        /// The file.
        file: String,
        /// The target's column.
        column: String,
        /// Different labels.
        found: usize,
        /// Classes of the network.
        classes: usize,
    },
    /// The bytes are not a `.npy` file.
    #[error("{file} is not a `.npy` file that can be read: {cause}")]
    Npy {
        /// The file.
        file: String,
        /// What is wrong.
        cause: &'static str,
    },
    /// The bytes are not a `.npz` file.
    #[error("{file} is not a `.npz` file that can be read: {cause}")]
    Npz {
        /// The file.
        file: String,
        /// What is wrong.
        cause: &'static str,
    },
    /// A `.npz` without the array asked for.
    #[error("{file} has no array `{array}`; it has {arrays}")]
    NoSuchArray {
        /// The file.
        file: String,
        /// What the spec asks for.
        array: String,
        /// The first of its arrays.
        arrays: String,
    },
    /// A type of values that is not read.
    #[error("{file} holds values of type `{dtype}`; `<f4`, `<f8`, `<i4`, `<i8` and `|u1` are read")]
    Dtype {
        /// The file.
        file: String,
        /// NumPy's name of the type, shortened.
        dtype: String,
    },
    /// The values are stored column by column.
    #[error("{file} is stored in Fortran order; save it with `numpy.ascontiguousarray(…)`")]
    FortranOrder {
        /// The file.
        file: String,
    },
    /// The file is shorter or longer than its header says.
    #[error("{file} holds {found} bytes of values where its header promises {expected}")]
    Length {
        /// The file.
        file: String,
        /// Bytes that shape and type need.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// An array of other dimensions than needed.
    #[error("{file} has shape {shape:?}; {allowed}")]
    Shape {
        /// The file.
        file: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What is needed.
        allowed: &'static str,
    },
    /// Features and targets of different length.
    #[error("{features} has {rows} rows but {targets} has {target_rows}")]
    TargetRows {
        /// The file of features.
        features: String,
        /// Its rows.
        rows: usize,
        /// The file of targets.
        targets: String,
        /// Its rows.
        target_rows: usize,
    },
    /// The network reads another number of features.
    #[error("{what} has {found} features, but {key} {inputs}")]
    Inputs {
        /// The file or the built-in data set.
        what: String,
        /// Its features.
        found: usize,
        /// What says how many the network reads, with its verb.
        key: &'static str,
        /// The network's inputs.
        inputs: usize,
    },
    /// The network gives another number of outputs.
    #[error("{what} with this `train.loss` needs {needed}, but {key} {outputs}")]
    Outputs {
        /// The file or the built-in data set.
        what: String,
        /// What it needs.
        needed: String,
        /// What says how many the network gives, with its verb.
        key: &'static str,
        /// The network's outputs.
        outputs: usize,
    },
    /// Too few rows to train, or to split.
    #[error(
        "{what} has {rows} rows, of which `data.test_fraction` = {test_fraction} makes {test} test rows; {allowed}"
    )]
    TooFewRows {
        /// The file or the built-in data set.
        what: String,
        /// All rows.
        rows: usize,
        /// The share asked for.
        test_fraction: f64,
        /// Rows it makes.
        test: usize,
        /// What is needed.
        allowed: &'static str,
    },
}

fn did_you_mean(closest: Option<&str>) -> String {
    closest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// `text` as it may stand in a message: at most 40 characters, control characters escaped.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
