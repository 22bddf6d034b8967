//! How many trainings a second: `cargo bench -p seedsweep-worker --bench speed -- [WORKLOAD…] [phases] [avx512 avx2
//! baseline] [restart unit] [threads=1]`. Prints tables, and one line of JSON for each row.
//!
//! Seconds are CPU-seconds of the training threads, so a busy machine changes little; the peak is a loop of
//! multiply-adds in registers, run just before on the same core.
#![expect(clippy::print_stdout, reason = "a program that prints its results")]

mod clock;
mod phases;
mod workloads;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use seedsweep_common::range::RestartRange;
use seedsweep_worker::nn::lane::{Lanes, Level, peak};
use seedsweep_worker::train::{Axis, Prepared};

use clock::cpu_seconds;
use workloads::{WORKLOADS, Workload};

const LEVELS: [(&str, Level); 3] =
    [("avx512", Level::Avx512), ("avx2", Level::Avx2), ("baseline", Level::Baseline)];

fn main() {
    let asked = Asked::from_arguments();
    println!("{}", cpu_model());
    if asked.has("phases") || asked.words.is_empty() {
        asked.levels().into_iter().for_each(print_phases);
    }
    if asked.words == ["phases"] {
        return;
    }
    println!(
        "workload  lanes     axis     threads  trainings/CPU-s  GFLOP/CPU-s  of peak  peak  trainings/s"
    );
    for lanes in asked.levels() {
        for workload in asked.workloads() {
            Row::measure(workload, lanes, asked.axis(), asked.threads).print();
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
                || ["phases", "restart", "unit"].contains(&word)
                || WORKLOADS.iter().any(|workload| workload.name == word)
                || LEVELS.iter().any(|(name, _)| *name == word)
        };
        if let Some(word) = words.iter().find(|word| !known(word)) {
            let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            panic!(
                "`{word}` is none of {}, phases, avx512, avx2, baseline, restart, unit, threads=N",
                names.join(", ")
            );
        }
        let threads = words.iter().find_map(|word| word.strip_prefix("threads=")?.parse().ok());
        Self { threads: threads.unwrap_or(1), words }
    }

    fn has(&self, name: &str) -> bool {
        self.words.iter().any(|word| word == name)
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
        let any = WORKLOADS.iter().any(|workload| self.has(workload.name));
        WORKLOADS.iter().filter(move |workload| !any || self.has(workload.name))
    }
}

/// Restarts that a thread takes at once: whole pods.
const TASK: u32 = 16;

/// The kernel against its peak, layer by layer.
fn print_phases(lanes: Lanes) {
    let peak = peak_flops(lanes, false);
    println!("layer     product   lanes     GFLOP/CPU-s  of peak");
    for phases::Phase { layer, product, speed } in phases::measure(lanes) {
        let (lanes, speed, of_peak) = (name(lanes), speed / 1e9, speed / peak);
        println!("{layer:<8}  {product:<8}  {lanes:<8}  {speed:>11.1}  {:>6.1}%", 100.0 * of_peak);
        println!(
            "{{\"layer\":\"{layer}\",\"product\":\"{product}\",\"lanes\":\"{lanes}\",\
             \"gflops_per_cpu_s\":{speed:.3},\"of_peak\":{of_peak:.4}}}"
        );
    }
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
        let mut prepared = workload.prepare(restarts);
        prepared.force_lanes(lanes);
        if let Some(axis) = axis {
            prepared.force_axis(axis);
        }
        let axis = match prepared.axis(TASK) {
            Axis::Restart => "restart",
            Axis::Unit => "unit",
        };
        let peak = peak_flops(lanes, workload.is_double());
        let (cpu_seconds, seconds) = train(&prepared, restarts, threads);
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

/// CPU-seconds of all threads and seconds on the clock that training restarts 0..`restarts` takes.
fn train(prepared: &Prepared, restarts: u32, threads: u32) -> (f64, f64) {
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

/// The processor's name, where the system tells.
fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.to_owned())
}
