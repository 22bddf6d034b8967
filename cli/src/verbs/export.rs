//! `seedsweep export`: all stored rows of a sweep for other programs.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use tokio_stream::StreamExt;

use crate::args;
use crate::client::{Client, present, refused};
use crate::config::Target;
use crate::export::{self, About, Destination, Encoder, Layout};
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
    export::refuse_terminal(args.format, &args.output, std::io::stdout().is_terminal())?;
    let (id, spec) = stored_spec(client, &args.selector.sweep).await?;
    let layout = Layout::new(&spec, args.format);
    let mut stream = client.outcomes(&id, "").await?;
    let mut destination = Destination::create(&args.output)?;
    let mut encoder = Encoder::begin(args.format, &layout, &args.output, &mut destination)?;
    let mut engines: BTreeSet<String> = BTreeSet::new();
    let mut rows = 0;
    while let Some(message) = stream.next().await {
        for row in message.map_err(refused)?.rows {
            encoder.row(layout.cells(&spec, &row)?, &mut destination)?;
            if let Some(provenance) = row.provenance.filter(|p| !engines.contains(&p.engine)) {
                engines.insert(provenance.engine);
            }
            rows += 1;
        }
    }
    let about = About {
        schema: "seedsweep.outcomes/1",
        sweep: id,
        name: spec.name.to_string(),
        engine: engines.into_iter().collect::<Vec<_>>().join(", "),
        spec: spec.canonical(),
    };
    encoder.end(&about, &mut destination)?;
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
