//! An experiment made ready: its data built, and everything checked to fit together.

use std::collections::HashMap;
use std::sync::Arc;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::init::Scheme;
use seedsweep_common::measure::{Plan, TooMuch};
use seedsweep_common::plan;
use seedsweep_common::spec::{Attachment, Batch, DataSource, Experiment, SweepSpec, Target};

use super::Prepared;
use super::rounded::Rounded;
use crate::minima::Probes;
use crate::nn::data::{self, DataError, Dataset, Files, npy};
use crate::nn::init::{self, StartError, safetensors};
use crate::nn::lane::Lanes;
use crate::nn::network::Network;

/// Why an experiment cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The sweep has no such experiment.
    #[error("the sweep has {experiments} experiments, but number {asked} (counted from 0) was asked for")]
    NoSuchExperiment {
        /// The number asked for.
        asked: u32,
        /// How many there are.
        experiments: usize,
    },
    /// Its data could not be built.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Its start file does not fit.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Batches of no rows, or larger than the data.
    #[error(
        "train.batch is {batch}, but there are {rows} rows to train on; 1 to {rows} or \"full\" is allowed"
    )]
    Batch {
        /// Rows per update.
        batch: u32,
        /// Training rows.
        rows: usize,
    },
    /// More measures than an outcome carries, on as many rows as the file turned out to have.
    #[error("measure: {0}")]
    Measure(#[from] TooMuch),
}

impl Prepared {
    /// Builds what all trials of `experiment` share and checks that data, network, loss and start fit together.
    pub fn new(
        spec: &SweepSpec,
        experiment: ExperimentIndex,
        files: Files<'_>,
    ) -> Result<Self, PrepareError> {
        let chosen = spec.experiments.get(experiment.0 as usize);
        let chosen = chosen.ok_or(PrepareError::NoSuchExperiment {
            asked: experiment.0,
            experiments: spec.experiments.len(),
        })?;
        let dataset = data::load(&chosen.data, &chosen.network, chosen.train.loss, spec.seed, 0, files)?;
        let network = Network::new(&chosen.network);
        let start = match &chosen.init.scheme {
            Scheme::File(file) => {
                let content = content(file, files)?;
                let values = if file.path.ends_with(".safetensors") {
                    safetensors::read(&file.path, &content, &network)?
                } else {
                    npy::vector(&file.path, &content)?
                };
                init::check_start(&file.path, &values, &network)?;
                values
            }
            _ => Vec::new(),
        };
        let mut kept = HashMap::new();
        if plan::data_matters(chosen) {
            for file in data_files(&chosen.data.source) {
                kept.extend(file.digest.zip(Some(content(file, files)?)));
            }
        }
        Self { files: kept, start, ..Self::with_dataset(spec, chosen, network, dataset) }.checked()
    }

    /// An experiment on data that is already built.
    pub(super) fn with_dataset(
        spec: &SweepSpec,
        experiment: &Experiment,
        network: Network,
        dataset: Dataset,
    ) -> Self {
        Self {
            probes: Probes::new(&network, &dataset),
            experiment: experiment.clone(),
            seed: spec.seed,
            precision: spec.precision,
            rounded: Rounded::new(spec.precision, &dataset),
            network,
            dataset,
            start: Vec::new(),
            files: HashMap::new(),
            lanes: Lanes::detect(),
            forced_axis: None,
            piece: usize::MAX,
        }
    }

    pub(super) fn checked(self) -> Result<Self, PrepareError> {
        let rows = self.epoch_rows();
        match self.experiment.train.batch {
            Batch::Size(batch) if !(1..=rows).contains(&(batch as usize)) => {
                return Err(PrepareError::Batch { batch, rows });
            }
            _ => {}
        }
        let Experiment { measure, network, .. } = &self.experiment;
        Plan::new(measure, network).steps(self.updates(rows))?;
        Ok(self)
    }
}

/// The files that a data source reads.
fn data_files(source: &DataSource) -> Vec<&Attachment> {
    match source {
        DataSource::File(file) => match &file.target {
            Target::File(target) => vec![&file.features, target],
            Target::Column(_) | Target::ColumnIndex(_) | Target::Arrays { .. } => vec![&file.features],
        },
        _ => Vec::new(),
    }
}

fn content(file: &Attachment, files: Files<'_>) -> Result<Arc<[u8]>, DataError> {
    let found = file.digest.and_then(files);
    found.ok_or_else(|| DataError::NotAtHand { file: file.path.clone() })
}
