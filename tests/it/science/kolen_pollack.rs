//! Backpropagation is sensitive to initial conditions (Kolen & Pollack 1990): whether a 2-2-1 network learns XOR, by the
//! width of its start.

use super::{errors_apart, is_thorough, outcomes};

/// A width r with what a C prototype found for 2,000 starts of it: how many learned within 20,000 epochs, and the median and
/// the ninth decile of the epochs that these took.
type Width = (f64, usize, u64, u64);

/// All rows at once: learning rate .5 on half the sum of squares, which is 1 on their mean; momentum .9.
const BATCH: [Width; 6] = [
    (0.1, 1942, 3206, 9190),
    (0.5, 1868, 253, 569),
    (1.0, 1660, 136, 248),
    (2.0, 1368, 92, 218),
    (4.0, 1092, 91, 782),
    (8.0, 692, 297, 5052),
];
/// Row after row in file order: learning rate .5 on half the square, which is .25 on the square; no momentum.
const ONLINE: [Width; 6] = [
    (0.1, 1470, 2145, 6520),
    (0.5, 1606, 1651, 2428),
    (1.0, 1646, 971, 1806),
    (2.0, 1392, 552, 1359),
    (4.0, 1072, 494, 3986),
    (8.0, 604, 1004, 11_267),
];

const BY_BATCH: &str = "momentum = 0.9\nlr = 1.0\nbatch = \"full\"\nsteps = 20_000";
const BY_ROW: &str = "lr = 0.25\nbatch = 1\nshuffle = false\nepochs = 20_000";

fn spec(r: f64, training: &str, restarts: usize) -> String {
    format!(
        r#"
name = "xor"
seed = 1
precision = "f64"
[network]
layers = [2, 2, 1]
activation = "sigmoid"
output_activation = "sigmoid"
[data]
dataset = "xor"
encoding = "binary"
[train]
loss = "mse"
optimizer = "sgd"
{training}
stop = {{ max_error = 0.5 }}
[minima]
polish = false
[[experiment]]
name = "random"
init = {{ scheme = "uniform", low = -{r}, high = {r}, bias = "same" }}
restarts = {restarts}
vary = ["init"]
"#
    )
}

/// Epochs of the starts that learned, in ascending order; of `restarts` trained by `training` with `updates` an epoch. Fails
/// if the prototype's numbers are others.
fn learned((r, successes, median, decile): Width, training: &str, updates: u64, restarts: usize) -> Vec<u64> {
    let rows = outcomes(&spec(r, training, restarts));
    let learned = rows.iter().filter(|row| row["stop_reason"] == "target_reached");
    let mut epochs: Vec<u64> =
        learned.map(|row| row["steps"].as_u64().expect("a number") / updates).collect();
    epochs.sort_unstable();
    let apart = errors_apart((epochs.len(), restarts), (successes, 2000));
    assert!(apart < 3.3, "r = {r}: {} of {restarts}", epochs.len());
    for (share, quantile) in [(0.5, median), (0.9, decile)] {
        let below = epochs.partition_point(|&epoch| epoch < quantile) as f64;
        let up_to = epochs.partition_point(|&epoch| epoch <= quantile) as f64;
        let n = epochs.len() as f64;
        let error = f64::sqrt(share * (1.0 - share) * (1.0 / n + 1.0 / successes as f64));
        assert!(
            below / n - share < 3.3 * error && share - up_to / n < 3.3 * error,
            "r = {r}: {below} to {up_to} of {n} epochs below {quantile}, not {share}"
        );
    }
    epochs
}

/// `SEEDSWEEP_TEST_THOROUGH` takes 2,000 starts of each width. Their claim is the fall from r = .5 on.
#[test]
fn success_on_xor_falls_with_the_width_of_the_start() {
    let restarts = if is_thorough() { 2000 } else { 150 };
    let few = [0.5, 2.0, 8.0];
    let widths = BATCH.into_iter().filter(|(r, ..)| is_thorough() || few.contains(r));
    let found: Vec<(f64, Vec<u64>)> =
        widths.map(|width| (width.0, learned(width, BY_BATCH, 1, restarts))).collect();
    for (r, epochs) in &found {
        println!(
            "r = {r}: {} of {restarts} learned, median {} epochs",
            epochs.len(),
            epochs[epochs.len() / 2]
        );
    }
    for pair in found.windows(2).filter(|pair| pair[0].0 >= 0.5) {
        let (wide, wider) = (pair[0].1.len(), pair[1].1.len());
        let apart = errors_apart((wide, restarts), (wider, restarts));
        // intervals of 95 % around each of two shares are disjoint beyond 1.96 · √2 standard errors
        assert!(wide > wider && apart > 2.8, "{} and {}: {wide} and {wider}", pair[0].0, pair[1].0);
    }
    // small starts are slow, and so are large ones
    let medians: Vec<u64> = found.iter().map(|(_, epochs)| epochs[epochs.len() / 2]).collect();
    let half_more = medians.iter().min().expect("widths") * 3 / 2;
    assert!(medians[0] > half_more && medians[medians.len() - 1] > half_more, "{medians:?}");
}

/// `SEEDSWEEP_TEST_THOROUGH` takes 2,000 starts of each width, else 60 of two.
#[test]
fn rows_one_after_the_other_learn_xor_as_often_as_the_prototype() {
    let restarts = if is_thorough() { 2000 } else { 60 };
    for width in ONLINE.into_iter().filter(|(r, ..)| is_thorough() || [1.0, 2.0].contains(r)) {
        learned(width, BY_ROW, 4, restarts);
    }
}
