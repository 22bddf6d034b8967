//! Certificates without a dense Hessian.

use super::*;
use crate::minima::certificate;

fn mix(samples: u32, classes: u32, dims: u32) -> DataSource {
    DataSource::GaussMix { samples, classes, dims, radius: 2.0 }
}

fn moons(width: u32) -> Case {
    Case::new(
        DataSource::Moons { samples: 64, noise: 0.0 },
        &[2, width, 1],
        Activation::Tanh,
        Loss::Mse,
        1e-3,
    )
}

#[test]
fn lanczos_and_the_dense_solver_agree_on_networks_of_50_to_300_parameters() {
    // as PyHessian's largest eigenvalue is checked against the full spectrum, at both ends
    let deep = |layers: &[u32]| Case::new(mix(100, 3, 4), layers, Activation::Tanh, Loss::CrossEntropy, 1e-2);
    let cases = [
        (moons(16), false),
        (moons(30), true),
        (deep(&[4, 12, 3]), false),
        (deep(&[4, 8, 8, 3]), false),
        (deep(&[4, 12, 12, 3]), true),
        (deep(&[4, 36, 3]), false),
    ];
    let never = AtomicBool::new(false);
    for (case, is_constant) in cases {
        let mut start = case.xavier(&mut ChaCha8Rng::seed_from_u64(0));
        if is_constant {
            start.fill(0.1);
        }
        let (polish, theta) = polished(&case, &start, BUDGET);
        assert!((50..=300).contains(&theta.len()));
        let expected = if is_constant { Certificate::Saddle } else { Certificate::Minimum };
        assert_eq!(polish.certificate, expected, "{:?}: {polish:?}", case.network);
        let mut surface = Surface::new(&case.problem(None), &never);
        let found = certificate::judge_ends(&mut surface, &theta).unwrap().unwrap();
        assert_eq!(found.certificate, expected, "{:?}: {found:?}", case.network);
        for (found, dense) in [(found.lambda_min, polish.lambda_min), (found.lambda_max, polish.lambda_max)] {
            assert!((found / dense - 1.0).abs() < 0.01, "{:?}: {found} instead of {dense}", case.network);
        }
    }
}

#[test]
fn networks_beyond_the_dense_hessian_are_certified() {
    // 629 and 505 parameters
    let case = Case::new(mix(200, 5, 20), &[20, 24, 5], Activation::Tanh, Loss::CrossEntropy, 1e-2);
    let polish = case.finish(&case.xavier(&mut ChaCha8Rng::seed_from_u64(0)), BUDGET).polish.unwrap();
    assert_eq!(polish.certificate, Certificate::Minimum);
    assert!(polish.grad_max <= 1e-10 && polish.displacement > 0.0, "{polish:?}");
    assert!(polish.lambda_min > 1e-4 && polish.lambda_max > 0.5, "{polish:?}");
    let constant = moons(126);
    let (polish, theta) = polished(&constant, &[0.1; 505], BUDGET);
    assert_eq!(polish.certificate, Certificate::Saddle);
    assert!(polish.lambda_min < -1e-5, "{polish:?}");
    assert!(theta[..252].chunks(2).all(|row| row == &theta[..2]), "units stay equal");
}

#[test]
fn null_directions_that_symmetries_explain_are_projected_out() {
    // a linear network without l2 has 105 parameters' worth of function in 629
    let case = Case::new(mix(200, 5, 20), &[20, 24, 5], Activation::Identity, Loss::Mse, 0.0);
    let polish = case.finish(&case.xavier(&mut ChaCha8Rng::seed_from_u64(0)), BUDGET).polish.unwrap();
    assert_eq!(polish.certificate, Certificate::Flat, "{polish:?}");
    assert!(polish.lambda_min > 1e-3, "{polish:?}");
    assert_eq!((polish.null_directions, polish.explained), (Some(524), Some(524)));
}

#[test]
fn null_directions_that_nothing_explains_are_not_certified_at_any_size() {
    // 505 parameters on 64 rows, no l2: a surface of many dimensions
    let moons = DataSource::Moons { samples: 64, noise: 0.0 };
    let case = Case::new(moons, &[2, 126, 1], Activation::Tanh, Loss::Mse, 0.0);
    let polish = case.finish(&case.xavier(&mut ChaCha8Rng::seed_from_u64(0)), 300).polish.unwrap();
    assert!(matches!(polish.certificate, Certificate::NotConverged | Certificate::Saddle), "{polish:?}");
    assert_eq!(polish.null_directions, None, "nobody counted");
}

/// `SEEDSWEEP_TEST_THOROUGH=1 cargo test -p seedsweep-worker --lib fifty_thousand -- --nocapture`: a minute on a busy machine.
#[test]
fn fifty_thousand_parameters_are_certified() {
    if std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_none() {
        return;
    }
    let case = Case::new(mix(500, 10, 784), &[784, 64, 10], Activation::Tanh, Loss::CrossEntropy, 1e-2);
    let started = std::time::Instant::now();
    let polish = case.finish(&case.xavier(&mut ChaCha8Rng::seed_from_u64(0)), BUDGET).polish.unwrap();
    println!("{:.1} s: {polish:?}", started.elapsed().as_secs_f64());
    assert_eq!(polish.certificate, Certificate::Minimum);
}
