//! One trial from start to outcome: pure, no clock, no global generator.

mod descent;
mod pod;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seedsweep_common::digest::Digest;
use seedsweep_common::fingerprint::{ParameterDigest, SKETCH_LENGTH};
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::init::Scheme;
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::{
    Attachment, Batch, DataSource, Experiment, Loss, PolishMode, Precision, SweepSpec, Target,
};
use seedsweep_common::{limits, plan};

use crate::minima::{self, Probes, Problem};
use crate::nn;
use crate::nn::data::{self, DataError, Dataset, Files, Labels, Rows, npy};
use crate::nn::init::{self, StartError, StartStreams, safetensors};
use crate::nn::lane::{Lane, Lanes, Level, Precise};
use crate::nn::network::{self, Network, Pass, SquaredNorm, Workspace};
use crate::nn::order::Order;
use crate::nn::scalar::Scalar;
use descent::{Cancelled, Descent, Stopped, look};

/// Largest product of parameters and training rows at which `polish = "auto"` polishes: a step costs about as much
/// as an epoch, and there may be thousands.
const AUTO_POLISH_WORK: u64 = 200_000;

/// Largest network that trains in restart lanes: beyond it a pod's parameters, gradient and moments leave the cache.
const MOST_RESTART_LANE_PARAMETERS: usize = 5_000;
/// A pod takes about as long as this many trials alone, however few of its lanes are filled.
const FEWEST_SIDE_BY_SIDE: u32 = 3;

/// An experiment with its data built, shared by all slots.
#[derive(Debug)]
pub struct Prepared {
    experiment: Experiment,
    seed: u64,
    precision: Precision,
    network: Network,
    /// The data of `data` stream 0: of every restart, unless `data` varies.
    dataset: Dataset,
    /// Common to all restarts, so that their sketches compare even where `data` varies.
    probes: Probes,
    /// Values of the start file; empty without one.
    start: Vec<f64>,
    /// Content of the data files by digest, where restarts split them anew; empty elsewhere.
    files: HashMap<Digest, Arc<[u8]>>,
    /// What trials side by side run on.
    lanes: Lanes,
}

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
}

