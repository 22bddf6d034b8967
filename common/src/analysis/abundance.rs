//! How often each basin was seen, and what that says about those that were not: coverage, rarefaction,
//! extrapolation. Only independent restarts may be counted.
//!
//! Sources: Good (1953) for the unseen mass, Chao & Jost (2012, Ecology 93:2533) for coverage at any number of
//! restarts, Hurlbert (1971) for rarefied richness, Chao et al. (2014) for extrapolated richness.

use std::collections::BTreeMap;

use super::elementary::{exp, ln};
use super::special::ln_gamma;

/// 1 − .95.
const ALPHA: f64 = 0.05;

/// Basins by how often they were seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Abundance {
    /// For each number of visits, the basins visited as often.
    basins_by_visits: BTreeMap<u64, u64>,
    /// Restarts counted.
    pub(crate) n: u64,
    /// Basins seen.
    pub(crate) seen: u64,
}

impl Abundance {
    /// Counts `visits`, one number per basin; basins without a visit do not count.
    pub(crate) fn of(visits: impl IntoIterator<Item = u64>) -> Self {
        let mut abundance = Self { basins_by_visits: BTreeMap::new(), n: 0, seen: 0 };
        for visits in visits.into_iter().filter(|visits| *visits > 0) {
            *abundance.basins_by_visits.entry(visits).or_insert(0) += 1;
            abundance.n += visits;
            abundance.seen += 1;
        }
        abundance
    }

    /// Basins seen exactly `visits` times, f.
    pub(crate) fn seen_times(&self, visits: u64) -> f64 {
        self.basins_by_visits.get(&visits).copied().unwrap_or(0) as f64
    }

    /// Whether no basin was seen twice: then nothing bounds how many there are.
    pub(crate) fn all_differ(&self) -> bool {
        self.seen == self.n
    }

    /// Estimated probability that a further restart ends in a basin not seen, f₁/n (Good & Turing).
    pub(crate) fn unseen_good_turing(&self) -> f64 {
        self.seen_times(1) / self.n as f64
    }

    /// With 95 % confidence the unseen mass is at most this, whatever the basins' shares are:
    /// f₁/n + (1 + √2)·√(ln(1/.05)/n) (McAllester & Ortiz 2003), at most 1.
    pub(crate) fn unseen_at_most(&self) -> f64 {
        let slack = (1.0 + std::f64::consts::SQRT_2) * (ln(1.0 / ALPHA) / self.n as f64).sqrt();
        (self.unseen_good_turing() + slack).min(1.0)
    }

    /// A basin of this share or more has been seen with 95 % confidence, one basin by itself: 1 − .05^(1/n).
    pub(crate) fn share_surely_seen(&self) -> f64 {
        1.0 - exp(ln(ALPHA) / self.n as f64)
    }

    /// Probability that a further restart ends in a basin that was seen (Chao & Jost 2012, eq. 4a). 0 where no
    /// basin was seen twice: the formula would say 2/3 at n = 2.
    pub(crate) fn coverage(&self) -> f64 {
        if self.all_differ() { 0.0 } else { 1.0 - self.unseen_good_turing() * self.unseen_ratio() }
    }

    /// B: by which factor one further restart shrinks the expected unseen mass.
    fn unseen_ratio(&self) -> f64 {
        let (n, f1, f2) = (self.n as f64, self.seen_times(1), self.seen_times(2));
        match (f1 > 0.0, f2 > 0.0) {
            (false, _) => 0.0,
            (true, true) => (n - 1.0) * f1 / ((n - 1.0) * f1 + 2.0 * f2),
            (true, false) => (n - 1.0) * (f1 - 1.0) / ((n - 1.0) * (f1 - 1.0) + 2.0),
        }
    }

    /// Estimated number of basins not seen, f₀: a lower bound in expectation (Chao 1984).
    pub(crate) fn unseen_basins(&self) -> f64 {
        let (n, f1, f2) = (self.n as f64, self.seen_times(1), self.seen_times(2));
        if f1 == 0.0 {
            return 0.0;
        }
        let pairs = if f2 > 0.0 { f1 * f1 / (2.0 * f2) } else { f1 * (f1 - 1.0) / 2.0 };
        (n - 1.0) / n * pairs
    }

    /// Expected number of basins among `m` ≤ n of these restarts.
    pub(crate) fn rarefied_basins(&self, m: u64) -> f64 {
        let missed = self.sum(|visits| self.missed(visits, self.n, m));
        (self.seen as f64 - missed).max(0.0)
    }

