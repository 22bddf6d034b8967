//! The report as data: schema `seedsweep.report/1`, field by field in `docs/report.md`.
//!
//! Names and meanings only grow within a major version. Fields of later versions are `null`.

mod fate;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::progress::{SweepState, TrialCounts};

pub use fate::{Decided, Fate, FatePoint};

/// The schema that [`Report::to_json`] writes.
pub const REPORT_SCHEMA: &str = "seedsweep.report/1";

/// What a sweep says, in numbers and sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// Version of the analysis ([`super::ANALYSIS_VERSION`]).
    pub analysis: u32,
    /// The sweep.
    pub sweep: SweepReport,
    /// Its experiments in the order of the spec.
    pub experiments: Vec<ExperimentReport>,
    /// Pairs of experiments whose minima can be compared, in the order of the spec.
    pub comparisons: Vec<Comparison>,
    /// Comparable pairs beyond `limits::COMPARISONS`, which are left out.
    pub comparisons_left_out: u64,
    /// Families of experiments that differ in their fork alone, in the order of the spec: when fate is sealed.
    #[serde(default)]
    pub fate: Vec<Fate>,
}

impl Report {
    /// One JSON value, a field to a line, with a line feed at its end: the same bytes for the same report.
    pub fn to_json(&self) -> String {
        // every map in a report has string or integer keys, so serialising cannot fail
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads what [`Report::to_json`] wrote; unknown fields are ignored. The last bit of a number may differ, so a
    /// reader that passes a report on passes on the bytes.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

/// A field of a later version: always `null`.
pub type Later = Option<()>;

/// A number of a report. One that is not finite is written as "NaN", "inf" or "-inf".
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Number(pub f64);

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(value)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Finite(f64),
            Named(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Finite(value) => Ok(Self(value)),
            Form::Named(name) => match name.as_str() {
                "NaN" => Ok(Self(f64::NAN)),
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                _ => Err(serde::de::Error::custom("a number, \"NaN\", \"inf\" or \"-inf\" is needed")),
            },
        }
    }
}

/// A two-sided 95 % interval, lower end first.
pub type Interval = [Number; 2];

/// The sweep as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Root of every stream.
    pub seed: u64,
    /// Version of everything that decides the bits of an outcome.
    pub engine: String,
    /// Where it stands.
    pub state: SweepState,
    /// Trials of all experiments.
    pub trials: TrialCounts,
    /// Later.
    pub audits: Later,
    /// Restarts added after submission, by experiment and in the order asked for; `null` without any.
    pub extensions: Option<Vec<ExtensionReport>>,
}

/// Restarts added to an experiment after submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionReport {
    /// Name of the experiment.
    pub experiment: String,
    /// Restarts before.
    pub from: u32,
    /// Restarts after.
    pub to: u32,
}

/// What looking at an experiment on the way has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppingReport {
    /// How often was looked.
    pub looks: u32,
    /// Restarts at the last look; 0 before the first. Where it stopped there, the report is about these.
    pub restarts: u32,
    /// `goals` or `max_restarts`; `null` while it goes on.
    pub reason: Option<String>,
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentReport {
    /// Its name, unique in the sweep.
    pub name: String,
    /// What it sets differently from the sweep's tables, by dotted path.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Where training starts, in words: `constant(value = 0.5)`.
    pub init: String,
    /// The streams that change from restart to restart.
    pub vary: Vec<String>,
    /// Streams and settings that are the same in every restart.
    pub held_fixed: Vec<String>,
    /// Distinct starts that the restarts share; `null` where every restart has its own.
    pub starts: Option<u32>,
    /// Trials asked for; with `stop_when` at most.
    pub restarts: u32,
    /// Whether it stopped early; `null` without `stop_when`.
    #[serde(default)]
    pub stopping: Option<StoppingReport>,
    /// Whether end points were polished to certified minima before they were compared.
    pub polished: bool,
    /// Its trials.
    pub trials: TrialCounts,
    /// Done trials by stop reason.
    pub stop_reasons: BTreeMap<String, u64>,
    /// Done trials by certificate; unpolished trials have none unless they diverged.
    pub certificates: BTreeMap<String, u64>,
    /// What the Hessians at the end points say; `null` where none was looked at.
    pub curvature: Option<Curvatures>,
    /// Whether every finished trial stops on one and the same saddle.
    pub one_saddle: bool,
    /// Losses at the stop.
    pub loss: TrainTest,
    /// Accuracies at the stop; `null` for regression.
    pub accuracy: TrainTestOptional,
    /// Trials that classify every training row right; `null` for regression.
    pub learned: Option<Learned>,
    /// Updates made.
    pub steps: Summary,
    /// Where training ends, by what counts as the same.
    pub levels: Levels,
    /// Which of its minima hang together; `null` where it was not asked, and until the sweep has ended.
    pub connected: Option<Connected>,
    /// What follows.
    pub verdict: Verdict,
}

