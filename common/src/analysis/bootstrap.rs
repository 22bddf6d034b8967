//! Resampling units with replacement, stratum by stratum, with draws of the sweep's own: repeatable intervals.
//!
//! Percentile intervals as in rliable (Agarwal et al. 2021, arXiv 2108.13264), widened for few units (Hesterberg 2015):
//! the plain percentile interval of an interquartile mean misses its target at ten runs, see `docs/statistics.md`.

use std::ops::Range;

use rand::Rng;

use super::intervals::bootstrap_tail;
use crate::limits;
use crate::seed::{self, Purpose};

/// Fewest units for an interval by resampling.
pub(crate) const FEWEST_UNITS: usize = 5;

/// Which draws to use, and how many of them there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resampling {
    /// The sweep's seed.
    pub(crate) seed: u64,
    /// Stream of the purpose `bootstrap`.
    pub(crate) stream: u64,
    /// Draws in all.
    pub(crate) draws: u64,
}

impl Resampling {
    /// How often to resample `units`: less often where they are many, and `None` where the draws do not suffice.
    pub(crate) fn repeats(&self, units: u64) -> Option<u64> {
        let wished = (limits::RESAMPLE_DRAWS / units.max(1))
            .clamp(limits::BOOTSTRAP_REPEATS_FEWEST, limits::BOOTSTRAP_REPEATS);
        let repeats = wished.min(self.draws / units.max(1));
        (repeats >= limits::BOOTSTRAP_REPEATS_FEWEST).then_some(repeats)
    }
}

/// Values, each of a unit that is drawn as a whole; units belong to strata that are drawn each for itself.
#[derive(Debug, Clone)]
pub(crate) struct Strata {
    /// Value and unit, ascending.
    sorted: Vec<(f64, usize)>,
    /// The units of each stratum.
    strata: Vec<Range<usize>>,
}

impl Strata {
    /// One stratum: `values` with the numbers of their units, 0 to `units` − 1.
    pub(crate) fn one(values: impl Iterator<Item = (f64, usize)>, units: usize) -> Self {
        let mut sorted: Vec<(f64, usize)> = values.collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let all = 0..units;
        Self { sorted, strata: vec![all] }
    }

    /// A stratum for each task, a unit for each of its values.
    pub(crate) fn of_tasks(tasks: &[Vec<f64>]) -> Self {
        let mut strata = Vec::new();
        let mut units = 0;
        for task in tasks {
            strata.push(units..units + task.len());
            units += task.len();
        }
        let all = Self::one(tasks.iter().flatten().copied().zip(0..), units);
        Self { strata, ..all }
    }

    /// Interquartile mean of all values.
    pub(crate) fn interquartile_mean(&self) -> f64 {
        let units = self.strata.last().map_or(0, |stratum| stratum.end);
        self.interquartile_mean_of(&vec![1; units])
    }

    /// Two-sided 95 % interval of the interquartile mean. `None` below [`FEWEST_UNITS`] in a stratum, or if the
    /// draws do not suffice for `limits::BOOTSTRAP_REPEATS_FEWEST` repetitions.
    pub(crate) fn interquartile_mean_interval(&self, resampling: Resampling) -> Option<[f64; 2]> {
        let fewest = self.strata.iter().map(Range::len).min()?;
        (fewest >= FEWEST_UNITS)
            .then(|| bootstrap_tail(fewest))
            .and_then(|tail| self.percentiles(resampling, tail))
    }

    /// The percentiles `tail` and 1 − `tail` of the interquartile mean under resampling.
    pub(crate) fn percentiles(&self, resampling: Resampling, tail: f64) -> Option<[f64; 2]> {
        let units = self.strata.last()?.end;
        let repeats = resampling.repeats(units as u64)?;
        let mut rng = seed::generator(Purpose::Bootstrap, resampling.seed, resampling.stream);
        let mut times = vec![0; units];
        let means: Vec<f64> = (0..repeats)
            .map(|_| {
                times.fill(0);
                for stratum in &self.strata {
                    for _ in stratum.clone() {
                        times[stratum.start + seed::below(rng.next_u64(), stratum.len() as u64) as usize] +=
                            1;
                    }
                }
                self.interquartile_mean_of(&times)
            })
            .collect();
        Some([
            percentile(means.iter().copied(), tail, End::Low)?,
            percentile(means.iter().copied(), tail, End::High)?,
        ])
    }

