//! When fate is sealed, as sentences, a table and a plot in text.

use seedsweep_common::analysis::report::{Fate, FatePoint};
use seedsweep_common::analysis::words::percent;

use super::columns::{Columns, percent_ends, setting};

/// Narrowest and widest axis of a plot, in characters.
const AXIS: std::ops::RangeInclusive<usize> = 11..=51;

/// The finding with the name of its family.
pub(crate) fn sentence(fate: &Fate) -> String {
    let set: String =
        fate.parameters.iter().map(|(path, value)| format!(", {}", setting(path, value))).collect();
    format!("when is fate sealed ({}{set})? {}", fate.family, fate.statement)
}

/// A row for each fork step.
pub(crate) fn columns(fate: &Fate) -> Columns {
    let row = |point: &FatePoint| {
        let decided = point.decided.and_then(|decided| {
            let estimate = percent(decided.estimate?.0);
            let interval = decided.ci95.map(|ends| format!(" ({})", percent_ends(ends)));
            Some(format!("{estimate} %{}", interval.unwrap_or_default()))
        });
        vec![
            point.experiment.clone(),
            point.fork.to_string(),
            format!("{} of {}", point.n, point.restarts),
            rate(point),
            decided.unwrap_or_else(|| "-".to_owned()),
        ]
    };
    Columns {
        title: "when fate is sealed: restarts share their start, and the data order up to the fork (95 % interval)",
        legend: "fork: the update after which orders part; decided by then: the share of what was open at fork 0",
        heads: vec!["experiment", "fork", "trials", "pairs agree", "decided by then"],
        rows: fate.points.iter().map(row).collect(),
    }
}

/// `43 % (35-52)`; the mark says what needs no evidence.
fn rate(point: &FatePoint) -> String {
    let estimate = point.agreement.map_or_else(|| "-".to_owned(), |rate| format!("{} %", percent(rate.0)));
    let interval = point.ci95.filter(|_| point.agreement.is_some());
    let interval = interval.map(|ends| format!(" ({})", percent_ends(ends))).unwrap_or_default();
    let mark = if point.by_construction { " by construction" } else { "" };
    format!("{estimate}{interval}{mark}")
}

/// Agreement against the fork step in lines of at most `width` characters where its numbers allow: a row for each step,
/// `o` the estimate, `=` its interval, `:` the agreement that counts as sealed.
pub(crate) fn plot(fate: &Fate, width: usize) -> String {
    let forks: Vec<String> = fate.points.iter().map(|point| point.fork.to_string()).collect();
    let rates: Vec<String> = fate.points.iter().map(rate).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let margin = widest(&forks).max("fork".len());
    let axis = width.saturating_sub(margin + widest(&rates) + 8).clamp(*AXIS.start(), *AXIS.end());
    let place = |share: f64| (share.clamp(0.0, 1.0) * (axis - 1) as f64).round() as usize;
    let mut out = format!(
        "pairs that end in the same basin, by fork step (o estimate, = 95 % interval, : {} %)\n",
        percent(fate.same_at.0)
    );
    out += &format!("  {:>margin$}  0{:>rest$}\n", "fork", "100 %", rest = axis);
    for ((point, fork), rate) in fate.points.iter().zip(&forks).zip(&rates) {
        let mut line = vec![' '; axis];
        line[place(fate.same_at.0)] = ':';
        if let Some([low, high]) = point.ci95.filter(|_| point.agreement.is_some()) {
            line[place(low.0)..=place(high.0)].fill('=');
        }
        if let Some(rate) = point.agreement {
            line[place(rate.0)] = 'o';
        }
        let line: String = line.into_iter().collect();
        out += &format!("  {fork:>margin$}  |{line}|  {rate}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use seedsweep_common::analysis::report::Number;
    use snapbox::{assert_data_eq, file};

    use super::*;
    use crate::report::fixtures::fate_report;
    use crate::report::markdown::markdown;
    use crate::report::table::table;

    #[test]
    fn fate_is_a_sentence_a_plot_and_a_table() {
        assert_data_eq!(table(&fate_report(), 80), file!["snapshots/fate.txt": Text].raw());
        assert_data_eq!(markdown(&fate_report()), file!["snapshots/fate.md": Text].raw());
    }

    #[test]
    fn plots_keep_their_width_and_hold_every_interval() {
        let mut fate = fate_report().fate.remove(0);
        fate.points[0].agreement = None;
        fate.points[1].ci95 = Some([Number(0.0), Number(1.0)]);
        for width in [40, 80, 120] {
            let text = plot(&fate, width);
            let rows: Vec<&str> = text.lines().skip(2).collect();
            assert!(rows.iter().all(|row| row.chars().count() <= width.max(48)), "{text}");
            let axis = |row: &str| row.split('|').nth(1).unwrap().to_owned();
            assert_eq!(axis(rows[0]).trim(), ":", "nothing is drawn where nothing is known");
            assert!(axis(rows[1]).chars().all(|c| c == '=' || c == 'o'), "{text}");
        }
    }
}