/// Summaries of a quantity on training and test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainTest {
    /// On the training rows.
    pub train: Summary,
    /// On the test rows; `null` without any.
    pub test: Option<Summary>,
}

/// Summaries of a quantity that may not exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainTestOptional {
    /// On the training rows.
    pub train: Option<Summary>,
    /// On the test rows.
    pub test: Option<Summary>,
}

/// How many trials classify every training row right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// Those that do.
    pub count: u64,
    /// Trials finished, failed ones included.
    pub of: u64,
}

/// The distribution of one quantity over the trials where it is finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Finite values. Without any, all else is `null`.
    pub n: u64,
    /// Mean.
    pub mean: Option<Number>,
    /// Standard deviation (n − 1); `null` below 2 values.
    pub sd: Option<Number>,
    /// Median.
    pub median: Option<Number>,
    /// Mean of the middle half: floor(n/4) values dropped at each end.
    pub iqm: Option<Number>,
    /// Smallest.
    pub min: Option<Number>,
    /// Largest.
    pub max: Option<Number>,
    /// Student-t interval of the mean; where restarts share starts, of the mean over the starts' means. `null` below
    /// 5 values or starts.
    pub ci95: Option<Interval>,
    /// Interval of the interquartile mean by resampling the same units; `null` below 5 of them, and where the report's
    /// draws do not suffice.
    pub iqm_ci95: Option<Interval>,
    /// How the variance splits over starts and orders; `null` where restarts share no starts, and where more than the
    /// order varies.
    pub variance: Option<VarianceSplit>,
    /// Expected best of k restarts drawn without replacement, by k; never beyond n.
    pub best_of: BTreeMap<u32, Number>,
}

/// Variance of a quantity by its sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VarianceSplit {
    /// `crossed` (each start meets the same orders) or `nested` (each start has orders of its own).
    pub design: String,
    /// Starts.
    pub starts: u64,
    /// Orders; where nested, those of the start that has most.
    pub orders: u64,
    /// Between starts.
    pub init: VariancePart,
    /// Between orders; where nested, between the orders within a start.
    pub order: VariancePart,
    /// Where crossed, what neither explains: interaction of start and order, for training itself has no noise.
    pub residual: Option<Number>,
    /// Share of the start; where nested it is the intraclass correlation. `null` where nothing varies.
    pub init_share: Option<Number>,
    /// p-value of no difference between starts (F test).
    pub p_init: Number,
}

/// An estimated part of a variance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VariancePart {
    /// Never below 0.
    pub estimate: Number,
    /// As computed.
    pub raw: Number,
}

/// The levels at which end points are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// Equal bytes of all trained parameters.
    pub bits: LevelReport,
    /// Same point.
    pub raw: LevelReport,
    /// Same up to the symmetries of the network; `null` where it has no canonical form, and for outcomes of engines
    /// before 3, which did not take its sketch.
    pub canonical: Option<LevelReport>,
    /// Same outputs on the probe set.
    pub function: LevelReport,
}

/// Where training ends, at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelReport {
    /// Trials finished, failed ones included.
    pub n: u64,
    /// Distinct basins among them.
    pub basins_found: u64,
    /// Share of the n trials that end in the largest basin; `null` without trials.
    pub largest_share: Option<Number>,
    /// Probability that two restarts end in one basin.
    pub same_pair: SamePair,
    /// Probability that a further restart ends in a basin that was seen. This and the next three are `null` where
    /// restarts share starts or orders, and below two restarts with a basin.
    pub coverage: Option<Coverage>,
    /// How many basins there are at least.
    pub chao1: Option<Chao1>,
    /// Further restarts until the expected coverage is 0.95 and 0.99; `null` where no basin was seen twice. Beyond
    /// as many as were made it is no more than an order of magnitude.
    pub more_restarts_for: Option<BTreeMap<String, Option<u64>>>,
    /// Expected basins and coverage after fewer restarts, and after up to twice as many.
    pub rarefaction: Option<Vec<RarefactionPoint>>,
    /// Whether the tolerance does not part the basins cleanly.
    pub ambiguous: bool,
    /// The largest basins, at most `limits::BASINS_PER_REPORT`.
    pub basins: Vec<Basin>,
    /// What is not listed; `null` if all are.
    pub others: Option<OtherBasins>,
}

