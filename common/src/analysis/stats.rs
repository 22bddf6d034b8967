//! Statistics of numbers from elsewhere: experiments side by side. Schema `seedsweep.stats/1`, field by field in
//! `docs/statistics.md`.

use serde::Serialize;

use super::bootstrap::{End, FEWEST_UNITS, Resampling, Strata, percentile};
use super::intervals::{bootstrap_tail, mean_t, mean_welch};
use super::paired::{self, Permutation};
use super::ranks;
use super::report::{Difference, Interval, Number, Summary};
use super::summary::{Best, Design, Run, mean_sd, summary};
use crate::limits;
use crate::seed::{self, Purpose};

/// The schema of [`StatsReport`].
pub const STATS_SCHEMA: &str = "seedsweep.stats/1";

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Scores, accuracies.
    Larger,
    /// Losses, errors, times.
    Smaller,
}

/// The values of one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its name.
    pub name: String,
    /// Its rows in any order, no restart twice.
    pub rows: Vec<Row>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its restart.
    pub restart: u64,
    /// Its start, where several runs share one.
    pub start: Option<u64>,
    /// Its data order, where several runs share one.
    pub order: Option<u64>,
    /// Its value; not finite where it failed.
    pub value: f64,
}

/// Statistics of experiments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsReport {
    /// [`STATS_SCHEMA`].
    pub schema: &'static str,
    /// In the order given.
    pub experiments: Vec<ExperimentStats>,
    /// Interquartile mean over all experiments as tasks of one method; `null` for a single one.
    pub pooled: Option<Pooled>,
    /// Pairs of experiments in their order.
    pub comparisons: Vec<PairStats>,
    /// Pairs beyond `limits::COMPARISONS`.
    pub comparisons_left_out: u64,
    /// Where the numbers prove less than they seem to.
    pub warnings: Vec<String>,
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentStats {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Summary,
    /// Noise of the test set; `null` unless the number of test rows is given and all values are shares.
    pub test_noise: Option<TestNoise>,
}

/// How far accuracies (or error rates) of equally good networks scatter because the test set is finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TestNoise {
    /// Rows of the test set.
    pub rows: u64,
    /// Standard deviation between restarts that is expected of calibrated ensembles, √(error/(2·rows)) (Jordan 2023,
    /// arXiv 2304.01910): a spread of this size says nothing about which restart is better.
    pub sd_expected: Number,
    /// That of drawing another test set for one network, √(error(1 − error)/rows).
    pub sd_binomial: Number,
}

/// All values of all experiments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pooled {
    /// Finite values.
    pub n: u64,
    /// Interquartile mean of them all.
    pub iqm: Number,
    /// Interval by resampling runs within each experiment; `null` if one has fewer than five.
    pub iqm_ci95: Option<Interval>,
}

/// Two experiments side by side, over their finite values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairStats {
    /// Name of the first.
    pub a: String,
    /// Name of the second.
    pub b: String,
    /// Whether both have the same restarts, which are then compared pair by pair.
    pub paired: bool,
    /// Values of each, or pairs.
    pub n: [u64; 2],
    /// P(a is better than b) + P(a equals b)/2.
    pub probability_of_improvement: Difference,
    /// Mean of a minus mean of b: Student t of the differences where paired, else Welch.
    pub difference: Difference,
    /// The test that the family is adjusted over: `permutation` where paired, else `mann_whitney`.
    pub test: &'static str,
    /// Its two-sided p-value; `null` without values.
    pub p: Option<Number>,
    /// The same by Holm's method over all comparisons shown.
    pub p_holm: Option<Number>,
    /// Tests of the paired differences; `null` where not paired.
    pub paired_tests: Option<PairedTests>,
}

/// Tests of paired differences. All p-values are two-sided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedTests {
    /// Student's t; `null` where all differences are equal.
    pub t: Option<Test>,
    /// Wilcoxon's signed-rank sum; `null` where all differences are zero.
    pub wilcoxon: Option<Test>,
    /// p of exchanging signs within pairs.
    pub permutation_p: Number,
    /// Whether all signs were tried.
    pub permutation_exact: bool,
}

