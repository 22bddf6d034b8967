use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::spec;

use super::*;
use crate::train::Prepared;

/// A machine that does 16 multiply-adds in a nanosecond.
pub(super) const MACHINE: Machine = Machine {
    fma_s: 1e-9,
    cycle_s: 1e-9,
    tanh_s: 10e-9,
    exp_s: 10e-9,
    double_s: [20e-9; 2],
    peak_flops: 32e9,
};

const W1: &str = include_str!("../../benches/workloads/w1.toml");
const W2: &str = include_str!("../../benches/workloads/w2.toml");
const W5: &str = include_str!("../../benches/workloads/w5.toml");
/// W5's rows without its file.
const W5_ROWS: &str = r#"dataset = "gauss_mix", samples = 1280, classes = 10, dims = 784, radius = 5.0"#;

/// An experiment of `tables`.
fn prepared<T>(tables: &str, look: impl Fn(&Prepared) -> T) -> T {
    let tables = tables.replace(r#"file = "masks.csv", target = "y""#, W5_ROWS);
    let text = format!(
        "name = \"cost\"\nseed = 1\n{tables}\n[[experiment]]\nname = \"a\"\ninit = \"torch_linear_default\"\n\
         restarts = 64\nvary = [\"init\"]\n"
    );
    let spec = spec::parse("cost", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
    look(&Prepared::new(&spec, ExperimentIndex(0), &|_| None).expect("it can be trained"))
}

/// The same, whose restarts fill 16 lanes where `in_lanes`.
fn with<T>(tables: &str, in_lanes: bool, look: impl Fn(&Shape<'_>) -> T) -> T {
    prepared(tables, |prepared| {
        look(&Shape { side_by_side: if in_lanes { 16 } else { 1 }, width: 16, ..prepared.shape() })
    })
}

fn training_s(shape: &Shape<'_>) -> f64 {
    estimate(shape, &MACHINE).training_s
}

// performance.md, section 3: 1.12 MFLOP, 290.6 MFLOP and 2.09 GFLOP for each training
#[test]
fn operations_are_those_of_the_published_workloads() {
    let flops = |tables: &str, updates: f64| with(tables, true, flops_per_update) * updates;
    assert!((flops(W1, 5_000.0) / 1.12e6 - 1.0).abs() < 1e-9);
    assert!((flops(W2, 20.0 * 23.0) / 290.6e6 - 1.0).abs() < 1e-3);
    assert!((flops(W5, 20.0) / 2.09e9 - 1.0).abs() < 3e-3);
}

#[test]
fn a_training_costs_at_least_its_products_at_the_peak() {
    for (tables, updates) in [(W1, 5_000.0), (W2, 460.0), (W5, 20.0)] {
        for in_lanes in [true, false] {
            with(tables, in_lanes, |shape| {
                let at_peak = flops_per_update(shape) * updates / MACHINE.peak_flops;
                assert!(training_s(shape) > at_peak, "{} : {at_peak}", training_s(shape));
            });
        }
    }
}

#[test]
fn twice_the_work_costs_twice_the_time() {
    let twice = W2.replace("epochs = 20", "epochs = 40");
    let ratio = with(&twice, true, training_s) / with(W2, true, training_s);
    assert!((1.9..=2.0).contains(&ratio), "{ratio}");
    let slower = Machine {
        fma_s: 2e-9,
        cycle_s: 2e-9,
        tanh_s: 20e-9,
        exp_s: 20e-9,
        double_s: [40e-9; 2],
        peak_flops: 16e9,
    };
    let ratio =
        with(W2, true, |shape| estimate(shape, &slower).total_s() / estimate(shape, &MACHINE).total_s());
    assert!((ratio - 2.0).abs() < 1e-9, "{ratio}");
}

#[test]
fn small_networks_are_cheaper_side_by_side() {
    assert!(with(W1, true, training_s) < 0.5 * with(W1, false, training_s));
}

#[test]
fn few_restarts_leave_lanes_empty() {
    let restarts = |count: u32| {
        with(W2, true, |shape| {
            let experiment = Experiment { restarts: count, ..shape.experiment.clone() };
            training_s(&Shape { experiment: &experiment, ..*shape })
        })
    };
    assert!(restarts(4) > 3.0 * restarts(16));
    assert!((restarts(16) - restarts(64)).abs() < 1e-12);
}

#[test]
fn own_orders_and_rules_cost_extra() {
    let rules = W2.replace("epochs = 20", "epochs = 20, stop = { loss = 1e-3 }");
    assert!(with(&rules, true, training_s) > 1.2 * with(W2, true, training_s));
    let own = with(W2, true, |shape| {
        let mut experiment = shape.experiment.clone();
        experiment.vary.order = true;
        training_s(&Shape { experiment: &experiment, ..*shape })
    });
    assert!(own > with(W2, true, training_s));
}

#[test]
fn only_what_is_polished_pays_for_it() {
    let polish =
        |polished| with(W1, true, |shape| estimate(&Shape { polished, ..*shape }, &MACHINE).polish_s);
    assert!(polish(true) > 2.0 * polish(false));
    assert!(polish(false) > 0.0, "gradient and sketches are always there");
}

/// What a trial of `tables` takes on the machine of these tests, trained and polished.
fn seconds(tables: &str) -> Estimate {
    with(tables, true, |shape| estimate(shape, &MACHINE))
}

#[test]
fn more_of_anything_never_costs_less() {
    let circles = |samples: u32, width: u32, epochs: u32, batch: u32| {
        format!(
            "network = {{ layers = [2, {width}, 7, 1], activation = \"tanh\" }}\n\
             data = {{ dataset = \"circles\", samples = {samples}, test_fraction = 0.25 }}\n\
             train = {{ loss = \"mse\", lr = 0.1, batch = {batch}, epochs = {epochs} }}\n"
        )
    };
    for lanes in [true, false] {
        let total = |tables: &str| with(tables, lanes, |shape| estimate(shape, &MACHINE).total_s());
        for (less, more) in [
            (circles(100, 5, 10, 8), circles(100, 5, 11, 8)),
            (circles(100, 5, 10, 8), circles(104, 5, 10, 8)),
            (circles(100, 5, 10, 8), circles(100, 6, 10, 8)),
            // as many rows in more updates
            (circles(100, 5, 10, 8), circles(100, 5, 10, 5)),
        ] {
            assert!(total(&less) < total(&more), "{less}{more}");
        }
        // the training alone: beyond 500 parameters a polish takes no Hessian, and is cheaper
        let training = |tables: &str| with(tables, lanes, training_s);
        let widths: Vec<f64> = (1..80).map(|width| training(&circles(100, width, 10, 8))).collect();
        assert!(widths.is_sorted(), "{lanes} {widths:?}");
    }
}

#[test]
fn measures_are_counted_where_they_are_taken() {
    let tables = "network = { layers = [2, 8, 6, 1], activation = \"tanh\" }\ndata = { dataset = \"moons\" }\n\
                  train = { loss = \"mse\", lr = 0.1, batch = 4, epochs = 50 }\n";
    let plain = seconds(tables);
    let with = |measures: &str| seconds(&format!("{tables}measure = {{ {measures} }}\n"));
    for on_the_way in ["curve = true", "symmetry = true"] {
        let measured = with(on_the_way);
        assert!(measured.training_s > 1.02 * plain.training_s, "{on_the_way}");
        assert_eq!(measured.polish_s, plain.polish_s, "{on_the_way}");
        let often = with(&format!("{on_the_way}, every = 20"));
        assert!(often.training_s > measured.training_s, "{on_the_way}");
    }
    for of_the_ends in ["geometry = true", "ntk = true"] {
        assert!(with(of_the_ends).polish_s > plain.polish_s, "{of_the_ends}");
    }
    assert_eq!(with("geometry = true").training_s, plain.training_s);
}

/// As cheap as to be left on, for the networks of the demonstration, of W1 and of `examples/measures.toml`: some twenty
/// looks, whose turns and distances of units are counted.
#[test]
fn symmetry_is_a_tenth_of_a_small_training_at_most() {
    let demo = "network = { layers = [2, 2, 1], activation = \"tanh\" }\ndata = { dataset = \"xor\" }\n\
                train = { loss = \"mse\", l2 = 1e-3, lr = 0.05, batch = 1, epochs = 600 }\n";
    let measures = "network = { layers = [2, 8, 1], activation = \"tanh\" }\ndata = { dataset = \"moons\" }\n\
                    train = { loss = \"mse\", l2 = 1e-3, lr = 0.05, batch = 4, epochs = 100 }\n";
    for tables in [demo, W1, measures] {
        let plain = with(tables, true, training_s);
        let measured = with(&format!("{tables}measure = {{ symmetry = true }}\n"), true, training_s);
        assert!(plain < measured && measured < 1.1 * plain, "{tables}: {}", measured / plain);
    }
}

#[test]
fn a_sample_is_only_taken_where_it_is_cheap() {
    let tables = format!("{W1}minima = {{ polish = false }}\n").replace("5000", "50");
    prepared(&tables, |prepared| {
        let guess = Estimate { training_s: 1e-5, polish_s: 1e-5 };
        let sampled = sample::sample(prepared, guess, 0.1).unwrap();
        assert!(sampled.training_s > 0.0 && sampled.polish_s > 0.0 && sampled.total_s() < 0.1, "{sampled:?}");
        assert_eq!(sample::sample(prepared, Estimate { training_s: 10.0, polish_s: 0.0 }, 0.1), None);
    });
}
