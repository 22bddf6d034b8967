//! `seedsweep-worker`: what `seedsweep worker` does, as a program of its own, without coordinator and reports.

use std::process::ExitCode;

use clap::Parser;
use seedsweep_shell::logs::{LevelFilter, Verbosity};
use seedsweep_shell::process::{self, Settings};
use seedsweep_worker::program;

/// Train for a coordinator until stopped
#[derive(Parser)]
#[command(name = "seedsweep-worker", version)]
struct Typed {
    #[command(flatten)]
    args: program::Args,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn main() -> ExitCode {
    process::run(
        |typed: &Typed| Settings { verbose: typed.verbosity.verbose, quiet: LevelFilter::WARN, json: false },
        async |typed: Typed| program::run(typed.args).await,
    )
}
