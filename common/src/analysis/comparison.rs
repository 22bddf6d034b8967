//! Two experiments side by side: start share, difference of agreements, difference of losses.
//!
//! Experiments share their draws (stream k of one is stream k of the other), so they are not independent. Each
//! resampling draws stream numbers once and applies them to both, which keeps whatever the two have in common.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::ByLevel;
use super::agreement::{Agreement, FEWEST_STARTS, PairCounts};
use super::basins::Basins;
use super::bootstrap::{End, percentile};
use super::intervals::bootstrap_tail;
use super::report::{Comparison, Difference, Interval, LossDifference, Number, StartShare};
use super::summary::{Best, Design, Run, summary};
use super::trials::Trials;
use crate::limits;
use crate::plan::{self, Unit};
use crate::seed::{self, Purpose};
use crate::spec::{Experiment, Level, SweepSpec};

/// All that a comparison needs of one experiment.
pub(crate) struct Side<'a> {
    /// Its finished trials.
    pub(crate) trials: &'a Trials<'a>,
    /// Their basins at each level, in the order of `Level::ALL`.
    pub(crate) basins: ByLevel<&'a Basins>,
    /// Its agreement at each level.
    pub(crate) agreements: ByLevel<&'a Agreement>,
}

/// Compares the experiments that can be compared, pair by pair in the order of the spec; with the number of
/// pairs left out for `limits::COMPARISONS`. Pairs with a start share are the last to be left out.
pub(crate) fn compare(spec: &SweepSpec, sides: &[Side]) -> (Vec<Comparison>, u64) {
    let groups: BTreeMap<Level, Vec<usize>> =
        Level::ALL.into_iter().map(|level| (level, plan::comparable(spec, level))).collect();
    let level_of = |a: usize, b: usize| -> Option<Level> {
        let [a_level, b_level] = [a, b].map(|e| spec.experiments[e].minima.level);
        let level = a_level.max(b_level);
        (groups[&level][a] == groups[&level][b]).then_some(level)
    };
    let pairs = || (0..sides.len()).flat_map(|a| (a + 1..sides.len()).map(move |b| (a, b)));
    let comparable = || pairs().filter_map(|(a, b)| Some((a, b, level_of(a, b)?)));
    let has_share =
        |(a, b, _): &(usize, usize, Level)| roles(&spec.experiments[*a], &spec.experiments[*b]).is_some();
    let mut chosen: Vec<(usize, usize, Level)> =
        comparable().filter(has_share).take(limits::COMPARISONS).collect();
    let room = limits::COMPARISONS - chosen.len();
    chosen.extend(comparable().filter(|pair| !has_share(pair)).take(room));
    chosen.sort_unstable();
    let left_out = comparable().count() - chosen.len();

    let draws = limits::BOOTSTRAP_DRAWS / (chosen.len() as u64).max(1);
    let comparisons = chosen
        .into_iter()
        .map(|(a, b, level)| {
            let stream = (a as u64) << 32 | b as u64;
            compare_pair([&sides[a], &sides[b]], level, spec.seed, stream, draws)
        })
        .collect();
    (comparisons, left_out as u64)
}

fn compare_pair(sides: [&Side; 2], level: Level, sweep_seed: u64, stream: u64, draws: u64) -> Comparison {
    let [a, b] = sides.map(|side| Sample::new(side, level));
    let experiments = sides.map(|side| side.trials.experiment);
    let resampled = Resampled::draw(&a, &b, sweep_seed, stream, draws);
    Comparison {
        a: experiments[0].name.to_string(),
        b: experiments[1].name.to_string(),
        level: level.name().to_owned(),
        start_share: start_share(experiments, &a, &b, &resampled),
        same_pair_difference: same_pair_difference(&a, &b, &resampled),
        loss_difference: loss_difference(sides, &a, &b, &resampled),
    }
}

