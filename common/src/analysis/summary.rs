//! The distribution of one quantity over restarts: mean, median, interquartile mean, interval, expected best.

use std::collections::{BTreeMap, BTreeSet};

use super::bootstrap::{Resampling, Strata};
use super::intervals::mean_t;
use super::report::{Number, Summary, VarianceSplit};
use super::variance;

/// The k of the expected best of k restarts.
const BEST_OF: [u32; 5] = [1, 5, 10, 50, 100];

/// Which value counts as the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Best {
    /// Losses and steps.
    Smallest,
    /// Accuracies.
    Largest,
}

/// Mean and standard deviation (n − 1) of values sorted ascending, so that the sums have one order. `sd` is 0 for
/// one value. Needs at least one.
pub fn mean_sd(sorted: &[f64]) -> (f64, f64) {
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    // rounding may push the mean of equal values off them
    let mean = mean.clamp(sorted[0], sorted[sorted.len() - 1]);
    let squares: f64 = sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, if sorted.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() })
}

/// Median of values sorted ascending; `None` without any.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(if lower == upper { upper } else { 0.5 * lower + 0.5 * upper })
}

/// Mean of the middle half: floor(n/4) values dropped at each end (`scipy.stats.trim_mean(x, .25)`).
fn interquartile_mean(sorted: &[f64]) -> f64 {
    let dropped = sorted.len() / 4;
    mean_sd(&sorted[dropped..sorted.len() - dropped]).0
}

/// Expected best of k values drawn from these without replacement, unbiased for the expected best of k further
/// restarts: Σᵢ C(i−1, k−1) / C(n, k) · x₍ᵢ₎ with x₍ₙ₎ the best. Needs 1 ≤ k ≤ n.
fn best_of(sorted: &[f64], k: usize, best: Best) -> f64 {
    let n = sorted.len();
    let by_rank = |rank: usize| match best {
        Best::Largest => sorted[rank - 1],
        Best::Smallest => sorted[n - rank],
    };
    let mut weight = k as f64 / n as f64;
    let mut expected = 0.0;
    for rank in (k..=n).rev() {
        expected += weight * by_rank(rank);
        if rank > 1 {
            weight *= (rank - k) as f64 / (rank - 1) as f64;
        }
    }
    expected.clamp(sorted[0], sorted[n - 1])
}

/// One run as a summary sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Its start.
    pub(crate) start: u64,
    /// Its data order.
    pub(crate) order: u64,
    /// Its value.
    pub(crate) value: f64,
}

/// How runs share starts and orders: decides the unit of replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Design {
    /// Each run is a unit.
    Independent,
    /// Each start is one; more than the order varies within it.
    Starts,
    /// Each start is one, with data orders of its own.
    Nested,
    /// Each start is one, and all meet the same data orders.
    Crossed,
}

/// Summary of the finite values among those of `runs`. `resampling` is `None` where no interval of the interquartile
/// mean is wanted.
///
/// Intervals take what is replicated as their unit: the values, or the starts where they are shared.
pub(crate) fn summary(
    runs: impl Iterator<Item = Run>,
    design: Design,
    best: Best,
    resampling: Option<Resampling>,
) -> Summary {
    let finite: Vec<Run> = runs.filter(|run| run.value.is_finite()).collect();
    let mut sorted: Vec<f64> = finite.iter().map(|run| run.value).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 {
        return nothing();
    }
    let (mean, sd) = mean_sd(&sorted);
    let ci95 = if design == Design::Independent {
        mean_t(mean, sd, n)
    } else {
        let means = means_of_starts(&finite);
        let (centre, sd) = mean_sd(&means);
        mean_t(centre, sd, means.len())
    };
    let number = |value: f64| Some(Number(value));
    let iqm_ci95 = resampling.and_then(|r| strata(&finite, design).interquartile_mean_interval(r));
    Summary {
        n: n as u64,
        mean: number(mean),
        sd: (n > 1).then_some(Number(sd)),
        median: median(&sorted).map(Number),
        iqm: number(interquartile_mean(&sorted)),
        min: number(sorted[0]),
        max: number(sorted[n - 1]),
        ci95: ci95.map(|ends| ends.map(Number)),
        iqm_ci95: iqm_ci95.map(|ends| ends.map(Number)),
        variance: split(&finite, design),
        best_of: BEST_OF
            .into_iter()
            .filter(|k| *k as usize <= n)
            .map(|k| (k, Number(best_of(&sorted, k as usize, best))))
            .collect(),
    }
}

fn nothing() -> Summary {
    Summary {
        n: 0,
        mean: None,
        sd: None,
        median: None,
        iqm: None,
        min: None,
        max: None,
        ci95: None,
        iqm_ci95: None,
        variance: None,
        best_of: BTreeMap::new(),
    }
}

/// The values with the units to resample, numbered in their order.
fn strata(runs: &[Run], design: Design) -> Strata {
    if design == Design::Independent {
        let mut sorted: Vec<f64> = runs.iter().map(|run| run.value).collect();
        sorted.sort_by(f64::total_cmp);
        return Strata::one(sorted.into_iter().zip(0..), runs.len());
    }
    let starts: BTreeSet<u64> = runs.iter().map(|run| run.start).collect();
    let unit: BTreeMap<u64, usize> = starts.into_iter().zip(0..).collect();
    Strata::one(runs.iter().map(|run| (run.value, unit[&run.start])), unit.len())
}

