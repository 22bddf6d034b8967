//! `seedsweep cancel`: stop a sweep; what is stored stays.

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
struct CancelJson<'a> {
    schema: &'static str,
    sweep: SweepJson<'a>,
}

/// Cancels the sweep and prints what is stored of it.
pub(crate) async fn run(args: args::Cancel) -> Result<Exit, CliError> {
    let target = Target::new(&args.ask.target)?;
    let sweep = session::ask(&target, async |client| client.cancel(&args.sweep).await).await?;
    match args.ask.output {
        Format::Json => {
            let json = CancelJson { schema: "seedsweep.cancel/1", sweep: SweepJson::from(&sweep) };
            output::line(&output::json(&json))?;
        }
        Format::Table => {
            let trials = sweep.trials.unwrap_or_default();
            output::line(&format!(
                "{} {} · {} · {} of {} trials are stored",
                status::short(&sweep.id),
                sweep.name,
                status::state(&sweep),
                trials.done,
                trials.total
            ))?;
        }
    }
    Ok(exit::FINE)
}
