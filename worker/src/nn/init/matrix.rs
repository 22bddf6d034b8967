//! Weights that are made as a whole: orthogonal matrices and the deterministic ones. (out, in), row-major.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::nn::angle;
use crate::nn::layer::Layer;

/// `scale` where row and column have one number.
pub(super) fn identity(layer: &Layer, scale: f64) -> Vec<f64> {
    fill(layer, |i, j| if i == j { scale } else { 0.0 })
}

/// scale·H/√n of Sylvester's H, whose sign at (i, j) is the parity of the bits that i and j share.
pub(super) fn hadamard(layer: &Layer, scale: f64) -> Vec<f64> {
    let order = layer.outputs.max(layer.inputs).next_power_of_two();
    let size = scale / (order as f64).sqrt();
    fill(layer, |i, j| if (i & j).count_ones() % 2 == 0 { size } else { -size })
}

/// scale·√(2/n)·k_i·cos(π(j + ½)i/n), k₀ = √½ and else 1.
pub(super) fn dct(layer: &Layer, scale: f64) -> Vec<f64> {
    let n = layer.outputs.max(layer.inputs);
    let (first, other) = (scale * (1.0 / n as f64).sqrt(), scale * (2.0 / n as f64).sqrt());
    // sizes are below 2¹⁵, so that (2j + 1)·i fits 32 bits
    let cosine = |i: usize, j: usize| angle::of_pi(((2 * j + 1) * i) as u32, 2 * n as u32).0;
    fill(layer, |i, j| if i == 0 { first } else { other * cosine(i, j) })
}

/// `gain` times the Q of a Gaussian matrix whose R has a positive diagonal: without that sign it would not be uniform
/// (Mezzadri 2007). Drawn row by row; a wide matrix is transposed before and after, as PyTorch does.
pub(super) fn orthogonal(layer: &Layer, gain: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let Layer { inputs, outputs, .. } = *layer;
    let drawn: Vec<f64> = (0..inputs * outputs).map(|_| rng.sample(StandardNormal)).collect();
    let is_wide = outputs < inputs;
    let columns: Vec<Vec<f64>> = if is_wide {
        drawn.chunks_exact(inputs).map(<[f64]>::to_vec).collect()
    } else {
        (0..inputs).map(|j| drawn.iter().skip(j).step_by(inputs).copied().collect()).collect()
    };
    let q = orthonormalised(columns);
    if is_wide { fill(layer, |i, j| gain * q[i][j]) } else { fill(layer, |i, j| gain * q[j][i]) }
}

fn fill(layer: &Layer, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..layer.outputs)
        .flat_map(|i| (0..layer.inputs).map(move |j| (i, j)))
        .map(|(i, j)| value(i, j))
        .collect()
}

/// The Q of the QR decomposition of `columns` (at most as many as their length) whose R has a positive diagonal, by
/// Householder reflections.
fn orthonormalised(mut columns: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let (count, length) = (columns.len(), columns.first().map_or(0, Vec::len));
    let mut mirrors: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut signs = Vec::with_capacity(count);
    for k in 0..count {
        let mut mirror = columns[k][k..].to_vec();
        let norm = dot(&mirror, &mirror).sqrt();
        // away from the first entry, so that nothing cancels; R's diagonal is the other way round
        let diagonal = if mirror[0] > 0.0 { -norm } else { norm };
        mirror[0] -= diagonal;
        for column in &mut columns[k + 1..] {
            reflect(&mirror, &mut column[k..]);
        }
        signs.push(if diagonal < 0.0 { -1.0 } else { 1.0 });
        mirrors.push(mirror);
    }
    let column = |j: usize| {
        let mut column = vec![0.0; length];
        column[j] = 1.0;
        for (k, mirror) in mirrors.iter().enumerate().rev() {
            reflect(mirror, &mut column[k..]);
        }
        column.iter().map(|value| signs[j] * value).collect()
    };
    (0..count).map(column).collect()
}

/// x − 2·v·(v·x)/(v·v); a mirror of length 0 leaves x as it is.
fn reflect(v: &[f64], x: &mut [f64]) {
    let square = dot(v, v);
    if square > 0.0 {
        let share = -(2.0 * dot(v, x) / square);
        x.iter_mut().zip(v).for_each(|(x, &v)| *x = share.mul_add(v, *x));
    }
}

/// One chain of fused multiply-adds, ascending.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

#[cfg(test)]
mod tests {
    use seedsweep_common::seed::{self, Purpose};

    use super::*;

    fn layer(outputs: usize, inputs: usize) -> Layer {
        Layer { inputs, outputs, offset: 0 }
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14, "{found} instead of {expected}");
        }
    }

    /// SciPy 1.17: `scipy.linalg.hadamard(4)[:3] / 2` and `scipy.fft.dct(numpy.eye(4), norm="ortho", axis=0)[:2]`.
    #[test]
    fn deterministic_matrices_are_scipys() {
        let h = [0.5, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, -0.5];
        assert_close(&hadamard(&layer(3, 4), 1.0), &h);
        let d = [0.5, 0.5, 0.5, 0.5, 0.6532814824381883, 0.27059805007309856];
        let d = [&d[..], &[-0.27059805007309845, -0.6532814824381884]].concat();
        assert_close(&dct(&layer(2, 4), 1.0), &d);
        assert_eq!(identity(&layer(2, 3), 2.0), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    }

    #[test]
    fn rows_or_columns_are_orthonormal_whichever_are_fewer() {
        for (outputs, inputs) in [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1), (16, 16)] {
            let mut rng = seed::generator(Purpose::Init, 1, 2);
            let layer = layer(outputs, inputs);
            for (name, w) in [
                ("orthogonal", orthogonal(&layer, 1.0, &mut rng)),
                ("dct", dct(&layer, 1.0)),
                ("hadamard", hadamard(&layer, 1.0)),
            ] {
                if name == "hadamard" && !inputs.max(outputs).is_power_of_two() {
                    continue;
                }
                if name != "orthogonal" && outputs > inputs {
                    continue;
                }
                let rows: Vec<Vec<f64>> = if outputs <= inputs {
                    w.chunks_exact(inputs).map(<[f64]>::to_vec).collect()
                } else {
                    (0..inputs).map(|j| w.iter().skip(j).step_by(inputs).copied().collect()).collect()
                };
                for (i, a) in rows.iter().enumerate() {
                    for (j, b) in rows.iter().enumerate() {
                        let expected = f64::from(u8::from(i == j));
                        assert!((dot(a, b) - expected).abs() < 1e-13, "{name} {outputs}×{inputs}");
                    }
                }
            }
        }
    }

    /// NumPy's QR with the sign mended, of the draws themselves:
    /// ```python
    /// a = numpy.array([[1., 2.], [3., -1.], [-2., .5]]); q, r = numpy.linalg.qr(a); print(q * numpy.sign(numpy.diag(r)))
    /// ```
    #[test]
    fn orthogonal_columns_are_numpys_with_the_sign_of_a_positive_diagonal() {
        let q = orthonormalised(vec![vec![1.0, 3.0, -2.0], vec![2.0, -1.0, 0.5]]);
        assert_close(&q[0], &[0.2672612419124244, 0.8017837257372732, -0.5345224838248488]);
        assert_close(&q[1], &[0.961755845456252, -0.25646822545500053, 0.09617558454562514]);
    }
}
