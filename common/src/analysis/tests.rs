//! The analysis as a whole: independence of order, bounds, verdicts on outcomes made by hand.

pub(crate) mod coverage;
mod fate;
pub(crate) mod fixtures;
mod scale;
mod verdicts;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::report::{Interval, LevelReport, Number, Report, Summary};
use super::*;
use crate::outcome::{Certificate, NullSpace, Symmetry};
use crate::spec::{Experiment, Level};
use fixtures::*;

/// A sweep of three experiments with a bit of everything: certified, diverged, uncertified and failed trials.
fn mixed_sweep(seed: u64) -> (SweepSpec, Vec<ExperimentProgress>, Vec<Vec<Outcome>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cells = vec![
        experiment("fixed", ORDER, Some(8), 32),
        experiment("random", INIT_ORDER, None, 40),
        experiment("one-start", ORDER, None, 20),
    ];
    cells[2].minima.level = Level::Raw;
    let mut progress = Vec::new();
    let mut outcomes = Vec::new();
    for cell in &cells {
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for restart in 0..cell.restarts {
            let noise = 1e-7 * rng.random::<f64>();
            let row = outcome(restart, f64::from(rng.random_range(0..4_u32)) + noise);
            match rng.random_range(0..20) {
                0 => failed.push(restart),
                1 => rows.push(diverged(row)),
                2 => rows.push(certified(row, Certificate::Saddle)),
                _ => rows.push(row),
            }
        }
        progress.push(ended(&rows, &failed));
        outcomes.push(rows);
    }
    (sweep(cells), progress, outcomes)
}

fn report(spec: &SweepSpec, progress: &[ExperimentProgress], outcomes: &[Vec<Outcome>]) -> Report {
    analyse(spec, id(), SweepState::Done, progress, outcomes).report
}

/// The report of one experiment whose trials are all done.
fn report_of(experiment: Experiment, outcomes: Vec<Outcome>) -> report::ExperimentReport {
    let progress = [ended(&outcomes, &[])];
    report(&sweep(vec![experiment]), &progress, &[outcomes]).experiments.remove(0)
}

#[test]
fn report_has_the_same_bytes_whatever_the_order_of_arrival() {
    for seed in 0..3 {
        let (spec, mut progress, mut outcomes) = mixed_sweep(seed);
        let expected = report(&spec, &progress, &outcomes).to_json();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for shuffle in 0..20 {
            for (progress, outcomes) in progress.iter_mut().zip(&mut outcomes) {
                outcomes.shuffle(&mut rng);
                progress.failed.shuffle(&mut rng);
            }
            let again = report(&spec, &progress, &outcomes).to_json();
            assert!(again == expected, "seed {seed}, shuffle {shuffle}");
        }
    }
}

#[test]
fn what_is_delivered_twice_changes_no_byte() {
    for seed in 0..3 {
        let (spec, mut progress, mut outcomes) = mixed_sweep(seed);
        let expected = report(&spec, &progress, &outcomes).to_json();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (progress, outcomes) in progress.iter_mut().zip(&mut outcomes) {
            let again: Vec<Outcome> = outcomes.iter().filter(|_| rng.random_bool(0.5)).cloned().collect();
            outcomes.extend(again);
            outcomes.shuffle(&mut rng);
            progress.failed.extend_from_within(..);
        }
        assert!(report(&spec, &progress, &outcomes).to_json() == expected, "seed {seed}");
    }
}

#[test]
fn rows_keep_the_order_in_which_they_were_given() {
    let (spec, progress, mut outcomes) = mixed_sweep(4);
    let before = analyse(&spec, id(), SweepState::Done, &progress, &outcomes).basins;
    for rows in &mut outcomes {
        rows.reverse();
    }
    let mut after = analyse(&spec, id(), SweepState::Done, &progress, &outcomes).basins;
    for rows in &mut after {
        rows.reverse();
    }
    assert_eq!(before, after);
    for (rows, outcomes) in before.iter().zip(&outcomes) {
        for (basins, outcome) in rows.iter().zip(outcomes.iter().rev()) {
            let is_minimum = outcome.certificate().is_some_and(Certificate::is_minimum);
            assert_eq!((basins.raw.is_some(), basins.function.is_some()), (is_minimum, is_minimum));
        }
    }
}

