//! The census of runs from elsewhere on a terminal.

use seedsweep_common::analysis::report::{LevelReport, RarefactionPoint};
use seedsweep_common::analysis::runs::RunsReport;
use seedsweep_common::analysis::words::{percent, significant};

use super::WIDTHS;
use super::columns::{self, Columns, agreement, percent_ends};
use super::table::laid_out;
use super::text::paragraph;

/// Basins listed; JSON has more.
const BASINS_SHOWN: usize = 10;

/// The census in lines of at most `width` characters: the answer in words, the tables, the caveats.
pub(crate) fn table(report: &RunsReport, width: usize) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut out = paragraph("", &headline(report), width);
    if let Some(sentence) = unseen(&report.census) {
        out += &paragraph("=> ", &sentence, width);
    }
    for columns in [basins(report), census(report), rarefaction(&report.census)] {
        if !columns.rows.is_empty() {
            out.push('\n');
            out += &laid_out(&columns, width);
        }
    }
    if let Some(guards) = report.guards {
        let nearest = guards.nearest.map_or_else(|| "-".to_owned(), |nearest| significant(nearest.0));
        out.push('\n');
        out += &paragraph(
            "",
            &format!(
                "equal within {} (root-mean-square); widest basin {}, nearest two basins {nearest} apart",
                significant(guards.tolerance.0),
                significant(guards.widest.0)
            ),
            width,
        );
    }
    if !report.warnings.is_empty() {
        out += "\ncaveats\n";
        for warning in &report.warnings {
            out += &paragraph("  - ", warning, width);
        }
    }
    out
}

fn headline(report: &RunsReport) -> String {
    let census = &report.census;
    let basins = if census.basins_found == 1 { "basin" } else { "basins" };
    let found = format!("{} runs end in {} {basins}", report.n, census.basins_found);
    let (Some(rate), Some(ends)) = (census.same_pair.estimate, census.same_pair.ci95) else {
        return format!("{found}; no two can be compared");
    };
    format!("{found}: two runs agree in {} % of pairs (95 % CI {} %)", percent(rate.0), percent_ends(ends))
}

/// What is not seen, in words.
fn unseen(census: &LevelReport) -> Option<String> {
    let coverage = census.coverage?;
    if coverage.chao_jost.0 == 0.0 {
        return Some(
            "every run ends in a basin of its own: nothing can be said about those not seen".to_owned(),
        );
    }
    let further = if coverage.good_turing.0 >= 1.0 {
        "no basin was seen just once, so further runs are expected to end in these".to_owned()
    } else {
        format!(
            "about {} % of further runs would end in a basin that was seen",
            percent(coverage.chao_jost.0)
        )
    };
    let surely = percent(coverage.share_surely_seen.0);
    Some(format!("{further}; a basin with a share of {surely} % or more has been seen with 95 % confidence"))
}

fn basins(report: &RunsReport) -> Columns {
    let census = &report.census;
    let cells = |name: &str, count: u64| {
        let share = percent(count as f64 / census.n.max(1) as f64);
        vec![name.to_owned(), count.to_string(), format!("{share} %")]
    };
    let listed = report.names.iter().zip(&census.basins).take(BASINS_SHOWN);
    let mut rows: Vec<Vec<String>> = listed.map(|(name, basin)| cells(name, basin.count)).collect();
    let more = census.basins_found.saturating_sub(BASINS_SHOWN as u64);
    if more > 0 {
        let shown: u64 = census.basins.iter().take(BASINS_SHOWN).map(|basin| basin.count).sum();
        rows.push(cells(&format!("{more} more"), report.n - report.without_basin - shown));
    }
    if report.without_basin > 0 {
        rows.push(cells("(no basin)", report.without_basin));
    }
    let head = if report.guards.is_some() { "basin of" } else { "basin" };
    Columns { title: "the largest basins", legend: "", heads: vec![head, "runs", "share"], rows }
}

fn census(report: &RunsReport) -> Columns {
    let heads = [vec!["pairs agree"], columns::CENSUS_HEADS.to_vec()].concat();
    let row = columns::census_cells(&report.census)
        .map(|cells| [vec![agreement(&report.census.same_pair)], cells].concat());
    Columns {
        title: columns::CENSUS_TITLE,
        legend: columns::CENSUS_LEGEND,
        heads,
        rows: row.into_iter().collect(),
    }
}

fn rarefaction(census: &LevelReport) -> Columns {
    let points = census.rarefaction.iter().flatten();
    let row = |point: &RarefactionPoint| {
        vec![
            format!("{}{}", point.restarts, if point.extrapolated { " (extrapolated)" } else { "" }),
            format!("{:.1}", point.basins.0),
            format!("{} %", percent(point.coverage.0)),
        ]
    };
    Columns {
        title: "what fewer and more runs would have shown",
        legend: "basins: seen, on average; coverage: the share of further runs that would end in one of them",
        heads: vec!["runs", "basins", "coverage"],
        rows: points.map(row).collect(),
    }
}
