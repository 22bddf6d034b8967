//! A report like the demo's, from outcomes made by hand.

use seedsweep_common::analysis::{Report, analyse};
use seedsweep_common::digest::Digest;
use seedsweep_common::fingerprint::{CANONICAL_SKETCH_LENGTH, SKETCH_LENGTH};
use seedsweep_common::id::{Name, SweepId};
use seedsweep_common::init::{Bias, Init, Scheme};
use seedsweep_common::outcome::{Certificate, NullSpace, Outcome, Polish, StopReason};
use seedsweep_common::progress::{ExperimentProgress, SweepState, TrialCounts};
use seedsweep_common::spec::*;

/// Three experiments: a constant start that stops on a saddle, 60 starts of which 4 are undecided, fresh starts in
/// seven minima of which two do not learn.
pub(crate) fn demo_report() -> Report {
    let xavier = Scheme::XavierUniform { gain: 1.0 };
    let order = VarySet { order: true, ..VarySet::default() };
    let experiments = vec![
        experiment("constant-0.5", Scheme::Constant { value: 0.5 }, order, None, 40),
        experiment("fixed", xavier.clone(), order, Some(60), 240),
        experiment("random", xavier, VarySet { init: true, ..order }, None, 240),
    ];
    // where start s ends: minima 0 and 1 are the widest, 5 and 6 fail to learn
    let end = |start: u32| [0, 1, 0, 1, 2, 0, 3, 1, 4, 5, 0, 6][start as usize % 12];
    let outcomes: Vec<Vec<Outcome>> = vec![
        (0..40).map(|restart| outcome(restart, 9, Certificate::Saddle)).collect(),
        (0..240)
            .map(|restart| {
                let start = restart % 60;
                let moved = start % 17 == 5 && restart / 60 == 1;
                outcome(restart, if moved { 3 } else { end(start) }, Certificate::Minimum)
            })
            .collect(),
        (0..240).map(|restart| outcome(restart, end(restart), Certificate::Minimum)).collect(),
    ];
    report("demo", experiments, &outcomes)
}

/// One experiment whose restarts part at four steps: all 60 starts undecided at first, then a half, one in 20, none.
pub(crate) fn fate_report() -> Report {
    let order = VarySet { order: true, ..VarySet::default() };
    let steps = [(0, 1), (50, 2), (100, 20), (400, 0)];
    let experiments = (0..).zip(steps).map(|(cell, (fork, _))| {
        let name = format!("fixed.g{cell}");
        let xavier = Scheme::XavierUniform { gain: 1.0 };
        Experiment { fork: (fork > 0).then_some(fork), ..experiment(&name, xavier, order, Some(60), 240) }
    });
    let outcomes: Vec<Vec<Outcome>> = steps
        .iter()
        .map(|(_, one_in)| {
            let is_open = |restart: u32| *one_in > 0 && (restart % 60).is_multiple_of(*one_in);
            let end = |restart: u32| if is_open(restart) { restart / 60 + 1 } else { 0 };
            (0..240).map(|restart| outcome(restart, end(restart), Certificate::Minimum)).collect()
        })
        .collect();
    report("fate", experiments.collect(), &outcomes)
}

fn report(name: &str, experiments: Vec<Experiment>, outcomes: &[Vec<Outcome>]) -> Report {
    let progress: Vec<ExperimentProgress> = outcomes
        .iter()
        .map(|rows| {
            let done = rows.len() as u64;
            ExperimentProgress {
                trials: TrialCounts { total: done, done, ..TrialCounts::default() },
                ..ExperimentProgress::default()
            }
        })
        .collect();
    let spec = SweepSpec {
        name: Name::new(name).unwrap(),
        seed: 2026,
        precision: Precision::F64,
        tolerances: Tolerances::default(),
        experiments,
    };
    analyse(&spec, SweepId(Digest::of(name.as_bytes())), SweepState::Done, &progress, outcomes).report
}

fn experiment(name: &str, scheme: Scheme, vary: VarySet, starts: Option<u32>, restarts: u32) -> Experiment {
    Experiment {
        name: Name::new(name).unwrap(),
        network: Network::Mlp(Mlp {
            layers: vec![2, 2, 1],
            activation: Activation::Tanh,
            output_activation: Activation::Identity,
        }),
        data: Data {
            source: DataSource::Xor { encoding: XorEncoding::Signed },
            test_fraction: 0.0,
            standardize: false,
        },
        train: Train {
            loss: Loss::Mse,
            l2: 1e-3,
            optimizer: Optimizer::Sgd { momentum: 0.0 },
            lr: 0.05,
            weight_decay: 0.0,
            schedule: Schedule::default(),
            shuffle: true,
            batch: Batch::Size(1),
            budget: Budget::Epochs(600),
            stop: Stop::default(),
        },
        minima: Minima {
            polish: PolishMode::On,
            polish_max_steps: 2000,
            level: Level::Function,
            same_at: 0.8,
            spread_at: 0.5,
            barriers: 0,
        },
        measure: Measure::default(),
        init: Init { scheme, bias: Bias::Zeros, perturb: 0.0 },
        restarts,
        starts,
        orders: None,
        fork: None,
        stop_when: None,
        vary,
        parameters: Vec::new(),
    }
}

/// Trial `restart`, which ends in minimum `minimum`.
pub(crate) fn outcome(restart: u32, minimum: u32, certificate: Certificate) -> Outcome {
    let loss = 0.04 * f64::from(minimum + 1);
    // each fresh start finds its own of four symmetric copies
    let mut sketch_raw = [f64::from(minimum); SKETCH_LENGTH];
    if certificate == Certificate::Minimum {
        sketch_raw[0] = f64::from(restart % 60 / 12 % 4);
    }
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&restart.to_le_bytes());
    digest[4] = minimum as u8;
    Outcome {
        restart,
        stop_reason: StopReason::StepLimit,
        steps: 2400,
        loss_train: loss + 1e-4 * f64::from(restart % 7),
        loss_test: None,
        accuracy_train: Some(if minimum < 5 { 1.0 } else { 0.75 }),
        accuracy_test: None,
        grad_norm: 1e-2,
        digest,
        polish: Some(Polish {
            certificate,
            loss,
            displacement: 0.01,
            steps: 20,
            grad_max: 1e-12,
            lambda_min: 1e-3,
            lambda_max: 1.0,
            null_directions: Some(0),
            explained: Some(0),
            null_space: Some(NullSpace::default()),
        }),
        sketch_raw,
        sketch_canonical: Some([f64::from(minimum); CANONICAL_SKETCH_LENGTH]),
        sketch_function: [f64::from(minimum); SKETCH_LENGTH],
        measures: Vec::new(),
    }
}
