//! What a user writes: the sweep, validated and with every default filled in.
//!
//! [`SweepSpec`] is what all other parts work from: the `[grid]` is expanded, each experiment holds its
//! own resolved tables, and data files are known by their content. [`parse`] makes it from TOML and
//! [`SweepSpec::canonical`] writes the one text that identifies it. The way from text to spec: `document`
//! (values with places, `--set` applied) → `walk` (types, bounds, overrides, grid) → `check` (what must hold
//! between keys). All of it reports to `diagnostic` and carries on, so that users see all mistakes at once.
//! Nothing here reads a file.

mod canonical;
mod check;
mod diagnostic;
mod document;
mod keys;
mod model;
mod overrides;
mod summary;
mod walk;

pub use model::*;
pub use summary::{ExperimentSummary, Summary, summary};

use crate::digest::Digest;
use crate::id::SweepId;
use crate::init::Scheme;
use crate::limits;
use diagnostic::{Diagnostics, Span};

/// A spec that can be run, with what its author should know.
#[derive(Debug)]
pub struct Parsed {
    /// The validated spec.
    pub spec: SweepSpec,
    /// What is legal but suspicious, rendered for people.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a spec, sorted by line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", rendered.join("\n\n"))]
pub struct SpecErrors {
    /// Each error rendered with file, line, column, caret and what is allowed.
    pub rendered: Vec<String>,
}

/// Parses and validates the spec `text`; `origin` is its file name for messages, `sets` are overrides
/// `key=value` in the order given. All errors are reported at once; where the text is not TOML at all, only
/// that.
pub fn parse(origin: &str, text: &str, sets: &[String]) -> Result<Parsed, SpecErrors> {
    let mut out = Diagnostics::new(origin, text);
    match read(text, sets, limits::SPEC_BYTES, &mut out) {
        Some(spec) if !out.has_errors() => Ok(Parsed { spec, warnings: out.warnings() }),
        _ => Err(SpecErrors { rendered: out.errors() }),
    }
}

/// Parses a canonical form, as it comes over the wire or from the store: up to
/// [`limits::CANONICAL_BYTES`], and every file must be known by its digest, so that the result has an id. Text
/// that says the same in another way is the same sweep: the id is that of the result, not of `text`.
pub fn parse_canonical(text: &str) -> Result<SweepSpec, SpecErrors> {
    let mut out = Diagnostics::new("canonical spec", text);
    let spec = read(text, &[], limits::CANONICAL_BYTES, &mut out);
    let unread =
        |spec: &SweepSpec| spec.attachments().into_iter().find(|file| file.digest.is_none()).cloned();
    if let Some(file) = spec.as_ref().and_then(unread) {
        let title = format!("`{}` has no `digest`", diagnostic::shown(&file.path));
        out.error(Span::new(0, 0..0), title, "in a canonical spec every file is known by its content");
    }
    match spec {
        Some(spec) if !out.has_errors() => Ok(spec),
        _ => Err(SpecErrors { rendered: out.errors() }),
    }
}

fn read<'s>(
    text: &'s str,
    sets: &'s [String],
    limit_bytes: usize,
    out: &mut Diagnostics<'s>,
) -> Option<SweepSpec> {
    let bytes = sets.iter().fold(text.len(), |bytes, set| bytes.saturating_add(set.len()));
    if bytes > limit_bytes {
        let title = format!("a spec may have at most {limit_bytes} bytes");
        out.error(Span::new(0, 0..0), title, format!("this has {bytes}"));
        return None;
    }
    let mut document = document::parse(text, out)?;
    overrides::apply(&mut document, sets, out);
    let spec = walk::spec(&document, out)?;
    let bytes = canonical::text(&spec).len();
    if bytes > limits::CANONICAL_BYTES {
        let title =
            format!("a spec with its grid expanded may have at most {} bytes", limits::CANONICAL_BYTES);
        out.error(Span::new(0, 0..0), title, format!("this one has {bytes}"));
    }
    Some(spec)
}

impl SweepSpec {
    /// The one TOML text that identifies this sweep: all defaults filled in, keys in fixed order, data files by
    /// digest. Parsing it gives the same spec, and its canonical form is itself.
    ///
    /// # Panics
    /// If a data file has no digest yet (`attach`).
    pub fn canonical(&self) -> String {
        let read = self.attachments().iter().all(|file| file.digest.is_some());
        assert!(read, "every file must be attached before a spec has a canonical form");
        canonical::text(self)
    }

    /// BLAKE3 of the canonical form.
    ///
    /// # Panics
    /// If a data file has no digest yet (`attach`).
    pub fn id(&self) -> SweepId {
        SweepId(Digest::of(self.canonical().as_bytes()))
    }

    /// All files that the spec names (data, targets, starts), each once, in the order of the experiments.
    pub fn attachments(&self) -> Vec<&Attachment> {
        let mut files: Vec<&Attachment> = Vec::new();
        for file in self.experiments.iter().flat_map(Experiment::attachments) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }

    /// Records the digest of the file written as `path` wherever the spec names it.
    pub fn attach(&mut self, path: &str, digest: Digest) {
        for experiment in &mut self.experiments {
            let files = experiment.attachments_mut();
            files.into_iter().filter(|file| file.path == path).for_each(|file| file.digest = Some(digest));
            // a parameter's value may hold a file's digest
            let table = canonical::experiment_table(experiment);
            for parameter in &mut experiment.parameters {
                if let Some(value) = canonical::look_up(&table, &parameter.path) {
                    parameter.value = value;
                }
            }
        }
    }
}

impl Experiment {
    /// The value of the key at the dotted `path` (`train.lr`), default or not; `None` if there is no such key here.
    pub fn value(&self, path: &str) -> Option<toml::Value> {
        canonical::look_up(&canonical::experiment_table(self), path)
    }

    fn attachments(&self) -> Vec<&Attachment> {
        let mut files = Vec::new();
        if let DataSource::File(data) = &self.data.source {
            files.push(&data.features);
            if let Target::File(target) = &data.target {
                files.push(target);
            }
        }
        if let Scheme::File(start) = &self.init.scheme {
            files.push(start);
        }
        files
    }

    fn attachments_mut(&mut self) -> Vec<&mut Attachment> {
        let mut files = Vec::new();
        if let DataSource::File(data) = &mut self.data.source {
            files.push(&mut data.features);
            if let Target::File(target) = &mut data.target {
                files.push(target);
            }
        }
        if let Scheme::File(start) = &mut self.init.scheme {
            files.push(start);
        }
        files
    }
}

#[cfg(test)]
mod tests;
