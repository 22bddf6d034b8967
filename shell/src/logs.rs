//! Logs on stderr, quiet unless asked for, and what is known of a panic. Never a token: tokens are
//! never handed to a log.

use std::io::IsTerminal;
use std::sync::Mutex;

use clap::{ArgAction, Args};
pub use tracing_subscriber::filter::LevelFilter;

/// How much is logged.
#[derive(Debug, Clone, Copy, Args)]
pub struct Verbosity {
    /// Log to stderr; -vv and -vvv log more [env: SEEDSWEEP_LOG]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Starts logging: more with each -v; `SEEDSWEEP_LOG` names a level where no flag does. `quiet` is the level where
/// nothing is said: warnings for a process that lives on after them, errors for one that ends with a message of its own.
pub fn start(verbose: u8, quiet: LevelFilter) {
    let named = std::env::var("SEEDSWEEP_LOG").ok().and_then(|level| level.parse::<LevelFilter>().ok());
    let level = match (verbose, named) {
        (0, Some(level)) => level,
        (0, None) => quiet,
        (1, _) => LevelFilter::INFO,
        (2, _) => LevelFilter::DEBUG,
        (_, _) => LevelFilter::TRACE,
    };
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(colours).init();
}

/// Keeps a panic's message instead of printing a backtrace. A panic in a thread that somebody watches
/// (a slot, the opening of a store) is theirs to report; one that reaches `main` is reported there.
pub fn remember_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic");
        let message = format!("bug in seedsweep: {text}{}; please report it", place.unwrap_or_default());
        tracing::debug!("{message}");
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = message;
        }
    }));
}

/// The message of the last panic.
pub fn last_panic() -> String {
    LAST_PANIC.lock().map_or_else(|_| "bug in seedsweep".to_owned(), |last| last.clone())
}
