//! Where a pod's parameters and values lie: rows of lane values, padded so that they do not share sets of the cache.

use crate::nn::layer::Layer;
use crate::nn::network::Network;

/// From this width on rows are padded to an odd length, so that they do not fall on the same sets of the cache.
const PADDED_WIDTH: usize = 16;

/// A layer's place among the pod's parameters: weights (outputs, stride), then biases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    pub(super) layer: Layer,
    pub(super) offset: usize,
    pub(super) stride: usize,
}

impl Strip {
    /// The places of all layers, one after the other, and the length of all.
    pub(super) fn of(network: &Network) -> (Vec<Self>, usize) {
        let mut strips = Vec::with_capacity(network.layers().len());
        let mut offset = 0;
        for &layer in network.layers() {
            let strip = Self { layer, offset, stride: padded(layer.inputs) };
            offset = strip.end();
            strips.push(strip);
        }
        (strips, offset)
    }

    #[inline(always)]
    pub(super) fn weight_count(&self) -> usize {
        self.layer.outputs * self.stride
    }

    /// Where the parameters of the layer end.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        self.offset + self.weight_count() + self.layer.outputs
    }

    /// Weights and biases in a vector laid out like the parameters.
    #[inline(always)]
    pub(super) fn split<'v, V>(&self, vector: &'v [V]) -> (&'v [V], &'v [V]) {
        vector[self.offset..self.end()].split_at(self.weight_count())
    }

    /// As [`Strip::split`], to write to.
    #[inline(always)]
    pub(super) fn split_mut<'v, V>(&self, vector: &'v mut [V]) -> (&'v mut [V], &'v mut [V]) {
        vector[self.offset..self.end()].split_at_mut(self.weight_count())
    }
}

/// Length of a row of `width` values in memory.
pub(super) fn padded(width: usize) -> usize {
    if width < PADDED_WIDTH { width } else { width | 1 }
}

/// Places of the parameters, in drawing order.
#[inline(always)]
pub(super) fn places(strips: &[Strip]) -> impl Iterator<Item = usize> {
    strips.iter().flat_map(|strip| {
        let Strip { layer, offset, stride } = *strip;
        let weights =
            (0..layer.outputs).flat_map(move |u| (0..layer.inputs).map(move |k| offset + u * stride + k));
        weights.chain((0..layer.outputs).map(move |u| offset + layer.outputs * stride + u))
    })
}
