//! Two-sided 95 % intervals of shares and means from independent units.

use super::elementary::{exp, ln};
use super::special::{Z_975, beta_quantile, normal_above, student_975};

/// Half of 1 − .95.
const TAIL: f64 = 0.025;

/// Fewest values for which an interval of a mean is given.
const FEWEST_FOR_MEAN: usize = 5;

/// Exact interval of a share from `hits` of `n` independent trials (Clopper & Pearson 1934); [0, 1] for n = 0.
pub fn clopper_pearson(hits: u64, n: u64) -> [f64; 2] {
    let (x, misses) = (hits as f64, (n - hits) as f64);
    let low = if hits == 0 { 0.0 } else { beta_quantile(TAIL, x, misses + 1.0) };
    let high = if hits == n { 1.0 } else { beta_quantile(1.0 - TAIL, x + 1.0, misses) };
    [low, high]
}

/// Ranks (from 0, ascending) of the two of `n` independent values between which the median lies with at least 95 %,
/// whatever the distribution (David & Nagaraja 2003, section 7.1); `None` below 6 values.
pub fn median_ranks(n: usize) -> Option<[usize; 2]> {
    // as many values lie below the median as heads fall in n throws
    let is_below = |hits: &usize| clopper_pearson(*hits as u64, n as u64)[1] <= 0.5;
    let rank = (0..n / 2).take_while(is_below).last()?;
    Some([rank, n - 1 - rank])
}

/// Interval of a pair rate whose estimate from `n` ≥ 2 restarts is `rate`, on the logit scale.
///
/// `variance` is the U-statistic's own (see `PairCounts::variance`). The second term stands for the uncertainty that it
/// misses near shares of ½, where its first-order part vanishes. Where all pairs agree or none does, the
/// variance says nothing: if all n restarts agree, the largest share p has pⁿ ≥ .025 and two restarts agree
/// with probability at least p²; mirrored for none.
pub(crate) fn pair_rate(rate: f64, variance: f64, n: u64) -> [f64; 2] {
    let n = n as f64;
    if rate >= 1.0 {
        return [exp(2.0 / n * ln(TAIL)), 1.0];
    }
    if rate <= 0.0 {
        return [0.0, 1.0 - exp(2.0 / n * ln(TAIL))];
    }
    let spread = rate * (1.0 - rate);
    let sd = (variance.max(0.0) + 2.0 * spread / (n * (n - 1.0))).sqrt();
    let half_width = Z_975 * sd / spread;
    let centre = logit(rate);
    [logistic(centre - half_width), logistic(centre + half_width)]
}

/// Student-t interval of a mean from its n values' mean and sd; `None` below 5 values.
pub fn mean_t(mean: f64, sd: f64, n: usize) -> Option<[f64; 2]> {
    (n >= FEWEST_FOR_MEAN).then(|| {
        let half_width = student_975((n - 1) as f64) * sd / (n as f64).sqrt();
        [mean - half_width, mean + half_width]
    })
}

/// Welch's interval of the difference of two means, each with its mean, sd and number of values; `None` below 5 values
/// of either.
pub(crate) fn mean_welch(a: ((f64, f64), usize), b: ((f64, f64), usize)) -> Option<[f64; 2]> {
    if a.1.min(b.1) < FEWEST_FOR_MEAN {
        return None;
    }
    let squared_error = |((_, sd), n): ((f64, f64), usize)| sd * sd / n as f64;
    let (from_a, from_b) = (squared_error(a), squared_error(b));
    let both = from_a + from_b;
    let difference = a.0.0 - b.0.0;
    if both <= 0.0 {
        return Some([difference; 2]);
    }
    let freedom = both * both / (from_a * from_a / (a.1 - 1) as f64 + from_b * from_b / (b.1 - 1) as f64);
    let half_width = student_975(freedom) * both.sqrt();
    Some([difference - half_width, difference + half_width])
}

/// What a percentile bootstrap over `n` ≥ 2 units cuts off each end for 95 %: less than 2.5 %, because resampling
/// n units shows (n − 1)/n of their variance and knows no Student t (Hesterberg 2015, "expanded percentile").
pub(crate) fn bootstrap_tail(n: usize) -> f64 {
    let n = n as f64;
    normal_above(student_975(n - 1.0) * (n / (n - 1.0)).sqrt())
}

