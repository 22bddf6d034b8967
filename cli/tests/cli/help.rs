//! docs/cli.md shows what the program prints.

use std::path::Path;

use crate::support::run;

const FENCE: &str = "```";

/// Compares each block that starts with "```text seedsweep …" with what that command prints.
/// `SNAPSHOTS=overwrite cargo test -p seedsweep` writes the blocks anew.
#[test]
fn the_reference_shows_the_help_of_every_verb() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut fresh, mut shown) = (String::new(), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let Some(words) = line.strip_prefix("```text seedsweep") else { continue };
        let old = lines.by_ref().take_while(|line| *line != FENCE).count();
        assert!(old > 0 || std::env::var_os("SNAPSHOTS").is_some(), "{line} has no end");
        let args: Vec<&str> = words.split_whitespace().collect();
        fresh.push_str(&run(&std::env::temp_dir(), &args).fine().stdout);
        fresh.push_str(FENCE);
        fresh.push('\n');
        shown.push(args.join(" "));
    }
    if std::env::var("SNAPSHOTS").is_ok_and(|mode| mode == "overwrite") {
        std::fs::write(&path, &fresh).unwrap();
    }
    let changed = text.lines().zip(fresh.lines()).find(|(old, new)| old != new);
    let hint = "docs/cli.md is out of date: SNAPSHOTS=overwrite cargo test -p seedsweep";
    assert!(text == fresh, "{hint}: {changed:?}");

    let overview = run(&std::env::temp_dir(), &["help"]).fine().stdout;
    let verbs = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let verbs: Vec<&str> = verbs.filter_map(|line| line.get(2..)?.split(' ').next()).collect();
    for verb in verbs.into_iter().filter(|verb| !["", "help", "store"].contains(verb)) {
        assert!(shown.contains(&format!("{verb} --help")), "docs/cli.md does not show `{verb}`");
    }
}
