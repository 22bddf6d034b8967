//! Null directions: counted, and explained by symmetries.

use seedsweep_common::outcome::Symmetry::{
    self, DeadUnit, InputRotation, LogitShift, UnitCopy, UnitScale, UnseenWeight,
};
use seedsweep_common::spec::SumOutput;

use super::barriers::of_sum;
use super::*;
use crate::minima::certificate::{self, Verdict};
use crate::minima::explain::explain;
use crate::minima::symmetry::proposed;

fn moons_of(width: u32, activation: Activation, l2: f64) -> Case {
    let moons = DataSource::Moons { samples: 64, noise: 0.1 };
    Case::new(moons, &[2, width, 1], activation, Loss::Mse, l2)
}

/// The network of two relu units on the moons, at a flat minimum where both are alive.
fn flat_relu() -> (Case, Vec<f64>) {
    let case = moons_of(2, Activation::Relu, 0.0);
    let end = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let start = case.xavier(&mut rng);
        let (polish, theta) = polished(&case, &case.train(start, &mut rng, 4, 0.05, 50), BUDGET);
        let scales = (UnitScale, 2);
        let is_alive = polish.null_space.is_some_and(|found| found.explained_by.first() == Some(&scales));
        (polish.certificate == Certificate::Flat && is_alive).then_some(theta)
    };
    let theta = (0..20).find_map(end).expect("one of twenty is flat and alive");
    (case, theta)
}

/// A 2-2-1 network among `width` units, of which the others have these weights, bias and outgoing weight.
fn embedded(theta: &[f64], width: usize, others: [f64; 4]) -> Vec<f64> {
    let [a, b, bias, out] = others;
    let mut wide = theta[..4].to_vec();
    (2..width).for_each(|_| wide.extend([a, b]));
    wide.extend(&theta[4..6]);
    wide.resize(3 * width, bias);
    wide.extend(&theta[6..8]);
    wide.resize(4 * width, out);
    wide.push(theta[8]);
    wide
}

fn whole(case: &Case, theta: &[f64]) -> Verdict {
    let never = AtomicBool::new(false);
    certificate::judge_whole(&mut Surface::new(&case.problem(None), &never), theta).unwrap().unwrap()
}

fn ends(case: &Case, theta: &[f64]) -> Verdict {
    let never = AtomicBool::new(false);
    certificate::judge_ends(&mut Surface::new(&case.problem(None), &never), theta).unwrap().unwrap()
}

fn by(verdict: &Verdict) -> Vec<(Symmetry, u32)> {
    verdict.null_space.clone().unwrap().explained_by
}

#[test]
fn a_dead_unit_adds_its_parameters() {
    let (case, theta) = flat_relu();
    let without = whole(&case, &theta);
    assert!(without.null_directions.unwrap() >= 2 && without.explained == without.null_directions);
    let three = moons_of(3, Activation::Relu, 0.0);
    let with = embedded(&theta, 3, [0.1, -0.2, -50.0, 0.7]);
    for verdict in [whole(&three, &with), ends(&three, &with)] {
        assert_eq!(verdict.certificate, Certificate::Flat);
        assert_eq!(verdict.null_directions, without.null_directions.map(|count| count + 4));
        assert_eq!(verdict.explained, verdict.null_directions);
        assert_eq!(by(&verdict), [vec![(DeadUnit, 4)], by(&without)].concat());
        assert!(by(&verdict).contains(&(UnitScale, 2)), "{verdict:?}");
    }
}

#[test]
fn beyond_the_dense_hessian_every_explained_direction_is_counted() {
    // 521 parameters: 128 dead units
    let (case, theta) = flat_relu();
    let without = whole(&case, &theta).null_directions.unwrap();
    let wide = moons_of(130, Activation::Relu, 0.0);
    let polish = wide.finish(&embedded(&theta, 130, [0.1, -0.2, -50.0, 0.7]), BUDGET).polish.unwrap();
    assert_eq!(polish.certificate, Certificate::Flat, "{polish:?}");
    assert_eq!((polish.null_directions, polish.explained), (Some(512 + without), Some(512 + without)));
    let found = polish.null_space.unwrap();
    assert_eq!((found.at_least, found.explained_by[0]), (512 + without, (DeadUnit, 512)));
}

#[test]
fn weights_that_decay_have_no_free_scale() {
    let (case, theta) = flat_relu();
    let never = AtomicBool::new(false);
    for (l2, is_free) in [(0.0, true), (1e-3, false), (1e-12, true)] {
        let decayed = Case { l2, ..moons_of(2, Activation::Relu, l2) };
        let problem = decayed.problem(None);
        let mut surface = Surface::new(&problem, &never);
        // proposed in spite of l2: the products tell
        let proposals = proposed(&surface, &theta, true).unwrap();
        let zero = 1e-6 * whole(&case, &theta).lambda_max;
        let times = |x: &[f64]| surface.hessian_times(&theta, x);
        let found = explain(&proposals, theta.len(), zero, usize::MAX, times).unwrap();
        assert_eq!(found.by.contains(&(UnitScale, 2)), is_free, "{l2}: {:?}", found.by);
        assert_eq!(found.span.dimension() > 0, is_free, "{l2}");
    }
}

