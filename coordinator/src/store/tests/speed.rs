//! How fast, printed; the bounds are loose, so that only a mistake in kind fails them.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn commits_and_opening_are_fast_enough_to_be_invisible() {
    let commits: u32 = std::env::var("SEEDSWEEP_STORE_COMMITS").map_or(20, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(&[sweep()]).unwrap();
    let rows: Vec<Outcome> = (0..1_024).map(|restart| outcome(0, 0, restart)).collect();
    let mut spent = Duration::ZERO;
    for commit in 0..commits {
        let outcomes =
            rows.iter().map(|row| Outcome { restart: row.restart + commit * 1_024, ..row.clone() });
        let record = Record::Outcomes {
            sweep: sweep_id(),
            experiment: ExperimentIndex(0),
            provenance: provenance(),
            outcomes: outcomes.collect(),
        };
        let start = Instant::now();
        store.commit(&[record]).unwrap();
        spent += start.elapsed();
    }
    let count = f64::from(commits * 1_024);
    let per_s = count / spent.as_secs_f64();
    let start = Instant::now();
    drop(store);
    let closing = start.elapsed();
    let bytes = std::fs::metadata(directory.path().join("db/db")).unwrap().len();
    let start = Instant::now();
    let (_store, recovered) = open(directory.path());
    let opening = start.elapsed();
    println!(
        "{count} outcomes: {per_s:.0} durable outcomes/s in commits of 1,024; closed in {closing:?}, opened in \
         {opening:?}; {:.0} bytes an outcome",
        bytes as f64 / count
    );
    assert_eq!(recovered.sweeps[0].done[0].count(), u64::from(commits) * 1_024);
    assert!(per_s > 500.0, "{per_s} outcomes/s");
    assert!(opening < Duration::from_secs(20), "{opening:?}");
}
