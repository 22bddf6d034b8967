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
            let block = ROWS_TOGETHER * width;
            let whole = outputs.len() - outputs.len() % block;
            let (outputs, last_outputs) = outputs.split_at(whole);
            let (targets, last_targets) = targets.split_at(whole);
            for (z, y) in outputs.chunks_exact(block).zip(targets.chunks_exact(block)) {
                for loss in cross_entropies::<S, ROWS_TOGETHER>(z, y, width) {
                    sum = sum.add(loss);
                }
            }
            for (z, y) in last_outputs.chunks_exact(width).zip(last_targets.chunks_exact(width)) {
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
                let sums = exponentials(z, width, d);
                let rows = d.chunks_exact_mut(width).zip(y.chunks_exact(width));
                for ((d, y), &sum) in rows.zip(&sums) {
                    for (d, &y) in d.iter_mut().zip(y) {
                        *d = d.div(sum).sub(y).mul(share);
                    }
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
    let [sum, ..] = exponentials(logits, logits.len(), probabilities);
    for p in probabilities {
        *p = p.div(sum);
    }
}

/// Rows whose maxima and sums are taken side by side: each is one chain, in which the next operation waits for the
/// one before. Few enough for the next rows' exponentials to begin under the quotients of these.
const ROWS_TOGETHER: usize = 4;

/// exp(z − max) of each row, and their ascending sums. `logits` and `exponentials` (rows, width), at most
/// [`ROWS_TOGETHER`] rows.
#[inline(always)]
fn exponentials<S: Number>(logits: &[S], width: usize, exponentials: &mut [S]) -> [S; ROWS_TOGETHER] {
    let mut maxima = [S::ZERO; ROWS_TOGETHER];
    for (max, z) in maxima.iter_mut().zip(logits.chunks_exact(width)) {
        *max = maximum(z);
    }
    let rows = exponentials.chunks_exact_mut(width).zip(logits.chunks_exact(width));
    for ((e, z), &max) in rows.zip(&maxima) {
        for (e, &z) in e.iter_mut().zip(z) {
            *e = z.sub(max).exp();
        }
    }
    let mut sums = [S::ZERO; ROWS_TOGETHER];
    for (sum, e) in sums.iter_mut().zip(exponentials.chunks_exact(width)) {
        for &e in e {
            *sum = sum.add(e);
        }
    }
    sums
}

/// log(Σ exp(z − max)) − (z_y − max), y the class whose target is 1.
#[inline(always)]
fn cross_entropy<S: Number>(logits: &[S], one_hot: &[S]) -> S {
    let [loss] = cross_entropies(logits, one_hot, logits.len());
    loss
}

/// [`cross_entropy`] of N rows. `logits` and `one_hot` (N, width).
#[inline(always)]
fn cross_entropies<S: Number, const N: usize>(logits: &[S], one_hot: &[S], width: usize) -> [S; N] {
    let mut firsts = [S::ZERO; N];
    for (first, row) in firsts.iter_mut().zip(logits.chunks_exact(width)) {
        *first = row[0];
    }
    let (mut maxima, mut of_class, mut sums) = (firsts, firsts, [S::ZERO; N]);
    for (max, row) in maxima.iter_mut().zip(logits.chunks_exact(width)) {
        *max = maximum(row);
    }
    for column in 0..width {
        for row in 0..N {
            let (z, y) = (logits[row * width + column], one_hot[row * width + column]);
            sums[row] = sums[row].add(z.sub(maxima[row]).exp());
            of_class[row] = S::select(y.gt(S::ZERO), z, of_class[row]);
        }
    }
    for ((sum, of_class), max) in sums.iter_mut().zip(of_class).zip(maxima) {
        *sum = sum.log().sub(of_class.sub(max));
    }
    sums
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
