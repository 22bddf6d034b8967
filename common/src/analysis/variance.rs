//! How the variance of a quantity splits over starts and data orders: analysis of variance with one run per cell.
//!
//! Estimators of the random-effects model (Searle, Casella & McCulloch 1992, chapter 4). They can be negative: then 0
//! is reported, with the raw value beside it.

use std::collections::BTreeMap;

use super::report::{Number, VariancePart, VarianceSplit};
use super::special::beta_regularised;

/// A start, an order and the value of the run that had both.
pub(crate) type Cell = (u64, u64, f64);

/// Starts × orders, each order the same in every start: main effects of both, the rest is interaction. `None` below
/// two starts or two orders, or if a cell is missing.
pub(crate) fn crossed(cells: &[Cell]) -> Option<VarianceSplit> {
    let table: BTreeMap<(u64, u64), f64> =
        cells.iter().map(|(start, order, value)| ((*start, *order), *value)).collect();
    let by_start = groups(table.iter().map(|((start, _), value)| (*start, *value)));
    let by_order = groups(table.iter().map(|((_, order), value)| (*order, *value)));
    let (starts, orders) = (by_start.len(), by_order.len());
    if starts < 2 || orders < 2 || table.len() != starts * orders {
        return None;
    }
    let grand = mean(&table.values().copied().collect::<Vec<f64>>());
    let (i, j) = (starts as f64, orders as f64);
    let means = |groups: &BTreeMap<u64, Vec<f64>>| -> BTreeMap<u64, f64> {
        groups.iter().map(|(key, values)| (*key, mean(values))).collect()
    };
    let (start_means, order_means) = (means(&by_start), means(&by_order));
    let around = |means: &BTreeMap<u64, f64>| means.values().map(|m| square(m - grand)).sum::<f64>();
    let ms_start = j * around(&start_means) / (i - 1.0);
    let ms_order = i * around(&order_means) / (j - 1.0);
    let rest = table
        .iter()
        .map(|((start, order), value)| square(value - start_means[start] - order_means[order] + grand));
    let freedom = (i - 1.0) * (j - 1.0);
    let ms_rest = rest.sum::<f64>() / freedom;
    Some(split(
        "crossed",
        [starts, orders],
        (ms_start - ms_rest) / j,
        (ms_order - ms_rest) / i,
        Some(ms_rest),
        f_test(ms_start, ms_rest, i - 1.0, freedom),
    ))
}

/// Orders of their own within each start, as many as there happen to be. `None` below two starts, or if no start has
/// two runs.
pub(crate) fn nested(cells: &[Cell]) -> Option<VarianceSplit> {
    let groups = groups(cells.iter().map(|(start, _, value)| (*start, *value)));
    let (starts, n) = (groups.len(), cells.len());
    if starts < 2 || n <= starts {
        return None;
    }
    let all: Vec<f64> = groups.values().flatten().copied().collect();
    let grand = mean(&all);
    let between = groups.values().map(|values| values.len() as f64 * square(mean(values) - grand));
    let within = groups.values().map(|values| {
        let centre = mean(values);
        values.iter().map(|value| square(value - centre)).sum::<f64>()
    });
    let (freedom_between, freedom_within) = ((starts - 1) as f64, (n - starts) as f64);
    let ms_start = between.sum::<f64>() / freedom_between;
    let ms_within = within.sum::<f64>() / freedom_within;
    // runs per start; for unequal numbers the coefficient of Searle et al., section 3.6
    let squares: f64 = groups.values().map(|values| square(values.len() as f64)).sum();
    let per_start = (n as f64 - squares / n as f64) / freedom_between;
    let largest = groups.values().map(Vec::len).max().unwrap_or(0);
    Some(split(
        "nested",
        [starts, largest],
        (ms_start - ms_within) / per_start,
        ms_within,
        None,
        f_test(ms_start, ms_within, freedom_between, freedom_within),
    ))
}

fn split(
    design: &str,
    [starts, orders]: [usize; 2],
    init: f64,
    order: f64,
    residual: Option<f64>,
    p: f64,
) -> VarianceSplit {
    let part = |raw: f64| VariancePart { estimate: Number(raw.max(0.0)), raw: Number(raw) };
    let total = init.max(0.0) + order.max(0.0) + residual.unwrap_or(0.0);
    VarianceSplit {
        design: design.to_owned(),
        starts: starts as u64,
        orders: orders as u64,
        init: part(init),
        order: part(order),
        residual: residual.map(Number),
        init_share: (total > 0.0).then(|| Number(init.max(0.0) / total)),
        p_init: Number(p),
    }
}

