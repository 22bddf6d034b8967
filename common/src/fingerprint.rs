//! What identifies a minimum: the digest of the trained parameters' bytes and continuous sketches.

/// Values in each sketch.
pub const SKETCH_LENGTH: usize = 16;

/// Continuous fingerprint: Gaussian projections scaled by 1/√(number of values), so that a distance is a
/// root-mean-square difference. Compared by the largest absolute difference, never by rounding.
pub type Sketch = [f64; SKETCH_LENGTH];

/// Values in each canonical sketch.
pub const CANONICAL_SKETCH_LENGTH: usize = 32;

/// Continuous fingerprint of a network up to the symmetries that leave its function as it is: the same for all images of
/// a network, near for near networks. Compared like a [`Sketch`].
pub type CanonicalSketch = [f64; CANONICAL_SKETCH_LENGTH];

/// First 16 bytes of BLAKE3 over the trained parameters' bytes (little endian, in drawing order).
pub type ParameterDigest = [u8; 16];

/// Largest absolute difference of two sketches; NaN if either holds one, so that it is never "equal".
pub fn distance<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, |max: f64, d| if d > max || d.is_nan() { d } else { max })
}

/// Version of everything that decides the bits of an outcome: numeric contract, draws, polish, sketches.
/// Raised whenever one of them changes, or what an outcome says grows: an outcome of 3 does not say
/// which symmetry explains its null directions, so that it would differ from the same trial's of 4.
pub const ENGINE_VERSION: &str = "4";
