//! Side by side or alone: the same bits, whatever the lanes, their number and what else is in them.

mod sums;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ndarray::Array2;
use seedsweep_common::fingerprint::ParameterDigest;
use seedsweep_common::init::Scheme;
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::{
    self, Activation, Batch, Budget, Experiment, Loss, LrShape, Optimizer, Precision, Schedule, Stop,
};

use crate::nn::data::Rows;
use crate::nn::lane::{Lanes, Level};
use crate::train::tests::{RUNNING, demo, mlp, prepare, prepare_rows};
use crate::train::{Axis, Prepared, TrainError};

/// What must not depend on the company a trial trains in: everything, as bits.
type Bits = (u32, StopReason, u64, ParameterDigest, [Option<u64>; 5]);

fn bits(outcome: &Outcome) -> Bits {
    let canonical = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    let values = [
        Some(outcome.loss_train),
        outcome.loss_test,
        outcome.accuracy_train,
        outcome.accuracy_test,
        Some(outcome.grad_norm),
    ];
    let values = values.map(|value| value.map(canonical));
    (outcome.restart, outcome.stop_reason, outcome.steps, outcome.digest, values)
}

/// The outcomes of restarts 0..count in tasks of `task`, split in pods as the executor does.
fn in_tasks(prepared: &Prepared, count: u32, task: u32) -> Vec<Bits> {
    let mut all = Vec::new();
    for from in (0..count).step_by(task as usize) {
        for pod in prepared.pods(RestartRange::new(from, count.min(from + task)).unwrap()) {
            prepared.train_pod(pod, &RUNNING, &mut |outcome| all.push(bits(&outcome))).unwrap();
        }
    }
    all
}

fn alone(prepared: &Prepared, count: u32) -> Vec<Bits> {
    (0..count).map(|restart| bits(&prepared.train(restart, &RUNNING).unwrap())).collect()
}

/// At every level, along both axes and with every size of task the trials alone.
fn assert_same(mut prepared: Prepared, count: u32, what: &str) -> Vec<Bits> {
    let expected = alone(&prepared, count);
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        let Some(lanes) = Lanes::force(level) else { continue };
        prepared.force_lanes(lanes);
        prepared.force_axis(Axis::Restart);
        for task in [1, 7, 16, 33] {
            assert_eq!(in_tasks(&prepared, count, task), expected, "{what}, {level:?}, tasks of {task}");
        }
        prepared.force_axis(Axis::Unit);
        assert_eq!(in_tasks(&prepared, count, count), expected, "{what}, {level:?}, one by one");
    }
    expected
}

/// Some rows with targets that fit the loss.
fn rows(count: usize, inputs: usize, width: usize, loss: Loss) -> Rows {
    let features = Array2::from_shape_fn((count, inputs), |(s, k)| (0.9 * s as f64 + 1.3 * k as f64).cos());
    let targets = Array2::from_shape_fn((count, width), |(s, k)| match loss {
        Loss::Mse => (0.7 * s as f64 + 0.5 * k as f64).sin(),
        Loss::CrossEntropy => f64::from(s * 7 % width == k),
        Loss::Logistic | Loss::Population => f64::from(s * 5 % 7 < 3),
    });
    Rows { features, targets }
}

fn experiment(layers: &[u32], activation: Activation, loss: Loss, optimizer: Optimizer) -> Experiment {
    let mut experiment = demo();
    experiment.network = spec::Network::Mlp(spec::Mlp {
        layers: layers.to_vec(),
        activation,
        output_activation: Activation::Identity,
    });
    experiment.train.loss = loss;
    experiment.train.optimizer = optimizer;
    experiment.train.lr = 0.05;
    experiment.train.budget = Budget::Steps(7);
    experiment
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];
const OPTIMIZERS: [Optimizer; 7] = [
    Optimizer::Gd,
    Optimizer::Nesterov { momentum: 0.9 },
    Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    Optimizer::RmsProp { alpha: 0.99, eps: 1e-8 },
    Optimizer::Sgd { momentum: 0.0 },
    Optimizer::Sgd { momentum: 0.9 },
    Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
];
const LOSSES: [Loss; 3] = [Loss::Mse, Loss::CrossEntropy, Loss::Logistic];

fn outputs(loss: Loss) -> u32 {
    match loss {
        Loss::Mse => 2,
        Loss::CrossEntropy => 3,
        Loss::Logistic | Loss::Population => 1,
    }
}

