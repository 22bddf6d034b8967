//! Sums of relus from start to certificate: what others computed (Safran & Shamir 2018; Du et al. 2019).

use seedsweep_common::outcome::{Certificate, Polish};
use seedsweep_common::spec::{SumOutput, SumScale};

use super::*;
use crate::minima::tests::canonical::gap;

/// T(k, k), polished, by gradient descent of step .1 to ‖gradient‖ < 1e-9.
pub(super) fn teacher(k: u32, scheme: Scheme) -> Experiment {
    let mut experiment = demo();
    let sum = spec::ReluSum { inputs: k, units: k, output: SumOutput::Ones, scale: SumScale::One };
    experiment.network = sum.into();
    experiment.data.source = DataSource::TeacherPopulation { teacher_units: k };
    experiment.init = Init { scheme, bias: Bias::Zeros, perturb: 0.0 };
    experiment.minima.polish = PolishMode::On;
    experiment.train = Train {
        loss: Loss::Population,
        l2: 0.0,
        optimizer: Optimizer::Gd,
        lr: 0.1,
        batch: Batch::Full,
        budget: Budget::Steps(40_000),
        stop: Stop { grad_norm: Some(1e-9), ..Stop::default() },
        ..experiment.train
    };
    experiment
}

pub(super) fn polished(experiment: Experiment) -> (Outcome, Polish) {
    let outcome = train(&prepare(Precision::F64, experiment), 0);
    let polish = outcome.polish.clone().expect("the polish is on");
    (outcome, polish)
}

/// At the symmetric saddle w = 2p/√k · 1 moving two units against each other, across w, only meets the teacher: with
/// ∂g(w, v)/∂w = ‖v‖ sin θ/(2π‖w‖) · (I − uu' + nn'), n the unit vector of v − cos θ u, λ_min is
/// −sin θ/(2π‖w‖) · k²/(k − 1), and λ_max is k/2. Our own prototype has −1.904049, −2.641771 and −3.406235 from
/// differences of the gradient, which has a corner there.
#[test]
fn equal_weights_end_on_a_certified_saddle() {
    for (k, steps, loss, differences) in [
        (6, None, Some(1.171273148), -1.904049),
        (8, None, None, -2.641771),
        (10, Some(35), Some(3.598655711), -3.406235),
    ] {
        let (outcome, polish) = polished(teacher(k, Scheme::Constant { value: 0.5 }));
        assert_eq!(outcome.stop_reason, StopReason::Converged);
        assert!(steps.is_none_or(|steps| steps == outcome.steps), "{k}: {}", outcome.steps);
        let is_near = |loss: f64| (outcome.loss_train / loss - 1.0).abs() < 1e-9;
        assert!(loss.is_none_or(is_near), "{k}: {}", outcome.loss_train);
        assert_eq!(polish.certificate, Certificate::Saddle, "{k}: {polish:?}");
        let root = f64::from(k).sqrt();
        let (angle, sine) = ((1.0 / root).acos(), (1.0 - 1.0 / f64::from(k)).sqrt());
        // 2πp, and ‖w‖ = 2p
        let turns = sine + (std::f64::consts::PI - angle) / root;
        let lambda_min = -sine / (2.0 * turns) * f64::from(k * k) / f64::from(k - 1);
        assert!((polish.lambda_min - lambda_min).abs() < 1e-8, "{k}: {}", polish.lambda_min);
        assert!((polish.lambda_min - differences).abs() < 5e-4, "{k}: {}", polish.lambda_min);
        assert!((polish.lambda_max - f64::from(k) / 2.0).abs() < 1e-8, "{k}: {}", polish.lambda_max);
    }
}

/// λ_min of the global minimum is 1/4 − 1/2π for every k; λ_max: our own prototype, by central differences of the gradient.
#[test]
fn the_teacher_is_a_certified_minimum() {
    for (k, lambda_max) in [(6, 2.06527), (7, 2.33517), (8, 2.60200), (9, 2.86650), (10, 3.12917)] {
        let (outcome, polish) = polished(teacher(k, Scheme::Identity { scale: 0.9 }));
        assert!(outcome.loss_train.abs() < 1e-12, "{}", outcome.loss_train);
        assert_eq!(polish.certificate, Certificate::Minimum, "{k}: {polish:?}");
        let lambda_min = 0.25 - 1.0 / std::f64::consts::TAU;
        assert!((polish.lambda_min - lambda_min).abs() < 1e-8, "{k}: {}", polish.lambda_min);
        assert!((polish.lambda_max - lambda_max).abs() < 1e-5, "{k}: {}", polish.lambda_max);
    }
}

