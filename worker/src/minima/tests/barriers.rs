//! Barriers between minima, and between a network and its copies.

use seedsweep_common::spec::{ReluSum, SumOutput, SumScale};

use super::*;
use crate::minima::barrier::Losses;
use crate::minima::canonical::tests::image;

fn found(case: &Case, a: &[f64], b: &[f64]) -> Between {
    between(&case.problem(None), a, b, &AtomicBool::new(false)).unwrap()
}

/// The same without alignment.
fn unaligned(case: &Case, a: &[f64], b: &[f64]) -> Between {
    let never = AtomicBool::new(false);
    Losses::new(&case.problem(None), &never).along(a, b).unwrap()
}

fn with_loss(activation: Activation, layers: &[u32], l2: f64) -> Case {
    Case::new(DataSource::Moons { samples: 64, noise: 0.0 }, layers, activation, Loss::Mse, l2)
}

#[test]
fn a_network_has_no_barrier_to_its_copies_although_they_lie_apart() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for activation in
        [Activation::Tanh, Activation::Sigmoid, Activation::Relu, Activation::LeakyRelu, Activation::Gelu]
    {
        for layers in [&[2, 8, 1][..], &[2, 6, 5, 1]] {
            // what a penalty leaves of the symmetries: not scales, not reflections of a sigmoid
            let penalties: &[f64] = match activation {
                Activation::Tanh | Activation::Gelu => &[0.0, 1e-3],
                _ => &[0.0],
            };
            for &l2 in penalties {
                let case = with_loss(activation, layers, l2);
                let mut apart: f64 = 0.0;
                for _ in 0..4 {
                    let start = case.xavier(&mut rng);
                    let theta = descend(&case, start, 0.1, 300);
                    let copy = image(&case.network, &theta, &mut rng);
                    let Between { loss_a, loss_b, height } = found(&case, &theta, &copy);
                    assert!(height < 1e-9, "{activation:?} {layers:?} {l2}: {height}");
                    assert!(
                        (loss_a - loss_b).abs() < 1e-12 && (loss_a - loss_at(&case, &theta)).abs() < 1e-12
                    );
                    apart = apart.max(unaligned(&case, &theta, &copy).height);
                }
                println!("{activation:?} {layers:?} {l2}: up to {apart} without alignment");
                assert!(apart > 0.03, "{activation:?} {layers:?} {l2}: {apart}");
            }
        }
    }
}

#[test]
fn permuted_copies_are_found_where_a_penalty_leaves_no_more() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for activation in [Activation::Relu, Activation::Sigmoid] {
        let case = with_loss(activation, &[2, 8, 1], 1e-3);
        let start = case.xavier(&mut rng);
        let theta = descend(&case, start, 0.1, 300);
        // the units in reverse
        let mut copy = theta.clone();
        for unit in 0..8 {
            let other = 7 - unit;
            (0..2).for_each(|k| copy[2 * unit + k] = theta[2 * other + k]);
            copy[16 + unit] = theta[16 + other];
            copy[24 + unit] = theta[24 + other];
        }
        assert!(found(&case, &theta, &copy).height < 1e-9, "{activation:?}");
        let without = unaligned(&case, &theta, &copy).height;
        assert!(without > 1e-6, "{activation:?}: {without}");
    }
}

#[test]
fn the_two_minima_of_moons_are_parted_by_a_barrier() {
    // our own prototype: losses 0.042470950 and 0.354586916
    let case = Case::moons();
    let mut minima: [Vec<Vec<f64>>; 2] = [vec![], vec![]];
    for seed in 0..25 {
        let (polish, theta) = polished(&case, &moons_end(&case, seed), BUDGET);
        minima[usize::from(polish.loss > 0.2)].push(theta);
    }
    assert!(minima.iter().all(|minima| !minima.is_empty()), "{minima:?}");
    let (low, high) = (&minima[0][0], &minima[1][0]);
    let Between { loss_a, loss_b, height } = found(&case, low, high);
    println!("{loss_a} and {loss_b}: {height}");
    assert!((loss_a - 0.042_470_950).abs() < 1e-8 && (loss_b - 0.354_586_916).abs() < 1e-8);
    assert!((height - 0.263_67).abs() < 1e-5, "{height}");
    // copies of one minimum have none, however far apart training left them
    let largest = |heights: &mut dyn Iterator<Item = f64>| heights.fold(0.0_f64, f64::max);
    let within = largest(&mut minima[0].iter().map(|other| found(&case, low, other).height));
    let apart = largest(&mut minima[0].iter().map(|other| unaligned(&case, low, other).height));
    println!("copies: {within}, {apart} without alignment");
    assert!(within < 1e-9 && apart > 0.1, "{within} {apart}");
}

