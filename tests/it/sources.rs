//! The pages on numbers from elsewhere (docs/sources) name the tests that hold them: every one is there.

use crate::support::root;

/// A named test: the page and line that name it, the file and its function.
struct Named {
    place: String,
    file: String,
    function: String,
}

/// The tests that the lines of `text` name as `path/to/file.rs::function`, between backquotes.
fn named(page: &str, text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            if let Some((file, function)) = quoted.split_once(".rs::") {
                found.push(Named {
                    place: format!("docs/sources/{page}:{}", number + 1),
                    file: format!("{file}.rs"),
                    function: function.to_owned(),
                });
            }
        }
    }
    found
}

/// Whether `text` has a test of this name: the attribute, perhaps others or comments, and the function.
fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts = [format!("fn {function}("), format!("async fn {function}(")];
    let is_it = |line: &str| starts.iter().any(|start| line.starts_with(start.as_str()));
    lines.iter().enumerate().any(|(number, line)| {
        let above = lines[..number].iter().rev();
        let mut above = above.take_while(|line| line.starts_with('#') || line.starts_with("//"));
        is_it(line) && above.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_named_test_is_there() {
    let mut pages = 0;
    for entry in std::fs::read_dir(root().join("docs/sources")).expect("readable") {
        let path = entry.expect("readable").path();
        let page = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let named = named(&page, &text);
        assert!(named.len() >= 10, "{page} names {} tests: has its form changed?", named.len());
        for Named { place, file, function } in named {
            let code = std::fs::read_to_string(root().join(&file));
            let code = code.unwrap_or_else(|error| panic!("{place}: {file}: {error}"));
            assert!(has_test(&code, &function), "{place}: {file} has no test {function}");
        }
        pages += 1;
    }
    assert!(pages >= 1, "docs/sources is empty");
}

#[test]
fn rows_of_numbers_name_a_test_or_a_reason() {
    for entry in std::fs::read_dir(root().join("docs/sources")).expect("readable") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        // the table that a line is in asks for tests if its heading has such a column
        let mut asks = false;
        for (number, line) in text.lines().enumerate() {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            if !line.starts_with('|') {
                asks = false;
            } else if cells.last() == Some(&"test") {
                asks = true;
            } else if asks && !line.starts_with("|---") {
                let last = cells.last().expect("a cell");
                assert!(last.contains(".rs::"), "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn names_are_found_where_they_stand_and_missed_where_they_do_not() {
    let found = named("p.md", "| x | `1` | a |\n| y | 2 | `a/b.rs::c`, `d.rs::e` |");
    let found: Vec<_> =
        found.iter().map(|n| (n.place.as_str(), n.file.as_str(), n.function.as_str())).collect();
    assert_eq!(found, [("docs/sources/p.md:2", "a/b.rs", "c"), ("docs/sources/p.md:2", "d.rs", "e")]);
    let code = "#[test]\n// why\nfn c() {}\nfn helper() {}\n#[tokio::test(start)]\nasync fn e() {}\n";
    assert!(has_test(code, "c") && has_test(code, "e"));
    assert!(!has_test(code, "helper") && !has_test(code, "d"));
}