fn split(runs: &[Run], design: Design) -> Option<VarianceSplit> {
    let cells = || runs.iter().map(|run| (run.start, run.order, run.value)).collect::<Vec<_>>();
    match design {
        Design::Independent | Design::Starts => None,
        Design::Nested => variance::nested(&cells()),
        Design::Crossed => variance::crossed(&cells()),
    }
}

/// The mean of each start's values, sorted.
fn means_of_starts(runs: &[Run]) -> Vec<f64> {
    let mut starts: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in runs {
        starts.entry(run.start).or_default().push(run.value);
    }
    let mut means: Vec<f64> = starts
        .into_values()
        .map(|mut values| {
            values.sort_by(f64::total_cmp);
            mean_sd(&values).0
        })
        .collect();
    means.sort_by(f64::total_cmp);
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    // E3 of docs/sources/statistics.md; IQM by scipy.stats.trim_mean(x, .25), interval by scipy.stats.t.interval
    const E3: [f64; 10] = [0.91, 0.85, 0.88, 0.93, 0.79, 0.95, 0.90, 0.87, 0.60, 0.92];

    fn plain(values: &[f64], best: Best) -> Summary {
        summary(
            values.iter().map(|value| Run { start: 0, order: 0, value: *value }),
            Design::Independent,
            best,
            None,
        )
    }

    #[test]
    fn summary_equals_the_worked_example() {
        let s = plain(&E3, Best::Largest);
        let near = |ours: Option<Number>, theirs: f64| (ours.unwrap().0 - theirs).abs() < 1e-6;
        assert!(
            near(s.mean, 0.86) && near(s.sd, 0.102_089) && near(s.median, 0.89) && near(s.iqm, 0.888_333)
        );
        assert!(near(s.min, 0.60) && near(s.max, 0.95));
        let [low, high] = s.ci95.unwrap();
        assert!(near(Some(low), 0.786_970) && near(Some(high), 0.933_030));
        for (k, expected) in [(1, 0.86), (5, 0.936_627), (10, 0.95)] {
            assert!(near(Some(s.best_of[&k]), expected), "best of {k}: {:?}", s.best_of[&k]);
        }
        assert_eq!(s.best_of.len(), 3, "never beyond n");
        let mut sorted = E3;
        sorted.sort_by(f64::total_cmp);
        assert!(near(Some(Number(best_of(&sorted, 2, Best::Largest))), 0.911_333));
        assert!(near(Some(Number(best_of(&sorted, 3, Best::Largest))), 0.924_583));
    }

    #[test]
    fn smallest_is_the_mirror_of_largest() {
        let mirrored = E3.map(|value| -value);
        let (largest, smallest) = (plain(&E3, Best::Largest), plain(&mirrored, Best::Smallest));
        for (k, value) in &largest.best_of {
            assert!((value.0 + smallest.best_of[k].0).abs() < 1e-15);
        }
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_n_says_so() {
        let s = plain(&[f64::NAN, 1.0, f64::INFINITY, 3.0], Best::Smallest);
        assert_eq!((s.n, s.mean, s.ci95), (2, Some(Number(2.0)), None));
        let empty = plain(&[f64::NAN], Best::Smallest);
        assert_eq!((empty.n, empty.mean, empty.sd, empty.best_of.len()), (0, None, None, 0));
        let one = plain(&[4.0], Best::Smallest);
        assert_eq!((one.mean, one.sd, one.best_of[&1]), (Some(Number(4.0)), None, Number(4.0)));
    }

    #[test]
    fn equal_values_have_no_spread_and_their_own_mean() {
        let s = plain(&[0.1; 7], Best::Smallest);
        assert_eq!((s.mean, s.sd), (Some(Number(0.1)), Some(Number(0.0))));
        assert_eq!(s.ci95, Some([Number(0.1), Number(0.1)]));
        assert_eq!((s.best_of[&1], s.best_of[&5]), (Number(0.1), Number(0.1)));
    }

    #[test]
    fn shared_starts_are_the_unit_of_the_interval() {
        // five starts of four equal restarts: twenty values, five units
        let runs = || (0..20_u64).map(|i| Run { start: i % 5, order: i / 5, value: (i % 5) as f64 });
        let resampling = Some(Resampling { seed: 1, stream: 1, draws: 1_000_000 });
        let by_start = summary(runs(), Design::Crossed, Best::Smallest, resampling);
        let by_restart = summary(runs(), Design::Independent, Best::Smallest, resampling);
        let width = |ends: Option<[Number; 2]>| ends.map(|[low, high]| high.0 - low.0).unwrap();
        assert!(width(by_start.ci95) > 2.0 * width(by_restart.ci95));
        assert!(width(by_start.iqm_ci95) > 1.5 * width(by_restart.iqm_ci95));
        // all of the variance lies between starts
        assert_eq!(by_start.variance.unwrap().init_share, Some(Number(1.0)));
        assert_eq!(by_restart.variance, None);
        assert_eq!(by_start.mean, by_restart.mean);
    }
}
