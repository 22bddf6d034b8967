//! The worker: trains networks and fingerprints the minimum reached.

pub mod client;
pub mod cost;
pub mod executor;
pub mod means;
mod measure;
pub mod minima;
pub mod nn;
pub mod program;
pub mod train;