#[test]
fn every_number_stays_within_its_bounds() {
    let within = |low: f64, value: Number, high: f64| low <= value.0 && value.0 <= high;
    let share = |value: Number| within(0.0, value, 1.0);
    let ordered = |ends: Interval| ends[0] <= ends[1];
    for seed in 0..20 {
        let (spec, progress, outcomes) = mixed_sweep(seed);
        let report = report(&spec, &progress, &outcomes);
        assert!(report.sweep.trials.is_consistent());
        for experiment in &report.experiments {
            let levels = &experiment.levels;
            let canonical = levels.canonical.as_ref().unwrap();
            for level in [&levels.bits, &levels.raw, canonical, &levels.function] {
                let LevelReport { same_pair, basins, .. } = level;
                let [low, high] = same_pair.ci95.unwrap();
                let estimate = same_pair.estimate.unwrap();
                if let (Some(coverage), Some(chao1)) = (&level.coverage, &level.chao1) {
                    let all = [
                        coverage.good_turing,
                        coverage.chao_jost,
                        coverage.at_least,
                        coverage.share_surely_seen,
                    ];
                    assert!(all.into_iter().all(share) && coverage.at_least <= coverage.good_turing);
                    let (seen, ends) = (level.basins_found as f64, chao1.ci95);
                    assert!(seen <= ends[0].0 && ordered(ends) && within(seen, chao1.estimate, ends[1].0));
                }
                assert!(share(low) && share(high) && low <= estimate && estimate <= high, "seed {seed}");
                let pairs = same_pair.pairs_ci95.unwrap();
                assert!(share(pairs[0]) && share(pairs[1]) && ordered(pairs));
                assert!(share(level.largest_share.unwrap()));
                assert!(basins.iter().map(|basin| basin.count).sum::<u64>() <= level.n);
                assert!(basins.is_sorted_by(|a, b| a.count >= b.count));
            }
            let Summary { n, mean, median, iqm, min, max, .. } = &experiment.loss.train;
            assert!(*n <= levels.bits.n);
            for middle in [mean, median, iqm] {
                assert!(min <= middle && middle <= max);
            }
        }
        for comparison in &report.comparisons {
            let difference = &comparison.same_pair_difference;
            let (estimate, ends) = (difference.estimate.unwrap(), difference.ci95.unwrap());
            assert!(within(-1.0, estimate, 1.0) && within(-1.0, ends[0], ends[1].0) && ends[1].0 <= 1.0);
            let share = comparison.start_share.as_ref();
            if let Some((estimate, ends)) = share.and_then(|share| share.estimate.zip(share.ci95)) {
                assert!(within(ends[0].0, estimate, ends[1].0) && ends[1].0 <= 1.0, "seed {seed}");
            }
        }
    }
}

#[test]
fn json_comes_back_as_it_went_and_names_its_schema() {
    let (spec, progress, outcomes) = mixed_sweep(1);
    let report = report(&spec, &progress, &outcomes);
    let json = report.to_json();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema"], "seedsweep.report/1");
    assert_eq!(value["sweep"]["state"], "done");
    for later in ["audits", "extensions"] {
        assert!(value["sweep"][later].is_null());
    }
    // fixed starts are shared, fresh ones are not
    for part in ["coverage", "chao1", "more_restarts_for", "rarefaction"] {
        let function = |e: usize| &value["experiments"][e]["levels"]["function"];
        assert!(function(0).as_object().unwrap().contains_key(part) && function(0)[part].is_null());
        assert!(!function(1)[part].is_null() && !function(2)[part].is_null());
    }
    let back = Report::from_json(&json).unwrap();
    // serde_json reads the last bit of some numbers differently, which is why readers pass the bytes on
    assert_eq!(back.experiments[0].verdict, report.experiments[0].verdict);
    assert_eq!(back.sweep, report.sweep);
}

#[test]
fn a_census_needs_independent_restarts() {
    let rows = || (0..30).map(|r| outcome(r, f64::from(r % 4))).collect::<Vec<Outcome>>();
    let has_census = |cell: Experiment| report_of(cell, rows()).levels.function.coverage.is_some();
    assert!(has_census(experiment("fresh-starts", INIT_ORDER, None, 30)));
    assert!(has_census(experiment("one-start", ORDER, None, 30)));
    assert!(!has_census(experiment("shared-starts", ORDER, Some(6), 30)));
    assert!(!has_census(experiment("nothing-varies", NOTHING, None, 30)));
    let named = Experiment { orders: Some(5), ..experiment("named-orders", ORDER, None, 30) };
    assert!(!has_census(named));
}