/// Which of two experiments has fixed starts and which fresh ones, if they differ in nothing else that can change
/// an outcome.
fn roles(a: &Experiment, b: &Experiment) -> Option<[usize; 2]> {
    let same = a.network == b.network
        && a.data == b.data
        && a.train == b.train
        && a.init == b.init
        && a.fork == b.fork
        && a.minima.polish == b.minima.polish
        && (a.vary.order, a.vary.data, a.vary.perturb) == (b.vary.order, b.vary.data, b.vary.perturb);
    match (a.vary.init, b.vary.init) {
        (false, true) if same && plan::start_is_random(a) => Some([0, 1]),
        (true, false) if same && plan::start_is_random(a) => Some([1, 0]),
        _ => None,
    }
}

/// (A_fixed − A_random) / (1 − A_random); `None` where all fresh starts agree.
pub(super) fn share(fixed: f64, random: f64) -> Option<f64> {
    (random < 1.0).then(|| (fixed - random) / (1.0 - random))
}

fn start_share(
    experiments: [&Experiment; 2],
    a: &Sample,
    b: &Sample,
    resampled: &Resampled,
) -> Option<StartShare> {
    let [f, r] = roles(experiments[0], experiments[1])?;
    let (fixed, random) = ([a, b][f], [a, b][r]);
    let estimate = fixed.agreement.zip(random.agreement).and_then(|(fixed, random)| share(fixed, random));
    Some(StartShare {
        fixed: experiments[f].name.to_string(),
        random: experiments[r].name.to_string(),
        estimate: estimate.map(Number),
        // one start says what it decides itself, and nothing about starts
        ci95: estimate
            .filter(|_| fixed.unit == Unit::Start)
            .and_then(|_| share_interval(resampled, [f, r], [fixed, random]))
            .map(numbers),
    })
}

/// Interval of the [`share`] of the samples at `places` of what was resampled. It grows with the agreement of the
/// first and falls with that of the second.
pub(super) fn share_interval(
    resampled: &Resampled,
    places: [usize; 2],
    [fixed, random]: [&Sample; 2],
) -> Option<[f64; 2]> {
    let [f, r] = places;
    let low = resampled.low_high(f, r).filter_map(|(low, high)| share(low, high));
    let high = resampled.high_low(f, r).filter_map(|(high, low)| share(high, low));
    let mut ends = [percentile(low, resampled.tail, End::Low)?, percentile(high, resampled.tail, End::High)?];
    widen(&mut ends, fixed, |edge| share(edge, random.agreement?));
    widen(&mut ends, random, |edge| share(fixed.agreement?, edge));
    Some(ends)
}

fn same_pair_difference(a: &Sample, b: &Sample, resampled: &Resampled) -> Difference {
    let estimate = a.agreement.zip(b.agreement).map(|(a, b)| a - b);
    let interval = || -> Option<[f64; 2]> {
        let low = resampled.low_high(0, 1).map(|(low, high)| low - high);
        let high = resampled.high_low(0, 1).map(|(high, low)| high - low);
        let mut ends =
            [percentile(low, resampled.tail, End::Low)?, percentile(high, resampled.tail, End::High)?];
        widen(&mut ends, a, |edge| Some(edge - b.agreement?));
        widen(&mut ends, b, |edge| Some(a.agreement? - edge));
        Some(ends)
    };
    Difference { estimate: estimate.map(Number), ci95: estimate.and_then(|_| interval()).map(numbers) }
}

/// Where all units of a sample agree alike, resampling it shows no uncertainty at all; then the ends of its own
/// interval, put in its place, widen the result.
fn widen(ends: &mut [f64; 2], sample: &Sample, at: impl Fn(f64) -> Option<f64>) {
    let edges = sample.ci95.filter(|_| sample.is_degenerate());
    for value in edges.into_iter().flatten().filter_map(at) {
        ends[0] = ends[0].min(value);
        ends[1] = ends[1].max(value);
    }
}

