//! Tests of paired differences: restart k of one experiment against restart k of the other, which share their
//! streams. Signs are exchanged within pairs only, so that what the two have in common stays in common.

use rand::Rng;

use super::bootstrap::Resampling;
use super::special::student_above;
use crate::seed::{self, Purpose};

/// Most pairs for which all signs are tried.
const EXACT_PAIRS: usize = 16;
/// Random choices of signs beyond it, at most and at least.
const CHOICES: u64 = 9_999;
const CHOICES_FEWEST: u64 = 199;

/// Student's t of paired differences, at least two of them: its value and two-sided p. `None` if all are equal.
pub(crate) fn student(mean: f64, sd: f64, n: usize) -> Option<(f64, f64)> {
    (n > 1 && sd > 0.0).then(|| {
        let t = mean / (sd / (n as f64).sqrt());
        (t, 2.0 * student_above(t.abs(), (n - 1) as f64))
    })
}

/// Two-sided p-value of a permutation test, and whether all permutations were tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Permutation {
    /// The p-value.
    pub(crate) p: f64,
    /// Whether it is exact; else it is (1 + hits)/(1 + choices).
    pub(crate) exact: bool,
}

/// The share of all choices of signs of `differences` whose sum is at least as far from 0.
pub(crate) fn permutation(differences: &[f64], resampling: Resampling) -> Permutation {
    let n = differences.len();
    let sum: f64 = differences.iter().sum();
    let sizes: f64 = differences.iter().map(|d| d.abs()).sum();
    // sums of other signs round differently
    let far = sum.abs() - 1e-12 * sizes;
    if n <= EXACT_PAIRS {
        let choices = 1_u32 << n;
        let hits = (0..choices).filter(|signs| signed_sum(differences, |i| signs >> i & 1 == 1).abs() >= far);
        return Permutation { p: hits.count() as f64 / f64::from(choices), exact: true };
    }
    let choices = (resampling.draws / n as u64).clamp(CHOICES_FEWEST, CHOICES);
    let mut rng = seed::generator(Purpose::Bootstrap, resampling.seed, resampling.stream);
    let mut signs = vec![0_u64; n.div_ceil(64)];
    let hits = (0..choices).filter(|_| {
        signs.fill_with(|| rng.next_u64());
        signed_sum(differences, |i| signs[i / 64] >> (i % 64) & 1 == 1).abs() >= far
    });
    Permutation { p: (1 + hits.count()) as f64 / (1 + choices) as f64, exact: false }
}

fn signed_sum(differences: &[f64], negative: impl Fn(usize) -> bool) -> f64 {
    differences.iter().enumerate().map(|(i, d)| if negative(i) { -d } else { *d }).sum()
}

/// Holm's (1979) adjustment of p-values for a family of tests: the chance of any false alarm stays below the level.
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, test) in order.into_iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[test]).min(1.0);
        adjusted[test] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::ranks::tests::{X, Y};
    use crate::analysis::summary::mean_sd;

    const DRAWS: Resampling = Resampling { seed: 7, stream: 1, draws: 100_000_000 };

    fn differences() -> Vec<f64> {
        X.iter().zip(Y).map(|(x, y)| x - y).collect()
    }

    // E3: scipy.stats.ttest_rel(x, y)
    #[test]
    fn paired_t_equals_scipys() {
        let mut sorted = differences();
        sorted.sort_by(f64::total_cmp);
        let (mean, sd) = mean_sd(&sorted);
        let (t, p) = student(mean, sd, 10).unwrap();
        assert!((t - 1.866_015_6).abs() < 1e-6 && (p - 0.094_899_4).abs() < 1e-6, "{t} {p}");
        assert_eq!((student(1.0, 0.0, 10), student(1.0, 0.0, 1)), (None, None));
    }

    // E3: all 2¹⁰ signs in itertools.product([-1, 1], repeat=10) of the rounded differences: 106 are as far
    #[test]
    fn sign_permutation_equals_enumeration() {
        assert_eq!(permutation(&differences(), DRAWS), Permutation { p: 106.0 / 1_024.0, exact: true });
        assert_eq!(permutation(&[0.0; 3], DRAWS).p, 1.0);
    }

    #[test]
    fn random_signs_come_near_the_exact_share() {
        // the ten differences and eight zeros, whose signs change nothing
        let mut padded = differences();
        padded.extend([0.0; 8]);
        let found = permutation(&padded, DRAWS);
        assert!(!found.exact && (found.p - 106.0 / 1_024.0).abs() < 0.012, "{found:?}");
        assert_eq!(found, permutation(&padded, DRAWS));
        // p is never 0
        let far = permutation(&[1.0; 40], DRAWS);
        assert_eq!(far.p, 1e-4);
    }

    // R 4: p.adjust(c(.01, .04, .03, .005), "holm") is .03 .06 .06 .02
    #[test]
    fn holm_equals_rs() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (ours, theirs) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((ours - theirs).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
