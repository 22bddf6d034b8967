//! Parquet files (<https://github.com/apache/parquet-format>): as much of the format as outcome rows need.
//!
//! Format version 1, which every reader knows: data pages V1, values PLAIN, repeated texts by a dictionary, levels and
//! dictionary indices as runs, no compression (sketches are noise to a compressor). Written by hand because the `arrow`
//! crates switch on `num-traits/std`, with which a normal draw would take its rare logarithms from the platform. The
//! same rows give the same bytes. Memory: one row group.

mod thrift;

use std::collections::BTreeMap;

use super::table::{Column, Kind, Point, Table, Values};
use thrift::{Struct, varint};

/// Rows of one group: what is held in memory, and what a reader skips as a whole.
pub(crate) const ROWS_PER_GROUP: usize = 32_768;

/// First and last bytes of a file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

// `Type`, `Encoding`, `FieldRepetitionType`, `ConvertedType` and `PageType` of parquet.thrift
const BOOLEAN: i32 = 0;
const INT32: i32 = 1;
const INT64: i32 = 2;
const DOUBLE: i32 = 5;
const BYTE_ARRAY: i32 = 6;
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const RLE_DICTIONARY: i32 = 8;
const REQUIRED: i32 = 0;
const OPTIONAL: i32 = 1;
const REPEATED: i32 = 2;
const UTF8: i32 = 0;
const CONVERTED_LIST: i32 = 3;
const UINT_32: i32 = 13;
const UINT_64: i32 = 14;
const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;
const UNCOMPRESSED: i32 = 0;

/// A file on its way: what its footer must say.
#[derive(Debug)]
pub(crate) struct Writer {
    offset: usize,
    rows: usize,
    groups: Vec<Struct>,
}

impl Writer {
    /// A file that begins with [`MAGIC`].
    pub(crate) fn new() -> Self {
        Self { offset: MAGIC.len(), rows: 0, groups: Vec::new() }
    }

    /// The bytes of a row group: all rows of `table`, which has some.
    pub(crate) fn group(&mut self, table: &Table) -> Vec<u8> {
        let mut bytes = Vec::new();
        let leaves: Vec<Leaf> = table.columns.iter().flat_map(leaves).collect();
        let chunks: Vec<Struct> =
            leaves.iter().map(|leaf| chunk(leaf, self.offset + bytes.len(), &mut bytes)).collect();
        let group = Struct::new()
            .structs(1, chunks.into_iter())
            .i64(2, bytes.len() as i64)
            .i64(3, table.rows as i64)
            .i64(5, self.offset as i64)
            .i64(6, bytes.len() as i64);
        self.groups.push(group);
        self.offset += bytes.len();
        self.rows += table.rows;
        bytes
    }