/// The terms of the loss cancel at the teacher: the polish must not take their rounding for a way down. These two
/// restarts of seed 1 end there with a gradient of 1e-9 and were led away from it.
#[test]
fn ends_at_the_teacher_are_polished_through_the_rounding() {
    let prepared = prepare(Precision::F64, teacher(8, Scheme::LecunNormal));
    for restart in [84, 900] {
        let outcome = train(&prepared, restart);
        let polish = outcome.polish.expect("the polish is on");
        assert_eq!(polish.certificate, Certificate::Minimum, "{restart}: {polish:?}");
        assert!(polish.loss.abs() < 1e-13 && polish.grad_max <= 1e-10, "{restart}: {polish:?}");
    }
}

/// Of T(10, 10) 6,000 pairs of a prototype, up to the order of the rows; equal ones at most 6.5e-8 apart
/// in its sketch and 9.4e-8 in distance, different ones at least .39 and 1.83. Ours are of other numbers, but as far apart.
#[test]
fn sketches_of_the_teachers_minima_tell_what_distances_tell() {
    let mut experiment = teacher(10, Scheme::LecunNormal);
    (experiment.vary, experiment.restarts) = (VarySet { init: true, ..VarySet::default() }, 1000);
    let prepared = prepare(Precision::F64, experiment);
    let minima: Vec<_> = (0..80)
        .filter_map(|restart| {
            let (outcome, canonical) = prepared.train_to_canonical(restart, &RUNNING).unwrap();
            let is_minimum = outcome.certificate().is_some_and(Certificate::is_minimum);
            is_minimum.then(|| {
                (outcome.polish.unwrap().loss, outcome.sketch_canonical.unwrap(), canonical.unwrap())
            })
        })
        .collect();
    let gap = gap(&minima);
    println!("T(10, 10): {gap:?}");
    assert!(gap.pairs[0] > 1000 && gap.pairs[1] > 600, "{gap:?}");
    assert!(gap.within[0] < 1e-6 && gap.within[1] < 1e-6, "{gap:?}");
    assert!(gap.between[0] > 1.83 && gap.between[1] > 1e-2, "{gap:?}");
}

/// A unit at 0 has no gradient, and the loss has a corner there.
#[test]
fn a_start_of_zeros_stays_and_is_called_a_kink() {
    let (outcome, polish) = polished(teacher(4, Scheme::Zeros));
    assert_eq!((outcome.steps, outcome.stop_reason), (0, StopReason::Converged));
    assert_eq!(polish.certificate, Certificate::Kink);
}

/// Ten unit vectors in R⁵ with the targets of our own prototype, and Du et al.'s network on them by descent of step .5 on half
/// the sum of squares, which is 2.5 on their mean.
fn du(units: u32) -> Prepared {
    #[rustfmt::skip]
    let x = [
        0.3062, 0.5165, -0.7423, -0.0401, 0.2947, 0.6118, 0.2958, 0.6774, 0.1312, 0.2494,
        0.1158, -0.6957, -0.5485, 0.2459, -0.3759, 0.4377, 0.4449, 0.6192, -0.009, 0.4763,
        -0.4458, -0.4017, 0.04, 0.1385, -0.7869, -0.7393, 0.1517, -0.3683, 0.5162, 0.1685,
        0.2099, 0.1424, 0.6119, -0.1046, 0.7418, -0.4907, -0.2099, -0.6349, 0.5576, 0.0335,
        -0.3836, 0.8906, -0.1618, -0.0517, 0.1754, 0.7305, -0.062, 0.2939, 0.0413, -0.6119,
    ];
    let y = [0.792, 1.0206, -0.24, -0.0154, -1.5013, -1.523, -0.3915, 0.6259, -0.4696, 0.292];
    let mut features = Array2::from_shape_vec((10, 5), x.to_vec()).unwrap();
    for mut row in features.rows_mut() {
        let norm = f64::sqrt(row.dot(&row));
        row.mapv_inplace(|value| value / norm);
    }
    let targets = Array2::from_shape_vec((10, 1), y.to_vec()).unwrap();
    let mut experiment = teacher(1, Scheme::Normal { mean: 0.0, std: 1.0 });
    let (output, scale) = (SumOutput::RandomSigns, SumScale::InverseSqrtUnits);
    experiment.network = spec::ReluSum { inputs: 5, units, output, scale }.into();
    experiment.minima.polish = PolishMode::Off;
    experiment.train.loss = Loss::Mse;
    experiment.train.lr = 2.5;
    experiment.train.budget = Budget::Steps(6_000);
    // 1e-6 of half the sum
    experiment.train.stop = Stop { loss: Some(2e-7), ..Stop::default() };
    prepare_rows(Precision::F64, experiment, Rows { features, targets })
}

