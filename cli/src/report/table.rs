//! A report on a terminal.

use std::collections::BTreeMap;

use comfy_table::{Cell, ContentArrangement, Table, presets};
use seedsweep_common::analysis::report::{Comparison, ExperimentReport, Report};
use seedsweep_common::analysis::words::percent;

use super::WIDTHS;
use super::columns::{self, Columns};
use super::fate;
use super::text::paragraph;
use seedsweep_shell::output::escape;

/// The report in lines of at most `width` characters: the answer in words, the tables, the caveats.
pub(crate) fn table(report: &Report, width: usize) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut out = paragraph("", &headline(report), width);
    out.push('\n');
    for experiment in &report.experiments {
        out += &paragraph("", &format!("{}:", experiment.name), width);
        out += &paragraph("  ", &experiment.verdict.statement, width);
        if let Some(connected) = &experiment.connected {
            out += &paragraph("  ", &format!("{}.", connected.statement), width);
        }
    }
    for sentence in shares(report) {
        out += &paragraph("=> ", &sentence, width);
    }
    for fate in &report.fate {
        out += &paragraph("=> ", &fate::sentence(fate), width);
    }
    out.push('\n');
    out += &laid_out(&columns::answer(report), width);
    for fate in &report.fate {
        out += &format!("\n{}\n{}", laid_out(&fate::columns(fate), width), fate::plot(fate, width));
    }
    for columns in columns::details(report) {
        out.push('\n');
        out += &laid_out(&columns, width);
    }
    let caveats = caveats(report);
    if !caveats.is_empty() {
        out += "\ncaveats\n";
        for (names, warning) in caveats {
            out += &paragraph("  - ", &format!("{names}: {warning}"), width);
        }
    }
    out
}

/// What the report is about.
pub(crate) fn headline(report: &Report) -> String {
    let sweep = &report.sweep;
    let short: String = sweep.id.chars().take(12).collect();
    let trials = &sweep.trials;
    format!(
        "sweep {} {short} (seed {}) is {}: {} of {} trials stored, {} failed, {} diverged",
        sweep.name,
        sweep.seed,
        sweep.state.name(),
        trials.done,
        trials.total,
        trials.failed,
        trials.diverged
    )
}

/// What the start decides, a sentence for each pair of experiments that tells.
pub(crate) fn shares(report: &Report) -> Vec<String> {
    report.comparisons.iter().filter_map(|comparison| share(report, comparison)).collect()
}

fn share(report: &Report, comparison: &Comparison) -> Option<String> {
    let share = comparison.start_share.as_ref()?;
    let estimate = share.estimate?;
    let named = |name: &str| report.experiments.iter().find(|experiment| experiment.name == name);
    let (fixed, random) = (named(&share.fixed)?, named(&share.random)?);
    let same = same_settings(fixed, random);
    let about = format!("{} against {}{same}, level {}", share.fixed, share.random, comparison.level);
    if columns::is_noise(report, comparison) {
        let why = "unpolished, and no two runs agree";
        return Some(format!("what the start decides cannot be told: {why} ({about})"));
    }
    let interval = match share.ci95 {
        Some(ends) => format!("95 % CI {}", columns::percent_ends(ends)),
        None => "no interval: that needs 5 starts".to_owned(),
    };
    Some(format!("the start decides {} % of where training ends ({interval}; {about})", percent(estimate.0)))
}

/// What both experiments set alike, and others differently: it tells grid cells apart.
fn same_settings(a: &ExperimentReport, b: &ExperimentReport) -> String {
    let alike = a.parameters.iter().filter(|(path, value)| b.parameters.get(*path) == Some(*value));
    alike.map(|(path, value)| format!(", {}", columns::setting(path, value))).collect()
}

