use seedsweep_common::outcome::Outcome;

use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{measure, measure_often, ran, verdict};

use Holds::{No, Yes};

fn finding(end: impl Fn(&str, &mut Outcome)) -> Finding {
    let ran = [0, 1].map(|sweep| {
        ran(&CLAIM, sweep, |name, outcome| {
            let units = match name {
                "two-groups" => 2.0,
                "four-groups" => 4.0,
                name if name.starts_with("equal") => 1.0,
                _ => 16.0,
            };
            measure(outcome, Quantity::UnitsByBits, 1, units);
            measure(outcome, Quantity::Units, 1, units);
            measure(outcome, Quantity::EffectiveRank, 1, units);
            // e-fold every 10 steps, the 8 trials a little apart, up to saturation
            let faster = 1.0 + 1e-3 * f64::from(outcome.restart % 7);
            let grown = |step: u64| (1e-8 * (0.1 * faster * step as f64).exp()).min(1.0);
            let points: Vec<(u64, f64)> = (0..60).map(|k| (5 * k, grown(5 * k))).collect();
            measure_often(outcome, Quantity::UnitDifference, 1, &points);
            end(name, outcome);
        })
    });
    judge(&ran).unwrap()
}

#[test]
fn equal_units_that_stay_equal_confirm_it_and_noise_names_the_condition() {
    let found = finding(|_, _| {});
    assert_eq!(verdict(&found), (Verdict::ConfirmedInPart, vec![Yes, Yes, No, Yes]));
    // ln 2 / .1003
    assert!(found.conditions().next().unwrap().contains("doubles every 6.9 steps"), "{found:?}");
    let rate = &found.tables[2].rows[0];
    assert!((rate.estimate.0 - 0.1003).abs() < 1e-4, "{rate:?}");
}

#[test]
fn one_unit_that_parts_at_one_step_refutes_it() {
    let parted = finding(|name, outcome| {
        if name == "equal-13-orders" && outcome.restart == 3 {
            outcome.measures.clear();
            measure_often(outcome, Quantity::UnitsByBits, 1, &[(0, 1.0), (1, 1.0), (2, 3.0), (3, 1.0)]);
        }
    });
    assert_eq!(verdict(&parted), (Verdict::Refuted, vec![No, Yes, No, Yes]));
    let merged = finding(|name, outcome| {
        if name == "two-groups" {
            outcome.measures[0].series[0].values[0] = 1.0;
        }
    });
    assert_eq!(merged.verdict(), Verdict::Refuted);
}