/// The Gram matrix of the ten points at infinite width, x·x' (π − acos x·x')/2π: λ_min = .0550029475, λ_max = 1.42765987,
/// and yᵀH⁻¹y = 32.1557508, which says how hard the targets are.
#[test]
fn the_points_have_the_gram_matrix_that_the_theorem_needs() {
    let rows = du(4).dataset.train;
    let products = rows.features.dot(&rows.features.t());
    let angle = |x: f64| x.clamp(-1.0, 1.0).acos();
    let gram = products.mapv(|x| x * (std::f64::consts::PI - angle(x)) / std::f64::consts::TAU);
    // the power method, on the matrix and on what it lacks to 2
    let end_of = |matrix: &Array2<f64>| {
        let mut v = ndarray::Array1::from_shape_fn(10, |i| 1.0 + 0.1 * i as f64);
        for _ in 0..20_000 {
            v = matrix.dot(&v);
            v /= f64::sqrt(v.dot(&v));
        }
        gram.dot(&v).dot(&v)
    };
    let (largest, smallest) = (end_of(&gram), end_of(&(Array2::eye(10) * 2.0 - &gram)));
    assert!((largest - 1.427_659_87).abs() < 1e-8, "{largest}");
    assert!((smallest - 0.055_002_947_5).abs() < 1e-9, "{smallest}");
    // Richardson's iteration: each step leaves at most 1 − λ_min/λ_max of what is missing
    let y = rows.targets.column(0).to_owned();
    let mut x = ndarray::Array1::zeros(10);
    for _ in 0..2_000 {
        x = &x + &((&y - &gram.dot(&x)) / largest);
    }
    assert!((y.dot(&x) - 32.155_750_8).abs() < 1e-7, "{}", y.dot(&x));
}

/// No unit moves further than some 16/√m: a C prototype's largest move times √m was 17 with 256 units and 15 with 1,024, and
/// constancy within a quarter is what "lazy" means.
#[test]
fn units_of_wide_sums_move_as_the_inverse_root_of_their_number() {
    for (units, known) in [(256, 17.0), (1_024, 15.0)] {
        let mut prepared = du(units);
        prepared.experiment.train.stop = Stop { loss: Some(1e-10), ..Stop::default() };
        let mut moves: Vec<f64> = (0..5)
            .map(|restart| {
                let (start, end) = (prepared.start_of::<f64>(restart), parameters(&prepared, restart));
                let weights = 5 * units as usize;
                let pairs = start[..weights].chunks_exact(5).zip(end[..weights].chunks_exact(5));
                let moved = pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>());
                moved.fold(0.0, f64::max).sqrt() * f64::from(units).sqrt()
            })
            .collect();
        moves.sort_unstable_by(f64::total_cmp);
        println!("{units} units: {moves:?}");
        assert!((moves[2] / known - 1.0).abs() < 0.25, "{units}: {moves:?}");
    }
}

/// A C prototype reached 1e-6 in 24 (16 to 34 %) of 100 runs with 4 units, and in 100 (96.4 to 100 %) with 24.
#[test]
fn wide_sums_reach_zero_loss_and_narrow_ones_seldom() {
    let reached = |units| {
        let prepared = du(units);
        let mut reached = 0;
        for pod in prepared.pods(seedsweep_common::range::RestartRange::new(0, 100).unwrap()) {
            let mut count = |outcome: Outcome| {
                reached += u32::from(outcome.stop_reason == StopReason::TargetReached);
            };
            prepared.train_pod(pod, &RUNNING, &mut count).unwrap();
        }
        reached
    };
    let narrow = reached(4);
    assert!((16..=34).contains(&narrow), "{narrow}");
    assert!(reached(24) >= 97);
}