fn loss_difference(sides: [&Side; 2], a: &Sample, b: &Sample, resampled: &Resampled) -> LossDifference {
    let experiments = sides.map(|side| side.trials.experiment);
    if !are_paired(experiments[0], experiments[1]) {
        let estimate = a.loss.zip(b.loss).map(|(a, b)| a - b);
        let differences = || resampled.losses.iter().filter_map(|[a, b]| Some((*a)? - (*b)?));
        let interval = || {
            let end = |end| percentile(differences(), resampled.tail, end);
            Some([end(End::Low)?, end(End::High)?])
        };
        return LossDifference {
            estimate: estimate.map(Number),
            ci95: estimate.and_then(|_| interval()).map(numbers),
            paired: false,
        };
    }
    let losses = |side: &Side| -> BTreeMap<u32, f64> {
        side.trials.outcomes().map(|outcome| (outcome.restart, outcome.loss_train)).collect()
    };
    let (a_losses, b_losses) = (losses(sides[0]), losses(sides[1]));
    let differences = a_losses.iter().filter_map(|(restart, loss)| {
        let value = loss - b_losses.get(restart)?;
        Some(Run { start: sides[0].trials.start(*restart), order: 0, value })
    });
    let design = match plan::unit(experiments[0]) {
        Unit::Start => Design::Starts,
        Unit::Restart => Design::Independent,
    };
    let difference = summary(differences, design, Best::Smallest, None);
    LossDifference { estimate: difference.mean, ci95: difference.ci95, paired: true }
}

/// Whether restart k of both has the same start, bit for bit, and the same streams.
fn are_paired(a: &Experiment, b: &Experiment) -> bool {
    a.network == b.network
        && a.init == b.init
        && a.vary == b.vary
        && a.starts.unwrap_or(1) == b.starts.unwrap_or(1)
        && a.orders == b.orders
}

/// One experiment ready to be resampled.
pub(super) struct Sample {
    unit: Unit,
    /// Its agreement, `None` where nothing can be compared.
    pub(super) agreement: Option<f64>,
    ci95: Option<[f64; 2]>,
    loss: Option<f64>,
    units: Vec<Resample>,
    /// Basins among the restarts.
    basins: usize,
}

/// What one unit of replication brings.
struct Resample {
    /// Its stream number: of the start where starts vary or are several, of the restart otherwise.
    stream: u64,
    /// Its basin, where the unit is a restart.
    basin: Option<u32>,
    /// Its pair rates with trials without a basin agreeing with none and with all, where the unit is a start.
    rates: Option<[f64; 2]>,
    /// Sum and number of its finite losses.
    loss: (f64, f64),
}

impl Sample {
    pub(super) fn new(side: &Side, level: Level) -> Self {
        let at = level as usize;
        let unit = plan::unit(side.trials.experiment);
        let labels = &side.basins[at].labels;
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (i, trial) in side.trials.finished.iter().enumerate() {
            let stream = match unit {
                Unit::Start => side.trials.start(trial.restart),
                Unit::Restart => u64::from(trial.restart),
            };
            groups.entry(stream).or_default().push(i);
        }
        let dense: BTreeMap<u32, u32> =
            labels.iter().flatten().copied().collect::<BTreeSet<u32>>().into_iter().zip(0..).collect();
        let units: Vec<Resample> = groups
            .into_iter()
            .map(|(stream, members)| {
                let of_unit: Vec<Option<u32>> =
                    members.iter().map(|i| labels[*i].map(|label| dense[&label])).collect();
                let rate = |lost_agree| PairCounts::of(&of_unit, lost_agree).rate();
                let losses = members
                    .iter()
                    .filter_map(|i| side.trials.finished[*i].outcome.map(|outcome| outcome.loss_train))
                    .filter(|loss| loss.is_finite());
                Resample {
                    stream,
                    basin: of_unit[0],
                    rates: rate(false).zip(rate(true)).map(|(low, high)| [low, high]),
                    loss: losses.fold((0.0, 0.0), |(sum, n), loss| (sum + loss, n + 1.0)),
                }
            })
            .collect();
        let once = vec![1.0; units.len()];
        let agreement = side.agreements[at];
        let mut sample = Self {
            unit,
            agreement: agreement.estimate,
            ci95: agreement.ci95.as_ref().ok().copied(),
            loss: None,
            units,
            basins: dense.len(),
        };
        sample.loss = sample.mean_loss(&once);
        sample
    }

