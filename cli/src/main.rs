//! `seedsweep`: where does neural-network training end up, and what does that depend on?
//!
//! Reads what was typed, does it, and says how it went: answers on stdout, everything else on stderr.
//! What is computed, stored or trained is decided in the other crates.

mod answer;
mod args;
mod claims;
mod client;
mod config;
mod difference;
mod ending;
mod export;
mod files;
mod local;
mod progress;
mod report;
mod session;
mod status;
mod stored;
mod sweep_file;
mod templates;
mod verbs;

use std::process::ExitCode;

use seedsweep_shell::logs::LevelFilter;
use seedsweep_shell::process::{self, Settings};

use crate::args::{Cli, Verb};

fn main() -> ExitCode {
    process::run(
        |cli: &Cli| Settings {
            verbose: cli.verbosity.verbose,
            quiet: quiet(&cli.verb),
            json: cli.verb.wants_json(),
        },
        async |cli: Cli| verbs::run(cli.verb).await,
    )
}

/// What is logged unless more or less is asked for: warnings of those that live on after them.
fn quiet(verb: &Verb) -> LevelFilter {
    match verb {
        Verb::Coordinator(_) | Verb::Worker(_) => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    }
}
