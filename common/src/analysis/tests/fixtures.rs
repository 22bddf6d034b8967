//! Sweeps and outcomes made by hand.

use crate::digest::Digest;
use crate::fingerprint::{CANONICAL_SKETCH_LENGTH, SKETCH_LENGTH};
use crate::id::{Name, SweepId};
use crate::init::{Bias, Init, Scheme};
use crate::outcome::{Certificate, NullSpace, Outcome, Polish, StopReason};
use crate::progress::{ExperimentProgress, TrialCounts};
use crate::spec::*;

/// XOR with a 2-2-1 tanh network, batch 1, polished.
pub(crate) fn experiment(name: &str, vary: VarySet, starts: Option<u32>, restarts: u32) -> Experiment {
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
        init: Init { scheme: Scheme::XavierUniform { gain: 1.0 }, bias: Bias::Zeros, perturb: 0.0 },
        restarts,
        starts,
        orders: None,
        fork: None,
        stop_when: None,
        vary,
        parameters: Vec::new(),
    }
}

pub(crate) const NOTHING: VarySet = VarySet { init: false, order: false, data: false, perturb: false };
pub(crate) const ORDER: VarySet = VarySet { order: true, ..NOTHING };
pub(crate) const INIT_ORDER: VarySet = VarySet { init: true, ..ORDER };

pub(crate) fn sweep(experiments: Vec<Experiment>) -> SweepSpec {
    SweepSpec {
        name: Name::new("test").unwrap(),
        seed: 2026,
        precision: Precision::F64,
        tolerances: Tolerances::default(),
        experiments,
    }
}

pub(crate) fn id() -> SweepId {
    SweepId(Digest::of(b"test"))
}

/// A trial of `restart` that ends `at` some minimum of the plane: equal numbers are equal minima at raw and at
/// function. Digests are all different.
pub(crate) fn outcome(restart: u32, at: f64) -> Outcome {
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&restart.to_le_bytes());
    digest[4..12].copy_from_slice(&at.to_bits().to_le_bytes());
    Outcome {
        restart,
        stop_reason: StopReason::StepLimit,
        steps: 2400,
        loss_train: 0.04 + at,
        loss_test: None,
        accuracy_train: Some(1.0),
        accuracy_test: None,
        grad_norm: 1e-3,
        digest,
        polish: Some(Polish {
            certificate: Certificate::Minimum,
            loss: 0.03 + at,
            displacement: 0.01,
            steps: 12,
            grad_max: 1e-12,
            lambda_min: 0.1,
            lambda_max: 2.0,
            null_directions: Some(0),
            explained: Some(0),
            null_space: Some(NullSpace::default()),
        }),
        sketch_raw: [at; SKETCH_LENGTH],
        sketch_canonical: Some([at; CANONICAL_SKETCH_LENGTH]),
        sketch_function: [at; SKETCH_LENGTH],
        measures: Vec::new(),
    }
}

pub(crate) fn certified(mut outcome: Outcome, certificate: Certificate) -> Outcome {
    outcome.polish.as_mut().unwrap().certificate = certificate;
    outcome
}

pub(crate) fn diverged(mut outcome: Outcome) -> Outcome {
    outcome.stop_reason = StopReason::Diverged;
    outcome.polish = None;
    outcome.loss_train = f64::NAN;
    outcome.sketch_raw = [f64::NAN; SKETCH_LENGTH];
    outcome.sketch_canonical = None;
    outcome.sketch_function = [f64::NAN; SKETCH_LENGTH];
    outcome
}

/// Progress of an experiment whose trials are all done or failed.
pub(crate) fn ended(outcomes: &[Outcome], failed: &[u32]) -> ExperimentProgress {
    let diverged = outcomes.iter().filter(|o| o.stop_reason == StopReason::Diverged).count() as u64;
    let (done, lost) = (outcomes.len() as u64, failed.len() as u64);
    let trials = TrialCounts { total: done + lost, done, failed: lost, diverged, ..TrialCounts::default() };
    ExperimentProgress { trials, failed: failed.to_vec(), ..ExperimentProgress::default() }
}
