//! A report for people: words first, the table second, caveats third. Renderers only: what is true was decided
//! by `seedsweep_common::analysis`, and nothing here computes a number.

mod columns;
pub(crate) mod demo;
mod fate;
mod hessians;
pub(crate) mod markdown;
pub(crate) mod runs;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod text;

/// Narrowest and widest text that is laid out: beyond it lines are hard to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

#[cfg(test)]
pub(crate) mod fixtures;
