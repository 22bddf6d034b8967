//! Units that start equal stay equal to the last bit, on every path to the end (science of the constant start: an
//! ordinary BLAS parts them by rounding).

use std::sync::Arc;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::measure::Quantity;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::spec;
use seedsweep_worker::train::{Axis, Prepared};

use crate::slots::outcomes;

/// Trials: more than a register of eight, so that a task is a full pod, and a part-filled one is left over.
const TRIALS: u32 = 11;
const TASK: u32 = 8;
const STEPS: u32 = 30;

fn prepare(width: u32, activation: &str, precision: &str, batch: &str, init: &str) -> Prepared {
    let text = format!(
        r#"
name = "equal"
seed = 3
precision = "{precision}"
network = {{ layers = [2, {width}, 1], activation = "{activation}" }}
data = {{ dataset = "moons", noise = 0.1 }}
train = {{ loss = "mse", lr = 0.1, momentum = 0.9, batch = {batch}, steps = {STEPS} }}
minima = {{ polish = false }}
measure = {{ curve = true, symmetry = true, every = {STEPS} }}
[[experiment]]
name = "equal"
init = {init}
restarts = {TRIALS}
vary = ["order"]
"#
    );
    let spec = spec::parse("equal", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
    Prepared::new(&spec, ExperimentIndex(0), &|_| None).expect("it can be trained")
}

/// The values of `quantity` from the start to the end.
fn series(outcome: &Outcome, quantity: Quantity) -> &[f64] {
    let mut all = outcome.measures.iter().flat_map(|table| &table.series);
    &all.rfind(|series| series.quantity == quantity).expect("it was measured").values
}

const CONSTANT: &str = r#"{ scheme = "constant", value = 0.01 }"#;

#[test]
fn one_unit_stays_one_at_every_width_on_every_path() {
    for width in 1..=40 {
        for activation in ["tanh", "relu"] {
            for precision in ["f32", "f64"] {
                for batch in ["\"full\"", "7"] {
                    let mut prepared = prepare(width, activation, precision, batch, CONSTANT);
                    for axis in [Axis::Restart, Axis::Unit] {
                        prepared.force_axis(axis);
                        let shared = Arc::new(prepared);
                        for slots in 1..=3 {
                            let what = format!("{width} {activation} {precision} {batch} {axis:?} {slots}");
                            assert_one_unit(&outcomes(&shared, TRIALS, TASK / slots, slots), &what);
                        }
                        prepared = Arc::into_inner(shared).expect("the slots are gone");
                    }
                }
            }
        }
    }
}

fn assert_one_unit(outcomes: &[Outcome], what: &str) {
    assert_eq!(outcomes.len(), TRIALS as usize, "{what}");
    for outcome in outcomes {
        assert_eq!(series(outcome, Quantity::UnitsByBits), [1.0, 1.0], "{what}, restart {}", outcome.restart);
        let [first, last] = series(outcome, Quantity::Curve) else { panic!("start and end") };
        assert_ne!(last, first, "{what}: it did not train");
    }
}

/// What the test above would see: two units that start an ulp apart.
#[test]
fn units_that_start_apart_are_told_apart() {
    let apart = r#"{ scheme = "symmetric_dial", value = 0.01, eps = 1e-8 }"#;
    for precision in ["f32", "f64"] {
        let found = outcomes(&Arc::new(prepare(5, "tanh", precision, "7", apart)), TRIALS, TASK, 2);
        let parted = found.iter().filter(|outcome| series(outcome, Quantity::UnitsByBits)[1] > 1.0).count();
        assert!(parted >= TRIALS as usize / 2, "{precision}: {parted} of {TRIALS}");
    }
}
