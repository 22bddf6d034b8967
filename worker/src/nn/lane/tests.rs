//! Vector lanes against arrays of single numbers, operation by operation, on all kinds of numbers.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Array, Job, Lane, Lanes, Level, Precise, elements, elements_mut};
use crate::nn::scalar::{Number, Scalar};

/// Results of each operation on three operands.
struct Operations<V>([V; 3]);

impl<V: Lane> Job for Operations<V> {
    type Output = [V; 16];

    #[inline(always)]
    fn run(self) -> [V; 16] {
        let [a, b, c] = self.0;
        [
            a.add(b),
            a.sub(b),
            a.mul(b),
            a.div(b),
            a.fma(b, c),
            a.neg(),
            a.sqrt(),
            V::select(a.gt(b), b, c),
            V::select(a.gt(a), b, c),
            a.exp(),
            a.log(),
            a.tanh(),
            a.sigmoid(),
            a.erf(),
            a.atan2(b),
            V::from_f64(0.3).add(V::ONE).add(V::ZERO),
        ]
    }
}

/// Results of lanes `V` on `operands`, number by number; NaN is one.
fn results<V: Lane>(operands: [&[V::Elem]; 3]) -> Vec<u64> {
    let lanes = operands.map(|values| {
        let mut lanes = [V::ZERO];
        elements_mut(&mut lanes).copy_from_slice(values);
        lanes[0]
    });
    let results = V::enter(Operations(lanes));
    let bits = |x: &V::Elem| if x.to_f64().is_nan() { u64::MAX } else { x.to_f64().to_bits() };
    elements(&results).iter().map(bits).collect()
}

fn agree<S: Precise, V: Lane<Elem = S>, const W: usize>(draw: impl Fn(u64) -> S)
where
    Array<S, W>: Lane<Elem = S>,
{
    let mut rng = ChaCha8Rng::seed_from_u64(W as u64);
    let special = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-310, 1e-42, 89.0];
    for round in 0..20_000 {
        let operands: [Vec<S>; 3] = std::array::from_fn(|_| {
            (0..W)
                .map(|_| match rng.next_u64() {
                    bits if bits % 8 == 0 => S::from_f64(special[(bits >> 8) as usize % special.len()]),
                    // any bits, and numbers of usual size
                    bits if bits % 2 == 0 => draw(bits),
                    bits => S::from_f64((bits >> 11) as f64 / (1_u64 << 48) as f64 - 16.0),
                })
                .collect()
        });
        let operands = [&operands[0][..], &operands[1][..], &operands[2][..]];
        let (found, expected) = (results::<V>(operands), results::<Array<S, W>>(operands));
        assert_eq!(found, expected, "round {round} of {W} lanes: {operands:?}");
    }
}

#[test]
fn lanes_compute_what_single_numbers_compute() {
    let single = |bits: u64| f32::from_bits(bits as u32 ^ (bits >> 32) as u32);
    let double = |bits: u64| f64::from_bits(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if Lanes::force(Level::Avx512).is_some() {
        agree::<f32, <f32 as Precise>::Avx512, 16>(single);
        agree::<f64, <f64 as Precise>::Avx512, 8>(double);
    }
    if Lanes::force(Level::Avx2).is_some() {
        agree::<f32, <f32 as Precise>::Avx2, 8>(single);
        agree::<f64, <f64 as Precise>::Avx2, 4>(double);
    }
    agree::<f32, f32, 1>(single);
    agree::<f64, f64, 1>(double);
}

/// Columns of rows, with the instructions of the lanes.
struct Columns<'a, V: Lane> {
    rows: &'a [&'a [V::Elem]],
    from: usize,
    columns: &'a mut [V],
}

impl<V: Lane> Job for Columns<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        V::columns(self.rows, self.from, self.columns);
    }
}

fn turns_over<V: Lane>() {
    let numbers: Vec<V::Elem> = (0..1000).map(|i| V::Elem::from_f64(f64::from(i))).collect();
    let rows: Vec<&[V::Elem]> = (0..V::WIDTH).map(|lane| &numbers[lane * 37..]).collect();
    for (from, count) in [(0, V::WIDTH), (3, V::WIDTH), (V::WIDTH, 1), (5, V::WIDTH.div_ceil(2))] {
        let mut columns = vec![V::ZERO; count];
        V::enter(Columns { rows: &rows, from, columns: &mut columns });
        for (c, column) in elements(&columns).chunks_exact(V::WIDTH).enumerate() {
            for (lane, number) in column.iter().enumerate() {
                assert_eq!(number.to_f64(), (lane * 37 + from + c) as f64, "column {c}, lane {lane}");
            }
        }
    }
}

#[test]
fn rows_become_columns_in_every_lane() {
    if Lanes::force(Level::Avx512).is_some() {
        turns_over::<<f32 as Precise>::Avx512>();
        turns_over::<<f64 as Precise>::Avx512>();
    }
    if Lanes::force(Level::Avx2).is_some() {
        turns_over::<<f32 as Precise>::Avx2>();
        turns_over::<<f64 as Precise>::Avx2>();
    }
    turns_over::<f32>();
    turns_over::<f64>();
}
