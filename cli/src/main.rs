//! `seedsweep`: where does neural-network training end up, and what does that depend on?
//!
//! Reads what was typed, does it, and says how it went: answers on stdout, everything else on stderr.
//! What is computed, stored or trained is decided in the other crates.

mod answer;
mod args;
mod client;
mod config;
mod duration;
mod ending;
mod error;
mod exit;
mod export;
mod local;
mod logs;
mod output;
mod progress;
mod report;
mod session;
mod signals;
mod status;
mod sweep_file;
mod templates;
mod verbs;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Verb};
use crate::error::{CliError, Kind};
use crate::exit::Exit;
use crate::logs::LevelFilter;

fn main() -> ExitCode {
    logs::remember_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(usage(&error).0),
    };
    logs::start(cli.verbose, quiet(&cli.verb));
    let json = cli.verb.wants_json();
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| run(cli.verb)));
    let result = result.unwrap_or_else(|_| Err(CliError::new(Kind::Bug, logs::last_panic())));
    let exit = result.unwrap_or_else(|error| {
        error.print(json);
        error.exit()
    });
    ExitCode::from(exit.0)
}

/// What is logged unless more or less is asked for.
fn quiet(verb: &Verb) -> LevelFilter {
    match verb {
        Verb::Coordinator(_) | Verb::Worker(_) => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    }
}

fn run(verb: Verb) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::caused(Kind::Bug, "cannot start threads", &error))?;
    let result = runtime.block_on(verbs::run(verb));
    // A blocked thread (a training that was told to stop at once) must not keep the process.
    runtime.shutdown_background();
    result
}

/// Prints help, the version or what is wrong with the command line.
fn usage(error: &clap::Error) -> Exit {
    // Nobody is left to be told if this fails.
    let _ = error.print();
    if !error.use_stderr() {
        return exit::FINE;
    }
    if asks_for_json(std::env::args()) {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        CliError::new(Kind::Usage, message).print_json();
    }
    exit::USAGE
}

/// Whether the words of a command line that could not be read ask for JSON all the same.
fn asks_for_json(words: impl Iterator<Item = String>) -> bool {
    let words: Vec<String> = words.collect();
    let joined = ["--output=json", "-o=json", "-ojson"];
    words.iter().any(|word| joined.contains(&word.as_str()))
        || words.windows(2).any(|pair| ["--output", "-o"].contains(&pair[0].as_str()) && pair[1] == "json")
}