fn logit(p: f64) -> f64 {
    ln(p) - ln(1.0 - p)
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + exp(-z))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: [f64; 2], theirs: [f64; 2], tolerance: f64) -> bool {
        ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= tolerance)
    }

    // scipy.stats.binomtest(k, n).proportion_ci(method="exact")
    /// No simulation is needed: all outcomes of n trials are added up.
    #[test]
    fn clopper_pearson_holds_every_share_in_95_per_cent_at_least() {
        for n in [5, 20, 60] {
            let ends: Vec<[f64; 2]> = (0..=n).map(|hits| clopper_pearson(hits, n)).collect();
            for percent in 1..100 {
                let p = f64::from(percent) / 100.0;
                // probability of 0 hits, of 1, of 2, …
                let (mut probability, mut held) = ((1.0 - p).powi(n as i32), 0.0);
                for (hits, [low, high]) in (0..=n).zip(&ends) {
                    held += if (*low..=*high).contains(&p) { probability } else { 0.0 };
                    probability *= (n - hits) as f64 / (hits + 1) as f64 * p / (1.0 - p);
                }
                assert!(held >= 0.95 - 1e-12, "{n} trials, {p}: {held}");
            }
        }
    }

    #[test]
    fn clopper_pearson_equals_scipys() {
        for (hits, n, expected) in [
            (0, 30, [0.0, 0.115703]),
            (30, 30, [0.884297, 1.0]),
            (3, 1000, [0.000619097, 0.00874202]),
            (346, 1000, [0.316507, 0.376403]),
            (7, 20, [0.153909, 0.592189]),
        ] {
            let ours = clopper_pearson(hits, n);
            assert!(near(ours, expected, 6e-7), "{hits}/{n}: {ours:?}");
        }
        assert_eq!(clopper_pearson(0, 0), [0.0, 1.0]);
    }

    // max(k for k in range(n) if scipy.stats.binom.cdf(k, n, .5) <= .025), here counted from 1
    #[test]
    fn ranks_around_the_median_are_those_of_the_tables() {
        for (n, expected) in [(6, [1, 6]), (10, [2, 9]), (20, [6, 15]), (25, [8, 18]), (100, [40, 61])] {
            assert_eq!(median_ranks(n), Some(expected.map(|rank| rank - 1)), "{n}");
        }
        assert_eq!((median_ranks(5), median_ranks(0)), (None, None));
    }

    #[test]
    fn pair_rate_stays_a_share_and_holds_its_estimate() {
        for n in [2, 3, 10, 1000] {
            for rate in [0.0, 1e-9, 0.2, 0.5, 0.999, 1.0] {
                for variance in [-1e-3, 0.0, 1e-4, 0.2] {
                    let [low, high] = pair_rate(rate, variance, n);
                    assert!((0.0..=rate).contains(&low) && (rate..=1.0).contains(&high), "{rate} of {n}");
                }
            }
        }
        // all of 30 agree: .025^(2/30)
        assert!(near(pair_rate(1.0, 0.0, 30), [0.781_981, 1.0], 1e-6));
        assert!(near(pair_rate(0.0, 0.0, 30), [0.0, 0.218_019], 1e-6));
    }

    // scipy.stats.norm.sf(scipy.stats.t.ppf(.975, n - 1) * (n / (n - 1)) ** .5)
    #[test]
    fn bootstrap_tail_shrinks_with_few_units() {
        for (n, expected) in [(5, 0.00095410), (60, 0.02180179), (100_000, 0.024_998)] {
            assert!((bootstrap_tail(n) - expected).abs() < 1e-6, "{n}: {}", bootstrap_tail(n));
        }
    }

    // scipy.stats.t.interval(.95, 9, .86, scipy.stats.sem(x)) with the x of E3 in docs/sources/statistics.md
    #[test]
    fn mean_t_equals_scipys_and_needs_five_values() {
        assert!(near(mean_t(0.86, 0.102_089, 10).unwrap(), [0.786_970, 0.933_030], 1e-6));
        assert_eq!(mean_t(0.86, 0.1, 4), None);
    }
}
