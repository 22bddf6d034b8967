mod barriers;
pub(crate) mod canonical;
mod cost;
mod large;
mod nulls;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::fingerprint;
use seedsweep_common::outcome::Certificate;
use seedsweep_common::spec::{self, Activation, Data, DataSource, XorEncoding};

use super::*;
use crate::nn::data;
use crate::nn::lane::{Lanes, Level};
use crate::nn::network::Batch;

/// A network, its data and its loss.
struct Case {
    network: Network,
    dataset: Dataset,
    loss: Loss,
    l2: f64,
    probes: Probes,
}

impl Case {
    fn new(source: DataSource, layers: &[u32], activation: Activation, loss: Loss, l2: f64) -> Self {
        let spec = spec::Network::Mlp(spec::Mlp {
            layers: layers.to_vec(),
            activation,
            output_activation: Activation::Identity,
        });
        let data = Data { source, test_fraction: 0.0, standardize: false };
        let dataset = data::load(&data, &spec, loss, 2026, 0, &|_| None).unwrap();
        let network = Network::new(&spec);
        let probes = Probes::new(&network, &dataset);
        Self { network, dataset, loss, l2, probes }
    }

    /// 64 moons without noise by 2-4-1 tanh, the mean square and 1e-3 ‖θ‖²: the problem of our own numpy prototype.
    fn moons() -> Self {
        Self::new(
            DataSource::Moons { samples: 64, noise: 0.0 },
            &[2, 4, 1],
            Activation::Tanh,
            Loss::Mse,
            1e-3,
        )
    }

    /// The demo's.
    fn xor() -> Self {
        let source = DataSource::Xor { encoding: XorEncoding::Signed };
        Self::new(source, &[2, 2, 1], Activation::Tanh, Loss::Mse, 1e-3)
    }

    fn problem(&self, polish: Option<u32>) -> Problem<'_> {
        Problem {
            network: &self.network,
            dataset: &self.dataset,
            loss: self.loss,
            l2: self.l2,
            polish,
            probes: &self.probes,
        }
    }

    fn finish(&self, theta: &[f64], budget: u32) -> Finish {
        finish(&self.problem(Some(budget)), theta, &AtomicBool::new(false)).unwrap()
    }

    /// xavier_uniform weights, zero biases.
    fn xavier(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut theta = Vec::new();
        for layer in self.network.layers() {
            let r = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt();
            theta.extend((0..layer.weight_count()).map(|_| r * (2.0 * rng.random::<f64>() - 1.0)));
            theta.extend((0..layer.outputs).map(|_| 0.0));
        }
        theta
    }

    /// SGD in f64.
    fn train(
        &self,
        mut theta: Vec<f64>,
        rng: &mut ChaCha8Rng,
        batch: usize,
        lr: f64,
        epochs: usize,
    ) -> Vec<f64> {
        let rows = self.dataset.train.features.nrows();
        let mut order: Vec<usize> = (0..rows).collect();
        let mut workspace = self.network.workspace::<f64>();
        let mut gradient = vec![0.0; theta.len()];
        for _ in 0..epochs {
            for i in (1..rows).rev() {
                order.swap(i, rng.random_range(0..=i));
            }
            for rows in order.chunks(batch) {
                let pick = |table: &ndarray::Array2<f64>| -> Vec<f64> {
                    rows.iter().flat_map(|&row| table.row(row).to_vec()).collect()
                };
                let (features, targets) =
                    (pick(&self.dataset.train.features), pick(&self.dataset.train.targets));
                let batch = Batch { features: &features, targets: &targets };
                self.network.gradient(&theta, &batch, self.loss, self.l2, &mut workspace, &mut gradient);
                theta.iter_mut().zip(&gradient).for_each(|(x, g)| *x -= lr * g);
            }
        }
        theta
    }
}

