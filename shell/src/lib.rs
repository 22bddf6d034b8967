//! What every program of seedsweep has around its work: how it starts and ends, what it hears and says, where it
//! finds secrets. The command line, the coordinator and the worker are programs of their own and share it.
//!
//! Nothing here knows of sweeps.

pub mod address;
pub mod cause;
pub mod error;
pub mod exit;
pub mod logs;
pub mod output;
pub mod process;
pub mod secret;
pub mod settings;
pub mod signals;
