//! How well the cost model (`src/cost.rs`) predicts: `cargo bench -p seedsweep-worker --bench cost -- [fit] [examples]
//! [avx512 avx2] [NAME…]`. Prints predicted : measured for the workloads of the speed benchmark, some more shapes and the
//! experiments of `examples/` (these alone if so asked), and sampled : measured, which is what `seedsweep check` says;
//! with `fit` also the factors that would predict them best, to be copied into `src/cost.rs`. Seconds are CPU-seconds of
//! one thread.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

#[expect(dead_code, reason = "the benchmark of speed asks for more of it")]
mod workloads;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use seedsweep_common::digest::Digest;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec;
use seedsweep_worker::cost::clock::cpu_seconds;
use seedsweep_worker::cost::machine::Machine;
use seedsweep_worker::cost::sample::{sample, seconds_of};
use seedsweep_worker::cost::{self, Estimate, Way, ending, training};
use seedsweep_worker::nn::lane::{Lanes, Level};
use seedsweep_worker::train::{Axis, Prepared};

use workloads::{Attached, WORKLOADS};

/// A workload of the speed benchmark, what changes it, and along which axis it is trained, if that is forced.
const CUT: [(&str, &str, &[&str], Option<Axis>); 12] = [
    ("W1", "W1", &[], None),
    ("W1symmetry", "W1", &["measure.symmetry=true"], None),
    ("W2", "W2", &[], None),
    ("W2symmetry", "W2", &["measure.symmetry=true"], None),
    ("W2own", "W2own", &[], None),
    ("W3", "W3", &["train.steps=300"], None),
    ("W3f64", "W3", &["train.steps=300", "precision=\"f64\""], None),
    ("W4", "W4", &[], None),
    ("W5", "W5", &[], None),
    ("W1unit", "W1", &["train.steps=500"], Some(Axis::Unit)),
    ("W2unit", "W2own", &["train.epochs=5"], Some(Axis::Unit)),
    ("W3unit", "W3", &["train.steps=100"], Some(Axis::Unit)),
];
/// More shapes: name and tables.
const SHAPES: [(&str, &str); 9] = [
    ("demo", DEMO),
    ("demosymmetry", DEMO_SYMMETRY),
    ("deep", DEEP),
    ("wide", WIDE),
    ("narrow", NARROW),
    ("tiny", TINY),
    ("units", UNITS),
    ("layers", LAYERS),
    ("kernel", KERNEL),
];
/// That of `seedsweep demo`.
const DEMO: &str = r#"
network = { layers = [2, 2, 1], activation = "tanh" }
data = { dataset = "xor" }
train = { loss = "mse", l2 = 1e-3, lr = 0.05, batch = 1, epochs = 600 }
minima = { polish = false }
"#;
const DEMO_SYMMETRY: &str = r#"
network = { layers = [2, 2, 1], activation = "tanh" }
data = { dataset = "xor" }
train = { loss = "mse", l2 = 1e-3, lr = 0.05, batch = 1, epochs = 600 }
minima = { polish = false }
measure = { symmetry = true }
"#;
const DEEP: &str = r#"
network = { layers = [8, 20, 20, 20, 2], activation = "sigmoid" }
data = { dataset = "gauss_mix", samples = 300, classes = 2, dims = 8, radius = 2.0 }
train = { loss = "cross_entropy", optimizer = "adam", lr = 0.01, batch = 10, epochs = 20 }
"#;
const WIDE: &str = r#"
network = { layers = [30, 200, 3], activation = "tanh" }
data = { dataset = "gauss_mix", samples = 500, classes = 3, dims = 30, radius = 2.0 }
train = { loss = "cross_entropy", optimizer = "adam", lr = 0.01, batch = 50, epochs = 10 }
"#;
const NARROW: &str = r#"
network = { layers = [5, 9, 1], activation = "relu" }
data = { dataset = "gauss_mix", samples = 400, classes = 2, dims = 5, radius = 2.0 }
train = { loss = "logistic", l2 = 1e-3, lr = 0.1, momentum = 0.9, batch = 20, epochs = 20 }
"#;
const TINY: &str = r#"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "moons", samples = 48 }
train = { loss = "mse", l2 = 1e-3, lr = 0.1, momentum = 0.9, batch = 16, epochs = 400 }
"#;
/// The measures one by one: dear to tell from a training that costs little.
const UNITS: &str = r#"
network = { layers = [4, 30, 20, 1], activation = "tanh" }
data = { dataset = "gauss_mix", samples = 100, classes = 2, dims = 4, radius = 2.0 }
train = { loss = "logistic", lr = 0.1, batch = "full", steps = 50 }
minima = { polish = false }
measure = { symmetry = true }
"#;
const LAYERS: &str = r#"
network = { layers = [4, 30, 20, 1], activation = "tanh" }
data = { dataset = "gauss_mix", samples = 100, classes = 2, dims = 4, radius = 2.0 }
train = { loss = "logistic", lr = 0.1, batch = "full", steps = 50 }
minima = { polish = false }
measure = { geometry = true }
"#;
const KERNEL: &str = r#"
network = { layers = [2, 40, 1], activation = "tanh" }
data = { dataset = "moons", samples = 100 }
train = { loss = "mse", lr = 0.1, batch = "full", steps = 50 }
minima = { polish = false }
measure = { curve = true, ntk = true }
"#;
/// Restarts measured at once: pods at every level.
const RESTARTS: u32 = 64;
/// CPU-seconds that `seedsweep check` samples an experiment for.
const SAMPLED_S: f64 = 0.1;
/// CPU-seconds for which an experiment is measured at least.
const LEAST_S: f64 = 0.3;
/// How strongly a fit holds on to the factors as they are, against one measurement.
const LOYALTY: f64 = 0.02;