/// What gradient descent with `lr` from `theta` reaches after `steps`, or sooner at a gradient below 1e-6.
fn descend(case: &Case, mut theta: Vec<f64>, lr: f64, steps: usize) -> Vec<f64> {
    let never = AtomicBool::new(false);
    let mut surface = Surface::new(&case.problem(None), &never);
    for _ in 0..steps {
        let point = surface.at(theta.clone()).unwrap();
        if point.gradient_max() < 1e-6 {
            break;
        }
        theta.iter_mut().zip(&point.gradient).for_each(|(x, g)| *x -= lr * g);
    }
    theta
}

fn loss_at(case: &Case, theta: &[f64]) -> f64 {
    let never = AtomicBool::new(false);
    Surface::new(&case.problem(None), &never).at(theta.to_vec()).unwrap().loss
}

/// End point of SGD as in the prototype (batch 4, lr .05, 200 epochs) from xavier_uniform number `seed`.
fn moons_end(case: &Case, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = case.xavier(&mut rng);
    case.train(start, &mut rng, 4, 0.05, 200)
}

/// What the polish makes of `theta`, and where.
fn polished(case: &Case, theta: &[f64], budget: u32) -> (Polish, Vec<f64>) {
    let never = AtomicBool::new(false);
    polish::polish(&mut Surface::new(&case.problem(None), &never), theta, budget).unwrap()
}

const BUDGET: u32 = 2000;

#[test]
fn moons_losses_follow_the_golden_descent() {
    // numpy: θᵢ = .5·sin(1.7(i + 1)), full-batch gradient descent with rate .05
    let case = Case::moons();
    let mut theta: Vec<f64> = (1..=17).map(|i| 0.5 * (1.7 * f64::from(i)).sin()).collect();
    let mut done = 0;
    for (steps, loss, tolerance) in [
        (0, 1.091723442442, 1e-9),
        (1, 1.003670104110, 1e-9),
        (10, 0.614545002906, 1e-9),
        (100, 0.371556673198, 1e-9),
        (1_000, 0.356787605043, 1e-6),
        (10_000, 0.053993293637, 1e-6),
    ] {
        theta = descend(&case, theta, 0.05, steps - done);
        done = steps;
        let found = loss_at(&case, &theta);
        assert!((found / loss - 1.0).abs() < tolerance, "{steps}: {found} instead of {loss}");
    }
}

#[test]
fn moons_has_two_certified_minima() {
    // our own prototype: 137 of 150 at the first loss, 13 at the second (by BFGS from its own end points)
    let case = Case::moons();
    let known = [(0.042470950, 3.2e-3), (0.354586916, 7.3e-4)];
    let mut counts = [0; 2];
    let mut sketches: [Vec<fingerprint::Sketch>; 2] = [vec![], vec![]];
    for seed in 0..40 {
        let end = moons_end(&case, seed);
        let Finish { polish, sketch_function, .. } = case.finish(&end, BUDGET);
        let polish = polish.unwrap();
        assert_eq!(polish.certificate, Certificate::Minimum, "seed {seed}: {polish:?}");
        assert!(polish.grad_max <= 1e-10 && polish.displacement > 0.0 && polish.steps < BUDGET, "{polish:?}");
        assert!(polish.loss < loss_at(&case, &end));
        let which = known.iter().position(|(loss, _)| (polish.loss - loss).abs() < 1e-9);
        let which = which.unwrap_or_else(|| panic!("seed {seed}: another minimum, {polish:?}"));
        assert!((polish.lambda_min / known[which].1 - 1.0).abs() < 0.02, "{polish:?}");
        counts[which] += 1;
        sketches[which].push(sketch_function);
    }
    assert!(counts[0] > 25 && counts[1] > 0, "{counts:?}");
    // the default tolerance of level `function` is 1e-4
    let apart = fingerprint::distance(&sketches[0][0], &sketches[1][0]);
    assert!(apart > 0.1, "{apart}");
    for sketches in sketches {
        // the moons are symmetric, so a loss may belong to two functions, one the other's mirror image
        let far = sketches.iter().map(|s| fingerprint::distance(s, &sketches[0])).filter(|d| *d > 1e-6);
        assert!(far.clone().all(|d| d > 0.01), "{:?}", far.collect::<Vec<_>>());
    }
}

