//! Samples, their resampling, and how often the intervals of comparisons hold the truth.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::*;
use crate::analysis::agreement::agreement;
use crate::analysis::tests::coverage::{CONSERVATIVE, Coverage, pick, sets};
use crate::analysis::tests::fixtures::{INIT_ORDER, ORDER, experiment, outcome};
use crate::analysis::trials::Finished;
use crate::outcome::Outcome;
use crate::progress::ExperimentProgress;

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

/// A sample of restarts with the basins `labels` and the `losses`, as a report makes it.
fn sample(of: &Experiment, labels: Vec<Option<u32>>, losses: &[f64]) -> Sample {
    let outcomes: Vec<Outcome> =
        (0..).zip(losses).map(|(restart, loss)| outcome(restart, *loss - 0.04)).collect();
    let finished =
        (0..of.restarts).map(|restart| Finished { restart, outcome: outcomes.get(restart as usize) });
    let progress = ExperimentProgress::default();
    let trials = Trials { experiment: of, progress: &progress, finished: finished.collect(), polished: true };
    let agreement = agreement(&trials, &labels);
    let basins = Basins { labels, ambiguous: false };
    Sample::new(&Side { trials: &trials, basins: [&basins; 4], agreements: [&agreement; 4] }, Level::Function)
}

/// A law of starts: basins drawn with `shares`, of which some starts are undecided between their own and another one.
#[derive(Clone, Copy)]
struct Law {
    shares: &'static [f64],
    /// How many starts of each basin are undecided.
    undecided: &'static [f64],
}

/// Nine starts in ten decide.
const TENTH: Law = Law { shares: &[0.5, 0.3, 0.2], undecided: &[0.1; 3] };
/// 97 starts in 100 decide: most samples of 20 starts show none that does not.
const RARELY: Law = Law { undecided: &[0.03; 3], ..TENTH };
/// Whether a start decides depends on where it leads: what experiments share works against them.
const LEANING: Law = Law { undecided: &[0.0, 0.0, 0.5], ..TENTH };
/// No start decides.
const NEVER: Law = Law { undecided: &[1.0; 3], ..TENTH };

impl Law {
    /// The two basins between which each start of a stream decides by tossing a coin.
    fn ways(&self, streams: u32, rng: &mut ChaCha8Rng) -> Vec<[u32; 2]> {
        let others = self.shares.len() as u32;
        let way = |rng: &mut ChaCha8Rng| {
            let first = pick(rng, self.shares);
            let other = (first + rng.random_range(1..others)) % others;
            [first, if rng.random_bool(self.undecided[first as usize]) { other } else { first }]
        };
        (0..streams).map(|_| way(rng)).collect()
    }

    /// Agreements of two restarts of one start, and of two starts.
    fn agreements(&self) -> [f64; 2] {
        let others = self.shares.len() as f64 - 1.0;
        let open = |i: usize| self.shares[i] * self.undecided[i];
        let all_open: f64 = (0..self.shares.len()).map(open).sum();
        let ends = (0..self.shares.len())
            .map(|i| self.shares[i] - 0.5 * open(i) + 0.5 * (all_open - open(i)) / others);
        [1.0 - 0.5 * all_open, ends.map(|share| share * share).sum()]
    }
}

fn ends(interval: Option<Interval>) -> Option<[f64; 2]> {
    interval.map(|ends| ends.map(|end| end.0))
}

fn nothing() -> Resampled {
    Resampled { tail: 0.0, agreements: Vec::new(), losses: Vec::new() }
}

/// Fixed starts against fresh ones: the share that the start decides and the difference of agreements, by streams that both
/// share. Resampling starts held the share in 45 % of cases with 20 starts of which 3 in 100 are undecided.
#[test]
fn start_shares_are_held() {
    let mut table = Coverage::new("docs/report.md");
    for (starts, orders) in [(60, 4), (20, 4), (8, 20)] {
        let (fixed, random) = (
            experiment("fixed", ORDER, Some(starts), starts * orders),
            experiment("random", INIT_ORDER, None, starts * orders),
        );
        for (name, law) in
            [("a tenth", TENTH), ("3 %", RARELY), ("all", NEVER), ("half of one basin's", LEANING)]
        {
            let truth = law.agreements();
            let truths = [share(truth[0], truth[1]).unwrap(), truth[0] - truth[1]];
            let name = format!("{starts} starts × {orders} orders, {name} undecided");
            table.row(&name, truths, sets(4_000), |rng| {
                let ways = law.ways(starts * orders, rng);
                let mut end = |start: u32| Some(ways[start as usize][rng.random_range(0..2)]);
                let a =
                    sample(&fixed, (0..fixed.restarts).map(|restart| end(restart % starts)).collect(), &[]);
                let b = sample(&random, (0..random.restarts).map(&mut end).collect(), &[]);
                let share = start_share([&fixed, &random], &a, &b).unwrap();
                [ends(share.ci95), ends(same_pair_difference(&a, &b, &nothing()).ci95)]
            });
        }
    }
    table.check([CONSERVATIVE; 2]);
}

