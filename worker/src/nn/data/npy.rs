//! Reads `.npy` files (NumPy Enhancement Proposal 1, versions 1 and 2) of plain numbers in C order.
//! Never allocates before it has compared what the header promises with the bytes that are there.

use seedsweep_common::limits;

use super::error::{DataError, shortened};

/// An array of one or two dimensions, widened to f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// One or two sizes.
    pub shape: Vec<usize>,
    /// The values in C order. Integers beyond 2⁵³ are rounded.
    pub values: Vec<f64>,
}

/// Reads a start file: a flat vector. `file` is its name for messages.
pub fn vector(file: &str, bytes: &[u8]) -> Result<Vec<f64>, DataError> {
    let Array { shape, values } = array(file, bytes)?;
    match shape.len() {
        1 => Ok(values),
        _ => Err(DataError::Shape { file: file.to_owned(), shape, allowed: "one dimension is needed" }),
    }
}

/// Reads an array of one or two dimensions. `file` is its name for messages.
pub fn array(file: &str, bytes: &[u8]) -> Result<Array, DataError> {
    let named = |cause| DataError::Npy { file: file.to_owned(), cause };
    if bytes.len() as u64 > limits::DATA_BYTES {
        return Err(DataError::FileTooLarge { file: file.to_owned(), bytes: bytes.len() as u64 });
    }
    let (header, data) = split_header(bytes).map_err(named)?;
    let dtype = quoted(header, "descr").ok_or_else(|| named("its header has no `descr` of plain values"))?;
    let (width, read) =
        reader(dtype).ok_or_else(|| DataError::Dtype { file: file.to_owned(), dtype: shortened(dtype) })?;
    match value_of(header, "fortran_order") {
        Some(rest) if rest.starts_with("False") => {}
        Some(rest) if rest.starts_with("True") => {
            return Err(DataError::FortranOrder { file: file.to_owned() });
        }
        _ => return Err(named("its header has no `fortran_order`")),
    }
    let shape = shape(header).ok_or_else(|| named("its header has no readable `shape`"))?;
    if !(1..=2).contains(&shape.len()) {
        let allowed = "one or two dimensions are needed";
        return Err(DataError::Shape { file: file.to_owned(), shape, allowed });
    }
    let (rows, columns) = (shape[0] as u64, shape.get(1).map_or(1, |&columns| columns as u64));
    let values = rows.checked_mul(columns).filter(|&values| values <= limits::DATA_VALUES);
    let Some(values) = values else {
        return Err(DataError::TooManyValues { what: file.to_owned(), rows, columns });
    };
    let expected = values * width as u64;
    if expected != data.len() as u64 {
        return Err(DataError::Length { file: file.to_owned(), expected, found: data.len() as u64 });
    }
    Ok(Array { shape, values: data.chunks_exact(width).map(read).collect() })
}

/// Header text and the bytes behind it.
fn split_header(bytes: &[u8]) -> Result<(&str, &[u8]), &'static str> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin with the magic bytes")?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [1 | 2, ..] | [] => return Err("it ends within its header"),
        _ => return Err("only versions 1 and 2 are read"),
    };
    let (header, data) = rest.split_at_checked(length).ok_or("it ends within its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    Ok((header, data))
}

/// What follows `'key':` in the header, a Python dictionary literal.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header[at + key.len() + 2..].trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

fn quoted<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let rest = value_of(header, key)?.strip_prefix('\'')?;
    rest.find('\'').map(|end| &rest[..end])
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let rest = value_of(header, "shape")?.strip_prefix('(')?;
    let inner = rest[..rest.find(')')?].trim().trim_end_matches(',');
    if inner.is_empty() {
        return Some(Vec::new());
    }
    // an array has at most 64 dimensions (NPY_MAXDIMS); more is not a shape
    let sizes: Vec<usize> =
        inner.split(',').take(65).map(|size| size.trim().parse().ok()).collect::<Option<_>>()?;
    (sizes.len() <= 64).then_some(sizes)
}

/// Bytes of one value and how they become a number.
type Reader = (usize, fn(&[u8]) -> f64);

