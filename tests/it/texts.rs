//! Messages about a spec speak of keys that a spec has: each name between backticks in their texts stands in
//! `docs/spec.md`, and a path like `network.layers` there names a key of that table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::root;

/// Where the texts are: directories, apart from their tests, and files.
const SOURCES: [&str; 4] = [
    "common/src/spec",
    "worker/src/nn/data/error.rs",
    "worker/src/nn/data/file.rs",
    "worker/src/nn/data/mod.rs",
];

/// What stands between backticks in `text`, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The string literals of Rust code, escapes as they are, without comments and tests.
fn literals(code: &str) -> String {
    let code = code.lines().take_while(|line| *line != "#[cfg(test)]");
    let code: Vec<&str> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
    // a quote as a character, and an escaped one, open and close nothing
    let code = code.join("\n").replace("'\"'", "").replace("\\\"", "'");
    code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join("\n")
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Of `docs/spec.md`: every name, and the keys of each table.
fn documented() -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let page = std::fs::read_to_string(root().join("docs/spec.md")).expect("readable");
    let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| is_name(word));
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let name = title.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            table = is_name(name).then(|| name.to_owned());
        } else if let (Some(table), Some(row)) = (&table, line.strip_prefix("| ")) {
            let keys = row.split(" | ").next().map(quoted).into_iter().flatten();
            tables.entry(table.clone()).or_default().extend(keys.map(str::to_owned));
        }
    }
    (words.map(str::to_owned).collect(), tables)
}

/// The files at `path` with their texts.
fn texts(path: &Path, found: &mut Vec<(String, String)>) {
    let name = path.file_name().expect("named").to_string_lossy();
    if path.is_dir() && name != "tests" {
        for entry in std::fs::read_dir(path).expect("readable") {
            texts(&entry.expect("readable").path(), found);
        }
    } else if name.ends_with(".rs") && name != "tests.rs" {
        let code = std::fs::read_to_string(path).expect("readable");
        found.push((path.to_string_lossy().into_owned(), literals(&code)));
    }
}

#[test]
fn messages_name_keys_that_the_documents_know() {
    let (words, tables) = documented();
    assert!(tables["network"].contains("layers") && tables["data"].contains("test_fraction"));
    let mut all = Vec::new();
    SOURCES.iter().for_each(|source| texts(&root().join(source), &mut all));
    let mut names = 0;
    let mut unknown = Vec::new();
    for (file, text) in &all {
        for quoted in quoted(text) {
            // `loss = "mse"` speaks of `loss`; placeholders and file names are none of ours
            let name = quoted.split([' ', '=']).next().unwrap_or_default();
            let parts: Vec<&str> = name.split('.').collect();
            if !parts.iter().all(|part| is_name(part)) {
                continue;
            }
            names += 1;
            let known = match parts[..] {
                // its keys belong to schemes, or stand in the text
                ["init", key] => words.contains(key),
                [table, key, ..] => tables.get(table).is_some_and(|keys| keys.contains(key)),
                _ => words.contains(name),
            };
            if !known {
                unknown.push(format!("{file}: `{quoted}`"));
            }
        }
    }
    assert!(names > 100, "only {names} names were found");
    assert_eq!(unknown, Vec::<String>::new());
}