    /// Whether resampling cannot change the agreement.
    fn is_degenerate(&self) -> bool {
        match self.unit {
            Unit::Restart => matches!(self.agreement, Some(rate) if rate <= 0.0 || rate >= 1.0),
            Unit::Start => {
                let mut rates = self.units.iter().filter_map(|unit| unit.rates);
                let first = rates.next();
                rates.all(|rates| Some(rates) == first)
            }
        }
    }

    /// Both readings of the agreement when unit i counts `weights[i]` times. Copies of one restart are no pair.
    fn agreement_of(&self, weights: &[f64]) -> Option<[f64; 2]> {
        match self.unit {
            Unit::Start => {
                let (mut sums, mut total) = ([0.0; 2], 0.0);
                for (unit, weight) in self.units.iter().zip(weights) {
                    if let Some([low, high]) = unit.rates {
                        sums[0] += weight * low;
                        sums[1] += weight * high;
                        total += weight;
                    }
                }
                (total > 0.0).then(|| sums.map(|sum| sum / total))
            }
            Unit::Restart => {
                let mut basins = vec![(0.0, 0.0); self.basins];
                let (mut all, mut certain) = ((0.0, 0.0), (0.0, 0.0));
                let add = |sums: &mut (f64, f64), weight: f64| {
                    sums.0 += weight;
                    sums.1 += weight * weight;
                };
                for (unit, weight) in self.units.iter().zip(weights) {
                    add(&mut all, *weight);
                    if let Some(basin) = unit.basin {
                        add(&mut certain, *weight);
                        add(&mut basins[basin as usize], *weight);
                    }
                }
                let pairs = |(sum, squares): (f64, f64)| sum * sum - squares;
                let agree: f64 = basins.into_iter().map(pairs).sum();
                let open = pairs(all) - pairs(certain);
                (pairs(all) > 0.0).then(|| [agree / pairs(all), (agree + open) / pairs(all)])
            }
        }
    }

    /// Mean loss when unit i counts `weights[i]` times.
    fn mean_loss(&self, weights: &[f64]) -> Option<f64> {
        let (mut sum, mut n) = (0.0, 0.0);
        for (unit, weight) in self.units.iter().zip(weights) {
            sum += weight * unit.loss.0;
            n += weight * unit.loss.1;
        }
        (n > 0.0).then(|| sum / n)
    }
}

/// Agreements and losses of both samples under joint resampling.
pub(super) struct Resampled {
    /// What intervals cut off each end.
    tail: f64,
    agreements: Vec<[[f64; 2]; 2]>,
    losses: Vec<[Option<f64>; 2]>,
}

