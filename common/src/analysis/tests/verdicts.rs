//! What is said about outcomes made by hand, word for word where the words are the point.

use super::*;
use crate::analysis::report::{Verdict, VerdictKind};
use crate::outcome::Outcome;
use crate::spec::{Batch, Level, PolishMode};

fn verdict_of(experiment: Experiment, outcomes: Vec<Outcome>) -> Verdict {
    report_of(experiment, outcomes).verdict
}

/// Of 60 starts with 4 orders each, `undecided` end in two minima and the others in one of three.
fn fixed_starts(undecided: u32) -> Vec<Outcome> {
    let end = |r: u32| if r % 60 < undecided { f64::from(r / 60 % 2) } else { f64::from(r % 60 % 3) };
    (0..240).map(|r| outcome(r, end(r))).collect()
}

#[test]
fn starts_that_agree_with_themselves_are_the_same_minimum() {
    let verdict = verdict_of(experiment("fixed", ORDER, Some(60), 240), fixed_starts(2));
    assert_eq!((verdict.kind, verdict.unit.as_str()), (VerdictKind::SameMinimum, "start"));
    assert_eq!(
        verdict.statement,
        "same minimum: two restarts with the same start and another data order end in the same minimum in 98 % of \
         pairs (95 % CI 86 to 100 %; level function, unit start, 60 starts of n = 240 trials); held fixed: start \
         (within each), data, network, loss, optimizer, lr, batch, budget."
    );
    assert_eq!(verdict.warnings, Vec::<String>::new());
}

#[test]
fn fresh_starts_that_part_are_different_minima() {
    let rows = (0..240).map(|r| outcome(r, f64::from(r % 3))).collect();
    let verdict = verdict_of(experiment("random", INIT_ORDER, None, 240), rows);
    assert_eq!((verdict.kind, verdict.unit.as_str()), (VerdictKind::Spread, "restart"));
    assert_eq!(
        verdict.statement,
        "different minima: two restarts with fresh starts and another data order end in the same minimum in only 33 % \
         of pairs (95 % CI 33 to 34 %; level function, unit restart, n = 240); held fixed: data, network, loss, \
         optimizer, lr, batch, budget."
    );
}

#[test]
fn an_interval_between_the_thresholds_is_mixed_and_one_across_is_undecided() {
    let shares = |n: u32| (0..n).map(|r| outcome(r, if r % 5 == 0 { 1.0 } else { 0.0 })).collect::<Vec<_>>();
    let mixed = verdict_of(experiment("random", INIT_ORDER, None, 1_000), shares(1_000));
    assert_eq!(mixed.kind, VerdictKind::Mixed);
    assert!(mixed.statement.contains(", between 50 and 80 %"), "{}", mixed.statement);
    let undecided = verdict_of(experiment("random", INIT_ORDER, None, 20), shares(20));
    assert_eq!(undecided.kind, VerdictKind::Undecided);
    let needed = undecided.restarts_needed.unwrap();
    assert!(undecided.statement.contains("which leaves open on which side of 50 and 80 % it lies"));
    assert!(undecided.statement.contains("restarts in all would decide"), "{}", undecided.statement);
    // with that many, the same shares do decide
    let rows = shares(needed.div_ceil(5) as u32 * 5);
    let decided = verdict_of(experiment("random", INIT_ORDER, None, rows.len() as u32), rows);
    assert_eq!(decided.kind, VerdictKind::Mixed);
}

#[test]
fn runs_that_stop_on_one_saddle_have_no_minimum() {
    let rows: Vec<Outcome> =
        (0..40).map(|r| certified(outcome(r, 0.5 + 1e-9 * f64::from(r)), Certificate::Saddle)).collect();
    let report = report_of(experiment("constant-0.5", ORDER, None, 40), rows);
    assert_eq!(report.verdict.kind, VerdictKind::NoMinimum);
    assert_eq!(
        report.verdict.statement,
        "no minimum: every run stops on one saddle, not at a minimum (level function, unit restart, n = 40); held \
         fixed: start, data, network, loss, optimizer, lr, batch, budget."
    );
    let function = &report.levels.function;
    assert_eq!((function.basins_found, function.same_pair.estimate), (0, None));
    assert_eq!(function.same_pair.ci95, Some([Number(0.0), Number(1.0)]));
    // the sentence says it all
    assert_eq!(report.verdict.warnings, ["one start: the statement is about this start only"]);
}

#[test]
fn a_certificate_that_is_none_is_explained() {
    let rows = (0..8).map(|r| certified(outcome(r, 0.0), Certificate::Kink)).collect();
    let verdict = verdict_of(experiment("relu", INIT_ORDER, None, 8), rows);
    assert_eq!(verdict.kind, VerdictKind::NoMinimum);
    assert!(
        verdict.statement.contains("8 kinks (a relu unit switches exactly there: it may be a minimum"),
        "{}",
        verdict.statement
    );
}

