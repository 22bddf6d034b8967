//! Statistics of numbers from elsewhere on a terminal.

use seedsweep_common::analysis::report::{Interval, Number};
use seedsweep_common::analysis::stats::{Better, ExperimentStats, PairStats, StatsReport};
use seedsweep_common::analysis::words::{percent, significant};

use super::WIDTHS;
use super::columns::{self, Columns, ends_of, p_value, percent_ends};
use super::table::laid_out;
use super::text::paragraph;

/// Pairs said in words and shown; JSON has them all.
const PAIRS_SHOWN: usize = 20;

/// The statistics in lines of at most `width` characters: the answer in words, the tables, the caveats.
pub(crate) fn table(report: &StatsReport, better: Better, width: usize) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut out = String::new();
    for pair in report.comparisons.iter().take(PAIRS_SHOWN) {
        out += &paragraph("=> ", &sentence(pair, better), width);
    }
    if let Some(pooled) = &report.pooled {
        let interval =
            pooled.iqm_ci95.map_or_else(String::new, |ends| format!(" (95 % CI {})", ends_of(ends)));
        let iqm = significant(pooled.iqm.0);
        let text = format!(
            "all {} values together, as if each were a task of one method: IQM {iqm}{interval}",
            pooled.n
        );
        out += &paragraph("", &text, width);
    }
    for columns in [summaries(report), test_noise(report), best_of(report), variances(report), tests(report)]
    {
        if !columns.rows.is_empty() {
            if !out.is_empty() {
                out.push('\n');
            }
            out += &laid_out(&columns, width);
        }
    }
    let mut caveats = report.warnings.clone();
    let more = report.comparisons.len().saturating_sub(PAIRS_SHOWN) as u64 + report.comparisons_left_out;
    if more > 0 {
        caveats.push(format!("{more} further pairs are not shown"));
    }
    if !caveats.is_empty() {
        out += "\ncaveats\n";
        for caveat in &caveats {
            out += &paragraph("  - ", caveat, width);
        }
    }
    out
}

fn sentence(pair: &PairStats, better: Better) -> String {
    let Some(estimate) = pair.probability_of_improvement.estimate else {
        return format!("{} and {} cannot be compared: a value of each is needed", pair.a, pair.b);
    };
    let word = if better == Better::Larger { "larger" } else { "smaller" };
    let interval = match pair.probability_of_improvement.ci95 {
        Some(ends) => format!("95 % CI {} %", percent_ends(ends)),
        None => "no interval: too few runs".to_owned(),
    };
    let p = match pair.p_holm {
        Some(p) => {
            let sign = if p.0 < 1e-4 { "" } else { "= " };
            format!("; p {sign}{} by {}, adjusted for all pairs", p_value(p.0), test_name(pair.test))
        }
        None => String::new(),
    };
    format!(
        "a run of {} is {word} than one of {} with probability {} % ({interval}{p})",
        pair.a,
        pair.b,
        percent(estimate.0)
    )
}

fn test_name(test: &str) -> &'static str {
    if test == "permutation" { "exchanging pairs" } else { "Mann-Whitney" }
}

fn summaries(report: &StatsReport) -> Columns {
    let row = |experiment: &ExperimentStats| {
        let iqm_ci95 = experiment.values.iqm_ci95.map_or_else(|| "-".to_owned(), ends_of);
        [vec![experiment.name.clone()], columns::summary_cells(&experiment.values), vec![iqm_ci95]].concat()
    };
    Columns {
        title: "values",
        legend: columns::SUMMARY_LEGEND,
        heads: [vec!["experiment"], columns::SUMMARY_HEADS.to_vec(), vec!["IQM 95 % CI"]].concat(),
        rows: report.experiments.iter().map(row).collect(),
    }
}

fn test_noise(report: &StatsReport) -> Columns {
    let number = |value: Option<Number>| value.map_or_else(|| "-".to_owned(), |value| significant(value.0));
    let rows = report.experiments.iter().filter_map(|experiment| {
        let noise = experiment.test_noise?;
        let ours = number(experiment.values.sd);
        let (expected, binomial) = (number(Some(noise.sd_expected)), number(Some(noise.sd_binomial)));
        Some(vec![experiment.name.clone(), ours, expected, binomial])
    });
    Columns {
        title: "scatter that a finite test set explains",
        legend: "sd here: between these restarts; equally good restarts: what they would scatter by if all were equally good; \
                 other test sets: what one network would scatter by on other test sets of this size",
        heads: vec!["experiment", "sd here", "equally good restarts", "other test sets"],
        rows: rows.collect(),
    }
}

fn best_of(report: &StatsReport) -> Columns {
    let rows = report.experiments.iter().filter(|experiment| !experiment.values.best_of.is_empty());
    let row = |experiment: &ExperimentStats| {
        let best = experiment.values.best_of.iter();
        let best: Vec<String> = best.map(|(k, value)| format!("{k}: {}", significant(value.0))).collect();
        vec![experiment.name.clone(), best.join("  ")]
    };
    Columns {
        title: "expected best of k runs",
        legend: "",
        heads: vec!["experiment", "k: best"],
        rows: rows.map(row).collect(),
    }
}

fn variances(report: &StatsReport) -> Columns {
    let rows = report.experiments.iter().filter_map(|experiment| {
        let split = experiment.values.variance.as_ref()?;
        Some([vec![experiment.name.clone()], columns::variance_cells(split)].concat())
    });
    Columns {
        title: "variance by source",
        legend: columns::VARIANCE_LEGEND,
        heads: [vec!["experiment"], columns::VARIANCE_HEADS.to_vec()].concat(),
        rows: rows.collect(),
    }
}

fn tests(report: &StatsReport) -> Columns {
    let number = |value: Option<Number>| value.map_or_else(|| "-".to_owned(), |value| significant(value.0));
    let with = |value: Option<Number>, ends: Option<Interval>| match ends {
        Some(ends) => format!("{} ({})", number(value), ends_of(ends)),
        None => number(value),
    };
    let p = |value: Option<Number>| value.map_or_else(|| "-".to_owned(), |value| p_value(value.0));
    let row = |pair: &PairStats| {
        let tests = pair.paired_tests.as_ref();
        vec![
            format!("{} − {}", pair.a, pair.b),
            if pair.paired {
                format!("{} pairs", pair.n[0])
            } else {
                format!("{} and {}", pair.n[0], pair.n[1])
            },
            with(pair.difference.estimate, pair.difference.ci95),
            p(tests.and_then(|tests| tests.t).map(|t| t.p)),
            p(tests.and_then(|tests| tests.wilcoxon).map(|w| w.p)),
            p(pair.p),
            p(pair.p_holm),
        ]
    };
    Columns {
        title: "differences of means, the first minus the second (95 % interval)",
        legend: "t, Wilcoxon, test: p of a difference like this if there were none (test: exchanging pairs where paired, else \
                 Mann-Whitney); Holm: p of the test, adjusted for all pairs",
        heads: vec!["experiments", "n", "difference", "t", "Wilcoxon", "test", "Holm"],
        rows: report.comparisons.iter().take(PAIRS_SHOWN).map(row).collect(),
    }
}
