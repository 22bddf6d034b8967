//! One kernel for the three products of a layer: forward, δ below and weight gradient differ in strides only,
//! restart lanes and unit lanes in operand types only.
//!
//! Every sum is one chain of fused multiply-adds, r ascending: which sums run beside which is all that a tile decides.

use crate::nn::lane::{Job, Lane};

/// Columns of a whole tile: with four rows it takes 24 of 32 registers, with two 12 of 16, and leaves the others to
/// the operands.
const COLUMNS: usize = 6;
/// From so many registers on whole tiles have four rows, else two.
const REGISTERS_OF_FOUR_ROWS: usize = 32;

/// Numbers to multiply with: some in a row for the lanes, or one for all of them.
pub(crate) trait Operand<V: Lane>: Copy {
    /// Numbers from an index on that are read for it.
    const READS: usize;
    /// How many numbers there are.
    fn len(self) -> usize;
    /// The value at number `index`.
    ///
    /// # Safety
    /// `index + READS <= self.len()`.
    unsafe fn read(self, index: usize) -> V;
}

/// Lane values: from an index on, a number for each lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Each<'a, E>(pub(crate) &'a [E]);

/// One number for all lanes.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a, E>(pub &'a [E]);

impl<V: Lane> Operand<V> for Each<'_, V::Elem> {
    const READS: usize = V::WIDTH;

    #[inline(always)]
    fn len(self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    unsafe fn read(self, index: usize) -> V {
        // SAFETY: the caller keeps the index in bounds; lanes are their numbers in a row
        unsafe { self.0.as_ptr().add(index).cast::<V>().read_unaligned() }
    }
}

impl<V: Lane> Operand<V> for Shared<'_, V::Elem> {
    const READS: usize = 1;

    #[inline(always)]
    fn len(self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    unsafe fn read(self, index: usize) -> V {
        // SAFETY: the caller keeps the index in bounds
        V::splat(unsafe { *self.0.get_unchecked(index) })
    }
}

/// A matrix inside an operand: (r, i) is at number r · along + i · across.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<O> {
    /// Where it is.
    pub operand: O,
    /// Numbers from r to r + 1.
    pub along: usize,
    /// Numbers from i to i + 1.
    pub across: usize,
}

/// What the sums begin with.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a, E> {
    /// 0.
    Zero,
    /// One lane value for each i, lanes apart.
    Values(&'a [E]),
    /// What is there.
    Present,
}

/// `sums[i][j] = start; for r ascending: fma(a[r][i], b[r][j], sums[i][j])`, the lanes of `sums[i][j]` from number
/// i · strides.0 + j · strides.1 on.
pub(crate) struct Product<'a, V: Lane, B> {
    pub(crate) a: Matrix<Each<'a, V::Elem>>,
    pub(crate) b: Matrix<B>,
    /// How many r.
    pub(crate) depth: usize,
    pub(crate) start: Start<'a, V::Elem>,
    pub(crate) sums: &'a mut [V::Elem],
    pub(crate) strides: (usize, usize),
    /// How many i and j.
    pub(crate) size: (usize, usize),
}

/// What becomes of a sum before it is stored: a few instructions, because it is done in registers.
pub(crate) trait Finish<V: Lane> {
    /// The value to store in the place where `present` is, from number `place` of the sums on.
    fn finish(&mut self, sum: V, present: V, place: usize) -> V;
}

/// It is stored as it is.
#[derive(Debug)]
pub(crate) struct Unchanged;

impl<V: Lane> Finish<V> for Unchanged {
    #[inline(always)]
    fn finish(&mut self, sum: V, _: V, _: usize) -> V {
        sum
    }
}

impl<V: Lane, B: Operand<V>> Job for Product<'_, V, B> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.compute(Unchanged);
    }
}

/// A product and what becomes of its sums.
struct Finished<'a, V: Lane, B, F> {
    product: Product<'a, V, B>,
    finish: F,
}

impl<V: Lane, B: Operand<V>, F: Finish<V>> Job for Finished<'_, V, B, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.product.compute(self.finish);
    }
}