impl Resampled {
    /// Draws as many stream numbers as there are, with replacement, again and again; nothing if a sample has too few
    /// units for an interval.
    pub(super) fn draw(a: &Sample, b: &Sample, sweep_seed: u64, stream: u64, draws: u64) -> Self {
        let fewest = a.units.len().min(b.units.len());
        if fewest < FEWEST_STARTS {
            return Self { tail: 0.0, agreements: Vec::new(), losses: Vec::new() };
        }
        let mut resampled = Self { tail: bootstrap_tail(fewest), agreements: Vec::new(), losses: Vec::new() };
        let streams: BTreeSet<u64> = a.units.iter().chain(&b.units).map(|unit| unit.stream).collect();
        let position: BTreeMap<u64, usize> = streams.into_iter().zip(0..).collect();
        let places =
            [a, b].map(|sample| sample.units.iter().map(|unit| position[&unit.stream]).collect::<Vec<_>>());
        let n = position.len() as u64;
        let repeats = (draws / n).clamp(limits::BOOTSTRAP_REPEATS_FEWEST, limits::BOOTSTRAP_REPEATS);
        let mut rng = seed::generator(Purpose::Bootstrap, sweep_seed, stream);
        let mut times = vec![0.0; position.len()];
        for _ in 0..repeats {
            times.fill(0.0);
            for _ in 0..n {
                times[seed::below(rng.next_u64(), n) as usize] += 1.0;
            }
            let [a_weights, b_weights] =
                [0, 1].map(|side| places[side].iter().map(|place| times[*place]).collect::<Vec<f64>>());
            if let Some(agreements) = a.agreement_of(&a_weights).zip(b.agreement_of(&b_weights)) {
                resampled.agreements.push([agreements.0, agreements.1]);
            }
            resampled.losses.push([a.mean_loss(&a_weights), b.mean_loss(&b_weights)]);
        }
        resampled
    }

    /// The lower reading of sample `x` with the upper one of sample `y`.
    fn low_high(&self, x: usize, y: usize) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.agreements.iter().map(move |both| (both[x][0], both[y][1]))
    }

    /// The upper reading of sample `x` with the lower one of sample `y`.
    fn high_low(&self, x: usize, y: usize) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.agreements.iter().map(move |both| (both[x][1], both[y][0]))
    }
}

fn numbers(ends: [f64; 2]) -> Interval {
    ends.map(Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restarts(basins: &[Option<u32>]) -> Sample {
        let units = basins.iter().zip(0..).map(|(basin, stream)| Resample {
            stream,
            basin: *basin,
            rates: None,
            loss: (stream as f64, 1.0),
        });
        let distinct: BTreeSet<u32> = basins.iter().flatten().copied().collect();
        Sample {
            unit: Unit::Restart,
            agreement: PairCounts::of(basins, false).rate(),
            ci95: Some([0.0, 1.0]),
            loss: None,
            units: units.collect(),
            basins: distinct.len(),
        }
    }

    #[test]
    fn resampled_agreement_with_every_unit_once_is_the_pair_rate() {
        let labels = [Some(0), Some(1), Some(0), None, Some(0), Some(2), None];
        let [low, high] = restarts(&labels).agreement_of(&[1.0; 7]).unwrap();
        assert!((low - PairCounts::of(&labels, false).rate().unwrap()).abs() < 1e-15);
        assert!((high - PairCounts::of(&labels, true).rate().unwrap()).abs() < 1e-15);
    }

    #[test]
    fn copies_of_one_restart_are_no_pair() {
        // restart 0 three times and restart 1 once, in different basins: no pair agrees
        let sample = restarts(&[Some(0), Some(1)]);
        assert_eq!(sample.agreement_of(&[3.0, 1.0]), Some([0.0, 0.0]));
        assert_eq!(sample.agreement_of(&[4.0, 0.0]), None);
    }

    #[test]
    fn a_sample_minus_itself_is_nothing_under_joint_resampling() {
        let labels: Vec<Option<u32>> = (0..40).map(|i| Some(i % 3)).collect();
        let sample = restarts(&labels);
        let resampled = Resampled::draw(&sample, &sample, 1, 2, 1_000_000);
        let difference = same_pair_difference(&sample, &sample, &resampled);
        assert_eq!(difference.estimate, Some(Number(0.0)));
        assert_eq!(difference.ci95, Some([Number(0.0), Number(0.0)]));
    }

    #[test]
    fn share_is_nothing_at_equal_agreements_and_all_when_each_start_has_its_own_end() {
        assert_eq!(share(0.3, 0.3), Some(0.0));
        assert_eq!(share(1.0, 0.3), Some(1.0));
        assert_eq!(share(1.0, 1.0), None);
    }
}
