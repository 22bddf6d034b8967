//! `seedsweep status`: how far sweeps are.

use crate::args;
use crate::client::present;
use crate::config::Target;
use crate::error::CliError;
use crate::exit::{self, Exit};
use crate::output::{self, Format};
use crate::status::StatusJson;
use crate::{ending, session, status};

/// Prints the state of one sweep, or of all.
pub(crate) async fn run(args: args::AskSweep) -> Result<Exit, CliError> {
    let target = Target::new(&args.ask.target)?;
    let (sweeps, workers) = session::ask(&target, async |client| match &args.sweep {
        Some(selector) => {
            let answer = client.sweep(selector).await?;
            Ok((vec![present(answer.sweep, "sweep")?], answer.workers))
        }
        None => {
            let answer = client.sweeps().await?;
            Ok((answer.sweeps, answer.workers))
        }
    })
    .await?;
    let workers = workers.unwrap_or_default();
    match (args.ask.output, &args.sweep, &sweeps[..]) {
        (Format::Json, _, _) => output::line(&output::json(&StatusJson::new(&sweeps, &workers)))?,
        (Format::Table, Some(_), [sweep]) => output::line(&status::sweep_table(sweep, &workers))?,
        (Format::Table, _, []) => output::note("no sweeps yet: submit one with `seedsweep submit SPEC`"),
        (Format::Table, _, sweeps) => output::line(&status::sweeps_table(sweeps, &workers))?,
    }
    Ok(if sweeps.iter().any(ending::is_bad_news) { exit::BAD_NEWS } else { exit::FINE })
}
