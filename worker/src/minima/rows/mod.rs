//! Row lanes: one small network in f64, eight rows of its data side by side.
//!
//! Which lanes a machine has decides no bit: values of one row are those of `nn/network.rs`, and every sum over rows is
//! eight chains, row r in chain r mod 8, added up by one fixed tree at the end.

mod eight;
mod hessian;
mod jet;
mod pass;

use std::sync::atomic::AtomicBool;

use ndarray::Array2;
use seedsweep_common::spec::Loss;

use super::surface::{Cancelled, check};
use crate::nn::lane::{Job, Lane, Lanes, Level, Precise};
use crate::nn::layer;
use crate::nn::loss;
use crate::nn::network::Network;
use eight::{Eight, ROWS};
use hessian::{Answers, HessianPiece};
use jet::Jet;
use pass::{Blocks, Buffers, Forward, Piece, Rowed, Theta};

/// Blocks worked off at once: enough for the sums over rows, few enough for the cache.
const PIECE: usize = 8;

/// Rows of data in blocks of eight; what fills up the last block repeats the last row, and counts nowhere.
#[derive(Debug)]
pub(super) struct Rows {
    /// (blocks, inputs).
    features: Vec<[f64; ROWS]>,
    /// (blocks, outputs); empty where outputs alone are wanted.
    targets: Vec<[f64; ROWS]>,
    inputs: usize,
    outputs: usize,
    count: usize,
}

impl Rows {
    /// `features` (rows, inputs) and `targets` (rows, outputs) or none, for `network`.
    pub(super) fn new(network: &Network, features: &[f64], targets: &[f64]) -> Self {
        let (inputs, outputs) = (network.input_width(), network.output_width());
        Self {
            features: blocks(features, inputs),
            targets: blocks(targets, outputs),
            inputs,
            outputs,
            count: features.len() / inputs,
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Blocks<'_>> {
        let blocks = self.count.div_ceil(ROWS);
        (0..blocks).step_by(PIECE).map(move |from| {
            let to = blocks.min(from + PIECE);
            Blocks {
                features: &self.features[from * self.inputs..to * self.inputs],
                targets: self.targets.get(from * self.outputs..to * self.outputs).unwrap_or_default(),
                in_last: if to == blocks { self.count - (blocks - 1) * ROWS } else { ROWS },
            }
        })
    }
}

/// Bytes of the blocks of `rows` rows and of the buffers to work them off, those for Hessians too where it is polished.
pub(super) fn bytes(network: &Network, rows: usize, is_polished: bool) -> usize {
    let (inputs, outputs) = (network.input_width(), network.output_width());
    let hidden = if layer::needs_sums(network.activation()) { network.hidden_units() } else { 0 };
    let units = network.hidden_units() + outputs;
    let buffers = PIECE * (inputs + outputs + 2 * units + hidden) + network.parameter_count();
    // values, and where curvature is asked for values with slopes, and five answers of each unit
    let registers = if is_polished { 3 * buffers + PIECE * (5 * units + outputs) } else { buffers };
    (rows.div_ceil(ROWS) * (inputs + outputs) + registers) * size_of::<[f64; ROWS]>()
}

fn blocks(table: &[f64], width: usize) -> Vec<[f64; ROWS]> {
    let rows = table.len() / width;
    let mut blocks = vec![[0.0; ROWS]; rows.div_ceil(ROWS) * width];
    for row in 0..rows.next_multiple_of(ROWS) {
        for (k, x) in table[row.min(rows - 1) * width..][..width].iter().enumerate() {
            blocks[row / ROWS * width + k][row % ROWS] = *x;
        }
    }
    blocks
}

/// A loss at one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) network: &'a Network,
    pub(super) loss: Loss,
    /// Adds `l2 · ‖θ‖²`.
    pub(super) l2: f64,
    pub(super) rows: &'a Rows,
    pub(super) theta: &'a [f64],
    pub(super) cancelled: &'a AtomicBool,
}