#[test]
fn logits_shift_and_tanh_units_leave_nothing_flat() {
    let mix = DataSource::GaussMix { samples: 60, classes: 3, dims: 2, radius: 1.0 };
    let softmax = Case::new(mix, &[2, 3], Activation::Tanh, Loss::CrossEntropy, 0.0);
    let (polish, theta) = polished(&softmax, &[0.1; 9], BUDGET);
    assert_eq!(polish.certificate, Certificate::Flat);
    for verdict in [whole(&softmax, &theta), ends(&softmax, &theta)] {
        assert_eq!((verdict.certificate, verdict.null_directions), (Certificate::Flat, Some(3)));
        assert_eq!(by(&verdict), [(LogitShift, 3)]);
    }
    let tanh = Case::moons();
    let (_, theta) = polished(&tanh, &moons_end(&tanh, 0), BUDGET);
    for verdict in [whole(&tanh, &theta), ends(&tanh, &theta)] {
        assert_eq!((verdict.certificate, verdict.null_directions), (Certificate::Minimum, Some(0)));
        assert_eq!(verdict.null_space, Some(Default::default()));
    }
}

/// A teacher of k orthogonal units and a student of one more, which shares a teacher's unit with another. To second order
/// the two may exchange any vector, so that there are as many null directions as inputs; only along their own direction
/// is that a symmetry: elsewhere the loss grows with the third power, and the certificate claims nothing.
#[test]
fn two_units_that_share_a_teachers_unit_have_as_many_null_directions_as_inputs() {
    for k in [3_u32, 5, 8] {
        let teacher = DataSource::TeacherPopulation { teacher_units: k };
        let case = of_sum(teacher, k, k + 1, SumOutput::Ones, Loss::Population);
        let n = k as usize;
        let mut theta: Vec<f64> = (0..n * n).map(|i| f64::from(i % (n + 1) == 0)).collect();
        theta[0] = 0.3;
        theta.extend((0..n).map(|i| if i == 0 { 0.7 } else { 0.0 }));
        let verdict = whole(&case, &theta);
        assert_eq!(verdict.null_directions, Some(k), "{verdict:?}");
        assert_eq!(by(&verdict), [(UnitCopy, 1)]);
        assert_eq!(verdict.certificate, Certificate::NotConverged);
        // the ends alone: one is explained, and a start sees the others as one, or as more by rounding
        let verdict = ends(&case, &theta);
        assert_eq!((verdict.null_directions, verdict.explained), (None, Some(1)), "{verdict:?}");
        let at_least = verdict.null_space.unwrap().at_least;
        assert!((2..=k).contains(&at_least), "{k}: {at_least}");
    }
}

#[test]
fn inputs_that_a_teacher_does_not_look_at_turn() {
    let case =
        of_sum(DataSource::TeacherPopulation { teacher_units: 2 }, 5, 3, SumOutput::Ones, Loss::Population);
    let never = AtomicBool::new(false);
    let problem = case.problem(None);
    let mut surface = Surface::new(&problem, &never);
    let theta: Vec<f64> = (0..15).map(|i| (1.7 * f64::from(i)).sin()).collect();
    let found = proposed(&surface, &theta, false).unwrap();
    let [(InputRotation, rotations)] = &found[..] else { panic!("{found:?}") };
    let gradient = surface.at(theta).unwrap().gradient;
    assert_eq!(rotations.len(), 3);
    for rotation in rotations {
        let slope: f64 = rotation.iter().map(|(at, value)| value * gradient[*at]).sum();
        assert!(slope.abs() < 1e-14 && rotation.iter().any(|(_, value)| value.abs() > 0.1), "{slope:e}");
    }
}

#[test]
fn rows_leave_the_weights_of_a_sum_free_but_not_its_signs() {
    let source = || DataSource::Moons { samples: 16, noise: 0.1 };
    for units in [40_u32, 260] {
        let case = of_sum(source(), 2, units, SumOutput::RandomSigns, Loss::Mse);
        let end = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut theta: Vec<f64> = (0..2 * units).map(|_| rng.random::<f64>() - 0.5).collect();
            theta.extend((0..units).map(|unit| if unit % 2 == 0 { 1.0 } else { -1.0 }));
            let polish = case.finish(&theta, BUDGET).polish.unwrap();
            (polish.certificate == Certificate::Flat).then_some(polish)
        };
        // others end on a kink
        let polish = (0..10).find_map(end).expect("one of ten is flat");
        let found = polish.null_space.unwrap();
        assert_eq!(found.explained_by, [(UnseenWeight, found.at_least)]);
        assert!((2 * units - 16..2 * units).contains(&found.at_least), "{units}: {}", found.at_least);
        let counted = if units == 40 { Some(found.at_least) } else { None };
        assert_eq!((polish.null_directions, polish.explained), (counted, Some(found.at_least)));
    }
}

#[test]
fn null_directions_stay_under_random_scales_and_permutations() {
    let (_, small) = flat_relu();
    let case = moons_of(3, Activation::Relu, 0.0);
    let theta = embedded(&small, 3, [0.1, -0.2, -50.0, 0.7]);
    let expected = whole(&case, &theta);
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order = [0, 1, 2];
        (1..3).rev().for_each(|i| order.swap(i, rng.random_range(0..=i)));
        let mut image = theta.clone();
        for (to, &from) in order.iter().enumerate() {
            let scale = 0.5 + rng.random::<f64>();
            (0..2).for_each(|k| image[2 * to + k] = scale * theta[2 * from + k]);
            image[6 + to] = scale * theta[6 + from];
            image[9 + to] = theta[9 + from] / scale;
        }
        for verdict in [whole(&case, &image), ends(&case, &image)] {
            assert_eq!(verdict.certificate, expected.certificate, "seed {seed}: {verdict:?}");
            assert_eq!(verdict.null_directions, expected.null_directions, "seed {seed}: {verdict:?}");
            assert_eq!(verdict.null_space, expected.null_space, "seed {seed}");
        }
    }
}
