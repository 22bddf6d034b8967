//! Agreement: the probability that two restarts of an experiment end in one basin, with intervals that are
//! valid for the unit of replication.
//!
//! A trial without a basin (failed, diverged or uncertified) stays in the denominator. It agrees with no other in
//! the estimate and in the lower end of each interval, and with every other in the upper end. So the interval
//! covers whatever those trials would have done.

use std::collections::BTreeMap;

use rand::Rng;

use super::betting;
use super::intervals::{clopper_pearson, pair_rate};
use super::sequences;
use super::trials::Trials;
use crate::limits;
use crate::plan::{self, Unit};
use crate::seed::{self, Purpose};

/// So many restarts outside the largest basin, or pairs that agree, are few: the normal approximation does not hold for them.
const FEW: u64 = 5;

/// Fewest starts, with at least two restarts each, for an interval over starts.
pub(crate) const FEWEST_STARTS: usize = 5;

/// Agreement of one experiment at one level.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agreement {
    /// The probability, trials without a basin agreeing with none; `None` where fewer than two trials have a basin.
    pub(crate) estimate: Option<f64>,
    /// Two-sided 95 % interval, or why there is none.
    pub(crate) ci95: Result<[f64; 2], String>,
    /// Exact interval from disjoint pairs named beforehand.
    pub(crate) pairs_ci95: Option<[f64; 2]>,
    /// Confidence sequence from the same pairs; `None` where starts are shared: their rates change as restarts come in.
    pub(crate) anytime_ci95: Option<[f64; 2]>,
    /// Units of replication.
    pub(crate) units: u64,
    evidence: Evidence,
}

/// What the interval is made from, and what a forecast needs.
#[derive(Debug, Clone, PartialEq)]
enum Evidence {
    /// Pairs of restarts, with trials without a basin agreeing with none and with all.
    Restarts { low: PairCounts, high: PairCounts },
    /// Pair rates within each start, in both readings, and how many restarts a start has.
    Starts { low: Vec<f64>, high: Vec<f64>, restarts_per_start: f64 },
}

/// Agreement of `trials` whose basins are `labels`.
pub(crate) fn agreement(trials: &Trials, labels: &[Option<u32>]) -> Agreement {
    let with_basin = labels.iter().flatten().count();
    let restarts: Vec<u32> = trials.finished.iter().map(|trial| trial.restart).collect();
    let mut agreement = match plan::unit(trials.experiment) {
        Unit::Restart => between_restarts(&restarts, labels),
        Unit::Start => within_starts(trials, labels),
    };
    if with_basin < 2 {
        agreement.estimate = None;
    }
    agreement
}

/// Agreement of independent runs whose basins are `labels`, from a file that may be sorted by anything. So pairs are
/// drawn by lot, the same for every order of the runs, and there is no sequence that one could look at on the way.
pub(crate) fn agreement_of_runs(labels: &[Option<u32>]) -> Agreement {
    let mut drawn = labels.to_vec();
    drawn.sort_unstable();
    let mut rng = seed::generator(Purpose::Bootstrap, 0, labels.len() as u64);
    for i in (1..drawn.len()).rev() {
        drawn.swap(i, seed::below(rng.next_u64(), i as u64 + 1) as usize);
    }
    let runs: Vec<u32> = (0..labels.len() as u32).collect();
    let agreement = between_restarts(&runs, &drawn);
    let is_comparable = labels.iter().flatten().count() > 1;
    Agreement { estimate: agreement.estimate.filter(|_| is_comparable), anytime_ci95: None, ..agreement }
}

