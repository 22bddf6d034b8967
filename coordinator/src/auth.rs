//! Tokens, the files that carry them, and the gate before every service.
//!
//! A token never appears in a log, an error or `Debug` output. Files with secrets are 0600 in a directory of
//! 0700, and are refused if others could have read or replaced them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seedsweep_common::join::{Join, TOKEN_CHARS, is_token};
use seedsweep_shell::secret::{self, SecretError};
use subtle::{Choice, ConstantTimeEq};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// The secrets of one store, 32 random bytes each in base64url.
#[derive(Clone)]
pub struct Tokens {
    /// For users: `SweepService`.
    pub admin: String,
    /// For workers: `WorkerService`.
    pub worker: String,
}

/// Who serves a store (`coordinator.json`).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// `http://host:port`.
    pub address: String,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// When it started, in milliseconds since 1970.
    pub started_unix_ms: u64,
}

fn auth_directory(store: &Path) -> PathBuf {
    store.join("auth")
}

fn owner_path(store: &Path) -> PathBuf {
    store.join("coordinator.json")
}

/// Reads the tokens of the store in `store` without creating any.
pub fn read_tokens(store: &Path) -> Result<Tokens, SecretError> {
    let read = |name: &str| {
        let path = auth_directory(store).join(name);
        let token = secret::read(&path)?.trim_end().to_owned();
        check_token(&path, &token)?;
        Ok(token)
    };
    Ok(Tokens { admin: read("admin.token")?, worker: read("worker.token")? })
}

/// Who serves the store in `store`, if anybody says so. The process may be gone: ask the lock.
pub fn read_owner(store: &Path) -> Result<Option<Owner>, SecretError> {
    let path = owner_path(store);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SecretError::Io { path, source }),
    };
    let text = secret::read_bounded(&path, file)?;
    serde_json::from_str(&text).map(Some).map_err(|error| SecretError::Malformed {
        path,
        problem: format!("does not name a coordinator: {error}"),
    })
}

/// Reads the tokens of the store in `store`, and makes those that do not exist.
pub(crate) fn read_or_create_tokens(store: &Path) -> Result<Tokens, SecretError> {
    let directory = auth_directory(store);
    match DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(SecretError::Io { path: directory, source }),
    }
    check_directory(&directory)?;
    for name in ["admin.token", "worker.token"] {
        let path = directory.join(name);
        if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            write_secret(&path, format!("{}\n", new_token()?).as_bytes())?;
        }
    }
    read_tokens(store)
}

/// Writes `auth/worker.join`: how workers join the coordinator at `address`.
pub(crate) fn write_join(store: &Path, address: &str, tokens: &Tokens) -> Result<(), SecretError> {
    let join = Join { address: address.to_owned(), certificate: None, token: tokens.worker.clone() };
    write_json(&join_path(store), &join)
}

/// The join file of the store in `store`.
pub fn join_path(store: &Path) -> PathBuf {
    auth_directory(store).join("worker.join")
}

/// Writes `coordinator.json`: who serves the store.
pub(crate) fn write_presence(store: &Path, owner: &Owner) -> Result<(), SecretError> {
    write_json(&owner_path(store), owner)
}

/// Removes `coordinator.json`: nobody serves the store any longer.
pub(crate) fn remove_presence(store: &Path) {
    let path = owner_path(store);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove the file that names this coordinator");
    }
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), SecretError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| SecretError::Io { path: path.to_owned(), source: error.into() })?;
    text.push(b'\n');
    write_secret(path, &text)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_secret(path: &Path, content: &[u8]) -> Result<(), SecretError> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    // left by a process of the same id that died here
    let _ = std::fs::remove_file(&temporary);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&temporary))).map_err(SecretError::io(path))
}

fn check_directory(path: &Path) -> Result<(), SecretError> {
    let metadata = path.symlink_metadata().map_err(SecretError::io(path))?;
    let malformed = |problem: String| SecretError::malformed(path, problem);
    if !metadata.is_dir() {
        return Err(malformed("is no directory: tokens are kept in it".to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(malformed(format!("can be used by others (mode {mode:o}): run chmod 700 on it")));
    }
    Ok(())
}

fn check_token(path: &Path, token: &str) -> Result<(), SecretError> {
    if is_token(token) {
        return Ok(());
    }
    let problem = format!("holds no token: {TOKEN_CHARS} characters of base64url are needed");
    Err(SecretError::malformed(path, problem))
}

fn new_token() -> Result<String, SecretError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; TOKEN_BYTES];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(SecretError::io(source))?;
    Ok(base64url(&bytes))
}

