//! A trial that diverges neither stops nor slows those beside it.

use std::sync::atomic::AtomicBool;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::outcome::StopReason;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec;
use seedsweep_worker::cost::clock;
use seedsweep_worker::train::{Axis, Prepared};

/// Restarts among which pods are looked for.
const TRIALS: u32 = 4_096;
/// Rounds, each of which times both pods. What else the machine does lengthens some of them.
const ROUNDS: usize = 15;
/// CPU-seconds of a pod in a round, at least.
const ROUND_S: f64 = 0.01;
/// How much longer a pod may take for a trial in it that diverged: less than any slow path would cost.
const SLOWER: f64 = 1.15;

static RUNNING: AtomicBool = AtomicBool::new(false);

fn prepare(tables: &str, std: f64) -> Prepared {
    let text = format!(
        "name = \"neighbours\"\nseed = 5\n{tables}\nminima = {{ polish = false }}\n[[experiment]]\nname = \"a\"\n\
         init = {{ scheme = \"normal\", std = {std} }}\nrestarts = {TRIALS}\nvary = [\"init\"]\n"
    );
    let spec = spec::parse("neighbours", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
    let mut prepared = Prepared::new(&spec, ExperimentIndex(0), &|_| None).expect("it can be trained");
    prepared.force_axis(Axis::Restart);
    prepared
}

/// Updates of each trial of `pod` that diverged; all others must have made `steps`.
fn diverged(prepared: &Prepared, pod: RestartRange, steps: u64) -> Vec<u64> {
    let mut diverged = Vec::new();
    let mut note = |outcome: seedsweep_common::outcome::Outcome| match outcome.stop_reason {
        StopReason::Diverged => diverged.push(outcome.steps),
        _ => assert_eq!(outcome.steps, steps, "restart {}", outcome.restart),
    };
    prepared.train_pod(pod, &RUNNING, &mut note).expect("it trains");
    diverged
}

/// CPU-seconds of one training of `pod`, over some.
fn seconds(prepared: &Prepared, pod: RestartRange) -> f64 {
    let (from, mut times) = (clock::cpu_seconds(), 0_u32);
    loop {
        prepared.end_points(pod, &RUNNING).expect("it trains");
        times += 1;
        let seconds = clock::cpu_seconds() - from;
        if seconds >= ROUND_S {
            return seconds / f64::from(times);
        }
    }
}

/// One pod in which a trial diverges early, against one in which none does.
fn assert_as_quick(tables: &str, std: f64, steps: u64) {
    let prepared = prepare(tables, std);
    let pods = prepared.pods(RestartRange::new(0, TRIALS).expect("not empty"));
    let (mut quiet, mut struck) = (None, None);
    for pod in pods.filter(|pod| pod.count() > 1) {
        match diverged(&prepared, pod, steps)[..] {
            [] => quiet = quiet.or(Some(pod)),
            [at] if at < steps / 2 => struck = struck.or(Some(pod)),
            _ => {}
        }
        if quiet.is_some() && struck.is_some() {
            break;
        }
    }
    if prepared.pods(RestartRange::new(0, 64).expect("not empty")).count() == 64 {
        // no lanes, so no neighbours
        return;
    }
    let (quiet, struck) =
        (quiet.expect("a pod that converges"), struck.expect("a pod in which one diverges"));
    let mut ratios: Vec<f64> =
        (0..ROUNDS).map(|_| seconds(&prepared, struck) / seconds(&prepared, quiet)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    assert!(ratios[ROUNDS / 2] < SLOWER, "{ratios:.3?}");
}

#[test]
fn a_tiny_network_that_diverges_slows_no_other() {
    let tables = r#"
network = { layers = [2, 4, 1], activation = "relu" }
data = { dataset = "xor" }
train = { loss = "mse", optimizer = "gd", lr = 0.1, batch = "full", steps = 4000 }
"#;
    assert_as_quick(tables, 2.5, 4_000);
}

#[test]
fn a_network_that_diverges_slows_no_other() {
    let tables = r#"
network = { layers = [2, 20, 12, 1], activation = "relu" }
data = { dataset = "moons", samples = 96 }
train = { loss = "mse", momentum = 0.5, lr = 0.05, batch = 16, epochs = 60 }
"#;
    assert_as_quick(tables, 0.6, 360);
}