/// A test's statistic and p-value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Test {
    /// The statistic.
    pub statistic: Number,
    /// Its two-sided p-value.
    pub p: Number,
}

/// Statistics of `experiments`. Those with the same restarts are compared pair by pair if `may_pair`. With
/// `test_rows` values are accuracies, or error rates where smaller is better, on as many rows.
pub fn stats(experiments: &[Values], better: Better, may_pair: bool, test_rows: Option<u64>) -> StatsReport {
    let mut experiments = experiments.to_vec();
    experiments.iter_mut().for_each(|values| values.rows.sort_by_key(|row| row.restart));
    let draws = limits::BOOTSTRAP_DRAWS / experiments.len().max(1) as u64;
    let summaries = (0..).zip(&experiments).map(|(stream, values)| ExperimentStats {
        name: values.name.clone(),
        values: summarise(values, better, Resampling { seed: 0, stream, draws }),
        test_noise: test_rows.and_then(|rows| test_noise(values, better, rows)),
    });
    let all = || (0..experiments.len()).flat_map(|a| (a + 1..experiments.len()).map(move |b| (a, b)));
    let pairs: Vec<(usize, usize)> = all().take(limits::COMPARISONS).collect();
    let draws = limits::BOOTSTRAP_DRAWS / pairs.len().max(1) as u64;
    let mut comparisons: Vec<PairStats> = pairs
        .iter()
        .map(|&(a, b)| {
            let resampling = Resampling { seed: 0, stream: (a as u64) << 32 | b as u64, draws };
            compare(&experiments[a], &experiments[b], better, may_pair, resampling)
        })
        .collect();
    let p_values: Vec<f64> = comparisons.iter().map(|pair| pair.p.map_or(1.0, |p| p.0)).collect();
    for (pair, adjusted) in comparisons.iter_mut().zip(paired::holm(&p_values)) {
        pair.p_holm = pair.p.map(|_| Number(adjusted));
    }
    StatsReport {
        schema: STATS_SCHEMA,
        experiments: summaries.collect(),
        pooled: pooled(&experiments),
        comparisons_left_out: (all().count() - comparisons.len()) as u64,
        warnings: warnings(&experiments, &comparisons),
        comparisons,
    }
}

impl Values {
    fn finite(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.value).filter(|value| value.is_finite()).collect()
    }

    /// How its runs share starts and orders.
    fn design(&self) -> Design {
        let distinct = |key: fn(&Row) -> Option<u64>| {
            let mut keys: Vec<u64> = self.rows.iter().filter_map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.len()
        };
        let has_starts = self.rows.iter().all(|row| row.start.is_some());
        let has_orders = self.rows.iter().all(|row| row.order.is_some());
        let starts = distinct(|row| row.start);
        match (
            has_starts && starts < self.rows.len(),
            has_orders && distinct(|row| row.order) < self.rows.len(),
        ) {
            (false, _) => Design::Independent,
            (true, false) => Design::Nested,
            (true, true) => Design::Crossed,
        }
    }
}

fn summarise(values: &Values, better: Better, resampling: Resampling) -> Summary {
    let runs = values.rows.iter().map(|row| Run {
        start: row.start.unwrap_or(row.restart),
        order: row.order.unwrap_or(row.restart),
        value: row.value,
    });
    let best = match better {
        Better::Larger => Best::Largest,
        Better::Smaller => Best::Smallest,
    };
    summary(runs, values.design(), best, Some(resampling))
}

fn test_noise(values: &Values, better: Better, rows: u64) -> Option<TestNoise> {
    let shares = sorted(values.finite().into_iter());
    if shares.is_empty() || rows == 0 || !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return None;
    }
    let mean = mean_sd(&shares).0;
    let error = if better == Better::Larger { 1.0 - mean } else { mean };
    Some(TestNoise {
        rows,
        sd_expected: Number((error / (2.0 * rows as f64)).sqrt()),
        sd_binomial: Number((error * (1.0 - error) / rows as f64).sqrt()),
    })
}

