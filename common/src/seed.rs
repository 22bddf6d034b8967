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
    /// Noise added to a start.
    Perturb,
    /// Resampling in the analysis.
    Bootstrap,
    /// Which trials are trained again to check them.
    Audit,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Order => "order",
            Self::Data => "data",
            Self::Split => "split",
            Self::Perturb => "perturb",
            Self::Bootstrap => "bootstrap",
            Self::Audit => "audit",
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

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    /// First draw of stream 7 of each purpose with seed 2026, from an independent implementation:
    /// ```python
    /// import struct
    /// from blake3 import blake3
    /// def chacha8(key, stream):
    ///     rot = lambda x, n: (x << n | x >> 32 - n) & 0xffffffff
    ///     counter = 0
    ///     while True:
    ///         start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    ///         start += list(struct.unpack("<4I", struct.pack("<QQ", counter, stream)))
    ///         x = start[:]
    ///         def quarter(a, b, c, d):
    ///             for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
    ///                 x[p] = (x[p] + x[q]) & 0xffffffff; x[r] = rot(x[r] ^ x[p], n)
    ///         for _ in range(4):
    ///             for i in range(4): quarter(i, 4 + i, 8 + i, 12 + i)
    ///             for i in range(4): quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    ///         words = [(a + b) & 0xffffffff for a, b in zip(x, start)]
    ///         for i in range(0, 16, 2): yield words[i] | words[i + 1] << 32
    ///         counter += 1
    /// def generator(purpose, seed, stream):
    ///     key = blake3(struct.pack("<Q", seed), derive_key_context="seedsweep 1 " + purpose).digest()
    ///     return chacha8(key, stream)
    /// ```
    #[test]
    fn first_draws_are_golden() {
        for (purpose, expected) in [
            (Purpose::Init, 0x6715_2e2d_a773_cea7),
            (Purpose::Order, 0x2d46_e044_cede_2004),
            (Purpose::Data, 0xce17_48b3_2b68_f663),
            (Purpose::Split, 0xeb43_ace0_7316_f3dd),
            (Purpose::Perturb, 0x9020_faa3_7b42_0dcf),
            (Purpose::Bootstrap, 0xa794_02d2_bdba_cbed),
        ] {
            assert_eq!(generator(purpose, 2026, 7).next_u64(), expected, "{purpose:?}");
        }
        assert_eq!(probe_generator(7).next_u64(), 0x1bb6_6aac_e1da_9a37);
    }

    #[test]
    fn a_stream_does_not_depend_on_what_others_drew() {
        let mut first = generator(Purpose::Init, 1, 0);
        let untouched = generator(Purpose::Init, 1, 1).next_u64();
        for _ in 0..1_000 {
            first.next_u64();
        }
        assert_eq!(generator(Purpose::Init, 1, 1).next_u64(), untouched);
        assert_ne!(generator(Purpose::Init, 2, 1).next_u64(), untouched);
    }

    #[test]
    fn uniforms_lie_in_the_half_open_unit_interval() {
        assert_eq!(uniform(0), 0.0);
        assert_eq!(uniform(u64::MAX), 1.0 - f64::EPSILON / 2.0);
        assert_eq!(uniform(1 << 63), 0.5);
    }

    #[test]
    fn below_reaches_every_number_and_never_n() {
        for n in [1, 2, 3, 1_000_000_007, u64::MAX] {
            assert_eq!(below(0, n), 0);
            assert_eq!(below(u64::MAX, n), n - 1);
        }
    }
}
