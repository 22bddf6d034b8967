//! What a task asks for, read from its message and made ready.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId, TrialId};
use seedsweep_common::range::RestartRange;
use seedsweep_proto::convert::{self, InvalidMessage};
use seedsweep_proto::v1;

use super::library::{Library, PrepareError};
use super::rpc::Rpc;
use crate::executor::{NamedPair, PreparedTrial, Work};
use crate::train::Prepared;

/// What is to be done, by name.
pub(super) enum Asked {
    /// Restarts of one experiment.
    Trials(ExperimentIndex, RestartRange),
    /// Barriers between pairs, by number.
    Barriers(Vec<(u32, Pair)>),
}

impl Asked {
    /// What `task` asks for.
    pub(super) fn of(task: &v1::Task) -> Result<Self, InvalidMessage> {
        let range = convert::restarts(task)?;
        let Some(barriers) = &task.barriers else {
            return Ok(Self::Trials(ExperimentIndex(task.experiment), range));
        };
        if barriers.pairs.len() != range.count() as usize {
            let problem = format!("has {} pairs for {} numbers", barriers.pairs.len(), range.count());
            return Err(InvalidMessage::new("task.barriers", problem));
        }
        let pairs =
            range.iter().zip(&barriers.pairs).map(|(number, pair)| Ok((number, Pair::try_from(pair)?)));
        Ok(Self::Barriers(pairs.collect::<Result<_, InvalidMessage>>()?))
    }

    /// The same with its experiments ready to be trained.
    pub(super) async fn prepare(
        &self,
        library: &mut Library,
        rpc: &mut Rpc,
        sweep: SweepId,
    ) -> Result<Work, PrepareError> {
        let pairs = match self {
            Self::Trials(experiment, restarts) => {
                let prepared = library.prepare(rpc, sweep, *experiment).await?;
                return Ok(Work::Trials { prepared, restarts: *restarts });
            }
            Self::Barriers(pairs) => pairs,
        };
        let mut prepared: HashMap<ExperimentIndex, Arc<Prepared>> = HashMap::new();
        let mut named = Vec::with_capacity(pairs.len());
        for &(number, Pair { a, b }) in pairs {
            for experiment in [a.experiment, b.experiment] {
                if let Entry::Vacant(place) = prepared.entry(experiment) {
                    place.insert(library.prepare(rpc, sweep, experiment).await?);
                }
            }
            let ready =
                |trial: TrialId| PreparedTrial { prepared: Arc::clone(&prepared[&trial.experiment]), trial };
            named.push(NamedPair { number, a: ready(a), b: ready(b) });
        }
        Ok(Work::Barriers(named))
    }
}

/// Measured barriers as messages.
pub(super) fn measured(barriers: &[(u32, Barrier)]) -> Vec<v1::MeasuredBarrier> {
    let message =
        |(pair, barrier): &(u32, Barrier)| v1::MeasuredBarrier { pair: *pair, barrier: Some(barrier.into()) };
    barriers.iter().map(message).collect()
}
