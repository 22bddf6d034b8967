//! Where a network's numbers lie in lanes, and how they get there and back.

use super::panels::{Panels, registers};
use crate::nn::lane::{Lane, elements, elements_mut};
use crate::nn::layer::Layer;
use crate::nn::network::Network;

/// Most rows worked off at once: usual batches whole, and their values stay in the cache.
const PIECE_ROWS: usize = 128;
/// Rows × parameters worked off at once at most, in registers and number by number, so that whoever waits for a piece
/// waits milliseconds.
const PIECE_WORK: usize = 1 << 25;
const PIECE_WORK_OF_ONE_LANE: usize = 1 << 22;

/// Along which side of a layer's weights the registers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A register holds weights of one input: (inputs, outputs).
    Outputs,
    /// A register holds weights of one output: (outputs, inputs).
    Inputs,
}

/// A layer's places in the buffers, in lane values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sheet {
    pub(super) layer: Layer,
    /// Along which side the weights lie that are trained.
    pub(super) side: Side,
    /// Of these weights among the parameters.
    pub(super) weights: usize,
    /// Of the biases among the parameters.
    pub(super) biases: usize,
    /// Of the weights along the other side among the mirrors, where a product needs them.
    pub(super) mirror: Option<usize>,
}

impl Sheet {
    /// The weights along `side`.
    #[inline(always)]
    pub(super) fn panels(&self, side: Side) -> Panels {
        let Layer { inputs, outputs, .. } = self.layer;
        match side {
            Side::Outputs => Panels { depth: inputs, columns: outputs },
            Side::Inputs => Panels { depth: outputs, columns: inputs },
        }
    }

    /// The weights along `side` and where they begin: among the parameters (`theta`) or the mirrors.
    #[inline(always)]
    pub(super) fn weights<'v, V: Lane>(
        &self,
        side: Side,
        theta: &'v [V],
        mirrors: &'v [V],
    ) -> (Panels, &'v [V]) {
        let panels = self.panels(side);
        let (from, buffer) = match self.mirror {
            Some(mirror) if side != self.side => (mirror, mirrors),
            _ => (self.weights, theta),
        };
        (panels, &buffer[from..from + panels.len::<V>()])
    }
}

/// How a network lies in lanes `V`, and how large its buffers are.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) sheets: Vec<Sheet>,
    /// Lane values of the parameters and of the mirrors.
    pub(super) parameters: usize,
    pub(super) mirrors: usize,
    /// Rows that fit.
    pub(super) piece: usize,
    /// Numbers from one row of gathered features to the next.
    pub(super) input_stride: usize,
}

impl Layout {
    pub(super) fn new<V: Lane>(network: &Network) -> Self {
        let (mut parameters, mut mirrors) = (0, 0);
        let mut sheets = Vec::with_capacity(network.layers().len());
        for (l, &layer) in network.layers().iter().enumerate() {
            let along_outputs = layer.inputs * registers::<V>(layer.outputs);
            let along_inputs = layer.outputs * registers::<V>(layer.inputs);
            let side = if along_outputs <= along_inputs { Side::Outputs } else { Side::Inputs };
            let mut sheet = Sheet { layer, side, weights: parameters, biases: 0, mirror: None };
            sheet.biases = parameters + sheet.panels(side).len::<V>();
            parameters = sheet.biases + registers::<V>(layer.outputs);
            // forward reads along the outputs, unless there is but one; the δ below a layer along its inputs
            let needs_mirror = match side {
                Side::Inputs => layer.outputs > 1,
                Side::Outputs => l > 0,
            };
            if needs_mirror {
                let other = if side == Side::Inputs { Side::Outputs } else { Side::Inputs };
                sheet.mirror = Some(mirrors);
                mirrors += sheet.panels(other).len::<V>();
            }
            sheets.push(sheet);
        }
        let inputs = network.input_width();
        let input_stride = match sheets[0].side {
            Side::Outputs => inputs,
            Side::Inputs => registers::<V>(inputs) * V::WIDTH,
        };
        let work = if V::WIDTH == 1 { PIECE_WORK_OF_ONE_LANE } else { PIECE_WORK };
        let piece = (work / network.parameter_count()).clamp(1, PIECE_ROWS);
        Self { sheets, parameters, mirrors, piece, input_stride }
    }

    pub(super) fn last(&self) -> &Sheet {
        &self.sheets[self.sheets.len() - 1]
    }
}

/// Copies a layer's weights (outputs, inputs) to where they are trained.
pub(super) fn copy_in<V: Lane>(sheet: &Sheet, weights: &[V::Elem], to: &mut [V::Elem]) {
    let panels = sheet.panels(sheet.side);
    match sheet.side {
        Side::Inputs => panels.for_each_run::<V>(|from, at, count| {
            to[at..at + count].copy_from_slice(&weights[from..from + count]);
        }),
        Side::Outputs => panels.for_each_run_transposed::<V>(|from, at, count| {
            let column = weights[from..].iter().step_by(panels.depth);
            to[at..at + count].iter_mut().zip(column).for_each(|(to, &w)| *to = w);
        }),
    }
}

/// The inverse of [`copy_in`].
pub(super) fn copy_out<V: Lane>(sheet: &Sheet, from: &[V::Elem], weights: &mut [V::Elem]) {
    let panels = sheet.panels(sheet.side);
    match sheet.side {
        Side::Inputs => panels.for_each_run::<V>(|to, at, count| {
            weights[to..to + count].copy_from_slice(&from[at..at + count]);
        }),
        Side::Outputs => panels.for_each_run_transposed::<V>(|to, at, count| {
            let column = weights[to..].iter_mut().step_by(panels.depth);
            column.zip(&from[at..at + count]).for_each(|(w, &from)| *w = from);
        }),
    }
}

/// Refreshes the mirror of one layer.
#[inline(always)]
pub(super) fn mirror<V: Lane>(sheet: &Sheet, theta: &[V], mirrors: &mut [V]) {
    let Some(start) = sheet.mirror else { return };
    let (from, to) = match sheet.side {
        Side::Outputs => (Side::Outputs, Side::Inputs),
        Side::Inputs => (Side::Inputs, Side::Outputs),
    };
    let (from, to) = (sheet.panels(from), sheet.panels(to));
    let weights = &elements(theta)[sheet.weights * V::WIDTH..];
    let mirrors = &mut elements_mut(mirrors)[start * V::WIDTH..];
    for panel in to.iter::<V>() {
        for r in 0..to.depth {
            let row = &mut mirrors[(panel.offset + r * panel.registers) * V::WIDTH..];
            let columns = panel.first * V::WIDTH..to.columns.min((panel.first + panel.registers) * V::WIDTH);
            // number r of each of these rows of the weights, which lie one stride apart
            let first = from.place::<V>(columns.start, r);
            let step = from.place_step::<V>(r);
            let column = weights[first..].iter().step_by(step);
            row[..columns.len()].iter_mut().zip(column).for_each(|(to, &w)| *to = w);
        }
    }
}