#[test]
fn planted_minima_are_found_and_numbered_alike_in_all_experiments() {
    // fixed starts end in 3 and 1, fresh ones in 1, 3 and 7; 1 is the largest over both
    let fixed: Vec<Outcome> = (0..20).map(|r| outcome(r, if r % 5 == 0 { 3.0 } else { 1.0 })).collect();
    let random: Vec<Outcome> = (0..30).map(|r| outcome(r, [3.0, 7.0, 1.0][r as usize % 3])).collect();
    let spec =
        sweep(vec![experiment("fixed", ORDER, Some(5), 20), experiment("random", INIT_ORDER, None, 30)]);
    let progress = [ended(&fixed, &[]), ended(&random, &[])];
    let Analysis { report, basins, .. } = analyse(&spec, id(), SweepState::Done, &progress, &[fixed, random]);
    let function = |e: usize| &report.experiments[e].levels.function;
    let seen = |e: usize| -> Vec<(u32, u64, u32)> {
        function(e).basins.iter().map(|b| (b.basin, b.count, b.representative)).collect()
    };
    assert_eq!(seen(0), [(0, 16, 1), (1, 4, 0)]);
    assert_eq!(seen(1), [(0, 10, 2), (1, 10, 0), (2, 10, 1)]);
    assert_eq!(basins[1][1], RowBasins { raw: Some(2), canonical: Some(2), function: Some(2) });
    assert_eq!(function(0).largest_share, Some(Number(0.8)));
    assert_eq!(report.experiments[1].levels.bits.basins_found, 30);
}

#[test]
fn basins_of_a_level_are_unions_of_those_of_the_finer_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for round in 0..50 {
        // few places, nearer and further than each tolerance, drawn for each level by itself
        let mut near = || f64::from(rng.random_range(0..6_u32)) * 0.6e-5;
        let rows: Vec<Outcome> = (0..40)
            .map(|restart| {
                let mut row = outcome(restart, 0.0);
                (row.sketch_raw[3], row.sketch_canonical) = (near() * 3.0, Some([near() * 5.0; 32]));
                row.digest[0] = restart as u8 % 7 * u8::from(restart % 3 == 0);
                row
            })
            .collect();
        let spec = sweep(vec![experiment("e", INIT_ORDER, None, 40)]);
        let progress = [ended(&rows, &[])];
        let outcomes = [rows];
        let trials = [Trials::new(&spec.experiments[0], &progress[0], &outcomes[0])];
        let [bits, raw, canonical, _] = basins::all(&spec, &trials);
        for [finer, coarser] in [[&bits, &raw], [&raw, &canonical]] {
            for (i, a) in finer[0].labels.iter().enumerate() {
                for (j, b) in finer[0].labels.iter().enumerate() {
                    let together = coarser[0].labels[i] == coarser[0].labels[j];
                    assert!(a != b || together, "round {round}: {i} and {j}");
                }
            }
        }
    }
}

#[test]
fn networks_up_to_symmetry_are_compared_where_they_have_a_canonical_form_and_a_sketch() {
    // eight copies of two minima: raw counts copies, canonical minima
    let rows: Vec<Outcome> = (0..24)
        .map(|restart| Outcome {
            sketch_canonical: Some([f64::from(restart % 8 / 4); 32]),
            ..outcome(restart, f64::from(restart % 8))
        })
        .collect();
    let mut cell = experiment("e", INIT_ORDER, None, 24);
    cell.minima.level = Level::Canonical;
    let found = report_of(cell.clone(), rows.clone());
    let canonical = found.levels.canonical.unwrap();
    assert_eq!((found.levels.raw.basins_found, canonical.basins_found), (8, 2));
    assert_eq!(found.verdict.level, "canonical");
    assert!(!canonical.ambiguous);

    let mut linear = cell.clone();
    let crate::spec::Network::Mlp(mlp) = &mut linear.network else { unreachable!() };
    mlp.activation = crate::spec::Activation::Identity;
    linear.minima.level = Level::Raw;
    assert!(report_of(linear, rows.clone()).levels.canonical.is_none());

    // one outcome of an older engine: the level cannot be judged
    cell.minima.level = Level::Function;
    let mut old = rows;
    old[5].sketch_canonical = None;
    assert!(report_of(cell, old).levels.canonical.is_none());
}

