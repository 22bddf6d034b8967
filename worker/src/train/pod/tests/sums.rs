//! The same for sums of relus.

use seedsweep_common::init::{Bias, Init};
use seedsweep_common::spec::{Data, DataSource, SumOutput, SumScale, VarySet};

use super::*;

fn sum(inputs: u32, units: u32, output: SumOutput, scale: SumScale) -> Experiment {
    let mut experiment = demo();
    experiment.network = spec::ReluSum { inputs, units, output, scale }.into();
    experiment.init = Init { scheme: Scheme::LecunNormal, bias: Bias::Zeros, perturb: 0.0 };
    experiment
}

fn population(inputs: u32, units: u32, teacher_units: u32) -> Experiment {
    let mut experiment = sum(inputs, units, SumOutput::Ones, SumScale::One);
    let source = DataSource::TeacherPopulation { teacher_units };
    experiment.data = Data { source, test_fraction: 0.0, standardize: false };
    experiment.train.loss = Loss::Population;
    experiment.train.batch = Batch::Full;
    experiment.train.budget = Budget::Steps(20);
    experiment
}

/// All remainders of units and inputs by the sizes of the blocks.
#[test]
fn the_population_loss_has_the_bits_of_trials_alone() {
    for precision in [Precision::F32, Precision::F64] {
        for units in 1..10 {
            for inputs in [1, 2, 3, 7, 10] {
                let mut experiment = population(inputs, units, inputs.div_ceil(2));
                experiment.train.optimizer = OPTIMIZERS[(units as usize + inputs as usize) % 7];
                if units % 2 == 0 {
                    experiment.train.l2 = 0.0;
                    experiment.train.stop.grad_norm = Some(0.3);
                    experiment.train.stop.loss = Some(0.2);
                }
                let what = format!("{precision:?} {inputs} {units}");
                assert_same(prepare(precision, experiment), 11, &what);
            }
        }
    }
}

#[test]
fn trials_from_special_starts_have_the_bits_of_trials_alone() {
    let schemes = [
        Scheme::Zeros,
        Scheme::Constant { value: 0.5 },
        Scheme::Identity { scale: 1.0 },
        Scheme::Identity { scale: -2.0 },
        Scheme::SymmetricDial { value: 0.5, eps: 1e-14 },
        Scheme::Uniform { low: -1e200, high: 1e200 },
    ];
    for scheme in schemes {
        let mut experiment = population(6, 6, 6);
        experiment.init.scheme = scheme.clone();
        let outcomes = assert_same(prepare(Precision::F64, experiment), 9, &format!("{scheme:?}"));
        let has_diverged = outcomes.iter().any(|(_, reason, ..)| *reason == StopReason::Diverged);
        assert_eq!(has_diverged, matches!(scheme, Scheme::Uniform { .. }), "{scheme:?}");
    }
}

#[test]
fn sums_on_rows_have_the_bits_of_trials_alone() {
    for precision in [Precision::F32, Precision::F64] {
        for output in [SumOutput::Ones, SumOutput::RandomSigns] {
            for batch in [Batch::Full, Batch::Size(4), Batch::Size(50)] {
                for (order, shuffle) in [(true, true), (false, true), (true, false)] {
                    let mut experiment = sum(3, 7, output, SumScale::InverseSqrtUnits);
                    experiment.train.batch = batch;
                    experiment.train.l2 = if output == SumOutput::Ones { 1e-3 } else { 0.0 };
                    experiment.train.shuffle = shuffle;
                    experiment.vary.order = order;
                    experiment.train.budget = Budget::Steps(9);
                    experiment.train.stop.max_error = Some(0.4);
                    // more than a piece
                    let rows = rows(101, 3, 1, Loss::Mse);
                    let what = format!("{precision:?} {output:?} {batch:?} {order} {shuffle}");
                    assert_same(prepare_rows(precision, experiment, rows), 11, &what);
                }
            }
        }
    }
}

/// Every lane with fresh rows of its own, or all with the same; alone, refilled, forked and stopped.
#[test]
fn sums_on_a_stream_have_the_bits_of_trials_alone() {
    for precision in [Precision::F32, Precision::F64] {
        for loss in [Loss::Population, Loss::Mse] {
            for (round, order) in [true, false, true, true].into_iter().enumerate() {
                let mut experiment = sum(5, 7, SumOutput::Ones, SumScale::One);
                let source = DataSource::TeacherStream { samples: 150, dims: 5, teacher_units: 4 };
                experiment.data = Data { source, test_fraction: 0.0, standardize: false };
                experiment.vary = VarySet { init: true, order, ..VarySet::default() };
                experiment.train.loss = loss;
                // more than a piece; two updates make an epoch
                experiment.train.batch = Batch::Size(75);
                experiment.train.lr = 0.03;
                experiment.train.l2 = [0.0, 1e-3][round % 2];
                experiment.train.budget = Budget::Steps([8, 8, 8, 7][round]);
                experiment.fork = (round == 3).then_some(3);
                if round == 2 {
                    experiment.train.stop.loss = Some(1.0);
                }
                let what = format!("{precision:?} {loss:?} {round}");
                let found = assert_same(prepare(precision, experiment), 19, &what);
                let stopped = found.iter().filter(|bits| bits.1 == StopReason::TargetReached).count();
                assert_eq!(stopped > 0, round == 2, "{what}: {stopped}");
            }
        }
    }
}
