//! One trial from start to outcome: pure, no clock, no global generator.

mod axis;
mod compared;
mod descent;
mod ends;
mod memory;
mod phases;
mod pod;
mod prepare;
mod rounded;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seedsweep_common::digest::Digest;
use seedsweep_common::fingerprint::{ParameterDigest, SKETCH_LENGTH};
use seedsweep_common::measure::Measured;
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec::{Batch, DataSource, Experiment, Loss, PolishMode, Precision, Train};
use seedsweep_common::{limits, plan};

use crate::cost::Shape;
use crate::measure::{self, Track};
use crate::minima::{self, Probes, Problem};
use crate::nn::data::{self, DataError, Dataset};
use crate::nn::init::{self, StartStreams, safetensors};
use crate::nn::lane::{Lane, Lanes, Level, Precise};
use crate::nn::network::{self, Network};
use crate::nn::order::Order;
use crate::nn::scalar::Scalar;
use crate::nn::stream::Stream;
pub use axis::Axis;
use descent::{Cancelled, Feed, Stopped};
pub use ends::{End, EndError};
use memory::Slot;
pub use phases::Phase;
use pod::{Feeds, Source};
pub use prepare::PrepareError;
use rounded::{Rounded, Sides, is_right, right, row_major};

/// Largest product of parameters and training rows at which `polish = "auto"` polishes: a step costs about as much
/// as an epoch, and there may be thousands.
const AUTO_POLISH_WORK: u64 = 200_000;

/// Parameters hashed at once.
const DIGEST_VALUES: usize = 4_096;
/// Most trials that a lane takes one after the other: enough for the wait for the last ones to be short beside them.
const TRIALS_PER_LANE: u32 = 16;

/// An experiment with its data built, shared by all slots.
#[derive(Debug)]
pub struct Prepared {
    experiment: Experiment,
    seed: u64,
    precision: Precision,
    network: Network,
    /// The data of `data` stream 0: of every restart, unless `data` varies.
    dataset: Dataset,
    /// The same in the training precision.
    rounded: Rounded,
    /// Common to all restarts, so that their sketches compare even where `data` varies.
    probes: Probes,
    /// Values of the start file; empty without one.
    start: Vec<f64>,
    /// Content of the data files by digest, where restarts split them anew; empty elsewhere.
    files: HashMap<Digest, Arc<[u8]>>,
    /// What trials run on.
    lanes: Lanes,
    /// What shares a register, where it is not to be chosen.
    forced_axis: Option<Axis>,
    /// Most rows worked off at once; fewer where the buffers hold fewer.
    piece: usize,
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
    /// Rows that an epoch goes over: those to train on, or what the plan takes for them where the loss needs none.
    fn epoch_rows(&self) -> usize {
        let planned = match self.experiment.train.loss {
            Loss::Population => plan::training_rows(&self.experiment.data),
            Loss::Mse | Loss::CrossEntropy | Loss::Logistic => None,
        };
        planned.map_or(self.dataset.train.features.nrows(), |rows| rows as usize)
    }

    /// Whether every update has rows of its own.
    fn is_fresh(&self) -> bool {
        matches!(self.experiment.data.source, DataSource::TeacherStream { .. })
    }

    /// Updates that the budget allows on `rows` training rows.
    fn updates(&self, rows: usize) -> u64 {
        plan::updates(&self.experiment.train, rows as u64).unwrap_or(u64::MAX)
    }

    /// Trains restart `restart`: start, training, polish, certificate, fingerprint. `cancelled` is looked at after
    /// each piece of at most some hundred million multiplications, so that an answer comes within a second.
    pub fn train(&self, restart: u32, cancelled: &AtomicBool) -> Result<Outcome, TrainError> {
        Ok(self.replay(restart, cancelled)?.outcome)
    }

    /// As [`Prepared::train`], with the parameters where training ended.
    pub fn replay(&self, restart: u32, cancelled: &AtomicBool) -> Result<Replay, TrainError> {
        let own_data = self.own_data(restart)?;
        let trained = self.descend_on(own_data.as_ref(), restart, cancelled)?;
        let parameters = safetensors::write(&self.network, &trained.theta, self.precision);
        let dataset = own_data.as_ref().unwrap_or(&self.dataset);
        Ok(Replay { outcome: self.finish(dataset, restart, trained, cancelled)?.0, parameters })
    }

