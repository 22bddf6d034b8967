//! `seedsweep export`: all stored rows of a sweep for other programs.

use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use tokio_stream::StreamExt;

use crate::args;
use crate::client::{Client, present, refused};
use crate::config::Target;
use crate::export::{self, Destination, Layout};
use crate::session;

/// Writes the rows by experiment and restart.
pub(crate) async fn run(args: args::Export) -> Result<Exit, CliError> {
    let target = Target::new(&args.selector.target)?;
    let rows = session::ask(&target, async |client| write(client, &args).await).await?;
    if args.output != std::path::Path::new("-") {
        output::note(&format!("{rows} rows in {}", args.output.display()));
    }
    Ok(exit::FINE)
}

async fn write(client: &mut Client, args: &args::Export) -> Result<u64, CliError> {
    let (id, spec) = stored_spec(client, &args.selector.sweep).await?;
    let layout = Layout::new(&spec, args.format);
    let mut stream = client.outcomes(&id, "").await?;
    let mut destination = Destination::create(&args.output)?;
    destination.write(&export::header(args.format, &layout)?)?;
    let mut rows = 0;
    while let Some(message) = stream.next().await {
        let mut lines = Vec::new();
        for row in message.map_err(refused)?.rows {
            lines.extend(export::line(args.format, &layout, &layout.cells(&spec, &row)?)?);
            rows += 1;
        }
        destination.write(&lines)?;
    }
    destination.finish()?;
    Ok(rows)
}

/// Id and spec of a stored sweep.
pub(crate) async fn stored_spec(
    client: &mut Client,
    selector: &str,
) -> Result<(String, SweepSpec), CliError> {
    let answer = client.sweep(selector).await?;
    let id = present(answer.sweep, "sweep")?.id;
    let spec = spec::parse_canonical(&answer.spec_toml)
        .map_err(|error| CliError::caused(Kind::Bug, "the coordinator's spec cannot be read", &error))?;
    Ok((id, spec))
}
