//! How much memory a slot takes while it trains: told before anything is allocated.

use seedsweep_common::spec::{Optimizer, Precision};

use super::Axis;
use crate::nn;
use crate::nn::any_pod::AnyPod;
use crate::nn::lane::{Lane, Level, Precise};
use crate::nn::network::Network;
use crate::nn::stream::LaneRows;
use crate::nn::unit::Unit;

/// What the memory of a slot hangs on.
pub(super) struct Slot<'a> {
    pub(super) network: &'a Network,
    pub(super) optimizer: &'a Optimizer,
    pub(super) axis: Axis,
    /// Training rows, and how many of them an update takes.
    pub(super) rows: usize,
    pub(super) batch: usize,
    /// Whether the rows of an update are drawn for it.
    pub(super) is_fresh: bool,
    /// Whether the restarts of a pod visit the rows in different orders.
    pub(super) own_rows: bool,
    /// Whether there are stop rules, which need the gradient before the update.
    pub(super) has_rules: bool,
}

impl Slot<'_> {
    /// Bytes of the buffers: those of training, or of the f64 gradient norm after it, where these are more.
    pub(super) fn bytes(&self, precision: Precision, level: Level) -> usize {
        let training = match precision {
            Precision::F32 => self.training_at::<f32>(level),
            Precision::F64 => self.training_at::<f64>(level),
        };
        let norm = match level {
            Level::Baseline => self.norm::<f64>(),
            Level::Avx2 => self.norm::<<f64 as Precise>::Avx2>(),
            Level::Avx512 => self.norm::<<f64 as Precise>::Avx512>(),
        };
        training.max(norm)
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
        buffers + drawn + nn::optimizer::Optimizer::<V>::bytes(self.optimizer, parameters)
    }

    fn norm<V: Lane>(&self) -> usize {
        if self.network.sum().is_some() {
            return AnyPod::<f64>::bytes(self.network, false).1;
        }
        Unit::<V>::bytes(self.network, self.rows, false, true).1
    }
}
