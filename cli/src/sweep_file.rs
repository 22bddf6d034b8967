//! A spec from disk with all that it names, checked as far as anything can be checked before work
//! starts: a bad spec or data file leaves no trace.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use seedsweep_common::digest::Digest;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::limits;
use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::output;
use seedsweep_worker::means::Means;
use seedsweep_worker::train::Prepared;

use crate::files::read_bounded;

/// A sweep that can be submitted.
pub(crate) struct SweepFile {
    /// The spec with the digests of its files.
    pub(crate) spec: SweepSpec,
    /// What is legal but suspicious, rendered for people.
    pub(crate) warnings: Vec<String>,
    files: HashMap<Digest, Arc<[u8]>>,
    /// Memory that a trial of each experiment needs.
    slot_bytes: Vec<u64>,
}

impl SweepFile {
    /// Reads the spec at `path` with the overrides `sets`, and the files it names relative to itself.
    pub(crate) fn read(path: &Path, sets: &[String]) -> Result<Self, CliError> {
        let origin = path.display().to_string();
        let bytes = read_bounded(path, limits::SPEC_BYTES as u64).map_err(|error| {
            CliError::caused(Kind::Spec, format!("cannot read the spec `{origin}`"), &error)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            CliError::caused(Kind::Spec, format!("the spec `{origin}` is not UTF-8 text"), &error)
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(&origin, &text, sets, |path| read_bounded(&directory.join(path), limits::DATA_BYTES))
    }

    /// Reads a spec that is a part of this program, as are its `files` (path and content); `origin` names it in messages.
    pub(crate) fn built_in(
        origin: &str,
        text: &str,
        sets: &[String],
        files: &[(&str, &[u8])],
    ) -> Result<Self, CliError> {
        Self::parse(origin, text, sets, |path| {
            let known = files.iter().find(|(name, _)| *name == path);
            known.map(|(_, content)| content.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    /// Reads a spec from `text`; `content` reads a file that it names.
    fn parse(
        origin: &str,
        text: &str,
        sets: &[String],
        content: impl Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Self, CliError> {
        let parsed =
            spec::parse(origin, text, sets).map_err(|errors| CliError::spec(origin, errors.rendered))?;
        let (spec, warnings) = (parsed.spec, parsed.warnings);
        let mut sweep = Self { spec, warnings, files: HashMap::new(), slot_bytes: Vec::new() };
        sweep.attach_files(content)?;
        sweep.check_data()?;
        Ok(sweep)
    }

    fn attach_files(&mut self, content: impl Fn(&str) -> io::Result<Vec<u8>>) -> Result<(), CliError> {
        let paths: Vec<String> = self.spec.attachments().iter().map(|file| file.path.clone()).collect();
        for path in paths {
            let content = content(&path).map_err(|error| {
                CliError::caused(
                    Kind::Spec,
                    format!("cannot read the file `{path}` that the spec names"),
                    &error,
                )
            })?;
            let digest = Digest::of(&content);
            self.spec.attach(&path, digest);
            self.files.insert(digest, content.into());
        }
        Ok(())
    }

    /// Builds the data of every experiment once, so that what does not fit is said before any work.
    fn check_data(&mut self) -> Result<(), CliError> {
        self.slot_bytes = self.prepare(|prepared| prepared.slot_bytes())?;
        Ok(())
    }

    /// Prepares every experiment as a worker does, one after the other, and returns what `look` makes of each.
    pub(crate) fn prepare<T>(&self, look: impl Fn(&mut Prepared) -> T) -> Result<Vec<T>, CliError> {
        let content = |digest| self.content(digest);
        let looks = (0..).zip(&self.spec.experiments).map(|(index, experiment)| {
            let prepared = Prepared::new(&self.spec, ExperimentIndex(index), &content);
            prepared.map(|mut prepared| look(&mut prepared)).map_err(|error| {
                let message = format!("experiment `{}` cannot be trained", experiment.name);
                CliError::caused(Kind::Spec, message, &error)
            })
        });
        looks.collect()
    }

    /// Fails if the trials of an experiment need more memory than a slot of this machine may take.
    pub(crate) fn check_memory(&self, means: &Means) -> Result<(), String> {
        let needs = self.spec.experiments.iter().zip(&self.slot_bytes);
        needs.map(|(experiment, &needed)| (&experiment.name, means.allow(needed))).try_for_each(
            |(name, allowed)| allowed.map_err(|problem| format!("experiment `{name}`: {problem}")),
        )
    }

    /// The content of a file that the spec names.
    pub(crate) fn content(&self, digest: Digest) -> Option<Arc<[u8]>> {
        self.files.get(&digest).cloned()
    }

    /// Says on stderr what its author should know.
    pub(crate) fn print_warnings(&self) {
        for warning in &self.warnings {
            output::note(warning.trim_end());
        }
    }
}
