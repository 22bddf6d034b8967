//! What the words typed mean: flags before `SEEDSWEEP_*` variables before defaults.

use std::path::PathBuf;

use seedsweep_coordinator::program::store_directory;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::settings::variable;

use crate::args;

/// Whom a command asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The store in this directory, through the coordinator that serves it or one of our own.
    Store(PathBuf),
    /// A coordinator elsewhere.
    Remote {
        /// `http://host:port`.
        address: String,
        /// File with the admin token.
        token_file: PathBuf,
    },
}

impl Target {
    /// Reads the arguments and the environment.
    pub(crate) fn new(typed: &args::Target) -> Result<Self, CliError> {
        Self::resolve(typed, variable)
    }

    fn resolve(typed: &args::Target, variable: impl Fn(&str) -> Option<String>) -> Result<Self, CliError> {
        if let Some(directory) = &typed.store {
            return Ok(Self::Store(directory.clone()));
        }
        let Some(address) = typed.connect.clone().or_else(|| variable("SEEDSWEEP_CONNECT")) else {
            if typed.token_file.is_some() {
                return Err(CliError::new(Kind::Usage, "--token-file needs --connect URL"));
            }
            return Ok(Self::Store(store_directory(None, variable)));
        };
        let token_file =
            typed.token_file.clone().or_else(|| variable("SEEDSWEEP_TOKEN_FILE").map(Into::into));
        let token_file = token_file.ok_or_else(|| {
            let message = format!(
                "--connect {address} needs --token-file FILE: a copy of auth/admin.token from the coordinator's store"
            );
            CliError::new(Kind::Usage, message)
        })?;
        Ok(Self::Remote { address, token_file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(store: Option<&str>, connect: Option<&str>, token: Option<&str>) -> args::Target {
        args::Target {
            store: store.map(Into::into),
            connect: connect.map(Into::into),
            token_file: token.map(Into::into),
        }
    }

    fn environment(name: &str) -> Option<String> {
        match name {
            "SEEDSWEEP_CONNECT" => Some("http://env:1".into()),
            "SEEDSWEEP_TOKEN_FILE" => Some("env.token".into()),
            "SEEDSWEEP_STORE" => Some("env-store".into()),
            _ => None,
        }
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_defaults() {
        let remote =
            |address: &str, token: &str| Target::Remote { address: address.into(), token_file: token.into() };
        let with = |typed| Target::resolve(&typed, environment).unwrap();
        assert_eq!(with(typed(Some("s"), None, None)), Target::Store("s".into()));
        assert_eq!(with(typed(None, None, None)), remote("http://env:1", "env.token"));
        assert_eq!(with(typed(None, Some("http://f:2"), Some("t"))), remote("http://f:2", "t"));
        let bare = Target::resolve(&typed(None, None, None), |_| None).unwrap();
        assert_eq!(bare, Target::Store("./seedsweep-store".into()));
        assert_eq!(store_directory(None, environment), PathBuf::from("env-store"));
    }

    #[test]
    fn an_address_without_a_token_is_refused() {
        assert!(Target::resolve(&typed(None, Some("http://f:2"), None), |_| None).is_err());
        assert!(Target::resolve(&typed(None, None, Some("t")), |_| None).is_err());
    }
}
