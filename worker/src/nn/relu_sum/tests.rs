//! The population loss against published and closed values, finite differences and dual numbers; rows against a plain
//! loop. Constants without another source are our own prototype's (C, f64), rerun by anyone from the formula.

use std::f64::consts::PI;

use super::angle::{self, Angle};
use super::*;
use seedsweep_common::spec::Loss;

use crate::nn::network::{Batch, Network, Workspace as Buffers};
use crate::nn::scalar::Dual;

fn sum(inputs: u32, units: u32, output: SumOutput, scale: SumScale) -> Network {
    Network::new(&spec::ReluSum { inputs, units, output, scale }.into())
}

fn student(k: u32) -> Network {
    sum(k, k, SumOutput::Ones, SumScale::One)
}

/// Loss and gradient on the population with k teachers.
fn at<S: Scalar>(network: &Network, k: usize, theta: &[S], gradient: &mut [S]) -> S {
    let features = vec![S::ZERO; k * network.input_width()];
    let targets = vec![S::ONE; k];
    let batch = Batch { features: &features, targets: &targets };
    let mut buffers: Buffers<S> = network.workspace();
    network.loss_and_gradient(theta, &batch, Loss::Population, 0.0, &mut buffers, gradient)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum: f64, x| x.mul_add(*x, sum)).sqrt()
}

/// Gradient descent with step .1: the losses at `looks`, and the step and loss where ‖gradient‖ < 1e-9.
fn descend(k: usize, theta: &mut [f64], looks: &[u64]) -> (Vec<f64>, u64, f64) {
    let network = student(k as u32);
    let mut gradient = vec![0.0; k * k];
    let mut seen = Vec::new();
    for step in 0.. {
        let loss = at(&network, k, theta, &mut gradient);
        if looks.contains(&step) {
            seen.push(loss);
        }
        if norm(&gradient) < 1e-9 {
            return (seen, step, loss);
        }
        theta.iter_mut().zip(&gradient).for_each(|(w, g)| *w = (-0.1_f64).mul_add(*g, *w));
    }
    unreachable!("it converges")
}

fn sines(k: usize) -> Vec<f64> {
    (0..k * k).map(|i| (1.0 + i as f64).sin() / (k as f64).sqrt()).collect()
}

/// T(6, 6) and T(10, 10) from w_ij = sin(1 + k·i + j)/√k.
#[test]
fn golden_trajectories_are_walked() {
    let looks = [0, 1, 10, 100, 1000];
    for (k, losses, gradient, steps) in [
        (6, [3.253833057003, 2.557421127044, 0.737519898199, 0.127784149445, 9.0352e-8], 2.794877862, 2289),
        (
            10,
            [2.937330012955, 2.296108406704, 1.138237948667, 0.320144955296, 3.130359e-6],
            2.628108091,
            2485,
        ),
    ] {
        let mut theta = sines(k);
        let mut first = vec![0.0; k * k];
        at(&student(k as u32), k, &theta, &mut first);
        assert!((norm(&first) - gradient).abs() < 1e-9, "{k}: {}", norm(&first));
        let (seen, stopped, loss) = descend(k, &mut theta, &looks);
        for (step, (seen, expected)) in looks.into_iter().zip(seen.iter().zip(losses)) {
            // the last of each is given to fewer digits than the others
            let tolerance = if step == 1000 { 1e-5 } else { 1e-9 };
            assert!((seen / expected - 1.0).abs() < tolerance, "{k} at {step}: {seen} {expected}");
        }
        assert!(stopped.abs_diff(steps) <= 1, "{k}: {stopped}");
        assert!(loss.abs() < 1e-12, "{k}: {loss:e}");
    }
}