/// The same starts in two experiments, of which the second leaves more to the order: difference of agreements, and the share
/// of what was open that the first decides.
#[test]
fn differences_over_the_same_starts_are_held() {
    let mut table = Coverage::new("docs/report.md");
    for (starts, orders) in [(60, 4), (20, 4), (8, 20)] {
        let of = experiment("fixed", ORDER, Some(starts), starts * orders);
        for (name, open, decided) in [("half", 0.5, 0.5), ("a tenth", 0.1, 0.5), ("all", 1.0, 0.9)] {
            let truths = [decided, 0.5 * open * decided];
            let name =
                format!("{starts} starts × {orders} orders, {name} open, {:.0} % decided", 100.0 * decided);
            table.row(&name, truths, sets(4_000), |rng| {
                let is_open: Vec<bool> = (0..starts).map(|_| rng.random_bool(open)).collect();
                let is_late: Vec<bool> =
                    is_open.iter().map(|open| *open && rng.random_bool(1.0 - decided)).collect();
                let mut of_starts = |open: &[bool]| {
                    let ends = (0..of.restarts).map(|restart| {
                        Some(if open[(restart % starts) as usize] { rng.random_range(0..2) } else { 0 })
                    });
                    sample(&of, ends.collect(), &[])
                };
                let (base, late) = (of_starts(&is_open), of_starts(&is_late));
                // where no start is open there is no share
                let share = base
                    .agreement
                    .filter(|rate| *rate < 1.0)
                    .and_then(|_| share_interval([&late, &base], nothing));
                [share, ends(same_pair_difference(&late, &base, &nothing()).ci95)]
            });
        }
    }
    table.check([CONSERVATIVE; 2]);
}

/// Restarts as units of both, resampled jointly with what the streams have in common.
#[test]
fn differences_over_restarts_are_held() {
    let mut table = Coverage::new("docs/report.md");
    let laws: [(&str, &[f64], [u32; 3]); 4] = [
        ("(.5, .3, .2)", &[0.5, 0.3, 0.2], [0, 1, 2]),
        ("(.97, .02, .01)", &[0.97, 0.02, 0.01], [0, 1, 2]),
        ("(.6, .25, .15), two joined", &[0.6, 0.25, 0.15], [0, 1, 1]),
        ("(.5, .25, .25), against each other", &[0.5, 0.25, 0.25], [1, 0, 0]),
    ];
    for n in [32, 128] {
        let of = experiment("random", INIT_ORDER, None, n);
        for (name, shares, map) in laws {
            let mut mapped = [0.0; 3];
            shares.iter().zip(map).for_each(|(share, to)| mapped[to as usize] += share);
            let agreement = |shares: &[f64]| shares.iter().map(|share| share * share).sum::<f64>();
            let truth = agreement(shares) - agreement(&mapped);
            // three in four restarts end alike in both
            table.row(&format!("{n} restarts, shares {name}"), [truth], sets(1_000), |rng| {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                for _ in 0..n {
                    let end = pick(rng, shares);
                    let other = if rng.random_bool(0.75) { end } else { pick(rng, shares) };
                    a.push(Some(end));
                    b.push(Some(map[other as usize]));
                }
                let [a, b] = [sample(&of, a, &[]), sample(&of, b, &[])];
                let resampled = Resampled::draw(&a, &b, 1, rng.random_range(0..1 << 40), 500 * u64::from(n));
                [ends(same_pair_difference(&a, &b, &resampled).ci95)]
            });
        }
    }
    table.check([CONSERVATIVE]);
}

/// Restarts of one start in an earlier and a later experiment: the share of what was open that the later one decides.
#[test]
fn shares_over_restarts_are_held() {
    let mut table = Coverage::new("docs/report.md");
    let shares: &[f64] = &[0.5, 0.3, 0.2];
    for n in [32, 128] {
        let of = experiment("fixed", ORDER, Some(1), n);
        for (name, map) in
            [("nothing", [0, 1, 2]), ("two basins joined", [0, 1, 1]), ("all but one", [0, 0, 1])]
        {
            let mut mapped = [0.0; 3];
            shares.iter().zip(map).for_each(|(share, to)| mapped[to as usize] += share);
            let agreement = |shares: &[f64]| shares.iter().map(|share| share * share).sum::<f64>();
            let truth = share(agreement(&mapped), agreement(shares)).unwrap();
            table.row(&format!("{n} restarts of one start, decided: {name}"), [truth], sets(1_000), |rng| {
                let (mut base, mut late) = (Vec::new(), Vec::new());
                for _ in 0..n {
                    let end = pick(rng, shares);
                    let other = if rng.random_bool(0.75) { end } else { pick(rng, shares) };
                    base.push(Some(end));
                    late.push(Some(map[other as usize]));
                }
                let [base, late] = [sample(&of, base, &[]), sample(&of, late, &[])];
                let stream = rng.random_range(0..1 << 40);
                [share_interval([&late, &base], || {
                    Resampled::draw(&late, &base, 1, stream, 500 * u64::from(n))
                })]
            });
        }
    }
    table.check([CONSERVATIVE]);
}

/// Losses of experiments that share streams and are not paired.
#[test]
fn differences_of_losses_are_held() {
    let mut table = Coverage::new("docs/report.md");
    for n in [32, 64] {
        let of = experiment("random", INIT_ORDER, None, n);
        // a percentile of few repeats is coarse: more data sets than elsewhere
        table.row(&format!("losses of {n} restarts"), [0.0], 4_000, |rng| {
            let common: Vec<f64> = (0..n).map(|_| rng.random()).collect();
            let [a, b] = [0, 1].map(|_| {
                let losses: Vec<f64> = common.iter().map(|level| level * rng.random::<f64>()).collect();
                sample(&of, vec![None; n as usize], &losses)
            });
            let resampled = Resampled::draw(&a, &b, 1, rng.random_range(0..1 << 40), 500 * u64::from(n));
            let differences = || resampled.losses.iter().filter_map(|[a, b]| Some((*a)? - (*b)?));
            let end = |end| percentile(differences(), resampled.tail, end);
            [end(End::Low).zip(end(End::High)).map(|(low, high)| [low, high])]
        });
    }
    table.check([CONSERVATIVE]);
}
