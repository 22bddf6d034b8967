//! A report as Markdown, for documents and pull requests.

use seedsweep_common::analysis::report::Report;

use super::columns::{self, Columns};
use super::fate;
use super::table::{caveats, headline, shares};
use super::text::markdown as escaped;

/// Width of plots.
const PLOT_WIDTH: usize = 80;

/// The report as Markdown: the answer in words, the tables, the caveats.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = format!("# {}\n\n{}.\n\n", escaped(&report.sweep.name), escaped(&headline(report)));
    for experiment in &report.experiments {
        let connected = experiment.connected.as_ref().map_or(String::new(), |c| format!(" {}.", c.statement));
        let said = escaped(&format!("{}{connected}", experiment.verdict.statement));
        out += &format!("- **{}**: {said}\n", escaped(&experiment.name));
    }
    for sentence in shares(report) {
        out += &format!("- ⇒ {}\n", escaped(&sentence));
    }
    for fate in &report.fate {
        out += &format!("- ⇒ {}\n", escaped(&fate::sentence(fate)));
    }
    out += &section(&columns::answer(report));
    for fate in &report.fate {
        out += &section(&fate::columns(fate));
        // no text of a user's is in a plot
        out += &format!("\n```text\n{}```\n", fate::plot(fate, PLOT_WIDTH));
    }
    for columns in columns::details(report) {
        out += &section(&columns);
    }
    let caveats = caveats(report);
    if !caveats.is_empty() {
        out += "\n## caveats\n\n";
        for (names, warning) in caveats {
            out += &format!("- {}: {}\n", escaped(&names), escaped(&warning));
        }
    }
    out
}

fn section(columns: &Columns) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = format!("\n## {}\n\n", escaped(columns.title));
    out += &row(columns.heads.iter().map(|head| escaped(head)).collect());
    out += &row(columns.heads.iter().map(|_| "---".to_owned()).collect());
    for cells in &columns.rows {
        out += &row(cells.iter().map(|cell| escaped(cell)).collect());
    }
    if !columns.legend.is_empty() {
        out += &format!("\n{}\n", escaped(columns.legend));
    }
    out
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, file};

    use super::*;
    use crate::report::fixtures::demo_report;

    #[test]
    fn markdown_has_the_same_parts_in_the_same_order() {
        assert_data_eq!(markdown(&demo_report()), file!["snapshots/report.md": Text].raw());
    }

    #[test]
    fn markdown_tables_hold_whatever_users_write() {
        let mut report = demo_report();
        report.experiments[2].parameters.insert("data.target".to_owned(), "a|b\n# <b>".into());
        let text = markdown(&report);
        let line = text.lines().find(|line| line.contains("data.target")).unwrap();
        assert_eq!(line, "| random | data.target = a\\|b\\\\n\\# \\<b\\> |");
    }
}
