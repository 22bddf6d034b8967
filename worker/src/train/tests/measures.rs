//! Measures of real trainings: the same bits on every path, and what theory says of them.

use seedsweep_common::measure::{self, Measured, Quantity};
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::{SphereLabels, SumOutput, SumScale};

use super::*;
use crate::nn::lane::Level;

const EVERYTHING: Measure =
    Measure { curve: true, symmetry: true, geometry: true, ntk: true, movement: true, every: None };

/// Values of `quantity` at `layer`, with their steps.
fn series(measures: &[Measured], quantity: Quantity, layer: u32) -> Vec<(u64, f64)> {
    let found = measures.iter().find_map(|table| {
        let series = table.series.iter().find(|one| (one.quantity, one.layer) == (quantity, layer))?;
        Some(table.steps.iter().copied().zip(series.values.iter().copied()).collect())
    });
    found.unwrap_or_else(|| panic!("{quantity:?} of layer {layer} was not measured"))
}

fn values(measures: &[Measured], quantity: Quantity, layer: u32) -> Vec<f64> {
    series(measures, quantity, layer).into_iter().map(|(_, value)| value).collect()
}

fn measured(experiment: Experiment, precision: Precision) -> Outcome {
    prepare(precision, experiment).train(0, &RUNNING).unwrap()
}

