//! How well the cost model (`src/cost.rs`) predicts: `cargo bench -p seedsweep-worker --bench cost -- [fit]
//! [avx512 avx2] [NAME…]`. Prints predicted : measured for the workloads of the speed benchmark and the experiments of
//! `examples/`; with `fit` also the factors that would predict them best, to be copied into `src/cost.rs`. Seconds are
//! CPU-seconds of one thread.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use seedsweep_common::digest::Digest;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_worker::cost::machine::Machine;
use seedsweep_worker::cost::{self, ENDING_TERMS, TERMS};
use seedsweep_worker::nn::lane::{Lanes, Level};
use seedsweep_worker::train::Prepared;

/// Name, precision, what varies, and the tables of the spec.
const WORKLOADS: [(&str, &str, &str, &str); 9] = [
    ("W1", "f32", "\"init\"", W1),
    ("W2", "f32", "\"init\"", W2),
    ("W2own", "f32", "\"init\", \"order\"", W2),
    ("W3", "f32", "\"init\"", W3),
    ("W3f64", "f64", "\"init\"", W3),
    ("W4", "f64", "\"init\"", W4),
    ("W5", "f32", "\"init\"", W5),
    ("deep", "f32", "\"init\", \"order\"", DEEP),
    ("wide", "f32", "\"init\"", WIDE),
];

const W1: &str = r#"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "xor", encoding = "binary" }
train = { loss = "mse", optimizer = "gd", lr = 0.1, batch = "full", steps = 5000 }
"#;
const W2: &str = r#"
network = { layers = [64, 32, 10], activation = "relu" }
data = { dataset = "digits", test_fraction = 0.2003 }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.1, batch = 64, epochs = 20 }
"#;
const W3: &str = r#"
network = { layers = [2, 64, 64, 1], activation = "tanh" }
data = { dataset = "circles", samples = 400 }
train = { loss = "mse", optimizer = "adam", lr = 0.01, batch = "full", steps = 300 }
"#;
const W4: &str = r#"
network = { kind = "relu_sum", inputs = 10, units = 10 }
data = { dataset = "teacher_population", teacher_units = 10 }
train = { loss = "population", optimizer = "gd", lr = 0.1, batch = "full", steps = 2000 }
"#;
const W5: &str = r#"
network = { layers = [784, 256, 10], activation = "relu" }
data = { dataset = "gauss_mix", samples = 1280, classes = 10, dims = 784, radius = 5.0 }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.1, batch = 128, epochs = 2 }
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
/// Restarts measured: a pod at every level.
const RESTARTS: u32 = 16;
/// CPU-seconds for which an experiment is measured at least: the scheduler's clock ticks in milliseconds.
const LEAST_S: f64 = 0.25;
/// How strongly a fit holds on to the factors as they are, against one measurement.
const LOYALTY: f64 = 0.02;

/// One experiment, predicted and measured.
struct Row {
    name: String,
    is_pod: bool,
    /// Whether rules may end trials before their budget, so that the prediction is an upper bound.
    may_end_early: bool,
    /// Terms of training and of what follows, in seconds.
    training: [f64; TERMS],
    ending: [f64; ENDING_TERMS],
    predicted: cost::Estimate,
    measured: cost::Estimate,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let names: Vec<&String> =
        arguments.iter().filter(|name| !["fit", "avx512", "avx2"].contains(&name.as_str())).collect();
    let mut rows = Vec::new();
    for (level_name, level) in [("avx512", Level::Avx512), ("avx2", Level::Avx2)] {
        let Some(lanes) = Lanes::force(level) else { continue };
        if (asked("avx512") || asked("avx2")) && !asked(level_name) {
            continue;
        }
        println!(
            "{level_name:<34} training: predicted ms  measured  ratio   rest: predicted ms  measured  ratio"
        );
        for (name, spec, files) in sweeps() {
            for index in 0..spec.experiments.len() {
                let full = format!("{name}:{}", spec.experiments[index].name);
                if !names.is_empty() && !names.iter().any(|name| full.starts_with(name.as_str())) {
                    continue;
                }
                let row = measure(full, &spec, &files, index as u32, lanes);
                print_row(&row);
                rows.push(row);
            }
        }
    }
    if asked("fit") {
        let whole = || rows.iter().filter(|row| !row.may_end_early);
        let pods: Vec<&Row> = whole().filter(|row| row.is_pod).collect();
        let units: Vec<&Row> = whole().filter(|row| !row.is_pod).collect();
        let training = |rows: &[&Row]| -> Vec<_> {
            rows.iter().map(|row| (row.training, row.measured.training_s)).collect()
        };
        // what is small against the training cannot be told from its noise
        let told = |row: &&Row| row.measured.polish_s > 0.1 * row.measured.training_s;
        let ending = rows.iter().filter(told).map(|row| (row.ending, row.measured.polish_s));
        let ending: Vec<_> = ending.collect();
        let (restart_lanes, unit_lanes, after) = cost::fitted();
        print_fit("RESTART_LANES", &training(&pods), &restart_lanes);
        print_fit("UNIT_LANES", &training(&units), &unit_lanes);
        print_fit("ENDING", &ending, &after);
    }
}

