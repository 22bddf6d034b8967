//! When fate is sealed, on outcomes whose sealing step is known.

use super::fixtures::*;
use crate::analysis::analyse;
use crate::analysis::report::{Fate, Number, Report};
use crate::outcome::Outcome;
use crate::progress::{ExperimentProgress, SweepState};
use crate::spec::{Batch, Experiment, Level};

const STARTS: u32 = 60;
const RESTARTS: u32 = 240;

/// A family member whose orders part after `fork` updates of 2,400.
fn member(fork: u64) -> Experiment {
    let mut member = experiment(&format!("fixed.g{fork}"), ORDER, Some(STARTS), RESTARTS);
    member.fork = (fork > 0).then_some(fork);
    member
}

/// Outcomes where one of `of` starts is undecided: each of its restarts ends at a place of its own.
fn outcomes(undecided_of: u32) -> Vec<Outcome> {
    let end = |restart: u32| {
        let open = undecided_of > 0 && (restart % STARTS).is_multiple_of(undecided_of);
        outcome(restart, if open { f64::from(restart) + 10.0 } else { 1.0 })
    };
    (0..RESTARTS).map(end).collect()
}

fn report(experiments: Vec<Experiment>, outcomes: &[Vec<Outcome>], state: SweepState) -> Report {
    let progress: Vec<ExperimentProgress> = outcomes.iter().map(|rows| ended(rows, &[])).collect();
    analyse(&sweep(experiments), id(), state, &progress, outcomes).report
}

fn fate(experiments: Vec<Experiment>, outcomes: &[Vec<Outcome>]) -> Fate {
    let mut fate = report(experiments, outcomes, SweepState::Done).fate;
    assert_eq!(fate.len(), 1);
    fate.remove(0)
}

#[test]
fn fate_is_sealed_from_the_step_on_from_which_all_agree() {
    // all starts are undecided at first, every second one after 50 updates, one in 20 after 100, none after 400
    let forks = [400, 0, 100, 50, 2_400];
    let rows = [outcomes(0), outcomes(1), outcomes(20), outcomes(2), outcomes(0)];
    let fate = fate(forks.map(member).to_vec(), &rows);
    assert_eq!(fate.points.iter().map(|point| point.fork).collect::<Vec<_>>(), [0, 50, 100, 400, 2_400]);
    assert_eq!((fate.sealed_from, fate.open_until), (Some(100), Some(50)));
    assert_eq!(
        (fate.family.as_str(), fate.level.as_str(), fate.unit.as_str()),
        ("fixed", "function", "start")
    );
    assert!(fate.statement.starts_with("sealed from update 100 on: "), "{}", fate.statement);
    assert!(
        fate.statement.contains("after 50 updates it is still open: they agree in 50 % of pairs"),
        "{}",
        fate.statement
    );

    let decided: Vec<Option<f64>> =
        fate.points.iter().map(|point| point.decided.and_then(|d| d.estimate).map(|share| share.0)).collect();
    assert_eq!(decided[0], None);
    for (share, expected) in decided[1..].iter().zip([0.5, 0.95, 1.0, 1.0]) {
        assert!((share.unwrap() - expected).abs() < 1e-12, "{share:?}");
    }
    let [low, high] = fate.points[1].decided.unwrap().ci95.unwrap();
    assert!(0.3 < low.0 && low.0 < 0.5 && 0.5 < high.0 && high.0 < 0.7, "{low:?} {high:?}");
    // the orders never part: to agree is no finding there
    assert!(fate.points[4].by_construction && !fate.points[3].by_construction);
}

#[test]
fn a_late_step_that_is_open_again_unseals_the_earlier_ones() {
    let rows = [outcomes(1), outcomes(0), outcomes(3), outcomes(0)];
    let fate = fate([0, 100, 200, 300].map(member).to_vec(), &rows);
    assert_eq!((fate.sealed_from, fate.open_until), (Some(300), Some(0)));
}

#[test]
fn what_agrees_by_construction_seals_nothing() {
    let rows = [outcomes(1), outcomes(1), outcomes(0)];
    let fate = fate([0, 100, 2_400].map(member).to_vec(), &rows);
    assert_eq!((fate.sealed_from, fate.open_until), (None, Some(100)));
    assert!(
        fate.statement.starts_with("not sealed by update 100, the last fork step tried"),
        "{}",
        fate.statement
    );
}

#[test]
fn a_start_that_decides_all_seals_fate_itself() {
    let fate = fate([0, 100].map(member).to_vec(), &[outcomes(0), outcomes(0)]);
    assert_eq!((fate.sealed_from, fate.open_until), (Some(0), None));
    assert!(fate.statement.starts_with("sealed by the start: "), "{}", fate.statement);
    // nothing was open, so nothing is left to be decided
    assert_eq!(fate.points[1].decided.unwrap().estimate, None);
}

#[test]
fn a_family_that_is_not_complete_claims_nothing_about_the_missing() {
    let experiments = || [0, 100, 200].map(member).to_vec();
    let rows = [outcomes(1), outcomes(0), Vec::new()];
    let running = report(experiments(), &rows, SweepState::Running).fate.remove(0);
    assert_eq!((running.sealed_from, running.open_until), (None, Some(0)));
    assert_eq!((running.points[2].n, running.points[2].ci95), (0, None));
    assert!(
        running
            .statement
            .starts_with("so far (480 of 720 trials): undecided: 1 of 3 fork steps have no interval"),
        "{}",
        running.statement
    );
    // restarts that are there count, those that failed stand against it
    let few = outcomes(0).into_iter().take(120).collect();
    let part = report(experiments(), &[outcomes(1), outcomes(0), few], SweepState::Cancelled).fate.remove(0);
    assert_eq!(part.sealed_from, Some(100));
    assert!(
        part.statement.starts_with("cancelled at 600 of 720 trials: sealed from update 100 on"),
        "{}",
        part.statement
    );
}

#[test]
fn unequal_levels_meet_at_the_coarsest_and_at_the_highest_bar() {
    let mut experiments = [0, 100].map(member);
    experiments[0].minima.level = Level::Bits;
    experiments[1].minima.same_at = 0.82;
    let fate = fate(experiments.to_vec(), &[outcomes(1), outcomes(0)]);
    assert_eq!((fate.level.as_str(), fate.same_at), ("function", Number(0.82)));
    assert_eq!(fate.sealed_from, Some(100));
}

#[test]
fn only_experiments_that_differ_in_their_fork_alone_are_a_family() {
    let mut other_lr = member(100);
    other_lr.train.lr = 0.1;
    let fresh = |fork| Experiment { vary: INIT_ORDER, starts: None, ..member(fork) };
    let full = |fork| {
        let mut full = member(fork);
        full.train.batch = Batch::Full;
        full
    };
    // one alone, another rate, fresh starts, and orders that full batches do not see
    let experiments = vec![member(0), other_lr, fresh(0), fresh(100), full(0), full(100)];
    let rows: Vec<Vec<Outcome>> = experiments.iter().map(|_| outcomes(0)).collect();
    assert_eq!(report(experiments, &rows, SweepState::Done).fate, []);
}
