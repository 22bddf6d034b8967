//! How many trainings a second: `cargo bench -p seedsweep-worker --bench speed -- [WORKLOAD…] [trainings phases ratios
//! memory] [avx512 avx2 baseline] [restart unit] [threads=1]`. Prints tables, and one line of JSON for each row. Without
//! a choice all four are measured, without a workload all of them.
//!
//! Seconds are CPU-seconds of the training threads, so a busy machine changes little; the peak is a loop of
//! multiply-adds in registers, run just before on the same core.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

mod memory;
mod phases;
mod ratios;
#[path = "../workloads/mod.rs"]
mod workloads;

use std::sync::atomic::AtomicBool;

use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::Precision;
use seedsweep_worker::cost::clock::cpu_seconds;
use seedsweep_worker::nn::lane::{Lanes, Level, peak};
use seedsweep_worker::train::{Axis, Prepared};

use workloads::{WORKLOADS, Workload};

const LEVELS: [(&str, Level); 3] =
    [("avx512", Level::Avx512), ("avx2", Level::Avx2), ("baseline", Level::Baseline)];

/// What can be measured.
const KINDS: [&str; 4] = ["trainings", "phases", "ratios", "memory"];

fn main() {
    let asked = Asked::from_arguments();
    println!("{}", cpu_model());
    // before anything else has left its traces in the heap
    if asked.wants("memory") {
        print_memory(&asked);
    }
    for lanes in asked.levels() {
        if asked.wants("phases") {
            print_products(lanes);
            print_phases(lanes, &asked);
        }
        if asked.wants("ratios") {
            print_ratios(lanes, &asked);
        }
    }
    if asked.wants("trainings") {
        println!(
            "workload  lanes     axis     threads  trainings/CPU-s  GFLOP/CPU-s  of peak  peak  trainings/s"
        );
        for lanes in asked.levels() {
            for workload in asked.workloads() {
                Row::measure(workload, lanes, asked.axis(), asked.threads).print();
            }
        }
    }
}

/// What is to be measured.
struct Asked {
    words: Vec<String>,
    threads: u32,
}

impl Asked {
    fn from_arguments() -> Self {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let known = |word: &str| {
            word.starts_with("threads=")
                || KINDS.contains(&word)
                || ["restart", "unit"].contains(&word)
                || WORKLOADS.iter().any(|workload| workload.name == word)
                || LEVELS.iter().any(|(name, _)| *name == word)
        };
        if let Some(word) = words.iter().find(|word| !known(word)) {
            let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            panic!(
                "`{word}` is none of {}, {}, avx512, avx2, baseline, restart, unit, threads=N",
                names.join(", "),
                KINDS.join(", ")
            );
        }
        let threads = words.iter().find_map(|word| word.strip_prefix("threads=")?.parse().ok());
        Self { threads: threads.unwrap_or(1), words }
    }

    fn has(&self, name: &str) -> bool {
        self.words.iter().any(|word| word == name)
    }

    /// Whether `kind` is asked for, or none is.
    fn wants(&self, kind: &str) -> bool {
        self.has(kind) || !KINDS.iter().any(|kind| self.has(kind))
    }

    /// The levels named that this machine has; its best one if none is named.
    fn levels(&self) -> Vec<Lanes> {
        if !LEVELS.iter().any(|(name, _)| self.has(name)) {
            return vec![Lanes::detect()];
        }
        let named = LEVELS.iter().filter(|(name, _)| self.has(name));
        named.filter_map(|(_, level)| Lanes::force(*level)).collect()
    }

    /// What shall share a register; the worker's choice if nothing is said.
    fn axis(&self) -> Option<Axis> {
        let named =
            [("restart", Axis::Restart), ("unit", Axis::Unit)].into_iter().find(|(name, _)| self.has(name));
        named.map(|(_, axis)| axis)
    }

    /// The workloads named; all if none is.
    fn workloads(&self) -> impl Iterator<Item = &'static Workload> {
        WORKLOADS.iter().filter(|workload| self.wants_workload(workload))
    }

    fn wants_workload(&self, workload: &Workload) -> bool {
        self.has(workload.name) || !WORKLOADS.iter().any(|workload| self.has(workload.name))
    }
}

/// Restarts that a thread takes at once: whole pods.
const TASK: u32 = 16;

/// The kernel against its peak, layer by layer.
fn print_products(lanes: Lanes) {
    let peak = peak_flops(lanes, false);
    println!("layer     product   lanes     GFLOP/CPU-s  of peak");
    for phases::LayerProduct { layer, product, speed } in phases::products(lanes) {
        let (lanes, speed, of_peak) = (name(lanes), speed / 1e9, speed / peak);
        println!("{layer:<8}  {product:<8}  {lanes:<8}  {speed:>11.1}  {:>6.1}%", 100.0 * of_peak);
        println!(
            "{{\"layer\":\"{layer}\",\"product\":\"{product}\",\"lanes\":\"{lanes}\",\
             \"gflops_per_cpu_s\":{speed:.3},\"of_peak\":{of_peak:.4}}}"
        );
    }
}

