//! How far apart the units of a hidden layer are: whether a start of equal units ever parts.
//!
//! A unit is one row: its in-weights, its bias and its out-weights. Trials that train side by side are measured side by
//! side, each in its lane.

use super::jacobi;
use crate::nn::lane::{Array, Job, Lane, Lanes, Level, Precise, elements, elements_mut};
use crate::nn::layer::Layer;
use crate::nn::scalar::{Number, Scalar};

/// Units whose distance is at most this share of the longer one count as one.
const SAME_UNIT: f64 = 1e-6;

/// Of each of `trials` trials: units that differ in any bit, units that differ by more than a millionth, the largest
/// distance of two units, and the effective rank of all: of the units of `layer`, which `next` reads. NaN, but for the
/// first, where a parameter is not finite. `theta` (parameters, trials).
pub(super) fn measure<S: Scalar>(
    layer: Layer,
    next: Layer,
    theta: &[S],
    trials: usize,
    lanes: Lanes,
) -> Vec<[f64; 4]> {
    match lanes.level() {
        _ if trials == 1 => in_lanes::<S, f64>(layer, next, theta, trials),
        Level::Baseline => in_lanes::<S, f64>(layer, next, theta, trials),
        Level::Avx2 => abreast::<S, <f64 as Precise>::Avx2>(layer, next, theta, trials),
        Level::Avx512 => abreast::<S, <f64 as Precise>::Avx512>(layer, next, theta, trials),
    }
}

/// In two registers at once where one is not enough: a turn of two units is a chain of roots and quotients, and that of
/// the second register fills the waits of the first's.
fn abreast<S: Scalar, V: Lane<Elem = f64>>(
    layer: Layer,
    next: Layer,
    theta: &[S],
    trials: usize,
) -> Vec<[f64; 4]> {
    match trials > V::WIDTH {
        true => in_lanes::<S, Array<V, 2>>(layer, next, theta, trials),
        false => in_lanes::<S, V>(layer, next, theta, trials),
    }
}

fn in_lanes<S: Scalar, V: Lane<Elem = f64>>(
    layer: Layer,
    next: Layer,
    theta: &[S],
    trials: usize,
) -> Vec<[f64; 4]> {
    let length = layer.inputs + 1 + next.outputs;
    let numbers = layer.outputs * length;
    let mut buffer = vec![V::ZERO; 2 * numbers + layer.outputs];
    let (rows, room) = buffer.split_at_mut(numbers);
    let mut all = Vec::with_capacity(trials);
    for from in (0..trials).step_by(V::WIDTH) {
        let to = trials.min(from + V::WIDTH);
        load(layer, next, theta, trials, from..to, rows);
        let measured = V::enter(Units { rows, length, room });
        all.extend((0..to - from).map(|lane| measured.map(|of_all| elements(&[of_all])[lane])));
    }
    all
}

/// The units of the trials `those`, one row after the other: to `rows` (units, numbers of a unit).
fn load<S: Scalar, V: Lane<Elem = f64>>(
    layer: Layer,
    next: Layer,
    theta: &[S],
    trials: usize,
    those: std::ops::Range<usize>,
    rows: &mut [V],
) {
    let length = layer.inputs + 1 + next.outputs;
    for (unit, row) in rows.chunks_exact_mut(length).enumerate() {
        let weights = (0..layer.inputs).map(|k| layer.offset + unit * layer.inputs + k);
        let bias = layer.offset + layer.weight_count() + unit;
        let out = (0..next.outputs).map(|o| next.offset + o * next.inputs + unit);
        for (numbers, place) in row.iter_mut().zip(weights.chain([bias]).chain(out)) {
            let of_trials = &theta[place * trials..][those.clone()];
            for (number, x) in elements_mut(std::slice::from_mut(numbers)).iter_mut().zip(of_trials) {
                *number = x.to_f64();
            }
        }
    }
}

/// The units of a layer.
struct Units<'a, V> {
    /// (units, numbers of a unit).
    rows: &'a [V],
    length: usize,
    /// For as many numbers, and one for each unit.
    room: &'a mut [V],
}

