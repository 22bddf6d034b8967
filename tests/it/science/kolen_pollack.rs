//! Backpropagation is sensitive to initial conditions (Kolen & Pollack 1990): whether a 2-2-1 network learns XOR, by the
//! width of its start.

use super::{errors_apart, is_thorough, outcomes};

/// r, and how many of 2,000 starts a C prototype trained within 20,000 epochs (batch, learning rate .5 on half the sum of
/// squares, which is 1 on their mean; momentum .9).
const PROTOTYPE: [(f64, usize); 6] =
    [(0.1, 1942), (0.5, 1868), (1.0, 1660), (2.0, 1368), (4.0, 1092), (8.0, 692)];

fn spec(r: f64, restarts: usize) -> String {
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
momentum = 0.9
lr = 1.0
batch = "full"
steps = 20_000
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

/// `SEEDSWEEP_TEST_THOROUGH` takes 2,000 starts of each width. Their claim is the fall from r = .5 on.
#[test]
fn success_on_xor_falls_with_the_width_of_the_start() {
    let restarts = if is_thorough() { 2000 } else { 150 };
    let mut successes = Vec::new();
    for (r, prototype) in PROTOTYPE {
        if !is_thorough() && ![0.5, 2.0, 8.0].contains(&r) {
            continue;
        }
        let rows = outcomes(&spec(r, restarts));
        let mut steps: Vec<u64> = rows
            .iter()
            .filter(|row| row["stop_reason"] == "target_reached")
            .map(|row| row["steps"].as_u64().unwrap())
            .collect();
        steps.sort_unstable();
        let apart = errors_apart((steps.len(), restarts), (prototype, 2000));
        println!(
            "r = {r}: {} of {restarts} within 20,000 epochs, {apart:.2} standard errors from {prototype} of 2000; median {}",
            steps.len(),
            steps[steps.len() / 2]
        );
        assert!(apart < 3.3, "r = {r}: {} of {restarts}", steps.len());
        successes.push((r, steps.len()));
    }
    for pair in successes.windows(2).filter(|pair| pair[0].0 >= 0.5) {
        let apart = errors_apart((pair[0].1, restarts), (pair[1].1, restarts));
        // intervals of 95 % around each of two shares are disjoint beyond 1.96 · √2 standard errors
        assert!(pair[0].1 > pair[1].1 && apart > 2.8, "{pair:?}");
    }
}
