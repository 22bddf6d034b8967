//! Which trials are trained again to check them.

use rand::Rng;

use crate::seed::{self, Purpose};

/// Draws ⌈share · count⌉ of the numbers below `count`, ascending, each set equally likely. `draw` names the sample and
/// `experiment` keeps those of experiments apart. `share` is clamped to [0, 1].
pub fn sample(draw: u64, experiment: u32, count: usize, share: f64) -> Vec<usize> {
    let wanted = ((share.clamp(0.0, 1.0) * count as f64).ceil() as usize).min(count);
    let mut rng = seed::generator(Purpose::Audit, draw, u64::from(experiment));
    let mut numbers: Vec<usize> = (0..count).collect();
    // the first steps of Fisher and Yates
    for taken in 0..wanted {
        let left = (count - taken) as u64;
        numbers.swap(taken, taken + seed::below(rng.next_u64(), left) as usize);
    }
    numbers.truncate(wanted);
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_and_no_number_twice() {
        for (count, share, wanted) in [(0, 1.0, 0), (7, 0.0, 0), (7, 0.01, 1), (100, 0.05, 5), (9, 1.0, 9)] {
            let found = sample(3, 1, count, share);
            assert_eq!(found.len(), wanted);
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]) && found.iter().all(|n| *n < count));
        }
    }

    #[test]
    fn every_number_is_drawn_about_equally_often() {
        let mut seen = [0_u32; 10];
        for draw in 0..10_000 {
            sample(draw, 0, 10, 0.3).into_iter().for_each(|n| seen[n] += 1);
        }
        // 3,000 expected, standard deviation 46
        assert!(seen.iter().all(|&n| (2_770..3_230).contains(&n)), "{seen:?}");
        assert_ne!(sample(0, 0, 1_000, 0.05), sample(0, 1, 1_000, 0.05));
    }
}