fn reader(dtype: &str) -> Option<Reader> {
    fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
        std::array::from_fn(|i| bytes[i])
    }
    Some(match dtype {
        "<f4" => (4, |bytes| f64::from(f32::from_le_bytes(first(bytes)))),
        "<f8" => (8, |bytes| f64::from_le_bytes(first(bytes))),
        "<i4" => (4, |bytes| f64::from(i32::from_le_bytes(first(bytes)))),
        "<i8" => (8, |bytes| i64::from_le_bytes(first(bytes)) as f64),
        "|u1" => (1, |bytes| f64::from(bytes[0])),
        _ => return None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A version 1 file.
    pub(in super::super) fn file(dtype: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    /// A version 1 file of f64.
    pub(in super::super) fn f8(shape: &str, values: &[f64]) -> Vec<u8> {
        file("<f8", "False", shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn numpys_own_bytes_are_read() {
        // io.BytesIO(); np.save(f, np.array([[1, -2.5], [3, 4]], dtype="<f4")); f.getvalue() of numpy 2.4.6
        let mut saved =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".to_vec();
        saved.resize(127, b' ');
        saved.push(b'\n');
        saved.extend(b"\x00\x00\x80?\x00\x00 \xc0\x00\x00@@\x00\x00\x80@");
        let array = array("a.npy", &saved).unwrap();
        assert_eq!(array, Array { shape: vec![2, 2], values: vec![1.0, -2.5, 3.0, 4.0] });
    }

    #[test]
    fn every_type_and_both_versions_are_read() {
        let one = |dtype, data: &[u8]| vector("v.npy", &file(dtype, "False", "(2,)", data)).unwrap();
        assert_eq!(one("<f8", &[0.5_f64.to_le_bytes(), (-7.0_f64).to_le_bytes()].concat()), [0.5, -7.0]);
        assert_eq!(one("<i4", &[3_i32.to_le_bytes(), i32::MIN.to_le_bytes()].concat()), [3.0, -2147483648.0]);
        assert_eq!(one("<i8", &[(-1_i64).to_le_bytes(), 9_i64.to_le_bytes()].concat()), [-1.0, 9.0]);
        assert_eq!(one("|u1", &[0, 255]), [0.0, 255.0]);
        let mut second = f8("(1,)", &[2.0]);
        second[6] = 2;
        second.splice(10..10, [0, 0]);
        assert_eq!(vector("v.npy", &second).unwrap(), [2.0]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let message = |bytes: &[u8]| array("a.npy", bytes).unwrap_err().to_string();
        assert!(message(b"PK\x03\x04").contains("magic"));
        assert!(message(b"\x93NUMPY\x03\x00\x00\x00\x00\x00").contains("versions 1 and 2"));
        assert!(message(b"\x93NUMPY\x01\x00\xff\xff{}").contains("ends within its header"));
        assert!(message(&file(">f8", "False", "(1,)", &[0; 8])).contains("`>f8`"));
        assert!(message(&file("|O", "False", "(1,)", &[0; 8])).contains("`<f4`, `<f8`"));
        assert!(message(&file("<f8", "True", "(2, 2)", &[0; 32])).contains("ascontiguousarray"));
        assert!(message(&file("<f8", "False", "(2, 2)", &[0; 31])).contains("31 bytes"));
        assert!(message(&file("<f8", "False", "(2, 2)", &[0; 33])).contains("promises 32"));
        assert!(message(&file("<f8", "False", "()", &[0; 8])).contains("one or two dimensions"));
        assert!(message(&file("<f8", "False", "(1, 1, 1)", &[0; 8])).contains("[1, 1, 1]"));
        assert!(message(&file("<f8", "False", "(-1,)", &[0; 8])).contains("shape"));
        assert!(vector("v.npy", &f8("(1, 1)", &[0.0])).unwrap_err().to_string().contains("one dimension"));
    }

    #[test]
    fn a_header_that_promises_the_world_allocates_nothing() {
        for shape in
            ["(99999999999, 99999999999)", "(18446744073709551615, 2)", "(100000001,)", "(4294967296,)"]
        {
            let refused = array("a.npy", &file("|u1", "False", shape, &[0; 8]));
            assert!(matches!(refused, Err(DataError::TooManyValues { .. })), "{shape}: {refused:?}");
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let sound = f8("(2, 3)", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = array("a.npy", &bytes);
        }
    }
}