/// Registers that eight rows take.
const AVX512: usize = ROWS / <f64 as Precise>::Avx512::WIDTH;
const AVX2: usize = ROWS / <f64 as Precise>::Avx2::WIDTH;

/// Row lanes at one level.
#[derive(Debug)]
pub(super) enum RowLanes {
    Avx512(Box<Engine<<f64 as Precise>::Avx512, AVX512>>),
    Avx2(Box<Engine<<f64 as Precise>::Avx2, AVX2>>),
    Baseline(Box<Engine<f64, ROWS>>),
}

/// Runs the same on the engine of any level.
macro_rules! on_any {
    ($lanes:expr, $engine:ident => $run:expr) => {
        match $lanes {
            RowLanes::Avx512($engine) => $run,
            RowLanes::Avx2($engine) => $run,
            RowLanes::Baseline($engine) => $run,
        }
    };
}

impl RowLanes {
    /// For `network`, at the level of `lanes`.
    pub(super) fn new(network: &Network, lanes: Lanes) -> Self {
        match lanes.level() {
            Level::Avx512 => Self::Avx512(Box::new(Engine::new(network))),
            Level::Avx2 => Self::Avx2(Box::new(Engine::new(network))),
            Level::Baseline => Self::Baseline(Box::new(Engine::new(network))),
        }
    }

    /// The loss at `theta`; its gradient replaces what is in `gradient`.
    pub(super) fn gradient(&mut self, at: At<'_>, gradient: &mut [f64]) -> Result<f64, Cancelled> {
        on_any!(self, engine => engine.gradient(at, gradient))
    }

    /// The Hessian times `direction`, into `product`; (parameters) each.
    pub(super) fn hessian_times(
        &mut self,
        at: At<'_>,
        direction: &[f64],
        product: &mut [f64],
    ) -> Result<(), Cancelled> {
        on_any!(self, engine => engine.hessian_times(at, direction, product))
    }

    /// The Hessian, (parameters, parameters), exactly symmetric.
    pub(super) fn hessian(&mut self, at: At<'_>) -> Result<Array2<f64>, Cancelled> {
        on_any!(self, engine => engine.hessian(at))
    }

    /// What the network gives for each row: (rows, outputs).
    pub(super) fn outputs(&mut self, network: &Network, rows: &Rows, theta: &[f64]) -> Vec<f64> {
        on_any!(self, engine => engine.outputs(network, rows, theta))
    }
}

/// Buffers for the lanes `V`, `N` of which hold eight rows.
#[derive(Debug)]
pub(super) struct Engine<V, const N: usize> {
    values: Buffers<Eight<V, N>>,
    /// Made when they are first asked for.
    jets: Option<Buffers<Jet<Eight<V, N>>>>,
    answers: Option<Answers<Eight<V, N>>>,
    /// Each parameter's slope, without a direction.
    none: Vec<()>,
}

impl<V: Lane<Elem = f64>, const N: usize> Engine<V, N> {
    fn new(network: &Network) -> Self {
        Self {
            values: Buffers::new(network, PIECE),
            jets: None,
            answers: None,
            none: vec![(); network.parameter_count()],
        }
    }

    fn gradient(&mut self, at: At<'_>, gradient: &mut [f64]) -> Result<f64, Cancelled> {
        walk::<V, _>(at, &self.none, &mut self.values)?;
        Ok(V::enter(Totals { at, buffers: &self.values, gradient }))
    }

    fn hessian_times(&mut self, at: At<'_>, direction: &[f64], product: &mut [f64]) -> Result<(), Cancelled> {
        let jets = self.jets.get_or_insert_with(|| Buffers::new(at.network, PIECE));
        walk::<V, _>(at, direction, jets)?;
        V::enter(ProductTotals { l2: at.l2, direction, jets, product });
        Ok(())
    }