    /// Expected coverage after `m` < n of these restarts.
    pub(crate) fn rarefied_coverage(&self, m: u64) -> f64 {
        let n = self.n as f64;
        let unseen = self.sum(|visits| visits as f64 / n * self.missed(visits, self.n - 1, m));
        (1.0 - unseen).clamp(0.0, 1.0)
    }

    /// Expected number of basins after `more` further restarts.
    pub(crate) fn extrapolated_basins(&self, more: u64) -> f64 {
        let (n, f0, f1) = (self.n as f64, self.unseen_basins(), self.seen_times(1));
        if f0 <= 0.0 {
            return self.seen as f64;
        }
        self.seen as f64 + f0 * (1.0 - power(1.0 - f1 / (n * f0 + f1), more))
    }

    /// Expected coverage after `more` further restarts.
    pub(crate) fn extrapolated_coverage(&self, more: u64) -> f64 {
        if self.all_differ() {
            return 0.0;
        }
        1.0 - self.unseen_good_turing() * power(self.unseen_ratio(), more + 1)
    }

    /// Further restarts until the expected coverage is `target`; 0 if it is reached. `None` where no basin was
    /// seen twice.
    pub(crate) fn more_restarts_for(&self, target: f64) -> Option<f64> {
        if self.all_differ() {
            return None;
        }
        if self.seen_times(1) == 0.0 {
            return Some(0.0);
        }
        let more = ln((1.0 - target) / self.unseen_good_turing()) / ln(self.unseen_ratio()) - 1.0;
        Some(more.ceil().max(0.0))
    }

    /// The probability that a basin of `visits` visits among n restarts is missed by `m` of `others` restarts:
    /// C(n − visits, m) / C(others, m).
    fn missed(&self, visits: u64, others: u64, m: u64) -> f64 {
        let rest = self.n - visits;
        if m > rest {
            return 0.0;
        }
        let ln_choose_over = |total: u64| ln_gamma(total as f64 + 1.0) - ln_gamma((total - m) as f64 + 1.0);
        exp(ln_choose_over(rest) - ln_choose_over(others))
    }

    /// Sum over basins of a value that their visits decide.
    fn sum(&self, value: impl Fn(u64) -> f64) -> f64 {
        self.basins_by_visits.iter().map(|(visits, basins)| *basins as f64 * value(*visits)).sum()
    }
}

/// base^exponent for a base in [0, 1].
fn power(base: f64, exponent: u64) -> f64 {
    if exponent == 0 { 1.0 } else { exp(exponent as f64 * ln(base)) }
}

