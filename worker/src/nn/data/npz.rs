//! Finds the arrays of a `.npz` file, a zip archive of `.npy` files stored without compression (`numpy.savez`).
//! Nothing is copied or allocated: what the directory promises is compared with the bytes that are there.

use seedsweep_common::limits;

use super::error::{DataError, shortened};

/// Bytes of a zip's last record, without its comment.
const END_BYTES: usize = 22;
/// Longest comment behind it.
const COMMENT_BYTES: usize = u16::MAX as usize;

/// One file of the archive, as its directory has it.
struct Member<'a> {
    name: &'a str,
    method: u16,
    bytes: usize,
    /// Where its own header is.
    offset: usize,
}

/// The `.npy` file of the array `array`. `file` is the archive's name for messages.
pub(super) fn member<'a>(file: &str, archive: &'a [u8], array: &str) -> Result<&'a [u8], DataError> {
    if archive.len() as u64 > limits::DATA_BYTES {
        return Err(DataError::FileTooLarge { file: file.to_owned(), bytes: archive.len() as u64 });
    }
    let refuse = |cause| DataError::Npz { file: file.to_owned(), cause };
    let members = members(archive).ok_or_else(|| refuse("its directory is damaged"))?;
    let found = members.iter().find(|member| member.name.strip_suffix(".npy") == Some(array));
    let Some(member) = found else {
        let names: Vec<String> = members.iter().take(8).map(|member| shortened(member.name)).collect();
        let (file, array) = (file.to_owned(), array.to_owned());
        return Err(DataError::NoSuchArray { file, array, arrays: names.join(", ") });
    };
    if member.method != 0 {
        return Err(refuse("its arrays are compressed; save it with `numpy.savez`"));
    }
    content(archive, member).ok_or_else(|| refuse("it ends within an array"))
}

/// The files that the directory at the end lists.
fn members(archive: &[u8]) -> Option<Vec<Member<'_>>> {
    let earliest = archive.len().saturating_sub(END_BYTES + COMMENT_BYTES);
    let last = archive.len().checked_sub(END_BYTES)?;
    let end = (earliest..=last).rev().find(|&at| archive[at..].starts_with(b"PK\x05\x06"))?;
    let (count, mut at) = (short(archive, end + 10)?, long(archive, end + 16)?);
    let mut members = Vec::new();
    for _ in 0..count {
        if !archive.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let length = |offset| short(archive, at + offset).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        members.push(Member {
            name: std::str::from_utf8(archive.get(at + 46..at + 46 + name)?).ok()?,
            method: short(archive, at + 10)?,
            bytes: long(archive, at + 20)?,
            offset: long(archive, at + 42)?,
        });
        at += 46 + name + extra + comment;
    }
    Some(members)
}

fn content<'a>(archive: &'a [u8], member: &Member<'_>) -> Option<&'a [u8]> {
    if !archive.get(member.offset..)?.starts_with(b"PK\x03\x04") {
        return None;
    }
    let length = |offset| short(archive, member.offset + offset).map(usize::from);
    let from = member.offset + 30 + length(26)? + length(28)?;
    archive.get(from..from.checked_add(member.bytes)?)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|value| u16::from_le_bytes(*value))
}

/// Offsets and sizes of 32 bits: a data file never needs more.
fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let value = bytes.get(at..)?.first_chunk().map(|value| u32::from_le_bytes(*value))?;
    usize::try_from(value).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::super::npy;
    use super::*;

    /// NumPy 2.4, `numpy.savez(f, x=numpy.array([[1., 2.], [3., 4.], [5., 6.]]), y=numpy.array([0, 1, 0], "i4"))`, in
    /// hexadecimal.
    pub(in crate::nn::data) fn saved() -> Vec<u8> {
        let hex = "504b03042d00000000000000210047afe6a8ffffffffffffffff05001400782e6e707901001000b000000000000000b0\
            00000000000000934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572\
            273a2046616c73652c20277368617065273a2028332c2032292c207d2020202020202020202020202020202020202020\
            20202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000f03f00\
            000000000000400000000000000840000000000000104000000000000014400000000000001840504b03042d00000000\
            00000021008924b403ffffffffffffffff05001400792e6e7079010010008c000000000000008c00000000000000934e\
            554d5059010076007b276465736372273a20273c6934272c2027666f727472616e5f6f72646572273a2046616c73652c\
            20277368617065273a2028332c292c207d20202020202020202020202020202020202020202020202020202020202020\
            20202020202020202020202020202020202020202020202020202020200a000000000100000000000000504b01022d03\
            2d00000000000000210047afe6a8b0000000b0000000050000000000000000000000800100000000782e6e7079504b01\
            022d032d0000000000000021008924b4038c0000008c0000000500000000000000000000008001e7000000792e6e7079\
            504b0506000000000200020066000000aa0100000000";
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn arrays_of_numpy_are_found_by_name() {
        let archive = saved();
        let x = npy::array("x", member("a.npz", &archive, "x").unwrap()).unwrap();
        assert_eq!((x.shape, x.values), (vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let y = npy::array("y", member("a.npz", &archive, "y").unwrap()).unwrap();
        assert_eq!((y.shape, y.values), (vec![3], vec![0.0, 1.0, 0.0]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let said = |archive: &[u8], name| member("a.npz", archive, name).unwrap_err().to_string();
        assert!(said(&saved(), "z").contains("no array `z`; it has x.npy, y.npy"), "{}", said(&saved(), "z"));
        assert!(said(b"", "x").contains("directory is damaged"));
        let archive = saved();
        assert!(said(&archive[..archive.len() - 1], "x").contains("directory is damaged"));
        let mut squeezed = archive.clone();
        let entry = squeezed.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        squeezed[entry + 10] = 8;
        assert!(said(&squeezed, "x").contains("numpy.savez"));
        let mut endless = archive;
        endless[entry + 20..entry + 24].fill(255);
        assert!(said(&endless, "x").contains("ends within an array"));
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let sound = saved();
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            let _ = member("a.npz", &bytes, "x");
        }
    }
}