fn between_restarts(restarts: &[u32], labels: &[Option<u32>]) -> Agreement {
    let low = PairCounts::of(labels, false);
    let high = PairCounts::of(labels, true);
    let ci95 = if low.n < 2 {
        Err("two finished restarts are needed".to_owned())
    } else {
        Ok([low.interval()[0], high.interval()[1]])
    };
    // pair k is restarts 2k and 2k + 1, whichever finished first
    let pairs = Pairs::of(restarts.windows(2).zip(labels.windows(2)).filter_map(|(pair, labels)| {
        let named = pair[0] % 2 == 0 && pair[1] == pair[0] + 1;
        named.then_some([labels[0], labels[1]])
    }));
    Agreement {
        estimate: low.rate(),
        ci95,
        pairs_ci95: pairs.interval(clopper_pearson),
        anytime_ci95: pairs.interval(sequences::share),
        units: low.n,
        evidence: Evidence::Restarts { low, high },
    }
}

fn within_starts(trials: &Trials, labels: &[Option<u32>]) -> Agreement {
    let mut starts: BTreeMap<u64, Vec<Option<u32>>> = BTreeMap::new();
    for (trial, label) in trials.finished.iter().zip(labels) {
        starts.entry(trials.start(trial.restart)).or_default().push(*label);
    }
    let rates = |lost_agree: bool| -> Vec<f64> {
        starts.values().filter_map(|labels| PairCounts::of(labels, lost_agree).rate()).collect()
    };
    let (low, high) = (rates(false), rates(true));
    let units = low.len();
    let ci95 = if units < FEWEST_STARTS {
        Err(format!(
            "an interval over starts needs at least {FEWEST_STARTS} starts with two finished restarts each, and there are {units}"
        ))
    } else {
        // now and then the first few starts rule out what all of them suggest; stretched, the interval stays valid
        Ok([betting::interval(&low)[0].min(mean(&low)), betting::interval(&high)[1].max(mean(&high))])
    };
    // one pair per start: its first two restarts, if both finished
    let count = trials.experiment.starts.unwrap_or(1);
    let pairs = trials.finished.iter().zip(labels).take_while(|(trial, _)| trial.restart < count).filter_map(
        |(first, label)| {
            let second =
                trials.finished.binary_search_by_key(&first.restart.checked_add(count)?, |t| t.restart);
            Some([*label, labels[second.ok()?]])
        },
    );
    let pairs_ci95 = if units < FEWEST_STARTS { None } else { Pairs::of(pairs).interval(clopper_pearson) };
    let estimate = (units > 0).then(|| mean(&low));
    let restarts_per_start = f64::from(trials.experiment.restarts) / f64::from(count);
    Agreement {
        estimate,
        ci95,
        pairs_ci95,
        anytime_ci95: None,
        units: units as u64,
        evidence: Evidence::Starts { low, high, restarts_per_start },
    }
}

/// Independent pairs of restarts, and how many of them agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pairs {
    n: u64,
    agree: u64,
    /// Pairs of which a restart has no basin.
    unknown: u64,
}

impl Pairs {
    /// Counts `pairs`.
    pub(crate) fn of(pairs: impl Iterator<Item = [Option<u32>; 2]>) -> Self {
        let mut counts = Self::default();
        for pair in pairs {
            counts.n += 1;
            match pair {
                [Some(a), Some(b)] => counts.agree += u64::from(a == b),
                _ => counts.unknown += 1,
            }
        }
        counts
    }