#[test]
fn every_combination_has_the_bits_of_trials_alone() {
    for precision in [Precision::F32, Precision::F64] {
        for activation in ACTIVATIONS {
            for loss in LOSSES {
                for optimizer in OPTIMIZERS {
                    let mut experiment = experiment(&[3, 5, 4, outputs(loss)], activation, loss, optimizer);
                    if optimizer == Optimizer::Gd {
                        experiment.train.batch = Batch::Full;
                    } else {
                        experiment.train.batch = Batch::Size(4);
                        experiment.train.l2 = 0.0;
                        experiment.train.weight_decay = 0.01;
                        experiment.train.schedule =
                            Schedule { warmup: 2, shape: LrShape::Cosine { t_max: None, eta_min: 1e-3 } };
                    }
                    let rows = rows(11, 3, outputs(loss) as usize, loss);
                    let prepared = prepare_rows(precision, experiment, rows);
                    assert_same(
                        prepared,
                        19,
                        &format!("{precision:?} {activation:?} {loss:?} {optimizer:?}"),
                    );
                }
            }
        }
    }
}

/// The networks with a kernel of their own: `nn/pod/tiny.rs`.
#[test]
fn every_combination_of_tiny_networks_has_the_bits_of_trials_alone() {
    let shapes = [(2, 1), (3, 1), (4, 1), (2, 2), (4, 2)];
    let mut round = 0;
    for precision in [Precision::F32, Precision::F64] {
        for activation in ACTIVATIONS {
            for loss in LOSSES {
                for optimizer in OPTIMIZERS {
                    for batch in [Batch::Full, Batch::Size(4)] {
                        // the shapes take turns: one output has no classes, two no logit
                        let (hidden, outputs) = match loss {
                            Loss::CrossEntropy => shapes[3 + round % 2],
                            Loss::Logistic => shapes[round % 3],
                            Loss::Mse | Loss::Population => shapes[round % 5],
                        };
                        let mut experiment = experiment(&[2, hidden, outputs], activation, loss, optimizer);
                        experiment.train.batch = batch;
                        experiment.train.l2 = [0.0, 0.02][round % 2];
                        experiment.train.weight_decay = [0.0, 0.01][round / 2 % 2];
                        experiment.vary.order = round / 4 % 2 == 1;
                        experiment.train.schedule =
                            Schedule { warmup: 2, shape: LrShape::Cosine { t_max: None, eta_min: 1e-3 } };
                        let rows = rows(11, 2, outputs as usize, loss);
                        assert_same(
                            prepare_rows(precision, experiment, rows),
                            19,
                            &format!(
                                "{precision:?} {activation:?} {loss:?} {optimizer:?} {batch:?} {hidden}"
                            ),
                        );
                        round += 1;
                    }
                }
            }
        }
    }
}

/// More updates than one call makes, rules or none, and a divergence in the midst of them.
#[test]
fn long_trainings_of_tiny_networks_have_the_bits_of_trials_alone() {
    for (steps, lr, count) in [(64, 0.1, 4), (65, 0.1, 4), (200, 0.1, 49), (150, 40.0, 4)] {
        let mut experiment = experiment(&[2, 3, 1], Activation::LeakyRelu, Loss::Mse, Optimizer::Gd);
        experiment.train.batch = Batch::Full;
        experiment.train.budget = Budget::Steps(steps);
        experiment.train.lr = lr;
        let rows = rows(count, 2, 1, Loss::Mse);
        let found = assert_same(prepare_rows(Precision::F32, experiment, rows), 33, &format!("{steps} {lr}"));
        let mut ends: Vec<u64> = found.iter().map(|bits| bits.2).collect();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends.len() > 1, lr > 1.0, "{ends:?}");
    }
}

#[test]
fn every_remainder_of_width_rows_and_batch_has_the_bits_of_trials_alone() {
    let momentum = Optimizer::Sgd { momentum: 0.9 };
    for (round, width) in [1, 2, 3, 7, 15, 16, 17, 31, 34].into_iter().enumerate() {
        let (inputs, count) = ([5, 16, 18][round % 3], [49, 97, 3][round / 3]);
        let mut experiment = experiment(
            &[inputs, width, 18 - round as u32, 3],
            Activation::Tanh,
            Loss::CrossEntropy,
            momentum,
        );
        experiment.train.batch = match round % 2 {
            0 => Batch::Full,
            _ => Batch::Size((count / 2).max(1)),
        };
        let rows = rows(count as usize, inputs as usize, 3, Loss::CrossEntropy);
        let prepared = prepare_rows(Precision::F32, experiment, rows);
        assert_same(prepared, 19, &format!("{inputs} inputs, width {width}, {count} rows"));
    }
}

const STOPS: [Stop; 4] = [
    Stop { grad_norm: Some(0.05), loss: None, max_error: None },
    Stop { grad_norm: None, loss: Some(0.6), max_error: None },
    Stop { grad_norm: None, loss: None, max_error: Some(0.9) },
    Stop { grad_norm: Some(0.05), loss: Some(0.6), max_error: Some(0.9) },
];