/// Against a long gradient descent. `SEEDSWEEP_TEST_THOROUGH` makes it the 300 end points that `docs/minima.md` quotes
/// (two minutes).
#[test]
fn basins_changed_by_the_polish_are_few() {
    let case = Case::moons();
    let trials = if std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_some() { 300 } else { 12 };
    let mut changed = vec![];
    for seed in 0..trials {
        let end = moons_end(&case, seed);
        let (near, far) =
            (case.finish(&end, BUDGET), case.finish(&descend(&case, end, 0.05, 400_000), BUDGET));
        if fingerprint::distance(&near.sketch_function, &far.sketch_function) > 1e-4 {
            changed.push((seed, near.polish.unwrap().loss, far.polish.unwrap().loss));
        }
    }
    println!("{} of {trials} end points change basin: {changed:?}", changed.len());
    assert!(changed.len() as u64 * 50 <= trials, "more than 2 %");
}

#[test]
fn a_constant_start_stays_on_its_saddle() {
    let case = Case::xor();
    for seed in 0..10 {
        let end = case.train(vec![0.5; 9], &mut ChaCha8Rng::seed_from_u64(seed), 1, 0.05, 600);
        let (polish, theta) = polished(&case, &end, BUDGET);
        assert_eq!(polish.certificate, Certificate::Saddle, "seed {seed}: {polish:?}");
        assert!((polish.loss - 0.697016950).abs() < 1e-8 && polish.lambda_min < -8e-3, "{polish:?}");
        // bit for bit: rows of W, biases and outgoing weights of the two units
        for (a, b) in [(0, 2), (1, 3), (4, 5), (6, 7)] {
            assert_eq!(theta[a].to_bits(), theta[b].to_bits(), "seed {seed}: {theta:?}");
        }
    }
}

#[test]
fn equal_units_stay_equal_where_newton_could_go() {
    // so much l2 that the Hessian is positive definite all the way to 0, where both units vanish
    let source = DataSource::Xor { encoding: XorEncoding::Signed };
    let case = Case::new(source, &[2, 2, 1], Activation::Tanh, Loss::Mse, 0.6);
    for start in [0.5, 0.37, 0.011] {
        let (polish, theta) = polished(&case, &[start; 9], BUDGET);
        assert!(polish.grad_max <= 1e-8, "{polish:?}");
        for (a, b) in [(0, 2), (1, 3), (4, 5), (6, 7)] {
            assert_eq!(theta[a].to_bits(), theta[b].to_bits(), "{start}: {theta:?}");
        }
    }
}

#[test]
fn the_flow_is_followed_in_its_own_time() {
    let case = Case::moons();
    let never = AtomicBool::new(false);
    let mut surface = Surface::new(&case.problem(None), &never);
    let start = surface.at(moons_end(&case, 0)).unwrap();
    let time = 0.01;
    // Euler's steps, a thousand times shorter
    let exact = descend(&case, start.theta.clone(), time / 1000.0, 1000);
    for stages in [2, 3, 10] {
        let reached = flow::advance(&mut surface, &start, time, stages).unwrap().theta;
        let moved =
            |to: &[f64]| to.iter().zip(&start.theta).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        let error = reached.iter().zip(&exact).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        assert!(error < 0.05 * moved(&exact), "{stages}: {error} of {}", moved(&exact));
    }
}

