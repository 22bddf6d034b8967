//! How many trainings a second: `cargo bench -p seedsweep-worker --bench speed -- [W1 W2 W2own W3 W5] [avx512 avx2]
//! [threads=1]`. Prints a table, and one line of JSON for each row. Seconds are CPU-seconds of the training threads,
//! so a busy machine changes little; the peak is a loop of multiply-adds in registers, run just before.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec;
use seedsweep_worker::nn::lane::{Lanes, Level, peak};
use seedsweep_worker::train::Prepared;

/// Name, spec, floating point operations of the products of one training, restarts.
const WORKLOADS: [(&str, &str, f64, u32); 5] = [
    ("W1", W1, 1.12e6, 4_096),
    ("W2", W2, 290.6e6, 64),
    ("W2own", W2, 290.6e6, 64),
    ("W3", W3, 10.19e9, 16),
    ("W5", W5, 2.09e9, 16),
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
train = { loss = "mse", optimizer = "adam", lr = 0.01, batch = "full", steps = 1000 }
"#;
const W5: &str = r#"
network = { layers = [784, 256, 10], activation = "relu" }
data = { dataset = "gauss_mix", samples = 1280, classes = 10, dims = 784, radius = 5.0 }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.1, batch = 128, epochs = 2 }
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let threads: u32 =
        arguments.iter().find_map(|argument| argument.strip_prefix("threads=")?.parse().ok()).unwrap_or(1);
    let levels = [("avx512", Level::Avx512), ("avx2", Level::Avx2), ("baseline", Level::Baseline)];
    let any_level = levels.iter().any(|(name, _)| asked(name));
    let any_workload = WORKLOADS.iter().any(|(name, ..)| asked(name));
    println!("workload  lanes     threads  trainings/CPU-s  GFLOP/CPU-s  of peak  peak  trainings/s");
    for (level_name, level) in levels {
        let Some(lanes) = Lanes::force(level) else { continue };
        let is_default = !any_level && lanes == Lanes::detect();
        if !(is_default || asked(level_name)) {
            continue;
        }
        for (name, text, flops, restarts) in WORKLOADS {
            if any_workload && !asked(name) {
                continue;
            }
            let peak = peak_flops(lanes);
            let prepared = prepare(name, text, restarts * threads, lanes);
            let (cpu, wall) = measure(&prepared, restarts * threads, threads);
            let count = f64::from(restarts * threads);
            let (rate, speed) = (count / cpu, count * flops / cpu);
            println!(
                "{name:<8}  {level_name:<8}  {threads:>7}  {rate:>15.1}  {:>11.1}  {:>6.1}%  {:>4.0}  {:>11.1}",
                speed / 1e9,
                100.0 * speed / peak,
                peak / 1e9,
                count / wall,
            );
            println!(
                "{{\"system\":\"seedsweep\",\"workload\":\"{name}\",\"lanes\":\"{level_name}\",\
                 \"threads\":{threads},\"R\":{count},\"seconds\":{wall:.4},\"cpu_seconds\":{cpu:.4},\
                 \"trainings_per_s\":{:.2},\"trainings_per_cpu_s\":{rate:.2},\"gflops_per_cpu_s\":{:.2},\
                 \"peak_gflops\":{:.1},\"of_peak\":{:.4}}}",
                count / wall,
                speed / 1e9,
                peak / 1e9,
                speed / peak,
            );
        }
    }
}

fn prepare(name: &str, text: &str, restarts: u32, lanes: Lanes) -> Prepared {
    let vary = if name == "W2own" { "[\"init\", \"order\"]" } else { "[\"init\"]" };
    let text = format!(
        "name = \"bench\"\nseed = 1\n{text}\n[[experiment]]\nname = \"bench\"\ninit = \"torch_linear_default\"\n\
         restarts = {restarts}\nvary = {vary}\n"
    );
    let parsed = spec::parse("bench", &text, &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut prepared = Prepared::new(&parsed.spec, ExperimentIndex(0), &|_| None).expect("it can be trained");
    prepared.force_lanes(lanes);
    prepared
}

/// Operations a CPU-second that multiply-adds in registers reach: the best of some runs.
fn peak_flops(lanes: Lanes) -> f64 {
    let rates = (0..5).map(|_| {
        let from = cpu_seconds();
        let flops = peak::spin(lanes, 20_000_000);
        flops / (cpu_seconds() - from)
    });
    rates.fold(0.0, f64::max)
}

/// CPU-seconds of all threads and seconds on the clock.
fn measure(prepared: &Prepared, restarts: u32, threads: u32) -> (f64, f64) {
    const TASK: u32 = 16;
    let next = AtomicU32::new(0);
    let start = Instant::now();
    let cpu = std::thread::scope(|scope| {
        let work = || {
            let from = cpu_seconds();
            let cancelled = AtomicBool::new(false);
            loop {
                let first = next.fetch_add(TASK, Ordering::Relaxed);
                let Some(task) = RestartRange::new(first, restarts.min(first.saturating_add(TASK))) else {
                    break cpu_seconds() - from;
                };
                prepared.end_points(task, &cancelled).expect("it trains");
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it trains")).sum()
    });
    (cpu, start.elapsed().as_secs_f64())
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