/// One experiment, predicted and measured.
struct Row {
    name: String,
    way: Way,
    /// Whether rules may end trials before their budget, so that the prediction is an upper bound.
    may_end_early: bool,
    /// Terms of training and of what follows, in seconds.
    training: training::Terms,
    ending: ending::Terms,
    predicted: Estimate,
    sampled: Option<Estimate>,
    measured: Estimate,
}

/// Something to train.
struct Case {
    name: String,
    sweep: Attached,
    axis: Option<Axis>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let names: Vec<&String> = arguments
        .iter()
        .filter(|name| !["fit", "examples", "avx512", "avx2"].contains(&name.as_str()))
        .collect();
    let mut rows = Vec::new();
    for (level_name, level) in [("avx512", Level::Avx512), ("avx2", Level::Avx2)] {
        let Some(lanes) = Lanes::force(level) else { continue };
        if (asked("avx512") || asked("avx2")) && !asked(level_name) {
            continue;
        }
        println!(
            "{level_name:<34} training, ms: measured  predicted   rest: measured  predicted   in all  sampled"
        );
        let cases = if asked("examples") { examples() } else { workloads().chain(examples()).collect() };
        for case in cases {
            for (index, experiment) in case.sweep.spec.experiments.iter().enumerate() {
                let full = format!("{}:{}", case.name, experiment.name);
                if !names.is_empty() && !names.iter().any(|name| full.starts_with(name.as_str())) {
                    continue;
                }
                let row = measure(full, &case, index as u32, lanes);
                print_row(&row);
                rows.push(row);
            }
        }
    }
    if asked("fit") {
        print_fits(&rows);
    }
}

fn print_fits(rows: &[Row]) {
    let whole = || rows.iter().filter(|row| !row.may_end_early);
    for way in Way::ALL {
        let rows = whole().filter(|row| row.way == way);
        let rows: Vec<_> = rows.map(|row| (row.training, row.measured.training_s)).collect();
        print_fit(way.name(), &rows, way.factors());
    }
    // what is small against the training cannot be told from its noise
    let told = |row: &&Row| row.measured.polish_s > 0.1 * row.measured.training_s;
    let ending: Vec<_> = rows.iter().filter(told).map(|row| (row.ending, row.measured.polish_s)).collect();
    print_fit("ENDING", &ending, cost::ending_factors());
}

fn print_row(row: &Row) {
    let Row { name, predicted, measured, sampled, .. } = row;
    let name = format!("{name}{}", if row.may_end_early { " (at most)" } else { "" });
    let sampled =
        sampled.map_or("-".to_owned(), |sampled| format!("{:.2}", sampled.total_s() / measured.total_s()));
    println!(
        "{name:<34} {:>22.3}  {:>9.2}  {:>15.3}  {:>9.2}  {:>7.2}  {sampled:>7}",
        1e3 * measured.training_s,
        predicted.training_s / measured.training_s,
        1e3 * measured.polish_s,
        predicted.polish_s / measured.polish_s,
        predicted.total_s() / measured.total_s(),
    );
}

