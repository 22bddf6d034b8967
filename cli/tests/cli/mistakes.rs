//! What a wrong command line or spec is answered: words, exit code, and nothing left behind.

use snapbox::{assert_data_eq, str};

use crate::support::{QUICK, directory, run};

/// The files in `directory`, sorted.
fn files(directory: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = names.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_spec_with_errors_shows_all_of_them_and_leaves_no_store() {
    let spec = QUICK.replacen("restarts = 6", "restart = 6", 1).replace("l2 = 1e-3", "l2 = \"much\"");
    let here = directory(&spec);
    for verb in ["run", "check", "submit"] {
        let ran = run(here.path(), &[verb, "sweep.toml"]);
        assert_eq!(ran.code, Some(2));
        assert_eq!(files(here.path()), ["sweep.toml"], "{verb} left something behind");
    }
    assert_data_eq!(
        run(here.path(), &["run", "sweep.toml"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: `l2` must be a number
  --> sweep.toml:13:6
   |
13 | l2 = "much"
   |      ^^^^^^ this is a string

error: `restarts` is missing in an `[[experiment]]`
  --> sweep.toml:20:8
   |
20 | name = "fixed"
   |        ^^^^^^^ a whole number from 1 to 10000000
   |
   = note: in experiment `fixed`

error: unknown key `restart`
  --> sweep.toml:22:1
   |
22 | restart = 6
   | ^^^^^^^ did you mean `restarts`?

error: `sweep.toml` has 3 errors; nothing was started

"#]]
    );
}

#[test]
fn a_data_file_that_does_not_fit_leaves_no_store() {
    let spec = QUICK.replace("dataset = \"xor\"", "file = \"rows.csv\"\ntarget = \"y\"");
    let here = directory(&spec);
    assert_data_eq!(
        run(here.path(), &["run", "sweep.toml"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: cannot read the file `rows.csv` that the spec names
  because: No such file or directory (os error 2)

"#]]
    );
    std::fs::write(here.path().join("rows.csv"), "a,b,y\n1,2,3\n1,,3\n").unwrap();
    assert_data_eq!(
        run(here.path(), &["run", "sweep.toml"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: experiment `fixed` cannot be trained
  because: rows.csv, row 2, column `b` is empty

"#]]
    );
    assert_eq!(files(here.path()), ["rows.csv", "sweep.toml"]);
}

#[test]
fn an_override_is_held_to_the_same_rules() {
    let here = directory(QUICK);
    assert_data_eq!(
        run(here.path(), &["check", "sweep.toml", "--set", "train.lr=fast"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: `lr` must be a number
 --> --set:1:10
  |
1 | train.lr=fast
  |          ^^^^ this is a string
  |
  = note: in experiment `fixed`

error: `sweep.toml` has 1 error; nothing was started

"#]]
    );
}

#[test]
fn a_missing_spec_is_named() {
    let here = directory(QUICK);
    assert_data_eq!(
        run(here.path(), &["run", "missing.toml"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: cannot read the spec `missing.toml`
  because: No such file or directory (os error 2)

"#]]
    );
}

#[test]
fn errors_are_json_where_programs_listen() {
    let here = directory(QUICK);
    let cases: [(&[&str], &str, i32); 5] = [
        (&["report", "--output", "json"], "not_found", 4),
        (&["check", "missing.toml", "-o", "json"], "spec", 2),
        (&["status", "--output=json", "--frobnicate"], "usage", 2),
        (&["list", "-o", "json", "--connect", "nowhere", "--token-file", "x"], "file", 2),
        (&["run", "sweep.toml", "-o", "json", "--set", "seed=-1"], "spec", 2),
    ];
    for (args, code, exit) in cases {
        let ran = run(here.path(), args);
        assert_eq!(ran.code, Some(exit), "{args:?}: {}", ran.text());
        let json = ran.json();
        assert_eq!(json["schema"], "seedsweep.error/1");
        assert_eq!(json["error"]["code"], code, "{args:?}");
        assert_eq!(json["error"]["exit"], exit);
        assert!(json["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(!ran.stderr.is_empty(), "people are told as well");
        assert!(!ran.stderr.contains("backtrace") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

#[test]
fn wrong_usage_names_what_is_allowed() {
    let here = directory(QUICK);
    assert_data_eq!(
        run(here.path(), &["rnu", "sweep.toml"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: unrecognized subcommand 'rnu'

Usage: seedsweep [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["run", "sweep.toml", "--slots", "0"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: invalid value '0' for '--slots <N>': 0 is not in 1..=1024

For more information, try '--help'.

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["coordinator", "--lease", "soon"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: invalid value 'soon' for '--lease <TIME>': `soon` is not a duration: write for instance 500ms, 15s, 5m or 1h30m

For more information, try '--help'.

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["coordinator", "--lease", "1ms"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: --lease is 1ms: 200ms to 1h are allowed

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["coordinator", "--listen", "0.0.0.0:0"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: --listen 0.0.0.0:0 is reached from other machines, where tokens and data travel unencrypted: add --insecure-plaintext if the network is yours alone, or use an ssh tunnel

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["init", "nonsense"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: no template `nonsense`: there are fixed-vs-random, minimal, grid, csv

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["status", "--connect", "http://127.0.0.1:1"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: --connect http://127.0.0.1:1 needs --token-file FILE: a copy of auth/admin.token from the coordinator's store

"#]]
    );
    assert_data_eq!(
        run(here.path(), &["worker", "--join", "nothing.join"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: cannot use `nothing.join`
  because: No such file or directory (os error 2)

"#]]
    );
    assert_eq!(files(here.path()), ["sweep.toml"]);
}

#[test]
fn every_template_is_printed_as_it_is() {
    let here = directory(QUICK);
    let names = run(here.path(), &["init", "--list"]).fine().stdout;
    assert!(names.lines().count() >= 4, "{names}");
    for name in names.lines().filter_map(|line| line.split(' ').next()) {
        let template = run(here.path(), &["init", name]).fine();
        assert!(template.stdout.contains("[[experiment]]"), "{name}");
        std::fs::write(here.path().join("sweep.toml"), &template.stdout).unwrap();
        if name != "csv" {
            run(here.path(), &["check", "sweep.toml"]).fine();
        }
    }
}

#[test]
fn the_plan_says_what_would_be_trained() {
    let here = directory(QUICK);
    let shown = run(here.path(), &["check", "sweep.toml", "--slots", "2"]).fine();
    // what it costs depends on the machine
    let (plan, cost) = shown.stdout.split_once("\n\non this machine (2 slots, ").unwrap();
    assert_data_eq!(
        plan,
        str![[r#"
7fae5deae190 quick · seed 1
experiment  network  parameters  rows  start           varies       start x runs  unit     updates  trials  sets
fixed       2-2-1             9  4+0   xavier_uniform  order        1 x 6         restart       80       6
random      2-2-1             9  4+0   xavier_uniform  init, order  6 x 1         restart       80       6  train.lr=0.1
12 trials, at most 960 updates in all · rows: training+test · unit: what is replicated
"#]]
    );
    assert_eq!(shown.stderr, "");
    let lines: Vec<&str> = cost.lines().collect();
    assert!(lines.len() > 4 && lines.iter().all(|line| line.chars().count() <= 100), "{cost}");
    assert!(lines[1].starts_with("experiment  training  polish  trials/s  in all"), "{cost}");
    assert!(lines[2].starts_with("fixed ") && lines[3].starts_with("random ") && lines[2].contains("KiB"));
    let json = run(here.path(), &["check", "sweep.toml", "--output", "json"]).fine().json();
    assert_eq!(json["schema"], "seedsweep.check/1");
    assert_eq!(json["trials"], 12);
    assert_eq!(json["experiments"][1]["updates_at_most"], 80);
    let number = |name: &str| json["experiments"][1]["cost"][name].as_f64().unwrap();
    let per_trial = number("training_s") + number("polish_s");
    assert!(number("training_s") > 0.0 && number("polish_s") > 0.0 && number("slot_bytes") > 100.0);
    let slots = json["machine"]["slots"].as_f64().unwrap();
    assert!((number("trials_per_s") * per_trial / slots.min(6.0) - 1.0).abs() < 1e-9);
    assert!(json["estimated_s"].as_f64().unwrap() > number("total_s"));
    assert!(json["machine"]["peak_gflop_per_s"].as_f64().unwrap() > 0.0);
    let canonical = run(here.path(), &["check", "sweep.toml", "--canonical"]).fine().stdout;
    std::fs::write(here.path().join("canonical.toml"), &canonical).unwrap();
    assert_eq!(run(here.path(), &["check", "canonical.toml", "--canonical"]).fine().stdout, canonical);
    assert_eq!(files(here.path()), ["canonical.toml", "sweep.toml"]);
}
