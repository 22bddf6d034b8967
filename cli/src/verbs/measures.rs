//! `seedsweep outcomes --measure`: one measure over the restarts of each experiment.

use seedsweep_common::measure::{OverRestarts, Point, When};
use seedsweep_common::outcome::Outcome;
use seedsweep_common::spec::{Measure, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::args;
use crate::args::Format;
use crate::client::{Client, refused};
use crate::config::Target;
use crate::export::{Cell, number};
use crate::verbs::export::stored_spec;
use crate::{session, status};

const HEADER: [&str; 7] = ["experiment", "measure", "step", "n", "q25", "median", "q75"];

/// The points of one series of one experiment.
struct Line {
    experiment: String,
    measure: String,
    points: Vec<Point>,
}

/// Prints the series whose names are `measure` or start with it and a dot.
pub(crate) async fn run(args: &args::Outcomes, measure: &str) -> Result<Exit, CliError> {
    let target = Target::new(&args.selector.target)?;
    let (spec, lines) = session::ask(&target, async |client| fetch(client, args, measure).await).await?;
    match args.output {
        Format::Json => {
            let series = lines.iter().map(|line| {
                json!({
                    "experiment": line.experiment,
                    "measure": line.measure,
                    "points": line.points.iter().map(point_json).collect::<Vec<_>>(),
                })
            });
            output::line(&output::json(&json!({
                "schema": "seedsweep.measures/1",
                "sweep": spec.id().to_string(),
                "series": series.collect::<Vec<_>>(),
            })))?;
        }
        Format::Table => {
            let rows = lines.iter().flat_map(|line| line.points.iter().map(move |point| row(line, point)));
            output::line(&status::table(&HEADER, rows))?;
        }
    }
    Ok(exit::FINE)
}

async fn fetch(
    client: &mut Client,
    args: &args::Outcomes,
    measure: &str,
) -> Result<(SweepSpec, Vec<Line>), CliError> {
    let (id, spec) = stored_spec(client, &args.selector.sweep).await?;
    let wanted =
        |name: &str| name.strip_prefix(measure).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut all: Vec<OverRestarts> = vec![OverRestarts::default(); spec.experiments.len()];
    let mut stream = client.outcomes(&id, args.experiment.as_deref().unwrap_or_default()).await?;
    while let Some(message) = stream.next().await {
        for row in message.map_err(refused)?.rows {
            let broken = || CliError::new(Kind::Bug, "the coordinator sent a row that is wrong");
            let outcome = row.outcome.as_ref().ok_or_else(broken)?;
            let outcome = Outcome::try_from(outcome).map_err(|error| {
                CliError::caused(Kind::Bug, "the coordinator sent a row that is wrong", &error)
            })?;
            all.get_mut(row.experiment as usize).ok_or_else(broken)?.add(&outcome.measures, wanted);
        }
    }
    let of_experiments = spec.experiments.iter().zip(all).flat_map(|(experiment, all)| {
        let line = |(measure, points)| Line { experiment: experiment.name.to_string(), measure, points };
        all.points().map(line).collect::<Vec<_>>()
    });
    let lines: Vec<Line> = of_experiments.collect();
    if lines.is_empty() {
        let on = |on: fn(&Measure) -> bool| spec.experiments.iter().any(|experiment| on(&experiment.measure));
        let keys = [
            ("curve", on(|measure| measure.curve)),
            ("symmetry", on(|measure| measure.symmetry)),
            ("geometry", on(|measure| measure.geometry)),
            ("ntk", on(|measure| measure.ntk)),
            ("movement", on(|measure| measure.movement)),
        ];
        let keys: Vec<&str> = keys.into_iter().filter_map(|(key, on)| on.then_some(key)).collect();
        let there = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        let message = format!("no stored outcome measures `{measure}`: the sweep's spec asks for {there}");
        return Err(CliError::new(Kind::NotFound, message));
    }
    Ok((spec, lines))
}

fn row(line: &Line, point: &Point) -> Vec<String> {
    let step = match point.when {
        When::Step(step) => step.to_string(),
        When::End => "end".to_owned(),
    };
    let mut row = vec![line.experiment.clone(), line.measure.clone(), step, point.n.to_string()];
    row.extend(point.quartiles.map(|value| match value.is_nan() {
        true => Cell::Missing.short(),
        // counts and ranks
        false if value.abs() < 1e6 && value == value.trunc() => format!("{value}"),
        false => Cell::Float(value).short(),
    }));
    row
}

fn point_json(point: &Point) -> Value {
    let step = match point.when {
        When::Step(step) => json!(step),
        When::End => json!("end"),
    };
    let [q25, median, q75] = point.quartiles.map(number);
    json!({ "step": step, "n": point.n, "q25": q25, "median": median, "q75": q75 })
}
