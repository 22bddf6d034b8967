//! Restart lanes of either kind of network, so that what trains them need not know which.

use seedsweep_common::spec::Loss;

use crate::nn::lane::{Lane, Lanes};
use crate::nn::network::{Batch, Network};
use crate::nn::pod::{self, Pick, Rule, Wanted};
use crate::nn::relu_sum;
use crate::nn::stream::LaneRows;

/// Networks side by side. What each does stands at [`pod::Pod`].
#[derive(Debug)]
pub(crate) enum AnyPod<'a, V: Lane> {
    /// Layers.
    Layers(pod::Pod<'a, V>),
    /// A sum of relus.
    Sum(relu_sum::pod::Pod<'a, V>),
}

impl<'a, V: Lane> AnyPod<'a, V> {
    /// Lanes of `network` to be trained on `rows`; all parameters are 0.
    pub(crate) fn new(
        network: &Network,
        loss: Loss,
        l2: f64,
        rows: Batch<'a, V::Elem>,
        lanes: Lanes,
    ) -> Self {
        match network.sum() {
            Some(sum) => Self::Sum(relu_sum::pod::Pod::new(sum, loss, l2, rows, lanes)),
            None => Self::Layers(pod::Pod::new(network, loss, l2, rows, lanes)),
        }
    }

    /// Lane values of the parameters, and bytes of all buffers of a pod whose lanes have their own rows or not.
    pub(crate) fn bytes(network: &Network, own_rows: bool) -> (usize, usize) {
        match network.sum() {
            Some(sum) => relu_sum::pod::Pod::<V>::bytes(sum),
            None => pod::Pod::<V>::bytes(network, own_rows),
        }
    }

    /// Works off at most `rows` rows at once. A sum of relus has no pieces.
    pub(crate) fn limit_piece(&mut self, rows: usize) {
        match self {
            Self::Layers(pod) => pod.limit_piece(rows),
            Self::Sum(_) => {}
        }
    }

    /// Puts the parameters `theta`, in drawing order, into lane `lane`.
    pub(crate) fn set(&mut self, lane: usize, theta: &[V::Elem]) {
        match self {
            Self::Layers(pod) => pod.set(lane, theta),
            Self::Sum(pod) => pod.set(lane, theta),
        }
    }

    /// The parameters of lane `lane`, in drawing order.
    pub(crate) fn get(&self, lane: usize) -> Vec<V::Elem> {
        match self {
            Self::Layers(pod) => pod.get(lane),
            Self::Sum(pod) => pod.get(lane),
        }
    }

    /// The parameters of all lanes, in drawing order.
    pub(crate) fn values(&self) -> Vec<V> {
        match self {
            Self::Layers(pod) => pod.values(),
            Self::Sum(pod) => pod.theta.clone(),
        }
    }

    /// Parameters and gradient to make an update of, and what to make it on.
    pub(crate) fn update_parts(&mut self) -> (&mut [V], &mut [V], Lanes) {
        match self {
            Self::Layers(pod) => (&mut pod.theta, &mut pod.gradient, pod.lanes),
            Self::Sum(pod) => (&mut pod.theta, &mut pod.gradient, pod.lanes),
        }
    }

    /// Gradient and loss over the picked rows.
    pub(crate) fn pass<E>(
        &mut self,
        pick: Pick<'_>,
        wanted: Wanted,
        look: impl FnMut(&[V], &[V]) -> Result<(), E>,
    ) -> Result<V, E> {
        match self {
            Self::Layers(pod) => pod.pass(pick, wanted, look),
            Self::Sum(pod) => pod.pass(pick, wanted, look),
        }
    }

    /// The gradient over rows that are no part of the data.
    ///
    /// # Panics
    /// If the network is layers: they train on a stream one at a time, in unit lanes.
    pub(crate) fn pass_fresh<E>(
        &mut self,
        rows: &LaneRows<V>,
        look: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Layers(_) => unreachable!("layers train on a stream one at a time"),
            Self::Sum(pod) => pod.pass_fresh(rows, look),
        }
    }

    /// Makes `count` updates on the same rows at once, or says no and does nothing.
    pub(crate) fn update(&mut self, pick: Pick<'_>, count: u64, rule: Rule<'_, V>) -> bool {
        match self {
            Self::Layers(pod) => pod.update(pick, count, rule),
            Self::Sum(_) => false,
        }
    }

    /// Makes an update on the picked rows, or says no and does nothing.
    pub(crate) fn descend(&mut self, pick: Pick<'_>, rule: Rule<'_, V>) -> bool {
        match self {
            Self::Layers(pod) => pod.descend(pick, rule),
            Self::Sum(_) => false,
        }
    }

    /// Σ g² of each lane, in drawing order.
    pub(crate) fn squared_gradient_norm(&self) -> V {
        match self {
            Self::Layers(pod) => pod.squared_gradient_norm(),
            Self::Sum(pod) => pod.squared_gradient_norm(),
        }
    }

    /// 0 where all parameters are finite, else NaN.
    pub(crate) fn finite_or_nan(&self) -> V {
        match self {
            Self::Layers(pod) => pod.finite_or_nan(),
            Self::Sum(pod) => pod.finite_or_nan(),
        }
    }

    /// Width of the output.
    pub(crate) fn output_width(&self) -> usize {
        match self {
            Self::Layers(pod) => pod.output_width(),
            Self::Sum(_) => 1,
        }
    }
}
