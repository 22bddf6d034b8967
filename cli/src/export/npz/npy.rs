//! The header of an .npy array, format 1.0: `numpy.lib.format`.

use super::spill::Items;

/// What an array holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    UInt32,
    UInt64,
    Int64,
    Float64,
    /// A row of numbers for each entry, padded with NaN.
    Float64s,
    /// Unicode of a fixed number of characters, padded with zeros.
    Text,
}

impl Type {
    /// How an entry waits for the others.
    pub(super) fn items(self) -> Items {
        match self {
            Self::Boolean => Items::Fixed(1),
            Self::UInt32 => Items::Fixed(4),
            Self::UInt64 | Self::Int64 | Self::Float64 => Items::Fixed(8),
            Self::Float64s => Items::Padded(&NAN),
            Self::Text => Items::Padded(&[0; 4]),
        }
    }
}

/// NaN, as it is stored.
const NAN: [u8; 8] = f64::NAN.to_le_bytes();

/// Header of `entries` values, one value without a dimension if `None`; the longest has `longest` units.
pub(super) fn header(kind: Type, entries: Option<u64>, longest: usize) -> Vec<u8> {
    let descr = match kind {
        Type::Boolean => "|b1".to_owned(),
        Type::UInt32 => "<u4".to_owned(),
        Type::UInt64 => "<u8".to_owned(),
        Type::Int64 => "<i8".to_owned(),
        Type::Float64 | Type::Float64s => "<f8".to_owned(),
        Type::Text => format!("<U{longest}"),
    };
    let shape = match (entries, kind) {
        (None, _) => "()".to_owned(),
        (Some(entries), Type::Float64s) => format!("({entries}, {longest})"),
        (Some(entries), _) => format!("({entries},)"),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // magic, version and length are 10 bytes; the values begin at a multiple of 64
    let padding = 63 - (10 + text.len()) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes
}

/// The characters of a text, as NumPy stores them.
pub(super) fn characters(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.chars().flat_map(|character| u32::from(character).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy 2.4: b = io.BytesIO(); np.save(b, np.zeros((3, 16))); b.getvalue()[:128]
    #[test]
    fn header_is_numpys() {
        let ours = header(Type::Float64s, Some(3), 16);
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 16), }";
        assert_eq!(ours.len(), 128);
        assert_eq!(ours[..10], *b"\x93NUMPY\x01\x00v\x00");
        assert_eq!(String::from_utf8_lossy(&ours[10..]), format!("{text:<117}\n"));
    }
}
