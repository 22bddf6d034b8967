//! Rank tests of two sets of runs: Mann & Whitney (1947) for independent ones, Wilcoxon (1945) for pairs.
//!
//! Small sets get the exact distribution given the ties that are there, which needs no correction for them; larger
//! ones the normal one, corrected for ties and continuity. All p-values are two-sided.

use super::special::normal_above;

/// Most runs of both sets for the exact distribution of the rank sum: about a million additions.
const EXACT_RUNS: usize = 40;
/// Most pairs for the exact distribution of the signed ranks.
const EXACT_PAIRS: usize = 60;

/// What the ranks of two independent sets say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RankSum {
    /// P(a > b) + P(a = b)/2, the probability of improvement.
    pub(crate) above: f64,
    /// Two-sided p-value of no difference.
    pub(crate) p: f64,
}

/// Compares two non-empty sets of independent values.
pub(crate) fn rank_sum(a: &[f64], b: &[f64]) -> RankSum {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let ranks = Ranks::of(&all, 0.0);
    let sum: u64 = ranks.doubled[..a.len()].iter().sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let above = (sum as f64 / 2.0 - n * (n + 1.0) / 2.0) / (n * m);
    let total = n + m;
    let p = if all.len() <= EXACT_RUNS {
        exact_subsets(&ranks.doubled, a.len(), sum)
    } else {
        // variance of the doubled rank sum
        let variance = n * m / 3.0 * (total + 1.0 - ranks.tie_cubes / (total * (total - 1.0)));
        normal_p(sum as f64 - n * (total + 1.0), variance)
    };
    RankSum { above, p }
}

/// What the signed ranks of paired differences say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SignedRank {
    /// The smaller of the rank sums of positive and negative differences.
    pub(crate) w: f64,
    /// Two-sided p-value of no difference.
    pub(crate) p: f64,
}

/// Wilcoxon's test of paired `differences`; zeros are left out. Those within `tie` of each other count as equal:
/// .91 − .83 and .90 − .82 differ in the last bit. `None` if all are zero.
pub(crate) fn signed_rank(differences: &[f64], tie: f64) -> Option<SignedRank> {
    let some: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > tie).collect();
    if some.is_empty() {
        return None;
    }
    let sizes: Vec<f64> = some.iter().map(|d| d.abs()).collect();
    let ranks = Ranks::of(&sizes, tie);
    let total: u64 = ranks.doubled.iter().sum();
    let positive: u64 =
        ranks.doubled.iter().zip(&some).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let n = some.len() as f64;
    let p = if some.len() <= EXACT_PAIRS {
        exact_sums(&ranks.doubled, positive)
    } else {
        // the doubled sum of positive ranks has variance Σ(doubled rank)²/4
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0 - ranks.tie_cubes / 12.0;
        normal_p(positive as f64 - total as f64 / 2.0, variance)
    };
    Some(SignedRank { w: positive.min(total - positive) as f64 / 2.0, p })
}

/// Ranks from 1 with ties sharing their mean.
struct Ranks {
    /// Twice the rank of each value: a whole number.
    doubled: Vec<u64>,
    /// Σ(t³ − t) over groups of t ties.
    tie_cubes: f64,
}

impl Ranks {
    /// Ranks of `values`; neighbours at most `tie` apart are equal.
    fn of(values: &[f64], tie: f64) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = Self { doubled: vec![0; values.len()], tie_cubes: 0.0 };
        let mut from = 0;
        for group in order.chunk_by(|a, b| values[*b] - values[*a] <= tie) {
            let to = from + group.len();
            for value in group {
                ranks.doubled[*value] = (from + 1 + to) as u64;
            }
            let ties = group.len() as f64;
            ranks.tie_cubes += ties * ties * ties - ties;
            from = to;
        }
        ranks
    }
}

/// The share of all subsets of `size` ranks whose sum is at least as far from its mean as `sum`.
fn exact_subsets(ranks: &[u64], size: usize, sum: u64) -> f64 {
    let total: u64 = ranks.iter().sum();
    let width = total as usize + 1;
    // ways[k·width + s]: subsets of k ranks with sum s
    let mut ways = vec![0.0; (size + 1) * width];
    ways[0] = 1.0;
    for rank in ranks {
        for k in (1..=size).rev() {
            for s in (*rank as usize..width).rev() {
                ways[k * width + s] += ways[(k - 1) * width + s - *rank as usize];
            }
        }
    }
    // the mean is size·total/N: compared in whole numbers
    let from_mean = |s: u64| (s * ranks.len() as u64).abs_diff(size as u64 * total);
    as_far(&ways[size * width..], |s| from_mean(s) >= from_mean(sum))
}