#[test]
fn random_starts_of_the_demo_reach_certified_minima() {
    let case = Case::xor();
    let mut learned = 0;
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let start = case.xavier(&mut rng);
        let end = case.train(start, &mut rng, 1, 0.05, 600);
        let polish = case.finish(&end, BUDGET).polish.unwrap();
        assert_eq!(polish.certificate, Certificate::Minimum, "seed {seed}: {polish:?}");
        learned += usize::from((polish.loss - 0.012488119).abs() < 1e-8);
    }
    // our own prototype: 80 to 87 %
    assert!((26..=39).contains(&learned), "{learned} of 40");
}

#[test]
fn relu_points_between_two_slopes_are_kinks() {
    let moons = DataSource::Moons { samples: 64, noise: 0.0 };
    let case = Case::new(moons, &[2, 4, 1], Activation::Relu, Loss::Mse, 1e-3);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let start = case.xavier(&mut rng);
    let end = case.train(start, &mut rng, 4, 0.05, 50);
    let (polish, theta) = polished(&case, &end, BUDGET);
    assert_eq!(polish.certificate, Certificate::Kink);
    assert!(polish.grad_max > 1e-3 && polish.lambda_min.is_nan() && polish.steps < BUDGET, "{polish:?}");
    let sums = case.network.pre_activations(&theta, case.dataset.train.features.as_slice().unwrap());
    assert!(sums[0].iter().any(|z| z.abs() < 1e-7));
}

/// The certificates of `case` from `seeds` Xavier starts and 50 epochs.
fn certificates(case: &Case, seeds: u64, lr: f64) -> Vec<Certificate> {
    let certificate = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let start = case.xavier(&mut rng);
        let end = case.train(start, &mut rng, 4, lr, 50);
        case.finish(&end, BUDGET).polish.unwrap().certificate
    };
    (0..seeds).map(certificate).collect()
}

#[test]
fn null_directions_of_known_symmetries_are_flat() {
    // relu without l2: units scale
    let moons = DataSource::Moons { samples: 64, noise: 0.1 };
    let relu = Case::new(moons, &[2, 2, 1], Activation::Relu, Loss::Mse, 0.0);
    assert_eq!(certificates(&relu, 2, 0.05), [Certificate::Flat; 2]);
    // softmax without l2: all logits shift; with l2 nothing does
    let mix = || DataSource::GaussMix { samples: 60, classes: 3, dims: 2, radius: 1.0 };
    let softmax = |l2| Case::new(mix(), &[2, 3], Activation::Tanh, Loss::CrossEntropy, l2);
    assert_eq!(certificates(&softmax(0.0), 3, 0.05), [Certificate::Flat; 3]);
    assert_eq!(certificates(&softmax(1e-3), 3, 0.05), [Certificate::Minimum; 3]);
    // linear networks: hidden units mix and shift; with l2 they still rotate
    let linear = |l2| Case::new(DataSource::Iris, &[4, 2, 3], Activation::Identity, Loss::Mse, l2);
    assert_eq!(certificates(&linear(0.0), 3, 0.01), [Certificate::Flat; 3]);
    assert_eq!(certificates(&linear(1e-3), 3, 0.01), [Certificate::Flat; 3]);
}

#[test]
fn explained_null_directions_are_counted() {
    let counts = |case: &Case, lr: f64| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let start = case.xavier(&mut rng);
        let end = case.train(start, &mut rng, 4, lr, 50);
        let polish = case.finish(&end, BUDGET).polish.unwrap();
        polish.null_directions.zip(polish.explained)
    };
    // a shift of all logits: by the weights of either input, and by the biases
    let mix = DataSource::GaussMix { samples: 60, classes: 3, dims: 2, radius: 1.0 };
    let softmax = |l2| Case::new(mix.clone(), &[2, 3], Activation::Tanh, Loss::CrossEntropy, l2);
    assert_eq!(counts(&softmax(0.0), 0.05), Some((3, 3)));
    assert_eq!(counts(&softmax(1e-3), 0.05), Some((0, 0)));
    // two linear units: four mixings and two shifts; with l2 one rotation
    let linear = |l2| Case::new(DataSource::Iris, &[4, 2, 3], Activation::Identity, Loss::Mse, l2);
    assert_eq!(counts(&linear(0.0), 0.01), Some((6, 6)));
    assert_eq!(counts(&linear(1e-3), 0.01), Some((1, 1)));
    // a point that did not get there has no Hessian
    let moons = Case::moons();
    let polish = moons.finish(&moons_end(&moons, 0), 2).polish.unwrap();
    assert_eq!((polish.null_directions, polish.explained), (None, None));
}

