//! Chao1: a lower bound for the number of basins, with its log-normal interval.
//!
//! Conventions of scikit-bio 0.7 and EstimateS (bias-corrected, without the factor (n − 1)/n), which agree with each
//! other. Chao 1984, 1987; Colwell et al. 1994 for the intervals.

use super::abundance::Abundance;
use super::elementary::{exp, ln};
use super::special::Z_975;

/// The bias-corrected estimate: S + f₁(f₁ − 1) / (2(f₂ + 1)).
pub(crate) fn estimate(abundance: &Abundance) -> f64 {
    let (f1, f2) = (abundance.seen_times(1), abundance.seen_times(2));
    abundance.seen as f64 + f1 * (f1 - 1.0) / (2.0 * (f2 + 1.0))
}

/// Two-sided 95 % interval. Its upper end is ∞ where no basin was seen twice: nothing bounds it then.
pub(crate) fn interval(abundance: &Abundance) -> [f64; 2] {
    let [low, high] = log_normal(abundance, Z_975);
    [low, if abundance.all_differ() { f64::INFINITY } else { high }]
}

/// Estimated variance of the estimate where some basin was seen once.
fn variance(abundance: &Abundance) -> f64 {
    let (f1, f2) = (abundance.seen_times(1), abundance.seen_times(2));
    let twice = 2.0 * f1 - 1.0;
    if f2 > 0.0 {
        let doubletons = f2 + 1.0;
        f1 * (f1 - 1.0) / (2.0 * doubletons)
            + f1 * twice * twice / (4.0 * doubletons * doubletons)
            + f1 * f1 * f2 * (f1 - 1.0) * (f1 - 1.0)
                / (4.0 * doubletons * doubletons * doubletons * doubletons)
    } else {
        f1 * (f1 - 1.0) / 2.0 + f1 * twice * twice / 4.0 - f1 * f1 * f1 * f1 / (4.0 * estimate(abundance))
    }
}

/// The interval at `z` standard deviations. The number of unseen basins, estimate − S, is taken as log-normal; where
/// it is 0 the interval follows from the chance of missing a basin of average share.
fn log_normal(abundance: &Abundance, z: f64) -> [f64; 2] {
    let seen = abundance.seen as f64;
    let unseen = estimate(abundance) - seen;
    if unseen > 0.0 {
        let spread = exp(z * ln(1.0 + variance(abundance) / (unseen * unseen)).sqrt());
        return [seen + unseen / spread, seen + unseen * spread];
    }
    let missed = exp(-(abundance.n as f64) / seen);
    let centre = seen / (1.0 - missed);
    let half_width = z * (seen * missed / (1.0 - missed)).sqrt();
    [seen.max(centre - half_width), seen.max(centre + half_width)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::abundance::tests::E1;

    fn near(ours: [f64; 2], theirs: [f64; 2]) -> bool {
        ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 6e-6)
    }

    // skbio.diversity.alpha.chao1 and chao1_ci (bias_corrected, z = 1.96) of scikit-bio 0.7.4
    #[test]
    fn chao1_equals_scikit_bios() {
        let e1 = Abundance::of(E1);
        assert_eq!((estimate(&e1), variance(&e1)), (12.0, 17.5));
        assert!(near(log_normal(&e1, 1.96), [9.391_330, 31.998_494]), "{:?}", log_normal(&e1, 1.96));
        // no basin seen twice
        let without_pairs = Abundance::of([9, 4, 3, 1, 1]);
        assert_eq!(estimate(&without_pairs), 6.0);
        assert!((variance(&without_pairs) - 4.833_333).abs() < 1e-6);
        assert!(near(log_normal(&without_pairs, 1.96), [5.074_060, 18.502_615]));
        // no basin seen once
        for (visits, high) in [([12, 7, 5], 3.063_195), ([20, 10, 4], 3.011_780)] {
            let settled = Abundance::of(visits);
            assert_eq!(estimate(&settled), 3.0);
            assert!(near(log_normal(&settled, 1.96), [3.0, high]), "{:?}", log_normal(&settled, 1.96));
        }
    }

    // scikit-bio's bias_corrected=False gives 17, EstimateS with the factor (n − 1)/n 11.942308: neither is ours
    #[test]
    fn other_conventions_are_told_apart() {
        let e1 = Abundance::of(E1);
        let (seen, f1, f2, n) = (e1.seen as f64, e1.seen_times(1), e1.seen_times(2), e1.n as f64);
        assert_eq!(seen + f1 * f1 / (2.0 * f2), 17.0);
        let with_factor = seen + (n - 1.0) / n * (estimate(&e1) - seen);
        assert!((with_factor - 11.942_308).abs() < 5e-7, "{with_factor}");
        // f₀ has the factor and no correction
        assert!((e1.unseen_basins() - (n - 1.0) / n * (17.0 - seen)).abs() < 1e-12);
    }

    // E1 with z = 1.959964: scipy 1.17
    #[test]
    fn interval_is_the_log_normal_one_at_95_per_cent() {
        assert!(near(interval(&Abundance::of(E1)), [9.391_345, 31.997_633]));
    }

    #[test]
    fn nothing_bounds_basins_that_all_differ() {
        let [low, high] = interval(&Abundance::of([1; 20]));
        assert!(low > 20.0 && high == f64::INFINITY);
    }

    #[test]
    fn interval_holds_its_estimate_and_never_less_than_was_seen() {
        for visits in [vec![1, 1], vec![2], vec![9, 1], vec![3, 2, 2, 1], vec![5, 1, 1, 1], vec![40, 2, 1]] {
            let abundance = Abundance::of(visits.iter().copied());
            let [low, high] = interval(&abundance);
            let estimate = estimate(&abundance);
            assert!(abundance.seen as f64 <= low && low <= high, "{visits:?}: {low} to {high}");
            assert!(estimate <= high, "{visits:?}: {estimate} above {high}");
        }
    }
}
