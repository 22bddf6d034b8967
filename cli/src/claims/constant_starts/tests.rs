use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{measure, ran, verdict};

/// What the prototypes found: equal weights are stuck, noise frees them, saturated ones stay stuck.
fn as_found(name: &str, outcome: &mut Outcome) {
    let sticks = name.contains("equal") || name.contains("saturated");
    let units = if name.contains("equal") { 1.0 } else { 16.0 };
    measure(outcome, Quantity::UnitsByBits, 1, units);
    if sticks {
        outcome.stop_reason = StopReason::StepLimit;
    }
}

fn finding(end: impl Fn(usize, &str, &mut Outcome)) -> Finding {
    let ran = [0, 1, 2].map(|sweep| {
        ran(&CLAIM, sweep, |name, outcome| {
            as_found(name, outcome);
            if sweep == 0 && name == "equal" {
                outcome.polish.as_mut().unwrap().certificate = Certificate::Saddle;
            }
            if sweep == 2 && (name == "noise-1e-8" || name == "noise-1e-4") {
                outcome.stop_reason = StopReason::StepLimit;
            }
            end(sweep, name, outcome);
        })
    });
    judge(&ran).unwrap()
}

use Holds::{No, Open, Yes};

#[test]
fn what_the_prototypes_found_confirms_it_in_part_with_both_causes_named() {
    let finding = finding(|_, _, _| {});
    assert_eq!(verdict(&finding), (Verdict::ConfirmedInPart, vec![Yes, Yes, Yes, No, No]));
    let conditions: Vec<&str> = finding.conditions().collect();
    assert!(conditions[0].contains("ten relus 1e-14, digits at 0.01 1e-8, XOR 1e-2"), "{conditions:?}");
    assert!(conditions[1].contains("saturation"), "{conditions:?}");
    // the exactly equal start is one training, not a sample
    let dial = &finding.tables[3];
    assert_eq!((dial.rows[0].n, dial.rows[0].ci95, dial.rows[1].n), (1, None, 200));
}

#[test]
fn equal_weights_that_learn_or_part_refute_it() {
    let learns = finding(|_, name, outcome| {
        if name == "equal-orders" && outcome.restart % 3 == 0 {
            outcome.stop_reason = StopReason::TargetReached;
        }
    });
    assert_eq!(learns.verdict(), Verdict::Refuted);
    let parts = finding(|_, name, outcome| {
        if name == "equal-0.01" {
            outcome.measures[0].series[0].values[0] = 2.0;
        }
    });
    assert_eq!(verdict(&parts), (Verdict::Refuted, vec![Yes, Yes, No, No, No]));
}

#[test]
fn it_would_hold_without_conditions_if_noise_did_not_help() {
    let stubborn = finding(|sweep, name, outcome| {
        if name.starts_with("noise") && name != "noise-0.5" {
            outcome.stop_reason = StopReason::StepLimit;
            outcome.polish.as_mut().unwrap().certificate =
                if sweep == 0 { Certificate::Saddle } else { Certificate::Minimum };
        }
        if name.starts_with("saturated-1e") {
            outcome.stop_reason = StopReason::TargetReached;
        }
    });
    assert_eq!(verdict(&stubborn), (Verdict::Confirmed, vec![Yes; 5]));
}

#[test]
fn too_few_random_runs_that_learn_leave_it_undecided() {
    let found = finding(|sweep, name, outcome| {
        // 34 of 40: between 70 and 94 %
        if sweep == 1 && name == "random" && outcome.restart < 6 {
            outcome.stop_reason = StopReason::StepLimit;
        }
    });
    assert_eq!(verdict(&found), (Verdict::Undecided, vec![Yes, Open, Yes, No, No]));
}