#[test]
fn null_directions_that_no_symmetry_explains_are_not_certified() {
    // 33 parameters on four rows: the zeros of the loss form a surface of many dimensions
    let xor = DataSource::Xor { encoding: XorEncoding::Signed };
    let case = Case::new(xor, &[2, 8, 1], Activation::Tanh, Loss::Mse, 0.0);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let start = case.xavier(&mut rng);
    let polish = case.finish(&start, BUDGET).polish.unwrap();
    assert_eq!(polish.certificate, Certificate::NotConverged);
    assert!(polish.grad_max <= 1e-8 && polish.lambda_max > 0.1 && polish.displacement > 0.0, "{polish:?}");
}

#[test]
fn a_budget_that_is_out_keeps_the_unpolished_point() {
    let case = Case::moons();
    let end = moons_end(&case, 0);
    for budget in [0, 1, 2, 3, 8] {
        let (polish, theta) = polished(&case, &end, budget);
        assert_eq!(polish.certificate, Certificate::NotConverged);
        assert!(polish.steps <= budget && polish.displacement == 0.0 && theta == end, "{polish:?}");
        assert_eq!(polish.loss, loss_at(&case, &end));
        assert!(polish.grad_max > 1e-3 && polish.lambda_min.is_nan() && polish.lambda_max.is_nan());
        let unpolished = finish(&case.problem(None), &end, &AtomicBool::new(false)).unwrap();
        let finish = case.finish(&end, budget);
        assert_eq!(
            (finish.sketch_raw, finish.sketch_canonical, finish.sketch_function),
            (unpolished.sketch_raw, unpolished.sketch_canonical, unpolished.sketch_function)
        );
    }
}

#[test]
fn what_is_not_finite_is_not_certified() {
    let case = Case::moons();
    for wrong in [f64::NAN, f64::INFINITY, 1e300] {
        let mut theta = moons_end(&case, 0);
        theta[3] = wrong;
        theta[14] = wrong;
        let polish = case.finish(&theta, BUDGET).polish.unwrap();
        assert_eq!(polish.certificate, Certificate::NotConverged, "{wrong}");
    }
}

#[test]
fn a_cancelled_trial_gives_nothing() {
    let case = Case::moons();
    let end = moons_end(&case, 0);
    assert_eq!(finish(&case.problem(Some(BUDGET)), &end, &AtomicBool::new(true)), None);
}

#[test]
fn the_same_point_gives_the_same_bits() {
    let case = Case::moons();
    let end = moons_end(&case, 1);
    assert_eq!(case.finish(&end, BUDGET), case.finish(&end, BUDGET));
}

#[test]
fn sketches_see_the_function_and_not_the_order_of_units() {
    let case = Case::moons();
    let theta = polished(&case, &moons_end(&case, 2), BUDGET).1;
    // units 0 and 1 swapped: rows of W, biases, outgoing weights; and unit 2 with its sign changed
    let mut other = theta.clone();
    for (a, b) in [(0, 2), (1, 3), (8, 9), (12, 13)] {
        other.swap(a, b);
    }
    [4, 5, 10, 14].into_iter().for_each(|at| other[at] = -other[at]);
    let sketch = |theta: &[f64]| finish(&case.problem(None), theta, &AtomicBool::new(false)).unwrap();
    let (one, two) = (sketch(&theta), sketch(&other));
    assert!(fingerprint::distance(&one.sketch_function, &two.sketch_function) < 1e-14);
    let [canonical, image] = [&one, &two].map(|finish| finish.sketch_canonical.unwrap());
    assert!(fingerprint::distance(&canonical, &image) < 1e-12);
    assert!(fingerprint::distance(&one.sketch_raw, &two.sketch_raw) > 0.1);
}

