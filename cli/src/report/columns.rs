//! The tables of a report as rows of text, for every form they are shown in.

use seedsweep_common::analysis::report::{
    Comparison, ExperimentReport, Interval, LevelReport, Number, Report, SamePair, StoppingReport, Summary,
    VariancePart, VarianceSplit,
};
use seedsweep_common::analysis::words::{percent, significant};

use super::hessians;

/// Basins listed per experiment; JSON has more.
const BASINS_SHOWN: usize = 5;

/// Rows of barriers listed per experiment: as many basins as are listed, and those behind them in JSON.
const BARRIER_ROWS_SHOWN: usize = BASINS_SHOWN - 1;

/// Comparisons listed; a grid has very many, and JSON has them all.
const COMPARISONS_SHOWN: usize = 10;

/// A table: a title, column heads, rows of as many cells, and what the heads mean where that does not go without saying.
pub(crate) struct Columns {
    pub(crate) title: &'static str,
    pub(crate) legend: &'static str,
    pub(crate) heads: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The level at which an experiment's verdict is drawn.
pub(crate) fn verdict_level(experiment: &ExperimentReport) -> &LevelReport {
    match experiment.verdict.level.as_str() {
        "bits" => &experiment.levels.bits,
        "raw" => &experiment.levels.raw,
        // a verdict at a level needs the level
        "canonical" => experiment.levels.canonical.as_ref().unwrap_or(&experiment.levels.function),
        _ => &experiment.levels.function,
    }
}

/// `60 x 4`: starts, and runs of each.
pub(crate) fn starts_by_runs(experiment: &ExperimentReport) -> String {
    match experiment.starts {
        None => format!("{} x 1", planned(experiment)),
        Some(starts) if starts > 0 && planned(experiment).is_multiple_of(starts) => {
            format!("{starts} x {}", planned(experiment) / starts)
        }
        Some(starts) => {
            format!("{starts} x ~{:.1}", f64::from(planned(experiment)) / f64::from(starts.max(1)))
        }
    }
}

/// Restarts that were to be made: fewer than asked for where it stopped early.
fn planned(experiment: &ExperimentReport) -> u32 {
    let stopped = experiment.stopping.as_ref().filter(|stopping| stopping.reason.is_some());
    stopped.map_or(experiment.restarts, |stopping| stopping.restarts)
}

/// `0 of 40`.
pub(crate) fn learned(experiment: &ExperimentReport) -> String {
    experiment
        .learned
        .map_or_else(|| "-".to_owned(), |learned| format!("{} of {}", learned.count, learned.of))
}

/// `96 % (84-100)`.
pub(crate) fn agreement(same_pair: &SamePair) -> String {
    match (same_pair.estimate, same_pair.ci95) {
        (None, _) => "-".to_owned(),
        (Some(rate), None) => format!("{} %", percent(rate.0)),
        (Some(rate), Some(ends)) => format!("{} % ({})", percent(rate.0), percent_ends(ends)),
    }
}

/// `84-100`; `-3 to 12` where a minus would look like a dash.
pub(crate) fn percent_ends([low, high]: Interval) -> String {
    let between = if low.0 < 0.0 { " to " } else { "-" };
    format!("{}{between}{}", percent(low.0), percent(high.0))
}

/// `same_minimum`, and whether it rests on polished points.
fn verdict(experiment: &ExperimentReport) -> String {
    let kind = experiment.verdict.kind.name();
    // whether bits are equal does not depend on it
    let matters = experiment.verdict.level != "bits" && experiment.trials.done > 0;
    let unpolished = !experiment.polished && matters;
    if unpolished { format!("{kind} (unpolished)") } else { kind.to_owned() }
}

/// What the ends that are counted may be called: without a certificate they are no minima.
fn ends_called(report: &Report) -> &'static str {
    let certified = |experiment: &ExperimentReport| {
        experiment.trials.done == 0 || (experiment.polished && experiment.verdict.level != "bits")
    };
    if report.experiments.iter().all(certified) { "minima" } else { "end points" }
}