    /// The interval of their rate by `interval` of hits and number, the unknown pairs agreeing for the upper end only;
    /// `None` without pairs.
    pub(crate) fn interval(&self, interval: impl Fn(u64, u64) -> [f64; 2]) -> Option<[f64; 2]> {
        let [low, high] = [self.agree, self.agree + self.unknown];
        (self.n > 0).then(|| [interval(low, self.n)[0], interval(high, self.n)[1]])
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How many pairs and triples of restarts agree: all that the U-statistic of the pair rate needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PairCounts {
    /// Restarts.
    pub(crate) n: u64,
    /// Σᵢ dᵢ, where restart i agrees with dᵢ others.
    pairs: f64,
    /// Σᵢ dᵢ(dᵢ − 1).
    triples: f64,
    /// Restarts that do not agree with the largest basin.
    outside: u64,
}

impl PairCounts {
    /// Counts over `labels`; those without a label agree with none, or with all if `lost_agree`.
    pub(crate) fn of(labels: &[Option<u32>], lost_agree: bool) -> Self {
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        for label in labels.iter().flatten() {
            *sizes.entry(*label).or_insert(0) += 1;
        }
        let n = labels.len() as u64;
        let lost = n - sizes.values().sum::<u64>();
        let largest = sizes.values().copied().max().unwrap_or(0) + if lost_agree { lost } else { 0 };
        let mut counts = Self { n, pairs: 0.0, triples: 0.0, outside: n - largest };
        let mut add = |restarts: u64, degree: u64| {
            let (restarts, degree) = (restarts as f64, degree as f64);
            counts.pairs += restarts * degree;
            counts.triples += restarts * degree * (degree - 1.0);
        };
        for size in sizes.into_values() {
            add(size, size - 1 + if lost_agree { lost } else { 0 });
        }
        if lost_agree && lost > 0 {
            add(lost, n - 1);
        }
        counts
    }

    /// Share of pairs that agree, U; `None` below two restarts.
    pub(crate) fn rate(&self) -> Option<f64> {
        let n = self.n as f64;
        (self.n >= 2).then(|| self.pairs / (n * (n - 1.0)))
    }

    /// Estimated variance of U (Simpson 1949; the unbiased variance of a U-statistic whose kernel is 0 or 1).
    /// Can be negative for small n.
    pub(crate) fn variance(&self) -> f64 {
        let n = self.n as f64;
        let rate = self.pairs / (n * (n - 1.0));
        // (n − 2) · t₃, which needs no third restart
        let triples = self.triples / (n * (n - 1.0));
        (4.0 * triples + 2.0 * rate - 2.0 * (2.0 * n - 3.0) * rate * rate) / (n * (n - 1.0))
    }

    fn interval(&self) -> [f64; 2] {
        self.interval_at(self.n)
    }

    /// The interval if `n` restarts fell in the same shares as these did.
    fn interval_at(&self, n: u64) -> [f64; 2] {
        let Some(rate) = self.rate() else { return [0.0, 1.0] };
        let [low, high] = pair_rate(rate, self.variance() * self.n as f64 / n as f64, n);
        // few of a kind are not normal: what is exact for them widens the interval
        let outside = (self.outside as f64 * n as f64 / self.n as f64).round() as u64;
        let agree = (0.5 * rate * n as f64 * (n as f64 - 1.0)).round() as u64;
        [
            if (1..=FEW).contains(&agree) { low.min(agreement_of_pairs(agree, n)) } else { low },
            if (1..=FEW).contains(&outside) { high.max(agreement_outside(outside, n)) } else { high },
        ]
    }
}

/// The least agreement if `agree` of all pairs of `n` restarts do: few pairs share no restart, and are as good as independent.
fn agreement_of_pairs(agree: u64, n: u64) -> f64 {
    // beyond a million pairs the bound falls with their number
    let (pairs, most) = ((n as f64) * (n as f64 - 1.0) / 2.0, 1_000_000);
    if pairs <= most as f64 {
        return clopper_pearson(agree, pairs as u64)[0];
    }
    clopper_pearson(agree, most)[0] * (most as f64 / pairs)
}

/// The largest agreement if of `n` restarts `outside` ended outside the largest basin: its share p is at most the exact
/// bound, and then two restarts agree with at most p² + (1 − p)², or with p where p is below one half.
fn agreement_outside(outside: u64, n: u64) -> f64 {
    let share = clopper_pearson(n - outside, n)[1];
    if share < 0.5 { share } else { share * share + (1.0 - share) * (1.0 - share) }
}

impl Agreement {
    /// Restarts in all after which the interval would lie above `same_at`, below `spread_at` or between, if
    /// further units fall as these did. `None` if more of the same would not decide, or not within
    /// `limits::UNITS_FORECAST` units.
    pub(crate) fn restarts_needed(&self, same_at: f64, spread_at: f64) -> Option<u64> {
        match &self.evidence {
            Evidence::Restarts { low, high } => {
                let decides = |n: u64| {
                    let (low, high) = (low.interval_at(n)[0], high.interval_at(n)[1]);
                    low >= same_at || high <= spread_at || (low > spread_at && high < same_at)
                };
                first_true(low.n.max(2), limits::UNITS_FORECAST, decides)
            }
            Evidence::Starts { low, high, restarts_per_start } => {
                let most = limits::UNITS_FORECAST;
                let exceed = |m: f64| betting::rounds_to_exceed(low, m, most);
                let undercut = |m: f64| betting::rounds_to_undercut(high, m, most);
                let (rate_low, rate_high) = (mean(low), mean(high));
                let starts = if rate_low > same_at {
                    exceed(same_at)
                } else if rate_high < spread_at {
                    undercut(spread_at)
                } else if rate_low > spread_at && rate_high < same_at {
                    Some(exceed(spread_at)?.max(undercut(same_at)?))
                } else {
                    None
                }?;
                Some((starts.max(FEWEST_STARTS as u64) as f64 * restarts_per_start).ceil() as u64)
            }
        }
    }
}

/// The smallest n in `from..=to` for which a predicate that stays true once it is true holds.
fn first_true(from: u64, to: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(to) {
        return None;
    }
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::trials::Finished;

    fn labels(counts: &[u64]) -> Vec<Option<u32>> {
        counts
            .iter()
            .enumerate()
            .flat_map(|(basin, count)| (0..*count).map(move |_| Some(basin as u32)))
            .collect()
    }

    // E1 of docs/sources/statistics.md: scipy 1.17
    #[test]
    fn pair_rate_and_its_standard_error_equal_the_worked_example() {
        let counts = PairCounts::of(&labels(&[25, 12, 6, 3, 2, 1, 1, 1, 1]), false);
        assert!((counts.rate().unwrap() - 0.290_347).abs() < 5e-7);
        assert!((counts.variance().sqrt() - 0.049_687_2).abs() < 5e-8);
        assert!((counts.triples / (52.0 * 51.0 * 50.0) - 0.114_977).abs() < 5e-7);
        // E2
        assert!((PairCounts::of(&labels(&[8, 2]), false).rate().unwrap() - 0.644_444).abs() < 5e-7);
        assert!((PairCounts::of(&labels(&[3, 3, 2, 1, 1]), false).rate().unwrap() - 0.155_556).abs() < 5e-7);
    }

    #[test]
    fn few_of_a_kind_widen_their_end() {
        // one restart of 64 in another basin, and one pair of 64 in one: the exact bounds reach beyond the normal ones
        let normal = |counts: PairCounts| pair_rate(counts.rate().unwrap(), counts.variance(), counts.n);
        let one_outside = PairCounts::of(&labels(&[63, 1]), false);
        let share = clopper_pearson(63, 64)[1];
        assert_eq!(one_outside.interval()[1], share * share + (1.0 - share) * (1.0 - share));
        assert!(one_outside.interval()[1] > normal(one_outside)[1]);
        assert_eq!(one_outside.interval()[0], normal(one_outside)[0]);
        let mut pair = vec![1; 62];
        pair.push(2);
        let one_pair = PairCounts::of(&labels(&pair), false);
        assert_eq!(one_pair.interval(), [clopper_pearson(1, 2_016)[0], normal(one_pair)[1]]);
        let five_outside = PairCounts::of(&labels(&[59, 5]), false);
        assert_eq!(five_outside.interval()[1], agreement_outside(5, 64));
        // six of a kind are many
        let six_outside = PairCounts::of(&labels(&[58, 6]), false);
        assert_eq!(six_outside.interval(), normal(six_outside));
        // beyond a million pairs: the same number of pairs expected
        assert!((agreement_of_pairs(1, 100_000) * 4_999_950_000.0 / 0.025_318 - 1.0).abs() < 1e-4);
        // all differ but a pair among five: the largest basin may have less than one half
        assert_eq!(agreement_outside(9, 10), clopper_pearson(1, 10)[1]);
    }

    #[test]
    fn a_lost_trial_disagrees_with_all_below_and_agrees_with_all_above() {
        // two of basin 0, one of basin 1, one lost: of 6 pairs 1 agrees surely and 3 are open
        let labels = [Some(0), Some(0), Some(1), None];
        assert_eq!(PairCounts::of(&labels, false).rate(), Some(1.0 / 6.0));
        assert_eq!(PairCounts::of(&labels, true).rate(), Some(4.0 / 6.0));
        let all_lost = [None, None, None];
        assert_eq!(PairCounts::of(&all_lost, false).rate(), Some(0.0));
        assert_eq!(PairCounts::of(&all_lost, true).rate(), Some(1.0));
        // an open pair counts against the lower end and for the upper end
        let pairs = [[Some(0), Some(0)], [Some(0), None], [None, None], [Some(0), Some(1)]];
        let interval = Pairs::of(pairs.into_iter()).interval(clopper_pearson).unwrap();
        assert_eq!(interval, [clopper_pearson(1, 4)[0], clopper_pearson(3, 4)[1]]);
        assert_eq!(Pairs::of(std::iter::empty()).interval(clopper_pearson), None);
    }

    #[test]
    fn degrees_give_the_same_variance_as_counting_pairs_one_by_one() {
        let labels = [Some(0), Some(0), Some(1), None, Some(1), Some(1), None, Some(2)];
        for lost_agree in [false, true] {
            let agree = |i: usize, j: usize| match (labels[i], labels[j]) {
                (Some(a), Some(b)) => a == b,
                _ => lost_agree,
            };
            let others = |i: usize| (0..labels.len()).filter(move |j| *j != i);
            let mut pairs = 0.0;
            let mut triples = 0.0;
            for i in 0..labels.len() {
                let degree = others(i).filter(|j| agree(i, *j)).count() as f64;
                pairs += degree;
                triples += degree * (degree - 1.0);
            }
            assert_eq!(
                PairCounts::of(&labels, lost_agree),
                PairCounts { n: 8, pairs, triples, outside: if lost_agree { 3 } else { 5 } }
            );
        }
    }

    #[test]
    fn interval_over_starts_holds_its_estimate_even_when_odd_starts_come_first() {
        use crate::analysis::tests::fixtures::{ORDER, experiment};
        let fixed = experiment("fixed", ORDER, Some(60), 240);
        let progress = crate::progress::ExperimentProgress::default();
        let finished = (0..240).map(|restart| Finished { restart, outcome: None }).collect();
        let trials = Trials { experiment: &fixed, progress: &progress, finished, polished: true };
        // the first four starts are undecided, the other 56 are not: the bets on the first exclude the mean of all
        let labels: Vec<Option<u32>> = (0..240).map(|r| Some(u32::from(r % 60 < 4 && r >= 120))).collect();
        let agreement = agreement(&trials, &labels);
        let rate = agreement.estimate.unwrap();
        assert!((rate - (56.0 + 4.0 / 3.0) / 60.0).abs() < 1e-12);
        assert_eq!(agreement.ci95.unwrap()[1], rate);
    }

    #[test]
    fn forecast_is_the_first_n_that_decides() {
        let counts = PairCounts::of(&labels(&[20]), false);
        let evidence = Evidence::Restarts { low: counts, high: counts };
        let agreement = Agreement {
            estimate: Some(1.0),
            ci95: Ok([0.69, 1.0]),
            pairs_ci95: None,
            anytime_ci95: None,
            units: 20,
            evidence,
        };
        // .025^(2/n) ≥ .8 from n = 33.06 on
        assert_eq!(agreement.restarts_needed(0.8, 0.5), Some(34));
        // lost trials that leave everything open: no number decides
        let half = labels(&[10]).into_iter().chain((0..10).map(|_| None)).collect::<Vec<_>>();
        let evidence =
            Evidence::Restarts { low: PairCounts::of(&half, false), high: PairCounts::of(&half, true) };
        assert_eq!(Agreement { evidence, ..agreement }.restarts_needed(0.8, 0.5), None);
    }
}