/// p = (sin θ + (π − θ)/√k)/2π at θ = acos(1/√k): each weight is 2p/√k and F = ½(k/2 + k(k − 1)/2π) − k²p².
#[test]
fn equal_weights_end_on_the_saddle_in_closed_form() {
    for (k, known, steps) in [(6, 1.171273148, None), (10, 3.598655711, Some(35)), (20, 16.04586652, None)] {
        let root = f64::from(k).sqrt();
        let angle = (1.0 / root).acos();
        let p = (angle.sin() + (PI - angle) / root) / (2.0 * PI);
        let closed =
            0.5 * (f64::from(k) / 2.0 + f64::from(k * (k - 1)) / (2.0 * PI)) - f64::from(k * k) * p * p;
        let k = k as usize;
        let mut theta = vec![0.5; k * k];
        let (_, stopped, loss) = descend(k, &mut theta, &[]);
        assert!((loss - closed).abs() < 1e-12 * closed, "{k}: {loss} {closed}");
        assert!((loss / known - 1.0).abs() < 1e-9, "{k}: {loss}");
        assert!(steps.is_none_or(|steps| steps == stopped), "{k}: {stopped}");
        assert!(theta.iter().all(|w| (w - 2.0 * p / root).abs() < 1e-9));
        // one distinct unit, by bits
        assert!(theta.chunks_exact(k).all(|unit| unit == &theta[..k]));
    }
}

/// The weight of the saddle at which all weights are equal.
fn equal_weight(k: usize) -> f64 {
    let root = (k as f64).sqrt();
    let angle = (1.0 / root).acos();
    (angle.sin() + (PI - angle) / root) / (PI * root)
}

/// All (k − 1)² ways to move units against each other and axes against each other at once go down: 25, 49 and 81 of a
/// prototype's differences of the gradient.
#[test]
fn the_equal_saddle_has_as_many_ways_down_as_known() {
    for (k, ways) in [(6, 25), (8, 49), (10, 81)] {
        let (network, n) = (student(k as u32), k * k);
        let mut hessian = ndarray::Array2::zeros((n, n));
        for (column, mut products) in hessian.columns_mut().into_iter().enumerate() {
            let slope = |at: usize| f64::from(u8::from(at == column));
            let theta: Vec<Dual> =
                (0..n).map(|at| Dual { value: equal_weight(k), slope: slope(at) }).collect();
            let mut gradient = vec![Dual::ZERO; n];
            at(&network, k, &theta, &mut gradient);
            products.iter_mut().zip(&gradient).for_each(|(product, g)| *product = g.slope);
        }
        let hessian = (&hessian + &hessian.t()) * 0.5;
        let values = crate::minima::eigen::values(&hessian).unwrap();
        assert_eq!(values.iter().filter(|value| **value < -1e-9).count(), ways, "{k}: {values:?}");
        assert_eq!(ways, (k - 1) * (k - 1));
    }
}

/// λ_min is −3.406 at k = 10, so descent of step .1 multiplies noise by 1.34 each step: a prototype's 1e-14 is 1 after some
/// 110 of them.
#[test]
fn noise_on_equal_weights_grows_by_a_third_each_step() {
    let (k, network) = (10, student(10));
    let mut theta = vec![equal_weight(k); k * k];
    theta.iter_mut().zip(sines(k)).for_each(|(w, noise)| *w += 1e-14 * noise);
    let mut gradient = vec![0.0; k * k];
    let spreads: Vec<f64> = (0..80)
        .map(|_| {
            at(&network, k, &theta, &mut gradient);
            theta.iter_mut().zip(&gradient).for_each(|(w, g)| *w = (-0.1_f64).mul_add(*g, *w));
            let least = theta.iter().copied().fold(f64::INFINITY, f64::min);
            theta.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least
        })
        .collect();
    // where the other ways have been left behind and this one is not yet long
    assert!(spreads[59] > 1e-11 && spreads[79] < 1e-3, "{spreads:?}");
    let growth = (spreads[79] / spreads[59]).powf(1.0 / 20.0);
    assert!((growth - 1.340_6).abs() < 5e-4, "{growth}");
    assert!((1e14_f64.ln() / growth.ln() - 110.0).abs() < 1.0, "{growth}");
}