/// The answer in one row per experiment.
pub(crate) fn answer(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let level = verdict_level(experiment);
        vec![
            experiment.name.clone(),
            starts_by_runs(experiment),
            learned(experiment),
            level.basins_found.to_string(),
            agreement(&level.same_pair),
            verdict(experiment),
        ]
    };
    Columns {
        title: "the answer: how many pairs of restarts end in the same place (95 % interval)",
        legend: "start x runs: starts, and restarts from each; learned: restarts that get every training row right; pairs \
                 agree: at the level of the verdict",
        heads: vec!["experiment", "start x runs", "learned", ends_called(report), "pairs agree", "verdict"],
        rows: report.experiments.iter().map(row).collect(),
    }
}

/// Every table below the answer that has a row.
pub(crate) fn details(report: &Report) -> Vec<Columns> {
    let all = [
        parameters(report),
        levels(report),
        basins(report),
        barriers(report),
        census(report),
        looks(report),
        endings(report),
        hessians::table(report),
        comparisons(report),
    ];
    let quantities = quantities(report).into_iter().chain([variances(report)]);
    let mut explained = "";
    let said_once = |columns: Columns| {
        // of tables that follow each other
        let legend = if columns.legend == explained { "" } else { columns.legend };
        explained = columns.legend;
        Columns { legend, ..columns }
    };
    all.into_iter().chain(quantities).filter(|columns| !columns.rows.is_empty()).map(said_once).collect()
}

fn levels(report: &Report) -> Columns {
    let basins = |n: u64| if n == 1 { "1 basin".to_owned() } else { format!("{n} basins") };
    let cell = |level: &LevelReport| match level.same_pair.estimate {
        None => basins(level.basins_found),
        Some(_) => format!("{}, {}", basins(level.basins_found), agreement(&level.same_pair)),
    };
    let row = |experiment: &ExperimentReport| {
        let levels = &experiment.levels;
        let canonical = levels.canonical.as_ref().map_or_else(|| "-".to_owned(), cell);
        vec![
            experiment.name.clone(),
            cell(&levels.bits),
            cell(&levels.raw),
            canonical,
            cell(&levels.function),
        ]
    };
    Columns {
        title: "basins, and pairs that agree, by what counts as the same",
        legend: "bits: every bit of the weights; raw: the same point; canonical: the same network, its units in any order \
                 (and mirrored or scaled where that changes nothing); function: the same outputs",
        heads: vec!["experiment", "bits", "raw", "canonical", "function"],
        rows: report.experiments.iter().map(row).collect(),
    }
}

fn basins(report: &Report) -> Columns {
    Columns {
        title: "the largest basins, at the level of the verdict",
        legend: "basin: its number, the same in all experiments that can be compared; median loss: at the points compared; \
                 restart: one that ended there; eigenvalues: smallest and largest of its Hessian",
        heads: vec!["experiment", "basin", "trials", "median loss", "certificate", "restart", "eigenvalues"],
        rows: report.experiments.iter().flat_map(basins_of).collect(),
    }
}

fn barriers(report: &Report) -> Columns {
    Columns {
        title: "barriers between basins",
        legend: "how far the loss rises on the straight way from one network to the other, after their units were matched",
        heads: vec!["experiment", "from basin", "to basin: barrier"],
        rows: report.experiments.iter().flat_map(barriers_of).collect(),
    }
}

/// Each basin compared with those before it.
fn barriers_of(experiment: &ExperimentReport) -> Vec<Vec<String>> {
    let Some(connected) = &experiment.connected else { return Vec::new() };
    let height =
        |height: &Option<Number>| height.map_or_else(|| "not measured".to_owned(), |h| significant(h.0));
    let row = |(at, basin): (usize, &u32)| {
        let to = connected.basins.iter().zip(&connected.barriers[at]).take(at);
        let to: Vec<String> = to.map(|(other, barrier)| format!("{other}: {}", height(barrier))).collect();
        vec![experiment.name.clone(), basin.to_string(), to.join(" · ")]
    };
    let rows = connected.basins.iter().enumerate().skip(1).map(row);
    rows.take(BARRIER_ROWS_SHOWN).collect()
}