    /// Restarts that fill a register.
    fn lane_count(&self) -> u32 {
        let count = match (self.lanes.level(), self.precision) {
            (Level::Baseline, _) => 1,
            (Level::Avx2, Precision::F32) => <f32 as Precise>::Avx2::WIDTH,
            (Level::Avx2, Precision::F64) => <f64 as Precise>::Avx2::WIDTH,
            (Level::Avx512, Precision::F32) => <f32 as Precise>::Avx512::WIDTH,
            (Level::Avx512, Precision::F64) => <f64 as Precise>::Avx512::WIDTH,
        };
        count as u32
    }

    /// What shares a register where `trials` restarts train together.
    pub fn axis(&self, trials: u32) -> Axis {
        let lanes = self.lane_count();
        // layers have fresh rows in unit lanes only
        let is_alone = self.is_fresh() && self.network.sum().is_none();
        let can_share = lanes > 1 && !plan::data_matters(&self.experiment) && !is_alone;
        match self.forced_axis {
            _ if !can_share => Axis::Unit,
            Some(axis) => axis,
            None => axis::choose(&self.network, trials.min(lanes), lanes),
        }
    }

    /// How many trials run side by side at most; 1 where each runs alone.
    fn pod_width(&self) -> u32 {
        match self.axis(self.lane_count()) {
            Axis::Restart => self.lane_count(),
            Axis::Unit => 1,
        }
    }

    /// Bytes that a slot takes at most: starts, ends, parameters, gradient, moments, values and rows of a pod, or of one
    /// network, while it trains; or the ends with the buffers of the f64 gradient norm, of the polish or of the sketches
    /// of one of them, where these are more. Neither the data that all slots share are counted, nor measures and
    /// outcomes, nor the null directions of a network too large for its Hessian. A polish that ends early takes less.
    pub fn slot_bytes(&self) -> u64 {
        let train = &self.experiment.train;
        let rows = self.dataset.train.features.nrows();
        let slot = Slot {
            network: &self.network,
            optimizer: &train.optimizer,
            axis: self.axis(self.lane_count()),
            trials: self.pod_size() as usize,
            rows,
            batch: match train.batch {
                Batch::Full => rows,
                Batch::Size(size) => size as usize,
            },
            is_fresh: self.is_fresh(),
            own_rows: plan::order_matters(&self.experiment),
            has_rules: descent::has_rules(&train.stop),
            own_data: match plan::data_matters(&self.experiment) {
                true => rows + self.dataset.test.features.nrows(),
                false => 0,
            },
            is_polished: self.polish_budget(&self.dataset).is_some(),
        };
        slot.bytes(self.precision, self.lanes.level()) as u64
    }

    /// How many trials a pod takes at most.
    fn pod_size(&self) -> u32 {
        match self.pod_width() {
            1 => 1,
            width if pod::refills(&self.experiment, self.epoch_rows()) => width * TRIALS_PER_LANE,
            width => width,
        }
    }

    /// `restarts` in pods, ascending.
    pub fn pods(&self, restarts: RestartRange) -> impl Iterator<Item = RestartRange> + use<> {
        let (size, end) = (self.pod_size(), restarts.end());
        let starts = restarts.iter().step_by(size as usize);
        starts.filter_map(move |start| RestartRange::new(start, end.min(start.saturating_add(size))))
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
        let descended = self.descend_pod(restarts, cancelled)?;
        self.finish_pod(descended, cancelled, emit)
    }

