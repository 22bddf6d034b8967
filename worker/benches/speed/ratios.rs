//! Ratios of one run: both sides in turn, round after round, so that what else the machine does meets both.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use seedsweep_common::range::RestartRange;
use seedsweep_worker::cost::clock::cpu_seconds;
use seedsweep_worker::nn::lane::Lanes;
use seedsweep_worker::train::Prepared;

use crate::workloads::{WORKLOADS, Workload};
use crate::{TASK, of_all};

/// Rounds: the median of their ratios counts.
const ROUNDS: usize = 5;
/// Threads compared with one.
const THREADS: u32 = 2;

/// One ratio.
pub(crate) struct Ratio {
    pub(crate) workload: &'static str,
    pub(crate) what: &'static str,
    /// Of each round, ascending.
    pub(crate) rounds: Vec<f64>,
}

impl Ratio {
    fn of(workload: &'static str, what: &'static str, mut round: impl FnMut() -> f64) -> Self {
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
        rounds.sort_unstable_by(f64::total_cmp);
        Self { workload, what, rounds }
    }

    pub(crate) fn median(&self) -> f64 {
        self.rounds[self.rounds.len() / 2]
    }
}

/// Two threads against one, on the clock and by what a training takes of a CPU; own orders against a shared one.
pub(crate) fn measure(lanes: Lanes, is_asked: impl Fn(&Workload) -> bool) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for workload in WORKLOADS.iter().filter(|workload| is_asked(workload)) {
        let prepared = prepare(workload, lanes);
        let restarts = workload.restarts;
        let one = || Taken::by(&prepared, restarts, 1);
        let two = || Taken::by(&prepared, THREADS * restarts, THREADS);
        let name = workload.name;
        let on_the_clock = || f64::from(THREADS) * one().seconds / two().seconds;
        ratios.push(Ratio::of(name, "2 threads : 1 thread, trainings/s", on_the_clock));
        let by_cpu = || f64::from(THREADS) * f64::from(THREADS) * one().cpu_seconds / two().cpu_seconds;
        ratios.push(Ratio::of(name, "the same, if each had a core", by_cpu));
    }
    let find = |name| WORKLOADS.iter().find(|workload| workload.name == name);
    if let (Some(shared), Some(own)) = (find("W2"), find("W2own").filter(|own| is_asked(own))) {
        let (shared, own) = (prepare(shared, lanes), prepare(own, lanes));
        let time = |prepared| Taken::by(prepared, 64, 1).cpu_seconds;
        let ratio = Ratio::of("W2", "own order : shared order, CPU-seconds", || time(&own) / time(&shared));
        ratios.push(ratio);
    }
    ratios
}

fn prepare(workload: &Workload, lanes: Lanes) -> Prepared {
    let mut prepared = workload.sweep(THREADS * workload.restarts, &[]).prepare(0);
    prepared.force_lanes(lanes);
    prepared
}

/// What a number of trainings takes.
pub(crate) struct Taken {
    /// On the clock.
    pub(crate) seconds: f64,
    /// Of all threads.
    pub(crate) cpu_seconds: f64,
}

impl Taken {
    /// By training restarts 0..`restarts` on `threads`.
    pub(crate) fn by(prepared: &Prepared, restarts: u32, threads: u32) -> Self {
        let next = AtomicU32::new(0);
        let start = Instant::now();
        let cpu_seconds = std::thread::scope(|scope| {
            let work = || {
                let from = cpu_seconds();
                loop {
                    let first = next.fetch_add(TASK, Ordering::Relaxed);
                    let Some(task) = RestartRange::new(first, restarts.min(first.saturating_add(TASK)))
                    else {
                        break cpu_seconds() - from;
                    };
                    of_all(prepared, task);
                }
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it trains")).sum()
        });
        Self { seconds: start.elapsed().as_secs_f64(), cpu_seconds }
    }
}