/// Probability that a further restart ends in a basin that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// 1 − f₁/n, where f₁ basins were seen once.
    pub good_turing: Number,
    /// The estimate of Chao & Jost (2012); 0 where no basin was seen twice.
    pub chao_jost: Number,
    /// One-sided 95 % bound that holds whatever the basins' shares are (McAllester & Ortiz 2003): loose.
    pub at_least: Number,
    /// A basin of this share or more has been seen with 95 % confidence, one basin by itself.
    pub share_surely_seen: Number,
}

/// How many basins there are at least.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chao1 {
    /// Bias-corrected Chao1: a lower bound, not an estimate of the number itself.
    pub estimate: Number,
    /// Log-normal interval of that bound; "inf" above where no basin was seen twice.
    pub ci95: Interval,
    /// Basins not seen, f₀: likewise a lower bound.
    pub unseen: Number,
}

/// What is expected after a number of restarts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RarefactionPoint {
    /// Restarts that end in a basin.
    pub restarts: u64,
    /// Expected basins among them.
    pub basins: Number,
    /// Expected coverage.
    pub coverage: Number,
    /// Whether these are more restarts than were made.
    pub extrapolated: bool,
}

/// Probability that two restarts end in one basin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamePair {
    /// Estimate in which trials without a basin agree with none; `null` where nothing can be compared.
    pub estimate: Option<Number>,
    /// Interval whose lower end lets trials without a basin disagree with all, and whose upper end lets them agree.
    pub ci95: Option<Interval>,
    /// Exact Clopper-Pearson interval from disjoint pairs named beforehand.
    pub pairs_ci95: Option<Interval>,
    /// Interval from the same pairs that stays valid however often one looks as restarts come in; `null` where
    /// restarts share starts.
    pub anytime_ci95: Option<Interval>,
    /// Units of replication counted (restarts, or starts with two or more restarts).
    pub units: u64,
    /// Why an interval is missing.
    pub reason: Option<String>,
}

/// One basin as an experiment sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basin {
    /// Its number, the same in all experiments that can be compared.
    pub basin: u32,
    /// Trials of this experiment that end in it.
    pub count: u64,
    /// The same as a share of n.
    pub share: Number,
    /// Median loss of those trials, polished where they are; `null` for runs from elsewhere.
    pub loss_median: Option<Number>,
    /// Certificate of the representative; `null` where nothing is polished.
    pub certificate: Option<String>,
    /// The smallest restart that ends in it.
    pub representative: u32,
    /// The Hessian at the representative's end point; `null` where none was looked at.
    pub curvature: Option<Curvature>,
}

/// The Hessian at one end point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curvature {
    /// Its smallest eigenvalue; of a large network that of the directions which symmetries do not explain.
    pub lambda_min: Number,
    /// Its largest eigenvalue.
    pub lambda_max: Number,
    /// Eigenvalues that count as zero; `null` where not all are known.
    pub null_directions: Option<u32>,
    /// How many there are at least; `null` where an older store has the outcome.
    #[serde(default)]
    pub null_directions_at_least: Option<u32>,
    /// How many null directions symmetries explain.
    pub explained: Option<u32>,
    /// Which, as they are known.
    #[serde(default)]
    pub symmetries: Vec<Explains>,
}

/// How many null directions of one end point a kind of symmetry explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explains {
    /// Its name.
    pub symmetry: String,
    /// Directions that it adds to those of the kinds before it.
    pub directions: u32,
}

/// How many null directions a kind of symmetry explains at the end points of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainsAcross {
    /// Its name.
    pub symmetry: String,
    /// End points at which it explains any.
    pub points: u64,
    /// Fewest and most directions at one of these.
    pub directions: [u32; 2],
}

/// The Hessians at the end points of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curvatures {
    /// End points whose Hessian was looked at.
    pub looked_at: u64,
    /// Smallest eigenvalue among them.
    pub lambda_min: Number,
    /// Largest eigenvalue among them.
    pub lambda_max: Number,
    /// Fewest and most null directions of an end point, among those where they were counted.
    pub null_directions: Option<[u32; 2]>,
    /// End points where they were not: only the ends of the spectrum are known.
    #[serde(default)]
    pub not_counted: u64,
    /// Fewest and most null directions that such an end point has at least.
    #[serde(default)]
    pub null_directions_at_least: Option<[u32; 2]>,
    /// End points with a null direction, where they were counted.
    pub flat: u64,
    /// End points with more null directions than symmetries explain.
    pub unexplained: u64,
    /// What explains null directions.
    #[serde(default)]
    pub symmetries: Vec<ExplainsAcross>,
}

