//! `seedsweep run`: a spec to its report, on this machine, with one command that also resumes.

use crate::args;
use crate::error::CliError;
use crate::exit::Exit;
use crate::local;
use crate::session::{self, Embedded};
use crate::signals::Interrupts;
use crate::sweep_file::SweepFile;
use crate::{answer, config, ending};

/// Runs the spec and prints its report.
pub(crate) async fn run(args: args::Run) -> Result<Exit, CliError> {
    let sweep = SweepFile::read(&args.spec.spec, &args.spec.sets)?;
    sweep.print_warnings();
    let interrupts = Interrupts::listen()?;
    let store = config::store(args.store.store.as_ref());
    let coordinator = session::open_soon(config::coordinator(store, &args.leasing)?).await?;
    let embedded = Embedded::start(coordinator).await?;

    let result = local::run(&embedded, &sweep, config::slots(&args.slots), interrupts).await;
    let finished = embedded.close_after(result).await?;
    answer::print(&finished.report_json, args.output)?;
    Ok(ending::exit(&finished.sweep, &finished.failures))
}
