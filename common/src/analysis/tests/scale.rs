//! A report of 10⁵ outcomes: its time, its memory, and its bytes whatever the order of arrival.
//!
//! `SEEDSWEEP_TEST_THOROUGH=1 cargo test -p seedsweep-common --lib scale -- --nocapture --test-threads 1` prints the
//! table of `docs/performance.md`.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::fixtures::{INIT_ORDER, ORDER, ended, experiment, id, outcome, sweep};
use crate::analysis::analyse;
use crate::fingerprint::Sketch;
use crate::outcome::Outcome;
use crate::progress::{ExperimentProgress, SweepState};
use crate::spec::SweepSpec;

/// Basins of the shape [`Ends::Basins`].
const BASINS: u32 = 300;
/// What a polish leaves between two ends at one minimum.
const NOISE: f64 = 1e-9;

/// Where the trials of a synthetic sweep end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// At one minimum.
    Same,
    /// In basins of wildly different sizes by their outputs; weight for weight at the symmetric copies of each.
    Basins,
    /// Each at a place of its own.
    Different,
    /// All over a blob a few tolerances wide, as without a polish: no gap parts anything.
    Blob,
}

/// Three experiments of `restarts` trials each.
fn synthetic(ends: Ends, restarts: u32) -> (SweepSpec, Vec<ExperimentProgress>, Vec<Vec<Outcome>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let starts = (restarts / 4).max(1);
    let cells = vec![
        experiment("fixed", ORDER, Some(starts), restarts),
        experiment("random", INIT_ORDER, None, restarts),
        experiment("one-start", ORDER, None, restarts),
    ];
    let outcomes: Vec<Vec<Outcome>> =
        cells.iter().map(|_| (0..restarts).map(|restart| end(ends, restart, &mut rng)).collect()).collect();
    let progress = outcomes.iter().map(|outcomes| ended(outcomes, &[])).collect();
    (sweep(cells), progress, outcomes)
}

fn end(ends: Ends, restart: u32, rng: &mut ChaCha8Rng) -> Outcome {
    // the share of basin b falls like 1/b²
    let basin = match ends {
        Ends::Basins => ((1.0 / (1.0 - rng.random::<f64>())) as u32).min(BASINS),
        _ => 1,
    };
    let mut row = outcome(restart, f64::from(basin));
    let mut places = ChaCha8Rng::seed_from_u64(basin.into());
    let function: Sketch = std::array::from_fn(|_| places.random::<f64>());
    let copy: Sketch = match ends {
        Ends::Basins => {
            let copy = u64::from(rng.random_range(0..50_000_u32));
            let mut copies = ChaCha8Rng::seed_from_u64(copy << 32 | u64::from(basin));
            std::array::from_fn(|_| copies.random::<f64>())
        }
        _ => function,
    };
    let mut near = |sketch: Sketch, noise: f64| sketch.map(|value| value + noise * rng.random::<f64>());
    let noises = match ends {
        Ends::Same | Ends::Basins => [NOISE, NOISE],
        Ends::Different => [1.0, 1.0],
        // tolerances of 1e-5 and 1e-4
        Ends::Blob => [5e-5, 5e-4],
    };
    row.sketch_raw = near(copy, noises[0]);
    row.sketch_function = near(function, noises[1]);
    row
}

/// What the process had in memory at most, in MB; `None` where the system does not say.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

/// Time on a processor of this thread, in seconds, which does not depend on what else the machine does; 0 where the
/// system does not say.
fn processor_time_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

#[test]
fn a_report_of_a_hundred_thousand_outcomes_takes_seconds() {
    if std::env::var_os("SEEDSWEEP_TEST_THOROUGH").is_none() {
        println!("skipped: SEEDSWEEP_TEST_THOROUGH is not set");
        return;
    }
    for ends in [Ends::Same, Ends::Basins, Ends::Different, Ends::Blob] {
        let (spec, progress, outcomes) = synthetic(ends, 33_334);
        let before = processor_time_s();
        let bytes = analyse(&spec, id(), SweepState::Done, &progress, &outcomes).report.to_json().len();
        let seconds = processor_time_s() - before;
        println!("100,002 outcomes, {ends:?}: {seconds:.2} s, {bytes} bytes, peak {:?} MB", peak_memory_mb());
        assert!(seconds < 10.0, "{ends:?}: {seconds} s");
    }
    assert!(peak_memory_mb().is_none_or(|mb| mb < 1_024));
}

#[test]
fn a_large_report_has_the_same_bytes_whatever_the_order_of_arrival() {
    let (spec, progress, mut outcomes) = synthetic(Ends::Basins, 400);
    let report = |outcomes: &[Vec<Outcome>]| {
        analyse(&spec, id(), SweepState::Done, &progress, outcomes).report.to_json()
    };
    let expected = report(&outcomes);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for shuffle in 0..20 {
        outcomes.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
        assert!(report(&outcomes) == expected, "shuffle {shuffle}");
    }
}
