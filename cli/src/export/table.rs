//! Rows as typed columns, for forms that store a column at a time.

use seedsweep_common::spec::Level;
use seedsweep_shell::error::{CliError, Kind as ErrorKind};
use serde_json::Value;

use super::row::{Cell, Layout};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Truth values.
    Boolean,
    /// Counts below 2³².
    UInt32,
    /// Counts.
    UInt64,
    /// Whole numbers of a spec.
    Int64,
    /// Numbers.
    Double,
    /// Numbers, the same number of them in each row.
    Doubles,
    /// What was measured: any number of (name, step, value) in a row.
    Points,
}

/// The values of many rows. Where one is absent a filler stands in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// Of [`Kind::Text`].
    Text(Vec<String>),
    /// Of [`Kind::Boolean`].
    Boolean(Vec<bool>),
    /// Of [`Kind::UInt32`].
    UInt32(Vec<u32>),
    /// Of [`Kind::UInt64`].
    UInt64(Vec<u64>),
    /// Of [`Kind::Int64`].
    Int64(Vec<i64>),
    /// Of [`Kind::Double`].
    Double(Vec<f64>),
    /// Of [`Kind::Doubles`].
    Doubles(Vec<Vec<f64>>),
    /// Of [`Kind::Points`].
    Points(Vec<Vec<Point>>),
}

/// One value that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) step: u64,
    pub(crate) value: f64,
}

/// A column of many rows.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether a value may be absent, in these rows or in others.
    pub(crate) may_be_absent: bool,
    pub(crate) values: Values,
    /// For each row whether it has a value.
    pub(crate) is_present: Vec<bool>,
}

/// Rows by their columns.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: usize,
    /// For each column of the layout, what becomes of its cells.
    sources: Vec<Source>,
}

/// What becomes of the cells of one column of the layout.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Nothing: the column repeats another one as text.
    LeftOut,
    /// Column number so and so.
    Column(usize),
    /// The sketches: a column for each level, from this number on.
    Sketches(usize),
}

/// The levels that have a sketch.
fn sketched() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| *level != Level::Bits)
}

/// What a column of the layout holds, and whether it may be absent; `None` for a name that is not known.
fn kind(name: &str) -> Option<(Kind, bool)> {
    Some(match name {
        "experiment" | "stop_reason" | "digest" | "engine" | "build" | "worker" => (Kind::Text, false),
        "certificate" => (Kind::Text, true),
        "restart" | "attempt" => (Kind::UInt32, false),
        "polish_steps" | "basin_raw" | "basin_canonical" | "basin_function" => (Kind::UInt32, true),
        "start" | "steps" | "duration_ms" => (Kind::UInt64, false),
        "loss_train" | "grad_norm" => (Kind::Double, false),
        "loss_test" | "accuracy_train" | "accuracy_test" | "loss_polished" | "polish_displacement" => {
            (Kind::Double, true)
        }
        "measures" => (Kind::Points, true),
        _ => return None,
    })
}

/// What the values of one parameter have in common, and whether an experiment lacks it.
fn parameter_kind<'a>(mut values: impl Iterator<Item = &'a Cell> + Clone) -> (Kind, bool) {
    let all = |is: fn(&Cell) -> bool| values.clone().filter(|cell| **cell != Cell::Missing).all(is);
    let kind = match () {
        () if all(|cell| matches!(cell, Cell::Json(Value::Number(n)) if n.is_i64())) => Kind::Int64,
        () if all(|cell| matches!(cell, Cell::Json(Value::Number(_)))) => Kind::Double,
        () if all(|cell| matches!(cell, Cell::Json(Value::Bool(_)))) => Kind::Boolean,
        () => Kind::Text,
    };
    (kind, values.any(|cell| *cell == Cell::Missing))
}

