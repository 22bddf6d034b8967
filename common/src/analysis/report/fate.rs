//! When fate is sealed, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Interval, Number};

/// Experiments that are equal in all but their `fork`: restarts that share their start and the data order up to some
/// update and then go their own ways, and how often they end in one basin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fate {
    /// What its experiments are called, without the numbers of grid cells.
    pub family: String,
    /// What all of them set alike, by dotted path.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// The level of the agreements: where the experiments have different ones, the coarsest.
    pub level: String,
    /// `restart` or `start`: what is replicated.
    pub unit: String,
    /// The agreement from which on fate counts as sealed: where the experiments have different `same_at`, the
    /// highest.
    pub same_at: Number,
    /// The fork steps, ascending.
    pub points: Vec<FatePoint>,
    /// Smallest fork step from which on, at every step tried, the lower end of the agreement is at least `same_at`;
    /// `null` if there is none.
    pub sealed_from: Option<u64>,
    /// Largest fork step up to which, at every step tried, the upper end of the agreement is below `same_at`; `null`
    /// if there is none.
    pub open_until: Option<u64>,
    /// One sentence that says it.
    pub statement: String,
}

/// One fork step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FatePoint {
    /// Updates that all restarts share; 0 where each has its own order from the first.
    pub fork: u64,
    /// The experiment.
    pub experiment: String,
    /// Trials finished, failed ones included.
    pub n: u64,
    /// Trials asked for.
    pub restarts: u32,
    /// Whether the orders would part after the last update only. Then restarts of a start agree by construction, which
    /// says nothing, and the point seals nothing.
    pub by_construction: bool,
    /// Agreement, as `same_pair.estimate` of the experiment.
    pub agreement: Option<Number>,
    /// Its interval, as `same_pair.ci95`.
    pub ci95: Option<Interval>,
    /// How much of what was open at the start the updates up to the fork decide; `null` for fork 0 and without it.
    pub decided: Option<Decided>,
}

/// (A − A₀) / (1 − A₀), where A₀ is the agreement with fork 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Estimate; `null` where nothing was open.
    pub estimate: Option<Number>,
    /// Interval by resampling streams jointly over both; `null` below five units.
    pub ci95: Option<Interval>,
}