/// The basins that are not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherBasins {
    /// How many.
    pub basins: u64,
    /// Trials that end in them.
    pub count: u64,
    /// The same as a share of n.
    pub share: Number,
}

/// Which minima of an experiment hang together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connected {
    /// The level whose basins were compared.
    pub level: String,
    /// Basins left of all found there when those without a barrier are joined, step by step. At most that many: basins
    /// that were not compared are not joined.
    pub basins_joined: u64,
    /// A barrier of at most 1e-6 and this share of the larger end loss counts as none.
    pub tolerance: Number,
    /// Numbers of the basins compared, the most visited first: rows and columns of `barriers`.
    pub basins: Vec<u32>,
    /// How far the loss rises on the straight way between two of them, after their units were matched; `null` where that
    /// could not be measured.
    pub barriers: Vec<Vec<Option<Number>>>,
    /// The same in a sentence.
    pub statement: String,
}

/// What follows from the agreement at the spec's level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verdict.
    pub kind: VerdictKind,
    /// The level it is drawn at.
    pub level: String,
    /// `restart` or `start`: what is replicated.
    pub unit: String,
    /// One sentence: what was seen, at which level, how often, and what was held fixed.
    pub statement: String,
    /// Where the design or the data prove less than they seem to.
    pub warnings: Vec<String>,
    /// For `undecided`: restarts in all that would decide, if further ones fall as these did; `null` where
    /// more of the same would not.
    pub restarts_needed: Option<u64>,
}

/// The verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Two restarts end in one basin at least as often as `same_at`.
    SameMinimum,
    /// Two restarts end in one basin at most as often as `spread_at`.
    Spread,
    /// The agreement lies between the two.
    Mixed,
    /// The interval does not tell.
    Undecided,
    /// Too many trials end where no minimum is.
    NoMinimum,
    /// Nothing that varies can change an outcome.
    NotTested,
}

impl VerdictKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameMinimum => "same_minimum",
            Self::Spread => "spread",
            Self::Mixed => "mixed",
            Self::Undecided => "undecided",
            Self::NoMinimum => "no_minimum",
            Self::NotTested => "not_tested",
        }
    }
}

/// Two experiments side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the first.
    pub a: String,
    /// Name of the second.
    pub b: String,
    /// The level of agreements and share.
    pub level: String,
    /// Share of where training ends that the start decides; `null` unless one of the two has fixed starts, the
    /// other fresh ones, and all else is equal.
    pub start_share: Option<StartShare>,
    /// Agreement of a minus agreement of b.
    pub same_pair_difference: Difference,
    /// Mean training loss of a minus that of b.
    pub loss_difference: LossDifference,
}

/// (A_fixed − A_random) / (1 − A_random).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartShare {
    /// The experiment with fixed starts.
    pub fixed: String,
    /// The experiment with fresh starts.
    pub random: String,
    /// Estimate; `null` where all fresh starts agree, so that there is nothing to decide.
    pub estimate: Option<Number>,
    /// Interval by resampling streams jointly over both.
    pub ci95: Option<Interval>,
}

/// A difference with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Estimate.
    pub estimate: Option<Number>,
    /// Interval by resampling streams jointly over both.
    pub ci95: Option<Interval>,
}

/// A difference of mean losses with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossDifference {
    /// Estimate.
    pub estimate: Option<Number>,
    /// Student-t interval of the paired differences where `paired`, else by resampling streams jointly over both.
    pub ci95: Option<Interval>,
    /// Whether restart k of both has the same start and the same data order.
    pub paired: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_strings_and_come_back() {
        let values = [0.1, -0.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Number);
        let json = serde_json::to_string(&values).unwrap();
        assert_eq!(json, r#"[0.1,-0.0,1e+300,"NaN","inf","-inf"]"#);
        let back: Vec<Number> = serde_json::from_str(&json).unwrap();
        for (before, after) in values.iter().zip(&back) {
            assert_eq!(before.0.to_bits(), after.0.to_bits());
        }
        assert!(serde_json::from_str::<Number>("\"nan\"").is_err());
        assert!(serde_json::from_str::<Number>("null").is_err());
    }
}
