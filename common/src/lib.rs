//! The vocabulary that every part of seedsweep must agree on: what users write, how it is split,
//! which draws each trial starts from, what an outcome is, and what the outcomes say.
//!
//! Everything here is pure: no I/O, no clock, no async, no global generator.

pub mod analysis;
pub mod audit;
pub mod barrier;
pub mod digest;
pub mod duration;
pub mod fingerprint;
pub mod id;
pub mod init;
pub mod join;
pub mod limits;
pub mod measure;
pub mod nearest;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod range;
pub mod seed;
pub mod spec;
