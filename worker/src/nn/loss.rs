//! Losses and their derivatives at the outputs, row by row.

use seedsweep_common::spec::Loss;

use crate::nn::scalar::Number;

/// Goes on with the sum of the losses of some rows, ascending. `outputs` and `targets` (rows, width).
/// mse sums squares over outputs too; [`mean`] divides.
#[inline(always)]
pub fn add_rows<S: Number>(loss: Loss, outputs: &[S], targets: &[S], width: usize, sum: S) -> S {
    let mut sum = sum;
    match loss {
        Loss::Mse => {
            for (&f, &y) in outputs.iter().zip(targets) {
                let error = f.sub(y);
                sum = error.fma(error, sum);
            }
        }
        Loss::CrossEntropy => {
            for (z, y) in outputs.chunks_exact(width).zip(targets.chunks_exact(width)) {
                sum = sum.add(cross_entropy(z, y));
            }
        }
        Loss::Logistic => {
            for (&z, &y) in outputs.iter().zip(targets) {
                sum = sum.add(logistic(z, y));
            }
        }
    }
    sum
}

/// The mean loss from the sum over `rows` rows of `width` outputs.
#[inline(always)]
pub fn mean<S: Number>(loss: Loss, sum: S, rows: usize, width: usize) -> S {
    let count = match loss {
        Loss::Mse => rows * width,
        Loss::CrossEntropy | Loss::Logistic => rows,
    };
    sum.div(S::from_f64(count as f64))
}

/// δ at the outputs: the derivative of each row's loss, times `share` (1/B, rounded).
/// `outputs`, `targets` and `deltas` (rows, width).
#[inline(always)]
pub fn output_deltas<S: Number>(
    loss: Loss,
    outputs: &[S],
    targets: &[S],
    width: usize,
    share: S,
    deltas: &mut [S],
) {
    match loss {
        Loss::Mse => {
            let double = S::from_f64(2.0 / width as f64);
            for ((d, &f), &y) in deltas.iter_mut().zip(outputs).zip(targets) {
                *d = f.sub(y).mul(double).mul(share);
            }
        }
        Loss::CrossEntropy => {
            let rows = outputs.chunks_exact(width).zip(targets.chunks_exact(width));
            for (d, (z, y)) in deltas.chunks_exact_mut(width).zip(rows) {
                softmax(z, d);
                for (d, &y) in d.iter_mut().zip(y) {
                    *d = d.sub(y).mul(share);
                }
            }
        }
        Loss::Logistic => {
            for ((d, &z), &y) in deltas.iter_mut().zip(outputs).zip(targets) {
                *d = z.sigmoid().sub(y).mul(share);
            }
        }
    }
}

/// Largest value, ascending; the first of equal ones.
#[inline(always)]
fn maximum<S: Number>(values: &[S]) -> S {
    let mut max = values[0];
    for &value in &values[1..] {
        max = S::select(value.gt(max), value, max);
    }
    max
}

/// exp(z − max) divided by their ascending sum. `logits` and `probabilities` (width).
#[inline(always)]
pub fn softmax<S: Number>(logits: &[S], probabilities: &mut [S]) {
    let max = maximum(logits);
    for (p, &z) in probabilities.iter_mut().zip(logits) {
        *p = z.sub(max).exp();
    }
    let mut sum = S::ZERO;
    for &p in probabilities.iter() {
        sum = sum.add(p);
    }
    for p in probabilities.iter_mut() {
        *p = p.div(sum);
    }
}

/// log(Σ exp(z − max)) − (z_y − max), y the class whose target is 1.
#[inline(always)]
fn cross_entropy<S: Number>(logits: &[S], one_hot: &[S]) -> S {
    let max = maximum(logits);
    let mut sum = S::ZERO;
    let mut of_class = logits[0];
    for (&z, &y) in logits.iter().zip(one_hot) {
        sum = sum.add(z.sub(max).exp());
        of_class = S::select(y.gt(S::ZERO), z, of_class);
    }
    sum.log().sub(of_class.sub(max))
}

/// max(z, 0) − z·y + log(1 + exp(−|z|)), accurate where the exponential is tiny.
#[inline(always)]
fn logistic<S: Number>(z: S, y: S) -> S {
    let positive = z.gt(S::ZERO);
    let e = S::select(positive, z.neg(), z).exp();
    // log(1 + e) with the part of e that the sum rounds away put back
    let one_more = S::ONE.add(e);
    let log = one_more.log().add(e.sub(one_more.sub(S::ONE)).div(one_more));
    z.neg().fma(y, S::select(positive, z, S::ZERO)).add(log)
}
