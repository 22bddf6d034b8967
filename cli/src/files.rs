//! Files that a user names, read whole and no further than a bound.

use std::io::Read;
use std::path::Path;

use seedsweep_common::limits;
use seedsweep_shell::error::{CliError, Kind};

/// The bytes of the file at `path`; an error if there are more than `most_bytes`.
pub(crate) fn read_bounded(path: &Path, most_bytes: u64) -> std::io::Result<Vec<u8>> {
    read(std::fs::File::open(path)?, most_bytes)
}

/// The text of the file at `path`, of standard input if that is `-`, and how messages call it.
pub(crate) fn read_text(path: &Path) -> Result<(String, String), CliError> {
    let (name, bytes) = if path == Path::new("-") {
        ("standard input".to_owned(), read(std::io::stdin().lock(), limits::DATA_BYTES))
    } else {
        (path.display().to_string(), read_bounded(path, limits::DATA_BYTES))
    };
    let bytes = bytes.map_err(|error| CliError::caused(Kind::File, format!("cannot read {name}"), &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| CliError::caused(Kind::File, format!("{name} is not UTF-8 text"), &error))?;
    // the mark that some editors put in front
    let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
    Ok((name, text))
}

fn read(from: impl Read, most_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(std::io::Error::other(format!("it is larger than the {most_bytes} bytes allowed")));
    }
    Ok(bytes)
}