impl<V: Lane<Elem = f64>> Job for Units<'_, V> {
    type Output = [V; 4];

    #[inline(always)]
    fn run(self) -> [V; 4] {
        let Self { rows, length, room } = self;
        let by_bits = distinct_by_bits(rows, length);
        // 0 for what is finite, else NaN
        let mut finite = V::ZERO;
        for &x in rows {
            finite = finite.add(x.sub(x));
        }
        let (distinct, difference) = distinct(rows, length, room);
        let rank = effective_rank(jacobi::singular_values(rows, length, room));
        [by_bits, distinct.add(finite), difference.add(finite), rank.add(finite)]
    }
}

/// Units that differ in any bit from each one before.
#[inline(always)]
fn distinct_by_bits<V: Lane<Elem = f64>>(rows: &[V], length: usize) -> V {
    let mut count = V::ZERO;
    for (unit, row) in rows.chunks_exact(length).enumerate() {
        let mut is_new = V::ONE;
        for other in rows.chunks_exact(length).take(unit) {
            let mut differing = V::ZERO.to_bits();
            for (&a, &b) in row.iter().zip(other) {
                differing = either::<V>(differing, V::bits_xor(a.to_bits(), b.to_bits()));
            }
            // the highest bit is set in a number or in its negative, unless it is 0
            let negative = V::bits_sub(V::ZERO.to_bits(), differing);
            let is_other = V::bits_shift_right(either::<V>(differing, negative), u64::BITS - 1);
            let all_or_none = V::bits_sub(V::ZERO.to_bits(), is_other);
            is_new = V::from_bits(V::bits_and(is_new.to_bits(), all_or_none));
        }
        count = count.add(is_new);
    }
    count
}

/// Bits set in one or both.
#[inline(always)]
fn either<V: Lane>(a: V::Bits, b: V::Bits) -> V::Bits {
    V::bits_xor(V::bits_xor(a, b), V::bits_and(a, b))
}

/// Units that differ by more than [`SAME_UNIT`] from each one before that did, and the largest distance of any two.
/// `room` is for two numbers of each.
#[inline(always)]
fn distinct<V: Number>(rows: &[V], length: usize, room: &mut [V]) -> (V, V) {
    // of each unit its length, and 1 where it counts, else 0
    let (lengths, counted) = room.split_at_mut(rows.len() / length);
    let (mut count, mut largest) = (V::ZERO, V::ZERO);
    for (unit, row) in rows.chunks_exact(length).enumerate() {
        lengths[unit] = jacobi::dot(row, row).sqrt();
        let mut is_new = V::ONE;
        for (other, other_row) in rows.chunks_exact(length).take(unit).enumerate() {
            let distance = jacobi::distance(row, other_row);
            largest = jacobi::larger(largest, distance);
            let near = V::from_f64(SAME_UNIT).mul(jacobi::larger(lengths[unit], lengths[other]));
            let far = V::select(distance.gt(near), is_new, V::ZERO);
            is_new = V::select(counted[other].gt(V::ZERO), far, is_new);
        }
        counted[unit] = is_new;
        count = count.add(is_new);
    }
    (count, largest)
}