fn print_row(row: &Row) {
    let Row { name, predicted, measured, .. } = row;
    let name = format!("{name}{}", if row.may_end_early { " (at most)" } else { "" });
    println!(
        "{name:<34} {:>22.3}  {:>8.3}  {:>5.2}   {:>18.3}  {:>8.3}  {:>5.2}",
        1e3 * predicted.training_s,
        1e3 * measured.training_s,
        predicted.training_s / measured.training_s,
        1e3 * predicted.polish_s,
        1e3 * measured.polish_s,
        predicted.polish_s / measured.polish_s,
    );
}

type Attached = HashMap<Digest, Arc<[u8]>>;

/// The workloads and the examples, with their data files.
fn sweeps() -> Vec<(String, SweepSpec, Attached)> {
    let mut sweeps = Vec::new();
    for (name, precision, vary, tables) in WORKLOADS {
        let text = format!(
            "name = \"bench\"\nseed = 1\nprecision = \"{precision}\"\n{tables}\nminima = {{ polish = false }}\n\
             [[experiment]]\nname = \"bench\"\ninit = \"lecun_uniform\"\nrestarts = 256\nvary = [{vary}]\n"
        );
        sweeps.push((name.to_owned(), parse(name, &text), Attached::new()));
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("examples");
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(path).expect("readable");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut spec = parse(&name, &text);
        let mut files = Attached::new();
        let named: Vec<String> = spec.attachments().iter().map(|file| file.path.clone()).collect();
        for path in named {
            let content: Arc<[u8]> = std::fs::read(directory.join(&path)).expect("readable").into();
            let digest = Digest::of(&content);
            spec.attach(&path, digest);
            files.insert(digest, content);
        }
        sweeps.push((name, spec, files));
    }
    sweeps
}

fn parse(name: &str, text: &str) -> SweepSpec {
    spec::parse(name, text, &[]).unwrap_or_else(|errors| panic!("{errors:?}")).spec
}

fn measure(name: String, spec: &SweepSpec, files: &Attached, index: u32, lanes: Lanes) -> Row {
    let files = |digest| files.get(&digest).cloned();
    let mut prepared = Prepared::new(spec, ExperimentIndex(index), &files).expect("it can be trained");
    prepared.force_lanes(lanes);
    let machine = Machine::measure(lanes, spec.precision);
    let shape = prepared.shape();
    let cancelled = AtomicBool::new(false);
    let seconds = |work: &mut dyn FnMut(RestartRange)| {
        let (start, mut trials) = (cpu_seconds(), 0);
        while cpu_seconds() - start < LEAST_S {
            work(RestartRange::new(trials, trials + RESTARTS).expect("not empty"));
            trials += RESTARTS;
        }
        (cpu_seconds() - start) / f64::from(trials)
    };
    let training_s = seconds(&mut |restarts| {
        prepared.end_points(restarts, &cancelled).expect("it trains");
    });
    let total_s = seconds(&mut |restarts| {
        for pod in prepared.pods(restarts) {
            prepared.train_pod(pod, &cancelled, &mut |_| ()).expect("it trains");
        }
    });
    let in_seconds = |terms: f64| terms * machine.fma_s;
    Row {
        name,
        is_pod: shape.side_by_side > 1,
        may_end_early: shape.experiment.train.stop != spec::Stop::default(),
        training: cost::training(&shape, &machine).terms().map(in_seconds),
        ending: cost::ending(&shape, &machine).map(in_seconds),
        predicted: cost::estimate(&shape, &machine),
        measured: cost::Estimate { training_s, polish_s: (total_s - training_s).max(1e-9) },
    }
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

/// Time this thread has run: from the scheduler where it tells, else from the clock.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match schedule.split(' ').next().and_then(|time| time.parse::<f64>().ok()) {
        Some(nanoseconds) => nanoseconds / 1e9,
        None => {
            static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            START.get_or_init(Instant::now).elapsed().as_secs_f64()
        }
    }
}