impl Table {
    /// No rows yet, with the columns of `layout`.
    pub(crate) fn new(layout: &Layout) -> Self {
        let mut table = Self { columns: Vec::new(), rows: 0, sources: Vec::new() };
        for (at, name) in layout.columns().iter().enumerate() {
            let source = match (name.as_str(), layout.parameter_values(at)) {
                // these forms keep the bits of a number as they are
                ("loss_train_hex", None) => Source::LeftOut,
                ("sketches", None) => {
                    let first = table.columns.len();
                    sketched().for_each(|level| {
                        table.add(format!("sketch_{}", level.name()), Kind::Doubles, true);
                    });
                    Source::Sketches(first)
                }
                (_, Some(values)) => {
                    let (kind, may_be_absent) = parameter_kind(values);
                    table.add(name.clone(), kind, may_be_absent)
                }
                (_, None) => {
                    let (kind, may_be_absent) = kind(name).unwrap_or((Kind::Text, true));
                    table.add(name.clone(), kind, may_be_absent)
                }
            };
            table.sources.push(source);
        }
        table
    }

    fn add(&mut self, name: String, kind: Kind, may_be_absent: bool) -> Source {
        let values = match kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::UInt32 => Values::UInt32(Vec::new()),
            Kind::UInt64 => Values::UInt64(Vec::new()),
            Kind::Int64 => Values::Int64(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Doubles => Values::Doubles(Vec::new()),
            Kind::Points => Values::Points(Vec::new()),
        };
        self.columns.push(Column { name, kind, may_be_absent, values, is_present: Vec::new() });
        Source::Column(self.columns.len() - 1)
    }

