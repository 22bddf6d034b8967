//! The command line as its users meet it: the real binary, its words and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoints;
mod claims;
mod elsewhere;
mod help;
mod mistakes;
mod stores;
mod support;
mod sweeps;
