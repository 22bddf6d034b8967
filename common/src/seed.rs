//! Where every draw comes from: keys by purpose, streams by number, nothing consumed in order of work.
//!
//! Neither experiment nor worker enters a key, so restart k of two experiments starts from the same
//! draws: experiments are paired by restart.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What a generator is for. Each purpose has its own key, so drawing more for one never shifts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Weights and biases.
    Init,
    /// Order of rows.
    Order,
    /// Generated data.
    Data,
    /// Split in training and test rows.
    Split,
    /// Resampling in the analysis.
    Bootstrap,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Order => "order",
            Self::Data => "data",
            Self::Split => "split",
            Self::Bootstrap => "bootstrap",
        }
    }
}

/// The generator for `purpose` and stream number `stream` of a sweep with seed `seed`.
pub fn generator(purpose: Purpose, seed: u64, stream: u64) -> ChaCha8Rng {
    let context = format!("seedsweep 1 {}", purpose.name());
    let mut rng = ChaCha8Rng::from_seed(blake3::derive_key(&context, &seed.to_le_bytes()));
    rng.set_stream(stream);
    rng
}

/// The generator of probe number `stream`: its key is fixed, so that sketches of different sweeps compare.
pub fn probe_generator(stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::from_seed(blake3::derive_key("seedsweep 1 probe", &[]));
    rng.set_stream(stream);
    rng
}

/// U[0, 1) from the upper 53 bits of one `u64`.
pub fn uniform(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// An unbiased-enough integer below `n` from one `u64`: the high 64 bits of `bits · n`.
pub fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}
