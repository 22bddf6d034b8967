//! Products of one network: the lanes of a register are sums that lie side by side.

use crate::nn::lane::{Each, Lane, Lanes, Level, Matrix, Precise, Product, Shared, Start};

/// Products in unit lanes: the lanes of one network's sums that lie side by side. `sums[j][i]` (rows, columns)
/// grows by `vectors[r][i] · singles[r][j]`.
#[derive(Debug)]
pub struct Across<'a, E> {
    /// (depth, columns).
    pub vectors: &'a [E],
    /// (r, i = row).
    pub singles: Matrix<Shared<'a, E>>,
    /// How many r.
    pub depth: usize,
    /// `Values` are one for each column.
    pub start: Start<'a, E>,
    /// (rows, columns).
    pub sums: &'a mut [E],
    /// How many columns.
    pub columns: usize,
}

#[expect(private_bounds, reason = "only precisions to train in have lanes")]
impl<E: Precise> Across<'_, E> {
    /// Computes it, whole registers of columns at the level of `lanes` and what is left column by column. Says no,
    /// and does nothing, where there are no vectors or not a register of columns.
    #[inline(always)]
    pub fn run(self, lanes: Lanes) -> bool {
        match lanes.level() {
            Level::Avx512 if self.columns >= E::Avx512::WIDTH => self.on::<E::Avx512>(),
            Level::Avx2 if self.columns >= E::Avx2::WIDTH => self.on::<E::Avx2>(),
            _ => return false,
        }
        true
    }

    #[inline(always)]
    fn on<V: Lane<Elem = E>>(mut self) {
        let whole = self.columns / V::WIDTH;
        self.part::<V>(0, whole);
        self.part::<E>(whole * V::WIDTH, self.columns - whole * V::WIDTH);
    }

    /// `count` lanes of columns from column `from` on.
    #[inline(always)]
    fn part<V: Lane<Elem = E>>(&mut self, from: usize, count: usize) {
        if count == 0 || self.sums.is_empty() {
            return;
        }
        V::enter(Product::<V, _> {
            a: Matrix {
                operand: Each(self.vectors.get(from..).unwrap_or_default()),
                along: self.columns,
                across: V::WIDTH,
            },
            b: self.singles,
            depth: self.depth,
            start: match self.start {
                Start::Values(values) => Start::Values(&values[from..]),
                other => other,
            },
            strides: (V::WIDTH, self.columns),
            size: (count, self.sums.len() / self.columns),
            sums: &mut self.sums[from..],
        });
    }
}
