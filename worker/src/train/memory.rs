//! How much memory a slot takes while it trains and ends its trials: told before anything is allocated.

use seedsweep_common::spec::{Optimizer, Precision};

use super::Axis;
use crate::minima;
use crate::nn;
use crate::nn::any_pod::AnyPod;
use crate::nn::lane::{Lane, Level, Precise};
use crate::nn::network::Network;
use crate::nn::stream::LaneRows;
use crate::nn::unit::Unit;

/// Bytes of what is small whatever the network: generators, lists of trials, one outcome.
const REST: usize = 16 << 10;

/// What the memory of a slot hangs on.
pub(super) struct Slot<'a> {
    pub(super) network: &'a Network,
    pub(super) optimizer: &'a Optimizer,
    pub(super) axis: Axis,
    /// Trials that a slot holds at once.
    pub(super) trials: usize,
    /// Training rows, and how many of them an update takes.
    pub(super) rows: usize,
    pub(super) batch: usize,
    /// Whether the rows of an update are drawn for it.
    pub(super) is_fresh: bool,
    /// Whether the restarts of a pod visit the rows in different orders.
    pub(super) own_rows: bool,
    /// Whether there are stop rules, which need the gradient before the update.
    pub(super) has_rules: bool,
    /// Rows of a trial's own data, to train and to test on; 0 where all trials share them.
    pub(super) own_data: usize,
    /// Whether end points are polished.
    pub(super) is_polished: bool,
}

impl Slot<'_> {
    /// Bytes at most: of training, or of what follows it for one trial after the other. The trials' starts and end points
    /// are held meanwhile.
    pub(super) fn bytes(&self, precision: Precision, level: Level) -> usize {
        let (training, number) = match precision {
            Precision::F32 => (self.training_at::<f32>(level), size_of::<f32>()),
            Precision::F64 => (self.training_at::<f64>(level), size_of::<f64>()),
        };
        let norm = match level {
            Level::Baseline => self.norm::<f64>(),
            Level::Avx2 => self.norm::<<f64 as Precise>::Avx2>(),
            Level::Avx512 => self.norm::<<f64 as Precise>::Avx512>(),
        };
        let parameters = self.network.parameter_count();
        let points = |number: usize| self.trials * parameters * number;
        // ends are widened when the trials have ended; one network is there until it is widened
        let training = match self.axis {
            Axis::Restart => points(number) + (points(number) + training).max(points(size_of::<f64>())),
            Axis::Unit => 2 * points(number) + points(size_of::<f64>()) + training,
        };
        // a norm is summed in drawing order
        let norm = norm + parameters * size_of::<f64>();
        let ending = norm.max(minima::bytes(self.network, self.rows, self.is_polished));
        let width = self.network.input_width() + self.network.output_width();
        let data = self.own_data * width * (size_of::<f64>() + number);
        REST + data + training.max(points(size_of::<f64>()) + ending)
    }

    fn training_at<S: Precise>(&self, level: Level) -> usize {
        match level {
            Level::Baseline => self.training::<S>(),
            Level::Avx2 => self.training::<S::Avx2>(),
            Level::Avx512 => self.training::<S::Avx512>(),
        }
    }

    fn training<V: Lane>(&self) -> usize {
        let is_gathered = self.batch < self.rows;
        let inputs = self.network.input_width();
        let drawn = match self.axis {
            _ if !self.is_fresh => 0,
            Axis::Restart => LaneRows::<V>::bytes(self.batch, inputs),
            Axis::Unit if self.network.sum().is_some() => LaneRows::<V::Elem>::bytes(self.batch, inputs),
            Axis::Unit => self.batch * (inputs + 1) * size_of::<V::Elem>(),
        };
        let (parameters, buffers) = match self.axis {
            Axis::Restart => AnyPod::<V>::bytes(self.network, self.own_rows),
            Axis::Unit if self.network.sum().is_some() => {
                AnyPod::<V::Elem>::bytes(self.network, self.own_rows)
            }
            Axis::Unit => Unit::<V>::bytes(self.network, self.batch, is_gathered, self.has_rules),
        };
        let moments = nn::optimizer::Optimizer::<V>::bytes(self.optimizer, parameters);
        // many updates at once can be taken back
        let before = match self.axis {
            Axis::Restart if !is_gathered => parameters * size_of::<V>() + moments,
            _ => 0,
        };
        let orders = if self.own_rows && self.axis == Axis::Restart { V::WIDTH } else { 1 };
        buffers + drawn + moments + before + orders * self.rows * size_of::<usize>()
    }

    fn norm<V: Lane>(&self) -> usize {
        if self.network.sum().is_some() {
            return AnyPod::<f64>::bytes(self.network, false).1;
        }
        Unit::<V>::bytes(self.network, self.rows, false, true).1
    }
}