    fn hessian(&mut self, at: At<'_>) -> Result<Array2<f64>, Cancelled> {
        let At { network, loss, rows, theta, .. } = at;
        let n = theta.len();
        let mut hessian = Array2::zeros((n, n));
        let share = 1.0 / rows.count as f64;
        let answers = self.answers.get_or_insert_with(|| Answers::new(network));
        for blocks in rows.pieces() {
            check(at.cancelled)?;
            let theta = Theta { values: theta, slopes: &self.none };
            let forward = Forward { network, theta, blocks, buffers: &mut self.values };
            let hessian = hessian.as_slice_mut().unwrap_or_default();
            V::enter(HessianPiece { forward, answers, loss, share, hessian });
        }
        hessian.diag_mut().iter_mut().for_each(|x| *x += 2.0 * at.l2);
        Ok(hessian)
    }

    fn outputs(&mut self, network: &Network, rows: &Rows, theta: &[f64]) -> Vec<f64> {
        let mut outputs = vec![0.0; rows.count.next_multiple_of(ROWS) * rows.outputs];
        let mut rest = outputs.as_mut_slice();
        for blocks in rows.pieces() {
            let theta = Theta { values: theta, slopes: &self.none };
            V::enter(Forward { network, theta, blocks, buffers: &mut self.values });
            let count = blocks.features.len() / rows.inputs * rows.outputs;
            let (here, after) = rest.split_at_mut(count * ROWS);
            let values = self.values.values[network.layers().len() - 1][..count].chunks_exact(rows.outputs);
            for (here, block) in here.chunks_exact_mut(rows.outputs * ROWS).zip(values) {
                for (unit, value) in block.iter().enumerate() {
                    for (to, x) in here[unit..].iter_mut().step_by(rows.outputs).zip(value.rows()) {
                        *to = x;
                    }
                }
            }
            rest = after;
        }
        outputs.truncate(rows.count * rows.outputs);
        outputs
    }
}

/// Loss and gradient, left in the chains of `buffers`.
fn walk<V: Lane, R: Rowed>(
    at: At<'_>,
    slopes: &[R::Slope],
    buffers: &mut Buffers<R>,
) -> Result<(), Cancelled> {
    let At { network, loss, rows, theta, cancelled, .. } = at;
    let (theta, share) = (Theta { values: theta, slopes }, 1.0 / rows.count as f64);
    for (piece, blocks) in rows.pieces().enumerate() {
        check(cancelled)?;
        let forward = Forward { network, theta, blocks, buffers: &mut *buffers };
        V::enter(Piece { forward, loss, share, is_first: piece == 0 });
    }
    Ok(())
}

/// Adds the chains up and ends loss (returned) and gradient.
struct Totals<'a, V, const N: usize> {
    at: At<'a>,
    buffers: &'a Buffers<Eight<V, N>>,
    gradient: &'a mut [f64],
}

impl<V: Lane<Elem = f64>, const N: usize> Job for Totals<'_, V, N> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self { at: At { loss, l2, rows, theta, .. }, buffers, gradient } = self;
        for (g, chains) in gradient.iter_mut().zip(&buffers.gradient) {
            *g = chains.total();
        }
        let mean = loss::mean(loss, buffers.loss.total(), rows.count, rows.outputs);
        if l2 == 0.0 {
            return mean;
        }
        let mut norm = 0.0;
        for (g, &theta) in gradient.iter_mut().zip(theta) {
            *g = (2.0 * l2).mul_add(theta, *g);
            norm = theta.mul_add(theta, norm);
        }
        l2.mul_add(norm, mean)
    }
}

/// Adds the chains up and ends the product with the Hessian.
struct ProductTotals<'a, V, const N: usize> {
    l2: f64,
    direction: &'a [f64],
    jets: &'a Buffers<Jet<Eight<V, N>>>,
    product: &'a mut [f64],
}

impl<V: Lane<Elem = f64>, const N: usize> Job for ProductTotals<'_, V, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { l2, direction, jets, product } = self;
        for ((product, direction), chains) in product.iter_mut().zip(direction).zip(&jets.gradient) {
            *product = chains.slope.total();
            if l2 != 0.0 {
                *product = (2.0 * l2).mul_add(*direction, *product);
            }
        }
    }
}

#[cfg(test)]
mod tests;