#[test]
fn barriers_are_the_same_in_both_directions() {
    // with one hidden layer the matching is exact, so up to rounding; with more it is the best of five found from where
    // it begins, which need not be the same: pairs are therefore always measured from the smaller trial to the larger
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Relu] {
        let case = with_loss(activation, &[2, 7, 1], 0.0);
        let mut highest: f64 = 0.0;
        for _ in 0..10 {
            let [a, b] = [0; 2].map(|_| {
                let start = case.xavier(&mut rng);
                descend(&case, start, 0.1, 100)
            });
            let (there, back) = (found(&case, &a, &b), found(&case, &b, &a));
            assert!((there.height - back.height).abs() < 1e-12, "{there:?} {back:?}");
            assert!((there.loss_a - back.loss_b).abs() < 1e-12);
            highest = highest.max(there.height);
        }
        assert!(highest > 1e-3, "{highest}");
    }
}

/// A sum of relus on `source`.
pub(super) fn of_sum(source: DataSource, inputs: u32, units: u32, output: SumOutput, loss: Loss) -> Case {
    let sum = ReluSum { inputs, units, output, scale: SumScale::One };
    let spec = spec::Network::ReluSum(sum);
    let data = Data { source, test_fraction: 0.0, standardize: false };
    let dataset = data::load(&data, &spec, loss, 2026, 0, &|_| None).unwrap();
    let network = Network::new(&spec);
    let probes = Probes::new(&network, &dataset);
    Case { network, dataset, loss, l2: 0.0, probes }
}

#[test]
fn sums_of_relus_are_matched_within_equal_signs() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut draw =
        |count: usize| -> Vec<f64> { (0..count).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect() };
    let teacher = DataSource::TeacherPopulation { teacher_units: 4 };
    let population = of_sum(teacher, 4, 4, SumOutput::Ones, Loss::Population);
    // the teacher itself, its units turned round
    let exact: Vec<f64> = (0..16).map(|i| f64::from(i % 5 == 0)).collect();
    let turned: Vec<f64> = exact.chunks(4).rev().flatten().copied().collect();
    let none = found(&population, &exact, &turned);
    assert!(none.loss_a.abs() < 1e-12 && none.height < 1e-12, "{none:?}");
    assert!(unaligned(&population, &exact, &turned).height > 0.01);

    let source = DataSource::Moons { samples: 16, noise: 0.0 };
    let signed = of_sum(source, 2, 5, SumOutput::RandomSigns, Loss::Mse);
    let theta = [draw(10), vec![1.0, -1.0, 1.0, 1.0, -1.0]].concat();
    // units 0 and 3, and 1 and 4, change places
    let mut copy = theta.clone();
    for (i, j) in [(0, 3), (1, 4)] {
        (0..2).for_each(|k| copy.swap(2 * i + k, 2 * j + k));
    }
    assert!(found(&signed, &theta, &copy).height < 1e-12);
    // other signs are another surface: there is no way
    let mut other = theta.clone();
    other[10] = -1.0;
    let none = found(&signed, &theta, &other);
    assert!(none.height == f64::INFINITY && none.loss_b.is_finite(), "{none:?}");
}

#[test]
fn a_cancelled_measurement_says_nothing() {
    let case = Case::moons();
    let theta = case.xavier(&mut ChaCha8Rng::seed_from_u64(5));
    let cancelled = AtomicBool::new(true);
    assert_eq!(between(&case.problem(None), &theta, &theta, &cancelled), None);
}
