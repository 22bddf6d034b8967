//! Tiles of shapes that no level uses, too: which sums run beside which changes no bit.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::nn::lane::{Lanes, Level, Precise};
use crate::nn::scalar::Scalar;

/// Every remainder by sixteen, of rows, columns and depth in turn.
const MOST: usize = 16;

/// A product worked off in tiles of I × J sums; what is left over at the sides one by one.
struct InTiles<'a, V: Lane, B, const I: usize, const J: usize>(Product<'a, V, B>);

impl<V: Lane, B: Operand<V>, const I: usize, const J: usize> Job for InTiles<'_, V, B, I, J> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut product = self.0;
        product.check();
        let (rows, columns) = product.size;
        let (whole_rows, whole_columns) = (rows / I * I, columns / J * J);
        for i in 0..rows {
            for j in 0..columns {
                let is_whole = i < whole_rows && j < whole_columns;
                // SAFETY: `check` has found all indices below (rows, columns) in bounds
                unsafe {
                    if is_whole && i % I == 0 && j % J == 0 {
                        product.tile::<Unchanged, I, J>(i, j, &mut Unchanged);
                    } else if !is_whole {
                        product.tile::<Unchanged, 1, 1>(i, j, &mut Unchanged);
                    }
                }
            }
        }
    }
}

/// How a product is worked off.
trait Way {
    fn run<V: Lane, B: Operand<V>>(product: Product<'_, V, B>);
}

/// In these tiles.
struct Tiles<const I: usize, const J: usize>;

impl<const I: usize, const J: usize> Way for Tiles<I, J> {
    fn run<V: Lane, B: Operand<V>>(product: Product<'_, V, B>) {
        V::enter(InTiles::<V, B, I, J>(product));
    }
}

/// In those of the level.
struct Chosen;

impl Way for Chosen {
    fn run<V: Lane, B: Operand<V>>(product: Product<'_, V, B>) {
        V::enter(product);
    }
}

/// The numbers of a product.
struct Numbers<E> {
    a: Vec<E>,
    b: Vec<E>,
    start: Vec<E>,
    sums: Vec<E>,
    depth: usize,
    size: (usize, usize),
}

impl<E: Scalar + Lane<Elem = E>> Numbers<E> {
    /// As many as the widest lanes and operands of the product need.
    fn draw(rng: &mut ChaCha8Rng, width: usize, depth: usize, size: (usize, usize)) -> Self {
        let mut draw = |count: usize| -> Vec<E> {
            (0..count * width)
                .map(|_| E::from_f64((rng.next_u64() >> 40) as f64 / f64::from(1 << 23) - 1.0))
                .collect()
        };
        let (rows, columns) = size;
        Self {
            a: draw(rows * depth),
            b: draw(columns * depth),
            start: draw(rows),
            sums: draw(rows * columns),
            depth,
            size,
        }
    }

    /// `sums` begun in one of three ways, with b in lanes or one number for all of them.
    fn by<V: Lane<Elem = E>, W: Way>(&self, kind: usize, is_shared: bool) -> Vec<E> {
        let mut sums = self.sums.clone();
        let (rows, columns) = self.size;
        let start = [Start::Zero, Start::Values(&self.start), Start::Present][kind];
        let a = Matrix { operand: Each(&self.a[..]), along: rows * V::WIDTH, across: V::WIDTH };
        let strides = (columns * V::WIDTH, V::WIDTH);
        let (depth, size) = (self.depth, self.size);
        if is_shared {
            let b = Matrix { operand: Shared(&self.b[..]), along: columns, across: 1 };
            W::run(Product::<V, _> { a, b, depth, start, sums: &mut sums, strides, size });
        } else {
            let b = Matrix { operand: Each(&self.b[..]), along: columns * V::WIDTH, across: V::WIDTH };
            W::run(Product::<V, _> { a, b, depth, start, sums: &mut sums, strides, size });
        }
        sums
    }

    /// The definition: each sum one chain of fused multiply-adds, r ascending.
    fn by_definition<V: Lane<Elem = E>>(&self, kind: usize, is_shared: bool) -> Vec<E> {
        let (rows, columns) = self.size;
        let mut sums = self.sums.clone();
        for i in 0..rows {
            for j in 0..columns {
                for lane in 0..V::WIDTH {
                    let place = (i * columns + j) * V::WIDTH + lane;
                    let mut sum = [E::ZERO, self.start[i * V::WIDTH + lane], sums[place]][kind];
                    for r in 0..self.depth {
                        let a = self.a[(r * rows + i) * V::WIDTH + lane];
                        let b = match is_shared {
                            true => self.b[r * columns + j],
                            false => self.b[(r * columns + j) * V::WIDTH + lane],
                        };
                        sum = a.fma(b, sum);
                    }
                    sums[place] = sum;
                }
            }
        }
        sums
    }
}

fn bits<E: Scalar>(sums: &[E]) -> Vec<u64> {
    sums.iter().map(|sum| sum.to_f64().to_bits()).collect()
}

/// All tiles on some product of this size.
fn assert_same<V: Lane>(rng: &mut ChaCha8Rng, depth: usize, size: (usize, usize)) {
    let numbers = Numbers::<V::Elem>::draw(rng, V::WIDTH, depth, size);
    for kind in 0..3 {
        for is_shared in [true, false] {
            let expected = bits(&numbers.by_definition::<V>(kind, is_shared));
            let what = format!("{} lanes, depth {depth}, {size:?}, start {kind}, {is_shared}", V::WIDTH);
            for (tile, found) in [
                ("1 × 1", numbers.by::<V, Tiles<1, 1>>(kind, is_shared)),
                ("2 × 6", numbers.by::<V, Tiles<2, 6>>(kind, is_shared)),
                ("4 × 6", numbers.by::<V, Tiles<4, 6>>(kind, is_shared)),
                ("3 × 5", numbers.by::<V, Tiles<3, 5>>(kind, is_shared)),
                ("8 × 3", numbers.by::<V, Tiles<8, 3>>(kind, is_shared)),
                ("1 × 16", numbers.by::<V, Tiles<1, 16>>(kind, is_shared)),
                ("the level's", numbers.by::<V, Chosen>(kind, is_shared)),
            ] {
                assert!(bits(&found) == expected, "tiles {tile}: {what}");
            }
        }
    }
}

#[test]
fn every_shape_of_tile_gives_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for rows in 1..=MOST {
        for columns in 1..=MOST {
            // each depth with each remainder of rows and of columns
            let depth = (rows + 5 * columns) % MOST + 1;
            let size = (rows, columns);
            assert_same::<f32>(&mut rng, depth, size);
            if Lanes::force(Level::Avx2).is_some() {
                assert_same::<<f32 as Precise>::Avx2>(&mut rng, depth, size);
                assert_same::<<f64 as Precise>::Avx2>(&mut rng, depth, size);
            }
            if Lanes::force(Level::Avx512).is_some() {
                assert_same::<<f32 as Precise>::Avx512>(&mut rng, depth, size);
                assert_same::<<f64 as Precise>::Avx512>(&mut rng, depth, size);
            }
        }
    }
}