/// Where the loss vanishes its digits cancel; what is left is rounding.
#[test]
fn at_the_teacher_the_loss_and_the_gradient_are_rounding() {
    for k in [1, 2, 6, 10, 25] {
        let mut theta: Vec<f64> =
            (0..k * k).map(|i| if i / k == (i % k + 1) % k { 1.0 } else { 0.0 }).collect();
        let mut gradient = vec![0.0; k * k];
        let loss = at(&student(k as u32), k, &theta, &mut gradient);
        assert!(loss.abs() <= 1e-15 * (k * k) as f64, "{k}: {loss:e}");
        assert!(gradient.iter().all(|g| g.abs() <= 1e-15 * k as f64), "{k}: {gradient:?}");
        // a change δ moves the gradient by the Hessian, exactly λ_max of about k/4 along all units at once
        theta.iter_mut().for_each(|w| *w += 1e-9);
        at(&student(k as u32), k, &theta, &mut gradient);
        let moved = norm(&gradient);
        assert!((1e-10..1e-8 * k as f64 * k as f64).contains(&moved), "{k}: {moved:e}");
    }
}

/// Points of all kinds: anywhere, near the teacher, units parallel, opposite, equal and at 0.
fn points() -> Vec<Vec<f64>> {
    let anywhere: Vec<f64> = (0..20).map(|i| (1.0 + 1.7 * f64::from(i)).sin()).collect();
    let near: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i % 6 == 0)) + 1e-7 * anywhere[i]).collect();
    let mut special = anywhere.clone();
    special[..5].copy_from_slice(&[0.0, 2.0, 0.0, 0.0, 0.0]);
    special[5..10].copy_from_slice(&[0.0, 0.0, -0.5, 0.0, 0.0]);
    let twin: Vec<f64> = special[10..15].iter().map(|w| 2.0 * w).collect();
    special[15..20].copy_from_slice(&twin);
    vec![anywhere, near, special]
}

/// Four units of five inputs against three teachers.
fn narrow() -> Network {
    sum(5, 4, SumOutput::Ones, SumScale::One)
}

#[test]
fn gradient_is_the_slope_of_the_loss() {
    let network = narrow();
    for theta in points() {
        let (mut gradient, mut ignored) = (vec![0.0; 20], vec![0.0; 20]);
        at(&network, 3, &theta, &mut gradient);
        for i in 0..20 {
            let mut beside = |step: f64| {
                let mut theta = theta.clone();
                theta[i] += step;
                at(&network, 3, &theta, &mut ignored)
            };
            let step = 1e-5;
            let slope = (beside(step) - beside(-step)) / (2.0 * step);
            assert!((slope - gradient[i]).abs() < 1e-9, "{i}: {slope} {}", gradient[i]);
        }
    }
}

#[test]
fn dual_numbers_carry_the_slope_and_the_hessian() {
    let network = narrow();
    for theta in points() {
        let direction: Vec<f64> = (0..20).map(|i| (0.3 + 2.1 * f64::from(i)).cos()).collect();
        let dual: Vec<Dual> =
            theta.iter().zip(&direction).map(|(&value, &slope)| Dual { value, slope }).collect();
        let mut duals = vec![Dual::ZERO; 20];
        let loss = at(&network, 3, &dual, &mut duals);
        let mut gradient = vec![0.0; 20];
        assert_eq!(at(&network, 3, &theta, &mut gradient).to_bits(), loss.value.to_bits());
        let slope = gradient.iter().zip(&direction).fold(0.0, |sum, (g, d)| sum + g * d);
        assert!((loss.slope - slope).abs() < 1e-12 * norm(&gradient).max(1.0), "{} {slope}", loss.slope);
        let beside = |step: f64| {
            let theta: Vec<f64> = theta.iter().zip(&direction).map(|(w, d)| step.mul_add(*d, *w)).collect();
            let mut gradient = vec![0.0; 20];
            at(&network, 3, &theta, &mut gradient);
            gradient
        };
        let (ahead, behind) = (beside(1e-5), beside(-1e-5));
        for i in 0..20 {
            assert_eq!(duals[i].value.to_bits(), gradient[i].to_bits());
            let slope = (ahead[i] - behind[i]) / 2e-5;
            // at a meeting of directions the Hessian has a corner of the size of the step
            assert!((duals[i].slope - slope).abs() < 1e-5, "{i}: {} {slope}", duals[i].slope);
        }
    }
}

