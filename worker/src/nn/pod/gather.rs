//! Rows of the data that each lane picks for itself, turned into lane values.

use crate::nn::lane::{Job, Lane, columns_singly};

/// Rows `from..to` of those that each lane picks.
pub(super) struct Gather<'a, V: Lane> {
    /// (rows, width).
    pub(super) table: &'a [V::Elem],
    pub(super) width: usize,
    /// For each lane the rows it picks; lanes beyond follow the first.
    pub(super) picks: &'a [&'a [usize]],
    pub(super) from: usize,
    pub(super) to: usize,
    /// (to − from, width), rows `stride` apart.
    pub(super) gathered: &'a mut [V],
    pub(super) stride: usize,
}

impl<V: Lane> Job for Gather<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { table, width, picks, from, to, gathered, stride } = self;
        // of each lane what the table has from its row on
        let mut rows: Vec<&[V::Elem]> = vec![&[]; V::WIDTH];
        for (s, gathered) in (from..to).zip(gathered.chunks_mut(stride)) {
            for (lane, row) in rows.iter_mut().enumerate() {
                *row = &table[picks[if lane < picks.len() { lane } else { 0 }][s] * width..];
            }
            let shortest = rows.iter().map(|row| row.len()).min().unwrap_or(0);
            for (block, columns) in gathered[..width].chunks_mut(V::WIDTH).enumerate() {
                let first = block * V::WIDTH;
                if first + V::WIDTH <= shortest {
                    V::columns(&rows, first, columns);
                } else {
                    columns_singly(&rows, first, columns);
                }
            }
        }
    }
}
