//! Data sets by formula, and the two small files that are shipped. Formulas and defaults: `docs/data.md`.

use ndarray::{Array2, s};
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::limits;
use seedsweep_common::seed::{self, Purpose};
use seedsweep_common::spec::{DataSource, XorEncoding};

use super::error::DataError;
use super::target::Targets;
use super::{Table, csv, file, npy};
use crate::nn::angle;

/// UCI optdigits (test part): 64 pixels and the digit, one byte each (`worker/data/README.md`).
const DIGITS: &[u8] = include_bytes!("../../../data/digits.npy");
/// Fisher's irises (`worker/data/README.md`).
const IRIS: &[u8] = include_bytes!("../../../data/iris.csv");

/// Rows of a built-in data set; what is drawn comes from the `data` stream `stream`.
pub(super) fn generate(source: &DataSource, seed: u64, stream: u64) -> Result<Table, DataError> {
    let mut normals = Normals { rng: seed::generator(Purpose::Data, seed, stream) };
    Ok(match *source {
        DataSource::Xor { encoding } => xor(encoding),
        DataSource::Moons { samples, noise } => {
            bounded(source, samples, 2)?;
            moons(samples, noise, &mut normals)
        }
        DataSource::Circles { samples, factor, noise } => {
            bounded(source, samples, 2)?;
            circles(samples, factor, noise, &mut normals)
        }
        DataSource::GaussMix { samples, classes, dims, radius } => {
            bounded(source, samples.max(classes), dims)?;
            gauss_mix(samples as usize, classes as usize, dims as usize, radius, &mut normals)
        }
        DataSource::Digits => digits()?,
        DataSource::Iris => iris()?,
        DataSource::File(_) => unreachable!("a user's file is no built-in data set"),
    })
}

/// The name in specs and messages.
pub(super) fn name(source: &DataSource) -> &str {
    match source {
        DataSource::Xor { .. } => "xor",
        DataSource::Moons { .. } => "moons",
        DataSource::Circles { .. } => "circles",
        DataSource::GaussMix { .. } => "gauss_mix",
        DataSource::Digits => "digits",
        DataSource::Iris => "iris",
        DataSource::File(file) => &file.features.path,
    }
}

fn bounded(source: &DataSource, rows: u32, columns: u32) -> Result<(), DataError> {
    let (rows, columns) = (u64::from(rows), u64::from(columns));
    if rows * columns > limits::DATA_VALUES {
        return Err(DataError::TooManyValues { what: name(source).to_owned(), rows, columns });
    }
    Ok(())
}

/// Standard normal draws, one value at a time.
struct Normals<R> {
    rng: R,
}

impl<R: rand::Rng> Normals<R> {
    fn next(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }

    /// Adds N(0, `sd`²) to every value in C order. Without noise nothing is drawn.
    fn add(&mut self, features: &mut Array2<f64>, sd: f64) {
        if sd > 0.0 {
            features.iter_mut().for_each(|value| *value += sd * self.next());
        }
    }
}

/// The four corners in counting order; class 1 where the two inputs differ.
fn xor(encoding: XorEncoding) -> Table {
    let (low, targets) = match encoding {
        XorEncoding::Signed => (-1.0, Targets::classes(vec![0, 1, 1, 0], 2)),
        XorEncoding::Binary => (0.0, Targets::zero_one(vec![0, 1, 1, 0])),
    };
    let corner = |bit: usize| if bit == 1 { 1.0 } else { low };
    let features = Array2::from_shape_fn((4, 2), |(row, column)| corner(row >> (1 - column) & 1));
    Table { features, targets }
}

/// scikit-learn's `make_moons(shuffle=False)`: outer half circle (class 1), then inner (class 0).
fn moons(samples: u32, noise: f64, normals: &mut Normals<impl rand::Rng>) -> Table {
    let half = samples / 2;
    // linspace(0, π, half) holds both ends
    let points: Vec<(f64, f64)> = (0..half).map(|i| angle::of_pi(i, half.max(2) - 1)).collect();
    let outer = points.iter().map(|&(cos, sin)| [cos, sin]);
    let inner = points.iter().map(|&(cos, sin)| [1.0 - cos, 0.5 - sin]);
    halves(outer.chain(inner).collect(), noise, normals)
}

/// scikit-learn's `make_circles(shuffle=False)`: outer circle (class 1), then inner (class 0).
fn circles(samples: u32, factor: f64, noise: f64, normals: &mut Normals<impl rand::Rng>) -> Table {
    let half = samples / 2;
    let points: Vec<(f64, f64)> = (0..half).map(|i| angle::of_pi(2 * i, half)).collect();
    let outer = points.iter().map(|&(cos, sin)| [cos, sin]);
    let inner = points.iter().map(|&(cos, sin)| [factor * cos, factor * sin]);
    halves(outer.chain(inner).collect(), noise, normals)
}

/// Points of which the first half is class 1 and the second class 0.
fn halves(points: Vec<[f64; 2]>, noise: f64, normals: &mut Normals<impl rand::Rng>) -> Table {
    let half = points.len() / 2;
    let of_row = (0..points.len()).map(|row| usize::from(row < half)).collect();
    let mut features = Array2::from(points);
    normals.add(&mut features, noise);
    Table { features, targets: Targets::classes(of_row, 2) }
}

/// Row i is centre i mod `classes` plus a unit Gaussian. First all centres are drawn: normal vectors,
/// scaled to length `radius`, which is uniform on the sphere (Muller 1959).
fn gauss_mix(
    samples: usize,
    classes: usize,
    dims: usize,
    radius: f64,
    normals: &mut Normals<impl rand::Rng>,
) -> Table {
    let mut centres = Array2::from_shape_simple_fn((classes, dims), || normals.next());
    for mut centre in centres.rows_mut() {
        let norm = centre.iter().fold(0.0, |sum: f64, value| value.mul_add(*value, sum)).sqrt();
        centre.mapv_inplace(|value| radius * (value / norm));
    }
    let features =
        Array2::from_shape_fn((samples, dims), |(row, d)| centres[[row % classes, d]] + normals.next());
    Table { features, targets: Targets::classes((0..samples).map(|row| row % classes).collect(), classes) }
}

/// Pixels divided by 16, which is exact.
fn digits() -> Result<Table, DataError> {
    let values = file::matrix("digits", npy::array("digits", DIGITS)?)?;
    let of_row = values.column(64).iter().map(|&digit| digit as usize).collect();
    Ok(Table {
        features: values.slice(s![.., ..64]).mapv(|pixel| pixel / 16.0),
        targets: Targets::classes(of_row, 10),
    })
}

fn iris() -> Result<Table, DataError> {
    let csv = csv::read("iris", IRIS, "species")?;
    let of_row = file::names_to_classes("iris", "species", &csv.target, 3)?;
    Ok(Table { features: csv.features, targets: Targets::classes(of_row, 3) })
}

#[cfg(test)]
mod tests;