#[test]
fn null_directions_are_counted_per_basin_and_per_experiment() {
    let mut cell = experiment("e", INIT_ORDER, None, 12);
    let crate::spec::Network::Mlp(mlp) = &mut cell.network else { unreachable!() };
    mlp.activation = crate::spec::Activation::Relu;
    cell.train.l2 = 0.0;
    let mut rows: Vec<Outcome> = (0..12).map(|restart| outcome(restart, f64::from(restart % 2))).collect();
    for row in &mut rows {
        let polish = row.polish.as_mut().unwrap();
        (polish.null_directions, polish.explained) = (Some(2 + row.restart % 2), Some(2));
        let explained_by = match row.restart % 4 {
            0 => vec![(Symmetry::UnitScale, 1), (Symmetry::LogitShift, 1)],
            _ => vec![(Symmetry::UnitScale, 2)],
        };
        polish.null_space = Some(NullSpace { at_least: 2 + row.restart % 2, explained_by });
        polish.lambda_min = -1e-9 * f64::from(row.restart);
    }
    // a large network: nobody counted, but two are known
    rows[9].polish.as_mut().unwrap().null_directions = None;
    let polish = rows[11].polish.as_mut().unwrap();
    (polish.lambda_min, polish.lambda_max) = (f64::NAN, f64::NAN);
    (polish.null_directions, polish.explained, polish.null_space) = (None, None, None);
    let found = report_of(cell, rows);
    let curvature = found.curvature.unwrap();
    assert_eq!((curvature.looked_at, curvature.flat, curvature.unexplained), (11, 10, 4));
    assert_eq!((curvature.lambda_min, curvature.lambda_max), (Number(-1e-8), Number(2.0)));
    assert_eq!(curvature.null_directions, Some([2, 3]));
    assert_eq!((curvature.not_counted, curvature.null_directions_at_least), (1, Some([3, 3])));
    let across = curvature.symmetries.iter().map(|by| (by.symmetry.as_str(), by.points, by.directions));
    assert_eq!(across.collect::<Vec<_>>(), [("unit_scale", 11, [1, 2]), ("logit_shift", 3, [1, 1])]);
    let basins = found.levels.function.basins;
    let counts = |basin: &report::Basin| {
        basin.curvature.as_ref().and_then(|curvature| curvature.null_directions.zip(curvature.explained))
    };
    assert_eq!(basins.iter().map(counts).collect::<Vec<_>>(), [Some((2, 2)), Some((3, 2))]);
}

#[test]
fn groups_that_cannot_be_compared_are_clustered_apart() {
    let mut wide = experiment("wide", INIT_ORDER, None, 10);
    let crate::spec::Network::Mlp(mlp) = &mut wide.network else { unreachable!() };
    mlp.layers = vec![2, 3, 1];
    let mut moons = experiment("moons", INIT_ORDER, None, 10);
    moons.data.source = crate::spec::DataSource::Moons { samples: 64, noise: 0.0 };
    let spec = sweep(vec![experiment("narrow", INIT_ORDER, None, 10), wide, moons]);
    let rows: Vec<Outcome> = (0..10).map(|r| outcome(r, f64::from(r % 2))).collect();
    let progress = [0, 1, 2].map(|_| ended(&rows, &[]));
    let report = report(&spec, &progress, &[rows.clone(), rows.clone(), rows]);
    // narrow and wide share functions but no weights; moons shares nothing with either
    let pairs: Vec<(&str, &str)> = report.comparisons.iter().map(|c| (c.a.as_str(), c.b.as_str())).collect();
    assert_eq!(pairs, [("narrow", "wide")]);
    assert_eq!(report.comparisons_left_out, 0);
}

