//! The demo's words: why random weights, and not 0.5 for all? Every number is read from the report.

use seedsweep_common::analysis::report::{ExperimentReport, Report, VerdictKind};
use seedsweep_common::analysis::words::percent;

use super::WIDTHS;
use super::columns::{self, percent_ends, verdict_level};
use super::table::{rows, table};
use super::text::paragraph;

/// The answer of the demo's sweep in lines of at most `width` characters; the plain table for any other sweep.
pub(crate) fn demo(report: &Report, width: usize) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let named = |name: &str| report.experiments.iter().find(|experiment| experiment.name == name);
    let (Some(constant), Some(fixed), Some(random)) =
        (named("constant-0.5"), named("fixed"), named("random"))
    else {
        return table(report, width);
    };
    let mut out = String::from("WHY RANDOM WEIGHTS AND NOT 0.5 FOR ALL?\n");
    out += &paragraph("  all 0.5           ", &about_constant(constant), width);
    out += &paragraph("  one random start  ", &about_fixed(fixed), width);
    out += &paragraph("  fresh random      ", &about_random(random), width);
    out += &paragraph("  => ", &about_share(report), width);
    out.push('\n');
    out += &rows(&columns::answer(report), width);
    out.push('\n');
    let held_fixed = random.held_fixed.join(", ");
    let level = &random.verdict.level;
    out += &paragraph("", &format!("held fixed: {held_fixed} · level: {level}"), width);
    out += "next: seedsweep report last · seedsweep init > sweep.toml\n";
    out
}

fn about_constant(constant: &ExperimentReport) -> String {
    let learns = match constant.learned {
        Some(learned) if learned.count == 0 => format!("never learns (0 of {})", learned.of),
        Some(learned) => format!("learns in {} of {} runs", learned.count, learned.of),
        None => "ends".to_owned(),
    };
    format!("{learns}: {}", where_it_ends(constant, ""))
}

fn about_fixed(fixed: &ExperimentReport) -> String {
    let runs = columns::starts_by_runs(fixed);
    format!("retrained: {}", where_it_ends(fixed, &format!(", {}", runs.replacen(" x ", " starts × ", 1))))
}

fn about_random(random: &ExperimentReport) -> String {
    let learns = random.learned.map_or_else(String::new, |learned| {
        format!("; {} % learn XOR", percent(learned.count as f64 / learned.of.max(1) as f64))
    });
    format!("{}{learns}", where_it_ends(random, ""))
}

/// Where the runs of an experiment end, in the words of its verdict; `of` says behind the interval what was run.
fn where_it_ends(experiment: &ExperimentReport, of: &str) -> String {
    let same_pair = &verdict_level(experiment).same_pair;
    let rate = same_pair.estimate.map_or_else(|| "-".to_owned(), |rate| percent(rate.0));
    let interval =
        same_pair.ci95.map_or_else(String::new, |ends| format!(" (95 % CI {}{of})", percent_ends(ends)));
    let trials = &experiment.trials;
    let saddles = experiment.certificates.get("saddle").copied().unwrap_or(0);
    match experiment.verdict.kind {
        VerdictKind::NoMinimum if experiment.one_saddle => {
            "every run stops on one saddle, not a minimum".to_owned()
        }
        VerdictKind::NoMinimum if saddles == trials.done => {
            "every run stops on a saddle, not a minimum".to_owned()
        }
        VerdictKind::NoMinimum => {
            let minima: u64 =
                ["minimum", "flat"].iter().filter_map(|name| experiment.certificates.get(*name)).sum();
            format!(
                "{} of {} runs end at no certified minimum",
                trials.done - minima.min(trials.done),
                trials.done
            )
        }
        VerdictKind::SameMinimum => format!("same minimum in {rate} % of pairs{interval}"),
        VerdictKind::Spread => format!("different minima: only {rate} % of pairs agree{interval}"),
        VerdictKind::Mixed | VerdictKind::Undecided | VerdictKind::NotTested => {
            format!("{rate} % of pairs end in the same minimum{interval}")
        }
    }
}

fn about_share(report: &Report) -> String {
    let share = report.comparisons.iter().find_map(|comparison| {
        let share = comparison.start_share.as_ref()?;
        Some((share.estimate?, share.ci95))
    });
    match share {
        Some((estimate, Some(ends))) => format!(
            "here the start decides {} % of where training ends (95 % CI {})",
            percent(estimate.0),
            percent_ends(ends)
        ),
        Some((estimate, None)) => {
            format!("here the start decides {} % of where training ends", percent(estimate.0))
        }
        None => "what the start decides cannot be told from these runs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, file};

    use super::*;
    use crate::report::fixtures::demo_report;

    #[test]
    fn demo_answers_the_question_in_at_most_25_lines() {
        for width in [80, 100] {
            let text = demo(&demo_report(), width);
            assert!(text.lines().count() <= 25);
            assert!(text.lines().all(|line| line.chars().count() <= width));
        }
        assert_data_eq!(demo(&demo_report(), 100), file!["snapshots/demo.txt": Text].raw());
    }

    #[test]
    fn demo_says_so_when_nothing_is_what_it_was_meant_to_show() {
        let mut report = demo_report();
        report.comparisons.clear();
        let constant = &mut report.experiments[0];
        constant.one_saddle = false;
        constant.certificates.insert("saddle".to_owned(), 30);
        constant.certificates.insert("minimum".to_owned(), 10);
        let text = demo(&report, 100);
        assert!(text.contains("30 of 40 runs end at no certified minimum"), "{text}");
        assert!(text.contains("cannot be told"), "{text}");
        report.experiments.pop();
        assert!(
            demo(&report, 100).starts_with("sweep demo "),
            "without its experiments it is a report like any"
        );
    }
}
