//! How far a sweep is, on stderr: bars on a terminal, a line per tenth otherwise.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use seedsweep_common::duration;
use seedsweep_proto::v1;
use seedsweep_shell::output;

/// Bars that fit on a screen; a sweep with more experiments has one bar for all.
const MOST_BARS: usize = 16;

/// Shows how far one sweep is.
pub(crate) enum Progress {
    /// Redrawn in place.
    Bars { screen: MultiProgress, bars: Vec<ProgressBar>, total: ProgressBar },
    /// Lines that can be kept in a file.
    Lines { tenths_said: u64 },
}

impl Progress {
    /// Ready to show `sweep`; what is stored already is not said again.
    pub(crate) fn new(sweep: &v1::Sweep) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { tenths_said: tenths(sweep) };
        }
        let screen = MultiProgress::new();
        let shown: &[v1::ExperimentStatus] =
            if sweep.experiments.len() <= MOST_BARS { &sweep.experiments } else { &[] };
        let width = shown.iter().map(|e| e.name.len()).max().unwrap_or(0).max("total".len());
        let add = |name: &str| {
            let bar = screen.add(ProgressBar::no_length());
            let template = format!("  {{prefix:{width}}} {{bar:24}} {{pos}}/{{len}} {{msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("█▌ "));
            }
            bar.set_prefix(name.to_owned());
            bar
        };
        let bars = shown.iter().map(|experiment| add(&experiment.name)).collect();
        let total = add("total");
        Self::Bars { screen, bars, total }
    }

    /// Shows the state `sweep`.
    pub(crate) fn update(&mut self, sweep: &v1::Sweep) {
        match self {
            Self::Bars { bars, total, .. } => {
                for (bar, experiment) in bars.iter().zip(&sweep.experiments) {
                    set(bar, &experiment.trials.unwrap_or_default());
                }
                set(total, &sweep.trials.unwrap_or_default());
                let parts = [speed(sweep), second_stage(sweep).unwrap_or_default()];
                total.set_message(
                    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
                );
            }
            Self::Lines { tenths_said } => {
                if tenths(sweep) > *tenths_said {
                    *tenths_said = tenths(sweep);
                    output::note(&line(sweep));
                }
            }
        }
    }

    /// Says `text` without disturbing what is drawn.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Bars { screen, .. } => screen.suspend(|| output::note(text)),
            Self::Lines { .. } => output::note(text),
        }
    }

    /// Takes the bars off the screen.
    pub(crate) fn clear(&self) {
        if let Self::Bars { screen, .. } = self {
            // Only the look of the screen is lost if this fails.
            let _ = screen.clear();
        }
    }
}

fn set(bar: &ProgressBar, trials: &v1::TrialCounts) {
    bar.set_length(trials.total);
    bar.set_position(ended(trials));
}

/// Trials that came to their end. Cancelled ones did not: a sweep that was stopped is not complete.
fn ended(trials: &v1::TrialCounts) -> u64 {
    trials.done + trials.failed + trials.skipped
}

fn tenths(sweep: &v1::Sweep) -> u64 {
    let trials = sweep.trials.unwrap_or_default();
    10 * ended(&trials) / trials.total.max(1)
}

/// One line about how far `sweep` is.
pub(crate) fn line(sweep: &v1::Sweep) -> String {
    let trials = sweep.trials.unwrap_or_default();
    let ended = ended(&trials);
    let percent = 100 * ended / trials.total.max(1);
    let mut parts = vec![format!("{percent:3} %  {ended}/{} trials", trials.total)];
    if trials.failed > 0 {
        parts.push(format!("{} failed", trials.failed));
    }
    if trials.skipped > 0 {
        parts.push(format!("{} of them skipped", trials.skipped));
    }
    if trials.cancelled > 0 {
        parts.push(format!("{} cancelled", trials.cancelled));
    }
    let speed = speed(sweep);
    if !speed.is_empty() {
        parts.push(speed);
    }
    parts.extend(second_stage(sweep));
    parts.join(" · ")
}

/// How far barriers are, once the trials have ended.
fn second_stage(sweep: &v1::Sweep) -> Option<String> {
    let barriers = sweep.barriers.filter(|barriers| barriers.total > 0)?;
    let failed = if barriers.failed > 0 { format!(", {} failed", barriers.failed) } else { String::new() };
    Some(format!("{}/{} barriers{failed}", barriers.done, barriers.total))
}

fn speed(sweep: &v1::Sweep) -> String {
    let mut parts = Vec::new();
    if let Some(rate) = sweep.trials_per_s {
        parts.push(format!("{} trials/s", rate_text(rate)));
    }
    if let Some(left) = sweep.eta_s.filter(|left| *left > 0.0) {
        parts.push(format!("{} left", duration::human(left)));
    }
    if let Some(share) = sweep.of_peak {
        parts.push(format!("{:.0} % of peak", 100.0 * share));
    }
    parts.join(" · ")
}

/// What a slot's time went into, in a line; `None` before anything was reported.
pub(crate) fn effort(sweep: &v1::Sweep) -> Option<String> {
    let training = rate_text(sweep.training_trials_per_slot_s?);
    let of_peak =
        sweep.of_peak.map_or_else(String::new, |share| format!(" at {:.0} % of peak", 100.0 * share));
    let polish = sweep
        .polish_trials_per_slot_s
        .map_or_else(String::new, |rate| format!(", polish alone {} trials/s", rate_text(rate)));
    Some(format!("each slot: training alone {training} trials/s{of_peak}{polish}"))
}

/// A rate with as many digits as mean anything.
pub(crate) fn rate_text(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(done: u64, failed: u64, total: u64) -> v1::Sweep {
        v1::Sweep {
            trials: Some(v1::TrialCounts { total, done, failed, ..Default::default() }),
            trials_per_s: Some(41.6),
            eta_s: Some(3.2),
            ..Default::default()
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        assert_eq!(line(&sweep(40, 0, 80)), " 50 %  40/80 trials · 42 trials/s · 3.2 s left");
        assert_eq!(line(&sweep(79, 1, 80)), "100 %  80/80 trials · 1 failed · 42 trials/s · 3.2 s left");
        assert_eq!(line(&v1::Sweep::default()), "  0 %  0/0 trials");
        assert_eq!(effort(&v1::Sweep::default()), None);
        let (training_trials_per_slot_s, polish_trials_per_slot_s) = (Some(7520.4), Some(1.26));
        let measured = v1::Sweep {
            of_peak: Some(0.614),
            training_trials_per_slot_s,
            polish_trials_per_slot_s,
            ..sweep(40, 0, 80)
        };
        assert_eq!(line(&measured), " 50 %  40/80 trials · 42 trials/s · 3.2 s left · 61 % of peak");
        assert_eq!(
            effort(&measured).unwrap(),
            "each slot: training alone 7520 trials/s at 61 % of peak, polish alone 1.3 trials/s"
        );
        let trials = v1::TrialCounts { total: 80, done: 20, cancelled: 60, ..Default::default() };
        let stopped = v1::Sweep { trials: Some(trials), ..Default::default() };
        assert_eq!(line(&stopped), " 25 %  20/80 trials · 60 cancelled");
        let barriers = v1::TrialCounts { total: 6, done: 2, failed: 1, ..Default::default() };
        let second =
            v1::Sweep { barriers: Some(barriers), trials_per_s: None, eta_s: None, ..sweep(80, 0, 80) };
        assert_eq!(line(&second), "100 %  80/80 trials · 2/6 barriers, 1 failed");
    }
}