#[test]
fn more_than_one_run_in_twenty_without_a_minimum_is_no_minimum() {
    let rows = |lost: u32| -> Vec<Outcome> {
        let row = |r: u32| outcome(r, 0.0);
        (0..100)
            .map(|r| if r < lost { certified(row(r), Certificate::NotConverged) } else { row(r) })
            .collect()
    };
    assert_ne!(verdict_of(experiment("e", INIT_ORDER, None, 100), rows(5)).kind, VerdictKind::NoMinimum);
    let verdict = verdict_of(experiment("e", INIT_ORDER, None, 100), rows(6));
    assert_eq!(verdict.kind, VerdictKind::NoMinimum);
    assert!(
        verdict
            .statement
            .contains("6 of 100 finished runs (level function, unit restart, n = 100) are not certified as minima: 6 not converged (the \
             polish"),
        "{}",
        verdict.statement
    );
}

#[test]
fn nothing_that_varies_is_not_tested() {
    let same_bits = |n: u32| -> Vec<Outcome> {
        let first = outcome(0, 1.0);
        (0..n).map(|restart| Outcome { restart, ..first.clone() }).collect()
    };
    let idle = report_of(experiment("e", NOTHING, None, 64), same_bits(64));
    assert_eq!(idle.verdict.kind, VerdictKind::NotTested);
    assert!(idle.verdict.statement.contains("all 64 trials repeat their bits"), "{}", idle.verdict.statement);
    assert!(idle.verdict.warnings[0].starts_with("nothing varies"));
    assert_eq!(idle.levels.bits.basins_found, 1);

    let mut full = experiment("e", ORDER, None, 8);
    full.train.batch = Batch::Full;
    let verdict = verdict_of(full, same_bits(8));
    assert_eq!(verdict.kind, VerdictKind::NotTested);
    assert!(verdict.warnings[0].contains("full batches"));

    let mut broken = same_bits(8);
    broken[3].digest[0] ^= 1;
    let verdict = verdict_of(experiment("e", NOTHING, None, 8), broken);
    assert!(verdict.warnings.iter().any(|w| w.contains("not repeatable")), "{:?}", verdict.warnings);
}

#[test]
fn equal_bits_need_no_certificate() {
    let first = certified(outcome(0, 1.0), Certificate::Saddle);
    let rows = (0..64).map(|restart| Outcome { restart, ..first.clone() }).collect();
    let levels = report_of(experiment("e", NOTHING, None, 64), rows).levels;
    assert_eq!((levels.bits.basins_found, levels.raw.basins_found), (1, 0));
}

#[test]
fn unpolished_ends_are_compared_and_called_so() {
    let mut fresh = experiment("random", INIT_ORDER, None, 60);
    fresh.minima.polish = PolishMode::Off;
    let rows = (0..60).map(|r| Outcome { polish: None, ..outcome(r, f64::from(r)) }).collect();
    let report = report_of(fresh, rows);
    assert!(!report.polished);
    assert_eq!(report.verdict.kind, VerdictKind::Spread);
    assert!(
        report.verdict.statement.starts_with(
            "different end points: two restarts with fresh starts and another data order end with the same outputs in \
             none of the pairs (95 % CI 0 to "
        ),
        "{}",
        report.verdict.statement
    );
    assert!(report.verdict.statement.contains("unpolished: differences may be optimiser noise"));
    let warnings = report.verdict.warnings.join("\n");
    assert!(warnings.contains("unpolished") && warnings.contains("all 60 end points differ"), "{warnings}");
    assert_eq!(report.levels.function.basins[0].certificate, None);
}

#[test]
fn too_few_starts_give_no_interval_but_a_reason() {
    let rows = (0..16).map(|r| outcome(r, f64::from(r % 4))).collect();
    let report = report_of(experiment("fixed", ORDER, Some(4), 16), rows);
    let same_pair = &report.levels.function.same_pair;
    assert_eq!((same_pair.ci95, same_pair.pairs_ci95, same_pair.estimate), (None, None, Some(Number(1.0))));
    assert!(same_pair.reason.as_ref().unwrap().contains("at least 5 starts"));
    assert!(
        report.verdict.statement.contains(
            "in 100 % of pairs, but an interval over starts needs at least 5 starts with two finished restarts each, and \
             there are 4 (level function, unit start, 4 starts of n = 16 trials); about 130 restarts from more starts in \
             all would decide"
        ),
        "{}",
        report.verdict.statement
    );
    // 32 starts that all agree would do: thirty give a lower end of .7926
    assert_eq!((report.verdict.kind, report.verdict.restarts_needed), (VerdictKind::Undecided, Some(128)));
}

#[test]
fn warnings_name_what_a_stranger_would_trip_over() {
    // one random start, fewer combinations than restarts, symmetric copies, a diverged run
    let mut one = experiment("one", ORDER, None, 40);
    one.orders = Some(30);
    let mut rows: Vec<Outcome> = (0..40).map(|r| outcome(r, 1.0)).collect();
    for row in &mut rows {
        row.sketch_raw[0] = f64::from(row.restart);
    }
    rows[7] = diverged(rows[7].clone());
    let warnings = verdict_of(one, rows).warnings.join("\n");
    for part in [
        "one start: the statement is about this start only",
        "40 restarts repeat 30 combinations",
        "more basins at raw than at function",
        "of 40 trials 1 diverged; such a trial counts",
    ] {
        assert!(warnings.contains(part), "{part} is not in\n{warnings}");
    }
}

