//! What a coordinator holds of one sweep, fetched to be looked at here: spec, data files, rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Outcome, Provenance};
use seedsweep_common::spec::SweepSpec;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::signals::Interrupts;
use seedsweep_worker::train::{Prepared, TrainError};
use tokio_stream::StreamExt;

use crate::client::{Client, present, refused};
use crate::verbs::export::stored_spec;

/// A sweep that can be trained again.
pub(crate) struct Stored {
    /// What the coordinator calls it.
    pub(crate) id: String,
    /// Its spec, with the restarts that each experiment has by now.
    pub(crate) spec: SweepSpec,
    /// The digest of the spec as submitted.
    spec_id: SweepId,
    /// State and counts when it was fetched.
    pub(crate) sweep: v1::Sweep,
    /// The first of its failed trials.
    pub(crate) failures: Vec<v1::FailedTrial>,
    /// Its barriers.
    pub(crate) barriers: BTreeMap<Pair, Barrier>,
    files: HashMap<Digest, Arc<[u8]>>,
}

/// A stored row.
pub(crate) struct Row {
    pub(crate) experiment: ExperimentIndex,
    pub(crate) outcome: Outcome,
    pub(crate) provenance: Provenance,
    /// As the coordinator says.
    pub(crate) basin_canonical: Option<u32>,
}

impl Stored {
    /// The sweep that `selector` means, with the data files that its spec names; each is compared with its digest.
    pub(crate) async fn fetch(client: &mut Client, selector: &str) -> Result<Self, CliError> {
        let (id, mut spec) = stored_spec(client, selector).await?;
        let spec_id = spec.id();
        let v1::GetSweepResponse { sweep, failures, barriers, .. } = client.sweep(&id).await?;
        let sweep = present(sweep, "sweep")?;
        for (experiment, status) in spec.experiments.iter_mut().zip(&sweep.experiments) {
            let total = status.trials.unwrap_or_default().total;
            experiment.restarts = u32::try_from(total).unwrap_or(experiment.restarts);
        }
        let mut files = HashMap::new();
        for digest in spec.attachments().into_iter().filter_map(|file| file.digest) {
            files.insert(digest, client.download(digest).await?.into());
        }
        let barriers = barriers.into_iter().map(barrier_row).collect::<Result<_, _>>()?;
        Ok(Self { id, spec, spec_id, sweep, failures, barriers, files })
    }

    /// The digest of the spec as it is here.
    pub(crate) fn spec_id(&self) -> SweepId {
        self.spec_id
    }

    /// The stored rows of experiment `experiment`, or of all if it is empty.
    pub(crate) async fn rows(&self, client: &mut Client, experiment: &str) -> Result<Vec<Row>, CliError> {
        rows(client, &self.id, experiment).await
    }

    /// The number of the experiment called `name`.
    pub(crate) fn experiment(&self, name: &str) -> Result<ExperimentIndex, CliError> {
        let found = self.spec.experiments.iter().position(|experiment| experiment.name.as_str() == name);
        found.map(|index| ExperimentIndex(index as u32)).ok_or_else(|| {
            let names: Vec<&str> = self.spec.experiments.iter().map(|e| e.name.as_str()).collect();
            let message =
                format!("sweep `{}` has no experiment `{name}`; it has {}", self.spec.name, names.join(", "));
            CliError::new(Kind::NotFound, message)
        })
    }

    /// The experiment ready to be trained here.
    pub(crate) fn prepare(&self, experiment: ExperimentIndex) -> Result<Prepared, CliError> {
        let content = |digest| self.files.get(&digest).cloned();
        Prepared::new(&self.spec, experiment, &content)
            .map_err(|error| CliError::caused(Kind::Bug, "a stored experiment cannot be trained", &error))
    }
}

fn barrier_row(row: v1::BarrierRow) -> Result<(Pair, Barrier), CliError> {
    let wrong = |error| CliError::caused(Kind::Bug, "the coordinator sent a barrier that is wrong", &error);
    let pair = Pair::try_from(&present(row.pair, "pair")?).map_err(wrong)?;
    Ok((pair, Barrier::try_from(&present(row.barrier, "barrier")?).map_err(wrong)?))
}

/// The stored rows of experiment `experiment` of the sweep `id`, or of all if it is empty, by experiment and restart.
pub(crate) async fn rows(client: &mut Client, id: &str, experiment: &str) -> Result<Vec<Row>, CliError> {
    let mut stream = client.outcomes(id, experiment).await?;
    let mut rows = Vec::new();
    while let Some(message) = stream.next().await {
        for row in message.map_err(refused)?.rows {
            rows.push(Row::try_from(row)?);
        }
    }
    Ok(rows)
}

impl TryFrom<v1::OutcomeRow> for Row {
    type Error = CliError;

    fn try_from(row: v1::OutcomeRow) -> Result<Self, CliError> {
        let outcome = Outcome::try_from(&present(row.outcome, "outcome")?).map_err(|error| {
            CliError::caused(Kind::Bug, "the coordinator sent a row that is wrong", &error)
        })?;
        let provenance = Provenance::from(&present(row.provenance, "provenance")?);
        let (experiment, basin_canonical) = (ExperimentIndex(row.experiment), row.basin_canonical);
        Ok(Self { experiment, outcome, provenance, basin_canonical })
    }
}

/// Trains on a thread of its own; a signal ends it within a second.
pub(crate) async fn until_interrupted<T: Send + 'static>(
    mut interrupts: Interrupts,
    train: impl FnOnce(&AtomicBool) -> Result<T, TrainError> + Send + 'static,
) -> Result<T, CliError> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let mut training = tokio::task::spawn_blocking(move || train(&flag));
    let trained = tokio::select! {
        trained = &mut training => trained,
        () = interrupts.reached(1) => {
            cancelled.store(true, Ordering::Relaxed);
            training.await
        }
    };
    trained?.map_err(|error| match error {
        TrainError::Cancelled => {
            CliError::new(Kind::Interrupted, "interrupted; nothing was stored or changed")
        }
        TrainError::Data(error) => CliError::caused(Kind::Bug, "a trial's data cannot be built", &error),
    })
}