    /// The last bytes of the file: schema, groups and `metadata`.
    pub(crate) fn end(self, table: &Table, metadata: &[(&str, &str)]) -> Vec<u8> {
        let root = Struct::new().binary(4, b"outcome").i32(5, table.columns.len() as i32);
        let schema: Vec<Struct> =
            std::iter::once(root).chain(table.columns.iter().flat_map(elements)).collect();
        let pairs = metadata
            .iter()
            .map(|(key, value)| Struct::new().binary(1, key.as_bytes()).binary(2, value.as_bytes()));
        let created_by = concat!("seedsweep version ", env!("CARGO_PKG_VERSION"));
        let mut bytes = Struct::new()
            .i32(1, 1)
            .structs(2, schema.into_iter())
            .i64(3, self.rows as i64)
            .structs(4, self.groups.into_iter())
            .structs(5, pairs)
            .binary(6, created_by.as_bytes())
            .end();
        let length = bytes.len() as u32;
        bytes.extend(length.to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }
}

/// The schema elements of a column.
fn elements(column: &Column) -> Vec<Struct> {
    let repetition = if column.may_be_absent { OPTIONAL } else { REQUIRED };
    let list = |element: Vec<Struct>| {
        let outer = Struct::new()
            .i32(3, repetition)
            .binary(4, column.name.as_bytes())
            .i32(5, 1)
            .i32(6, CONVERTED_LIST)
            .within(10, Struct::new().within(3, Struct::new()));
        let repeated = Struct::new().i32(3, REPEATED).binary(4, b"list").i32(5, 1);
        [outer, repeated].into_iter().chain(element).collect()
    };
    match column.kind {
        Kind::Doubles => list(vec![scalar(Kind::Double, REQUIRED, "element")]),
        Kind::Points => list(vec![
            Struct::new().i32(3, REQUIRED).binary(4, b"element").i32(5, 3),
            scalar(Kind::Text, REQUIRED, "name"),
            scalar(Kind::UInt64, REQUIRED, "step"),
            scalar(Kind::Double, REQUIRED, "value"),
        ]),
        kind => vec![scalar(kind, repetition, &column.name)],
    }
}

/// The schema element of single values.
fn scalar(kind: Kind, repetition: i32, name: &str) -> Struct {
    let element = Struct::new().i32(1, physical(kind)).i32(3, repetition).binary(4, name.as_bytes());
    let unsigned = |bits: u8| Struct::new().within(10, Struct::new().byte(1, bits).bool(2, false));
    match kind {
        Kind::Text => element.i32(6, UTF8).within(10, Struct::new().within(1, Struct::new())),
        Kind::UInt32 => element.i32(6, UINT_32).within(10, unsigned(32)),
        Kind::UInt64 => element.i32(6, UINT_64).within(10, unsigned(64)),
        _ => element,
    }
}

fn physical(kind: Kind) -> i32 {
    match kind {
        Kind::Text => BYTE_ARRAY,
        Kind::Boolean => BOOLEAN,
        Kind::UInt32 => INT32,
        Kind::UInt64 | Kind::Int64 => INT64,
        Kind::Double | Kind::Doubles | Kind::Points => DOUBLE,
    }
}

/// What is stored as one run of values: a column, or a part of one.
struct Leaf<'a> {
    path: Vec<&'a str>,
    kind: Kind,
    /// Runs of repetition levels; `None` where nothing repeats.
    repetitions: Option<Runs>,
    /// Runs of definition levels; `None` where nothing can be absent.
    definitions: Option<Runs>,
    /// Levels of either sort, or values where there are none.
    entries: usize,
    values: Stored<'a>,
}

/// The values that are there.
enum Stored<'a> {
    Text(Vec<&'a str>),
    /// Already as they are stored.
    Plain(Vec<u8>),
}

fn leaves(column: &Column) -> Vec<Leaf<'_>> {
    match &column.values {
        Values::Doubles(lists) => {
            let values = lists.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
            vec![in_lists(column, lists, vec![], Kind::Double, Stored::Plain(values))]
        }
        Values::Points(lists) => {
            let points = || lists.iter().flatten();
            let names = points().map(|point: &Point| point.name.as_str()).collect();
            let steps = points().flat_map(|point| point.step.to_le_bytes()).collect();
            let values = points().flat_map(|point| point.value.to_le_bytes()).collect();
            vec![
                in_lists(column, lists, vec!["name"], Kind::Text, Stored::Text(names)),
                in_lists(column, lists, vec!["step"], Kind::UInt64, Stored::Plain(steps)),
                in_lists(column, lists, vec!["value"], Kind::Double, Stored::Plain(values)),
            ]
        }
        values => vec![Leaf {
            path: vec![&column.name],
            kind: column.kind,
            repetitions: None,
            definitions: column
                .may_be_absent
                .then(|| Runs::of(column.is_present.iter().map(|is_present| u32::from(*is_present)), 1)),
            entries: column.is_present.len(),
            values: present(column, values),
        }],
    }
}