fn basins_of(experiment: &ExperimentReport) -> Vec<Vec<String>> {
    let level = verdict_level(experiment);
    let trials = |count: u64| format!("{count} ({} %)", percent(count as f64 / level.n.max(1) as f64));
    let summed = |basin: String, count: u64| {
        let blank = || "-".to_owned();
        vec![experiment.name.clone(), basin, trials(count), blank(), blank(), blank(), blank()]
    };
    let others = level.others.as_ref().map_or(0, |others| others.count);
    let all = level.basins.iter().map(|basin| basin.count).sum::<u64>() + others;
    // the largest holds one trial: there is nothing to list
    if level.basins_found > 1 && level.basins_found == all {
        return vec![summed(format!("{all} of 1 trial each"), all)];
    }
    let shown = &level.basins[..level.basins.len().min(BASINS_SHOWN)];
    let mut rows: Vec<Vec<String>> = shown
        .iter()
        .map(|basin| {
            vec![
                experiment.name.clone(),
                basin.basin.to_string(),
                trials(basin.count),
                basin.loss_median.map_or_else(|| "-".to_owned(), |loss| significant(loss.0)),
                hessians::certificate(basin),
                basin.representative.to_string(),
                basin.curvature.as_ref().map_or_else(
                    || "-".to_owned(),
                    |ends| format!("{:.0e}, {:.0e}", ends.lambda_min.0, ends.lambda_max.0),
                ),
            ]
        })
        .collect();
    let more = level.basins_found.saturating_sub(BASINS_SHOWN as u64);
    if more > 0 {
        rows.push(summed(format!("{more} more"), all - shown.iter().map(|basin| basin.count).sum::<u64>()));
    }
    rows
}

fn census(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let cells = census_cells(verdict_level(experiment))?;
        Some([vec![experiment.name.clone()], cells].concat())
    };
    Columns {
        title: CENSUS_TITLE,
        legend: CENSUS_LEGEND,
        heads: [vec!["experiment"], CENSUS_HEADS.to_vec()].concat(),
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}

/// Title of a table of [`census_cells`].
pub(crate) const CENSUS_TITLE: &str = "census: the basins seen, and what was not seen (95 % interval)";

/// Legend of a table of [`census_cells`].
pub(crate) const CENSUS_LEGEND: &str = "basins in all: those never seen included; coverage: the share of further restarts that would end in a basin \
     seen; more for 95 %: further restarts until coverage is that large, > N where they are more than the N made (too far \
     ahead to tell)";

/// Heads of [`census_cells`].
pub(crate) const CENSUS_HEADS: [&str; 5] =
    ["basins seen", "basins in all", "coverage", "more for 95 %", "more for 99 %"];

/// What the census of a level says; `None` where restarts are not independent.
pub(crate) fn census_cells(level: &LevelReport) -> Option<Vec<String>> {
    let (coverage, chao1) = (level.coverage?, level.chao1?);
    let [low, high] = chao1.ci95.map(|end| end.0);
    // basins are whole: outwards, but for a hair
    let interval = if high.is_finite() {
        format!("{:.0} to {:.0}", low.floor(), (high - 0.05).ceil())
    } else {
        "no upper end".to_owned()
    };
    let needed = level.more_restarts_for.as_ref()?;
    let more = |coverage: &str| match needed.get(coverage).copied().flatten() {
        None => "-".to_owned(),
        Some(more) if more > level.n => format!("> {}", level.n),
        Some(more) => more.to_string(),
    };
    Some(vec![
        level.basins_found.to_string(),
        format!("at least about {} ({interval})", significant_count(chao1.estimate.0)),
        format!("{} %", percent(coverage.chao_jost.0)),
        more("0.95"),
        more("0.99"),
    ])
}

/// A number of basins: one decimal below ten unless that is 0, whole above.
fn significant_count(basins: f64) -> String {
    let one = format!("{basins:.1}");
    match one.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None if basins < 10.0 => one,
        None => format!("{basins:.0}"),
    }
}

fn looks(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let StoppingReport { looks, restarts, reason } = experiment.stopping.as_ref()?;
        let same_pair = &verdict_level(experiment).same_pair;
        let reason = match reason.as_deref() {
            Some("goals") => "the goals are reached",
            Some(_) => "all restarts are made",
            None => "not stopped",
        };
        Some(vec![
            experiment.name.clone(),
            looks.to_string(),
            format!("{restarts} of {}", experiment.restarts),
            reason.to_owned(),
            same_pair.anytime_ci95.map_or_else(|| "-".to_owned(), percent_ends),
        ])
    };
    Columns {
        title: "stopping early",
        legend: "looks: how often it was asked whether enough is known; pairs agree: the 95 % interval, in %, that stays valid \
                 however often is looked",
        heads: vec!["experiment", "looks", "restarts", "why it ended", "pairs agree"],
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}

