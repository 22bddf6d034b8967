//! Claims on a screen: the verdict in words first, the numbers second, what was run and held fixed third.

use seedsweep_common::analysis::report::Number;
use seedsweep_common::analysis::words::percent;
use seedsweep_shell::output;
use serde::Serialize;

use super::finding::{Finding, Holds, Reference, Row, Source, Table, Unit, Verdict};
use super::{Claim, Ran};
use crate::export::Cell;
use crate::report::text::paragraph;
use crate::status;

/// Most cells of a drawn share of 1.
const CURVE: usize = 20;

/// Fewest cells of a drawn share: where there is no room for them there is no curve.
const CURVE_LEAST: usize = 10;
/// Room that the words of a row keep, in characters, before a curve gets any.
const WORDS: usize = 32;

/// What a reference is.
const REFERENCES: &str =
    "theory is a formula's value; prototype is what a program in C or numpy found before this one existed";

/// A claim with what was found.
pub(crate) struct Judged {
    /// What was asked.
    pub(crate) claim: &'static Claim,
    /// Whether it was asked with fewer restarts.
    pub(crate) quick: bool,
    /// What was run for it.
    pub(crate) sweeps: Vec<SweepLine>,
    /// What came of it.
    pub(crate) finding: Finding,
}

/// A sweep that was run.
#[derive(Serialize)]
pub(crate) struct SweepLine {
    id: String,
    name: String,
    seed: u64,
    engine: String,
    trials: u64,
    failed: u64,
}

impl SweepLine {
    /// What `ran` was.
    pub(crate) fn new(ran: &Ran) -> Self {
        let sweep = &ran.report.sweep;
        Self {
            id: sweep.id.clone(),
            name: sweep.name.clone(),
            seed: sweep.seed,
            engine: sweep.engine.clone(),
            trials: sweep.trials.total,
            failed: sweep.trials.failed,
        }
    }
}

/// All of `judged` for people, in lines of at most `width` characters where words allow.
pub(crate) fn text(judged: &[Judged], width: usize) -> String {
    let mut out = String::new();
    for (number, one) in judged.iter().enumerate() {
        out += if number > 0 { "\n\n" } else { "" };
        claim(one, width, &mut out);
    }
    if judged.len() > 1 {
        out += "\n\n";
        let line = |one: &Judged| {
            let verdict = one.finding.verdict().name().to_owned();
            vec![one.claim.number.to_uppercase(), one.claim.question.to_owned(), verdict]
        };
        out += &status::table_within(width, 1, &["", "claim", "verdict"], judged.iter().map(line));
        out.push('\n');
    }
    out
}

fn claim(judged: &Judged, width: usize, out: &mut String) {
    let Judged { claim, finding, .. } = judged;
    *out += &paragraph(&format!("{} ", claim.number.to_uppercase()), claim.question, width);
    *out += &paragraph("=> ", &finding.verdict().name().to_uppercase(), width);
    for condition in finding.conditions() {
        *out += &paragraph("   condition: ", condition, width);
    }
    for words in &finding.words {
        out.push('\n');
        *out += &paragraph("", words, width);
    }
    for table in &finding.tables {
        out.push('\n');
        *out += &rows(table, width);
    }
    let sources = finding.tables.iter().flat_map(|table| &table.rows).filter_map(|row| row.reference);
    if sources.count() > 0 {
        out.push('\n');
        *out += &paragraph("reference: ", REFERENCES, width);
    }
    *out += "\nthe verdict follows from (ends: of the 95 % intervals)\n";
    for rule in &finding.rules {
        let (answer, kind) = match (rule.holds, rule.condition.is_some()) {
            (Holds::Yes, _) => ("yes   ", ""),
            (Holds::Open, _) => ("open  ", ""),
            (Holds::No, false) => ("no    ", ""),
            (Holds::No, true) => ("no    ", " (hence the condition)"),
        };
        *out += &paragraph(&format!("  {answer}"), &format!("{}{kind}", rule.says), width);
    }
    let sweep = |sweep: &SweepLine| {
        let failed = if sweep.failed > 0 { format!(", {} failed", sweep.failed) } else { String::new() };
        format!(
            "{} ({}, seed {}, engine {}, {} trials{failed})",
            sweep.name,
            status::short(&sweep.id),
            sweep.seed,
            sweep.engine,
            sweep.trials
        )
    };
    let sweeps: Vec<String> = judged.sweeps.iter().map(sweep).collect();
    out.push('\n');
    *out += &paragraph("ran: ", &sweeps.join(", "), width);
    *out += &paragraph("held fixed: ", &finding.held_fixed, width);
    if judged.quick {
        *out += &paragraph("", "quick: few restarts, wide intervals", width);
    }
}

