//! The hedged betting interval for the mean of independent values in [0, 1]
//! (Waudby-Smith & Ramdas 2024, arXiv 2010.09686, section 4.4).
//!
//! One gambler bets that the mean is above m, one that it is below. If m is the mean, neither grows rich: either
//! capital reaches 2/α with probability at most α/2. The interval holds what makes neither rich at any time,
//! so it is valid for any n and any distribution on [0, 1], in particular for rates of which most are 1.

use super::elementary::ln;

/// 1 − .95.
const ALPHA: f64 = 0.05;
/// No bet risks more than this share of the capital.
const STAKE: f64 = 0.5;

/// Which way a gambler bets.
#[derive(Clone, Copy)]
enum Bet {
    /// That the mean lies above m: excludes small m.
    Above,
    /// That the mean lies below m: excludes large m.
    Below,
}

/// Two-sided 95 % interval of the mean of `values` in [0, 1], in the order in which they were planned.
pub(crate) fn interval(values: &[f64]) -> [f64; 2] {
    let stakes = Stakes::of(values.iter().copied()).collect::<Vec<_>>();
    let excluded = |m: f64, bet: Bet| {
        rounds_until_rich(values.iter().copied().zip(stakes.iter().copied()), m, bet).is_some()
    };
    // each capital is monotone in m, so that the excluded m are a prefix and a suffix of [0, 1]
    let low = last_true(|m| excluded(m, Bet::Above));
    let high = 1.0 - last_true(|m| excluded(1.0 - m, Bet::Below));
    [low.min(high), high.max(low)]
}

/// Whether the gambler against means as small as `m` grows rich on `values`.
pub(crate) fn excludes_from_below(values: &[f64], m: f64) -> bool {
    excludes(values, m, Bet::Above)
}

/// Whether the gambler against means as large as `m` grows rich on `values`.
pub(crate) fn excludes_from_above(values: &[f64], m: f64) -> bool {
    excludes(values, m, Bet::Below)
}

fn excludes(values: &[f64], m: f64, bet: Bet) -> bool {
    let stakes = Stakes::of(values.iter().copied());
    rounds_until_rich(values.iter().copied().zip(stakes), m, bet).is_some()
}

/// How many values, taken in turn from `values` over and over, exclude every mean below `m`; `None` beyond `most`.
pub(crate) fn rounds_to_exceed(values: &[f64], m: f64, most: u64) -> Option<u64> {
    rounds_on_repeated(values, m, Bet::Above, most)
}

/// How many values, taken in turn from `values` over and over, exclude every mean above `m`; `None` beyond `most`.
pub(crate) fn rounds_to_undercut(values: &[f64], m: f64, most: u64) -> Option<u64> {
    rounds_on_repeated(values, m, Bet::Below, most)
}

fn rounds_on_repeated(values: &[f64], m: f64, bet: Bet, most: u64) -> Option<u64> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let repeated = || values.iter().copied().cycle().take(most);
    rounds_until_rich(repeated().zip(Stakes::of(repeated())), m, bet)
}

/// The round after which the gambler against mean `m` holds 2/α, if ever.
fn rounds_until_rich(rounds: impl Iterator<Item = (f64, f64)>, m: f64, bet: Bet) -> Option<u64> {
    let rich = ln(2.0 / ALPHA);
    let mut ln_capital = 0.0;
    for (round, (value, stake)) in rounds.enumerate() {
        let gain = match bet {
            Bet::Above => stake.min(STAKE / m) * (value - m),
            Bet::Below => stake.min(STAKE / (1.0 - m)) * (m - value),
        };
        ln_capital += ln(1.0 + gain);
        if ln_capital >= rich {
            return Some(round as u64 + 1);
        }
    }
    None
}

/// The largest m in [0, 1] for which a predicate that is true up to some m and false beyond holds; 0 if none.
fn last_true(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // 40 halvings: an error of 1e-12
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The stake of each round before it is capped: √(2 ln(2/α) / (variance so far · t · ln(1 + t))). It depends on
/// earlier values only.
struct Stakes<I> {
    values: I,
    round: f64,
    sum: f64,
    squares: f64,
}

impl<I: Iterator<Item = f64>> Stakes<I> {
    fn of(values: I) -> Self {
        // one imagined value of mean ½ and variance ¼
        Self { values, round: 0.0, sum: 0.5, squares: 0.25 }
    }
}

impl<I: Iterator<Item = f64>> Iterator for Stakes<I> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let value = self.values.next()?;
        let variance = self.squares / (self.round + 1.0);
        self.round += 1.0;
        let stake = (2.0 * ln(2.0 / ALPHA) / (variance * self.round * ln(1.0 + self.round))).sqrt();
        self.sum += value;
        let mean = self.sum / (self.round + 1.0);
        self.squares += (value - mean) * (value - mean);
        Some(stake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: [f64; 2], theirs: [f64; 2]) -> bool {
        ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 0.002)
    }

    // from an independent implementation in numpy on a grid of 1e-4 (docs/sources/statistics.md)
    #[test]
    fn betting_interval_equals_an_independent_implementation() {
        let ones = interval(&[1.0; 30]);
        assert!(near(ones, [0.7926, 1.0]), "{ones:?}");
        let pattern = "10010010001001001001".repeat(5);
        let values: Vec<f64> = pattern.bytes().map(|b| f64::from(b - b'0')).collect();
        let mixed = interval(&values);
        assert!(near(mixed, [0.2086, 0.4994]), "{mixed:?}");
    }

    #[test]
    fn betting_interval_mirrors_and_stays_in_the_unit_interval() {
        let values = [1.0, 0.3, 1.0, 0.9, 0.0, 1.0, 1.0, 0.6];
        let mirrored: Vec<f64> = values.iter().map(|x| 1.0 - x).collect();
        let ([low, high], [mirror_low, mirror_high]) = (interval(&values), interval(&mirrored));
        assert!(0.0 <= low && low < high && high <= 1.0);
        assert!((low + mirror_high - 1.0).abs() < 1e-9 && (high + mirror_low - 1.0).abs() < 1e-9);
        assert_eq!(interval(&[]), [0.0, 1.0]);
    }

    #[test]
    fn forecast_is_the_first_round_whose_interval_decides() {
        let rates = [1.0, 1.0, 0.5];
        let rounds = rounds_to_exceed(&rates, 0.6, 10_000).unwrap() as usize;
        let values: Vec<f64> = rates.iter().copied().cycle().take(rounds).collect();
        assert!(interval(&values)[0] >= 0.6 - 1e-9);
        assert!(interval(&values[..rounds - 1])[0] < 0.6);
        assert_eq!(rounds_to_exceed(&rates, 0.9, 10_000), None);
        let below = rounds_to_undercut(&[0.0, 0.0, 0.5], 0.4, 10_000);
        assert_eq!(below, Some(rounds as u64));
    }
}