#[test]
fn signs_are_drawn_after_the_weights_and_never_move() {
    let prepared = du(6);
    let streams = StartStreams { init: 3, perturb: 3 };
    let init = Init { perturb: 0.1, ..prepared.experiment.init.clone() };
    let start = init::sample(&prepared.experiment.init, &prepared.network, 1, streams, &[]);
    let noisy = init::sample(&init, &prepared.network, 1, streams, &[]);
    let ones = spec::ReluSum { inputs: 5, units: 6, output: SumOutput::Ones, scale: SumScale::One };
    let ones = init::sample(&prepared.experiment.init, &Network::new(&ones.into()), 1, streams, &[]);
    assert_eq!(start[..30], ones);
    assert!(start[30..].iter().all(|sign| sign.abs() == 1.0));
    assert_eq!(start[30..], noisy[30..]);
    assert!(start[..30].iter().zip(&noisy).all(|(a, b)| a != b));
    assert_eq!(parameters(&prepared, 3)[30..], start[30..]);
    let signs = |restart| prepared.start_of::<f64>(restart)[30..].to_vec();
    assert!((0..20).any(|restart| signs(restart) != signs(0)));
}

/// T(k, k) on fresh rows, `batch` for each of 200 updates.
fn streamed(k: u32, loss: Loss, lr: f64, batch: u32) -> Experiment {
    let mut experiment = teacher(k, Scheme::LecunNormal);
    experiment.data.source = DataSource::TeacherStream { samples: 1_000, dims: k, teacher_units: k };
    experiment.minima.polish = PolishMode::Off;
    experiment.train = Train {
        loss,
        optimizer: Optimizer::Sgd { momentum: 0.0 },
        lr,
        batch: Batch::Size(batch),
        budget: Budget::Steps(200),
        stop: Stop::default(),
        ..experiment.train
    };
    experiment
}

/// Half of a squared error moves half as far as the whole: with twice the rate to the same bits, and as the plain loop
/// does on the rows that the trial's stream gives.
#[test]
fn a_population_is_followed_by_half_the_squared_error_of_its_stream() {
    for (batch, restart) in [(1, 0), (8, 3), (64, 20)] {
        let half = prepare(Precision::F64, streamed(4, Loss::Population, 0.02, batch));
        let whole = prepare(Precision::F64, streamed(4, Loss::Mse, 0.01, batch));
        let [of_half, of_whole] = [&half, &whole].map(|prepared| prepared.replay(restart, &RUNNING).unwrap());
        assert_eq!(of_half.outcome.digest, of_whole.outcome.digest);

        let mut theta = half.start_of::<f64>(restart);
        let mut stream = half.fresh(plan::streams(&half.experiment, restart).order);
        let (mut features, mut targets) = (Vec::new(), Vec::new());
        let mut gradient = vec![0.0; theta.len()];
        let mut workspace = half.network.workspace();
        for _ in 0..200 {
            stream.draw(batch as usize, &mut features, &mut targets);
            let rows = network::Batch { features: &features[..], targets: &targets[..] };
            half.network.gradient(&theta, &rows, Loss::Mse, 0.0, &mut workspace, &mut gradient);
            theta.iter_mut().zip(&gradient).for_each(|(w, g)| *w = (-0.01_f64).mul_add(*g, *w));
        }
        assert_eq!(digest(Precision::F64, &theta), of_half.outcome.digest, "{batch}");

        // what is told about the end is the population's
        let on_all = teacher(4, Scheme::LecunNormal);
        let on_all = prepare(Precision::F64, on_all);
        let rows = row_major(&on_all.dataset.train.features);
        let rows = network::Batch { features: &rows, targets: &[1.0; 4] };
        let loss = half.network.loss(&theta, &rows, Loss::Population, 0.0, &mut workspace);
        assert_eq!(of_half.outcome.loss_train.to_bits(), loss.to_bits());
        assert!((of_half.outcome.loss_train - 0.5 * of_whole.outcome.loss_train).abs() < 0.2 * loss);
    }
}

#[test]
fn a_stream_leads_where_the_population_does() {
    let mut experiment = streamed(6, Loss::Population, 0.02, 64);
    experiment.train.budget = Budget::Steps(2_000);
    experiment.minima.polish = PolishMode::On;
    let on_all = prepare(Precision::F64, teacher(6, Scheme::LecunNormal));
    let prepared = prepare(Precision::F64, experiment);
    for restart in 0..4 {
        let (stream, whole) = (train(&prepared, restart), train(&on_all, restart));
        let (polish, target) = (stream.polish.unwrap(), whole.polish.unwrap());
        assert_eq!((stream.steps, stream.stop_reason), (2_000, StopReason::StepLimit));
        assert!(stream.loss_train < 0.3, "{}", stream.loss_train);
        assert_eq!((polish.certificate, target.certificate), (Certificate::Minimum, Certificate::Minimum));
        assert!(polish.grad_max <= 1e-10);
    }
}
