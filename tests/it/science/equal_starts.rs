//! What becomes of starts with all weights equal, exactly and but for noise: a numpy and a C prototype's numbers.

use super::{errors_apart, is_thorough, outcomes};

/// Digits by 16 tanh units, all rows at once, every parameter the same: losses of numpy in f64.
const DIGITS: &str = r#"
name = "digits"
seed = 1
precision = "f64"
[network]
layers = [64, 16, 10]
activation = "tanh"
[data]
dataset = "digits"
[train]
loss = "cross_entropy"
lr = 0.1
batch = "full"
steps = 1000
[minima]
polish = false
[measure]
symmetry = true
[[experiment]]
name = "small"
init = { scheme = "constant", value = 0.01 }
restarts = 1
vary = []
[[experiment]]
name = "large"
init = { scheme = "constant", value = 0.5 }
restarts = 1
vary = []
"#;

/// The digits of each class in scikit-learn's file.
const CLASSES: [f64; 10] = [178.0, 182.0, 177.0, 183.0, 181.0, 182.0, 181.0, 179.0, 174.0, 180.0];

/// One unit learns what one unit can from small weights; saturated ones leave the output biases alone, whose best is the
/// entropy of the classes.
#[test]
fn digits_from_equal_parameters_end_a_thousand_steps_where_numpy_ends_them() {
    let rows = outcomes(DIGITS);
    let number = |row: usize, column: &str| rows[row][column].as_f64().unwrap();
    assert!((number(0, "loss_train") / 1.546_603_135_2 - 1.0).abs() < 1e-6, "{}", rows[0]["loss_train"]);
    assert!((number(0, "accuracy_train") - 0.3005).abs() < 5e-5, "{}", rows[0]["accuracy_train"]);
    let n: f64 = CLASSES.iter().sum();
    let entropy = CLASSES.iter().map(|count| -count / n * (count / n).ln()).sum::<f64>();
    let large = number(1, "loss_train");
    assert!((large - 2.302_479_221_1).abs() < 1e-10, "{large}");
    // what is above it are the last digits of the biases' way there
    assert!((0.0..1e-9).contains(&(large - entropy)), "{large} {entropy}");
    for row in &rows {
        let units = row["measures"]["symmetry.1.units_by_bits"].as_array();
        let units = units.expect("measured");
        assert!(units.iter().all(|point| point[1] == 1.0), "{units:?}");
    }
}

/// Noise on weights of 0.5 in T(10, 10); a C prototype's median of steps to a gradient of 1e-9, and its ends at the global
/// minimum, of 100 runs.
const DIAL: [(&str, u64, usize); 4] =
    [("1e-14", 3933, 69), ("1e-12", 3951, 68), ("1e-4", 3887, 69), ("1e-1", 3735, 70)];

fn dial(restarts: usize) -> String {
    let mut spec = String::from(
        r#"
name = "dial"
seed = 1
precision = "f64"
[network]
kind = "relu_sum"
inputs = 10
units = 10
[data]
dataset = "teacher_population"
teacher_units = 10
[train]
loss = "population"
optimizer = "gd"
lr = 0.1
steps = 40_000
stop = { grad_norm = 1e-9 }
[minima]
polish = false
"#,
    );
    for (eps, ..) in DIAL {
        spec += &format!(
            "[[experiment]]\nname = \"noise-{eps}\"\ninit = {{ scheme = \"symmetric_dial\", value = 0.5, eps = {eps} }}\n\
             restarts = {restarts}\nvary = [\"init\"]\n"
        );
    }
    spec
}

/// However small the noise, ten relus take as long as the prototype's and end as often where the teacher is.
#[test]
fn noise_of_any_size_frees_ten_relus_as_fast_and_as_well() {
    let restarts = if is_thorough() { 400 } else { 60 };
    let rows = outcomes(&dial(restarts));
    for (eps, median, global) in DIAL {
        let arm: Vec<_> = rows.iter().filter(|row| row["experiment"] == format!("noise-{eps}")).collect();
        assert!(arm.len() == restarts && arm.iter().all(|row| row["stop_reason"] == "converged"));
        let sooner = arm.iter().filter(|row| row["steps"].as_u64().unwrap() < median).count();
        let at_teacher = arm.iter().filter(|row| row["loss_train"].as_f64().unwrap() < 1e-6).count();
        let (steps, share) = (
            errors_apart((sooner, restarts), (50, 100)),
            errors_apart((at_teacher, restarts), (global, 100)),
        );
        println!(
            "{eps}: {sooner} of {restarts} in less than {median} steps ({steps:.2} standard errors), {at_teacher} at the \
             teacher ({share:.2} standard errors)"
        );
        assert!(steps < 3.3 && share < 3.3, "{eps}: {sooner} and {at_teacher} of {restarts}");
    }
}
