//! Zip archives whose entries are stored as they are (PKWARE's APPNOTE.TXT), up to 4 GiB.

use seedsweep_shell::error::{CliError, Kind};

/// 1 January 1980, the first day that zip knows: the bytes do not tell when they were written.
const DATE: u16 = 1 << 5 | 1;

/// An archive on its way.
pub(super) struct Zip<W> {
    write: W,
    offset: u64,
    /// Entries of the directory at the end.
    directory: Vec<u8>,
    entries: u16,
}

impl<W: FnMut(&[u8]) -> Result<(), CliError>> Zip<W> {
    /// Hands its bytes to `write`.
    pub(super) fn new(write: W) -> Self {
        Self { write, offset: 0, directory: Vec::new(), entries: 0 }
    }

    /// Adds `name`.npy, whose `length` bytes `read` hands out. It is asked twice: the checksum stands before them.
    pub(super) fn entry(
        &mut self,
        name: &str,
        length: u64,
        mut read: impl FnMut(&mut dyn FnMut(&[u8]) -> Result<(), CliError>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let name = format!("{name}.npy");
        let mut checksum = Checksum::new();
        read(&mut |bytes| {
            checksum.add(bytes);
            Ok(())
        })?;
        let (offset, size) = (below_4_gib(self.offset)?, below_4_gib(length)?);
        // version 2.0, names in UTF-8, stored, no time
        let mut common = Vec::new();
        [20, 1 << 11, 0, 0, DATE].iter().for_each(|field: &u16| common.extend(field.to_le_bytes()));
        [checksum.end(), size, size].iter().for_each(|field| common.extend(field.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);

        let header = [b"PK\x03\x04".as_slice(), &common, name.as_bytes()].concat();
        (self.write)(&header)?;
        read(&mut self.write)?;
        self.offset += header.len() as u64 + length;
        // made by version 2.0; no comment, disk 0, no attributes
        self.directory.extend([b"PK\x01\x02\x14\x00".as_slice(), &common, &[0; 10]].concat());
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.bytes());
        self.entries += 1;
        Ok(())
    }

    /// Writes the directory.
    pub(super) fn end(mut self) -> Result<(), CliError> {
        let (offset, size) = (below_4_gib(self.offset)?, below_4_gib(self.directory.len() as u64)?);
        let mut end = b"PK\x05\x06\x00\x00\x00\x00".to_vec();
        end.extend(self.entries.to_le_bytes().repeat(2));
        end.extend(size.to_le_bytes());
        end.extend(offset.to_le_bytes());
        end.extend([0; 2]);
        (self.write)(&self.directory)?;
        (self.write)(&end)
    }
}

fn below_4_gib(bytes: u64) -> Result<u32, CliError> {
    u32::try_from(bytes).ok().filter(|bytes| *bytes < u32::MAX).ok_or_else(|| {
        CliError::new(Kind::File, "these rows need an .npz above 4 GiB: write them as Parquet instead")
    })
}

/// CRC-32 as in zip: the reflected polynomial 0xEDB88320.
struct Checksum(u32);

impl Checksum {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut rest = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    };

    fn new() -> Self {
        Self(u32::MAX)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum >> 8 ^ Self::TABLE[usize::from(sum as u8 ^ byte)]);
    }

    fn end(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // the check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms
    #[test]
    fn checksum_has_its_check_value() {
        let mut checksum = Checksum::new();
        checksum.add(b"1234");
        checksum.add(b"56789");
        assert_eq!(checksum.end(), 0xcbf4_3926);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(below_4_gib(u64::from(u32::MAX)).is_err() && below_4_gib(1 << 31).is_ok());
    }
}