/// The workloads and the other shapes.
fn workloads() -> impl Iterator<Item = Case> {
    let cut = CUT.into_iter().map(|(name, workload, sets, axis)| {
        let workload = WORKLOADS.iter().find(|known| known.name == workload).expect("a workload");
        let sets = [sets, &["minima.polish=false"]].concat();
        Case { name: name.to_owned(), sweep: workload.sweep(256, &sets), axis }
    });
    let shapes = SHAPES.into_iter().map(|(name, tables)| {
        let text = format!(
            "name = \"bench\"\nseed = 1\n{tables}\n[[experiment]]\nname = \"bench\"\ninit = \"lecun_uniform\"\n\
             restarts = 256\nvary = [\"init\", \"order\"]\n"
        );
        Case { name: name.to_owned(), sweep: parse(name, &text), axis: None }
    });
    cut.chain(shapes)
}

/// The sweeps of `examples/`, with their data files.
fn examples() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("examples");
    let entries = std::fs::read_dir(&directory).expect("readable");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("readable");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut sweep = parse(&name, &text);
        let named: Vec<String> = sweep.spec.attachments().iter().map(|file| file.path.clone()).collect();
        for path in named {
            let content: Arc<[u8]> = std::fs::read(directory.join(&path)).expect("readable").into();
            let digest = Digest::of(&content);
            sweep.spec.attach(&path, digest);
            sweep.files.insert(digest, content);
        }
        Case { name, sweep, axis: None }
    };
    paths.iter().map(|path| read(path)).collect()
}

fn parse(name: &str, text: &str) -> Attached {
    let spec = spec::parse(name, text, &[]).unwrap_or_else(|errors| panic!("{errors:?}")).spec;
    Attached { spec, files: HashMap::new() }
}

fn measure(name: String, case: &Case, index: u32, lanes: Lanes) -> Row {
    let mut prepared = case.sweep.prepare(index);
    prepared.force_lanes(lanes);
    if let Some(axis) = case.axis {
        prepared.force_axis(axis);
    }
    let machine = Machine::measure(lanes, case.sweep.spec.precision);
    let shape = prepared.shape();
    let predicted = cost::estimate(&shape, &machine);
    let in_seconds = |terms: f64| terms * machine.fma_s;
    Row {
        name,
        way: Way::of(&shape),
        may_end_early: shape.experiment.train.stop != spec::Stop::default(),
        training: training::counts(&shape, &machine).terms().map(in_seconds),
        ending: ending::counts(&shape, &machine).terms().map(in_seconds),
        predicted,
        sampled: sample(&prepared, predicted, SAMPLED_S),
        measured: each(&prepared),
    }
}

/// CPU-seconds of a trial, over as many of the experiment's as time allows, in tasks as large as a worker's.
fn each(prepared: &Prepared) -> Estimate {
    let restarts = prepared.shape().experiment.restarts;
    let (mut trials, mut sum) = (0, Estimate { training_s: 0.0, polish_s: 0.0 });
    let from = cpu_seconds();
    while cpu_seconds() - from < LEAST_S {
        let first = trials % restarts;
        let task = RestartRange::new(first, restarts.min(first + RESTARTS)).expect("not empty");
        for pod in prepared.pods(task) {
            let taken = seconds_of(prepared, pod).expect("it trains");
            sum.training_s += taken.training_s;
            sum.polish_s += taken.polish_s;
            trials += pod.count();
            if cpu_seconds() - from > 4.0 * LEAST_S {
                break;
            }
        }
    }
    let trials = f64::from(trials);
    Estimate { training_s: sum.training_s / trials, polish_s: sum.polish_s / trials }
}

/// Prints the best factors and how far off they still are.
fn print_fit<const N: usize>(name: &str, rows: &[([f64; N], f64)], before: &[f64; N]) {
    let factors = fit(rows, before);
    let ratios = rows.iter().map(|(terms, measured)| {
        terms.iter().zip(&factors).map(|(term, factor)| term * factor).sum::<f64>() / measured
    });
    let (least, most) =
        ratios.fold((f64::INFINITY, 0.0_f64), |(least, most), ratio| (ratio.min(least), ratio.max(most)));
    println!("{name:<14} {factors:.2?}  predicted : measured {least:.2} to {most:.2}");
}

/// Factors, none negative, with the least squares of relative errors; one after the other until they rest.
fn fit<const N: usize>(rows: &[([f64; N], f64)], before: &[f64; N]) -> [f64; N] {
    let mut factors = *before;
    for _ in 0..10_000 {
        for k in 0..N {
            let (mut above, mut below) = (LOYALTY / before[k], LOYALTY / (before[k] * before[k]));
            for (terms, measured) in rows {
                let others: f64 =
                    (0..N).filter(|&other| other != k).map(|other| factors[other] * terms[other]).sum();
                let weight = terms[k] / measured;
                above += weight * (1.0 - others / measured);
                below += weight * weight;
            }
            factors[k] = (above / below).max(before[k] / 100.0);
        }
    }
    factors
}
