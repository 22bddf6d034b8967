//! A sweep that was run, as judgements look at it.

use seedsweep_common::analysis::intervals::{mean_t, median_ranks};
use seedsweep_common::analysis::report::{ExperimentReport, LevelReport, Report, StartShare};
use seedsweep_common::analysis::summary::{mean_sd, median};
use seedsweep_common::measure::Quantity;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::spec::{Experiment, Level, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};

use super::finding::{Row, Share};

/// A finished sweep.
pub(crate) struct Ran {
    /// What was asked for.
    pub(crate) spec: SweepSpec,
    /// Outcomes of each experiment, ascending by restart. Failed trials have none.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// Its report.
    pub(crate) report: Report,
}

impl Ran {
    /// The experiment called `name`.
    pub(crate) fn arm(&self, name: &str) -> Result<Arm<'_>, CliError> {
        let index = self.spec.experiments.iter().position(|experiment| experiment.name.as_str() == name);
        index.and_then(|index| self.at(index)).ok_or_else(|| {
            CliError::new(Kind::Bug, format!("sweep `{}` has no experiment `{name}`", self.spec.name))
        })
    }

    /// All experiments in the order of the spec.
    pub(crate) fn arms(&self) -> impl Iterator<Item = Arm<'_>> {
        (0..self.spec.experiments.len()).filter_map(|index| self.at(index))
    }

    fn at(&self, index: usize) -> Option<Arm<'_>> {
        Some(Arm {
            experiment: self.spec.experiments.get(index)?,
            outcomes: self.outcomes.get(index)?,
            report: self.report.experiments.get(index)?,
        })
    }

    /// The start share between the experiments `fixed` and `random`.
    pub(crate) fn start_share(&self, fixed: &str, random: &str) -> Option<&StartShare> {
        let shares = self.report.comparisons.iter().filter_map(|comparison| comparison.start_share.as_ref());
        shares.into_iter().find(|share| share.fixed == fixed && share.random == random)
    }
}

/// One experiment.
#[derive(Clone, Copy)]
pub(crate) struct Arm<'a> {
    /// What was asked for.
    pub(crate) experiment: &'a Experiment,
    /// Its outcomes.
    pub(crate) outcomes: &'a [Outcome],
    /// Its part of the report.
    pub(crate) report: &'a ExperimentReport,
}

impl<'a> Arm<'a> {
    /// Its name.
    pub(crate) fn name(&self) -> &'a str {
        self.experiment.name.as_str()
    }

    /// Trials asked for. Failed ones count: they did nothing that was hoped for.
    pub(crate) fn n(&self) -> u64 {
        self.experiment.restarts.into()
    }

    /// How many trials did `something`.
    pub(crate) fn share(&self, something: impl Fn(&Outcome) -> bool) -> Share {
        let hits = self.outcomes.iter().filter(|outcome| something(outcome)).count() as u64;
        Share { hits, n: self.n() }
    }

    /// Of each trial the last value of a measure.
    pub(crate) fn at_the_end(&self, quantity: Quantity, layer: u32) -> Vec<f64> {
        let series = self.series(quantity, layer);
        series.iter().filter_map(|points| points.last()).map(|&(_, value)| value).collect()
    }

    /// Of each trial a measure step by step.
    pub(crate) fn series(&self, quantity: Quantity, layer: u32) -> Vec<Vec<(u64, f64)>> {
        let of_trial = |outcome: &Outcome| {
            outcome.measures.iter().find_map(|measured| {
                let is_it = |quantity_: Quantity, layer_: u32| quantity_ == quantity && layer_ == layer;
                let series = measured.series.iter().find(|one| is_it(one.quantity, one.layer))?;
                Some(measured.steps.iter().copied().zip(series.values.iter().copied()).collect())
            })
        };
        self.outcomes.iter().filter_map(of_trial).collect()
    }

    /// Where its trials end at `level`; `None` where the network has no canonical form.
    pub(crate) fn level(&self, level: Level) -> Option<&'a LevelReport> {
        let levels = &self.report.levels;
        match level {
            Level::Bits => Some(&levels.bits),
            Level::Raw => Some(&levels.raw),
            Level::Canonical => levels.canonical.as_ref(),
            Level::Function => Some(&levels.function),
        }
    }

    /// How often two of its trials end in the same place at `level`.
    pub(crate) fn agreement(&self, what: impl Into<String>, level: Level) -> Row {
        let same_pair = self.level(level).map(|level| &level.same_pair);
        let estimate = same_pair.and_then(|pair| pair.estimate).map_or(f64::NAN, |rate| rate.0);
        let ci95 = same_pair.and_then(|pair| pair.ci95).map(|ends| ends.map(|end| end.0));
        Row::new(what, self.n(), estimate, ci95)
    }
}

/// The mean of `values` with Student's interval.
pub(crate) fn mean(what: impl Into<String>, values: &[f64]) -> Row {
    let sorted = sorted(values);
    if sorted.is_empty() {
        return Row::new(what, 0, f64::NAN, None);
    }
    let (mean, sd) = mean_sd(&sorted);
    Row::new(what, sorted.len() as u64, mean, mean_t(mean, sd, sorted.len()))
}

/// The median of `values` with its exact interval.
pub(crate) fn middle(what: impl Into<String>, values: &[f64]) -> Row {
    let sorted = sorted(values);
    let ci95 = median_ranks(sorted.len()).map(|ranks| ranks.map(|rank| sorted[rank]));
    Row::new(what, sorted.len() as u64, median(&sorted).unwrap_or(f64::NAN), ci95)
}

/// `values` that are numbers, ascending.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Least squares' slope of the points (x, y).
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x_mean, y_mean) =
        (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xy: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let xx: f64 = points.iter().map(|(x, _)| (x - x_mean) * (x - x_mean)).sum();
    xy / xx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_and_a_median_hold_their_intervals() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let middle = middle("m", &values);
        assert_eq!((middle.n, middle.estimate.0), (20, 10.5));
        assert_eq!(middle.ci95.map(|ends| ends.map(|end| end.0)), Some([6.0, 15.0]));
        // scipy.stats.t.interval(.95, 19, 10.5, scipy.stats.sem(range(1, 21)))
        let [low, high] = mean("a", &values).ci95.unwrap();
        assert!((low.0 - 7.731_189).abs() < 1e-5 && (high.0 - 13.268_811).abs() < 1e-5, "{low:?} {high:?}");
        assert!(mean("none", &[f64::NAN]).estimate.0.is_nan());
    }

    #[test]
    fn a_slope_is_that_of_the_line() {
        assert!((slope(&[(0.0, 1.0), (1.0, -1.0), (3.0, -5.0)]) + 2.0).abs() < 1e-12);
        assert!(slope(&[(1.0, 1.0)]).is_nan());
    }
}