#[test]
fn sketches_that_are_not_numbers_are_never_equal_but_equal_bits_are_one_point() {
    let mut rows: Vec<Outcome> = (0..4).map(|r| outcome(r, 1.0)).collect();
    for row in &mut rows {
        row.sketch_raw = [f64::NAN; 16];
        row.sketch_canonical = Some([f64::NAN; 32]);
        row.sketch_function = [f64::NAN; 16];
    }
    rows[3].digest = rows[2].digest;
    let found = report_of(experiment("e", INIT_ORDER, None, 4), rows);
    assert_eq!(found.levels.function.basins_found, 4);
    assert_eq!(found.levels.canonical.unwrap().basins_found, 3);
    assert_eq!(found.levels.raw.basins_found, 3);
    assert_eq!(found.levels.bits.basins_found, 3);
}

#[test]
fn at_most_fifty_basins_are_listed_and_the_rest_is_summed() {
    let rows = (0..130).map(|r| outcome(r, f64::from(r.min(59)))).collect();
    let function = report_of(experiment("e", INIT_ORDER, None, 130), rows).levels.function;
    let others = function.others.unwrap();
    assert_eq!((function.basins_found, function.basins.len(), others.basins, others.count), (60, 50, 10, 10));
    assert_eq!(function.basins[0].count, 71);
}

#[test]
fn failed_trials_stay_in_every_denominator() {
    let rows: Vec<Outcome> = (0..8).map(|r| outcome(r, 1.0)).collect();
    let spec = sweep(vec![experiment("e", INIT_ORDER, None, 10)]);
    let found = &report(&spec, &[ended(&rows, &[8, 9])], &[rows]).experiments[0];
    let function = &found.levels.function;
    assert_eq!((function.n, function.largest_share), (10, Some(Number(0.8))));
    assert_eq!(function.same_pair.estimate, Some(Number(56.0 / 90.0)));
    let [low, high] = function.same_pair.ci95.unwrap();
    assert!(low.0 < 56.0 / 90.0 && high.0 == 1.0);
    assert_eq!(found.learned.unwrap(), report::Learned { count: 8, of: 10 });
    // pair (8, 9) is open: 4 of 5 below, 5 of 5 above
    let pairs = function.same_pair.pairs_ci95.unwrap().map(|end| end.0);
    assert_eq!(pairs, [intervals::clopper_pearson(4, 5)[0], 1.0]);
}

#[test]
fn an_outcome_that_came_after_its_trial_failed_is_counted_once() {
    let rows: Vec<Outcome> = (0..6).map(|r| outcome(r, 1.0)).collect();
    let spec = sweep(vec![experiment("e", INIT_ORDER, None, 6)]);
    let late = report(&spec, &[ended(&rows, &[3])], std::slice::from_ref(&rows));
    assert_eq!(late.experiments[0].levels.function.n, 6);
}

#[test]
fn nothing_finished_gives_a_report_without_numbers() {
    let spec = sweep(vec![experiment("fixed", ORDER, Some(6), 12), experiment("r", INIT_ORDER, None, 12)]);
    let empty = [ExperimentProgress::default(), ExperimentProgress::default()];
    let report = analyse(&spec, id(), SweepState::Running, &empty, &[vec![], vec![]]).report;
    for experiment in &report.experiments {
        let function = &experiment.levels.function;
        assert_eq!((function.n, function.largest_share, function.same_pair.estimate), (0, None, None));
        assert!(
            experiment.verdict.statement.contains("no trial has finished"),
            "{}",
            experiment.verdict.statement
        );
    }
    assert!(!report.to_json().contains("NaN"));
}

#[test]
fn a_hundred_thousand_outcomes_are_analysed() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut rows = |n: u32| -> Vec<Outcome> {
        (0..n)
            .map(|r| outcome(r, f64::from(rng.random_range(0..7_u32)) + 1e-9 * rng.random::<f64>()))
            .collect()
    };
    let outcomes = vec![rows(50_000), rows(50_000)];
    let spec = sweep(vec![
        experiment("fixed", ORDER, Some(12_500), 50_000),
        experiment("random", INIT_ORDER, None, 50_000),
    ]);
    let progress: Vec<_> = outcomes.iter().map(|rows| ended(rows, &[])).collect();
    let report = report(&spec, &progress, &outcomes);
    assert_eq!(report.experiments[1].levels.function.basins_found, 7);
}