    /// The first half of [`Prepared::train_pod`]: start and training. Apart so that its time can be told.
    pub fn descend_pod(
        &self,
        restarts: RestartRange,
        cancelled: &AtomicBool,
    ) -> Result<Descended, TrainError> {
        if self.axis(restarts.count()) == Axis::Unit || restarts.count() > self.pod_size() {
            let alone = restarts.iter().map(|restart| {
                let own_data = self.own_data(restart)?;
                let trained = self.descend_on(own_data.as_ref(), restart, cancelled)?;
                Ok((restart, own_data, trained))
            });
            return Ok(Descended(alone.collect::<Result<_, TrainError>>()?));
        }
        let trained = self.descend_all(restarts, cancelled)?;
        Ok(Descended(
            restarts.iter().zip(trained).map(|(restart, trained)| (restart, None, trained)).collect(),
        ))
    }

    /// The second half: gradient norm, polish, certificate, fingerprint.
    pub fn finish_pod(
        &self,
        descended: Descended,
        cancelled: &AtomicBool,
        emit: &mut dyn FnMut(Outcome),
    ) -> Result<(), TrainError> {
        for (restart, own_data, trained) in descended.0 {
            let dataset = own_data.as_ref().unwrap_or(&self.dataset);
            emit(self.finish(dataset, restart, trained, cancelled)?.0);
        }
        Ok(())
    }