/// Warnings with the experiments that they are about, each warning once.
pub(crate) fn caveats(report: &Report) -> Vec<(String, String)> {
    let mut order: Vec<&str> = Vec::new();
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for experiment in &report.experiments {
        for warning in &experiment.verdict.warnings {
            let about = names.entry(warning).or_default();
            if about.is_empty() {
                order.push(warning);
            }
            about.push(&experiment.name);
        }
    }
    let mut caveats: Vec<(String, String)> =
        order.into_iter().map(|warning| (names[warning].join(", "), warning.to_owned())).collect();
    if report.comparisons_left_out > 0 {
        let left_out = report.comparisons_left_out;
        caveats.push(("comparisons".to_owned(), format!("{left_out} further pairs are left out")));
    }
    caveats
}

/// A table with its title and legend.
pub(crate) fn laid_out(columns: &Columns, width: usize) -> String {
    let legend = match columns.legend {
        "" => String::new(),
        legend => paragraph("  ", legend, width),
    };
    paragraph("", columns.title, width) + &rows(columns, width) + &legend
}

/// The rows of a table below its heads.
pub(crate) fn rows(columns: &Columns, width: usize) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(columns.heads.iter().map(Cell::new));
    for row in &columns.rows {
        table.add_row(row.iter().map(|cell| Cell::new(escape(cell))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use seedsweep_common::analysis::report::{Connected, Number};
    use snapbox::{assert_data_eq, file};

    use super::*;
    use crate::report::fixtures::demo_report;

    #[test]
    fn table_says_the_answer_first_and_the_caveats_last() {
        let mut report = demo_report();
        report.experiments[1].parameters.insert("train.lr".to_owned(), 0.05.into());
        assert_data_eq!(table(&report, 80), file!["snapshots/table.txt": Text].raw());
    }

    #[test]
    fn unpolished_ends_that_never_agree_say_nothing_about_the_start() {
        let mut report = demo_report();
        for experiment in &mut report.experiments {
            experiment.polished = false;
            experiment.levels.function.same_pair.estimate = Some(Number(0.0));
        }
        let text = table(&report, 100);
        assert!(text.contains("what the start decides cannot be told: unpolished"), "{text}");
        assert!(!text.contains("the start decides 96 %") && !text.contains("minima "), "{text}");
        report.experiments[1].parameters.insert("train.lr".to_owned(), 0.05.into());
        report.experiments[2].parameters.insert("train.lr".to_owned(), 0.05.into());
        assert!(shares(&report)[0].ends_with("(fixed against random, train.lr = 0.05, level function)"));
    }

    #[test]
    fn barriers_are_said_and_listed_basin_by_basin() {
        let mut report = demo_report();
        let barriers = vec![
            vec![Some(Number(0.0)), Some(Number(0.25)), None],
            vec![Some(Number(0.25)), Some(Number(0.0)), Some(Number(f64::INFINITY))],
            vec![None, Some(Number(f64::INFINITY)), Some(Number(0.0))],
        ];
        report.experiments[2].connected = Some(Connected {
            level: "function".to_owned(),
            basins_joined: 3,
            tolerance: Number(0.01),
            basins: vec![0, 4, 2],
            barriers,
            statement: "of 3 basins at level function 3 are left".to_owned(),
        });
        for text in [table(&report, 120), crate::report::markdown::markdown(&report)] {
            assert!(text.contains("of 3 basins at level function 3 are left."), "{text}");
            let line = text.lines().find(|line| line.contains("0: not measured")).unwrap();
            assert!(line.contains("random") && line.contains("4: inf"), "{line}");
            assert!(text.contains("0: 0.2500"), "{text}");
        }
    }

    #[test]
    fn table_keeps_the_width_and_shows_user_text_as_text() {
        let mut report = demo_report();
        report.experiments[1].name = "x".repeat(64);
        let nasty = "\u{1b}[31mred\u{202e}\nnew line";
        report.experiments[2].parameters.insert("data.target".to_owned(), nasty.into());
        report.experiments[2].verdict.warnings.push(nasty.to_owned());
        for width in [80, 100, 120] {
            let text = table(&report, width);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        }
    }
}