#[cfg(test)]
pub(super) mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Worked example E1 of docs/sources/statistics.md.
    pub(in super::super) const E1: [u64; 9] = [25, 12, 6, 3, 2, 1, 1, 1, 1];

    fn near(ours: f64, theirs: f64) -> bool {
        // the source gives six or seven digits
        (ours - theirs).abs() <= 6e-7 * theirs.abs().max(1.0)
    }

    // E1: coverage by skbio.diversity.alpha.goods_coverage of scikit-bio 0.7.4, the rest with scipy 1.17
    #[test]
    fn coverage_equals_the_worked_example() {
        let e1 = Abundance::of(E1);
        assert_eq!((e1.n, e1.seen, e1.seen_times(1), e1.seen_times(2)), (52, 9, 4.0, 1.0));
        assert!(near(1.0 - e1.unseen_good_turing(), 0.923_076_9));
        assert!(near(e1.coverage(), 0.923_823_7));
        assert!(near(e1.unseen_basins(), 7.846_154));
        // the bound of McAllester & Ortiz at .05
        assert!((e1.unseen_at_most() - 0.656).abs() < 5e-4, "{}", e1.unseen_at_most());
    }

    // E1, rarefied and extrapolated richness and coverage: scipy 1.17
    #[test]
    fn rarefaction_equals_the_worked_example() {
        let e1 = Abundance::of(E1);
        for (m, basins, coverage) in
            [(10, 4.288_667, 0.802_616), (26, 6.625_899, 0.888_017), (40, 8.017_149, 0.912_270)]
        {
            assert!(near(e1.rarefied_basins(m), basins), "{m}: {}", e1.rarefied_basins(m));
            assert!(near(e1.rarefied_coverage(m), coverage), "{m}: {}", e1.rarefied_coverage(m));
        }
        for (more, basins, coverage) in
            [(20, 10.390_864, 0.937_327), (52, 12.121_934, 0.954_134), (100, 13.888_472, 0.971_285)]
        {
            assert!(near(e1.extrapolated_basins(more), basins), "{more}: {}", e1.extrapolated_basins(more));
            assert!(near(e1.extrapolated_coverage(more), coverage), "{more}");
        }
        assert_eq!((e1.more_restarts_for(0.95), e1.more_restarts_for(0.99)), (Some(44.0), Some(209.0)));
        assert_eq!(e1.more_restarts_for(0.9), Some(0.0));
    }

    // n = 150, p ≥ .0198
    #[test]
    fn a_share_of_two_per_cent_is_surely_seen_by_150_restarts() {
        assert!((Abundance::of([150]).share_surely_seen() - 0.0198).abs() < 5e-5);
    }

    // numpy: .05 ** (1 / n); if all n agree, the largest share is at least this, with 95 %
    #[test]
    fn shares_surely_seen_equal_the_closed_form() {
        for (n, share) in [(20, 0.860_892), (30, 0.904_966), (50, 0.941_845), (1_000, 0.997_009)] {
            let ours = 1.0 - Abundance::of([n]).share_surely_seen();
            assert!((ours - share).abs() < 5e-7, "{n}: {ours}");
        }
    }

    #[test]
    fn edges_follow_their_own_formulas() {
        // no basin seen once: all is covered
        let settled = Abundance::of([12, 7, 5]);
        assert_eq!((settled.coverage(), settled.unseen_basins().to_bits()), (1.0, 0.0_f64.to_bits()));
        assert_eq!((settled.extrapolated_basins(1_000), settled.extrapolated_coverage(9)), (3.0, 1.0));
        assert_eq!(settled.more_restarts_for(0.99), Some(0.0));
        // no basin seen twice among (9, 4, 3, 1, 1): f₀ = 17/18, B = 17/19
        let without_pairs = Abundance::of([9, 4, 3, 1, 1]);
        assert!(near(without_pairs.unseen_basins(), 17.0 / 18.0));
        assert!(near(without_pairs.coverage(), 1.0 - 2.0 / 18.0 * (17.0 / 19.0)));
        // all differ: coverage 0, and no number of restarts is known to raise it
        let spread = Abundance::of([1; 20]);
        assert_eq!(
            (spread.coverage(), spread.unseen_good_turing(), spread.unseen_at_most()),
            (0.0, 1.0, 1.0)
        );
        assert_eq!((spread.more_restarts_for(0.5), spread.extrapolated_coverage(20)), (None, 0.0));
        // a single basin seen once beside a large one
        let one_left = Abundance::of([9, 1]);
        assert_eq!((one_left.unseen_basins(), one_left.more_restarts_for(0.99)), (0.0, Some(0.0)));
    }

    // by hand: all subsets of the three restarts a, a, b
    #[test]
    fn small_censuses_equal_enumeration() {
        let three = Abundance::of([2, 1]);
        assert!(near(three.rarefied_basins(1), 1.0) && near(three.rarefied_basins(2), 5.0 / 3.0));
        assert!(near(three.rarefied_coverage(1), 1.0 - (2.0 / 3.0 * 0.5 + 1.0 / 3.0)));
        // one pair among four that else differ: something is known, B = 3·2/(3·2 + 2)
        let one_pair = Abundance::of([2, 1, 1]);
        assert!(!one_pair.all_differ() && near(one_pair.coverage(), 1.0 - 0.5 * 0.75));
        assert!(Abundance::of([1, 1, 1]).all_differ());
    }

    #[test]
    fn curves_rise_meet_at_n_and_stay_in_bounds() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let basins = rng.random_range(1..12_u32);
            let visits: Vec<u64> = (0..basins).map(|_| rng.random_range(1..9)).collect();
            let abundance = Abundance::of(visits.iter().copied());
            let n = abundance.n;
            let rarefied: Vec<f64> = (1..=n).map(|m| abundance.rarefied_basins(m)).collect();
            assert!(rarefied.is_sorted() && near(rarefied[0], 1.0), "seed {seed}");
            assert!(
                near(rarefied[n as usize - 1], f64::from(basins))
                    && near(abundance.extrapolated_basins(0), f64::from(basins))
            );
            let extrapolated: Vec<f64> = (0..=n).map(|more| abundance.extrapolated_basins(more)).collect();
            let ceiling = f64::from(basins) + abundance.unseen_basins();
            assert!(extrapolated.iter().all(|basins| *basins <= ceiling + 1e-9) && extrapolated.is_sorted());
            let covered: Vec<f64> = (1..n).map(|m| abundance.rarefied_coverage(m)).collect();
            assert!(covered.is_sorted_by(|a, b| *a <= *b + 1e-12), "seed {seed}");
            assert!(covered.iter().all(|share| (0.0..=1.0).contains(share)));
            // the order of basins does not matter
            let mut shuffled = visits;
            shuffled.shuffle(&mut rng);
            assert_eq!(Abundance::of(shuffled), abundance);
        }
    }
}