#[test]
fn linear_hidden_layers_have_no_canonical_sketch() {
    let moons = DataSource::Moons { samples: 64, noise: 0.0 };
    for (layers, has_form) in [(&[2, 3, 1][..], false), (&[2, 1], true)] {
        let case = Case::new(moons.clone(), layers, Activation::Identity, Loss::Mse, 1e-3);
        let theta = case.xavier(&mut ChaCha8Rng::seed_from_u64(1));
        let finish = finish(&case.problem(None), &theta, &AtomicBool::new(false)).unwrap();
        assert_eq!(finish.sketch_canonical.is_some(), has_form);
        let spec = spec::Mlp {
            layers: layers.to_vec(),
            activation: Activation::Identity,
            output_activation: Activation::Identity,
        };
        assert_eq!(spec::Network::Mlp(spec).has_canonical_form(), has_form);
    }
}

#[test]
fn probabilities_not_logits_are_compared() {
    let mix = DataSource::GaussMix { samples: 60, classes: 3, dims: 2, radius: 1.0 };
    let case = Case::new(mix, &[2, 3], Activation::Tanh, Loss::CrossEntropy, 0.0);
    let theta = case.xavier(&mut ChaCha8Rng::seed_from_u64(0));
    let mut shifted = theta.clone();
    (6..9).for_each(|bias| shifted[bias] += 2.5);
    let sketch = |theta: &[f64]| finish(&case.problem(None), theta, &AtomicBool::new(false)).unwrap();
    let (one, two) = (sketch(&theta), sketch(&shifted));
    assert!(fingerprint::distance(&one.sketch_function, &two.sketch_function) < 1e-14);
}

#[test]
fn sketches_are_golden() {
    // pinned from our own first run: a new value here means that ENGINE_VERSION must rise
    let case = Case::moons();
    let theta: Vec<f64> = (1..=17).map(|i| f64::from(i) / 16.0).collect();
    let sketch = finish(&case.problem(None), &theta, &AtomicBool::new(false)).unwrap();
    let first = |sketch: fingerprint::Sketch| [sketch[0], sketch[1], sketch[15]];
    assert_eq!(first(sketch.sketch_raw), [-0.7460149311757487, -0.27052235393694063, 0.18639446465719334]);
    assert_eq!(first(sketch.sketch_function), [-1.0795967096982169, -0.43070158418275967, 5.280874555631269]);
    let canonical = sketch.sketch_canonical.unwrap();
    let pinned = [-0.2624901763194547, -3.4087455595584806, 4.607800090829487];
    assert_eq!([canonical[0], canonical[1], canonical[31]], pinned);
}

#[test]
fn every_level_polishes_to_the_same_bits() {
    let never = AtomicBool::new(false);
    for (case, seed) in [(Case::moons(), 3), (Case::xor(), 4)] {
        let end = case.xavier(&mut ChaCha8Rng::seed_from_u64(seed));
        let problem = case.problem(None);
        let levels = [Level::Baseline, Level::Avx2, Level::Avx512].into_iter().filter_map(Lanes::force);
        let ends: Vec<_> = levels
            .map(|lanes| polish::polish(&mut Surface::on(&problem, lanes, &never), &end, BUDGET).unwrap())
            .collect();
        for (polish, theta) in &ends {
            assert_eq!(polish.certificate, Certificate::Minimum);
            assert_eq!((polish, theta), (&ends[0].0, &ends[0].1));
        }
    }
}