    /// The data of a trial that has its own.
    fn own_data(&self, restart: u32) -> Result<Option<Dataset>, TrainError> {
        if !plan::data_matters(&self.experiment) {
            return Ok(None);
        }
        let stream = plan::streams(&self.experiment, restart).data;
        let Experiment { data, network, train, .. } = &self.experiment;
        let files = |digest| self.files.get(&digest).cloned();
        Ok(Some(data::load(data, network, train.loss, self.seed, stream, &files)?))
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
            let trained = self.descend_all(pod, cancelled)?;
            digests.extend(trained.iter().map(|trained| digest(self.precision, &trained.theta)));
        }
        Ok(digests)
    }

    /// What the cost of its trials depends on.
    pub fn shape(&self) -> Shape<'_> {
        Shape {
            experiment: &self.experiment,
            precision: self.precision,
            train_rows: self.epoch_rows(),
            test_rows: self.dataset.test.features.nrows(),
            side_by_side: self.pod_width(),
            width: self.lane_count(),
            polished: self.polish_budget(&self.dataset).is_some(),
        }
    }

    /// Uses exactly these lanes: for tests and measurements. No outcome depends on them.
    pub fn force_lanes(&mut self, lanes: Lanes) {
        self.lanes = lanes;
    }

    /// Lets exactly this share a register wherever trials can: for tests and measurements. No outcome depends on it.
    pub fn force_axis(&mut self, axis: Axis) {
        self.forced_axis = Some(axis);
    }

    /// Works off at most so many rows at once: for tests. No outcome depends on it.
    pub fn force_piece(&mut self, rows: usize) {
        self.piece = rows;
    }

    /// As [`Prepared::descend`], for a pod: side by side where that pays, else one after the other.
    fn descend_all(&self, pod: RestartRange, cancelled: &AtomicBool) -> Result<Vec<Trained>, Cancelled> {
        if self.axis(pod.count()) == Axis::Unit || pod.count() > self.pod_size() {
            return pod.iter().map(|restart| self.descend(&self.rounded, restart, cancelled)).collect();
        }
        match &self.rounded {
            Rounded::Single(rows) => self.descend_together(rows, pod, cancelled),
            Rounded::Double(rows) => self.descend_together(rows, pod, cancelled),
        }
    }

    /// Many trials at once, in restart lanes.
    fn descend_together<S: Precise>(
        &self,
        rows: &Sides<S>,
        restarts: RestartRange,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Trained>, Cancelled> {
        let common = self.common(rows, cancelled);
        let starts: Vec<Vec<S>> = restarts.iter().map(|restart| self.start_of(restart)).collect();
        let stream = |trial: usize| plan::streams(&self.experiment, restarts.start() + trial as u32).order;
        let order = |trial| self.order(rows.count, stream(trial));
        let fresh = |trial| self.fresh(stream(trial));
        let feeds = match (self.is_fresh(), plan::order_matters(&self.experiment)) {
            (false, true) => Feeds::Rows(Source::Own(&order)),
            (false, false) => Feeds::Rows(Source::Same(Box::new(order(0)))),
            (true, true) => Feeds::Fresh(Source::Own(&fresh)),
            (true, false) => Feeds::Fresh(Source::Same(Box::new(fresh(0)))),
        };
        match self.lanes.level() {
            Level::Baseline => pod::train::<S>(&common, &starts, feeds),
            Level::Avx2 => pod::train::<S::Avx2>(&common, &starts, feeds),
            Level::Avx512 => pod::train::<S::Avx512>(&common, &starts, feeds),
        }
    }

    /// Where a trial starts, in the training precision.
    fn start_of<S: Scalar>(&self, restart: u32) -> Vec<S> {
        let streams = plan::streams(&self.experiment, restart);
        let streams = StartStreams { init: streams.init, perturb: streams.perturb };
        let start = init::sample(&self.experiment.init, &self.network, self.seed, streams, &self.start);
        start.into_iter().map(S::from_f64).collect()
    }

    /// Where a trial starts, widened from the training precision.
    fn widened_start(&self, restart: u32) -> Vec<f64> {
        match self.precision {
            Precision::F32 => self.start_of::<f32>(restart).into_iter().map(f64::from).collect(),
            Precision::F64 => self.start_of::<f64>(restart),
        }
    }

    /// Start to score, on the data of all trials or on a trial's own.
    fn descend_on(
        &self,
        own_data: Option<&Dataset>,
        restart: u32,
        cancelled: &AtomicBool,
    ) -> Result<Trained, Cancelled> {
        match own_data {
            Some(dataset) => self.descend(&Rounded::new(self.precision, dataset), restart, cancelled),
            None => self.descend(&self.rounded, restart, cancelled),
        }
    }

    /// From the end of training to the outcome: norm, polish, certificate, fingerprint; and the point it is of.
    fn finish(
        &self,
        dataset: &Dataset,
        restart: u32,
        trained: Trained,
        cancelled: &AtomicBool,
    ) -> Result<(Outcome, Vec<f64>), TrainError> {
        let Trained { stopped, theta, train, test, track } = trained;
        let digest = digest(self.precision, &theta);
        let start = || self.widened_start(restart);
        let measures = measure::finish(&self.experiment, &self.network, dataset, track, start, &theta);
        if stopped.reason == StopReason::Diverged {
            return Ok((diverged(restart, stopped.steps, digest, &train, test.as_ref(), measures), theta));
        }
        let grad_norm = self.grad_norm(dataset, &theta, cancelled)?;
        let finish =
            minima::finish(&self.problem(dataset), &theta, cancelled).ok_or(TrainError::Cancelled)?;
        let outcome = Outcome {
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
            sketch_canonical: finish.sketch_canonical,
            sketch_function: finish.sketch_function,
            measures,
        };
        Ok((outcome, finish.theta))
    }

    /// Start, updates, stop and what the network scores there, in the training precision.
    fn descend(&self, rounded: &Rounded, restart: u32, cancelled: &AtomicBool) -> Result<Trained, Cancelled> {
        match rounded {
            Rounded::Single(rows) => self.descend_alone(rows, restart, cancelled),
            Rounded::Double(rows) => self.descend_alone(rows, restart, cancelled),
        }
    }

    /// One trial, in unit lanes; a sum of relus has none, and is a pod of one.
    fn descend_alone<S: Precise>(
        &self,
        rows: &Sides<S>,
        restart: u32,
        cancelled: &AtomicBool,
    ) -> Result<Trained, Cancelled> {
        let common = self.common(rows, cancelled);
        let start = self.start_of(restart);
        let stream = plan::streams(&self.experiment, restart).order;
        if self.network.sum().is_some() {
            let feeds = match self.is_fresh() {
                true => Feeds::Fresh(Source::Same(Box::new(self.fresh(stream)))),
                false => Feeds::Rows(Source::Same(Box::new(self.order(rows.count, stream)))),
            };
            return pod::train::<S>(&common, &[start], feeds)?.pop().ok_or(Cancelled);
        }
        let feed = match self.is_fresh() {
            true => Feed::Fresh(self.fresh(stream)),
            false => Feed::Rows(self.order(rows.count, stream)),
        };
        match self.lanes.level() {
            Level::Baseline => descent::train::<S>(&common, &start, feed),
            Level::Avx2 => descent::train::<S::Avx2>(&common, &start, feed),
            Level::Avx512 => descent::train::<S::Avx512>(&common, &start, feed),
        }
    }

    /// What trials on the same rows have in common.
    fn common<'a, S>(&'a self, rows: &'a Sides<S>, cancelled: &'a AtomicBool) -> pod::Common<'a, S> {
        pod::Common {
            network: &self.network,
            experiment: &self.experiment,
            train: &self.experiment.train,
            rows: rows.train.as_batch(),
            test: rows.test.as_batch(),
            labels: self.dataset.labels,
            epoch_rows: self.epoch_rows(),
            lanes: self.lanes,
            piece: self.piece,
            cancelled,
        }
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

    /// The rows of a trial's updates, where these are fresh.
    fn fresh(&self, stream: u64) -> Stream {
        let (inputs, units) = match self.experiment.data.source {
            DataSource::TeacherStream { dims, teacher_units, .. } => (dims, teacher_units),
            _ => unreachable!("other data has rows"),
        };
        Stream::new(inputs, units, self.seed, stream, self.experiment.fork.unwrap_or(0))
    }

    /// Euclidean norm of the full-batch gradient at `theta`, in f64.
    fn grad_norm(&self, dataset: &Dataset, theta: &[f64], cancelled: &AtomicBool) -> Result<f64, Cancelled> {
        let (features, targets) = (row_major(&dataset.train.features), row_major(&dataset.train.targets));
        let rows = network::Batch { features: &features[..], targets: &targets[..] };
        let Train { loss, l2, .. } = self.experiment.train;
        if self.network.sum().is_some() {
            return pod::gradient_norm(&self.network, loss, l2, theta, rows, cancelled);
        }
        let norm = match self.lanes.level() {
            Level::Baseline => descent::gradient_norm::<f64>,
            Level::Avx2 => descent::gradient_norm::<<f64 as Precise>::Avx2>,
            Level::Avx512 => descent::gradient_norm::<<f64 as Precise>::Avx512>,
        };
        norm(&self.network, loss, l2, theta, rows, cancelled)
    }

    /// What trials on `dataset` minimise.
    fn problem<'a>(&'a self, dataset: &'a Dataset) -> Problem<'a> {
        Problem {
            network: &self.network,
            dataset,
            loss: self.experiment.train.loss,
            l2: self.experiment.train.l2,
            polish: self.polish_budget(dataset),
            probes: &self.probes,
        }
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

/// Trials that are trained but not polished: restart, data where they are its own, where it ended.
pub struct Descended(Vec<(u32, Option<Dataset>, Trained)>);

/// A network where training left it.
struct Trained {
    stopped: Stopped,
    /// The parameters, widened exactly.
    theta: Vec<f64>,
    train: Score,
    test: Option<Score>,
    /// What was measured on the way.
    track: Track,
}

/// How well a network does on some rows.
struct Score {
    loss: f64,
    /// `None` for regression.
    accuracy: Option<f64>,
}

/// First 16 bytes of BLAKE3 over the parameters' bytes in the training precision; every NaN counts as the same one,
/// because its sign and payload differ between machines.
fn digest(precision: Precision, theta: &[f64]) -> ParameterDigest {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    // in pieces long enough to be hashed in vector registers
    for values in theta.chunks(DIGEST_VALUES) {
        bytes.clear();
        match precision {
            Precision::F32 => bytes.extend(values.iter().flat_map(|&value| {
                let value = if value.is_nan() { f32::NAN } else { value as f32 };
                value.to_le_bytes()
            })),
            Precision::F64 => bytes.extend(values.iter().flat_map(|&value| {
                let value = if value.is_nan() { f64::NAN } else { value };
                value.to_le_bytes()
            })),
        }
        hasher.update(&bytes);
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
    measures: Vec<Measured>,
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
        sketch_canonical: None,
        sketch_function: [f64::NAN; SKETCH_LENGTH],
        measures,
    }
}
