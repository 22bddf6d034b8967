//! Where an export goes: standard output, or a file that is there whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::output;

/// What is written to standard output at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Takes the bytes of an export.
pub(crate) enum Destination {
    /// Standard output, with the bytes that wait for more.
    Stdout(Vec<u8>),
    /// A file beside its final place.
    File { part: BufWriter<File>, part_path: PathBuf, path: PathBuf },
}

impl Destination {
    /// Opens `path`, or standard output for `-`.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(Vec::new()));
        }
        let name = path.file_name().ok_or_else(|| {
            CliError::new(Kind::Usage, format!("--output {} names no file", path.display()))
        })?;
        let mut part_name = std::ffi::OsString::from(".");
        part_name.push(name);
        part_name.push(format!(".{}.part", std::process::id()));
        let part_path = path.with_file_name(part_name);
        let part = File::create(&part_path).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File { part: BufWriter::new(part), part_path, path: path.to_owned() })
    }

    /// Takes more bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        match self {
            Self::Stdout(waiting) => {
                waiting.extend(bytes);
                if waiting.len() >= PIECE_BYTES {
                    output::write_all(waiting)?;
                    waiting.clear();
                }
                Ok(())
            }
            Self::File { part, path, .. } => part.write_all(bytes).map_err(|error| unwritable(path, &error)),
        }
    }

    /// Writes what waits, or makes the file durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), CliError> {
        match &mut self {
            Self::Stdout(waiting) => output::write_all(waiting),
            Self::File { part, part_path, path } => {
                let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let published = part
                    .flush()
                    .and_then(|()| part.get_ref().sync_all())
                    .and_then(|()| std::fs::rename(&*part_path, &*path))
                    .and_then(|()| File::open(directory)?.sync_all());
                published.map_err(|error| unwritable(path, &error))
            }
        }
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Self::File { part_path, .. } = self {
            // Gone already where the export was finished.
            let _ = std::fs::remove_file(part_path);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::caused(Kind::File, format!("cannot write `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_export_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        std::fs::write(&path, "old").unwrap();
        let mut destination = Destination::create(&path).unwrap();
        destination.write(b"new").unwrap();
        drop(destination);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

        let mut destination = Destination::create(&path).unwrap();
        destination.write(b"new").unwrap();
        destination.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
