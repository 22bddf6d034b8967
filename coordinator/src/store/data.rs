//! Data files, kept by content: `data/<digest>`.
//!
//! Plain files, since sled never frees large values. The name is the check of the content.

use std::fs;
use std::io;

use seedsweep_common::digest::Digest;

use super::{Store, StoreError, disk};

impl Store {
    /// Keeps the content of a data file, durable on return. Idempotent; a damaged file is replaced.
    pub fn put_data(&self, digest: Digest, content: &[u8]) -> Result<(), StoreError> {
        let path = self.shared.directory.join(disk::DATA).join(digest.to_string());
        let found = Digest::of(content);
        if found != digest {
            let problem = format!("its content has digest {found}");
            return Err(StoreError::io(&path, io::Error::new(io::ErrorKind::InvalidInput, problem)));
        }
        if fs::read(&path).is_ok_and(|kept| kept == content) {
            return Ok(());
        }
        disk::check_space(&self.shared.directory, content.len() as u64)?;
        disk::write_durably(&path, content)
    }

    /// The content of a data file. A file that does not have the digest of its name is set aside and reported as
    /// `Damaged`, once: afterwards it is missing and can be kept anew.
    pub fn data(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.shared.directory.join(disk::DATA).join(digest.to_string());
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        if Digest::of(&content) == digest {
            return Ok(Some(content));
        }
        let aside = self.shared.directory.join(disk::DAMAGED);
        let kept = disk::set_aside(&path, &aside, &format!("data-{digest}-"))?;
        let problem = format!(
            "the data file {digest} is not what was kept; it was set aside as `{}`: submit the sweep again from its \
             own files",
            kept.display()
        );
        Err(StoreError::Damaged { path: self.shared.directory.clone(), problem })
    }
}
