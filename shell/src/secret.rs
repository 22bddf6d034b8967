//! Files with secrets: read only if nobody else could have read or replaced them. No error shows what they hold.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest file that is read as a token, a join file or the like.
const FILE_BYTES: u64 = 16 * 1024;

/// Why a secret could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file could not be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read a token.
    #[error(
        "`{path}` can be read by others (mode {mode:o}): run chmod 600 on it, or delete it to get a new token"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("`{path}` {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl SecretError {
    /// What becomes of an I/O error about the file `path`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// `path` is wrong by `problem`, which continues a sentence that begins with the path.
    pub fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), problem: problem.into() }
    }
}

/// Reads a file that only its owner may read.
pub fn read(path: &Path) -> Result<String, SecretError> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(no_follow).open(path).map_err(|source| {
        if path.is_symlink() {
            return SecretError::malformed(path, "is a symbolic link: a secret must be a plain file");
        }
        SecretError::Io { path: path.to_owned(), source }
    })?;
    let mode = file.metadata().map_err(SecretError::io(path))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    read_bounded(path, file)
}

/// Reads `file`, found at `path`, as far as a file of its kind may reach.
pub fn read_bounded(path: &Path, file: File) -> Result<String, SecretError> {
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(SecretError::io(path))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn secrets_that_others_could_read_or_replace_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("secret"), directory.path().join("link"));
        std::fs::write(&path, "x").unwrap();
        for mode in [0o644, 0o640, 0o606] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, SecretError::Exposed { mode: found, .. } if found == mode), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap(), "x");
        symlink(&path, &link).unwrap();
        assert!(read(&link).unwrap_err().to_string().contains("symbolic link"));
    }
}
