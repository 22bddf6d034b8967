//! Two experiments side by side: start share, difference of agreements, difference of losses.
//!
//! Experiments share their draws (stream k of one is stream k of the other), so they are not independent. Where restarts
//! are the unit of both, each resampling draws stream numbers once and applies them to both, which keeps whatever the two
//! have in common. Where starts are the unit of one, agreements are compared by `combined`: starts are too few, and too
//! unequal, to be resampled.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::ByLevel;
use super::agreement::{Agreement, FEWEST_STARTS, PairCounts};
use super::basins::Basins;
use super::bootstrap::{End, percentile};
use super::combined::{self, Part};
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
        start_share: start_share(experiments, &a, &b),
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

fn start_share(experiments: [&Experiment; 2], a: &Sample, b: &Sample) -> Option<StartShare> {
    let [f, r] = roles(experiments[0], experiments[1])?;
    let (fixed, random) = ([a, b][f], [a, b][r]);
    let estimate = fixed.agreement.zip(random.agreement).and_then(|(fixed, random)| share(fixed, random));
    // one start says what it decides itself, and nothing about starts
    let parts = parts(fixed, random).filter(|_| fixed.unit == Unit::Start);
    let interval = estimate.zip(parts).map(|(estimate, [fixed, random])| {
        let [low, high] = combined::share(fixed, random);
        // a shared start agrees at least as often: where nothing else bounds the share, 0 does
        [if low.is_finite() { low } else { estimate.min(0.0) }, high]
    });
    Some(StartShare {
        fixed: experiments[f].name.to_string(),
        random: experiments[r].name.to_string(),
        estimate: estimate.map(Number),
        ci95: interval.map(numbers),
    })
}

/// Interval of the [`share`] of two samples of one unit; where that is the restart, by the joint resampling that `draw`
/// gives. It grows with the agreement of the first and falls with that of the second. `None` where nothing bounds it.
pub(super) fn share_interval([a, b]: [&Sample; 2], draw: impl FnOnce() -> Resampled) -> Option<[f64; 2]> {
    let ends = match evidence(a, b)? {
        Evidence::Pairs { small, large } => combined::paired_share(&small, &large),
        Evidence::Parts(a, b) => combined::share(a, b),
        Evidence::Restarts => {
            let resampled = draw();
            let low = resampled.low_high().filter_map(|(low, high)| share(low, high));
            let high = resampled.high_low().filter_map(|(high, low)| share(high, low));
            let mut ends = resampled.ends(low, high)?;
            widen(&mut ends, a, |edge| share(edge, b.agreement?));
            widen(&mut ends, b, |edge| share(a.agreement?, edge));
            ends
        }
    };
    ends.iter().all(|end| end.is_finite()).then_some(ends)
}

fn same_pair_difference(a: &Sample, b: &Sample, resampled: &Resampled) -> Difference {
    let estimate = a.agreement.zip(b.agreement).map(|(a, b)| a - b);
    let interval = || match evidence(a, b)? {
        Evidence::Pairs { small, large } => Some(combined::paired_difference(&small, &large)),
        Evidence::Parts(a, b) => Some(combined::difference(a, b)),
        Evidence::Restarts => {
            let low = resampled.low_high().map(|(low, high)| low - high);
            let high = resampled.high_low().map(|(high, low)| high - low);
            let mut ends = resampled.ends(low, high)?;
            widen(&mut ends, a, |edge| Some(edge - b.agreement?));
            widen(&mut ends, b, |edge| Some(a.agreement? - edge));
            Some(ends)
        }
    };
    Difference { estimate: estimate.map(Number), ci95: estimate.and_then(|_| interval()).map(numbers) }
}

/// What an interval of two agreements together is made from.
enum Evidence {
    /// The restarts of both, to be resampled.
    Restarts,
    /// The rates of each start in both, in the readings that make the first small and the second large, and the reverse.
    Pairs { small: Vec<[f64; 2]>, large: Vec<[f64; 2]> },
    /// Their own intervals.
    Parts(Part, Part),
}

/// Both with their own intervals; `None` if either has none, or too few units.
fn parts(a: &Sample, b: &Sample) -> Option<[Part; 2]> {
    let part = |sample: &Sample| {
        let ends = sample.ci95.filter(|_| sample.units.len() >= FEWEST_STARTS)?;
        Some(Part { estimate: sample.agreement?, ends })
    };
    Some([part(a)?, part(b)?])
}

/// `None` without [`parts`].
fn evidence(a: &Sample, b: &Sample) -> Option<Evidence> {
    let [a_part, b_part] = parts(a, b)?;
    if (a.unit, b.unit) == (Unit::Restart, Unit::Restart) {
        return Some(Evidence::Restarts);
    }
    let rates = |sample: &Sample| -> BTreeMap<u64, [f64; 2]> {
        sample.units.iter().filter_map(|unit| Some((unit.stream, unit.rates?))).collect()
    };
    let (a_rates, b_rates) = (rates(a), rates(b));
    if !a_rates.keys().eq(b_rates.keys()) || (a.unit, b.unit) != (Unit::Start, Unit::Start) {
        return Some(Evidence::Parts(a_part, b_part));
    }
    let pairs = || a_rates.values().zip(b_rates.values());
    Some(Evidence::Pairs {
        small: pairs().map(|(a, b)| [a[0], b[1]]).collect(),
        large: pairs().map(|(a, b)| [a[1], b[0]]).collect(),
    })
}

/// Where all restarts of a sample agree, or no two, resampling it shows no uncertainty at all; then the ends of its own
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

    /// Whether resampling restarts cannot change the agreement.
    fn is_degenerate(&self) -> bool {
        matches!(self.agreement, Some(rate) if rate <= 0.0 || rate >= 1.0)
    }

    /// Both readings of the agreement when restart i counts `weights[i]` times. Copies of one restart are no pair.
    fn agreement_of(&self, weights: &[f64]) -> Option<[f64; 2]> {
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

/// Both samples under joint resampling.
pub(super) struct Resampled {
    /// What intervals cut off each end.
    tail: f64,
    /// Agreements in both readings, where restarts are the unit of both.
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
        let of_restarts = (a.unit, b.unit) == (Unit::Restart, Unit::Restart);
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
            if of_restarts {
                let agreements = a.agreement_of(&a_weights).zip(b.agreement_of(&b_weights));
                resampled.agreements.extend(agreements.map(|(a, b)| [a, b]));
            }
            resampled.losses.push([a.mean_loss(&a_weights), b.mean_loss(&b_weights)]);
        }
        resampled
    }

    /// The lower reading of the first sample with the upper one of the second.
    fn low_high(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.agreements.iter().map(|[a, b]| (a[0], b[1]))
    }

    /// The upper reading of the first sample with the lower one of the second.
    fn high_low(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.agreements.iter().map(|[a, b]| (a[1], b[0]))
    }

    /// The interval of what has the values `low` in one reading and `high` in the other.
    fn ends(&self, low: impl Iterator<Item = f64>, high: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
        Some([percentile(low, self.tail, End::Low)?, percentile(high, self.tail, End::High)?])
    }
}

fn numbers(ends: [f64; 2]) -> Interval {
    ends.map(Number)
}

#[cfg(test)]
mod tests;
