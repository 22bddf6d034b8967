//! Values that wait in a file without a name until their number and the longest of them are known.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use seedsweep_shell::error::{CliError, Kind};

/// How items lie in the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Items {
    /// All are so many bytes long.
    Fixed(usize),
    /// Each is padded with this unit to as many units as the longest has.
    Padded(&'static [u8]),
}

/// Items in a file.
#[derive(Debug)]
pub(super) struct Spill {
    file: BufWriter<File>,
    items: u64,
    /// Units of the longest item.
    longest: usize,
    lie: Items,
}

impl Spill {
    /// No items, in a file of `directory` that nobody else sees and that is gone with the process.
    pub(super) fn new(directory: &Path, lie: Items) -> Result<Self, CliError> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".seedsweep.{}.{number}.part", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.and_then(|file| std::fs::remove_file(&path).map(|()| file)).map_err(|error| {
            CliError::caused(Kind::File, format!("cannot write in `{}`", directory.display()), &error)
        })?;
        Ok(Self { file: BufWriter::new(file), items: 0, longest: 0, lie })
    }

    /// Adds an item.
    pub(super) fn push(&mut self, item: impl IntoIterator<Item = u8>) -> Result<(), CliError> {
        let bytes: Vec<u8> = item.into_iter().collect();
        if let Items::Padded(unit) = self.lie {
            let units = bytes.len() / unit.len();
            self.longest = self.longest.max(units);
            self.file.write_all(&(units as u32).to_le_bytes()).map_err(|error| broken(&error))?;
        }
        self.file.write_all(&bytes).map_err(|error| broken(&error))?;
        self.items += 1;
        Ok(())
    }

    /// Items in it.
    pub(super) fn items(&self) -> u64 {
        self.items
    }

    /// Units of the longest item, at least one.
    pub(super) fn longest(&self) -> usize {
        self.longest.max(1)
    }

    /// Bytes of all items as they lie in the end.
    pub(super) fn bytes(&self) -> u64 {
        let one = match self.lie {
            Items::Fixed(bytes) => bytes,
            Items::Padded(unit) => self.longest() * unit.len(),
        };
        self.items * one as u64
    }

    /// Hands all bytes to `to`, from the first.
    pub(super) fn read(&mut self, to: &mut dyn FnMut(&[u8]) -> Result<(), CliError>) -> Result<(), CliError> {
        self.file.rewind().map_err(|error| broken(&error))?;
        let mut file = BufReader::with_capacity(1 << 16, self.file.get_ref());
        let longest = self.longest();
        match self.lie {
            Items::Fixed(bytes) => {
                let mut left = self.items * bytes as u64;
                let mut piece = vec![0; 1 << 16];
                while left > 0 {
                    let length = left.min(piece.len() as u64) as usize;
                    file.read_exact(&mut piece[..length]).map_err(|error| broken(&error))?;
                    to(&piece[..length])?;
                    left -= length as u64;
                }
            }
            Items::Padded(unit) => {
                let mut item = Vec::new();
                for _ in 0..self.items {
                    let mut units = [0; 4];
                    file.read_exact(&mut units).map_err(|error| broken(&error))?;
                    let units = u32::from_le_bytes(units) as usize;
                    item.resize(units * unit.len(), 0);
                    file.read_exact(&mut item).map_err(|error| broken(&error))?;
                    item.extend(unit.repeat(longest - units));
                    to(&item)?;
                }
            }
        }
        Ok(())
    }
}

fn broken(error: &std::io::Error) -> CliError {
    CliError::caused(Kind::File, "cannot keep columns in a temporary file", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_padded_to_the_longest_and_leave_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(directory.path(), Items::Padded(&[9, 9])).unwrap();
        for item in [&[1, 2][..], &[], &[3, 4, 5, 6]] {
            spill.push(item.iter().copied()).unwrap();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        for _ in 0..2 {
            let mut bytes: Vec<u8> = Vec::new();
            spill
                .read(&mut |piece| {
                    bytes.extend(piece);
                    Ok(())
                })
                .unwrap();
            assert_eq!(bytes, [1, 2, 9, 9, 9, 9, 9, 9, 3, 4, 5, 6]);
            assert_eq!((bytes.len() as u64, spill.items()), (spill.bytes(), 3));
        }
    }
}
