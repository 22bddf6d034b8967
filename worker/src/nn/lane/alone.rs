//! The products of one layer alone, in restart lanes and single precision: for measurements of the kernel.

use crate::nn::lane::{Each, Lane, Lanes, Level, Matrix, Precise, Product, Shared, Start};
use crate::nn::scalar::Number;

/// Which of a layer's products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Sums of the layer from rows that all lanes share.
    Forward,
    /// δ of the layer below.
    Delta,
    /// Weight gradient from rows that all lanes share.
    Gradient,
}

impl Which {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Delta, Self::Gradient];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Delta => "delta",
            Self::Gradient => "gradient",
        }
    }
}

/// A layer's width in, width out, and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of what comes in.
    pub inputs: usize,
    /// Width of what goes out.
    pub outputs: usize,
    /// Rows.
    pub rows: usize,
}

/// Computes the product `times` times at the level of `lanes` and tells how many floating-point operations that was.
pub fn repeat(which: Which, shape: Shape, lanes: Lanes, times: u64) -> f64 {
    let width = match lanes.level() {
        Level::Baseline => Buffers::<f32>::new(shape).repeat(which, times),
        Level::Avx2 => Buffers::<<f32 as Precise>::Avx2>::new(shape).repeat(which, times),
        Level::Avx512 => Buffers::<<f32 as Precise>::Avx512>::new(shape).repeat(which, times),
    };
    2.0 * (shape.inputs * shape.outputs * shape.rows * width) as f64 * times as f64
}

struct Buffers<V: Lane> {
    shape: Shape,
    /// (outputs, inputs, lane).
    weights: Vec<V::Elem>,
    /// (rows, inputs), shared.
    rows: Vec<V::Elem>,
    /// (rows, outputs, lane).
    deltas: Vec<V::Elem>,
    sums: Vec<V::Elem>,
}

impl<V: Lane> Buffers<V> {
    fn new(shape: Shape) -> Self {
        let Shape { inputs, outputs, rows } = shape;
        let values = |count: usize| vec![V::Elem::from_f64(1e-3); count];
        Self {
            shape,
            weights: values(outputs * inputs * V::WIDTH),
            rows: values(rows * inputs),
            deltas: values(rows * outputs * V::WIDTH),
            sums: values(inputs.max(rows) * outputs.max(inputs).max(rows) * V::WIDTH),
        }
    }

    fn repeat(mut self, which: Which, times: u64) -> usize {
        for _ in 0..times {
            match which {
                Which::Forward => self.forward(),
                Which::Delta => self.delta(),
                Which::Gradient => self.gradient(),
            }
            std::hint::black_box(&mut self.sums);
        }
        V::WIDTH
    }

    fn forward(&mut self) {
        let Shape { inputs, outputs, rows } = self.shape;
        V::enter(Product::<V, _> {
            a: Matrix { operand: Each(&self.weights), along: V::WIDTH, across: V::WIDTH * inputs },
            b: Matrix { operand: Shared(&self.rows), along: 1, across: inputs },
            depth: inputs,
            start: Start::Zero,
            sums: &mut self.sums,
            strides: (V::WIDTH, V::WIDTH * outputs),
            size: (outputs, rows),
        });
    }

    fn delta(&mut self) {
        let Shape { inputs, outputs, rows } = self.shape;
        V::enter(Product::<V, _> {
            a: Matrix { operand: Each(&self.weights), along: V::WIDTH * inputs, across: V::WIDTH },
            b: Matrix { operand: Each(&self.deltas), along: V::WIDTH, across: V::WIDTH * outputs },
            depth: outputs,
            start: Start::Zero,
            sums: &mut self.sums,
            strides: (V::WIDTH, V::WIDTH * inputs),
            size: (inputs, rows),
        });
    }

    fn gradient(&mut self) {
        let Shape { inputs, outputs, rows } = self.shape;
        V::enter(Product::<V, _> {
            a: Matrix { operand: Each(&self.deltas), along: V::WIDTH * outputs, across: V::WIDTH },
            b: Matrix { operand: Shared(&self.rows), along: inputs, across: 1 },
            depth: rows,
            start: Start::Zero,
            sums: &mut self.sums,
            strides: (V::WIDTH * inputs, V::WIDTH),
            size: (outputs, inputs),
        });
    }
}