/// Base64url without padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for triple in bytes.chunks(3) {
        let [a, b, c] = std::array::from_fn(|i| u32::from(triple.get(i).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for digit in 0..=triple.len() {
            text.push(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char);
        }
    }
    text
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Users: `SweepService`.
    Admin,
    /// Workers: `WorkerService`.
    Worker,
}

/// Lets only calls with the token of one role through. Runs before a request is decoded.
#[derive(Clone)]
pub(crate) struct Gate {
    hashes: Arc<[(Role, [u8; 32]); 2]>,
    role: Role,
}

impl Gate {
    /// The gate for `role`.
    pub(crate) fn new(tokens: &Tokens, role: Role) -> Self {
        let hash = |token: &str| *blake3::hash(token.as_bytes()).as_bytes();
        let hashes = [(Role::Admin, hash(&tokens.admin)), (Role::Worker, hash(&tokens.worker))];
        Self { hashes: Arc::new(hashes), role }
    }

    /// The role of `token`. Compares with all tokens, in time that does not depend on where they differ.
    fn role_of(&self, token: &[u8]) -> Option<Role> {
        let presented = *blake3::hash(token).as_bytes();
        let equal: [Choice; 2] = std::array::from_fn(|i| self.hashes[i].1.ct_eq(&presented));
        self.hashes.iter().zip(equal).find(|(_, equal)| bool::from(*equal)).map(|((role, _), _)| *role)
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization").map(|value| value.as_bytes());
        match header.and_then(|value| value.strip_prefix(b"Bearer ")).and_then(|token| self.role_of(token)) {
            Some(role) if role == self.role => Ok(request),
            Some(_) => Err(Status::permission_denied(match self.role {
                Role::Admin => "this call needs the admin token: the worker token was given",
                Role::Worker => "this call needs the worker token: the admin token was given",
            })),
            None => Err(Status::unauthenticated(
                "a valid token is needed in the metadata: `authorization: Bearer <token>`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn base64url_equals_rfc_4648() {
        // RFC 4648, section 10, without padding; the last is its section 5 alphabet (Python: urlsafe_b64encode)
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xfb, 0xff, 0xfe], "-__-"),
        ] {
            assert_eq!(base64url(bytes), text);
        }
    }

    #[test]
    fn tokens_are_made_once_and_only_for_their_owner() {
        let store = tempfile::tempdir().unwrap();
        let first = read_or_create_tokens(store.path()).unwrap();
        let second = read_or_create_tokens(store.path()).unwrap();
        assert_eq!((&first.admin, &first.worker), (&second.admin, &second.worker));
        assert_ne!(first.admin, first.worker);
        assert_eq!(first.admin.len(), TOKEN_CHARS);
        let mode = |path: PathBuf| path.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode(store.path().join("auth")), 0o700);
        assert_eq!(mode(store.path().join("auth/admin.token")), 0o600);
        assert_eq!(mode(store.path().join("auth/worker.token")), 0o600);
        assert_eq!(std::fs::read_dir(store.path().join("auth")).unwrap().count(), 2, "nothing left behind");
    }

    #[test]
    fn secrets_that_others_could_touch_are_refused() {
        let store = tempfile::tempdir().unwrap();
        read_or_create_tokens(store.path()).unwrap();
        let token = store.path().join("auth/admin.token");
        set_mode(&token, 0o644);
        let error = read_or_create_tokens(store.path()).err().unwrap();
        assert!(matches!(error, SecretError::Exposed { mode: 0o644, .. }), "{error}");
        set_mode(&token, 0o600);
        set_mode(&store.path().join("auth"), 0o755);
        let error = read_or_create_tokens(store.path()).err().unwrap();
        assert!(error.to_string().ends_with("run chmod 700 on it"), "{error}");
        set_mode(&store.path().join("auth"), 0o700);

        for wrong in ["", "short", &"é".repeat(22), &"=".repeat(43)] {
            write_secret(&token, wrong.as_bytes()).unwrap();
            let error = read_tokens(store.path()).err().unwrap();
            assert!(matches!(error, SecretError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn presence_is_written_and_removed() {
        let store = tempfile::tempdir().unwrap();
        assert!(read_owner(store.path()).unwrap().is_none());
        let owner =
            Owner { address: "http://127.0.0.1:7".into(), host: "here".into(), pid: 9, started_unix_ms: 1 };
        write_presence(store.path(), &owner).unwrap();
        assert_eq!(read_owner(store.path()).unwrap().unwrap().pid, 9);
        remove_presence(store.path());
        assert!(read_owner(store.path()).unwrap().is_none());
    }
}
