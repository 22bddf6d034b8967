//! `seedsweep report`: what the outcomes say.

use seedsweep_proto::v1;
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::Exit;

use crate::args;
use crate::client::present;
use crate::config::Target;
use crate::{answer, ending, session};

/// Prints the report over what is stored now.
pub(crate) async fn run(args: args::Report) -> Result<Exit, CliError> {
    let target = Target::new(&args.selector.target)?;
    let (sweep, failures, json) = session::ask(&target, async |client| {
        let v1::GetSweepResponse { sweep, failures, .. } = client.sweep(&args.selector.sweep).await?;
        let sweep = present(sweep, "sweep")?;
        let json = client.report(&sweep.id).await?;
        Ok((sweep, failures, json))
    })
    .await?;
    answer::print(&json, args.output)?;
    Ok(ending::exit_so_far(&sweep, &failures))
}