#[test]
fn a_trial_measures_the_same_bits_alone_and_in_any_pod() {
    for precision in [Precision::F32, Precision::F64] {
        for (batch, stop) in [
            (Batch::Size(1), Stop::default()),
            (Batch::Full, Stop { loss: Some(0.6), ..Stop::default() }),
            (Batch::Size(3), Stop { grad_norm: Some(0.05), ..Stop::default() }),
        ] {
            for std in [0.5, 2.5] {
                let mut experiment = demo();
                experiment.measure = EVERYTHING;
                mlp(&mut experiment).layers = vec![2, 3, 2, 1];
                experiment.init.scheme = Scheme::Normal { mean: 0.0, std };
                if std > 1.0 {
                    // some of these diverge
                    mlp(&mut experiment).activation = Activation::Relu;
                }
                (experiment.train.batch, experiment.train.stop) = (batch, stop);
                experiment.train.budget = Budget::Steps(301);
                experiment.train.lr = 0.3;
                let mut prepared = prepare(precision, experiment);
                let alone: Vec<Outcome> =
                    (0..33).map(|restart| prepared.train(restart, &RUNNING).unwrap()).collect();
                for outcome in &alone {
                    measure::check(&outcome.measures).unwrap();
                }
                for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
                    let Some(lanes) = Lanes::force(level) else { continue };
                    prepared.lanes = lanes;
                    for task in [1, 7, 16, 33] {
                        for from in (0..33).step_by(task) {
                            let range = RestartRange::new(from, 33.min(from + task as u32)).unwrap();
                            for pod in prepared.pods(range) {
                                let emit = &mut |outcome: Outcome| {
                                    let expected = &alone[outcome.restart as usize].measures;
                                    assert!(
                                        measure::same_bits(&outcome.measures, expected),
                                        "{precision:?} {batch:?} {std} {level:?} {task} {}: {:?}\n{expected:?}",
                                        outcome.restart,
                                        outcome.measures,
                                    );
                                };
                                prepared.train_pod(pod, &RUNNING, emit).unwrap();
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_curve_is_what_shorter_trainings_end_with() {
    for batch in [Batch::Full, Batch::Size(3)] {
        let mut experiment = demo();
        experiment.measure = Measure { curve: true, ..Measure::default() };
        experiment.train.batch = batch;
        experiment.train.budget = Budget::Steps(50);
        let curve = series(&measured(experiment.clone(), Precision::F32).measures, Quantity::Curve, 0);
        assert_eq!(
            curve.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
            [0, 1, 2, 3, 5, 8, 13, 20, 32, 50]
        );
        experiment.measure = Measure::default();
        for (step, loss) in curve {
            experiment.train.budget = Budget::Steps(step);
            let outcome = measured(experiment.clone(), Precision::F32);
            assert!(outcome.measures.is_empty());
            assert_eq!(outcome.loss_train.to_bits(), loss.to_bits(), "{batch:?} {step}");
        }
    }
}

#[test]
fn measuring_does_not_change_what_is_trained() {
    for batch in [Batch::Full, Batch::Size(2)] {
        let mut experiment = demo();
        experiment.train.batch = batch;
        let plain = measured(experiment.clone(), Precision::F32);
        experiment.measure = EVERYTHING;
        let outcome = measured(experiment, Precision::F32);
        assert!(Outcome { measures: Vec::new(), ..outcome }.same_bits(&plain));
    }
}

/// A constant start must be one distinct unit by bits at every step, and of rank 1.
#[test]
fn a_constant_start_keeps_one_unit_at_every_step() {
    for (round, units) in (1..=40).enumerate() {
        let mut experiment = demo();
        mlp(&mut experiment).layers = vec![2, units, 1];
        mlp(&mut experiment).activation = [Activation::Tanh, Activation::Relu][round % 2];
        experiment.init = Init { scheme: Scheme::Constant { value: 0.01 }, bias: Bias::Same, perturb: 0.0 };
        experiment.train.batch = [Batch::Full, Batch::Size(3)][round / 2 % 2];
        experiment.train.budget = Budget::Steps(60);
        experiment.measure = Measure { symmetry: true, every: Some(1), ..Measure::default() };
        let precision = [Precision::F32, Precision::F64][round / 4 % 2];
        let mut restarts = Vec::new();
        let prepared = prepare(precision, experiment);
        for pod in prepared.pods(RestartRange::new(0, 5).unwrap()) {
            prepared.train_pod(pod, &RUNNING, &mut |outcome| restarts.push(outcome)).unwrap();
        }
        for outcome in restarts {
            for quantity in [Quantity::UnitsByBits, Quantity::Units] {
                assert_eq!(values(&outcome.measures, quantity, 1), [1.0; 61], "{units} {quantity:?}");
            }
            assert_eq!(values(&outcome.measures, Quantity::UnitDifference, 1), [0.0; 61], "{units}");
            let ranks = values(&outcome.measures, Quantity::EffectiveRank, 1);
            assert!(ranks.iter().all(|rank| (rank - 1.0).abs() < 1e-12), "{units} {ranks:?}");
        }
    }
}

/// Equal starts of a sum of relus meet equal gradients, so that they stay one unit; fresh ones are as many as they are.
#[test]
fn equal_units_of_a_sum_stay_equal_and_others_do_not_become_it() {
    let equal = super::sums::teacher(6, Scheme::Constant { value: 0.5 });
    let fresh = super::sums::teacher(6, Scheme::Normal { mean: 0.0, std: 0.4 });
    let rows = spec::ReluSum { inputs: 2, units: 6, output: SumOutput::RandomSigns, scale: SumScale::One };
    let mut signed = demo();
    (signed.network, signed.init.scheme) = (rows.into(), Scheme::Constant { value: 0.5 });
    for (mut experiment, units) in [(equal, 1..=1), (fresh, 6..=6), (signed, 1..=2)] {
        experiment.minima.polish = PolishMode::Off;
        experiment.train.budget = Budget::Steps(40);
        experiment.measure = Measure { symmetry: true, ..Measure::default() };
        let prepared = prepare(Precision::F64, experiment);
        let mut restarts = Vec::new();
        for pod in prepared.pods(RestartRange::new(0, 5).unwrap()) {
            prepared.train_pod(pod, &RUNNING, &mut |outcome| restarts.push(outcome)).unwrap();
        }
        for outcome in &restarts {
            for quantity in [Quantity::UnitsByBits, Quantity::Units] {
                let found = values(&outcome.measures, quantity, 1);
                assert!(found.iter().all(|found| units.contains(&(*found as u32))), "{quantity:?} {found:?}");
            }
            let alone = prepared.train(outcome.restart, &RUNNING).unwrap().measures;
            assert!(measure::same_bits(&outcome.measures, &alone), "{:?}\n{alone:?}", outcome.measures);
        }
    }
}

#[test]
fn the_rank_of_a_sum_is_that_of_its_weights() {
    // six equal units and six orthogonal ones of one length
    for (scheme, rank) in [(Scheme::Constant { value: 0.5 }, 1.0), (Scheme::Identity { scale: 0.3 }, 6.0)] {
        let mut experiment = super::sums::teacher(6, scheme);
        experiment.minima.polish = PolishMode::Off;
        experiment.train.budget = Budget::Steps(0);
        experiment.measure = Measure { symmetry: true, ..Measure::default() };
        let measures = measured(experiment, Precision::F64).measures;
        let found = values(&measures, Quantity::EffectiveRank, 1);
        assert!((found[0] - rank).abs() < 1e-12, "{found:?}");
    }
}

#[test]
fn a_sum_on_rows_has_a_geometry() {
    let sum = spec::ReluSum { inputs: 2, units: 600, output: SumOutput::RandomSigns, scale: SumScale::One };
    let mut experiment = demo();
    (experiment.network, experiment.init.scheme) = (sum.into(), Scheme::Normal { mean: 0.0, std: 1.0 });
    experiment.train.budget = Budget::Steps(0);
    experiment.measure = Measure { geometry: true, ..Measure::default() };
    let measures = measured(experiment, Precision::F64).measures;
    // the corners of a square: a quarter turn apart, which a Gaussian layer turns to 1.2469
    let angle = |layer| values(&measures, Quantity::AngleMin, layer)[0];
    assert!((angle(0) - std::f64::consts::FRAC_PI_2).abs() < 1e-12, "{}", angle(0));
    assert!((angle(1) - 1.2469).abs() < 0.1, "{}", angle(1));
}

/// Two groups of eight equal units must end with exactly two distinct rows.
#[test]
fn two_groups_of_equal_units_stay_two() {
    let mut experiment = demo();
    mlp(&mut experiment).layers = vec![2, 16, 1];
    experiment.train.budget = Budget::Epochs(200);
    experiment.measure = Measure { symmetry: true, ..Measure::default() };
    let group = |unit: usize| unit % 2;
    let mut start: Vec<f64> = (0..16).flat_map(|unit| [[0.3, -0.2], [-0.5, 0.4]][group(unit)]).collect();
    start.extend((0..16).map(|unit| [0.1, -0.3][group(unit)]));
    start.extend((0..16).map(|unit| [0.25, -0.15][group(unit)]));
    start.push(0.05);
    let corners = ndarray::array![[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]];
    let rows = Rows { features: corners, targets: ndarray::array![[-1.0], [1.0], [1.0], [-1.0]] };
    let prepared = prepare_on(Precision::F32, experiment, rows, start);
    let outcome = prepared.train(0, &RUNNING).unwrap();
    for quantity in [Quantity::UnitsByBits, Quantity::Units] {
        let all = values(&outcome.measures, quantity, 1);
        assert!(all.iter().all(|&units| units == 2.0), "{quantity:?} {all:?}");
    }
    let difference = values(&outcome.measures, Quantity::UnitDifference, 1);
    assert!(difference.last().unwrap() > &difference[0], "nothing was trained: {difference:?}");
}

/// A start as it is: no update at all.
fn untrained(layers: Vec<u32>, scheme: Scheme) -> Experiment {
    let mut experiment = demo();
    mlp(&mut experiment).layers = layers;
    mlp(&mut experiment).activation = Activation::Relu;
    experiment.init = Init { scheme, bias: Bias::Zeros, perturb: 0.0 };
    experiment.train.batch = Batch::Full;
    experiment.train.budget = Budget::Steps(0);
    experiment.measure = Measure { geometry: true, ..Measure::default() };
    experiment
}

/// Cho & Saul 2009: a Gaussian relu layer maps the angle π/2 to 1.246852, and so on.
#[test]
fn gaussian_relu_layers_follow_the_angle_map() {
    const WIDTH: u32 = 512;
    const RESTARTS: u32 = 40;
    let layers = [vec![64], vec![WIDTH; 5], vec![1]].concat();
    let experiment = untrained(layers, Scheme::Normal { mean: 0.0, std: (2.0 / f64::from(WIDTH)).sqrt() });
    let orthogonal = Array2::from_shape_fn((2, 64), |(row, column)| f64::from(u8::from(row == column)));
    let rows = Rows { features: orthogonal, targets: Array2::zeros((2, 1)) };
    let prepared = prepare_rows(Precision::F64, experiment, rows);
    let outcomes: Vec<Outcome> =
        (0..RESTARTS).map(|restart| prepared.train(restart, &RUNNING).unwrap()).collect();
    let expected = [std::f64::consts::FRAC_PI_2, 1.246_852, 1.054_421, 0.921_249, f64::NAN, 0.743_733];
    for (layer, expected) in expected.into_iter().enumerate().filter(|(_, angle)| !angle.is_nan()) {
        let angles: Vec<f64> = outcomes
            .iter()
            .map(|outcome| {
                let at = series(&outcome.measures, Quantity::AngleMedian, layer as u32);
                assert_eq!((at.len(), at[0].0), (1, 0));
                at[0].1
            })
            .collect();
        let mean = angles.iter().sum::<f64>() / f64::from(RESTARTS);
        let variance = angles.iter().map(|angle| (angle - mean) * (angle - mean)).sum::<f64>();
        let error = (variance / f64::from(RESTARTS - 1) / f64::from(RESTARTS)).sqrt();
        assert!(
            (mean - expected).abs() <= 4.0 * error + 1e-14,
            "layer {layer}: {mean} ± {error}, not {expected}"
        );
        if layer == 1 {
            // our own prototype: the sd of the angle times √m is about 0.91 to 0.70 between 1 and π/2
            let scaled = error * f64::from(RESTARTS * WIDTH).sqrt();
            assert!((0.45..1.1).contains(&scaled), "{scaled}");
        }
    }
}

/// 50 unit inputs in 128 dimensions through relu layers of deterministic matrices: our own numpy prototype.
#[test]
fn deterministic_matrices_separate_as_the_prototype_found() {
    let mean_at = |scheme: Scheme, quantity: Quantity, restarts: u32| -> Vec<f64> {
        let layers = [vec![128; 6], vec![1]].concat();
        let mut experiment = untrained(layers, scheme);
        experiment.data.source =
            DataSource::SphereRandom { samples: 50, dims: 128, labels: SphereLabels::Normal };
        let mut spec = sweep(Precision::F64, experiment);
        spec.seed = 1;
        let prepared = Prepared::new(&spec, ExperimentIndex(0), &|_| None).unwrap();
        let outcomes: Vec<Outcome> =
            (0..restarts).map(|restart| prepared.train(restart, &RUNNING).unwrap()).collect();
        let sum =
            |layer| outcomes.iter().map(|outcome| values(&outcome.measures, quantity, layer)[0]).sum::<f64>();
        (0..=5).map(|layer| sum(layer) / f64::from(restarts)).collect()
    };
    let at = |scheme: Scheme, quantity: Quantity| mean_at(scheme, quantity, 1);
    let close = |found: f64, expected: f64, within: f64| {
        assert!((found - expected).abs() < within, "{found} instead of {expected}");
    };
    let scale = 2.0_f64.sqrt();
    let identity = Scheme::Identity { scale };
    let median = at(identity.clone(), Quantity::AngleMedian);
    close(median[1], 1.245, 0.02);
    close(median[5], median[1], 1e-12);
    assert_eq!(at(identity, Quantity::Rank), [50.0; 6]);
    let hadamard = Scheme::Hadamard { scale };
    let median = at(hadamard.clone(), Quantity::AngleMedian);
    close(median[1], 1.241, 0.02);
    close(median[5], 0.827, 0.05);
    close(at(hadamard, Quantity::AngleMin)[5], 0.629, 0.1);
    let constant = Scheme::Constant { value: 0.5 };
    assert_eq!(at(constant.clone(), Quantity::Rank), [50.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let smallest = at(constant, Quantity::AngleMin);
    assert!(smallest[0] > 1.0 && smallest[1..].iter().all(|&angle| angle < 1e-7), "{smallest:?}");
    let orthogonal = mean_at(Scheme::Orthogonal { gain: scale }, Quantity::AngleMedian, 5);
    close(orthogonal[1], 1.245, 0.02);
    close(orthogonal[5], 0.735, 0.03);
}

/// Of a linear network the kernel does not change: the Gram matrix is XXᵀ + 1, and the late rate its smallest
/// eigenvalue.
#[test]
fn the_late_rate_of_a_linear_network_is_its_smallest_eigenvalue() {
    let mut experiment = demo();
    mlp(&mut experiment).layers = vec![3, 1];
    mlp(&mut experiment).activation = Activation::Identity;
    experiment.init.scheme = Scheme::Normal { mean: 0.0, std: 1.0 };
    experiment.train.batch = Batch::Full;
    experiment.train.l2 = 0.0;
    experiment.train.lr = 0.1;
    experiment.train.budget = Budget::Steps(4_000);
    experiment.measure = Measure { ntk: true, curve: true, every: Some(50), ..Measure::default() };
    let features = ndarray::array![[1.0, 0.2, 0.0], [-0.3, 1.1, 0.4], [0.2, -0.5, 0.9]];
    let rows = Rows { features, targets: ndarray::array![[1.0], [-1.0], [0.5]] };
    let outcome = prepare_rows(Precision::F64, experiment.clone(), rows.clone()).train(0, &RUNNING).unwrap();
    let lambda = series(&outcome.measures, Quantity::LambdaMin, 0);
    // numpy 2.4.6: X = np.array([[1,.2,0],[-.3,1.1,.4],[.2,-.5,.9]]); np.linalg.eigvalsh(X@X.T+1)[0]
    let expected = 0.948_615_37;
    assert_eq!(lambda.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, outcome.steps]);
    assert!(lambda.iter().all(|(_, value)| (value - expected).abs() < 1e-8), "{lambda:?}");
    let rate = series(&outcome.measures, Quantity::LateRate, 0)[0];
    assert_eq!(rate.0, outcome.steps);
    assert!((rate.1 / expected - 1.0).abs() < 1e-6, "{rate:?} {expected}");
    // no rate where nothing says that there is one
    experiment.train.optimizer = Optimizer::Sgd { momentum: 0.5 };
    let outcome = prepare_rows(Precision::F64, experiment, rows).train(0, &RUNNING).unwrap();
    assert!(series(&outcome.measures, Quantity::LateRate, 0)[0].1.is_nan());
}

/// One step of plain descent moves a unit by the learning rate times its gradient.
#[test]
fn movement_is_from_the_start_to_the_end() {
    let mut experiment = demo();
    experiment.train.batch = Batch::Full;
    experiment.measure = Measure { movement: true, ..Measure::default() };
    for (steps, lr) in [(0, 0.05), (1, 0.05), (1, 0.1)] {
        experiment.train.lr = lr;
        experiment.train.budget = Budget::Steps(steps);
        let prepared = prepare(Precision::F64, experiment.clone());
        let outcome = prepared.train(3, &RUNNING).unwrap();
        let found = series(&outcome.measures, Quantity::MoveMax, 1);
        let rows = &prepared.dataset.train;
        let batch = network::Batch {
            features: rows.features.as_slice().unwrap(),
            targets: rows.targets.as_slice().unwrap(),
        };
        let mut gradient = vec![0.0; 9];
        let Train { loss, l2, .. } = experiment.train;
        let start = prepared.widened_start(3);
        let workspace = &mut prepared.network.workspace();
        prepared.network.gradient(&start, &batch, loss, l2, workspace, &mut gradient);
        // w₀₀ w₀₁ w₁₀ w₁₁ b₀ b₁
        let unit = |u: usize| {
            let of_unit = [gradient[2 * u], gradient[2 * u + 1], gradient[4 + u]];
            of_unit.iter().map(|g| g * g).sum::<f64>().sqrt()
        };
        let expected = steps as f64 * lr * unit(0).max(unit(1));
        assert_eq!(found.len(), 1);
        assert!(found[0].0 == steps && (found[0].1 - expected).abs() < 1e-12, "{found:?} {expected}");
    }
}
