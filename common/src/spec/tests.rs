//! Promises of the spec as a whole. Files of wrong specs lie in `wrong/`, each with all that is said about it;
//! `SEEDSWEEP_BLESS=1` rewrites what is said.

use std::path::{Path, PathBuf};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::id::Name;
use crate::init::{Bias, FanMode, Init, Kaiming, Nonlinearity};
use crate::plan;

mod meaning;
mod random;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}

/// The `# --set` lines at the start of a wrong spec.
fn sets(text: &str) -> Vec<String> {
    text.lines().map_while(|line| line.strip_prefix("# --set ")).map(str::to_owned).collect()
}

#[test]
fn wrong_specs_say_everything_that_is_wrong() {
    let bless = std::env::var_os("SEEDSWEEP_BLESS").is_some();
    let folder = root().join("common/src/spec/wrong");
    let specs = files(&folder, "toml");
    assert!(specs.len() >= 25);
    for spec in specs {
        let text = std::fs::read_to_string(&spec).unwrap();
        let name = spec.file_name().unwrap().to_str().unwrap();
        let said = match parse(name, &text, &sets(&text)) {
            Ok(parsed) => {
                assert!(name.contains("warnings"), "{name} was accepted");
                parsed.warnings
            }
            Err(errors) => {
                assert!(!name.contains("warnings"), "{name} was refused: {errors}");
                errors.rendered
            }
        };
        assert!(!said.is_empty(), "{name}");
        let said = said.join("\n\n") + "\n";
        let snapshot = spec.with_extension("txt");
        if bless {
            std::fs::write(&snapshot, said).unwrap();
        } else {
            let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
            assert!(said == expected, "{name} now says:\n{said}\ninstead of:\n{expected}");
        }
    }
}

fn parsed(file: &Path) -> Parsed {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    parse(name, &text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn templates_and_examples_can_be_run() {
    let examples = files(&root().join("examples"), "toml");
    let templates = files(&root().join("cli/templates"), "toml");
    assert!(examples.len() >= 6);
    for name in ["fixed-vs-random", "minimal", "grid", "csv"] {
        assert!(templates.iter().any(|file| file.file_stem().unwrap() == name), "{name}");
    }
    for file in examples.iter().chain(&templates) {
        let parsed = parsed(file);
        let meant = ["this start breaks no symmetry", "nothing varies"];
        for warning in &parsed.warnings {
            assert!(meant.iter().any(|title| warning.contains(title)), "{warning}");
        }
    }
    for file in &examples {
        let spec = parsed(file).spec;
        assert_eq!(spec.name.as_str(), file.file_stem().unwrap(), "an example is found by its sweep's name");
        for attachment in spec.attachments() {
            assert!(file.with_file_name(&attachment.path).is_file(), "{} is missing", attachment.path);
        }
    }
}

/// At 0.5 G multiply-adds a second and core, 10¹⁰ take ten seconds on two cores.
#[test]
fn examples_train_in_seconds() {
    for file in files(&root().join("examples"), "toml") {
        for experiment in parsed(&file).spec.experiments {
            let rows = plan::training_rows(&experiment.data).unwrap_or(200);
            let batch = match experiment.train.batch {
                Batch::Full => rows,
                Batch::Size(size) => size.into(),
            };
            // forward, backward and gradient are three multiply-adds per weight and row
            let updates = plan::updates(&experiment.train, rows).unwrap();
            let trial = updates * batch * 3 * experiment.network.parameter_count();
            let total = trial * u64::from(experiment.restarts);
            assert!(total < 10_000_000_000, "{}: {total}", file.display());
        }
    }
}
