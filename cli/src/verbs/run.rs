//! `seedsweep run`: a spec to its report, on this machine, with one command that also resumes.

use seedsweep_coordinator::program;
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::Exit;
use seedsweep_shell::signals::Interrupts;

use crate::args;
use crate::local;
use crate::session::Embedded;
use crate::sweep_file::SweepFile;
use crate::{answer, ending};

/// Runs the spec and prints its report.
pub(crate) async fn run(args: args::Run) -> Result<Exit, CliError> {
    let sweep = SweepFile::read(&args.spec.spec, &args.spec.sets)?;
    sweep.print_warnings();
    let interrupts = Interrupts::listen()?;
    let coordinator = program::open_soon(args.leasing.config(args.store.directory())?).await?;
    let embedded = Embedded::start(coordinator).await?;

    let result = local::run(&embedded, &sweep, &args.slots, interrupts).await;
    let finished = embedded.close_after(result).await?;
    answer::print(&finished.report_json, args.output)?;
    Ok(ending::exit(&finished.sweep, &finished.failures))
}