impl<V: Lane, B: Operand<V>> Product<'_, V, B> {
    /// Computes it, with the instructions of these lanes, and stores what `finish` makes of the sums.
    #[inline(always)]
    pub(crate) fn enter_and<F: Finish<V>>(self, finish: F) {
        V::enter(Finished { product: self, finish });
    }

    /// The operand of which more passes by stays behind: a few rows of vectors are walked along all columns that are
    /// single numbers, else a few columns along all rows.
    #[inline(always)]
    fn compute<F: Finish<V>>(mut self, mut finish: F) {
        self.check();
        let (rows, columns) = self.size;
        let (mut i, mut j) = (0, 0);
        if B::READS == 1 {
            while i < rows {
                let height = height::<V>(rows - i);
                j = 0;
                while j < columns {
                    j += self.tile_of((i, j), (height, columns - j), &mut finish);
                }
                i += height;
            }
        } else {
            while j < columns {
                let width = width(columns - j);
                i = 0;
                while i < rows {
                    let height = height::<V>(rows - i);
                    self.tile_of((i, j), (height, width), &mut finish);
                    i += height;
                }
                j += width;
            }
        }
    }

    /// All indices that tiles touch are in bounds.
    #[inline(always)]
    fn check(&self) {
        let (rows, columns) = self.size;
        assert!(end((self.depth, rows), (self.a.along, self.a.across), V::WIDTH) <= self.a.operand.0.len());
        assert!(end((self.depth, columns), (self.b.along, self.b.across), B::READS) <= self.b.operand.len());
        assert!(end((rows, columns), self.strides, V::WIDTH) <= self.sums.len());
        if let Start::Values(values) = self.start {
            assert!(rows * V::WIDTH <= values.len());
        }
    }

    /// The tile of this height whose first sum is at (i, j), as wide as so many columns allow; says how wide.
    #[inline(always)]
    fn tile_of<F: Finish<V>>(
        &mut self,
        (i, j): (usize, usize),
        (height, columns): (usize, usize),
        finish: &mut F,
    ) -> usize {
        let width = width(columns);
        // SAFETY: `check` has found all indices below (rows, columns) in bounds
        unsafe {
            match (height, width) {
                (4, COLUMNS) if V::REGISTERS >= REGISTERS_OF_FOUR_ROWS => {
                    self.tile::<F, 4, COLUMNS>(i, j, finish);
                }
                (4, 4) if V::REGISTERS >= REGISTERS_OF_FOUR_ROWS => self.tile::<F, 4, 4>(i, j, finish),
                (4, 2) if V::REGISTERS >= REGISTERS_OF_FOUR_ROWS => self.tile::<F, 4, 2>(i, j, finish),
                (4, _) if V::REGISTERS >= REGISTERS_OF_FOUR_ROWS => self.tile::<F, 4, 1>(i, j, finish),
                (2, COLUMNS) => self.tile::<F, 2, COLUMNS>(i, j, finish),
                (2, 4) => self.tile::<F, 2, 4>(i, j, finish),
                (2, 2) => self.tile::<F, 2, 2>(i, j, finish),
                (2, _) => self.tile::<F, 2, 1>(i, j, finish),
                (_, COLUMNS) => self.tile::<F, 1, COLUMNS>(i, j, finish),
                (_, 4) => self.tile::<F, 1, 4>(i, j, finish),
                (_, 2) => self.tile::<F, 1, 2>(i, j, finish),
                _ => self.tile::<F, 1, 1>(i, j, finish),
            }
        }
        width
    }

    /// The sums (i .. i + I, j .. j + J), all in registers.
    ///
    /// # Safety
    /// They and what they are made from are in bounds.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    unsafe fn tile<F: Finish<V>, const I: usize, const J: usize>(
        &mut self,
        i: usize,
        j: usize,
        finish: &mut F,
    ) {
        let sums = self.sums.as_mut_ptr();
        let at = |x: usize, y: usize| (i + x) * self.strides.0 + (j + y) * self.strides.1;
        let mut tile = [[V::ZERO; J]; I];
        match self.start {
            Start::Zero => {}
            Start::Values(values) => {
                for x in 0..I {
                    // SAFETY: in bounds by the contract
                    tile[x] = [unsafe { Each(values).read((i + x) * V::WIDTH) }; J];
                }
            }
            Start::Present => {
                for x in 0..I {
                    for y in 0..J {
                        // SAFETY: in bounds by the contract
                        tile[x][y] = unsafe { sums.add(at(x, y)).cast::<V>().read_unaligned() };
                    }
                }
            }
        }
        let (mut from_a, mut from_b) = (i * self.a.across, j * self.b.across);
        for _ in 0..self.depth {
            let mut a = [V::ZERO; I];
            for x in 0..I {
                // SAFETY: in bounds by the contract
                a[x] = unsafe { self.a.operand.read(from_a + x * self.a.across) };
            }
            for y in 0..J {
                // SAFETY: in bounds by the contract
                let b = unsafe { self.b.operand.read(from_b + y * self.b.across) };
                for x in 0..I {
                    tile[x][y] = a[x].fma(b, tile[x][y]);
                }
            }
            from_a += self.a.along;
            from_b += self.b.along;
        }
        for x in 0..I {
            for y in 0..J {
                // SAFETY: in bounds by the contract
                let place = unsafe { sums.add(at(x, y)).cast::<V>() };
                // SAFETY: as above
                let present = unsafe { place.read_unaligned() };
                // SAFETY: as above
                unsafe { place.write_unaligned(finish.finish(tile[x][y], present, at(x, y))) };
            }
        }
    }
}

/// Rows of the next tile, where so many are left.
#[inline(always)]
fn height<V: Lane>(rows: usize) -> usize {
    match rows {
        n if n >= 4 && V::REGISTERS >= REGISTERS_OF_FOUR_ROWS => 4,
        n if n >= 2 => 2,
        _ => 1,
    }
}

/// Columns of the next tile, where so many are left.
#[inline(always)]
fn width(columns: usize) -> usize {
    match columns {
        n if n >= COLUMNS => COLUMNS,
        n if n >= 4 => 4,
        n if n >= 2 => 2,
        _ => 1,
    }
}

/// One past the last number that a matrix of so many rows and columns reaches; 0 if it is empty.
#[inline(always)]
fn end(size: (usize, usize), strides: (usize, usize), reads: usize) -> usize {
    match size {
        (0, _) | (_, 0) => 0,
        (rows, columns) => (rows - 1) * strides.0 + (columns - 1) * strides.1 + reads,
    }
}

#[cfg(test)]
mod tests;
