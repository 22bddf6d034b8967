//! Where training starts: draws of the `init` stream for every scheme, or a vector from a user's file.
//!
//! Everything is drawn in f64 and rounded once by the trainer, so that both precisions start from the same draws.
//! The order of draws is part of the results' identity: layer by layer, weights row-major (out, in), then biases; of a
//! sum of relus the weights, then the signs, each from the highest bit of a `u64` (1 where it is 0).
//! Uniforms come from 53 bits of a `u64`, normals from `rand_distr`, pinned, whose rare branches use pure Rust maths.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use seedsweep_common::init::{Bias, FanMode, Init, Kaiming, Nonlinearity, Scheme};
use seedsweep_common::seed::{self, Purpose};
use seedsweep_common::spec::PreimageScheme;

use crate::nn::layer::{LEAKY_SLOPE, Layer};
use crate::nn::network::Network;

mod matrix;
pub mod safetensors;
mod truncated;

use truncated::Truncated;

/// Draws taken from a stream at once.
const DRAWS_AT_ONCE: usize = 256;

/// Why a start file cannot start the network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StartError {
    /// It holds too few or too many values.
    #[error("{file} holds {found} values, but the network has {expected} parameters")]
    Length {
        /// The file.
        file: String,
        /// Values of the file.
        found: usize,
        /// Parameters of the network.
        expected: usize,
    },
    /// It is no `.safetensors` file of this network.
    #[error("{file} cannot start this network: {cause}")]
    Safetensors {
        /// The file.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// It holds NaN or an infinity.
    #[error("{file}: value {index} (counted from 0) is {value}; every value must be finite")]
    NotFinite {
        /// The file.
        file: String,
        /// Where.
        index: usize,
        /// What.
        value: f64,
    },
}

/// Checks the values of the start file `file` against `network`.
pub fn check_start(file: &str, values: &[f64], network: &Network) -> Result<(), StartError> {
    let expected = network.parameter_count();
    if values.len() != expected {
        return Err(StartError::Length { file: file.to_owned(), found: values.len(), expected });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(StartError::NotFinite { file: file.to_owned(), index, value: values[index] }),
        None => Ok(()),
    }
}

/// Stream numbers of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartStreams {
    /// Of the scheme's draws.
    pub init: u64,
    /// Of the noise on top.
    pub perturb: u64,
}

/// A start of a sweep with seed `seed`, in drawing order. `from_file` are the checked values of a start file, which
/// only the scheme `file` looks at.
pub fn sample(
    init: &Init,
    network: &Network,
    seed: u64,
    streams: StartStreams,
    from_file: &[f64],
) -> Vec<f64> {
    let mut theta = match init.scheme {
        Scheme::File(_) => from_file.to_vec(),
        _ => drawn(init, network, seed, streams.init),
    };
    if init.perturb > 0.0 {
        let mut rng = seed::generator(Purpose::Perturb, seed, streams.perturb);
        let trained = theta.iter_mut().take(network.trained_count());
        trained.for_each(|value| *value += init.perturb * rng.sample::<f64, _>(StandardNormal));
    }
    theta
}

fn drawn(init: &Init, network: &Network, seed: u64, stream: u64) -> Vec<f64> {
    let mut rng = seed::generator(Purpose::Init, seed, stream);
    let mut theta = Vec::with_capacity(network.parameter_count());
    if let Some(sum) = network.sum() {
        // as one layer of the same weights, and signs in the place of biases
        let layer = Layer { inputs: sum.inputs, outputs: sum.units, offset: 0 };
        weights(init, &layer, &mut rng, &mut theta);
        let signs = if sum.has_signs { sum.units } else { 0 };
        theta.extend((0..signs).map(|_| if rng.next_u64() >> 63 == 0 { 1.0 } else { -1.0 }));
        return theta;
    }
    for layer in network.layers() {
        let same = weights(init, layer, &mut rng, &mut theta);
        let biases = match init.bias {
            Bias::Zeros => Draw::Constant(0.0),
            Bias::Same => same,
            Bias::TorchDefault => Draw::torch_default(layer),
            Bias::Constant(value) => Draw::Constant(value),
        };
        biases.extend(&mut theta, layer.outputs, &mut rng);
    }
    theta
}

/// Draws the weights of `layer`, and gives what a bias like them is drawn from.
fn weights(init: &Init, layer: &Layer, rng: &mut ChaCha8Rng, theta: &mut Vec<f64>) -> Draw {
    let matrix = match init.scheme {
        Scheme::Orthogonal { gain } => matrix::orthogonal(layer, gain, rng),
        Scheme::Identity { scale } => matrix::identity(layer, scale),
        Scheme::Hadamard { scale } => matrix::hadamard(layer, scale),
        Scheme::Dct { scale } => matrix::dct(layer, scale),
        _ => {
            let draw = Draw::of_weights(&init.scheme, layer);
            draw.extend(theta, layer.weight_count(), rng);
            return draw;
        }
    };
    theta.extend(matrix);
    Draw::Constant(0.0)
}

