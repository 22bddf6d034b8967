//! What the end of a trial costs beside its training.

use std::time::Instant;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec;

use super::*;
use crate::train::Prepared;

const DEMO: &str = include_str!("../../../../cli/src/verbs/demo.toml");
const MOONS: &str = include_str!("../../../../examples/moons.toml");

/// CPU-seconds of this thread, from the scheduler where it tells.
fn cpu_seconds(start: Instant) -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|time| time.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

/// CPU-seconds that training takes, and norm, polish, certificate and sketches after it.
fn seconds(prepared: &Prepared, restarts: u32) -> (f64, f64) {
    let (never, start) = (AtomicBool::new(false), Instant::now());
    let range = RestartRange::new(0, restarts).unwrap();
    let times = [0; 3].map(|_| cpu_seconds(start));
    prepared.end_points(range, &never).unwrap();
    let trained = cpu_seconds(start);
    for pod in prepared.pods(range) {
        prepared.train_pod(pod, &never, &mut |_| {}).unwrap();
    }
    let finished = cpu_seconds(start);
    let training = trained - times[2];
    (training, finished - trained - training)
}

/// `SEEDSWEEP_TEST_THOROUGH=1 cargo test -p seedsweep-worker --lib the_end_of_a_trial -- --nocapture` prints the
/// ratios that `docs/minima.md` quotes.
#[test]
fn the_end_of_a_trial_costs_less_than_its_training() {
    if std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_none() {
        return;
    }
    for (name, text) in [("demo", DEMO), ("moons", MOONS)] {
        let spec = spec::parse(name, text, &[]).unwrap().spec;
        let (mut training, mut end) = (0.0, 0.0);
        for index in 0..spec.experiments.len() {
            let prepared = Prepared::new(&spec, ExperimentIndex(index as u32), &|_| None).unwrap();
            for _ in 0..5 {
                let seconds = seconds(&prepared, spec.experiments[index].restarts);
                training += seconds.0;
                end += seconds.1;
            }
        }
        println!("{name}: {:.2} s of training, {:.2} of that for the ends", training, end / training);
        assert!(end < training);
    }
}