/// The probability of a ratio of mean squares at least as large if there is no effect.
fn f_test(ms: f64, ms_error: f64, freedom: f64, freedom_error: f64) -> f64 {
    if ms <= 0.0 {
        return 1.0;
    }
    let x = freedom_error * ms_error / (freedom_error * ms_error + freedom * ms);
    beta_regularised(x, freedom_error / 2.0, freedom / 2.0)
}

fn groups(values: impl Iterator<Item = (u64, f64)>) -> BTreeMap<u64, Vec<f64>> {
    let mut groups: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(key).or_default().push(value);
    }
    // one order of summing, whatever the order of arrival
    groups.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    groups
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn square(x: f64) -> f64 {
    x * x
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rand::seq::SliceRandom;

    use super::*;

    /// E4 of docs/sources/statistics.md: 4 starts × 5 orders.
    fn e4() -> Vec<Cell> {
        let rows = [
            [0.972, 0.942, 0.927, 0.937, 0.93],
            [0.836, 0.844, 0.844, 0.845, 0.854],
            [0.904, 0.908, 0.914, 0.913, 0.899],
            [0.885, 0.893, 0.898, 0.885, 0.882],
        ];
        let cell =
            |(start, row): (u64, [f64; 5])| (0..).zip(row).map(move |(order, value)| (start, order, value));
        (0..).zip(rows).flat_map(cell).collect()
    }

    fn near(ours: f64, theirs: f64) -> bool {
        (ours / theirs - 1.0).abs() < 2e-5
    }

    // E4: numpy, and scipy.stats.f.sf for p
    #[test]
    fn crossed_split_equals_the_worked_example() {
        let found = crossed(&e4()).unwrap();
        assert!(near(found.init.raw.0, 0.001_609_08) && near(found.order.raw.0, -2.599_2e-5), "{found:?}");
        assert_eq!((found.order.estimate, found.starts, found.orders), (Number(0.0), 4, 5));
        let rest = found.residual.unwrap().0;
        assert!(near(rest, 1.379_167e-4));
        // the mean squares of starts and of orders
        assert!(
            near(5.0 * found.init.raw.0 + rest, 0.008_183_33)
                && near(4.0 * found.order.raw.0 + rest, 3.395e-5)
        );
        assert!(near(found.p_init.0, 1.809_879_2e-7), "{found:?}");
    }

    #[test]
    fn nested_split_equals_the_worked_example() {
        let found = nested(&e4()).unwrap();
        assert!(near(found.init.raw.0, 0.001_614_28) && near(found.order.raw.0, 1.119_25e-4), "{found:?}");
        // the intraclass correlation
        assert!(near(found.init_share.unwrap().0, 0.935_161));
        assert!(near(found.p_init.0, 1.476_909_5e-9) && found.residual.is_none());
    }

    #[test]
    fn order_of_runs_changes_no_bit_and_a_constant_changes_nothing_much() {
        let (expected_crossed, expected_nested) = (crossed(&e4()), nested(&e4()));
        for seed in 0..10 {
            let mut cells = e4();
            cells.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(
                (crossed(&cells), nested(&cells)),
                (expected_crossed.clone(), expected_nested.clone())
            );
        }
        let moved: Vec<Cell> =
            e4().into_iter().map(|(start, order, value)| (start, order, value + 1.0)).collect();
        assert!((nested(&moved).unwrap().init.raw.0 - expected_nested.unwrap().init.raw.0).abs() < 1e-12);
    }

    #[test]
    fn designs_that_cannot_tell_give_nothing() {
        assert_eq!(crossed(&e4()[1..]), None);
        assert_eq!(crossed(&e4()[..5]), None);
        assert_eq!(nested(&[(0, 0, 1.0), (1, 0, 2.0)]), None);
        // equal values: no variance, no share
        let flat = nested(&[(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0)]).unwrap();
        assert_eq!((flat.init_share, flat.p_init), (None, Number(1.0)));
    }

    /// Repetitions that a missing trial leaves unequal: with equal numbers both coefficients agree.
    #[test]
    fn unequal_repetitions_are_weighted() {
        let found = nested(&e4()[..18]).unwrap();
        assert_eq!((found.starts, found.orders), (4, 5));
        assert!((found.init.raw.0 - 0.001_614_28).abs() < 2e-4, "{found:?}");
    }
}
