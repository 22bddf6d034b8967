//! `seedsweep list`: which sweeps there are.

use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::config::Target;
use crate::status::SweepJson;
use crate::{session, status};

#[derive(Serialize)]
struct ListJson<'a> {
    schema: &'static str,
    sweeps: Vec<SweepJson<'a>>,
    store_problem: Option<&'a str>,
}

/// Prints all sweeps, oldest first.
pub(crate) async fn run(args: args::Ask) -> Result<Exit, CliError> {
    let target = Target::new(&args.target)?;
    let answer = session::ask(&target, async |client| client.sweeps().await).await?;
    let (sweeps, store_problem) = (&answer.sweeps, status::problem(&answer.store_problem));
    match args.output {
        Format::Json => {
            let sweeps = sweeps.iter().map(SweepJson::from).collect();
            output::line(&output::json(&ListJson { schema: "seedsweep.list/1", sweeps, store_problem }))?;
        }
        Format::Table if sweeps.is_empty() => {
            output::note("no sweeps yet: submit one with `seedsweep submit SPEC`");
        }
        Format::Table => {
            let rows = sweeps.iter().map(|sweep| {
                let trials = sweep.trials.unwrap_or_default();
                vec![
                    status::short(&sweep.id).to_owned(),
                    sweep.name.clone(),
                    status::state(sweep).to_owned(),
                    status::time(sweep.submitted_unix_ms),
                    sweep.experiments.len().to_string(),
                    trials.total.to_string(),
                ]
            });
            output::line(&status::table(
                &["id", "name", "state", "submitted", "experiments", "trials"],
                rows,
            ))?;
            if let Some(problem) = store_problem {
                output::line(&status::problem_line(problem))?;
            }
        }
    }
    Ok(exit::FINE)
}
