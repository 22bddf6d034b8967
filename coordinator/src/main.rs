//! `seedsweep-coordinator`: what `seedsweep coordinator` does, as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use seedsweep_coordinator::program;
use seedsweep_shell::logs::{LevelFilter, Verbosity};
use seedsweep_shell::process::{self, Settings};

/// Serve a store to workers and users until stopped
#[derive(Parser)]
#[command(name = "seedsweep-coordinator", version)]
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