/// Why a trial gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// It was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// Its data could not be built.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl From<Cancelled> for TrainError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
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
    fn with_dataset(spec: &SweepSpec, experiment: &Experiment, network: Network, dataset: Dataset) -> Self {
        Self {
            probes: Probes::new(&network, &dataset),
            experiment: experiment.clone(),
            seed: spec.seed,
            precision: spec.precision,
            network,
            dataset,
            start: Vec::new(),
            files: HashMap::new(),
            lanes: Lanes::detect(),
        }
    }

    fn checked(self) -> Result<Self, PrepareError> {
        let rows = self.dataset.train.features.nrows();
        match self.experiment.train.batch {
            Batch::Size(batch) if !(1..=rows).contains(&(batch as usize)) => {
                Err(PrepareError::Batch { batch, rows })
            }
            _ => Ok(self),
        }
    }

    /// Trains restart `restart`: start, training, polish, certificate, fingerprint. `cancelled` is looked at after
    /// each piece of at most some ten million multiplications, so that an answer comes within a second.
    pub fn train(&self, restart: u32, cancelled: &AtomicBool) -> Result<Outcome, TrainError> {
        Ok(self.replay(restart, cancelled)?.outcome)
    }

    /// As [`Prepared::train`], with the parameters where training ended.
    pub fn replay(&self, restart: u32, cancelled: &AtomicBool) -> Result<Replay, TrainError> {
        if plan::data_matters(&self.experiment) {
            let stream = plan::streams(&self.experiment, restart).data;
            let Experiment { data, network, train, .. } = &self.experiment;
            let files = |digest| self.files.get(&digest).cloned();
            let dataset = data::load(data, network, train.loss, self.seed, stream, &files)?;
            return self.replay_on(&dataset, restart, cancelled);
        }
        self.replay_on(&self.dataset, restart, cancelled)
    }

    /// How many trials run side by side at most; 1 where each runs alone.
    fn pod_width(&self) -> u32 {
        let alone = plan::data_matters(&self.experiment)
            || !nn::pod::supports(&self.network)
            || self.network.parameter_count() > MOST_RESTART_LANE_PARAMETERS;
        match (alone, self.lanes.level(), self.precision) {
            (true, ..) | (_, Level::Baseline, _) => 1,
            (_, Level::Avx2, Precision::F32) => <f32 as Precise>::Avx2::WIDTH as u32,
            (_, Level::Avx2, Precision::F64) => <f64 as Precise>::Avx2::WIDTH as u32,
            (_, Level::Avx512, Precision::F32) => <f32 as Precise>::Avx512::WIDTH as u32,
            (_, Level::Avx512, Precision::F64) => <f64 as Precise>::Avx512::WIDTH as u32,
        }
    }

    /// `restarts` in pods, ascending.
    pub fn pods(&self, restarts: RestartRange) -> impl Iterator<Item = RestartRange> + use<> {
        let (width, end) = (self.pod_width(), restarts.end());
        let starts = restarts.iter().step_by(width as usize);
        starts.filter_map(move |start| RestartRange::new(start, end.min(start.saturating_add(width))))
    }

    /// Trains `restarts`, at most a pod of them, side by side and hands each outcome to `emit` as
    /// soon as it is known. The outcomes are those of [`Prepared::train`], bit for bit. `cancelled` is looked at as
    /// often.
    pub fn train_pod(
        &self,
        restarts: RestartRange,
        cancelled: &AtomicBool,
        emit: &mut dyn FnMut(Outcome),
    ) -> Result<(), TrainError> {
        if restarts.count() < FEWEST_SIDE_BY_SIDE || restarts.count() > self.pod_width() {
            for restart in restarts.iter() {
                emit(self.train(restart, cancelled)?);
            }
            return Ok(());
        }
        let trained = match self.precision {
            Precision::F32 => self.descend_together::<f32>(restarts, cancelled)?,
            Precision::F64 => self.descend_together::<f64>(restarts, cancelled)?,
        };
        for (restart, trained) in restarts.iter().zip(trained) {
            emit(self.finish(&self.dataset, restart, trained, cancelled)?);
        }
        Ok(())
    }

    /// The parameters' digests that training `restarts` ends with, without norm, polish and sketches, all on
    /// the data of stream 0: for measurements.
    pub fn end_points(
        &self,
        restarts: RestartRange,
        cancelled: &AtomicBool,
    ) -> Result<Vec<ParameterDigest>, TrainError> {
        let mut digests = Vec::with_capacity(restarts.count() as usize);
        for pod in self.pods(restarts) {
            let trained = match self.precision {
                Precision::F32 => self.descend_side_by_side::<f32>(pod, cancelled)?,
                Precision::F64 => self.descend_side_by_side::<f64>(pod, cancelled)?,
            };
            digests.extend(trained.iter().map(|trained| digest(self.precision, &trained.theta)));
        }
        Ok(digests)
    }

    /// Uses exactly these lanes: for tests and measurements. No outcome depends on them.
    pub fn force_lanes(&mut self, lanes: Lanes) {
        self.lanes = lanes;
    }

    /// As [`Prepared::descend`], for a pod: side by side where that pays, else one after the other.
    fn descend_side_by_side<S: Precise>(
        &self,
        pod: RestartRange,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Trained>, Cancelled> {
        if pod.count() < FEWEST_SIDE_BY_SIDE {
            return pod.iter().map(|restart| self.descend::<S>(&self.dataset, restart, cancelled)).collect();
        }
        self.descend_together::<S>(pod, cancelled)
    }

    /// As [`Prepared::descend`], many trials at once.
    fn descend_together<S: Precise>(
        &self,
        restarts: RestartRange,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Trained>, Cancelled> {
        let rows = RoundedRows::<S>::new(&self.dataset.train);
        let test = RoundedRows::<S>::new(&self.dataset.test);
        let common = pod::Common {
            network: &self.network,
            train: &self.experiment.train,
            rows: rows.as_batch(),
            test: test.as_batch(),
            labels: self.dataset.labels,
            lanes: self.lanes,
            cancelled,
        };
        let starts: Vec<Vec<S>> = restarts.iter().map(|restart| self.start_of(restart)).collect();
        let order = |restart| {
            let stream = plan::streams(&self.experiment, restart).order;
            self.order(self.dataset.train.features.nrows(), stream)
        };
        let orders = match plan::order_matters(&self.experiment) {
            true => pod::Orders::Own(restarts.iter().map(order).collect()),
            false => pod::Orders::Same(Box::new(order(restarts.start()))),
        };
        match self.lanes.level() {
            Level::Baseline => pod::train::<S>(&common, &starts, orders),
            Level::Avx2 => pod::train::<S::Avx2>(&common, &starts, orders),
            Level::Avx512 => pod::train::<S::Avx512>(&common, &starts, orders),
        }
    }

    /// Where a trial starts, in the training precision.
    fn start_of<S: Scalar>(&self, restart: u32) -> Vec<S> {
        let streams = plan::streams(&self.experiment, restart);
        let streams = StartStreams { init: streams.init, perturb: streams.perturb };
        let start = init::sample(&self.experiment.init, &self.network, self.seed, streams, &self.start);
        start.into_iter().map(S::from_f64).collect()
    }

    fn replay_on(
        &self,
        dataset: &Dataset,
        restart: u32,
        cancelled: &AtomicBool,
    ) -> Result<Replay, TrainError> {
        let trained = match self.precision {
            Precision::F32 => self.descend::<f32>(dataset, restart, cancelled)?,
            Precision::F64 => self.descend::<f64>(dataset, restart, cancelled)?,
        };
        let parameters = safetensors::write(&self.network, &trained.theta, self.precision);
        Ok(Replay { outcome: self.finish(dataset, restart, trained, cancelled)?, parameters })
    }

    /// From the end of training to the outcome: norm, polish, certificate, fingerprint.
    fn finish(
        &self,
        dataset: &Dataset,
        restart: u32,
        trained: Trained,
        cancelled: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let Trained { stopped, theta, train, test } = trained;
        let digest = digest(self.precision, &theta);
        if stopped.reason == StopReason::Diverged {
            return Ok(diverged(restart, stopped.steps, digest, &train, test.as_ref()));
        }
        let grad_norm = self.grad_norm(dataset, &theta, cancelled)?;
        let problem = Problem {
            network: &self.network,
            dataset,
            loss: self.experiment.train.loss,
            l2: self.experiment.train.l2,
            polish: self.polish_budget(dataset),
            probes: &self.probes,
        };
        let finish = minima::finish(&problem, &theta, cancelled).ok_or(TrainError::Cancelled)?;
        Ok(Outcome {
            restart,
            stop_reason: stopped.reason,
            steps: stopped.steps,
            loss_train: train.loss,
            loss_test: test.as_ref().map(|test| test.loss),
            accuracy_train: train.accuracy,
            accuracy_test: test.and_then(|test| test.accuracy),
            grad_norm,
            digest,
            polish: finish.polish,
            sketch_raw: finish.sketch_raw,
            sketch_function: finish.sketch_function,
        })
    }

    /// Start, updates, stop and what the network scores there, in the training precision.
    fn descend<S: Scalar>(
        &self,
        dataset: &Dataset,
        restart: u32,
        cancelled: &AtomicBool,
    ) -> Result<Trained, Cancelled> {
        let streams = plan::streams(&self.experiment, restart);
        let settings = &self.experiment.train;
        let rows = RoundedRows::<S>::new(&dataset.train);
        let start = self.start_of(restart);
        let order = self.order(dataset.train.features.nrows(), streams.order);
        let mut descent = Descent::new(&self.network, settings, rows.as_batch(), start, cancelled);
        let mut stopped = descent.run(order)?;
        let theta = descent.theta;

        let evaluation = Evaluation { network: &self.network, loss: settings.loss, cancelled };
        let train = evaluation.score(&theta, &rows.as_batch(), settings.l2, dataset.labels)?;
        let test = match dataset.test.features.nrows() {
            0 => None,
            _ => {
                let rows = RoundedRows::<S>::new(&dataset.test);
                Some(evaluation.score(&theta, &rows.as_batch(), 0.0, dataset.labels)?)
            }
        };
        if !train.loss.is_finite() {
            stopped.reason = StopReason::Diverged;
        }
        Ok(Trained { stopped, theta: theta.into_iter().map(S::to_f64).collect(), train, test })
    }

    /// In which order the batches of a trial take `rows` rows.
    fn order(&self, rows: usize, stream: u64) -> Order {
        let Experiment { train, fork, .. } = &self.experiment;
        match (train.batch, *fork) {
            _ if !train.shuffle => Order::of_file(rows),
            (Batch::Size(batch), Some(fork)) => Order::forked(rows, self.seed, stream, fork, batch as usize),
            _ => Order::new(rows, self.seed, stream),
        }
    }

    /// Euclidean norm of the full-batch gradient at `theta`, in f64.
    fn grad_norm(&self, dataset: &Dataset, theta: &[f64], cancelled: &AtomicBool) -> Result<f64, Cancelled> {
        let rows = RoundedRows::<f64>::new(&dataset.train);
        let batch = rows.as_batch();
        let mut workspace = self.network.workspace();
        let mut gradient = vec![0.0; theta.len()];
        let lanes = workspace.lanes();
        let mut pass = Pass::new(&self.network, theta, &batch, self.experiment.train.loss, &mut workspace);
        while pass.add_piece(false, Some(&mut gradient)) {
            look(cancelled)?;
        }
        pass.finish_gradient(self.experiment.train.l2, &mut gradient);
        Ok(lanes.run(SquaredNorm { values: &gradient }).sqrt())
    }

    fn polish_budget(&self, dataset: &Dataset) -> Option<u32> {
        let minima = &self.experiment.minima;
        let parameters = self.network.parameter_count();
        let work = parameters as u64 * dataset.train.features.nrows() as u64;
        let on = match minima.polish {
            PolishMode::On => true,
            PolishMode::Off => false,
            PolishMode::Auto => work <= AUTO_POLISH_WORK && parameters <= limits::DENSE_HESSIAN_PARAMETERS,
        };
        on.then_some(minima.polish_max_steps)
    }
}

/// A trial trained again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Its outcome.
    pub outcome: Outcome,
    /// The parameters where training ended, before the polish, as a `.safetensors` file.
    pub parameters: Vec<u8>,
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

/// A network where training left it.
struct Trained {
    stopped: Stopped,
    /// The parameters, widened exactly.
    theta: Vec<f64>,
    train: Score,
    test: Option<Score>,
}

/// How well a network does on some rows.
struct Score {
    loss: f64,
    /// `None` for regression.
    accuracy: Option<f64>,
}

/// Rows in the training precision, each value rounded once.
struct RoundedRows<S> {
    features: Vec<S>,
    targets: Vec<S>,
}

impl<S: Scalar> RoundedRows<S> {
    fn new(rows: &Rows) -> Self {
        Self {
            features: rows.features.iter().map(|&value| S::from_f64(value)).collect(),
            targets: rows.targets.iter().map(|&value| S::from_f64(value)).collect(),
        }
    }

    fn as_batch(&self) -> network::Batch<'_, S> {
        network::Batch { features: &self.features, targets: &self.targets }
    }
}

