//! Minima that training finds, up to symmetry: what sketches tell is what exact distances tell.

use seedsweep_common::fingerprint::CanonicalSketch;

use super::*;
use crate::minima::canonical::Canonical;

/// How far networks lie apart.
#[derive(Debug)]
pub(crate) struct Gap {
    /// Pairs of different networks and of equal ones, by the distance.
    pub(crate) pairs: [usize; 2],
    /// Largest distance, and difference of sketches, of equal ones.
    pub(crate) within: [f64; 2],
    /// Smallest of different ones.
    pub(crate) between: [f64; 2],
}

/// The gap between the equal and the different ones of `minima`; those of one network have one `loss`.
pub(crate) fn gap(minima: &[(f64, CanonicalSketch, Canonical)]) -> Gap {
    let mut gap = Gap { pairs: [0; 2], within: [0.0; 2], between: [f64::INFINITY; 2] };
    for (i, (loss, sketch, canonical)) in minima.iter().enumerate() {
        for (other_loss, other_sketch, other) in &minima[..i] {
            let found = [canonical.distance(other), fingerprint::distance(sketch, other_sketch)];
            let is_same = found[0] < 1e-5;
            gap.pairs[usize::from(is_same)] += 1;
            assert!(!is_same || (loss - other_loss).abs() < 1e-11);
            for ((within, between), found) in gap.within.iter_mut().zip(&mut gap.between).zip(found) {
                if is_same {
                    *within = within.max(found);
                } else {
                    *between = between.min(found);
                }
            }
        }
    }
    gap
}

#[test]
fn moons_has_two_canonical_minima_and_sketches_tell_what_distances_tell() {
    // our own prototype, after Newton: many raw points, two minima; within-basin distance at most 4.4e-12, between at least 5.48
    let case = Case::moons();
    let minima: Vec<_> = (0..80)
        .map(|seed| {
            let finish = case.finish(&moons_end(&case, seed), BUDGET);
            let canonical = Canonical::new(&case.network, case.loss, &finish.theta).unwrap();
            (finish.polish.unwrap().loss, finish.sketch_canonical.unwrap(), canonical)
        })
        .collect();
    let gap = gap(&minima);
    println!("MOONS: {gap:?}");
    assert!(gap.pairs[0] > 200 && gap.pairs[1] > 1000, "{gap:?}");
    assert!(gap.within[0] < 1e-7 && gap.within[1] < 1e-7, "{gap:?}");
    assert!(gap.between[0] > 0.5 && gap.between[1] > 1e-2, "{gap:?}");
}
