//! The demo's words: why random weights, and not 0.5 for all? Every number is read from the report.

use seedsweep_common::analysis::report::{Connected, ExperimentReport, Report, VerdictKind};
use seedsweep_common::analysis::words::{percent, significant};

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
    if let Some(between) = about_barriers(random) {
        out += &paragraph("  between them      ", &between, width);
    }
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

/// Whether the minima of an experiment hang together; `None` where no two were compared.
fn about_barriers(random: &ExperimentReport) -> Option<String> {
    let Connected { basins, barriers, basins_joined, .. } = random.connected.as_ref()?;
    let found = verdict_level(random).basins_found;
    let pairs: Vec<Option<f64>> = barriers
        .iter()
        .enumerate()
        .flat_map(|(at, row)| row.iter().take(at).map(|b| b.map(|b| b.0)))
        .collect();
    let lowest = pairs.iter().flatten().copied().reduce(f64::min)?;
    let all = basins.len() as u64 == found && pairs.iter().all(Option::is_some);
    Some(if all && *basins_joined == found {
        format!(
            "straight from one of these {found} minima to another the loss rises by {} or more",
            significant(lowest)
        )
    } else {
        format!(
            "of these {found} minima {basins_joined} are left when those without a barrier between them are joined"
        )
    })
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
    use seedsweep_common::analysis::report::Number;
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
    fn demo_says_whether_its_minima_hang_together() {
        let mut report = demo_report();
        let said = |report: &Report| {
            let text = demo(report, 100);
            let line = text.lines().find(|line| line.starts_with("  between them")).map(str::to_owned);
            line.unwrap_or_default()
        };
        assert_eq!(said(&report), "", "nobody asked");
        let height = |i: usize, j: usize| Some(Number(if i == j { 0.0 } else { 0.25 + (i + j) as f64 }));
        let connected = Connected {
            level: "function".to_owned(),
            basins_joined: 7,
            tolerance: Number(0.01),
            basins: (0..7).collect(),
            barriers: (0..7).map(|i| (0..7).map(|j| height(i, j)).collect()).collect(),
            statement: String::new(),
        };
        report.experiments[2].connected = Some(connected.clone());
        assert!(
            said(&report)
                .ends_with("straight from one of these 7 minima to another the loss rises by 1.250 or more"),
            "{}",
            said(&report)
        );
        let mut one_missing = connected.clone();
        one_missing.barriers[3][2] = None;
        for other in [one_missing, Connected { basins_joined: 5, ..connected }] {
            let left = other.basins_joined;
            report.experiments[2].connected = Some(other);
            let beginning =
                format!("  between them      of these 7 minima {left} are left when those without a");
            assert!(said(&report).starts_with(&beginning), "{}", said(&report));
        }
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
