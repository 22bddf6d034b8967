//! One file per verb: what it does from start to end. `coordinator` and `worker` are the programs of their crates.

mod cancel;
mod census;
mod check;
mod claims;
mod demo;
pub(crate) mod export;
mod extend;
mod init;
mod list;
mod measures;
mod outcomes;
mod replay;
mod report;
mod run;
mod stats;
mod status;
mod store;
mod submit;
mod verify;
mod watch;

use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::Exit;

use crate::args::{StoreVerb, Verb};

/// Does what was asked.
pub(crate) async fn run(verb: Verb) -> Result<Exit, CliError> {
    match verb {
        Verb::Demo(args) => demo::run(args).await,
        Verb::Run(args) => run::run(args).await,
        Verb::Init(args) => init::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Coordinator(args) => seedsweep_coordinator::program::run(args).await,
        Verb::Worker(args) => seedsweep_worker::program::run(args).await,
        Verb::Submit(args) => submit::run(args).await,
        Verb::List(args) => list::run(args).await,
        Verb::Status(args) => status::run(args).await,
        Verb::Watch(args) => watch::run(args).await,
        Verb::Cancel(args) => cancel::run(args).await,
        Verb::Extend(args) => extend::run(args).await,
        Verb::Report(args) => report::run(args).await,
        Verb::Outcomes(args) => outcomes::run(args).await,
        Verb::Export(args) => export::run(args).await,
        Verb::Replay(args) => replay::run(args).await,
        Verb::Verify(args) => verify::run(args).await,
        Verb::Census(args) => census::run(&args),
        Verb::Stats(args) => stats::run(&args),
        Verb::Claims(args) => claims::run(args).await,
        Verb::Store(StoreVerb::Verify(args)) => store::verify(args).await,
    }
}
