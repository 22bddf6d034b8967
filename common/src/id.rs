//! Names of things on the wire and on disk, each a type of its own.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, ParseDigestError};
use crate::limits;

/// What identifies a sweep: the BLAKE3 digest of its canonical spec (`spec::canonical`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SweepId(pub Digest);

impl SweepId {
    /// The first 12 hex digits: what people see and type.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SweepId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Number of an experiment in its sweep, in the order of the spec (grid cells expanded), from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExperimentIndex(pub u32);

/// One trial of a sweep.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TrialId {
    /// Its experiment.
    pub experiment: ExperimentIndex,
    /// Its restart.
    pub restart: u32,
}

/// Right to run a task. The high half is the coordinator's boot number and the low half counts up,
/// so that tokens only ever grow and a stale holder is told from a live one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Token(pub u64);

impl Token {
    /// The `count`-th token of boot `boot`.
    pub fn new(boot: u32, count: u32) -> Self {
        Self(u64::from(boot) << 32 | u64::from(count))
    }

    /// The boot in which this token was given.
    pub fn boot(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// What identifies a worker process for as long as it lives; given by the coordinator at Register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct WorkerId(pub u64);

/// A name written by a user: 1 to 64 of `A-Z a-z 0-9 . _ -`, not starting with a dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(String);

/// A text that cannot be a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {max} of `A-Z a-z 0-9 . _ -` and does not start with a dot", max = limits::NAME_CHARS)]
pub struct NameError;

impl Name {
    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=limits::NAME_CHARS).contains(&text.len());
        if fits && !text.starts_with('.') && text.chars().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_later_boot_are_larger() {
        assert!(Token::new(2, 0) > Token::new(1, u32::MAX));
        assert_eq!(Token::new(7, 9).boot(), 7);
    }

    #[test]
    fn names_cannot_leave_a_directory_or_break_a_line() {
        for good in ["a", "constant-0.5", "A_b.c-9", &"x".repeat(64)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "../x", "a/b", "a b", "a\n", "é", "\u{202e}x", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
