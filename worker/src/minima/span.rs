//! Subspaces of the space of parameters, by an orthonormal basis.

use super::surface::dot;

/// Part of a direction that must be left after the earlier ones are taken out, for it to be a new one.
const INDEPENDENT: f64 = 1e-6;
/// Most values of the vectors that are kept (128 MiB).
const MOST_VALUES: usize = 1 << 24;

/// A direction: its entries by parameter, which may come twice and then add up.
pub(super) type Entries = Vec<(usize, f64)>;

/// The span of some directions.
#[derive(Debug)]
pub(super) struct Span {
    parameters: usize,
    basis: Vec<Vector>,
    /// Which parameters are axes of the basis.
    is_axis: Vec<bool>,
    is_full: bool,
}

/// An element of a basis.
#[derive(Debug)]
enum Vector {
    /// One parameter alone. All of these come first, so that what follows has nothing there.
    Axis(usize),
    /// (parameters), of length 1.
    Dense(Vec<f64>),
}

impl Span {
    /// Of no direction.
    pub(super) fn new(parameters: usize) -> Self {
        Self { parameters, basis: Vec::new(), is_axis: vec![false; parameters], is_full: false }
    }

    /// Its dimension.
    pub(super) fn dimension(&self) -> usize {
        self.basis.len()
    }

    /// Whether a direction was left out since there were too many to keep.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Adds `direction`, unless it is 0 or lies in the span.
    pub(super) fn add(&mut self, direction: &[(usize, f64)]) {
        if let (&[(at, value)], Some(Vector::Axis(_)) | None) = (direction, self.basis.last()) {
            if value != 0.0 && !self.is_axis[at] {
                self.is_axis[at] = true;
                self.basis.push(Vector::Axis(at));
            }
            return;
        }
        let dense = self.basis.iter().filter(|vector| matches!(vector, Vector::Dense(_))).count();
        if (dense + 1) * self.parameters > MOST_VALUES {
            self.is_full = true;
            return;
        }
        let mut vector = vec![0.0; self.parameters];
        direction.iter().for_each(|&(at, value)| vector[at] += value);
        let norm = dot(&vector, &vector).sqrt();
        // twice is enough (Kahan, in Parlett 1980)
        self.take_out(&mut vector);
        self.take_out(&mut vector);
        let rest = dot(&vector, &vector).sqrt();
        if rest > INDEPENDENT * norm {
            vector.iter_mut().for_each(|x| *x /= rest);
            self.basis.push(Vector::Dense(vector));
        }
    }

    /// Takes the shares that `x` has in the span out of it.
    pub(super) fn take_out(&self, x: &mut [f64]) {
        for vector in &self.basis {
            match vector {
                Vector::Axis(at) => x[*at] = 0.0,
                Vector::Dense(vector) => {
                    let share = dot(vector, x);
                    x.iter_mut().zip(vector).for_each(|(x, v)| *x -= share * v);
                }
            }
        }
    }

    /// Leaves only the first `dimension` elements of the basis.
    pub(super) fn truncate(&mut self, dimension: usize) {
        for vector in self.basis.drain(dimension..) {
            if let Vector::Axis(at) = vector {
                self.is_axis[at] = false;
            }
        }
    }

    /// The elements of the basis from number `from` on, each times the next of `factors`, added up.
    pub(super) fn mix(&self, from: usize, mut factors: impl FnMut() -> f64) -> Vec<f64> {
        let mut sum = vec![0.0; self.parameters];
        for vector in &self.basis[from..] {
            let factor = factors();
            match vector {
                Vector::Axis(at) => sum[*at] += factor,
                Vector::Dense(vector) => sum.iter_mut().zip(vector).for_each(|(x, v)| *x += factor * v),
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_span_adds_nothing_and_is_taken_out() {
        let mut span = Span::new(4);
        for (direction, dimension) in [
            (vec![(1, 2.0)], 1),
            (vec![(1, -1.0)], 1),
            (vec![(3, 0.0)], 1),
            (vec![(0, 1.0), (1, 5.0), (2, 1.0)], 2),
            (vec![(0, 2.0), (2, 2.0)], 2),
            (vec![(0, 1.0), (0, -1.0)], 2),
            // an axis that has a share in what is there
            (vec![(0, 1.0)], 3),
            (vec![(2, 1.0)], 3),
        ] {
            span.add(&direction);
            assert_eq!(span.dimension(), dimension, "{direction:?}");
        }
        let mut x = [1.0, 2.0, 3.0, 4.0];
        span.take_out(&mut x);
        assert!(x[..3].iter().all(|x| x.abs() < 1e-15) && x[3] == 4.0, "{x:?}");
        span.truncate(0);
        span.add(&[(1, 1.0)]);
        assert_eq!((span.dimension(), span.mix(0, || 0.5)), (1, vec![0.0, 0.5, 0.0, 0.0]));
    }
}
