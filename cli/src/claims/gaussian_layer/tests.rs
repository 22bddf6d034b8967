use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::claims::finding::Verdict;
use crate::claims::fixtures::{measure, ran, verdict, wobble};

use Holds::{No, Yes};

/// Layers as theory has them, with angles off by `bend` and distances blown up by `blow`.
fn finding(bend: f64, blow: f64) -> Finding {
    let one = ran(&CLAIM, 0, |name, outcome| {
        let w = wobble(outcome.restart);
        if let Some(m) = name.strip_prefix("length-") {
            // uniform on ±√3 sd
            let square = 1.0 + w * (15.0 / m.parse::<f64>().unwrap()).sqrt();
            measure(outcome, Quantity::NormMedian, 1, square.max(0.0).sqrt());
        } else if let Some((_, theta)) = ANGLES.iter().find(|(known, _)| *known == name) {
            measure(outcome, Quantity::AngleMin, 1, after(*theta) + bend + 0.01 * w);
            measure(outcome, Quantity::DistanceMin, 0, 2.0 * (0.5 * theta).sin());
            let behind = 2.0 * (0.5 * after(*theta)).sin() * (1.0 + 0.02 * w);
            measure(outcome, Quantity::DistanceMin, 1, blow * behind);
        } else {
            let mut theta = FRAC_PI_2;
            for layer in 1..=10 {
                theta = after(theta);
                measure(outcome, Quantity::AngleMin, layer, theta + 0.01 * w);
            }
        }
    });
    judge(&[one]).unwrap()
}

#[test]
fn theory_confirms_it_in_the_mean() {
    let found = finding(0.0, 1.0);
    assert_eq!(verdict(&found), (Verdict::ConfirmedInPart, vec![Yes, Yes, Yes, Yes, No, No]));
    assert!(found.conditions().next().unwrap().contains("moved two inputs"), "{found:?}");
}

#[test]
fn other_angles_or_growing_distances_refute_it() {
    assert_eq!(verdict(&finding(0.02, 1.0)).1[2], No);
    assert_eq!(finding(0.02, 1.0).verdict(), Verdict::Refuted);
    assert_eq!(verdict(&finding(0.0, 1.1)).1[3], No);
}

/// The spread's interval, of layers whose 16 units are drawn here: their mean square length has the sd √(5/16).
#[test]
fn intervals_of_spreads_hold_the_root_of_five() {
    const SETS: u64 = 1_000;
    const UNITS: usize = 16;
    let held = (0..SETS).filter(|set| {
        let mut rng = ChaCha8Rng::seed_from_u64(*set);
        // Box & Muller 1958
        let mut normal =
            || (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * (2.0 * PI * rng.random::<f64>()).cos();
        let mut length = || {
            let squares = (0..UNITS).map(|_| normal().max(0.0).powi(2));
            squares.sum::<f64>() * 2.0 / UNITS as f64
        };
        let values: Vec<f64> = (0..300).map(|_| length()).collect();
        let [low, high] = spread(String::new(), &values, UNITS as f64).ends().unwrap();
        low <= 5.0_f64.sqrt() && 5.0_f64.sqrt() <= high
    });
    let share = held.count() as f64 / SETS as f64;
    println!("an interval of a spread holds it in {:.1} %", 100.0 * share);
    assert!((0.93..=0.97).contains(&share), "{share}");
}

/// Cho & Saul 2009: iterates of the map from a right angle, other angles once, and distances left of three angles.
#[test]
fn angles_and_distances_are_those_of_cho_and_saul() {
    let iterates = std::iter::successors(Some(FRAC_PI_2), |theta| Some(after(*theta)));
    let iterates: Vec<f64> = iterates.take(51).collect();
    for (layer, expected) in [
        (1, (1.0 / PI).acos()),
        (2, 1.054421),
        (3, 0.921249),
        (5, 0.743733),
        (10, 0.512471),
        (20, 0.322555),
        (50, 0.155966),
    ] {
        assert!((iterates[layer] - expected).abs() < 5e-6, "{layer}: {}", iterates[layer]);
    }
    for (theta, expected) in
        [(0.1, 0.098933), (std::f64::consts::FRAC_PI_6, 0.493157), (1.0, 0.881276), (2.0, 1.432134)]
    {
        assert!((after(theta) - expected).abs() < 1e-6, "{theta}: {}", after(theta));
    }
    for (theta, expected) in [(0.1, 0.98933), (FRAC_PI_2, 0.825645), (PI, 0.5_f64.sqrt())] {
        assert!((ratio_of(theta) - expected).abs() < 1e-5, "{theta}: {}", ratio_of(theta));
    }
}

#[test]
fn a_spread_has_the_interval_of_its_kurtosis() {
    // ±1 in turn: sd √(n/(n − 1)), kurtosis 1, so that nothing is uncertain
    let values: Vec<f64> = (0..100).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let row = spread("s".to_owned(), &values, 4.0);
    assert!((row.estimate.0 - 2.0 * (100.0_f64 / 99.0).sqrt()).abs() < 1e-12);
    assert_eq!(row.ends(), Some([row.estimate.0; 2]));
}
