//! What a worker keeps of the sweeps it trains: specs, data files, prepared experiments. Bounded.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_proto::v1;

use super::rpc::{self, Rpc};
use crate::means::Means;
use crate::train::Prepared;

/// Sweeps kept at once; the one used longest ago goes first, and its spec is sent again when needed.
const SWEEPS: usize = 16;

/// Specs and prepared experiments of the sweeps trained most recently.
pub(crate) struct Library {
    means: Means,
    sweeps: HashMap<SweepId, Shelf>,
    /// Least recently used first.
    order: VecDeque<SweepId>,
}

struct Shelf {
    spec: Arc<SweepSpec>,
    files: HashMap<Digest, Arc<[u8]>>,
    prepared: HashMap<ExperimentIndex, Arc<Prepared>>,
}

/// Why an experiment cannot be trained here.
#[derive(Debug)]
pub(crate) enum PrepareError {
    /// The coordinator did not answer; worth another try.
    Transient(tonic::Status),
    /// It never will be: the reason goes into the trials' failure.
    Broken(String),
}

impl Library {
    /// Nothing yet, for trials on `means`.
    pub(crate) fn new(means: Means) -> Self {
        Self { means, sweeps: HashMap::new(), order: VecDeque::new() }
    }

    /// Ids of the specs held.
    pub(crate) fn known(&self) -> Vec<String> {
        self.sweeps.keys().map(ToString::to_string).collect()
    }

    /// The number by which tasks of barriers go: the one behind the last experiment. `None` where no barriers are asked
    /// for, or the spec is not here.
    pub(crate) fn second_stage(&self, sweep: SweepId) -> Option<ExperimentIndex> {
        let experiments = &self.sweeps.get(&sweep)?.spec.experiments;
        let asks = experiments.iter().any(|experiment| experiment.minima.barriers > 1);
        asks.then_some(ExperimentIndex(experiments.len() as u32))
    }

    /// Takes in a spec as sent.
    pub(crate) fn add(&mut self, sent: &v1::SweepSpec) -> Result<(), String> {
        let id: SweepId = sent.sweep_id.parse().map_err(|error| format!("sweep_id: {error}"))?;
        let spec = spec::parse_canonical(&sent.spec_toml).map_err(|errors| errors.rendered.join("\n"))?;
        if spec.id() != id {
            return Err(format!("the spec sent for sweep {id} is that of sweep {}", spec.id()));
        }
        if self.sweeps.len() >= SWEEPS
            && let Some(oldest) = self.order.pop_front()
        {
            self.sweeps.remove(&oldest);
        }
        let shelf = Shelf { spec: Arc::new(spec), files: HashMap::new(), prepared: HashMap::new() };
        self.sweeps.insert(id, shelf);
        self.touch(id);
        Ok(())
    }

    /// The experiment ready to be trained; fetches data files and builds the rows when needed.
    pub(crate) async fn prepare(
        &mut self,
        rpc: &mut Rpc,
        sweep: SweepId,
        experiment: ExperimentIndex,
    ) -> Result<Arc<Prepared>, PrepareError> {
        self.touch(sweep);
        let Some(shelf) = self.sweeps.get_mut(&sweep) else {
            return Err(PrepareError::Broken(format!("the spec of sweep {sweep} was not sent")));
        };
        if let Some(prepared) = shelf.prepared.get(&experiment) {
            return Ok(Arc::clone(prepared));
        }
        for digest in shelf.spec.attachments().into_iter().filter_map(|file| file.digest) {
            if let Entry::Vacant(place) = shelf.files.entry(digest) {
                let content = rpc::data(rpc, digest).await.map_err(|status| {
                    if rpc::is_transient(&status) {
                        PrepareError::Transient(status)
                    } else {
                        PrepareError::Broken(format!("cannot get data file {digest}: {}", status.message()))
                    }
                })?;
                place.insert(content);
            }
        }
        let (spec, files) = (Arc::clone(&shelf.spec), shelf.files.clone());
        let built = tokio::task::spawn_blocking(move || {
            Prepared::new(&spec, experiment, &|digest| files.get(&digest).cloned())
        });
        let prepared = match built.await {
            Ok(Ok(prepared)) => Arc::new(fitted(prepared, &self.means).map_err(PrepareError::Broken)?),
            Ok(Err(error)) => return Err(PrepareError::Broken(error.to_string())),
            Err(panic) => return Err(PrepareError::Broken(format!("cannot build the data: {panic}"))),
        };
        shelf.prepared.insert(experiment, Arc::clone(&prepared));
        Ok(prepared)
    }

    fn touch(&mut self, sweep: SweepId) {
        self.order.retain(|known| *known != sweep);
        if self.sweeps.contains_key(&sweep) {
            self.order.push_back(sweep);
        }
    }
}

/// `prepared` for the lanes of `means`, unless it needs more memory than a slot may take.
fn fitted(mut prepared: Prepared, means: &Means) -> Result<Prepared, String> {
    means.lend(&mut prepared);
    means.allow(prepared.slot_bytes())?;
    Ok(prepared)
}