struct Evaluation<'a> {
    network: &'a Network,
    loss: Loss,
    cancelled: &'a AtomicBool,
}

impl Evaluation<'_> {
    /// Mean loss with `l2` and share of rows classified right.
    fn score<S: Scalar>(
        &self,
        theta: &[S],
        rows: &network::Batch<'_, S>,
        l2: f64,
        labels: Labels,
    ) -> Result<Score, Cancelled> {
        let width = self.network.output_width();
        let mut workspace: Workspace<S> = self.network.workspace();
        let mut pass = Pass::new(self.network, theta, rows, self.loss, &mut workspace);
        let mut right = 0_usize;
        loop {
            let more = pass.add_piece(true, None);
            let (outputs, targets) = pass.last_piece();
            let pairs = outputs.chunks_exact(width).zip(targets.chunks_exact(width));
            right += pairs.filter(|(f, y)| is_right(labels, self.loss, f, y)).count();
            look(self.cancelled)?;
            if !more {
                break;
            }
        }
        let count = rows.targets.len() / width;
        let accuracy = (labels != Labels::Regression).then(|| right as f64 / count as f64);
        Ok(Score { loss: pass.finish_loss(l2).to_f64(), accuracy })
    }
}

/// Whether a row's outputs name the class of its targets: the largest output (the first of equal ones), or the side
/// of the threshold between two classes on which the output lies (the threshold itself counts as the lower class).
fn is_right<S: Scalar>(labels: Labels, loss: Loss, outputs: &[S], targets: &[S]) -> bool {
    let above = |values: &[S], threshold: f64| values[0].to_f64() > threshold;
    match (labels, loss) {
        (Labels::Regression, _) => false,
        (Labels::OneHot, _) => largest(outputs) == largest(targets),
        (Labels::Signed, _) => above(outputs, 0.0) == above(targets, 0.0),
        // the logistic output is a logit
        (Labels::Binary, Loss::Logistic) => above(outputs, 0.0) == above(targets, 0.5),
        (Labels::Binary, _) => above(outputs, 0.5) == above(targets, 0.5),
    }
}