/// `demo` with rules that end its trials at different times.
fn stopping(stop: Stop, batch: Batch, optimizer: Optimizer) -> Experiment {
    let mut experiment = demo();
    experiment.train.batch = batch;
    experiment.train.budget = Budget::Epochs(150);
    experiment.train.lr = 0.3;
    experiment.train.optimizer = optimizer;
    experiment.train.stop = stop;
    experiment
}

/// Whether trials ended after more than three different numbers of updates.
fn stops_differ(found: &[Bits]) -> bool {
    let mut steps: Vec<u64> = found.iter().map(|bits| bits.2).collect();
    steps.sort_unstable();
    steps.dedup();
    steps.len() > 3
}

#[test]
fn each_trial_of_a_pod_stops_by_its_own_rules() {
    for stop in STOPS {
        for batch in [Batch::Full, Batch::Size(3)] {
            let mut experiment = stopping(stop, batch, Optimizer::Sgd { momentum: 0.0 });
            // the budget ends within an epoch of batches of 3 from 4 rows
            experiment.train.budget = Budget::Steps(301);
            let found = assert_same(prepare(Precision::F32, experiment), 40, &format!("{stop:?} {batch:?}"));
            assert!(stops_differ(&found), "{stop:?} {batch:?} ends all alike");
        }
    }
}

#[test]
fn a_lane_that_takes_one_trial_after_the_other_gives_each_its_own_bits() {
    let all = RestartRange::new(0, 40).unwrap();
    let batches = [(Batch::Full, false), (Batch::Size(3), true), (Batch::Size(3), false)];
    let mut differing = 0;
    for (round, optimizer) in OPTIMIZERS.into_iter().enumerate() {
        for (number, (batch, has_own_order)) in batches.into_iter().enumerate() {
            let precision = [Precision::F32, Precision::F64][(round + number) % 2];
            let mut experiment = stopping(STOPS[round % STOPS.len()], batch, optimizer);
            experiment.vary.order = has_own_order;
            experiment.train.shuffle = has_own_order;
            if !matches!(optimizer, Optimizer::Gd | Optimizer::Sgd { momentum: 0.0 }) {
                experiment.train.lr = 0.03;
            }
            let what = format!("{precision:?} {optimizer:?} {batch:?} {has_own_order}");
            let prepared = prepare(precision, experiment);
            let depends_on_step = matches!(optimizer, Optimizer::Adam { .. } | Optimizer::AdamW { .. });
            if Lanes::detect().level() != Level::Baseline {
                assert_eq!(prepared.pods(all).count() == 1, !depends_on_step, "{what}");
            }
            differing += usize::from(stops_differ(&assert_same(prepared, 40, &what)));
        }
    }
    assert!(differing > 10, "trials end at different times in {differing} of 21 experiments only");
}

#[test]
fn trials_that_diverge_leave_their_neighbours_alone() {
    for batch in [Batch::Full, Batch::Size(1)] {
        let mut experiment = demo();
        mlp(&mut experiment).activation = Activation::Relu;
        experiment.init.scheme = Scheme::Normal { mean: 0.0, std: 2.5 };
        experiment.train.batch = batch;
        experiment.train.lr = 0.1;
        let found = assert_same(prepare(Precision::F32, experiment), 33, &format!("{batch:?}"));
        let diverged = found.iter().filter(|bits| bits.1 == StopReason::Diverged).count();
        assert!((1..33).contains(&diverged), "{diverged} of 33 diverged");
    }
}

#[test]
fn a_pod_stops_within_a_second_in_the_middle() {
    let momentum = Optimizer::Sgd { momentum: 0.9 };
    let mut experiment = experiment(&[64, 32, 10], Activation::Relu, Loss::CrossEntropy, momentum);
    experiment.train.budget = Budget::Epochs(u64::MAX);
    experiment.train.batch = Batch::Full;
    let prepared = prepare_rows(Precision::F32, experiment, rows(5_000, 64, 10, Loss::CrossEntropy));
    let cancelled = AtomicBool::new(false);
    let pod = prepared.pods(RestartRange::new(0, 16).unwrap()).next().unwrap();
    std::thread::scope(|scope| {
        let trained = scope.spawn(|| prepared.train_pod(pod, &cancelled, &mut |_| ()));
        // somewhere in the middle, wherever that is by then
        std::thread::sleep(Duration::from_millis(100));
        assert!(!trained.is_finished());
        let told = Instant::now();
        cancelled.store(true, Ordering::Relaxed);
        assert!(matches!(trained.join().unwrap(), Err(TrainError::Cancelled)));
        assert!(told.elapsed() < Duration::from_secs(1), "after {:?}", told.elapsed());
    });
}
