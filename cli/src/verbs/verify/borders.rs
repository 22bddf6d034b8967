//! Whether the basins at level `canonical`, which sketches decide, are those that exact distances give: looked at where
//! it is closest, on trials trained again.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use seedsweep_common::analysis::borders::{Border, borders};
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::spec::Network;
use seedsweep_shell::error::CliError;
use seedsweep_worker::minima::canonical::Canonical;
use seedsweep_worker::train::{Prepared, TrainError};

use super::{Check, name_of, on_slots};
use crate::stored::{Row, Stored};

/// One network twice is at most this many tolerances apart, as a root-mean-square difference of the parameters; two are
/// further: the gap that basins must have.
const CLEAR_GAP: f64 = 10.0;

/// What is to be looked at in each experiment that has any.
pub(super) struct Borders(Vec<OfExperiment>);

struct OfExperiment {
    name: String,
    prepared: Prepared,
    pairs: Vec<Border>,
    /// Largest distance of one network from itself.
    limit: f64,
    /// Whether distances are exact: with more than one hidden layer they are upper bounds.
    is_exact: bool,
}

impl Borders {
    /// The borders of all experiments whose end points were polished; unpolished ones lie anywhere near a minimum.
    pub(super) fn new(stored: &Stored, rows: &[Row]) -> Result<Self, CliError> {
        let mut found = Vec::new();
        for (index, experiment) in (0..).map(ExperimentIndex).zip(&stored.spec.experiments) {
            let members = rows
                .iter()
                .filter(|row| row.experiment == index && row.outcome.polish.is_some())
                .filter_map(|row| Some((row.basin_canonical?, &row.outcome)));
            let pairs = borders(members);
            if pairs.is_empty() {
                continue;
            }
            let parameters = experiment.network.parameter_count() as f64;
            found.push(OfExperiment {
                name: name_of(stored, index),
                prepared: stored.prepare(index)?,
                pairs,
                limit: CLEAR_GAP * stored.spec.tolerances.canonical * parameters.sqrt(),
                is_exact: match &experiment.network {
                    Network::Mlp(mlp) => mlp.layers.len() <= 3,
                    Network::ReluSum(_) => true,
                },
            });
        }
        Ok(Self(found))
    }

    /// Trains the trials at the borders, `slots` at a time, and compares them.
    pub(super) fn compare(&self, slots: u32, cancelled: &AtomicBool) -> Result<Check, TrainError> {
        let (mut problems, mut pairs, mut open) = (Vec::new(), 0, 0);
        for experiment in &self.0 {
            let mut restarts: Vec<u32> = experiment.pairs.iter().flat_map(|pair| pair.restarts).collect();
            restarts.sort_unstable();
            restarts.dedup();
            let trained = on_slots(&restarts, slots, |&restart| {
                Ok((restart, experiment.prepared.train_to_canonical(restart, cancelled)?.1))
            })?;
            let networks: BTreeMap<u32, Canonical> =
                trained.into_iter().filter_map(|(restart, network)| Some((restart, network?))).collect();
            for pair in &experiment.pairs {
                let [Some(a), Some(b)] = pair.restarts.map(|restart| networks.get(&restart)) else {
                    continue;
                };
                pairs += 1;
                let distance = a.distance(b);
                let is_same = distance <= experiment.limit;
                // with more hidden layers "far" is no proof
                let is_open = pair.is_same && !is_same && !experiment.is_exact;
                open += u32::from(is_open);
                if is_same != pair.is_same && !is_open {
                    problems.push(experiment.problem(pair, distance));
                }
            }
        }
        let undecided = if open > 0 { format!(", {open} of them undecided") } else { String::new() };
        let looked_at = match pairs {
            0 => "nothing: no polished basin at level canonical".to_owned(),
            _ => format!("{pairs} pairs at the borders of basins{undecided}"),
        };
        Ok(Check::new("borders", looked_at, problems))
    }
}

impl OfExperiment {
    fn problem(&self, pair: &Border, distance: f64) -> String {
        let [a, b] = pair.restarts;
        let basins = if pair.is_same { "are in one basin" } else { "are in two basins" };
        let said = format!("{distance:.1e} apart, and one network is at most {:.1e}", self.limit);
        format!("{} restarts {a} and {b} {basins} at level canonical, but are {said}", self.name)
    }
}