#[test]
fn a_unit_at_zero_is_off_and_disturbs_nobody() {
    let network = narrow();
    let mut theta = points()[0].clone();
    theta[5..10].fill(0.0);
    let mut gradient = vec![0.0; 20];
    let loss = at(&network, 3, &theta, &mut gradient);
    assert_eq!(gradient[5..10], [0.0; 5]);
    let without: Vec<f64> = theta[..5].iter().chain(&theta[10..]).copied().collect();
    let mut rest = vec![0.0; 15];
    let three = at(&sum(5, 3, SumOutput::Ones, SumScale::One), 3, &without, &mut rest);
    assert!((loss - three).abs() < 1e-15);
    assert!(gradient[..5].iter().chain(&gradient[10..]).zip(&rest).all(|(a, b)| (a - b).abs() < 1e-15));
}

#[test]
fn what_is_not_finite_stays_so() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut theta = points()[0].clone();
        theta[7] = bad;
        let mut gradient = vec![0.0; 20];
        assert!(!at(&narrow(), 3, &theta, &mut gradient).is_finite());
        assert!(gradient[5..10].iter().all(|g| g.is_nan()), "{bad}: {gradient:?}");
    }
}

fn measured(square: f64) -> Angle<f64> {
    let mut angle = [Angle::of_chord(square)];
    angle::measure(&mut angle);
    angle[0]
}

#[test]
fn angles_are_exact_where_they_vanish_and_careful_everywhere() {
    let none = measured(0.0);
    assert_eq!((none.sine, none.cosine, none.supplement), (0.0, 1.0, PI));
    let straight = measured(4.0);
    assert_eq!((straight.sine, straight.cosine, straight.supplement), (0.0, -1.0, 0.0));
    let beyond = measured(4.0 + 4.0 * f64::EPSILON);
    assert!(beyond.sine.abs() < 1e-15 && beyond.supplement.abs() < 1e-15, "{beyond:?}");
    for i in 1..100_000 {
        let angle = PI * f64::from(i) / 100_000.0;
        let found = measured(4.0 * (angle / 2.0).sin().powi(2));
        // what rounding of the square alone makes of the angle
        let slack = 4e-16 * (1.0 + (angle / 2.0).tan());
        assert!((found.supplement - (PI - angle)).abs() < 2.0 * slack, "{angle}");
        assert!((found.sine - angle.sin()).abs() < 2.0 * slack, "{angle}");
        assert!((found.cosine - angle.cos()).abs() < 4e-16, "{angle}");
    }
    for exponent in 1..150 {
        let angle = 10.0_f64.powi(-exponent);
        let found = measured(4.0 * (angle / 2.0).sin().powi(2));
        assert!((found.sine / angle.sin() - 1.0).abs() < 4e-16, "{angle:e}");
    }
}

/// Sine and cosine given apart: to rounding on all of [0, π], near both ends too.
#[test]
fn the_supplement_of_sine_and_cosine_is_right_to_rounding() {
    let mut worst: f64 = 0.0;
    for i in 0..=200_000 {
        let angle = PI * f64::from(i) / 200_000.0;
        let mut found = [Angle { sine: angle.sin() * angle.sin(), cosine: angle.cos(), supplement: 0.0 }];
        angle::measure(&mut found);
        worst = worst.max((found[0].supplement - (PI - angle)).abs() / f64::EPSILON);
    }
    assert!(worst < 4.0, "{worst} ulp of 1");
}

