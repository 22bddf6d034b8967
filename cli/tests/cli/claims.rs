//! `seedsweep claims`: what is asked, what is answered, and that a kept store answers again.

use snapbox::{assert_data_eq, str};

use crate::support::run;

#[test]
fn an_unknown_claim_is_an_error_that_lists_what_there_is() {
    let here = tempfile::tempdir().unwrap();
    assert_data_eq!(
        run(here.path(), &["claims", "s1", "constant"]).text(),
        str![[r#"
exit 2
--- stdout
--- stderr
error: there is no claim `constant`; there are constant-starts (s1), same-minimum (s2), symmetry (s3), gaussian-layer (s4), separation (s5), over-parameterised (s6)

"#]]
    );
    assert!(std::fs::read_dir(here.path()).unwrap().next().is_none(), "it left something behind");
}

#[test]
fn claims_are_listed_in_a_line_each() {
    let list = run(&std::env::temp_dir(), &["claims", "--list"]).fine().stdout;
    assert_data_eq!(
        list,
        str![[r#"
s1  constant-starts      Starting with all weights equal, say 0.5, does not work or takes much longer.
s2  same-minimum         From one fixed start training always ends in the same minimum; from random starts it spreads.
s3  symmetry             Random starts are needed to break the symmetry between units.
s4  gaussian-layer       A relu layer with random Gaussian weights keeps lengths and never moves inputs further apart.
s5  separation           Random weights keep inputs apart through many layers; no deterministic matrix does.
s6  over-parameterised   Over-parameterised networks reach a global minimum by gradient descent from random starts.

"#]]
    );
}

#[test]
fn a_claim_is_put_to_the_test_and_a_kept_store_answers_again() {
    let here = tempfile::tempdir().unwrap();
    let ask = |form: &str| {
        run(here.path(), &["claims", "separation", "--quick", "--store", "kept", "--output", form]).fine()
    };
    let first = ask("json");
    let answer = first.json();
    assert_eq!((&answer["schema"], &answer["quick"]), (&"seedsweep.claims/1".into(), &true.into()));
    let claim = &answer["claims"][0];
    assert_eq!((&claim["number"], &claim["verdict"]), (&"s5".into(), &"confirmed_in_part".into()));
    assert_eq!(claim["conditions"].as_array().unwrap().len(), 2);
    let rules = claim["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| (rule["holds"] == "no") != rule["condition"].is_null()), "{rules:#?}");

    let again = ask("json");
    assert_eq!(again.stdout, first.stdout);
    assert!(again.stderr.contains("done already"), "{}", again.stderr);
    let table = ask("table").stdout;
    for part in ["=> CONFIRMED IN PART", "condition: only for inputs", "held fixed: 50 inputs", "quick:"] {
        assert!(table.contains(part), "no `{part}` in {table}");
    }
    // what was run is an ordinary sweep of this store
    let sweeps = run(here.path(), &["list", "--store", "kept"]).fine().stdout;
    assert!(sweeps.contains("separation-white-box"), "{sweeps}");
}
