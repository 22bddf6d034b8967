//! Rules of the house that a machine can check. ARCHITECTURE.md says why each of them exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::root;

/// Which of our crates each crate may name, apart from tests.
const ARROWS: [(&str, &[&str]); 6] = [
    ("common", &[]),
    ("proto", &["common"]),
    ("shell", &["common"]),
    ("coordinator", &["common", "proto", "shell"]),
    ("worker", &["common", "proto", "shell"]),
    ("cli", &["common", "proto", "shell", "coordinator", "worker"]),
];

/// Longest file of hand-written Rust, in lines. A file shows one idea.
const LINES: usize = 800;

struct Source {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        let in_tests = self.path.contains("/tests/") || self.path.contains("/examples/");
        self.path.starts_with("tests/") || in_tests || self.path.ends_with("/tests.rs")
    }

    /// Lines with their numbers up to the tests at the end of the file, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        lines.enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }
}

/// All hand-written Rust of the workspace.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for crate_dir in ["common", "proto", "shell", "coordinator", "worker", "cli", "tests"] {
        collect(&root().join(crate_dir), &mut |path| {
            if path.extension().is_some_and(|ext| ext == "rs") && !path.to_string_lossy().contains("/gen/") {
                let relative =
                    path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
                sources
                    .push(Source { path: relative, text: std::fs::read_to_string(path).expect("readable") });
            }
        });
    }
    assert!(sources.len() > 30, "the walk found only {} files", sources.len());
    sources
}

fn collect(directory: &Path, visit: &mut impl FnMut(&Path)) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}

/// Fails naming each line of code in `scope` that holds one of `words`.
fn forbid(words: &[&str], scope: impl Fn(&str) -> bool, why: &str) {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test() && scope(&source.path)) {
        for (number, line) in source.code() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn crates_name_only_what_lies_below_them() {
    for (name, allowed) in ARROWS {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).expect("readable");
        let manifest: toml::Table = manifest.parse().expect("a manifest");
        let dependencies = manifest["dependencies"].as_table().expect("a table");
        let ours: BTreeSet<&str> =
            dependencies.keys().filter_map(|key| key.strip_prefix("seedsweep-")).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(ours.is_subset(&allowed), "{name} may name {allowed:?}, it names {ours:?}");
    }
}

#[test]
fn versions_stand_in_the_workspace_manifest_only() {
    for (name, _) in ARROWS {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).expect("readable");
        let manifest: toml::Table = manifest.parse().expect("a manifest");
        for section in ["dependencies", "dev-dependencies"] {
            for (dependency, value) in
                manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten()
            {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(inherited, Some(true), "{name}: {dependency} must say `workspace = true`");
            }
        }
    }
}

#[test]
fn only_the_store_names_sled() {
    forbid(
        &["sled::", "use sled"],
        |path| !path.starts_with("coordinator/src/store"),
        "sled is kept behind one module",
    );
}

#[test]
fn the_vocabulary_and_the_core_have_no_io_and_no_clock() {
    let pure = |path: &str| path.starts_with("common/") || path.starts_with("coordinator/src/core/");
    forbid(
        &[
            "std::fs",
            "std::net",
            "std::io",
            "std::env",
            "std::thread",
            "std::process",
            "tokio",
            "Instant",
            "SystemTime",
        ],
        pure,
        "time, randomness and identity come in as arguments",
    );
}

#[test]
fn networks_know_nothing_of_leases_wire_or_disks() {
    let pure = |path: &str| {
        path.starts_with("worker/src/nn/")
            || path.starts_with("worker/src/minima/")
            || path == "worker/src/train.rs"
    };
    forbid(
        &["std::fs", "std::net", "std::thread", "tokio", "tonic", "seedsweep_proto", "Instant", "SystemTime"],
        pure,
        "training is a pure function of spec and restart",
    );
}

#[test]
fn unsafe_code_lives_in_the_lane_module_only() {
    forbid(
        &["unsafe ", "allow(unsafe_code", "expect(unsafe_code"],
        |path| !path.starts_with("worker/src/nn/lane/"),
        "unsafe code is kept in one module",
    );
}

#[test]
fn draws_come_from_named_streams_only() {
    forbid(
        &["thread_rng", "rand::rng()", "StdRng", "SmallRng", "from_os_rng"],
        |_| true,
        "every draw comes from a keyed stream",
    );
}

#[test]
fn training_uses_no_platform_maths() {
    // every platform's libm rounds in its own way; add, mul, fma, div and sqrt are exact everywhere
    let words =
        [".exp()", ".ln()", ".tanh()", ".sin()", ".cos()", ".powf(", ".exp2()", ".log10()", ".sin_cos()"];
    let trained = |path: &str| {
        let here = path.starts_with("worker/src/nn/") || path.starts_with("worker/src/minima/");
        // these are written for any `Scalar`, whose functions of these names are our own
        let generic = ["scalar.rs", "layer.rs", "loss.rs"];
        here && !generic.iter().any(|name| path.ends_with(&format!("nn/{name}")))
    };
    forbid(&words, trained, "elementary functions are our own");
}

#[test]
fn a_file_shows_one_idea() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.text.lines().count() > LINES)
        .map(|source| format!("{} has {} lines", source.path, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "at most {LINES} lines: {}", long.join(", "));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "without a module header: {}", silent.join(", "));
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!", "unimplemented!", concat!("FIX", "ME"), concat!("XX", "X"), "#[ignore"];
    for source in sources().iter().filter(|source| source.path != "tests/it/tidy.rs") {
        for (number, line) in source.text.lines().enumerate() {
            let found = words.iter().find(|word| line.contains(*word));
            assert!(found.is_none(), "{}:{}: {found:?}", source.path, number + 1);
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("readable");
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let dependencies = manifest["workspace"]["dependencies"].as_table().expect("a table");
    let missing: Vec<&str> = dependencies
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("seedsweep-") && !architecture.contains(&format!("| `{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md's table: {missing:?}");
}

/// Drawing a normal number takes a logarithm in its rare branches; with `num-traits/std` that would be the
/// platform's. The shipped binary must not enable it.
#[test]
fn normal_draws_use_no_platform_maths() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "seedsweep", "--edges", "normal,features"])
        .args(["--invert", "num-traits"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    assert!(tree.contains("num-traits"), "{tree}");
    assert!(!tree.contains("num-traits feature \"std\""), "{tree}");
}
