//! One kernel for the three products of a layer: forward, δ below and weight gradient differ in strides only,
//! restart lanes and unit lanes in operand types only.
//!
//! Every sum is one chain of fused multiply-adds, r ascending: which sums run beside which is all that a tile decides.

use crate::nn::lane::{Job, Lane, Lanes, Level, Precise};

/// Sums of one tile: four registers of the first operand times six of the second, 24 of 32 registers.
const TILE_ROWS: usize = 4;
const TILE_COLUMNS: usize = 6;

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

impl<V: Lane, B: Operand<V>> Job for Product<'_, V, B> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        self.check();
        let (rows, columns) = self.size;
        let mut i = 0;
        while i < rows {
            let step = match rows - i {
                n if n >= TILE_ROWS => TILE_ROWS,
                n if n >= 2 => 2,
                _ => 1,
            };
            match step {
                TILE_ROWS => self.panel::<TILE_ROWS>(i, columns),
                2 => self.panel::<2>(i, columns),
                _ => self.panel::<1>(i, columns),
            }
            i += step;
        }
    }
}

impl<V: Lane, B: Operand<V>> Product<'_, V, B> {
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

    #[inline(always)]
    fn panel<const I: usize>(&mut self, i: usize, columns: usize) {
        let mut j = 0;
        while j < columns {
            let step = match columns - j {
                n if n >= TILE_COLUMNS => TILE_COLUMNS,
                n if n >= 4 => 4,
                n if n >= 2 => 2,
                _ => 1,
            };
            // SAFETY: `check` has found all indices below (rows, columns) in bounds
            match step {
                TILE_COLUMNS => unsafe { self.tile::<I, TILE_COLUMNS>(i, j) },
                4 => unsafe { self.tile::<I, 4>(i, j) },
                2 => unsafe { self.tile::<I, 2>(i, j) },
                _ => unsafe { self.tile::<I, 1>(i, j) },
            }
            j += step;
        }
    }

    /// The sums (i .. i + I, j .. j + J), all in registers.
    ///
    /// # Safety
    /// They and what they are made from are in bounds.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices that are constants become registers")]
    unsafe fn tile<const I: usize, const J: usize>(&mut self, i: usize, j: usize) {
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
                unsafe { sums.add(at(x, y)).cast::<V>().write_unaligned(tile[x][y]) };
            }
        }
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