/// The title, and below it the rows in lines of at most `width` characters where their numbers allow.
fn rows(table: &Table, width: usize) -> String {
    let mut header = vec!["", "n", "found", "95 % interval", "reference"];
    let line = |row: &Row| {
        let interval = row.ci95.map_or_else(|| "-".to_owned(), |ends| ends_text(ends, table.unit));
        vec![
            row.what.clone(),
            row.n.to_string(),
            number(row.estimate, table.unit),
            interval,
            row.reference.map_or_else(|| "-".to_owned(), |reference| reference_text(reference, table.unit)),
        ]
    };
    let mut lines: Vec<Vec<String>> = table.rows.iter().map(line).collect();
    if table.unit == Unit::Share {
        let widest = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        };
        // two blanks behind each column, the curve too, which has a stroke at both ends
        let taken = (1..header.len()).map(|column| widest(column) + 2).sum::<usize>() + 4;
        let cells = width.saturating_sub(taken + widest(0).min(WORDS) + 2).min(CURVE);
        if cells >= CURVE_LEAST {
            header.push("0 to 100 %");
            for (line, row) in lines.iter_mut().zip(&table.rows) {
                line.push(bar(row.estimate.0, cells));
            }
        }
    }
    let mut text = paragraph("", &table.title, width);
    text += &status::table_within(width, 0, &header, lines);
    text.push('\n');
    text
}

fn number(value: Number, unit: Unit) -> String {
    match unit {
        _ if value.0.is_nan() => "-".to_owned(),
        Unit::Share => format!("{} %", percent(value.0)),
        // counts, ranks and steps
        Unit::Number if value.0.abs() < 1e6 && value.0 == value.0.trunc() => format!("{}", value.0),
        Unit::Number => match Cell::Float(value.0).short() {
            text if text.contains('e') => text,
            text => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        },
    }
}

fn ends_text([low, high]: [Number; 2], unit: Unit) -> String {
    format!("{} to {}", number(low, unit).trim_end_matches(" %"), number(high, unit))
}

fn reference_text(reference: Reference, unit: Unit) -> String {
    let source = match reference.source {
        Source::Theory => "theory",
        Source::Prototype => "prototype",
    };
    let within = reference.ci95.map_or_else(String::new, |ends| format!(" ({})", ends_text(ends, unit)));
    format!("{}{within} {source}", number(reference.value, unit))
}

/// A share as a bar of `cells`.
fn bar(share: f64, cells: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * cells as f64).round() as usize;
    format!("|{}{}|", "█".repeat(full), " ".repeat(cells - full))
}

#[derive(Serialize)]
struct ClaimsJson<'a> {
    schema: &'static str,
    quick: bool,
    claims: Vec<ClaimJson<'a>>,
}

#[derive(Serialize)]
struct ClaimJson<'a> {
    name: &'static str,
    number: &'static str,
    question: &'static str,
    verdict: Verdict,
    conditions: Vec<&'a str>,
    #[serde(flatten)]
    finding: &'a Finding,
    sweeps: &'a [SweepLine],
}

/// All of `judged` for programs: one value of schema `seedsweep.claims/1`.
pub(crate) fn json(judged: &[Judged], quick: bool) -> String {
    let claims = judged.iter().map(|one| ClaimJson {
        name: one.claim.name,
        number: one.claim.number,
        question: one.claim.question,
        verdict: one.finding.verdict(),
        conditions: one.finding.conditions().collect(),
        finding: &one.finding,
        sweeps: &one.sweeps,
    });
    output::json(&ClaimsJson { schema: "seedsweep.claims/1", quick, claims: claims.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::CLAIMS;
    use crate::claims::finding::{Rule, Share};

    fn judged() -> Vec<Judged> {
        let share = |what: &str, hits| Row::share(what, Share { hits, n: 40 });
        let beside = Reference::prototype_within(0.81, [0.63, 0.99]);
        let shares = vec![
            share("random starts: same up to order and sign of units", 10).beside(beside),
            share("start fixed", 40),
        ];
        let numbers = vec![Row::new("64 units", 400, 2.234251, Some([2.099086, 2.378119]))];
        let finding = || Finding {
            words: vec!["word ".repeat(60).trim_end().to_owned()],
            tables: vec![
                Table { title: "two runs agree".to_owned(), unit: Unit::Share, rows: shares.clone() },
                Table { title: "a spread".to_owned(), unit: Unit::Number, rows: numbers.clone() },
            ],
            rules: vec![Rule::needed("it holds", Holds::Yes)],
            held_fixed: "all else ".repeat(30).trim_end().to_owned(),
        };
        let one = |claim| Judged { claim, quick: true, sweeps: Vec::new(), finding: finding() };
        CLAIMS[..2].iter().copied().map(one).collect()
    }

    #[test]
    fn claims_keep_the_width_and_draw_shares_where_there_is_room() {
        for (width, curves) in [(80, false), (100, false), (120, true)] {
            let text = text(&judged(), width);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert_eq!(text.contains('█'), curves, "{width}: {text}");
            assert!(text.contains("\ntwo runs agree\n") && text.contains("81 % (63 to 99.0 %) prototype"));
            assert!(text.contains("reference: theory is a formula's value"), "{text}");
        }
    }
}