fn pooled(experiments: &[Values]) -> Option<Pooled> {
    let tasks: Vec<Vec<f64>> = experiments.iter().map(Values::finite).collect();
    let n = tasks.iter().map(Vec::len).sum::<usize>() as u64;
    if experiments.len() < 2 || n == 0 {
        return None;
    }
    let strata = Strata::of_tasks(&tasks);
    // no comparison has this stream
    let resampling = Resampling { seed: 0, stream: u64::MAX, draws: limits::BOOTSTRAP_DRAWS };
    let interval = strata.interquartile_mean_interval(resampling);
    Some(Pooled {
        n,
        iqm: Number(strata.interquartile_mean()),
        iqm_ci95: interval.map(|ends| ends.map(Number)),
    })
}

/// Whether both have the same restarts.
fn restarts_match(a: &Values, b: &Values) -> bool {
    a.rows.len() == b.rows.len() && a.rows.iter().zip(&b.rows).all(|(a, b)| a.restart == b.restart)
}

fn compare(a: &Values, b: &Values, better: Better, may_pair: bool, resampling: Resampling) -> PairStats {
    let paired = may_pair && restarts_match(a, b);
    let (a_values, b_values) = if paired {
        let both = a.rows.iter().zip(&b.rows).map(|(a, b)| (a.value, b.value));
        both.filter(|(a, b)| a.is_finite() && b.is_finite()).unzip()
    } else {
        (a.finite(), b.finite())
    };
    let n = [a_values.len(), b_values.len()];
    let has_both = n[0] > 0 && n[1] > 0;
    let ranks = has_both.then(|| ranks::rank_sum(&a_values, &b_values));
    let of_better = |above: f64| if better == Better::Larger { above } else { 1.0 - above };
    let interval = improvement_interval(&a_values, &b_values, paired, resampling)
        .map(|[low, high]| if better == Better::Larger { [low, high] } else { [1.0 - high, 1.0 - low] });
    let tests = (paired && has_both).then(|| paired_tests(&a_values, &b_values, resampling));
    let p = tests.as_ref().map_or(ranks.map(|ranks| Number(ranks.p)), |tests| Some(tests.permutation_p));
    PairStats {
        a: a.name.clone(),
        b: b.name.clone(),
        paired,
        n: n.map(|n| n as u64),
        probability_of_improvement: Difference {
            estimate: ranks.map(|ranks| Number(of_better(ranks.above))),
            ci95: interval.map(|ends| ends.map(Number)),
        },
        difference: difference(&a_values, &b_values, paired),
        test: if paired { "permutation" } else { "mann_whitney" },
        p,
        p_holm: None,
        paired_tests: tests,
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn difference(a: &[f64], b: &[f64], paired: bool) -> Difference {
    if a.is_empty() || b.is_empty() {
        return Difference { estimate: None, ci95: None };
    }
    let (estimate, ci95) = if paired {
        let (mean, sd) = mean_sd(&sorted(a.iter().zip(b).map(|(a, b)| a - b)));
        (mean, mean_t(mean, sd, a.len()))
    } else {
        let ends = [a, b].map(|values| (mean_sd(&sorted(values.iter().copied())), values.len()));
        (ends[0].0.0 - ends[1].0.0, mean_welch(ends[0], ends[1]))
    };
    Difference { estimate: Some(Number(estimate)), ci95: ci95.map(|ends| ends.map(Number)) }
}

fn paired_tests(a: &[f64], b: &[f64], resampling: Resampling) -> PairedTests {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (mean, sd) = mean_sd(&sorted(differences.iter().copied()));
    // decimals differ from what was written in the last bit or two
    let tie = 4.0 * f64::EPSILON * a.iter().chain(b).fold(0.0, |most: f64, value| most.max(value.abs()));
    let Permutation { p, exact } = paired::permutation(&differences, resampling);
    let test = |(statistic, p)| Test { statistic: Number(statistic), p: Number(p) };
    PairedTests {
        t: paired::student(mean, sd, a.len()).map(test),
        wilcoxon: ranks::signed_rank(&differences, tie).map(|found| test((found.w, found.p))),
        permutation_p: Number(p),
        permutation_exact: exact,
    }
}

/// Fewest pairs that are resampled jointly alone.
const FEWEST_PAIRS: usize = 10;

/// Interval of P(a > b) + P(a = b)/2: restarts are resampled jointly where paired, else each set for itself. Below ten pairs in
/// both ways, of which the outer ends count: joint samples of five pairs are too much alike, and held the truth in 88 % of
/// simulated cases.
fn improvement_interval(a: &[f64], b: &[f64], paired: bool, resampling: Resampling) -> Option<[f64; 2]> {
    let alone = || resampled_improvement(a, b, false, resampling);
    if !paired {
        return alone();
    }
    let [low, high] = resampled_improvement(a, b, true, resampling)?;
    let [least, most] = if a.len() < FEWEST_PAIRS { alone()? } else { [low, high] };
    Some([low.min(least), high.max(most)])
}

fn resampled_improvement(a: &[f64], b: &[f64], paired: bool, resampling: Resampling) -> Option<[f64; 2]> {
    let fewest = a.len().min(b.len());
    let drawn = if paired { a.len() } else { a.len() + b.len() } as u64;
    let repeats = resampling.repeats(drawn).filter(|_| fewest >= FEWEST_UNITS)?;
    let merged = Merged::of(a, b);
    let mut rng = seed::generator(Purpose::Bootstrap, resampling.seed, resampling.stream);
    let mut draw = |times: &mut [u32]| {
        times.fill(0);
        for _ in 0..times.len() {
            times[seed::below(rand::Rng::next_u64(&mut rng), times.len() as u64) as usize] += 1;
        }
    };
    let mut times = [vec![0; a.len()], vec![0; b.len()]];
    let rates: Vec<f64> = (0..repeats)
        .map(|_| {
            draw(&mut times[0]);
            if paired {
                times[1] = times[0].clone();
            } else {
                draw(&mut times[1]);
            }
            merged.above([&times[0], &times[1]])
        })
        .collect();
    let tail = bootstrap_tail(fewest);
    let end = |end| percentile(rates.iter().copied(), tail, end);
    Some([end(End::Low)?, end(End::High)?])
}

/// Two sets in one order, to compare all their pairs in one pass.
struct Merged {
    /// Value, set (0 or 1) and place in the set; ascending.
    sorted: Vec<(f64, usize, usize)>,
}

impl Merged {
    fn of(a: &[f64], b: &[f64]) -> Self {
        let tagged = |set: usize| move |(place, value): (usize, &f64)| (*value, set, place);
        let mut sorted: Vec<(f64, usize, usize)> =
            a.iter().enumerate().map(tagged(0)).chain(b.iter().enumerate().map(tagged(1))).collect();
        sorted.sort_by(|x, y| x.0.total_cmp(&y.0));
        Self { sorted }
    }

    /// Share of pairs in which the first set's value is above, ties by half, when values count `times`.
    fn above(&self, times: [&[u32]; 2]) -> f64 {
        let (mut below, mut wins, mut all) = (0.0, 0.0, 0.0);
        for ties in self.sorted.chunk_by(|x, y| x.0 == y.0) {
            let mut here = [0.0; 2];
            for (_, set, place) in ties {
                here[*set] += f64::from(times[*set][*place]);
            }
            wins += here[0] * (below + here[1] / 2.0);
            below += here[1];
            all += here[0];
        }
        wins / (all * below)
    }
}

fn warnings(experiments: &[Values], comparisons: &[PairStats]) -> Vec<String> {
    let mut warnings = Vec::new();
    for values in experiments {
        let (n, lost) = (values.rows.len(), values.rows.len() - values.finite().len());
        if lost > 0 {
            warnings.push(format!(
                "{}: {lost} of {n} values are not finite and are left out: what remains is about runs that did not fail",
                values.name
            ));
        }
        if n - lost < FEWEST_UNITS {
            warnings
                .push(format!("{}: fewer than {FEWEST_UNITS} values: too few for an interval", values.name));
        }
    }
    if comparisons.iter().any(|pair| pair.paired) {
        warnings.push(
            "paired by restart: valid only if restart k has the same start and the same data order in both, not merely \
             the same seed"
                .to_owned(),
        );
    }
    let shared = experiments.iter().any(|values| values.design() != Design::Independent);
    if shared && !comparisons.is_empty() {
        warnings.push(
            "runs share starts: comparisons count each run as one unit, which makes their intervals too narrow".to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests;
