//! A program from the words typed to its exit code.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;

use crate::error::{CliError, Kind};
use crate::exit::{self, Exit};
use crate::logs::{self, LevelFilter};

/// What is known of a program before it does anything.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How often -v was typed.
    pub verbose: u8,
    /// What is logged unless more or less is asked for.
    pub quiet: LevelFilter,
    /// Whether a program reads stdout, which then also gets errors as JSON.
    pub json: bool,
}

/// Reads the command line as `C`, runs `program` on it and says how that went.
pub fn run<C: Parser>(
    settings: impl FnOnce(&C) -> Settings,
    program: impl AsyncFnOnce(C) -> Result<Exit, CliError>,
) -> ExitCode {
    logs::remember_panics();
    let typed = match C::try_parse() {
        Ok(typed) => typed,
        Err(error) => return ExitCode::from(usage(&error).0),
    };
    let Settings { verbose, quiet, json } = settings(&typed);
    logs::start(verbose, quiet);
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| block_on(program(typed))));
    let result = result.unwrap_or_else(|_| Err(CliError::new(Kind::Bug, logs::last_panic())));
    let exit = result.unwrap_or_else(|error| {
        error.print(json);
        error.exit()
    });
    ExitCode::from(exit.0)
}

fn block_on(program: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::caused(Kind::Bug, "cannot start threads", &error))?;
    let result = runtime.block_on(program);
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
