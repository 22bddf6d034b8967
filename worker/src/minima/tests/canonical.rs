//! Minima that training finds, up to symmetry.

use super::*;
use crate::minima::canonical::{Canonical, Directions};

#[test]
fn moons_has_two_canonical_minima_and_sketches_tell_what_distances_tell() {
    // science.md S2 and 3.6: many raw points, two minima; within-basin distance at most 4.4e-12, between at least 5.48
    let case = Case::moons();
    let points: Vec<f64> = case.dataset.train.features.iter().copied().collect();
    let directions = Directions::new(&case.network, &points);
    let minima: Vec<_> = (0..60)
        .map(|seed| {
            let (polish, theta) = polished(&case, &moons_end(&case, seed), BUDGET);
            let canonical = Canonical::new(&case.network, case.loss, &theta).unwrap();
            (polish.loss, canonical.sketch(&directions), canonical)
        })
        .collect();
    let (mut within, mut between) = ([0.0_f64; 2], [f64::INFINITY; 2]);
    let mut pairs = [0; 2];
    for (i, (loss, sketch, canonical)) in minima.iter().enumerate() {
        for (other_loss, other_sketch, other) in &minima[..i] {
            let apart = sketch.iter().zip(other_sketch).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let found = [canonical.distance(other), apart];
            let is_same = found[0] < 1e-5;
            pairs[usize::from(is_same)] += 1;
            assert!(!is_same || (loss - other_loss).abs() < 1e-12);
            for k in 0..2 {
                if is_same {
                    within[k] = within[k].max(found[k]);
                } else {
                    between[k] = between[k].min(found[k]);
                }
            }
        }
    }
    println!("{pairs:?} pairs; within {within:?}, between {between:?}");
    assert!(pairs[0] > 100 && pairs[1] > 500, "{pairs:?}");
    assert!(within[0] < 1e-7 && within[1] < 1e-7, "{within:?}");
    assert!(between[0] > 0.5 && between[1] > 1e-2, "{between:?}");
}
