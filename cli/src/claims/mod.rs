//! What people say about starts, as sweeps that put it to the test: the catalogue. Each claim has a file of its own here,
//! with its sweeps, what they are judged by, and the words for a reader who meets the question for the first time.
//!
//! A judgement is a pure function of stored outcomes. It never says more than was run: how many, at which level, and what
//! was held fixed stand beside it.

mod constant_starts;
mod finding;
mod gaussian_layer;
mod over_parameterised;
mod ran;
mod same_minimum;
mod separation;
mod symmetry;
mod text;

#[cfg(test)]
mod fixtures;

use seedsweep_shell::error::{CliError, Kind};

use crate::sweep_file::SweepFile;

pub(crate) use finding::{Finding, Verdict};
pub(crate) use ran::Ran;
pub(crate) use text::{Judged, SweepLine, json, text};

/// Something that people say, and how it is tested.
pub(crate) struct Claim {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Its short name.
    pub(crate) number: &'static str,
    /// What people ask or say, in one line.
    pub(crate) question: &'static str,
    /// What is run.
    pub(crate) sweeps: &'static [BuiltIn],
    /// What the outcomes of the sweeps, in their order, say.
    pub(crate) judge: fn(&[Ran]) -> Result<Finding, CliError>,
}

/// A sweep that is a part of this program, and a file under `examples/claims`.
pub(crate) struct BuiltIn {
    /// The file's name.
    pub(crate) file: &'static str,
    /// Its text.
    pub(crate) spec: &'static str,
    /// The data files that it names, with their content.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
    /// What `--quick` sets.
    pub(crate) quick: &'static [&'static str],
}

impl BuiltIn {
    /// The sweep, ready to be submitted.
    pub(crate) fn sweep(&self, quick: bool) -> Result<SweepFile, CliError> {
        let sets: Vec<String> =
            if quick { self.quick.iter().copied().map(str::to_owned).collect() } else { Vec::new() };
        SweepFile::built_in(self.file, self.spec, &sets, self.files)
    }
}

/// All claims, in the order in which they are run.
pub(crate) const CLAIMS: [&Claim; 6] = [
    &constant_starts::CLAIM,
    &same_minimum::CLAIM,
    &symmetry::CLAIM,
    &gaussian_layer::CLAIM,
    &separation::CLAIM,
    &over_parameterised::CLAIM,
];

/// The claims called `names`, each once and in the catalogue's order; all of them without names.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Claim>, CliError> {
    let means = |claim: &Claim, name: &String| name == claim.name || name.eq_ignore_ascii_case(claim.number);
    let known = |name: &&String| CLAIMS.iter().any(|claim| means(claim, name));
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all = CLAIMS.map(|claim| format!("{} ({})", claim.name, claim.number)).join(", ");
        let message = format!("there is no claim `{unknown}`; there are {all}");
        return Err(CliError::new(Kind::Usage, message));
    }
    let wanted = |claim: &&'static Claim| names.is_empty() || names.iter().any(|name| means(claim, name));
    Ok(CLAIMS.into_iter().filter(wanted).collect())
}

/// A judgement was handed other sweeps than its own.
fn wrong_sweeps(claim: &Claim) -> CliError {
    CliError::new(Kind::Bug, format!("claim `{}` was judged by the wrong sweeps", claim.name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_sweep_and_its_quick_form_can_be_run() {
        for built_in in CLAIMS.iter().flat_map(|claim| claim.sweeps) {
            let [long, quick] = [false, true].map(|quick| built_in.sweep(quick).unwrap().spec);
            assert_eq!(format!("{}.toml", long.name), built_in.file);
            let trials = |spec| seedsweep_common::plan::trials(spec);
            assert!(trials(&quick) < trials(&long), "{} has no shorter form", built_in.file);
        }
    }

    #[test]
    fn every_example_of_a_claim_is_run_by_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/claims");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let sweeps = || CLAIMS.iter().flat_map(|claim| claim.sweeps);
        let mut run: Vec<String> = sweeps().map(|built_in| built_in.file.to_owned()).collect();
        run.extend(sweeps().flat_map(|built_in| built_in.files).map(|(name, _)| (*name).to_owned()));
        run.sort();
        run.dedup();
        assert_eq!(there, run);
    }

    #[test]
    fn claims_answer_to_both_of_their_names_and_come_in_their_order() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
            select(&names).map(|claims| claims.iter().map(|claim| claim.number).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["s1", "s2", "s3", "s4", "s5", "s6"]);
        assert_eq!(names(&["S6", "symmetry", "s3"]).unwrap(), ["s3", "s6"]);
        let refused = format!("{:?}", names(&["s1", "s7"]).unwrap_err());
        assert!(refused.contains("`s7`") && refused.contains("same-minimum (s2)"), "{refused}");
    }
}
