//! Where functions are compared, and with which projections: fixed keys and the training rows, nothing of the
//! sweep's seed, so that sketches of one data set compare across experiments and sweeps.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use seedsweep_common::fingerprint::{CanonicalSketch, Sketch};
use seedsweep_common::seed;
use seedsweep_common::spec::Loss;

use super::canonical::{self, Canonical, Directions};
use super::projection::Projection;
use super::surface::{Points, Surface};
use crate::nn::data::Dataset;
use crate::nn::loss;
use crate::nn::network::Network;
use crate::nn::scalar::Number;

/// Most training rows among the probes: the first ones.
const TRAINING_ROWS: usize = 512;
/// Points drawn around them.
const DRAWN_POINTS: usize = 512;
/// Streams of the probe generator.
const POINT_STREAM: u64 = 0;
const RAW_STREAM: u64 = 1;
const FUNCTION_STREAM: u64 = 2;

/// Points and projections that sketches are made with, shared by all trials of an experiment.
#[derive(Debug)]
pub struct Probes {
    points: Points,
    raw: Projection,
    function: Projection,
    /// None where the network has no canonical form.
    canonical: Option<Directions>,
}

/// Bytes that the sketches of one network take: its canonical form and its units on some points, or its outputs on all.
pub(super) fn bytes(network: &Network) -> usize {
    let sizes = network.layers().iter().map(|layer| layer.outputs);
    let widest = sizes.max().unwrap_or(network.hidden_units());
    let canonical = network.parameter_count() + 2 * canonical::MOST_POINTS * widest;
    let function = (TRAINING_ROWS + DRAWN_POINTS) * network.output_width();
    canonical.max(function) * size_of::<f64>()
}

impl Probes {
    /// The probes for `network` on `dataset`: that of data stream 0, also where the data varies, so that all
    /// restarts are compared on the same points. They are its first 512 training rows, and 512 points drawn
    /// uniformly from the smallest box around all training rows, widened by half its side on each side. Of a sum of
    /// relus they are 512 standard normal points.
    pub fn new(network: &Network, dataset: &Dataset) -> Self {
        if network.sum().is_some() {
            let mut rng = seed::probe_generator(POINT_STREAM);
            let coordinates = DRAWN_POINTS * network.input_width();
            return Self::at((0..coordinates).map(|_| rng.sample(StandardNormal)).collect(), network);
        }
        let features = &dataset.train.features;
        let mut points: Vec<f64> =
            features.rows().into_iter().take(TRAINING_ROWS).flatten().copied().collect();
        let sides: Vec<(f64, f64)> = features
            .columns()
            .into_iter()
            .map(|column| {
                column
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (x.min(low), x.max(high)))
            })
            .collect();
        let mut rng = seed::probe_generator(POINT_STREAM);
        for _ in 0..DRAWN_POINTS {
            points.extend(sides.iter().map(|&(low, high)| {
                let side = high - low;
                (low - 0.5 * side) + 2.0 * side * seed::uniform(rng.next_u64())
            }));
        }
        Self::at(points, network)
    }

    fn at(points: Vec<f64>, network: &Network) -> Self {
        let values = points.len() / network.input_width() * network.output_width();
        let canonical = Canonical::exists(network).then(|| Directions::new(network, &points));
        Self {
            canonical,
            points: Points::new(network, points),
            raw: Projection::new(RAW_STREAM, network.parameter_count()),
            function: Projection::new(FUNCTION_STREAM, values),
        }
    }

    /// Sketch of the parameters.
    pub(super) fn raw(&self, theta: &[f64]) -> Sketch {
        self.raw.sketch(theta)
    }

    /// Sketch of the network up to its symmetries; `None` where it has no canonical form.
    pub(super) fn canonical(&self, network: &Network, loss: Loss, theta: &[f64]) -> Option<CanonicalSketch> {
        let directions = self.canonical.as_ref()?;
        Some(Canonical::new(network, loss, theta)?.sketch(directions))
    }

    /// Sketch of what the network says at the points: outputs (mse) or probabilities (logistic, cross_entropy).
    pub(super) fn function(&self, surface: &mut Surface<'_>, loss: Loss, theta: &[f64]) -> Sketch {
        let network = surface.network;
        let mut values = surface.outputs(theta, &self.points);
        match loss {
            Loss::Mse | Loss::Population => {}
            Loss::Logistic => values.iter_mut().for_each(|z| *z = z.sigmoid()),
            Loss::CrossEntropy => {
                let mut probabilities = vec![0.0; network.output_width()];
                for logits in values.chunks_exact_mut(network.output_width()) {
                    loss::softmax(logits, &mut probabilities);
                    logits.copy_from_slice(&probabilities);
                }
            }
        }
        self.function.sketch(&values)
    }
}