/// exp of the entropy of the `singular` values over their sum (Roy & Vetterli 2007, eq. 1); 0 where all are 0.
#[inline(always)]
fn effective_rank<V: Lane>(singular: &[V]) -> V {
    let mut total = V::ZERO;
    for &value in singular {
        total = total.add(value);
    }
    let mut entropy = V::ZERO;
    for &value in singular {
        let share = value.div(total);
        entropy = V::select(share.gt(V::ZERO), entropy.sub(share.mul(share.log())), entropy);
    }
    V::select(total.gt(V::ZERO), entropy.exp(), V::ZERO)
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt as _, SeedableRng as _};
    use seedsweep_common::spec::{self, Activation};

    use super::*;
    use crate::nn::network::Network;

    fn measure(layers: &[u32], theta: &[f64]) -> Vec<[f64; 4]> {
        let (layers, output_activation) = (layers.to_vec(), Activation::Identity);
        let network =
            Network::new(&spec::Mlp { layers, activation: Activation::Tanh, output_activation }.into());
        assert_eq!(theta.len(), network.parameter_count());
        let lanes = Lanes::detect();
        network.layers().windows(2).map(|pair| super::measure(pair[0], pair[1], theta, 1, lanes)[0]).collect()
    }

    #[test]
    fn equal_units_are_one_of_rank_exactly_one() {
        for h in 1..20 {
            let theta = vec![0.01; 3 * h as usize + 1];
            assert_eq!(measure(&[1, h, 1], &theta), [[1.0, 1.0, 0.0, 1.0]], "{h} units");
            assert_eq!(measure(&[1, h, 1], &vec![0.0; theta.len()]), [[1.0, 1.0, 0.0, 0.0]], "{h} units");
        }
    }

    /// Trials of every kind side by side, more than lanes and no multiple of them; units longer than the chains of a sum,
    /// and more units than numbers of one.
    #[test]
    fn a_trial_measures_the_same_bits_beside_any_others() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for layers in [[2, 3, 1], [9, 5, 4], [1, 12, 2]] {
            let of_layers = spec::Mlp {
                layers: layers.to_vec(),
                activation: Activation::Tanh,
                output_activation: Activation::Identity,
            };
            let network = Network::new(&of_layers.into());
            let [layer, next] = *network.layers() else { unreachable!("two layers") };
            let mut trial = |kind: usize| -> Vec<f64> {
                let mut theta: Vec<f64> =
                    (0..network.parameter_count()).map(|_| random.random_range(-1.0..1.0)).collect();
                match kind {
                    0 => theta.fill(0.3),
                    1 => theta.fill(0.0),
                    2 => theta[1] = f64::NAN,
                    3 => theta[0] = f64::INFINITY,
                    4 => theta.iter_mut().for_each(|x| *x *= 1e-200),
                    // nearly equal units
                    5 => theta.iter_mut().for_each(|x| *x = 0.3 + 1e-9 * *x),
                    _ => (),
                }
                theta
            };
            let alone: Vec<Vec<f64>> = (0..21).map(|kind| trial(kind % 9)).collect();
            let bits = |values: &[f64; 4]| values.map(|x| if x.is_nan() { f64::NAN } else { x }.to_bits());
            for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
                let Some(lanes) = Lanes::force(level) else { continue };
                let measure = |theta: &[f64], trials| super::measure(layer, next, theta, trials, lanes);
                for trials in [1, 2, 7, 8, 16, 21] {
                    let beside: Vec<f64> = (0..network.parameter_count())
                        .flat_map(|place| alone[..trials].iter().map(move |theta| theta[place]))
                        .collect();
                    for (trial, found) in measure(&beside, trials).iter().enumerate() {
                        let expected = &measure(&alone[trial], 1)[0];
                        assert_eq!(bits(found), bits(expected), "{layers:?} {level:?} {trial} of {trials}");
                    }
                }
            }
        }
    }

    #[test]
    fn units_a_rounding_apart_differ_in_bits_only() {
        // units (1, 0, 1), (1 + 2⁻⁵², 0, 1), (1, 0, 1) and (1, 0, 2)
        let theta = [1.0, 1.0 + f64::EPSILON, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0];
        let [by_bits, distinct, difference, rank] = measure(&[1, 4, 1], &theta)[0];
        assert_eq!((by_bits, distinct, difference), (3.0, 2.0, 1.0));
        // numpy 2.4.6: s = np.linalg.svd([[1,0,1]]*3+[[1,0,2]], compute_uv=False); p = s/s.sum(); np.exp(-(p*np.log(p)).sum())
        assert!((rank - 1.496_784_171_829_723_5).abs() < 1e-14, "{rank}");
    }

    #[test]
    fn what_is_not_finite_is_counted_by_bits_only() {
        let theta = [1.0, f64::INFINITY, 0.0, 0.0, 1.0, 1.0, 0.0];
        let [by_bits, rest @ ..] = measure(&[1, 2, 1], &theta)[0];
        assert!(by_bits == 2.0 && rest.iter().all(|value| value.is_nan()));
    }
}
