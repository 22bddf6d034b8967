use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{measure, ran, verdict, wobble};

use Holds::{No, Yes};

/// Angles behind each layer and distances left of built inputs, by the experiment's name.
fn finding(angle: impl Fn(&str) -> f64, built: impl Fn(&str) -> f64) -> Finding {
    let oblivious = ran(&CLAIM, 0, |name, outcome| {
        let w = 1.0 + 0.05 * wobble(outcome.restart);
        for layer in [1, 5, LAYERS] {
            measure(outcome, Quantity::AngleMin, layer, angle(name) * w);
            measure(outcome, Quantity::AngleMedian, layer, angle(name) * w);
            measure(outcome, Quantity::Rank, layer, if name == "constant" { 1.0 } else { 50.0 });
        }
    });
    let white_box = ran(&CLAIM, 1, |name, outcome| {
        measure(outcome, Quantity::DistanceMin, 1, built(name) * (1.0 + 0.05 * wobble(outcome.restart)));
    });
    judge(&[oblivious, white_box]).unwrap()
}

fn apart(name: &str) -> f64 {
    if name == "constant" { 0.0 } else { 0.6 }
}

fn collapsed(name: &str) -> f64 {
    if name.starts_with("fresh") { 0.55 } else { 1e-17 }
}

#[test]
fn it_holds_for_inputs_that_know_the_matrix_only() {
    let found = finding(apart, collapsed);
    assert_eq!(verdict(&found), (Verdict::ConfirmedInPart, vec![Yes, Yes, Yes, No, No]));
    assert_eq!(found.conditions().count(), 2);
}

#[test]
fn random_matrices_that_collapse_refute_it() {
    let flat = finding(|name| if name == "gaussian" { 0.0 } else { apart(name) }, collapsed);
    assert_eq!(verdict(&flat).1[0], No);
    assert_eq!(flat.verdict(), Verdict::Refuted);
    assert_eq!(finding(apart, |_| 1e-17).verdict(), Verdict::Refuted);
}

#[test]
fn it_would_be_confirmed_if_deterministic_matrices_collapsed_and_random_ones_did_not() {
    let random = ["gaussian", "orthogonal"];
    let found = finding(
        |name| if random.contains(&name) { 0.6 } else { 0.0 },
        |name| if name == "orthogonal" || name.starts_with("fresh") { 0.55 } else { 1e-17 },
    );
    assert_eq!(found.verdict(), Verdict::Confirmed, "{:?}", found.rules);
}