/// The matrix that a first layer of `side` units of `side` inputs starts from with gain or scale 1, for the start with
/// number `stream` of a sweep with seed `seed`. (side, side), row-major.
pub fn square(scheme: PreimageScheme, side: usize, seed: u64, stream: u64) -> Vec<f64> {
    let layer = Layer { inputs: side, outputs: side, offset: 0 };
    match scheme {
        // the first that a start draws
        PreimageScheme::Orthogonal => {
            matrix::orthogonal(&layer, 1.0, &mut seed::generator(Purpose::Init, seed, stream))
        }
        PreimageScheme::Identity => matrix::identity(&layer, 1.0),
        PreimageScheme::Hadamard => matrix::hadamard(&layer, 1.0),
        PreimageScheme::Dct => matrix::dct(&layer, 1.0),
    }
}

/// A distribution from which parameters are drawn; a constant draws nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Draw {
    Constant(f64),
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, std: f64 },
    Truncated(Truncated),
}

impl Draw {
    fn of_weights(scheme: &Scheme, layer: &Layer) -> Self {
        let (fan_in, fan_out) = (layer.inputs as f64, layer.outputs as f64);
        match *scheme {
            Scheme::Zeros
            | Scheme::File(_)
            | Scheme::Orthogonal { .. }
            | Scheme::Identity { .. }
            | Scheme::Hadamard { .. }
            | Scheme::Dct { .. } => Self::Constant(0.0),
            Scheme::TruncatedNormal { mean, std, low, high } => {
                Self::Truncated(Truncated::new(mean, std, low, high))
            }
            Scheme::LecunUniform => Self::symmetric((3.0 / fan_in).sqrt()),
            Scheme::LecunNormal => Self::centred((1.0 / fan_in).sqrt()),
            // no noise must be the constant itself, bit for bit
            Scheme::Constant { value } | Scheme::SymmetricDial { value, eps: 0.0 } => Self::Constant(value),
            Scheme::SymmetricDial { value, eps } => Self::Normal { mean: value, std: eps },
            Scheme::Uniform { low, high } => Self::Uniform { low, high },
            Scheme::Normal { mean, std } => Self::Normal { mean, std },
            Scheme::XavierUniform { gain } => Self::symmetric(gain * (6.0 / (fan_in + fan_out)).sqrt()),
            Scheme::XavierNormal { gain } => Self::centred(gain * (2.0 / (fan_in + fan_out)).sqrt()),
            Scheme::KaimingUniform(kaiming) => {
                Self::symmetric((3.0 * squared_gain(kaiming.nonlinearity) / fan(kaiming, layer)).sqrt())
            }
            Scheme::KaimingNormal(kaiming) => {
                Self::centred((squared_gain(kaiming.nonlinearity) / fan(kaiming, layer)).sqrt())
            }
            Scheme::TorchLinearDefault => Self::torch_default(layer),
        }
    }

    fn torch_default(layer: &Layer) -> Self {
        Self::symmetric(1.0 / (layer.inputs as f64).sqrt())
    }

    fn symmetric(range: f64) -> Self {
        Self::Uniform { low: -range, high: range }
    }

    fn centred(std: f64) -> Self {
        Self::Normal { mean: 0.0, std }
    }

    fn extend(self, theta: &mut Vec<f64>, count: usize, rng: &mut ChaCha8Rng) {
        match self {
            Self::Constant(value) => theta.extend(std::iter::repeat_n(value, count)),
            Self::Uniform { low, high } => extend_uniform(theta, count, (low, high), rng),
            Self::Truncated(truncated) => {
                theta.extend((0..count).map(|_| truncated.value(rng.next_u64())));
            }
            Self::Normal { mean, std } => {
                theta.extend((0..count).map(|_| mean + std * rng.sample::<f64, _>(StandardNormal)));
            }
        }
    }
}

/// Appends `count` draws from U[low, high), one of each u64 of the stream: drawn as bytes, many at once.
fn extend_uniform(theta: &mut Vec<f64>, count: usize, (low, high): (f64, f64), rng: &mut ChaCha8Rng) {
    let mut bytes = [0_u8; 8 * DRAWS_AT_ONCE];
    let end = theta.len() + count;
    while theta.len() < end {
        let bytes = &mut bytes[..8 * DRAWS_AT_ONCE.min(end - theta.len())];
        rng.fill_bytes(bytes);
        let (words, _) = bytes.as_chunks::<8>();
        let draws = words.iter().map(|&word| seed::uniform(u64::from_le_bytes(word)));
        theta.extend(draws.map(|draw| low + (high - low) * draw));
    }
}

fn fan(kaiming: Kaiming, layer: &Layer) -> f64 {
    match kaiming.mode {
        FanMode::FanIn => layer.inputs as f64,
        FanMode::FanOut => layer.outputs as f64,
    }
}

/// Squares of `torch.nn.init.calculate_gain`, exact where the gain is not.
fn squared_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 25.0 / 9.0,
        Nonlinearity::Relu => 2.0,
        Nonlinearity::LeakyRelu => 2.0 / (1.0 + LEAKY_SLOPE * LEAKY_SLOPE),
    }
}

#[cfg(test)]
mod tests;
