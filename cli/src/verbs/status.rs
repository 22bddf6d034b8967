//! `seedsweep status`: how far sweeps are.

use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;

use crate::args;
use crate::args::Format;
use crate::client::present;
use crate::config::Target;
use crate::status::StatusJson;
use crate::{ending, session, status};

/// Prints the state of one sweep, or of all.
pub(crate) async fn run(args: args::AskSweep) -> Result<Exit, CliError> {
    let target = Target::new(&args.ask.target)?;
    let bad_news = match &args.sweep {
        Some(selector) => one(&target, selector, args.ask.output).await?,
        None => all(&target, args.ask.output).await?,
    };
    Ok(if bad_news { exit::BAD_NEWS } else { exit::FINE })
}

/// Prints the state of one sweep; returns whether it is bad news.
async fn one(target: &Target, selector: &str, format: Format) -> Result<bool, CliError> {
    let mut answer = session::ask(target, async |client| client.sweep(selector).await).await?;
    let sweep = present(answer.sweep.take(), "sweep")?;
    output::line(&match format {
        Format::Json => output::json(&StatusJson::one(&sweep, &answer)),
        Format::Table => status::sweep_table(&sweep, &answer),
    })?;
    Ok(ending::is_bad_news(&sweep))
}

/// Prints the states of all sweeps; returns whether any of them is bad news.
async fn all(target: &Target, format: Format) -> Result<bool, CliError> {
    let answer = session::ask(target, async |client| client.sweeps().await).await?;
    match format {
        Format::Json => output::line(&output::json(&StatusJson::all(&answer)))?,
        Format::Table if answer.sweeps.is_empty() => {
            output::note("no sweeps yet: submit one with `seedsweep submit SPEC`");
        }
        Format::Table => output::line(&status::sweeps_table(&answer))?,
    }
    Ok(answer.sweeps.iter().any(ending::is_bad_news))
}