fn largest<S: Scalar>(values: &[S]) -> usize {
    let mut largest = 0;
    for (i, value) in values.iter().enumerate() {
        if value.gt(values[largest]) {
            largest = i;
        }
    }
    largest
}

/// First 16 bytes of BLAKE3 over the parameters' bytes in the training precision; every NaN counts as the same one,
/// because its sign and payload differ between machines.
fn digest(precision: Precision, theta: &[f64]) -> ParameterDigest {
    let mut hasher = blake3::Hasher::new();
    for &value in theta {
        match precision {
            Precision::F32 if value.is_nan() => hasher.update(&f32::NAN.to_le_bytes()),
            Precision::F64 if value.is_nan() => hasher.update(&f64::NAN.to_le_bytes()),
            Precision::F32 => hasher.update(&(value as f32).to_le_bytes()),
            Precision::F64 => hasher.update(&value.to_le_bytes()),
        };
    }
    let mut digest = ParameterDigest::default();
    hasher.finalize_xof().fill(&mut digest);
    digest
}

/// What a diverged trial leaves: where it was, and NaN for what has no meaning there.
fn diverged(
    restart: u32,
    steps: u64,
    digest: ParameterDigest,
    train: &Score,
    test: Option<&Score>,
) -> Outcome {
    Outcome {
        restart,
        stop_reason: StopReason::Diverged,
        steps,
        loss_train: f64::NAN,
        loss_test: test.map(|_| f64::NAN),
        accuracy_train: train.accuracy.map(|_| f64::NAN),
        accuracy_test: test.and_then(|test| test.accuracy).map(|_| f64::NAN),
        grad_norm: f64::NAN,
        digest,
        polish: None,
        sketch_raw: [f64::NAN; SKETCH_LENGTH],
        sketch_function: [f64::NAN; SKETCH_LENGTH],
    }
}
