//! Every exit code of `seedsweep`, in one place. They are part of its interface: scripts test them.

/// How a command ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

/// All is well. Also: some trainings diverged, or the report covers a part of the sweep.
pub const FINE: Exit = Exit(0);
/// The answer is bad news: failed trials, reports that differ, a sweep that was cancelled.
pub const BAD_NEWS: Exit = Exit(1);
/// The command line or the spec is wrong. The argument parser uses the same number.
pub const USAGE: Exit = Exit(2);
/// The coordinator cannot be reached.
pub const UNREACHABLE: Exit = Exit(3);
/// No such store, sweep, experiment or trial.
pub const NOT_FOUND: Exit = Exit(4);
/// The token is missing, wrong or exposed.
pub const NOT_ALLOWED: Exit = Exit(5);
/// The store is damaged, locked, full or cannot be written.
pub const STORE: Exit = Exit(6);
/// A bug in seedsweep.
pub const BUG: Exit = Exit(101);
/// Interrupted by a signal; what is done is stored.
pub const INTERRUPTED: Exit = Exit(130);