/// The share of all choices of signs whose sum of positive ranks is at least as far from its mean as `positive`.
fn exact_sums(ranks: &[u64], positive: u64) -> f64 {
    let total: u64 = ranks.iter().sum();
    let mut ways = vec![0.0; total as usize + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for s in (*rank as usize..ways.len()).rev() {
            ways[s] += ways[s - *rank as usize];
        }
    }
    let from_mean = |s: u64| (2 * s).abs_diff(total);
    as_far(&ways, |s| from_mean(s) >= from_mean(positive))
}

fn as_far(ways: &[f64], is_as_far: impl Fn(u64) -> bool) -> f64 {
    let far: f64 = (0..).zip(ways).filter(|(s, _)| is_as_far(*s)).map(|(_, ways)| ways).sum();
    far / ways.iter().sum::<f64>()
}

/// Two-sided p-value of a doubled rank sum that is `off` its mean; steps are 2 wide, so the continuity correction is 1.
fn normal_p(off: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    (2.0 * normal_above((off.abs() - 1.0).max(0.0) / variance.sqrt())).min(1.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// E3 of docs/sources/statistics.md.
    pub(in super::super) const X: [f64; 10] = [0.91, 0.85, 0.88, 0.93, 0.79, 0.95, 0.90, 0.87, 0.60, 0.92];
    pub(in super::super) const Y: [f64; 10] = [0.83, 0.80, 0.86, 0.84, 0.70, 0.90, 0.82, 0.85, 0.75, 0.81];

    fn near(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 1e-6
    }

    fn differences() -> Vec<f64> {
        X.iter().zip(Y).map(|(x, y)| x - y).collect()
    }

    // E3: scipy.stats.mannwhitneyu(x, y, method="exact") ignores its ties: U = 77, p = .0432571. Given the ties, all
    // C(20, 10) subsets of scipy.stats.rankdata count 7,590 as far out.
    #[test]
    fn rank_sum_equals_scipys() {
        let found = rank_sum(&X, &Y);
        assert!(near(found.above, 0.77) && near(found.p, 7_590.0 / 184_756.0), "{found:?}");
        let untied: Vec<u64> = (1..=20).map(|rank| 2 * rank).collect();
        assert!(near(exact_subsets(&untied, 10, 2 * (77 + 55)), 0.043_257_1));
    }

    // scipy.stats.mannwhitneyu(a, b, method="asymptotic") of numpy.arange(40) // t and numpy.arange(50) // t + shift
    #[test]
    fn rank_sum_of_many_runs_equals_scipys_normal_one() {
        for (t, shift, u, p) in [(1, 7.5, 528.0, 0.000_128_889_8), (2, 4.0, 512.0, 7.453_920_9e-5)] {
            let upto = |n: u32, shift: f64| (0..n).map(|i| f64::from(i / t) + shift).collect::<Vec<f64>>();
            let found = rank_sum(&upto(40, 0.0), &upto(50, shift));
            assert!(near(found.above, u / 2_000.0), "{found:?}");
            assert!((found.p / p - 1.0).abs() < 1e-4, "{found:?}");
        }
    }

    // E3: scipy.stats.wilcoxon(x, y, method="exact") ignores ties (as numbers in binary, few are): W = 10, p = .0839844;
    // given the ties of the decimals, all 2¹⁰ signs count 72
    #[test]
    fn signed_rank_equals_scipys() {
        let found = signed_rank(&differences(), 4e-15).unwrap();
        assert!(near(found.w, 10.0) && near(found.p, 72.0 / 1_024.0), "{found:?}");
        let untied: Vec<u64> = (1..=10).map(|rank| 2 * rank).collect();
        assert!(near(exact_sums(&untied, 20), 0.083_984_4));
        assert_eq!(signed_rank(&[0.0, 1e-17], 1e-15), None);
    }

    // scipy.stats.wilcoxon(z, method="asymptotic", correction=True) of z = ±1 … ±300, each third negative
    #[test]
    fn signed_rank_of_many_pairs_equals_scipys_normal_one() {
        let z: Vec<f64> = (1..=300).map(|i| f64::from(if i % 3 == 0 { -i } else { i })).collect();
        let found = signed_rank(&z, 0.0).unwrap();
        assert_eq!(found.w, 15_150.0);
        assert!((found.p / 7.920_139_6e-7 - 1.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn exchanging_the_sets_mirrors_the_probability_and_keeps_p() {
        let (ab, ba) = (rank_sum(&X, &Y), rank_sum(&Y, &X));
        assert!(near(ab.above + ba.above, 1.0) && near(ab.p, ba.p));
        let same = rank_sum(&X, &X);
        assert!(near(same.above, 0.5) && near(same.p, 1.0));
        assert_eq!(rank_sum(&[1.0; 50], &[1.0; 30]), RankSum { above: 0.5, p: 1.0 });
    }
}
