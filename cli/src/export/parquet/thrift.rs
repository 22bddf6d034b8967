//! Thrift's compact protocol, writing only: the form of Parquet's headers and footer.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// Codes of the field types that Parquet's structures use.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
const BYTE: u8 = 3;
const TRUE: u8 = 1;
const FALSE: u8 = 2;

/// A structure, written field by field in ascending order.
#[derive(Debug, Default)]
pub(super) struct Struct {
    bytes: Vec<u8>,
    last: i16,
}

impl Struct {
    /// An empty structure.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A 32-bit number or enumeration.
    pub(super) fn i32(self, field: i16, value: i32) -> Self {
        self.field(field, I32, |bytes| varint(bytes, zigzag(value.into())))
    }

    /// A 64-bit number.
    pub(super) fn i64(self, field: i16, value: i64) -> Self {
        self.field(field, I64, |bytes| varint(bytes, zigzag(value)))
    }

    /// One byte.
    pub(super) fn byte(self, field: i16, value: u8) -> Self {
        self.field(field, BYTE, |bytes| bytes.push(value))
    }

    /// A truth value, which is in the type.
    pub(super) fn bool(self, field: i16, value: bool) -> Self {
        self.field(field, if value { TRUE } else { FALSE }, |_| ())
    }

    /// Text or bytes.
    pub(super) fn binary(self, field: i16, value: &[u8]) -> Self {
        self.field(field, BINARY, |bytes| binary(bytes, value))
    }

    /// A structure within.
    pub(super) fn within(self, field: i16, value: Self) -> Self {
        self.field(field, STRUCT, |bytes| bytes.extend(value.end()))
    }

    /// A list of structures.
    pub(super) fn structs(self, field: i16, values: impl ExactSizeIterator<Item = Self>) -> Self {
        self.list(field, STRUCT, values.map(Self::end))
    }

    /// A list of 32-bit numbers or enumerations.
    pub(super) fn i32s(self, field: i16, values: &[i32]) -> Self {
        let encoded = |value: &i32| {
            let mut bytes = Vec::new();
            varint(&mut bytes, zigzag((*value).into()));
            bytes
        };
        self.list(field, I32, values.iter().map(encoded))
    }

    /// A list of texts.
    pub(super) fn texts(self, field: i16, values: &[&str]) -> Self {
        let encoded = |value: &&str| {
            let mut bytes = Vec::new();
            binary(&mut bytes, value.as_bytes());
            bytes
        };
        self.list(field, BINARY, values.iter().map(encoded))
    }

    /// The bytes of the whole structure.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }

    fn list(self, field: i16, kind: u8, values: impl ExactSizeIterator<Item = Vec<u8>>) -> Self {
        self.field(field, LIST, |bytes| {
            match values.len() {
                few @ 0..15 => bytes.push((few as u8) << 4 | kind),
                many => {
                    bytes.push(0xf0 | kind);
                    varint(bytes, many as u64);
                }
            }
            values.for_each(|value| bytes.extend(value));
        })
    }

    /// The header of a field, which says how far its number is from the last one, and its value.
    fn field(mut self, field: i16, kind: u8, value: impl FnOnce(&mut Vec<u8>)) -> Self {
        // Parquet's structures skip at most a few numbers
        debug_assert!(self.last < field && field - self.last <= 15);
        self.bytes.push(((field - self.last) as u8) << 4 | kind);
        self.last = field;
        value(&mut self.bytes);
        self
    }
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn binary(bytes: &mut Vec<u8>, value: &[u8]) {
    varint(bytes, value.len() as u64);
    bytes.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    // the examples of the specification: 50399 as a varint; 0, -1, 1, -2, … in zigzag
    #[test]
    fn numbers_are_those_of_the_specification() {
        let mut bytes = Vec::new();
        varint(&mut bytes, 50_399);
        assert_eq!(bytes, [0xdf, 0x89, 0x03]);
        assert_eq!([0, -1, 1, -2, i64::MAX, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX - 1, u64::MAX]);
    }

    #[test]
    fn fields_say_how_far_they_are_apart_and_structures_end() {
        let inner = Struct::new().bool(1, true).byte(2, 7);
        let bytes = Struct::new().i32(1, -1).binary(4, b"ab").within(5, inner).i32s(6, &[1, 2]).end();
        assert_eq!(bytes, [0x15, 1, 0x38, 2, b'a', b'b', 0x1c, 0x11, 0x13, 7, 0, 0x19, 0x25, 2, 4, 0]);
        let long = Struct::new().texts(1, &["x"; 15]).end();
        assert_eq!(long[..3], [0x19, 0xf8, 15]);
    }
}
