use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{measure, measure_often, ran, verdict, wobble};

use Holds::{No, Open, Yes};

/// Widths of at least 24 fit but for every `fails`-th run; the loss follows `slack` times the theorem's bound, units move by
/// 16/m^`power`.
fn finding(fails: u32, slack: f64, power: f64) -> Finding {
    let one = ran(&CLAIM, 0, |name, outcome| {
        if let Some(m) = name.strip_prefix("fit-") {
            let m: u32 = m.parse().unwrap();
            let misses =
                if m >= WIDE { outcome.restart % fails == fails - 1 } else { outcome.restart * m % 7 > 2 };
            if misses {
                outcome.stop_reason = StopReason::StepLimit;
            }
            return;
        }
        let m: f64 = name.strip_prefix("rate-").unwrap().parse().unwrap();
        let share = 1.0 - 8.0 / m.sqrt() + 0.01 * wobble(outcome.restart);
        measure(outcome, Quantity::LateRate, 0, share * LAMBDA_0);
        measure(outcome, Quantity::MoveMax, 1, (16.0 + wobble(outcome.restart)) / m.powf(power));
        let bound = |t: u64| (1.0 - 0.5 * ETA * LAMBDA_0).powf(t as f64);
        let curve: Vec<(u64, f64)> =
            (0..5).map(|t| (t, 3.0 * bound(t) * if t == 0 { 1.0 } else { slack })).collect();
        measure_often(outcome, Quantity::Curve, 0, &curve);
    });
    judge(&[one]).unwrap()
}

#[test]
fn wide_networks_that_fit_within_the_bound_confirm_it() {
    assert_eq!(verdict(&finding(1000, 0.99, 0.5)), (Verdict::Confirmed, vec![Yes; 4]));
}

#[test]
fn a_bound_that_is_broken_or_runs_that_fail_refute_it() {
    assert_eq!(verdict(&finding(1000, 1.01, 0.5)), (Verdict::Refuted, vec![Yes, No, Yes, Yes]));
    assert_eq!(verdict(&finding(3, 0.99, 0.5)), (Verdict::Refuted, vec![No, Yes, Yes, Yes]));
    // 3 of 40 fail: the intervals hold .9 and leave it open
    assert_eq!(verdict(&finding(13, 0.99, 0.5)), (Verdict::Undecided, vec![Open, Yes, Yes, Yes]));
}

#[test]
fn units_that_move_further_than_one_over_the_root_of_the_width_refute_it() {
    let found = finding(1000, 0.99, 0.5);
    let [low, high] = found.tables[2].rows[0].ci95.unwrap();
    assert!(15.0 < low.0 && low.0 < high.0 && high.0 < 17.0, "{low:?} {high:?}");
    // 25 % over a factor of 64 in width let through exponents within about 0.1 of a half
    for power in [0.3, 0.7] {
        assert_eq!(
            verdict(&finding(1000, 0.99, power)),
            (Verdict::Refuted, vec![Yes, Yes, Yes, No]),
            "{power}"
        );
    }
}
