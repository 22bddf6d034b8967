//! Intervals of what two agreements make together, a difference or a share, from what is known of each.
//!
//! Where starts are the unit, resampling them fails: where few starts are undecided most samples of starts show none
//! (the share's percentile interval over 20 starts, of which 3 in 100 are undecided, held it in 45 % of simulated
//! cases). So these intervals are made from those that hold for any distribution: from the two experiments' own
//! intervals, or, where both have the same starts, from bets on what each start does in both.

use super::{betting, sequences};

/// An estimate within the ends of its own 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    /// The estimate.
    pub(crate) estimate: f64,
    /// Its interval, which holds it.
    pub(crate) ends: [f64; 2],
}

/// Interval of a − b of independent parts: square-and-add, which keeps each part's own skew (Zou & Donner 2008,
/// Statistics in Medicine 27:1693, "MOVER"; Newcombe 1998 for proportions).
pub(crate) fn difference(a: Part, b: Part) -> [f64; 2] {
    let centre = a.estimate - b.estimate;
    [
        centre - root_sum(a.estimate - a.ends[0], b.ends[1] - b.estimate),
        centre + root_sum(a.ends[1] - a.estimate, b.estimate - b.ends[0]),
    ]
}

fn root_sum(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

/// Interval of the share (a − b)/(1 − b) = 1 − (1 − a)/(1 − b) of independent parts in [0, 1]: the same for a
/// ratio (Donner & Zou 2012, Statistical Methods in Medical Research 21:347, eq. 5). Its lower end is −∞ where b may be 1.
pub(crate) fn share(a: Part, b: Part) -> [f64; 2] {
    let open = |part: Part| (1.0 - part.estimate, [1.0 - part.ends[1], 1.0 - part.ends[0]]);
    let ((x, [x_low, x_high]), (y, [y_low, y_high])) = (open(a), open(b));
    // the ratios r whose x − r·y has an interval that begins, and ends, at 0
    let root = |x_end: f64, y_end: f64| {
        let (product, squares) = (x * y, x_end * (2.0 * x - x_end) * (y_end * (2.0 * y - y_end)));
        (product, (product * product - squares).max(0.0).sqrt())
    };
    let (product, spread) = root(x_low, y_high);
    // in this form nothing cancels where y_high nears 2y
    let least = if product > 0.0 { x_low * (2.0 * x - x_low) / (product + spread) } else { 0.0 };
    let (product, spread) = root(x_high, y_low);
    let most = if y_low > 0.0 { (product + spread) / (y_low * (2.0 * y - y_low)) } else { f64::INFINITY };
    [1.0 - most, 1.0 - least]
}

/// Interval of the mean of a − b from `pairs` of rates (a, b) in [0, 1], independent of each other: bets on (a − b + 1)/2.
/// Of each pair the readings that make the difference small, and those that make it large.
pub(crate) fn paired_difference(small: &[[f64; 2]], large: &[[f64; 2]]) -> [f64; 2] {
    let interval = |pairs: &[[f64; 2]]| {
        let shifted: Vec<f64> = pairs.iter().map(|[a, b]| 0.5 * (a - b + 1.0)).collect();
        betting::interval(&shifted).map(|end| 2.0 * end - 1.0)
    };
    let means =
        [small, large].map(|pairs| pairs.iter().map(|[a, b]| a - b).sum::<f64>() / pairs.len() as f64);
    // a rare order of starts may exclude what all of them suggest; stretched, the interval stays valid
    [interval(small)[0].min(means[0]), interval(large)[1].max(means[1])]
}

/// Interval of the share (a − b)/(1 − b) of the means of `pairs` as in [`paired_difference`], by test inversion:
/// the shares s for which no gambler grows rich on (1 − s)(1 − b) − (1 − a) having mean 0 (the idea of Fieller 1954 with
/// the bets of `betting` for its t). Its lower end is −∞ where the b may all but be 1.
pub(crate) fn paired_share(small: &[[f64; 2]], large: &[[f64; 2]]) -> [f64; 2] {
    // u = 1/(2 − s) is in [0, 1], and x = (1 − u)(1 − b) + u·a, in [0, 1], has mean u
    let at = |pairs: &[[f64; 2]], u: f64| -> Vec<f64> {
        pairs.iter().map(|[a, b]| (1.0 - u) * (1.0 - b) + u * a).collect()
    };
    let low = first_inside(0.0, 1.0, |u| betting::excludes_from_below(&at(small, u), u));
    let high = first_inside(1.0, 0.0, |u| betting::excludes_from_above(&at(large, u), u));
    [low, high].map(|u| 2.0 - 1.0 / u)
}

/// The first place on the way `from` an end of [0, 1] `to` the other that is not excluded, or `to`. Exclusion need not
/// be monotone: the way is tried in steps, and the last of them halved.
fn first_inside(from: f64, to: f64, excluded: impl Fn(f64) -> bool) -> f64 {
    const STEPS: u32 = 256;
    let place = |step: u32| from + (to - from) * f64::from(step) / f64::from(STEPS);
    let Some(first) = (0..=STEPS).find(|step| !excluded(place(*step))) else {
        return to;
    };
    if first == 0 {
        return from;
    }
    sequences::border(place(first - 1), place(first), excluded)
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn part(estimate: f64, low: f64, high: f64) -> Part {
        Part { estimate, ends: [low, high] }
    }

    fn near(ours: [f64; 2], theirs: [f64; 2], tolerance: f64) -> bool {
        ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= tolerance)
    }

    // Newcombe 1998, Statistics in Medicine 17:873, table II, method 10 for contrast (a), 56/70 − 48/80, from Wilson's
    // intervals: (.0524, .3339)
    #[test]
    fn difference_equals_newcombes_example() {
        let wilson = |hits: f64, n: f64| {
            let (z, p) = (1.959_964_f64, hits / n);
            let (centre, half) =
                (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
            let scale = 1.0 + z * z / n;
            part(p, (centre - half) / scale, (centre + half) / scale)
        };
        let found = difference(wilson(56.0, 70.0), wilson(48.0, 80.0));
        assert!(near(found, [0.0524, 0.3339], 5e-5), "{found:?}");
    }

    /// The ends of a share are the ratios at which the interval of x − r·y touches 0: the definition, by `difference`.
    #[test]
    fn share_inverts_the_difference() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let mut random = || {
                let mut three: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.01..0.99));
                three.sort_by(f64::total_cmp);
                part(three[1], three[0], three[2])
            };
            let (a, b) = (random(), random());
            let [low, high] = share(a, b);
            let estimate = 1.0 - (1.0 - a.estimate) / (1.0 - b.estimate);
            assert!(low <= estimate && estimate <= high && high <= 1.0, "{a:?} {b:?}");
            let scaled = |r: f64| difference(open(a, 1.0), open(b, r));
            assert!(scaled(1.0 - high)[0].abs() < 1e-9, "{a:?} {b:?}: {:?}", scaled(1.0 - high));
            assert!(scaled(1.0 - low)[1].abs() < 1e-9, "{a:?} {b:?}: {:?}", scaled(1.0 - low));
        }
    }

    /// r·(1 − `of`).
    fn open(of: Part, r: f64) -> Part {
        part(r * (1.0 - of.estimate), r * (1.0 - of.ends[1]), r * (1.0 - of.ends[0]))
    }

    #[test]
    fn exchanging_the_two_mirrors_their_difference_which_stays_within_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..200 {
            let mut random = || {
                let mut three: [f64; 3] = std::array::from_fn(|_| rng.random());
                three.sort_by(f64::total_cmp);
                part(three[1], three[0], three[2])
            };
            let (a, b) = (random(), random());
            let ([low, high], [mirror_low, mirror_high]) = (difference(a, b), difference(b, a));
            assert!((low + mirror_high).abs() < 1e-12 && (high + mirror_low).abs() < 1e-12);
            assert!(
                -1.0 <= low
                    && low <= a.estimate - b.estimate
                    && a.estimate - b.estimate <= high
                    && high <= 1.0
            );
        }
        let pairs: Vec<[f64; 2]> = (0..30).map(|_| [rng.random(), rng.random()]).collect();
        let exchanged: Vec<[f64; 2]> = pairs.iter().map(|[a, b]| [*b, *a]).collect();
        let ([low, high], [mirror_low, mirror_high]) =
            (paired_difference(&pairs, &pairs), paired_difference(&exchanged, &exchanged));
        assert!((low + mirror_high).abs() < 1e-9 && (high + mirror_low).abs() < 1e-9);
        assert!(-1.0 <= low && low < high && high <= 1.0);
    }

    /// Where a reading leaves more open the interval is wider, at that end alone.
    #[test]
    fn open_readings_widen_their_own_end() {
        let known: Vec<[f64; 2]> = (0..40).map(|i| [[1.0, 0.4], [0.6, 0.4]][i % 2]).collect();
        let (small, large): (Vec<[f64; 2]>, Vec<[f64; 2]>) =
            known.iter().map(|[a, b]| ([a - 0.2, b + 0.2], [(a + 0.2).min(1.0), b - 0.2])).unzip();
        for interval in [paired_difference, paired_share] {
            let ([low, high], of_small, of_large) =
                (interval(&known, &known), interval(&small, &known), interval(&known, &large));
            assert!(of_small[0] < low && of_small[1] == high && of_large[0] == low && of_large[1] > high);
        }
    }

    #[test]
    fn share_of_what_is_known_is_known_and_of_what_may_be_one_unbounded() {
        assert!(near(share(part(0.9, 0.9, 0.9), part(0.5, 0.5, 0.5)), [0.8, 0.8], 1e-15));
        assert_eq!(share(part(1.0, 0.8, 1.0), part(0.5, 0.4, 0.6))[1], 1.0);
        assert_eq!(share(part(0.9, 0.8, 1.0), part(0.5, 0.4, 1.0))[0], f64::NEG_INFINITY);
    }

    #[test]
    fn paired_intervals_hold_their_estimates_and_narrow_with_the_pairs() {
        let pairs = |n: usize| -> Vec<[f64; 2]> {
            (0..n).map(|i| [[1.0, 0.0], [0.6, 0.4], [1.0, 0.4]][i % 3]).collect()
        };
        let mut before = [2.0; 2];
        for n in [6, 30, 150, 3_000] {
            let pairs = pairs(n);
            let [difference, share] = [paired_difference(&pairs, &pairs), paired_share(&pairs, &pairs)];
            let mean = |k: usize| pairs.iter().map(|pair| pair[k]).sum::<f64>() / n as f64;
            let (a, b) = (mean(0), mean(1));
            for ([low, high], truth) in [(difference, a - b), (share, (a - b) / (1.0 - b))] {
                assert!(low <= truth && truth <= high && high <= 1.0, "{n}: {low} {truth} {high}");
            }
            let widths = [difference, share].map(|[low, high]| high - low);
            assert!(n == 6 || (widths[0] < before[0] && widths[1] < before[1]), "{n}: {widths:?}");
            before = widths;
        }
        assert!(before[0] < 0.05 && before[1] < 0.07, "{before:?}");
        // nothing is open in b: no share is bounded from below
        assert_eq!(paired_share(&[[1.0, 1.0]; 60], &[[1.0, 1.0]; 60])[0], f64::NEG_INFINITY);
    }
}