/// The formulas of the network and of mse, in the order they are written.
fn on_rows(network: &Network, theta: &[f64], features: &[f64], targets: &[f64]) -> (f64, Vec<f64>) {
    let shape = network.sum().unwrap();
    let (weights, signs) = theta.split_at(shape.weight_count());
    let (mut loss, mut gradient) = (0.0, vec![0.0; theta.len()]);
    let rows = targets.len() as f64;
    for (x, y) in features.chunks_exact(shape.inputs).zip(targets) {
        let dot = |w: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        let sign = |unit: usize| if shape.has_signs { signs[unit] } else { 1.0 };
        let units = || weights.chunks_exact(shape.inputs).map(dot).enumerate();
        let f = shape.scale_of::<f64>() * units().map(|(unit, z)| sign(unit) * z.max(0.0)).sum::<f64>();
        loss += (f - y) * (f - y) / rows;
        for (unit, _) in units().filter(|(_, z)| *z > 0.0) {
            for (l, x) in x.iter().enumerate() {
                gradient[unit * shape.inputs + l] +=
                    2.0 * (f - y) / rows * shape.scale_of::<f64>() * sign(unit) * x;
            }
        }
    }
    (loss, gradient)
}

#[test]
fn on_rows_it_is_the_formula_with_the_signs_left_alone() {
    for output in [SumOutput::Ones, SumOutput::RandomSigns] {
        for scale in [SumScale::One, SumScale::InverseSqrtUnits] {
            let network = sum(3, 7, output, scale);
            let mut theta: Vec<f64> = (0..21).map(|i| (0.4 + 1.3 * f64::from(i)).sin()).collect();
            if output == SumOutput::RandomSigns {
                theta.extend([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0]);
            }
            // more rows than a piece
            let features: Vec<f64> = (0..3 * 70).map(|i| (2.0 + 0.7 * f64::from(i)).cos()).collect();
            let targets: Vec<f64> = (0..70).map(|i| (0.2 * f64::from(i)).sin()).collect();
            let batch = Batch { features: &features, targets: &targets };
            let mut gradient = vec![0.0; theta.len()];
            let mut buffers = network.workspace();
            let loss = network.loss_and_gradient(&theta, &batch, Loss::Mse, 0.0, &mut buffers, &mut gradient);
            let (expected, slopes) = on_rows(&network, &theta, &features, &targets);
            assert!((loss - expected).abs() < 1e-14, "{output:?} {scale:?}");
            assert!(gradient.iter().zip(&slopes).all(|(a, b)| (a - b).abs() < 1e-14), "{output:?} {scale:?}");
            assert_eq!(network.outputs(&theta, &features, &mut buffers).len(), 70);
        }
    }
}

/// Both directions of every pair are in a sum at the same place, so units that are equal stay so whatever the others
/// are.
#[test]
fn equal_units_among_others_stay_equal() {
    for k in [2, 3, 8, 9, 17] {
        let network = student(k);
        let k = k as usize;
        let mut theta: Vec<f64> =
            (0..k * k).map(|i| (1.0 + 1.1 * i as f64).sin() / (k as f64).sqrt()).collect();
        let first = theta[..k].to_vec();
        theta[(k - 1) * k..].copy_from_slice(&first);
        let mut gradient = vec![0.0; k * k];
        for _ in 0..50 {
            at(&network, k, &theta, &mut gradient);
            theta.iter_mut().zip(&gradient).for_each(|(w, g)| *w = (-0.1_f64).mul_add(*g, *w));
        }
        assert_eq!(theta[..k], theta[(k - 1) * k..], "{k}");
    }
}
