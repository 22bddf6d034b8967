//! `seedsweep submit`: hand a sweep to a coordinator and go.

use seedsweep_coordinator::auth;
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::config::Target;
use crate::session;
use crate::sweep_file::SweepFile;

#[derive(Serialize)]
struct SubmitJson<'a> {
    schema: &'static str,
    id: &'a str,
    name: &'a str,
    created: bool,
}

/// Submits the spec and prints the sweep's id.
pub(crate) async fn run(args: args::Submit) -> Result<Exit, CliError> {
    let sweep = SweepFile::read(&args.spec.spec, &args.spec.sets)?;
    sweep.print_warnings();
    let target = Target::new(&args.target)?;
    let (submitted, workers) = session::ask_or_create(&target, async |client| {
        let submitted = client.submit(&sweep.spec.canonical(), |digest| sweep.content(digest)).await?;
        Ok((submitted, client.sweeps().await?.workers.unwrap_or_default()))
    })
    .await?;
    match args.output {
        Format::Table => output::line(&submitted.sweep_id)?,
        Format::Json => output::line(&output::json(&SubmitJson {
            schema: "seedsweep.submit/1",
            id: &submitted.sweep_id,
            name: sweep.spec.name.as_str(),
            created: submitted.created,
        }))?,
    }
    if !submitted.created {
        output::note("this sweep was submitted before: nothing changed");
    }
    if let Target::Store(directory) = &target
        && auth::read_owner(directory)?.is_none()
    {
        let store = directory.display();
        output::note(&format!(
            "nobody serves this store: start `seedsweep coordinator --store {store}` and workers, or `seedsweep run`"
        ));
    } else if workers.live == 0 {
        output::note("no worker is there yet: start one with `seedsweep worker --join FILE`");
    }
    Ok(exit::FINE)
}