fn endings(report: &Report) -> Columns {
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        let named: Vec<String> =
            counts.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{n} {name}")).collect();
        if named.is_empty() { "-".to_owned() } else { named.join(", ") }
    };
    let row = |experiment: &ExperimentReport| {
        let trials = &experiment.trials;
        vec![
            experiment.name.clone(),
            format!("{} of {}", trials.done, planned(experiment)),
            trials.failed.to_string(),
            steps(&experiment.steps),
            counts(&experiment.stop_reasons),
            counts(&experiment.certificates),
        ]
    };
    Columns {
        title: "how trials ended",
        legend: "steps: updates made; certificates: what the point is where polishing led, - where nothing was polished",
        heads: vec!["experiment", "done", "failed", "steps", "stopped by", "certificates"],
        rows: report.experiments.iter().map(row).collect(),
    }
}

/// `2400`, or `120 to 2400, median 610`.
fn steps(steps: &Summary) -> String {
    match (steps.min, steps.median, steps.max) {
        (Some(min), _, Some(max)) if min.0 == max.0 => min.0.to_string(),
        (Some(min), Some(median), Some(max)) => format!("{} to {}, median {}", min.0, max.0, median.0),
        _ => "-".to_owned(),
    }
}

fn parameters(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let set: Vec<String> =
            experiment.parameters.iter().map(|(path, value)| setting(path, value)).collect();
        (!set.is_empty()).then(|| vec![experiment.name.clone(), set.join(", ")])
    };
    Columns {
        title: "what experiments set differently",
        legend: "",
        heads: vec!["experiment", "parameters"],
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}

/// `train.lr = 0.05`.
pub(crate) fn setting(path: &str, value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => format!("{path} = {text}"),
        other => format!("{path} = {other}"),
    }
}

/// Whether both sides are unpolished and no two runs agree: that says where training stopped, not what decides it.
pub(crate) fn is_noise(report: &Report, comparison: &Comparison) -> bool {
    [&comparison.a, &comparison.b].iter().all(|name| {
        report.experiments.iter().find(|experiment| experiment.name == **name).is_some_and(|experiment| {
            let rate = verdict_level(experiment).same_pair.estimate;
            !experiment.polished && rate.is_some_and(|rate| rate.0 == 0.0)
        })
    })
}

fn comparisons(report: &Report) -> Columns {
    let shares = |estimate: Option<Number>, ci95: Option<Interval>| match (estimate, ci95) {
        (Some(estimate), Some(ends)) => format!("{} % ({})", percent(estimate.0), percent_ends(ends)),
        (Some(estimate), None) => format!("{} %", percent(estimate.0)),
        (None, _) => "-".to_owned(),
    };
    let points = |estimate: Option<Number>, ci95: Option<Interval>| match (estimate, ci95) {
        (Some(estimate), Some([low, high])) => {
            format!("{} ({} to {})", percent(estimate.0), percent(low.0), percent(high.0))
        }
        (Some(estimate), None) => percent(estimate.0),
        (None, _) => "-".to_owned(),
    };
    let row = |comparison: &Comparison| {
        let pairs = &comparison.same_pair_difference;
        let loss = &comparison.loss_difference;
        let share = comparison.start_share.as_ref().filter(|_| !is_noise(report, comparison));
        vec![
            format!("{} − {}", comparison.a, comparison.b),
            points(pairs.estimate, pairs.ci95),
            format!(
                "{}{}{}",
                loss.estimate.map_or_else(|| "-".to_owned(), |estimate| significant(estimate.0)),
                loss.ci95.map_or_else(String::new, |ends| format!(" ({})", ends_of(ends))),
                if loss.paired { ", paired" } else { "" }
            ),
            share.map_or_else(|| "-".to_owned(), |share| shares(share.estimate, share.ci95)),
        ]
    };
    let mut shown: Vec<&Comparison> = report.comparisons.iter().collect();
    // stable: those with a start share first where not all have room
    if shown.len() > COMPARISONS_SHOWN {
        shown.sort_by_key(|comparison| comparison.start_share.is_none());
    }
    let mut rows: Vec<Vec<String>> =
        shown.iter().take(COMPARISONS_SHOWN).map(|comparison| row(comparison)).collect();
    let more = shown.len().saturating_sub(COMPARISONS_SHOWN);
    if more > 0 {
        let blank = || "-".to_owned();
        rows.push(vec![format!("{more} more in JSON"), blank(), blank(), blank()]);
    }
    Columns {
        title: "differences between experiments, the first minus the second (95 % interval)",
        legend: "pairs agree: in percentage points; training loss: of the means, paired where restart k of both starts alike; \
                 start share: how much of where training ends the start decides",
        heads: vec!["experiments", "pairs agree", "training loss", "start share"],
        rows,
    }
}