#[test]
fn a_running_sweep_says_so_far() {
    let rows: Vec<Outcome> = (0..30).map(|r| outcome(r, 1.0)).collect();
    let spec = sweep(vec![experiment("random", INIT_ORDER, None, 100)]);
    let progress = [ended(&rows, &[])];
    let report = analyse(&spec, id(), SweepState::Running, &progress, &[rows]).report;
    let verdict = &report.experiments[0].verdict;
    assert!(verdict.statement.starts_with("so far (30 of 100 trials): "), "{}", verdict.statement);
    assert!(verdict.warnings.iter().any(|w| w.starts_with("partial")));
}

#[test]
fn start_share_is_what_the_start_decides() {
    let random: Vec<Outcome> = (0..240).map(|r| outcome(r, f64::from(r % 3))).collect();
    let spec = sweep(vec![
        experiment("fixed", ORDER, Some(60), 240),
        experiment("random", INIT_ORDER, None, 240),
        experiment("one", ORDER, None, 40),
    ]);
    let one: Vec<Outcome> = (0..40).map(|r| outcome(r, 0.0)).collect();
    let outcomes = [fixed_starts(6), random, one];
    let progress: Vec<_> = outcomes.iter().map(|rows| ended(rows, &[])).collect();
    let report = report(&spec, &progress, &outcomes);
    let [fixed_random, fixed_one, random_one] = &report.comparisons[..] else { panic!("three pairs") };
    let share = fixed_random.start_share.as_ref().unwrap();
    let (fixed, random) = (0.9 + 0.1 / 3.0, (80.0 * 79.0 * 3.0) / (240.0 * 239.0));
    assert!((share.estimate.unwrap().0 - (fixed - random) / (1.0 - random)).abs() < 1e-12);
    let [low, high] = share.ci95.unwrap();
    // from an independent implementation of the bets and of square-and-add in Python
    assert!((low.0 - 0.630_968).abs() < 1e-6 && (high.0 - 0.901_217).abs() < 1e-6, "{low:?} {high:?}");
    assert_eq!((share.fixed.as_str(), share.random.as_str()), ("fixed", "random"));
    assert!(fixed_one.start_share.is_none(), "both have fixed starts");
    let one = random_one.start_share.as_ref().unwrap();
    assert_eq!((one.fixed.as_str(), one.ci95), ("one", None), "one start has no interval over starts");
    assert!(!fixed_random.loss_difference.paired);
}

#[test]
fn losses_are_paired_where_starts_and_orders_are_shared() {
    let mut slow = experiment("slow", INIT_ORDER, None, 30);
    slow.train.lr = 0.01;
    let spec = sweep(vec![experiment("fast", INIT_ORDER, None, 30), slow]);
    let fast: Vec<Outcome> = (0..30).map(|r| outcome(r, f64::from(r))).collect();
    let slow: Vec<Outcome> =
        (0..30).map(|r| outcome(r, f64::from(r) + 0.5 + 0.01 * f64::from(r % 2))).collect();
    let progress = [ended(&fast, &[]), ended(&slow, &[])];
    let report = report(&spec, &progress, &[fast, slow]);
    let difference = &report.comparisons[0].loss_difference;
    assert!(difference.paired);
    assert!((difference.estimate.unwrap().0 + 0.505).abs() < 1e-12);
    let [low, high] = difference.ci95.unwrap();
    assert!(-0.51 < low.0 && high.0 < -0.50, "pairing takes the large spread of losses out");
}

#[test]
fn a_tolerance_that_cuts_through_points_is_ambiguous() {
    // a chain of steps just below the tolerance of 1e-4
    let rows = (0..20).map(|r| outcome(r, f64::from(r) * 0.9e-4)).collect();
    let report = report_of(experiment("e", INIT_ORDER, None, 20), rows);
    assert!(report.levels.function.ambiguous);
    assert_eq!(report.levels.function.basins_found, 1);
    assert!(report.verdict.warnings.iter().any(|w| w.starts_with("ambiguous")));
    // the verdict's level only decides which agreement counts
    assert_eq!(report.verdict.level, Level::Function.name());
}

#[test]
fn bits_are_no_worse_for_being_unpolished() {
    let mut idle = experiment("e", NOTHING, None, 8);
    idle.minima.polish = PolishMode::Off;
    idle.minima.level = Level::Bits;
    let first = Outcome { polish: None, ..outcome(0, 1.0) };
    let verdict = verdict_of(idle, (0..8).map(|restart| Outcome { restart, ..first.clone() }).collect());
    assert_eq!(verdict.warnings, ["nothing varies: a determinism check, not evidence about training"]);
}