    /// Adds a row: `cells` of the layout.
    pub(crate) fn push(&mut self, cells: Vec<Cell>) -> Result<(), CliError> {
        for (source, cell) in self.sources.iter().zip(cells) {
            match *source {
                Source::LeftOut => {}
                Source::Column(column) => self.columns[column].push(cell)?,
                Source::Sketches(first) => {
                    let mut sketches = match cell {
                        Cell::Json(Value::Object(sketches)) => sketches,
                        other => return Err(unlike("sketches", &other)),
                    };
                    for (column, level) in (first..).zip(sketched()) {
                        let sketch = sketches.remove(level.name()).filter(|sketch| !sketch.is_null());
                        self.columns[column].push(sketch.map_or(Cell::Missing, Cell::Json))?;
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes all rows out.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        for column in &mut self.columns {
            column.is_present.clear();
            match &mut column.values {
                Values::Text(values) => values.clear(),
                Values::Boolean(values) => values.clear(),
                Values::UInt32(values) => values.clear(),
                Values::UInt64(values) => values.clear(),
                Values::Int64(values) => values.clear(),
                Values::Double(values) => values.clear(),
                Values::Doubles(values) => values.clear(),
                Values::Points(values) => values.clear(),
            }
        }
    }
}

impl Column {
    fn push(&mut self, cell: Cell) -> Result<(), CliError> {
        let is_present = cell != Cell::Missing;
        if !is_present && !self.may_be_absent {
            return Err(unlike(&self.name, &cell));
        }
        match &mut self.values {
            Values::Text(values) => values.push(match cell {
                Cell::Missing => String::new(),
                Cell::Text(text) | Cell::Digits(text) => text,
                Cell::Integer(number) => number.to_string(),
                Cell::Float(number) => number.to_string(),
                Cell::Json(value) => value.to_string(),
            }),
            Values::Boolean(values) => values.push(matches!(cell, Cell::Json(Value::Bool(true)))),
            Values::UInt32(values) => values.push(match cell {
                Cell::Missing => 0,
                Cell::Integer(number) => u32::try_from(number).map_err(|_| unlike(&self.name, &cell))?,
                other => return Err(unlike(&self.name, &other)),
            }),
            Values::UInt64(values) => values.push(match cell {
                Cell::Missing => 0,
                Cell::Integer(number) => number,
                other => return Err(unlike(&self.name, &other)),
            }),
            Values::Int64(values) => values.push(match &cell {
                Cell::Json(Value::Number(number)) => number.as_i64().unwrap_or(0),
                _ => 0,
            }),
            Values::Double(values) => values.push(match &cell {
                Cell::Missing => f64::NAN,
                Cell::Float(number) => *number,
                Cell::Json(value) => double(value).ok_or_else(|| unlike(&self.name, &cell))?,
                other => return Err(unlike(&self.name, other)),
            }),
            Values::Doubles(values) => values.push(match &cell {
                Cell::Missing => Vec::new(),
                cell => doubles(cell).ok_or_else(|| unlike(&self.name, cell))?,
            }),
            Values::Points(values) => values.push(match &cell {
                Cell::Missing => Vec::new(),
                cell => points(cell).ok_or_else(|| unlike(&self.name, cell))?,
            }),
        }
        self.is_present.push(is_present);
        Ok(())
    }
}

fn unlike(column: &str, cell: &Cell) -> CliError {
    CliError::new(ErrorKind::Bug, format!("`{column}` cannot hold {cell:?}"))
}

/// A number, or one that JSON names.
fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(name) => name.parse().ok(),
        _ => None,
    }
}

fn doubles(cell: &Cell) -> Option<Vec<f64>> {
    let Cell::Json(Value::Array(values)) = cell else { return None };
    values.iter().map(double).collect()
}

/// `{"name": [[step, value], …], …}` point by point.
fn points(cell: &Cell) -> Option<Vec<Point>> {
    let Cell::Json(Value::Object(series)) = cell else { return None };
    let mut all = Vec::new();
    for (name, points) in series {
        for point in points.as_array()? {
            let [step, value] = point.as_array()?.as_slice() else { return None };
            all.push(Point { name: name.clone(), step: step.as_u64()?, value: double(value)? });
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use seedsweep_common::spec;
    use serde_json::json;

    use super::*;
    use crate::export::Format;

    const SPEC: &str = r#"
name = "table"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "moons" }
train = { loss = "mse", lr = 0.1, batch = 10, epochs = 3 }
[[experiment]]
name = "a"
init = "xavier_uniform"
restarts = 24
vary = ["order"]
[[experiment]]
name = "b"
init = "xavier_uniform"
restarts = 24
vary = ["order"]
train = { lr = 0.5, shuffle = false, epochs = 4 }
data = { samples = 32 }
"#;

    #[test]
    fn every_column_has_a_type_of_its_own() {
        let spec = spec::parse("table.toml", SPEC, &[]).unwrap().spec;
        let layout = Layout::new(&spec, Format::Parquet);
        for (at, name) in layout.columns().iter().enumerate() {
            let special = ["loss_train_hex", "sketches"].contains(&name.as_str());
            assert!(special || layout.parameter_values(at).is_some() || kind(name).is_some(), "{name}");
        }
        let table = Table::new(&layout);
        let kinds: Vec<(&str, Kind)> =
            table.columns[3..7].iter().map(|column| (column.name.as_str(), column.kind)).collect();
        let expected = [
            ("train.lr", Kind::Double),
            ("train.shuffle", Kind::Boolean),
            ("train.epochs", Kind::Int64),
            ("data.samples", Kind::Int64),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(
            table.columns.iter().filter(|column| column.name.starts_with("sketch_")).count(),
            sketched().count()
        );
    }

    #[test]
    fn parameters_without_a_common_type_are_texts() {
        let numbers = [Cell::Json(json!(1)), Cell::Json(json!(0.5)), Cell::Missing];
        assert_eq!(parameter_kind(numbers.iter()), (Kind::Double, true));
        let mixed = [Cell::Json(json!(1)), Cell::Text("full".to_owned())];
        assert_eq!(parameter_kind(mixed.iter()), (Kind::Text, false));
        let lists = [Cell::Json(json!(["init", "order"]))];
        assert_eq!(parameter_kind(lists.iter()), (Kind::Text, false));
    }

    #[test]
    fn a_cell_that_does_not_fit_is_an_error() {
        let mut column = Column {
            name: "restart".to_owned(),
            kind: Kind::UInt32,
            may_be_absent: false,
            values: Values::UInt32(Vec::new()),
            is_present: Vec::new(),
        };
        assert!(column.push(Cell::Missing).is_err() && column.push(Cell::Float(0.5)).is_err());
        assert!(column.push(Cell::Integer(1 << 32)).is_err() && column.push(Cell::Integer(7)).is_ok());
        assert_eq!(column.values, Values::UInt32(vec![7]));
    }
}