/// Heads of [`variance_cells`].
pub(crate) const VARIANCE_HEADS: [&str; 6] = ["design", "starts", "orders", "rest", "start's share", "p"];

/// What they mean.
pub(crate) const VARIANCE_LEGEND: &str = "0 where the estimate is negative, which then stands beside it; start's share: of the variance of single \
     restarts; p: of a scatter like this if the start did not matter";

/// How a variance splits.
pub(crate) fn variance_cells(split: &VarianceSplit) -> Vec<String> {
    let part = |part: &VariancePart| {
        if part.raw.0 < 0.0 {
            format!("0 ({})", significant(part.raw.0))
        } else {
            significant(part.estimate.0)
        }
    };
    vec![
        format!("{} {} x {}", split.design, split.starts, split.orders),
        part(&split.init),
        part(&split.order),
        split.residual.map_or_else(|| "-".to_owned(), |residual| significant(residual.0)),
        split.init_share.map_or_else(|| "-".to_owned(), |share| format!("{} %", percent(share.0))),
        p_value(split.p_init.0),
    ]
}

/// A p-value; of a very small one only that it is.
pub(crate) fn p_value(p: f64) -> String {
    if p < 1e-4 { "<0.0001".to_owned() } else { significant(p) }
}

fn variances(report: &Report) -> Columns {
    let row = |experiment: &ExperimentReport| {
        let cells = variance_cells(experiment.loss.train.variance.as_ref()?);
        Some([vec![experiment.name.clone()], cells].concat())
    };
    Columns {
        title: "variance of the training loss by source",
        legend: VARIANCE_LEGEND,
        heads: [vec!["experiment"], VARIANCE_HEADS.to_vec()].concat(),
        rows: report.experiments.iter().filter_map(row).collect(),
    }
}

/// One table for each quantity that any experiment has.
fn quantities(report: &Report) -> Vec<Columns> {
    type Pick = fn(&ExperimentReport) -> Option<&Summary>;
    let picks: [(&'static str, Pick); 4] = [
        ("loss on the training rows where training stopped, l2 included", |e| Some(&e.loss.train)),
        ("loss on the test rows, l2 not included", |e| e.loss.test.as_ref()),
        ("accuracy on the training rows", |e| e.accuracy.train.as_ref()),
        ("accuracy on the test rows", |e| e.accuracy.test.as_ref()),
    ];
    picks
        .into_iter()
        .map(|(title, pick)| Columns {
            title,
            legend: SUMMARY_LEGEND,
            heads: [vec!["experiment"], SUMMARY_HEADS.to_vec()].concat(),
            rows: report
                .experiments
                .iter()
                .filter_map(|experiment| {
                    let summary = pick(experiment).filter(|summary| summary.n > 0)?;
                    Some([vec![experiment.name.clone()], summary_cells(summary)].concat())
                })
                .collect(),
        })
        .collect()
}

/// Heads of [`summary_cells`].
pub(crate) const SUMMARY_HEADS: [&str; 6] = ["n", "mean", "95 % CI", "sd", "median", "IQM"];

/// What they mean.
pub(crate) const SUMMARY_LEGEND: &str = "n: restarts; 95 % CI: of the mean; IQM: the mean of the middle half";

/// What a summary says of a quantity.
pub(crate) fn summary_cells(summary: &Summary) -> Vec<String> {
    let number = |value: Option<Number>| value.map_or_else(|| "-".to_owned(), |value| significant(value.0));
    vec![
        summary.n.to_string(),
        number(summary.mean),
        summary.ci95.map_or_else(|| "-".to_owned(), ends_of),
        number(summary.sd),
        number(summary.median),
        number(summary.iqm),
    ]
}

pub(crate) fn ends_of([low, high]: Interval) -> String {
    format!("{} to {}", significant(low.0), significant(high.0))
}
