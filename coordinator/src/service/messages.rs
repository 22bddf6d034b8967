//! Messages made from what the coordinator knows, and the parts of requests that several calls share.

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::limits;
use seedsweep_common::outcome::Failure;
use seedsweep_common::progress::{SweepState, TrialCounts};
use seedsweep_proto::convert::{self, InvalidMessage};
use seedsweep_proto::v1;
use tonic::Status;

use super::invalid_field;
use crate::board::{Board, NotFound, PREFIX_DIGITS, Posted, Selector, Standing, WorkerCounts};
use crate::core::{Effort, Guess, Kind, Task};

/// A sweep as it stands.
pub(super) fn sweep(posted: &Posted, standing: &Standing) -> v1::Sweep {
    let facts = &posted.facts;
    let view = &standing.view;
    let experiments = facts.spec.experiments.iter().zip(&view.experiments).zip(&view.plans);
    v1::Sweep {
        id: facts.id.to_string(),
        name: facts.spec.name.to_string(),
        state: state(standing.view.state).into(),
        trials: Some(counts(standing.view.counts())),
        experiments: experiments
            .map(|((experiment, trials), plan)| v1::ExperimentStatus {
                name: experiment.name.to_string(),
                trials: Some(counts(*trials)),
                looks: plan.watch.map(|watch| watch.found.looks),
            })
            .collect(),
        audits_passed: 0,
        divergences: standing.view.divergences,
        duplicates: standing.view.duplicates,
        trials_per_s: standing.pace.map(|pace| pace.trials_per_s),
        eta_s: standing.pace.and_then(|pace| pace.eta_s),
        submitted_unix_ms: facts.submitted_unix_ms,
        training_trials_per_slot_s: per_second(standing.view.effort.trials, standing.view.effort.training_us),
        polish_trials_per_slot_s: per_second(standing.view.effort.trials, standing.view.effort.polish_us),
        of_peak: of_peak(&standing.view.effort),
        barriers: standing.view.barriers.as_ref().map(|barriers| counts(barriers.counts)),
    }
}

fn per_second(trials: u64, us: u64) -> Option<f64> {
    (us > 0).then(|| trials as f64 * 1e6 / us as f64)
}

fn of_peak(effort: &Effort) -> Option<f64> {
    (effort.peak_mflop > 0).then(|| effort.training_mflop as f64 / effort.peak_mflop as f64)
}

/// A trial that failed, and why.
pub(super) fn failed(posted: &Posted, index: ExperimentIndex, failure: Failure) -> v1::FailedTrial {
    let experiment = posted.facts.spec.experiments.get(index.0 as usize);
    v1::FailedTrial {
        experiment: experiment.map(|experiment| experiment.name.to_string()).unwrap_or_default(),
        restart: failure.restart,
        cause: failure.cause,
    }
}

/// The cause that most of `causes` have; `None` if there are none.
pub(super) fn failed_barriers(causes: impl IntoIterator<Item = String>) -> Option<v1::FailedBarriers> {
    // which restart it was says nothing about what went wrong
    let without_numbers = |cause: &str| {
        let parts = cause.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("#")
    };
    let mut groups: Vec<(String, v1::FailedBarriers)> = Vec::new();
    let mut count = 0;
    for cause in causes {
        count += 1;
        let kind = without_numbers(&cause);
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, group)) => group.with_cause += 1,
            None => groups.push((kind, v1::FailedBarriers { count: 0, cause, with_cause: 1 })),
        }
    }
    let groups = groups.into_iter().map(|(_, group)| group);
    // of equally frequent ones the first
    let most = groups.reduce(|most, next| if next.with_cause > most.with_cause { next } else { most })?;
    Some(v1::FailedBarriers { count, ..most })
}

/// The workers.
pub(super) fn workers(counts: WorkerCounts) -> v1::WorkerCounts {
    let kinds = counts.kinds.into_iter();
    let kinds = kinds
        .map(|(Kind { lanes, axis }, live, slots)| v1::WorkerKind { lanes, axis, live, slots })
        .collect();
    v1::WorkerCounts { live: counts.live, slots: counts.slots, kinds }
}