/// The parts of a training.
fn print_phases(lanes: Lanes, asked: &Asked) {
    println!("workload  lanes     phase        CPU-us/training   share");
    for workload in asked.workloads() {
        let (parts, total) = phases::of_training(workload, lanes);
        for (phase, seconds) in parts.into_iter().chain([("total", total)]) {
            let (workload, lanes) = (workload.name, name(lanes));
            let (seconds, share) = (1e6 * seconds, seconds / total);
            println!("{workload:<8}  {lanes:<8}  {phase:<11}  {seconds:>15.2}  {:>5.1}%", 100.0 * share);
            println!(
                "{{\"workload\":\"{workload}\",\"lanes\":\"{lanes}\",\"phase\":\"{phase}\",\
                 \"cpu_us_per_training\":{seconds:.4},\"share\":{share:.4}}}"
            );
        }
    }
}

/// Ratios that mean something on a busy machine too.
fn print_ratios(lanes: Lanes, asked: &Asked) {
    println!("workload  lanes     median  rounds       ratio");
    for ratio in ratios::measure(lanes, |workload| asked.wants_workload(workload)) {
        let (median, lanes) = (ratio.median(), name(lanes));
        let ratios::Ratio { workload, what, rounds } = ratio;
        let (least, most) = (rounds[0], rounds[rounds.len() - 1]);
        println!("{workload:<8}  {lanes:<8}  {median:>6.3}  {least:.3}-{most:.3}  {what}");
        println!(
            "{{\"workload\":\"{workload}\",\"lanes\":\"{lanes}\",\"ratio\":\"{what}\",\"median\":{median:.4},\
             \"rounds\":{rounds:.4?}}}"
        );
    }
}

/// Memory of a slot.
fn print_memory(asked: &Asked) {
    println!("workload  lanes     told MB  taken MB per slot");
    let lanes = Lanes::detect();
    for workload in asked.workloads() {
        let Some((told, taken)) = memory::per_slot(workload, lanes) else { continue };
        let (workload, lanes, told, taken) =
            (workload.name, name(lanes), told as f64 / 1e6, taken as f64 / 1e6);
        println!("{workload:<8}  {lanes:<8}  {told:>7.2}  {taken:>8.2}");
        println!(
            "{{\"workload\":\"{workload}\",\"lanes\":\"{lanes}\",\"told_mb\":{told:.3},\"taken_mb\":{taken:.3}}}"
        );
    }
}

/// Trains `restarts`, a pod after the other.
fn of_all(prepared: &Prepared, restarts: RestartRange) {
    let running = AtomicBool::new(false);
    prepared.end_points(restarts, &running).expect("it trains");
}

/// One measurement.
struct Row {
    workload: &'static str,
    lanes: &'static str,
    axis: &'static str,
    threads: u32,
    restarts: u32,
    seconds: f64,
    cpu_seconds: f64,
    /// Floating-point operations a CPU-second.
    speed: f64,
    /// The same of multiply-adds in registers.
    peak: f64,
}

impl Row {
    fn measure(workload: &Workload, lanes: Lanes, axis: Option<Axis>, threads: u32) -> Self {
        let restarts = workload.restarts * threads;
        let mut prepared = workload.sweep(restarts, &[]).prepare(0);
        prepared.force_lanes(lanes);
        if let Some(axis) = axis {
            prepared.force_axis(axis);
        }
        let axis = match prepared.axis(TASK) {
            Axis::Restart => "restart",
            Axis::Unit => "unit",
        };
        let peak = peak_flops(lanes, prepared.shape().precision == Precision::F64);
        let ratios::Taken { cpu_seconds, seconds } = ratios::Taken::by(&prepared, restarts, threads);
        Self {
            workload: workload.name,
            lanes: name(lanes),
            axis,
            threads,
            restarts,
            seconds,
            cpu_seconds,
            speed: f64::from(restarts) * workload.flops / cpu_seconds,
            peak,
        }
    }

    fn print(&self) {
        let Self { workload, lanes, axis, threads, restarts, seconds, cpu_seconds, speed, peak } = self;
        let (rate, wall_rate) = (f64::from(*restarts) / cpu_seconds, f64::from(*restarts) / seconds);
        let (speed, peak, of_peak) = (speed / 1e9, peak / 1e9, speed / peak);
        println!(
            "{workload:<8}  {lanes:<8}  {axis:<7}  {threads:>7}  {rate:>15.1}  {speed:>11.1}  {:>6.1}%  {peak:>4.0}  {wall_rate:>11.1}",
            100.0 * of_peak,
        );
        println!(
            "{{\"system\":\"seedsweep\",\"workload\":\"{workload}\",\"lanes\":\"{lanes}\",\"axis\":\"{axis}\",\"threads\":{threads},\
             \"R\":{restarts},\"seconds\":{seconds:.4},\"cpu_seconds\":{cpu_seconds:.4},\
             \"trainings_per_s\":{wall_rate:.4},\"trainings_per_cpu_s\":{rate:.4},\"gflops_per_cpu_s\":{speed:.3},\
             \"peak_gflops\":{peak:.2},\"of_peak\":{of_peak:.4}}}"
        );
    }
}

fn name(lanes: Lanes) -> &'static str {
    LEVELS.iter().find(|(_, level)| *level == lanes.level()).map_or("", |(name, _)| *name)
}

/// Operations a CPU-second that multiply-adds in registers reach: the best of some runs.
fn peak_flops(lanes: Lanes, is_double: bool) -> f64 {
    let rates = (0..5).map(|_| {
        let from = cpu_seconds();
        let spin = if is_double { peak::spin_double } else { peak::spin };
        let flops = spin(lanes, 20_000_000);
        flops / (cpu_seconds() - from)
    });
    rates.fold(0.0, f64::max)
}

/// The processor's name, where the system tells.
fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.to_owned())
}
