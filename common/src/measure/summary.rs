//! What the restarts of an experiment measured, step by step: quartiles, the same whatever the order of arrival.

use std::collections::BTreeMap;

use super::{Measured, Quantity, Series};

/// A quantity's values over the restarts of one experiment.
#[derive(Debug, Clone, Default)]
pub struct OverRestarts {
    all: BTreeMap<(Quantity, u32), Values>,
}

/// Values of one series.
#[derive(Debug, Clone, Default)]
struct Values {
    /// At the steps on the way.
    on_the_way: BTreeMap<u64, Vec<f64>>,
    /// Of each trial its last step and value.
    at_the_end: Vec<(u64, f64)>,
}

/// When something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After so many updates.
    Step(u64),
    /// Where each trial ended, which was not after equally many updates.
    End,
}

/// The values at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub when: When,
    /// How many finite values there are.
    pub n: usize,
    /// Lower quartile, median and upper quartile of the finite values; NaN without any.
    pub quartiles: [f64; 3],
}

impl OverRestarts {
    /// Adds the series of one trial that are `wanted` by name.
    pub fn add(&mut self, measures: &[Measured], wanted: impl Fn(&str) -> bool) {
        for Measured { steps, series } in measures {
            for one in series.iter().filter(|one| wanted(&one.name())) {
                let known = self.all.entry((one.quantity, one.layer)).or_default();
                let mut points = steps.iter().copied().zip(one.values.iter().copied());
                known.at_the_end.extend(points.next_back());
                for (step, value) in points {
                    known.on_the_way.entry(step).or_default().push(value);
                }
            }
        }
    }

    /// The names of the series and their points, ascending in time, the end last.
    pub fn points(self) -> impl Iterator<Item = (String, Vec<Point>)> {
        self.all.into_iter().map(|((quantity, layer), Values { on_the_way, at_the_end })| {
            let mut points: Vec<Point> =
                on_the_way.into_iter().map(|(step, values)| Point::new(When::Step(step), values)).collect();
            if let Some(&(first, _)) = at_the_end.first() {
                let together = at_the_end.iter().all(|&(step, _)| step == first);
                let when = if together { When::Step(first) } else { When::End };
                points.push(Point::new(when, at_the_end.into_iter().map(|(_, value)| value).collect()));
            }
            (Series { quantity, layer, values: Vec::new() }.name(), points)
        })
    }
}

impl Point {
    fn new(when: When, mut values: Vec<f64>) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        Self { when, n: values.len(), quartiles: [0.25, 0.5, 0.75].map(|share| quantile(&values, share)) }
    }
}

/// The quantile of values sorted ascending, between neighbours by their distance (Hyndman & Fan 1996, type 7: numpy's).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * share;
    let below = place as usize;
    let (low, high) = (sorted[below], sorted[last.min(below + 1)]);
    low + (place - below as f64) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(steps: &[u64], values: &[f64]) -> Vec<Measured> {
        let series = Series { quantity: Quantity::Curve, layer: 0, values: values.to_vec() };
        vec![Measured { steps: steps.to_vec(), series: vec![series] }]
    }

    fn points(trials: &[Vec<Measured>]) -> Vec<Point> {
        let mut all = OverRestarts::default();
        trials.iter().for_each(|trial| all.add(trial, |name| name == "curve"));
        all.points().map(|(name, points)| (name == "curve").then_some(points).unwrap()).next().unwrap()
    }

    #[test]
    fn quartiles_are_numpys() {
        // numpy 2.4.6: np.percentile([.3, 2, 5, 9.5, 11], [25, 50, 75]), and of [1, 2, 4, 8]
        let sorted = [0.3, 2.0, 5.0, 9.5, 11.0];
        assert_eq!([0.25, 0.5, 0.75].map(|share| quantile(&sorted, share)), [2.0, 5.0, 9.5]);
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.25, 0.5, 0.75].map(|share| quantile(&sorted, share)), [1.75, 3.0, 5.0]);
    }

    #[test]
    fn ends_stand_together_where_the_trials_end_apart() {
        let trials = [
            measured(&[0, 10, 20], &[4.0, 2.0, 1.0]),
            measured(&[0, 10], &[6.0, f64::NAN]),
            measured(&[0, 10, 15], &[8.0, 4.0, 3.0]),
        ];
        let found = points(&trials);
        let [start, ten, end] = found[..] else { panic!("{found:?}") };
        assert_eq!((start.when, start.n, start.quartiles), (When::Step(0), 3, [5.0, 6.0, 7.0]));
        assert_eq!((ten.when, ten.n, ten.quartiles[1]), (When::Step(10), 2, 3.0));
        assert_eq!((end.when, end.n, end.quartiles[1]), (When::End, 2, 2.0));
        let mut other_order = trials.to_vec();
        other_order.rotate_left(1);
        assert_eq!(points(&other_order), found);
        assert_eq!(points(&trials[..1])[2].when, When::Step(20));
    }
}
