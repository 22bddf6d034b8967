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

/// Cells of a drawn share of 1.
const CURVE: usize = 20;

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
        out += &status::table(&["", "claim", "verdict"], judged.iter().map(line));
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
        *out += &rows(table);
    }
    *out += "\nthe verdict follows from\n";
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

fn rows(table: &Table) -> String {
    let mut header = vec![table.title.as_str(), "n", "found", "95 % interval", "reference"];
    let is_curve = table.unit == Unit::Share;
    if is_curve {
        header.push("0 to 100 %");
    }
    let line = |row: &Row| {
        let interval = row.ci95.map_or_else(|| "-".to_owned(), |ends| ends_text(ends, table.unit));
        let mut line = vec![
            row.what.clone(),
            row.n.to_string(),
            number(row.estimate, table.unit),
            interval,
            row.reference.map_or_else(|| "-".to_owned(), |reference| reference_text(reference, table.unit)),
        ];
        if is_curve {
            line.push(bar(row.estimate.0));
        }
        line
    };
    let mut text = status::table(&header, table.rows.iter().map(line));
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

/// A share as a bar of [`CURVE`] cells.
fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * CURVE as f64).round() as usize;
    format!("|{}{}|", "█".repeat(full), " ".repeat(CURVE - full))
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
