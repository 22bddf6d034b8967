//! One file per verb: what it does from start to end.

mod cancel;
mod check;
mod coordinator;
mod demo;
mod export;
mod init;
mod list;
mod outcomes;
mod report;
mod run;
mod status;
mod store;
mod submit;
mod watch;
mod worker;

use crate::args::{StoreVerb, Verb};
use crate::error::CliError;
use crate::exit::Exit;

/// Does what was asked.
pub(crate) async fn run(verb: Verb) -> Result<Exit, CliError> {
    match verb {
        Verb::Demo(args) => demo::run(args).await,
        Verb::Run(args) => run::run(args).await,
        Verb::Init(args) => init::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Coordinator(args) => coordinator::run(args).await,
        Verb::Worker(args) => worker::run(args).await,
        Verb::Submit(args) => submit::run(args).await,
        Verb::List(args) => list::run(args).await,
        Verb::Status(args) => status::run(args).await,
        Verb::Watch(args) => watch::run(args).await,
        Verb::Cancel(args) => cancel::run(args).await,
        Verb::Report(args) => report::run(args).await,
        Verb::Outcomes(args) => outcomes::run(args).await,
        Verb::Export(args) => export::run(args).await,
        Verb::Store(StoreVerb::Verify(args)) => store::verify(args).await,
    }
}
