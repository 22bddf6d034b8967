//! What `seedsweep claims` finds: the verdicts that the prototypes' numbers give, from other draws and another program.

use serde_json::Value;

use super::is_thorough;
use crate::support::stdout;

/// Tables of numbers that a prototype found too, without an interval, and how far apart draws of the inputs, of 600 digits or of
/// few starts may put them.
const NUMBERS: [(&str, f64); 7] = [
    ("effective rank of 16 units at the end (median)", 0.5),
    ("smallest angle behind 1 layer", 0.1),
    ("median angle behind 1 layer", 0.03),
    ("smallest angle behind 5 layers", 0.1),
    ("median angle behind 5 layers", 0.05),
    ("inputs built for a known matrix: smallest distance behind", 0.05),
    ("late rate : λ₀ (median)", 0.06),
];

/// `SEEDSWEEP_TEST_THOROUGH` runs all claims with all their restarts; else the cheaper half, quickly.
#[test]
fn claims_end_in_the_verdicts_of_the_prototypes() {
    let expected = [
        ("s1", "confirmed_in_part"),
        ("s2", "confirmed_in_part"),
        ("s3", "confirmed_in_part"),
        ("s4", "confirmed_in_part"),
        ("s5", "confirmed_in_part"),
        ("s6", "confirmed"),
    ];
    let args = ["claims", "--output", "json"];
    let args =
        if is_thorough() { args.to_vec() } else { [&args[..], &["--quick", "s3", "s5", "s6"]].concat() };
    let here = tempfile::tempdir().expect("a directory");
    let answer: Value = serde_json::from_str(&stdout(here.path(), &args)).expect("JSON");
    let claims = answer["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), if is_thorough() { 6 } else { 3 });
    for claim in claims {
        let found =
            (claim["number"].as_str().expect("a number"), claim["verdict"].as_str().expect("a verdict"));
        assert!(expected.contains(&found), "{claim:#}");
        near_the_references(claim);
    }
}

/// Shares that a prototype counted too must not contradict it: the two 95 % intervals overlap. Its other numbers are near.
fn near_the_references(claim: &Value) {
    for table in claim["tables"].as_array().expect("tables") {
        let known = NUMBERS.iter().find(|(title, _)| table["title"] == *title);
        let rows = table["rows"].as_array().expect("rows").iter();
        let referred = rows.filter_map(|row| Some((row, row["reference"]["value"].as_f64()?)));
        for ((row, reference), (_, within)) in referred.zip(known.into_iter().cycle()) {
            let estimate = row["estimate"].as_f64().expect("a number");
            assert!((estimate - reference).abs() < *within, "{}: {row:#}", table["title"]);
        }
    }
    let rows = claim["tables"].as_array().expect("tables").iter().filter(|table| table["unit"] == "share");
    for row in rows.flat_map(|table| table["rows"].as_array().expect("rows")) {
        let ends = |value: &Value| Some([value[0].as_f64()?, value[1].as_f64()?]);
        if let (Some(ours), Some(theirs)) = (ends(&row["ci95"]), ends(&row["reference"]["ci95"])) {
            assert!(ours[0] <= theirs[1] && theirs[0] <= ours[1], "{}: {row:#}", claim["number"]);
        }
    }
}
