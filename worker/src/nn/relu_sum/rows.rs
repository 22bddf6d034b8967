//! A sum of relus on rows of data: outputs, squared errors and gradient, one row after the other.

use super::ReluSum;
use crate::nn::lane::Job;
use crate::nn::scalar::Number;

/// What rows are compared with.
pub(in crate::nn) struct Errors<'a, V> {
    /// (rows).
    pub(in crate::nn) targets: &'a [V],
    /// What the derivative of a row's loss is in errors: 2 for a square, 1 for half of one.
    pub(in crate::nn) slope: V,
    /// 1/B, rounded.
    pub(in crate::nn) share: V,
    /// The sum of squared errors so far.
    pub(in crate::nn) so_far: V,
    /// The gradient so far, if it is wanted: (parameters). That of signs is left as it is.
    pub(in crate::nn) gradient: Option<&'a mut [V]>,
}

/// Some rows.
pub(in crate::nn) struct Rows<'a, V> {
    pub(super) sum: &'a ReluSum,
    pub(super) theta: &'a [V],
    /// (rows, inputs).
    pub(super) features: &'a [V],
    pub(super) errors: Option<Errors<'a, V>>,
    /// (units).
    pub(super) sums: &'a mut [V],
    /// (rows).
    pub(super) outputs: &'a mut [V],
}

impl<V: Number> Job for Rows<'_, V> {
    /// The sum of squared errors, grown by these rows; 0 without targets.
    type Output = V;

    #[inline(always)]
    fn run(self) -> V {
        let Self { sum, theta, features, mut errors, sums, outputs } = self;
        let (weights, signs) = theta.split_at(sum.weight_count());
        let scale = sum.scale_of::<V>();
        for (row, (x, output)) in features.chunks_exact(sum.inputs).zip(outputs).enumerate() {
            pre_activate(weights, x, sums);
            let mut f = V::ZERO;
            for (unit, &z) in sums.iter().enumerate() {
                let relu = V::select(z.gt(V::ZERO), z, V::ZERO);
                f = if sum.has_signs { signs[unit].fma(relu, f) } else { f.add(relu) };
            }
            f = f.mul(scale);
            *output = f;
            let Some(Errors { targets, slope, share, so_far, gradient }) = &mut errors else { continue };
            let error = f.sub(targets[row]);
            *so_far = error.fma(error, *so_far);
            let Some(gradient) = gradient else { continue };
            let delta = error.mul(*slope).mul(*share).mul(scale);
            for (unit, (&z, g)) in sums.iter().zip(gradient.chunks_exact_mut(sum.inputs)).enumerate() {
                let delta = if sum.has_signs { delta.mul(signs[unit]) } else { delta };
                let delta = V::select(z.gt(V::ZERO), delta, V::ZERO);
                for (g, &x) in g.iter_mut().zip(x) {
                    *g = delta.fma(x, *g);
                }
            }
        }
        errors.map_or(V::ZERO, |errors| errors.so_far)
    }
}

/// wᵣ·x into `sums` (units), each one chain, ascending.
#[inline(always)]
fn pre_activate<V: Number>(weights: &[V], x: &[V], sums: &mut [V]) {
    for (sum, w) in sums.iter_mut().zip(weights.chunks_exact(x.len())) {
        let mut z = V::ZERO;
        for (&w, &x) in w.iter().zip(x) {
            z = w.fma(x, z);
        }
        *sum = z;
    }
}

/// See [`super::pre_activations`].
pub(super) struct PreActivations<'a, V> {
    pub(super) sum: &'a ReluSum,
    pub(super) theta: &'a [V],
    /// (rows, inputs).
    pub(super) features: &'a [V],
    /// (rows, units).
    pub(super) all: &'a mut [V],
}

impl<V: Number> Job for PreActivations<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sum, theta, features, all } = self;
        let rows = features.chunks_exact(sum.inputs).zip(all.chunks_exact_mut(sum.units));
        for (x, sums) in rows {
            pre_activate(&theta[..sum.weight_count()], x, sums);
        }
    }
}