fn state(state: SweepState) -> v1::SweepState {
    match state {
        SweepState::Running => v1::SweepState::Running,
        SweepState::Done => v1::SweepState::Done,
        SweepState::Cancelled => v1::SweepState::Cancelled,
    }
}

fn counts(counts: TrialCounts) -> v1::TrialCounts {
    v1::TrialCounts {
        total: counts.total,
        done: counts.done,
        failed: counts.failed,
        diverged: counts.diverged,
        cancelled: counts.cancelled,
        skipped: counts.skipped,
        pending: counts.pending,
        leased: counts.leased,
    }
}

/// A task on its way to a worker; one of barriers with its pairs, which `posted` knows.
pub(super) fn task(task: &Task, posted: Option<&Posted>) -> v1::Task {
    let barriers = posted.filter(|posted| task.experiment.0 as usize >= posted.facts.spec.experiments.len());
    let barriers = barriers.and_then(|posted| {
        let standing = posted.now();
        let pairs = &standing.view.barriers.as_ref()?.pairs;
        let range = task.range.start() as usize..task.range.end() as usize;
        Some(v1::BarrierPairs { pairs: pairs.get(range)?.iter().map(v1::BarrierPair::from).collect() })
    });
    v1::Task {
        barriers,
        token: task.token.0,
        sweep_id: task.sweep.to_string(),
        experiment: task.experiment.0,
        start: task.range.start(),
        end: task.range.end(),
        attempt: task.attempt,
    }
}

/// A task as a worker presents it.
pub(super) fn presented_task(task: &v1::Task) -> Result<Task, InvalidMessage> {
    let range = convert::restarts(task)?;
    if range.count() > limits::RESTARTS_PER_TASK {
        let problem =
            format!("covers {} restarts: at most {} are allowed", range.count(), limits::RESTARTS_PER_TASK);
        return Err(InvalidMessage::new("task", problem));
    }
    if task.attempt == 0 {
        return Err(InvalidMessage::new("task.attempt", "is 0: attempts are counted from 1"));
    }
    Ok(Task {
        token: seedsweep_common::id::Token(task.token),
        sweep: convert::sweep_id("task.sweep_id", &task.sweep_id)?,
        experiment: ExperimentIndex(task.experiment),
        range,
        attempt: task.attempt,
    })
}

/// What a worker expects of an experiment.
pub(super) fn guess(guess: &v1::SpeedGuess) -> Result<Guess, InvalidMessage> {
    Ok(Guess {
        sweep: convert::sweep_id("guesses.sweep_id", &guess.sweep_id)?,
        experiment: ExperimentIndex(guess.experiment),
        us_per_trial: guess.us_per_trial,
    })
}

/// The sweep that `selector` means.
pub(super) fn select(board: &Board, selector: &str) -> Result<Posted, Status> {
    let shown: String =
        selector.chars().take(limits::NAME_CHARS + 1).flat_map(char::escape_default).collect();
    if selector.is_empty() {
        let problem = format!("is empty: a name, an id, its first {PREFIX_DIGITS} digits or more, or `last`");
        return Err(invalid_field("selector", problem));
    }
    let selector = if selector == "last" { Selector::Last } else { Selector::Text(selector) };
    board.find(&selector).map_err(|error| match error {
        NotFound::None => Status::not_found(format!("no sweep is known as `{shown}`")),
        NotFound::Ambiguous(count) => invalid_field(
            "selector",
            format!("is {shown}: {count} sweeps have ids that begin so, more digits are needed"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_that_most_barriers_have_is_told_whatever_its_numbers() {
        let told = |causes: &[&str]| failed_barriers(causes.iter().map(|&cause| cause.to_owned()));
        assert_eq!(told(&[]), None);
        let of = |count, cause: &str, with_cause| {
            Some(v1::FailedBarriers { count, cause: cause.to_owned(), with_cause })
        };
        let causes = ["panic: a", "restart 17 diverged", "restart 4 diverged", "panic: b"];
        assert_eq!(told(&causes), of(4, "restart 17 diverged", 2));
        assert_eq!(told(&["b", "a", "a", "b"]), of(4, "b", 2), "of equally frequent ones the first");
        assert_eq!(told(&["7 of 8", " of "]), of(2, "7 of 8", 2));
    }
}
