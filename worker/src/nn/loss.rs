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
        Loss::Population => unreachable!("it has no rows"),
    }
    sum
}

/// What one row adds to the sum of losses by [`add`], one after the other: mse its errors, logistic the loss of each
/// output, cross-entropy its loss alone. `outputs`, `targets` and `terms` (width).
#[inline(always)]
pub fn terms<'t, S: Number>(loss: Loss, outputs: &[S], targets: &[S], terms: &'t mut [S]) -> &'t [S] {
    match loss {
        Loss::Mse => {
            for ((term, &f), &y) in terms.iter_mut().zip(outputs).zip(targets) {
                *term = f.sub(y);
            }
            terms
        }
        Loss::Population => unreachable!("it has no rows"),
        Loss::CrossEntropy => {
            terms[0] = cross_entropy(outputs, targets);
            &terms[..1]
        }
        Loss::Logistic => {
            for ((term, &z), &y) in terms.iter_mut().zip(outputs).zip(targets) {
                *term = logistic(z, y);
            }
            terms
        }
    }
}

/// The sum of losses with one more of the [`terms`].
#[inline(always)]
pub fn add<S: Number>(loss: Loss, sum: S, term: S) -> S {
    match loss {
        Loss::Mse => term.fma(term, sum),
        Loss::CrossEntropy | Loss::Logistic => sum.add(term),
        Loss::Population => unreachable!("it has no rows"),
    }
}

/// The mean loss from the sum over `rows` rows of `width` outputs; a population's loss is no sum.
#[inline(always)]
pub fn mean<S: Number>(loss: Loss, sum: S, rows: usize, width: usize) -> S {
    let count = match loss {
        Loss::Mse => rows * width,
        Loss::CrossEntropy | Loss::Logistic => rows,
        Loss::Population => return sum,
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
            let block = ROWS_TOGETHER * width;
            let rows = outputs.chunks(block).zip(targets.chunks(block));
            for (d, (z, y)) in deltas.chunks_mut(block).zip(rows) {
                softmax_rows(z, width, d);
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
        Loss::Population => unreachable!("it has no rows"),
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
    softmax_rows(logits, logits.len(), probabilities);
}

/// Rows whose maxima and sums are taken side by side: each is one chain, in which the next operation waits for the
/// one before.
const ROWS_TOGETHER: usize = 8;

/// [`softmax`] of each row. `logits` and `probabilities` (rows, width), at most
/// [`ROWS_TOGETHER`] rows.
#[inline(always)]
fn softmax_rows<S: Number>(logits: &[S], width: usize, probabilities: &mut [S]) {
    let mut maxima = [S::ZERO; ROWS_TOGETHER];
    for (max, z) in maxima.iter_mut().zip(logits.chunks_exact(width)) {
        *max = maximum(z);
    }
    let rows = probabilities.chunks_exact_mut(width).zip(logits.chunks_exact(width));
    for ((p, z), &max) in rows.zip(&maxima) {
        for (p, &z) in p.iter_mut().zip(z) {
            *p = z.sub(max).exp();
        }
    }
    let mut sums = [S::ZERO; ROWS_TOGETHER];
    for (sum, p) in sums.iter_mut().zip(probabilities.chunks_exact(width)) {
        for &p in p {
            *sum = sum.add(p);
        }
    }
    for (p, &sum) in probabilities.chunks_exact_mut(width).zip(&sums) {
        for p in p {
            *p = p.div(sum);
        }
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