/// The values that are there of a column that has at most one in a row.
fn present<'a>(column: &'a Column, values: &'a Values) -> Stored<'a> {
    fn plain<T: Copy, const N: usize>(
        values: &[T],
        is_present: &[bool],
        bytes: fn(T) -> [u8; N],
    ) -> Stored<'static> {
        let present = values.iter().zip(is_present).filter(|(_, is_present)| **is_present);
        Stored::Plain(present.flat_map(|(value, _)| bytes(*value)).collect())
    }
    let is_present = &column.is_present;
    match values {
        Values::Text(texts) => {
            let present = texts.iter().zip(is_present).filter(|(_, is_present)| **is_present);
            Stored::Text(present.map(|(text, _)| text.as_str()).collect())
        }
        Values::Boolean(values) => {
            let present = values.iter().zip(is_present).filter(|(_, is_present)| **is_present);
            let bits: Vec<bool> = present.map(|(value, _)| *value).collect();
            let packed = bits.chunks(8).map(|byte| {
                byte.iter().enumerate().fold(0, |packed, (place, bit)| packed | u8::from(*bit) << place)
            });
            Stored::Plain(packed.collect())
        }
        Values::UInt32(values) => plain(values, is_present, u32::to_le_bytes),
        Values::UInt64(values) => plain(values, is_present, u64::to_le_bytes),
        Values::Int64(values) => plain(values, is_present, i64::to_le_bytes),
        Values::Double(values) => plain(values, is_present, f64::to_le_bytes),
        Values::Doubles(_) | Values::Points(_) => Stored::Plain(Vec::new()),
    }
}

/// A leaf of `column`, each of whose rows has a list: level 0 of repetition begins a row; the definition levels are
/// absent, empty and an element.
fn in_lists<'a, T>(
    column: &'a Column,
    lists: &[Vec<T>],
    path: Vec<&'a str>,
    kind: Kind,
    values: Stored<'a>,
) -> Leaf<'a> {
    let empty = u32::from(column.may_be_absent);
    let (mut repetitions, mut definitions) = (Vec::new(), Vec::new());
    for (list, is_present) in lists.iter().zip(&column.is_present) {
        repetitions.extend((0..list.len().max(1)).map(|place| u32::from(place > 0)));
        match (is_present, list.is_empty()) {
            (false, _) => definitions.push(0),
            (true, true) => definitions.push(empty),
            (true, false) => definitions.extend(list.iter().map(|_| empty + 1)),
        }
    }
    Leaf {
        path: [vec![column.name.as_str(), "list", "element"], path].concat(),
        kind,
        entries: definitions.len(),
        repetitions: Some(Runs::of(repetitions.into_iter(), 1)),
        definitions: Some(Runs::of(definitions.into_iter(), empty + 1)),
        values,
    }
}

/// Writes the pages of a leaf, which begin at `offset` of the file, and gives what the footer says of them.
fn chunk(leaf: &Leaf, offset: usize, bytes: &mut Vec<u8>) -> Struct {
    let before = bytes.len();
    let (dictionary, encoding, stored) = match &leaf.values {
        Stored::Plain(stored) => (None, PLAIN, stored.clone()),
        Stored::Text(texts) => match Dictionary::of(texts) {
            Some(dictionary) => (Some(dictionary.page()), RLE_DICTIONARY, dictionary.indices),
            None => (None, PLAIN, texts.iter().flat_map(|text| plain_text(text)).collect()),
        },
    };
    if let Some(page) = &dictionary {
        bytes.extend(page);
    }
    let data_offset = offset + (bytes.len() - before);
    let mut body = Vec::new();
    for runs in [&leaf.repetitions, &leaf.definitions].into_iter().flatten() {
        body.extend((runs.bytes.len() as u32).to_le_bytes());
        body.extend(&runs.bytes);
    }
    body.extend(stored);
    let header = Struct::new().i32(1, leaf.entries as i32).i32(2, encoding).i32(3, RLE).i32(4, RLE);
    bytes.extend(page(DATA_PAGE, body.len()).within(5, header).end());
    bytes.extend(body);

    let size = (bytes.len() - before) as i64;
    let mut metadata = Struct::new()
        .i32(1, physical(leaf.kind))
        .i32s(2, if dictionary.is_some() { &[PLAIN, RLE, RLE_DICTIONARY] } else { &[PLAIN, RLE] })
        .texts(3, &leaf.path)
        .i32(4, UNCOMPRESSED)
        .i64(5, leaf.entries as i64)
        .i64(6, size)
        .i64(7, size)
        .i64(9, data_offset as i64);
    if dictionary.is_some() {
        metadata = metadata.i64(11, offset as i64);
    }
    Struct::new().i64(2, offset as i64).within(3, metadata)
}

