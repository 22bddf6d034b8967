//! How one network's numbers lie in registers: matrices in panels, rows of values padded to whole registers.

use crate::nn::lane::Lane;

/// Registers of a panel, as many as a tile of the kernel multiplies at once.
const PANEL_REGISTERS: usize = 4;
/// From so many registers on rows of values have an odd number of them, so that they do not fall on the same sets
/// of the cache.
const ODD_REGISTERS: usize = 4;

/// Registers that hold `width` numbers.
pub(super) fn registers<V: Lane>(width: usize) -> usize {
    width.div_ceil(V::WIDTH)
}

/// Registers from one row of `width` values to the next.
pub(super) fn stride<V: Lane>(width: usize) -> usize {
    match registers::<V>(width) {
        n if n < ODD_REGISTERS || V::WIDTH == 1 => n,
        n => n | 1,
    }
}

/// A matrix (depth, columns) with its columns in registers, cut into panels (depth, registers) that lie one after the
/// other: what the kernel reads of a panel is read from its start to its end. Lanes beyond the last column start as 0
/// and no real number is ever computed from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panels {
    pub(super) depth: usize,
    pub(super) columns: usize,
}

/// One panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panel {
    /// Its first register of columns.
    pub(super) first: usize,
    /// How many it has.
    pub(super) registers: usize,
    /// Lane values before it.
    pub(super) offset: usize,
}

impl Panels {
    /// Lane values of all panels.
    pub(super) fn len<V: Lane>(self) -> usize {
        self.depth * registers::<V>(self.columns)
    }

    /// The panels, ascending.
    #[inline(always)]
    pub(super) fn iter<V: Lane>(self) -> impl Iterator<Item = Panel> {
        let all = registers::<V>(self.columns);
        // plain loops take whole rows
        let most = if V::WIDTH == 1 { all } else { PANEL_REGISTERS };
        (0..all).step_by(most).map(move |first| Panel {
            first,
            registers: most.min(all - first),
            offset: first * self.depth,
        })
    }

    /// Calls `visit(from, to, count)` for runs of numbers: `count` numbers of the row-major matrix from number `from`
    /// on are those from number `to` on here.
    #[inline(always)]
    pub(super) fn for_each_run<V: Lane>(self, mut visit: impl FnMut(usize, usize, usize)) {
        for panel in self.iter::<V>() {
            let column = panel.first * V::WIDTH;
            let count = (panel.registers * V::WIDTH).min(self.columns - column);
            for r in 0..self.depth {
                let to = (panel.offset + r * panel.registers) * V::WIDTH;
                visit(r * self.columns + column, to, count);
            }
        }
    }

    /// As [`Panels::for_each_run`] for the transposed matrix: the `count` numbers are `self.depth` apart there.
    #[inline(always)]
    pub(super) fn for_each_run_transposed<V: Lane>(self, mut visit: impl FnMut(usize, usize, usize)) {
        let Self { depth, columns } = self;
        self.for_each_run::<V>(|from, to, count| {
            let (r, column) = (from / columns, from % columns);
            visit(column * depth + r, to, count);
        });
    }

    /// Number of (r, column) here.
    #[inline(always)]
    pub(super) fn place<V: Lane>(self, r: usize, column: usize) -> usize {
        let all = registers::<V>(self.columns);
        let most = if V::WIDTH == 1 { all } else { PANEL_REGISTERS };
        let register = column / V::WIDTH;
        let (panel, within) = (register / most, register % most);
        let registers = most.min(all - panel * most);
        (panel * most * self.depth + r * registers + within) * V::WIDTH + column % V::WIDTH
    }

    /// From the number of (r, column) to that of (r + 1, column).
    #[inline(always)]
    pub(super) fn place_step<V: Lane>(self, column: usize) -> usize {
        self.place::<V>(1, column) - self.place::<V>(0, column)
    }
}