    /// Mean of the middle half when unit i counts `times[i]` times: floor(N/4) of N values dropped at each end.
    fn interquartile_mean_of(&self, times: &[u32]) -> f64 {
        let all: u64 = self.sorted.iter().map(|(_, unit)| u64::from(times[*unit])).sum();
        let (from, to) = (all / 4, all - all / 4);
        let (mut passed, mut sum) = (0, 0.0);
        for (value, unit) in &self.sorted {
            let next = passed + u64::from(times[*unit]);
            let counted = next.min(to).saturating_sub(passed.max(from));
            sum += counted as f64 * value;
            passed = next;
        }
        sum / (to - from) as f64
    }
}

/// An end of an interval.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// The lower one.
    Low,
    /// The upper one.
    High,
}

/// The value that has the share `tail` of all values beyond it at that end; `None` without values.
pub(crate) fn percentile(values: impl Iterator<Item = f64>, tail: f64, end: End) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let cut = (values.len() as f64 * tail) as usize;
    match end {
        End::Low => values.get(cut).copied(),
        End::High => values.len().checked_sub(cut + 1).map(|i| values[i]),
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::analysis::ranks::tests::{X, Y};

    const MANY: Resampling = Resampling { seed: 1, stream: 0, draws: 1_000_000_000 };

    fn near(ours: f64, theirs: f64, tolerance: f64) -> bool {
        (ours - theirs).abs() <= tolerance
    }

    // E3 of docs/sources/statistics.md: scipy.stats.trim_mean(x, .25), the routine that rliable uses
    #[test]
    fn interquartile_means_equal_rliables() {
        let iqm = |tasks: &[Vec<f64>]| Strata::of_tasks(tasks).interquartile_mean();
        assert!(near(iqm(&[X.to_vec()]), 0.888_333, 1e-6) && near(iqm(&[Y.to_vec()]), 0.825, 1e-9));
        assert!(near(iqm(&[X.to_vec(), Y.to_vec()]), 0.851, 1e-9));
    }

    // E3: rliable's percentile interval, 200,000 repetitions: [.8117, .9183] for x, [.819, .876] for the pool of x and y.
    // Ours have 2,000, whose error is about .003.
    #[test]
    fn plain_percentiles_equal_rliables() {
        let plain = |tasks: &[Vec<f64>]| Strata::of_tasks(tasks).percentiles(MANY, 0.025).unwrap();
        let [low, high] = plain(&[X.to_vec()]);
        assert!(near(low, 0.8117, 0.005) && near(high, 0.9183, 0.002), "{low} {high}");
        let [low, high] = plain(&[X.to_vec(), Y.to_vec()]);
        assert!(near(low, 0.819, 0.003) && near(high, 0.876, 0.003), "{low} {high}");
    }

    #[test]
    fn counting_a_unit_twice_is_having_its_values_twice() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n in 1..30_usize {
            let values: Vec<f64> = (0..n).map(|_| rng.random()).collect();
            let times: Vec<u32> = (0..n).map(|_| rng.random_range(0..4)).collect();
            if times.iter().sum::<u32>() == 0 {
                continue;
            }
            let copies: Vec<f64> =
                values.iter().zip(&times).flat_map(|(v, times)| vec![*v; *times as usize]).collect();
            let weighted = Strata::of_tasks(&[values]).interquartile_mean_of(&times);
            assert!(near(weighted, Strata::of_tasks(&[copies]).interquartile_mean(), 1e-12), "{n}");
        }
    }

    #[test]
    fn too_few_units_or_draws_give_no_interval() {
        let interval = |n: usize, draws: u64| {
            let strata = Strata::of_tasks(&[X[..n].to_vec()]);
            strata.interquartile_mean_interval(Resampling { draws, ..MANY })
        };
        assert_eq!((interval(4, 1_000_000), interval(10, 1_999)), (None, None));
        assert!(interval(5, 1_000_000).is_some() && interval(10, 2_000).is_some());
    }

    #[test]
    fn same_draws_give_the_same_bits_and_others_others() {
        let strata = Strata::of_tasks(&[X.to_vec()]);
        let interval = |stream| strata.interquartile_mean_interval(Resampling { stream, ..MANY });
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
    }

    #[test]
    fn percentiles_cut_their_tail_off_each_end() {
        let values = || (0..2_000).map(f64::from);
        assert_eq!(percentile(values(), 0.025, End::Low), Some(50.0));
        assert_eq!(percentile(values(), 0.025, End::High), Some(1_949.0));
        assert_eq!(percentile(values(), 0.0, End::High), Some(1_999.0));
        assert_eq!(percentile([].into_iter(), 0.025, End::High), None);
    }
}