/// The header of a page of `length` bytes, without what its kind adds.
fn page(kind: i32, length: usize) -> Struct {
    Struct::new().i32(1, kind).i32(2, length as i32).i32(3, length as i32)
}

fn plain_text(text: &str) -> impl Iterator<Item = u8> + '_ {
    (text.len() as u32).to_le_bytes().into_iter().chain(text.bytes())
}

/// Texts by their numbers, in the order in which they first come.
struct Dictionary<'a> {
    texts: Vec<&'a str>,
    /// Bits of an index, and the indices as runs.
    indices: Vec<u8>,
}

impl<'a> Dictionary<'a> {
    /// `None` where too few of `texts` repeat.
    fn of(texts: &[&'a str]) -> Option<Self> {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let mut distinct = Vec::new();
        let mut indices = Vec::with_capacity(texts.len());
        for text in texts {
            let next = distinct.len() as u32;
            let number = *numbers.entry(text).or_insert(next);
            if number == next {
                distinct.push(*text);
            }
            indices.push(number);
        }
        let largest = (distinct.len() as u32).checked_sub(1)?;
        (distinct.len() * 2 <= texts.len()).then(|| {
            let runs = Runs::of(indices.into_iter(), largest.max(1));
            Self { texts: distinct, indices: [vec![runs.bits], runs.bytes].concat() }
        })
    }

    fn page(&self) -> Vec<u8> {
        let body: Vec<u8> = self.texts.iter().flat_map(|text| plain_text(text)).collect();
        let header = Struct::new().i32(1, self.texts.len() as i32).i32(2, PLAIN);
        let mut bytes = page(DICTIONARY_PAGE, body.len()).within(7, header).end();
        bytes.extend(body);
        bytes
    }
}

/// Small numbers as runs of equal ones: the RLE half of Parquet's "RLE / bit-packing hybrid".
struct Runs {
    /// Bits of a number.
    bits: u8,
    bytes: Vec<u8>,
}

impl Runs {
    /// `values`, none above `largest` ≥ 1.
    fn of(values: impl Iterator<Item = u32>, largest: u32) -> Self {
        let bits = (u32::BITS - largest.leading_zeros()) as u8;
        let width = usize::from(bits.div_ceil(8));
        let mut bytes = Vec::new();
        let mut run: Option<(u32, u64)> = None;
        let end = |run: Option<(u32, u64)>, bytes: &mut Vec<u8>| {
            if let Some((value, length)) = run {
                // the lowest bit says that it is a run
                varint(bytes, length << 1);
                bytes.extend(&value.to_le_bytes()[..width]);
            }
        };
        for value in values {
            match &mut run {
                Some((of, length)) if *of == value => *length += 1,
                _ => {
                    end(run, &mut bytes);
                    run = Some((value, 1));
                }
            }
        }
        end(run, &mut bytes);
        Self { bits, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_lengths_and_values() {
        let runs = |values: &[u32], largest| Runs::of(values.iter().copied(), largest);
        assert_eq!(runs(&[1, 1, 1, 0], 1).bytes, [6, 1, 2, 0]);
        assert_eq!((runs(&[300; 70], 300).bits, runs(&[300; 70], 300).bytes), (9, vec![0x8c, 1, 44, 1]));
        assert_eq!(runs(&[], 1).bytes, Vec::<u8>::new());
    }

    #[test]
    fn texts_that_repeat_are_numbered_and_others_are_not() {
        let dictionary = Dictionary::of(&["b", "b", "a", "b"]).unwrap();
        assert_eq!(dictionary.texts, ["b", "a"]);
        assert_eq!(dictionary.indices, [1, 4, 0, 2, 1, 2, 0]);
        assert!(Dictionary::of(&["a", "b", "a"]).is_none() && Dictionary::of(&[]).is_none());
    }
}
