//! What a user writes: the sweep, validated and with every default filled in.
//!
//! [`SweepSpec`] is what all other parts work from: the `[grid]` is expanded, each experiment holds its
//! own resolved tables, and data files are known by their content. `parse` makes it from TOML and
//! `canonical` writes the one text that identifies it.

mod model;

pub use model::*;

use crate::digest::Digest;
use crate::id::SweepId;

/// A spec that can be run, with what its author should know.
#[derive(Debug)]
pub struct Parsed {
    /// The validated spec.
    pub spec: SweepSpec,
    /// What is legal but suspicious, rendered for people.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a spec, sorted by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecErrors {
    /// Each error rendered with file, line, column, caret and what is allowed.
    pub rendered: Vec<String>,
}

/// Parses and validates the spec `text`; `origin` is its file name for messages, `sets` are overrides
/// `key=value` in the order given. All errors are reported at once.
pub fn parse(_origin: &str, _text: &str, _sets: &[String]) -> Result<Parsed, SpecErrors> {
    unimplemented!()
}

impl SweepSpec {
    /// The one TOML text that identifies this sweep: all defaults filled in, keys in fixed order, data files by
    /// digest. Parsing it gives the same spec, and its canonical form is itself.
    ///
    /// # Panics
    /// If a data file has no digest yet (`attach`).
    pub fn canonical(&self) -> String {
        unimplemented!()
    }

    /// BLAKE3 of the canonical form.
    pub fn id(&self) -> SweepId {
        SweepId(Digest::of(self.canonical().as_bytes()))
    }

    /// All files that the spec names (data, targets, starts), each path once.
    pub fn attachments(&self) -> Vec<&Attachment> {
        unimplemented!()
    }

    /// Records the digest of the file written as `path` wherever the spec names it.
    pub fn attach(&mut self, _path: &str, _digest: Digest) {
        unimplemented!()
    }
}
