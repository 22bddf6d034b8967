//! Whether the state of a sweep is bad news: the exit code, and a word on stderr.

use seedsweep_proto::v1;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;

use crate::status;

/// Whether a trial failed, or two reports of one trial differ. Diverged training is an outcome like any other.
pub(crate) fn is_bad_news(sweep: &v1::Sweep) -> bool {
    sweep.divergences > 0 || sweep.trials.is_some_and(|trials| trials.failed > 0)
}

/// The exit code of an answer about a sweep, with the bad news on stderr: trials that failed with their causes.
pub(crate) fn exit_so_far(sweep: &v1::Sweep, failures: &[v1::FailedTrial]) -> Exit {
    let trials = sweep.trials.unwrap_or_default();
    if sweep.divergences > 0 {
        let what = "reports differ from what is stored: a machine computes wrong";
        output::note(&format!("bad news: {} {what}", sweep.divergences));
    }
    if trials.failed > 0 {
        output::note(&format!("bad news: {} of {} trials failed", trials.failed, trials.total));
        status::failure_lines(trials.failed, failures).iter().for_each(|line| output::note(line));
    }
    if is_bad_news(sweep) { exit::BAD_NEWS } else { exit::FINE }
}

/// The exit code of a command that waited for the end of a sweep.
pub(crate) fn exit(sweep: &v1::Sweep, failures: &[v1::FailedTrial]) -> Exit {
    if sweep.state() != v1::SweepState::Cancelled {
        return exit_so_far(sweep, failures);
    }
    let trials = sweep.trials.unwrap_or_default();
    output::note(&format!(
        "bad news: this sweep was cancelled with {} of {} trials stored",
        trials.done, trials.total
    ));
    exit_so_far(sweep, failures);
    exit::BAD_NEWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_trials_and_divergences_are_bad_news() {
        let trials = v1::TrialCounts { diverged: 3, ..Default::default() };
        assert!(!is_bad_news(&v1::Sweep { trials: Some(trials), ..Default::default() }));
        assert!(is_bad_news(&v1::Sweep { divergences: 1, ..Default::default() }));
        let trials = v1::TrialCounts { failed: 1, ..Default::default() };
        assert!(is_bad_news(&v1::Sweep { trials: Some(trials), ..Default::default() }));
    }

    #[test]
    fn a_cancelled_sweep_is_bad_news_to_those_who_waited() {
        let mut sweep = v1::Sweep::default();
        sweep.set_state(v1::SweepState::Cancelled);
        assert_eq!((exit(&sweep, &[]), exit_so_far(&sweep, &[])), (exit::BAD_NEWS, exit::FINE));
    }
}
