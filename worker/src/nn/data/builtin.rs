//! Data sets by formula, and the small files that are shipped. Formulas and defaults: `docs/data.md`.

use ndarray::{Array2, s};
use rand_distr::{Distribution, StandardNormal};
use seedsweep_common::limits;
use seedsweep_common::seed::{self, Purpose};
use seedsweep_common::spec::{DataSource, PreimageScheme, SphereLabels, XorEncoding};

use super::error::DataError;
use super::target::Targets;
use super::{Table, csv, file, npy};
use crate::nn::{angle, init};

/// UCI optdigits (test part): 64 pixels and the digit, one byte each (`worker/data/README.md`).
const DIGITS: &[u8] = include_bytes!("../../../data/digits.npy");
/// Fisher's irises (`worker/data/README.md`).
const IRIS: &[u8] = include_bytes!("../../../data/iris.csv");
/// Wines of three cultivars (`worker/data/README.md`).
const WINE: &[u8] = include_bytes!("../../../data/wine.csv");
/// Breast tumours (`worker/data/README.md`).
const BREAST_CANCER: &[u8] = include_bytes!("../../../data/breast_cancer.csv");

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
        DataSource::NoisyXor { samples, noise } => {
            bounded(source, samples, 2)?;
            noisy_xor(samples as usize, noise, &mut normals)
        }
        DataSource::Parity { dims, encoding } => {
            bounded(source, 1_u32.checked_shl(dims).unwrap_or(u32::MAX), dims)?;
            parity(dims as usize, encoding)
        }
        DataSource::TwoSpirals => two_spirals(),
        DataSource::TeacherStudent { samples, dims, teacher_units, label_noise } => {
            bounded(source, samples, dims)?;
            let shape = (samples as usize, dims as usize);
            teacher_student(shape, teacher_units as usize, label_noise, &mut normals)
        }
        DataSource::TeacherStream { samples, dims, teacher_units } => {
            bounded(source, samples, dims)?;
            teacher_student((samples as usize, dims as usize), teacher_units as usize, 0.0, &mut normals)
        }
        DataSource::SphereRandom { samples, dims, labels } => {
            bounded(source, samples, dims)?;
            sphere_random((samples as usize, dims as usize), labels, &mut normals)
        }
        DataSource::Preimage { samples, dims, scheme } => {
            bounded(source, samples.max(dims), dims)?;
            preimage((samples as usize, dims as usize), scheme, (seed, stream), &mut normals)
        }
        DataSource::Digits => digits()?,
        DataSource::Iris => named_classes("iris", IRIS, "species", 3)?,
        DataSource::Wine => named_classes("wine", WINE, "class", 3)?,
        DataSource::BreastCancer => named_classes("breast_cancer", BREAST_CANCER, "class", 2)?,
        DataSource::TeacherPopulation { .. } | DataSource::File(_) => {
            unreachable!("neither a teacher nor a user's file has rows by formula")
        }
    })
}

/// The name in specs and messages.
pub(super) fn name(source: &DataSource) -> &str {
    match source {
        DataSource::Xor { .. } => "xor",
        DataSource::Moons { .. } => "moons",
        DataSource::Circles { .. } => "circles",
        DataSource::GaussMix { .. } => "gauss_mix",
        DataSource::NoisyXor { .. } => "noisy_xor",
        DataSource::Parity { .. } => "parity",
        DataSource::TwoSpirals => "two_spirals",
        DataSource::TeacherStudent { .. } => "teacher_student",
        DataSource::TeacherPopulation { .. } => "teacher_population",
        DataSource::TeacherStream { .. } => "teacher_stream",
        DataSource::SphereRandom { .. } => "sphere_random",
        DataSource::Preimage { .. } => "preimage",
        DataSource::Digits => "digits",
        DataSource::Iris => "iris",
        DataSource::Wine => "wine",
        DataSource::BreastCancer => "breast_cancer",
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
    parity(2, encoding)
}

/// All corners in counting order; class 1 where an odd number of inputs is high.
fn parity(dims: usize, encoding: XorEncoding) -> Table {
    let rows = 1_usize << dims;
    let of_row = (0..rows).map(|row| row.count_ones() as usize % 2).collect();
    let (low, targets) = match encoding {
        XorEncoding::Signed => (-1.0, Targets::classes(of_row, 2)),
        XorEncoding::Binary => (0.0, Targets::zero_one(of_row)),
    };
    let corner = |bit: usize| if bit == 1 { 1.0 } else { low };
    let features = Array2::from_shape_fn((rows, dims), |(row, k)| corner(row >> (dims - 1 - k) & 1));
    Table { features, targets }
}

/// Row i is corner i mod 4 of `xor` plus noise, with the corner's class.
fn noisy_xor(samples: usize, noise: f64, normals: &mut Normals<impl rand::Rng>) -> Table {
    let corners = xor(XorEncoding::Signed).features;
    let mut features = Array2::from_shape_fn((samples, 2), |(row, k)| corners[[row % 4, k]]);
    normals.add(&mut features, noise);
    let of_row = (0..samples).map(|row| [0, 1, 1, 0][row % 4]).collect();
    Table { features, targets: Targets::classes(of_row, 2) }
}

/// Point i of the first spiral (class 1) has the angle φ = iπ/16 and the radius 6.5·(104 − i)/104; it is followed by
/// its negative (class 0). Lang & Witbrock, "Learning to tell two spirals apart", 1988.
fn two_spirals() -> Table {
    let point = |i: u32| {
        let radius = 6.5 * (f64::from(104 - i) / 104.0);
        let (cos, sin) = angle::of_pi(i, 16);
        [radius * sin, radius * cos]
    };
    let points: Vec<[f64; 2]> = (0..97).map(point).flat_map(|[x, y]| [[x, y], [-x, -y]]).collect();
    let of_row = (0..points.len()).map(|row| 1 - row % 2).collect();
    Table { features: Array2::from(points), targets: Targets::classes(of_row, 2) }
}

/// y = Σ relu(x_j) over the first `units` coordinates, plus noise: for standard normal inputs any other orthonormal
/// directions give the same problem, turned. All inputs are drawn first, row by row.
fn teacher_student(
    shape: (usize, usize),
    units: usize,
    noise: f64,
    normals: &mut Normals<impl rand::Rng>,
) -> Table {
    let features = Array2::from_shape_simple_fn(shape, || normals.next());
    let label = |row: usize| (0..units).fold(0.0, |sum, j| sum + f64::max(features[[row, j]], 0.0));
    let mut targets = Array2::from_shape_fn((shape.0, 1), |(row, _)| label(row));
    normals.add(&mut targets, noise);
    Table { features, targets: Targets::Numbers(targets) }
}

/// What stands for rows where there are none: the directions of a teacher's units, each with its output weight 1.
pub(super) fn teacher_directions(units: usize, inputs: usize) -> Table {
    let features = Array2::from_shape_fn((units, inputs), |(j, l)| if j == l { 1.0 } else { 0.0 });
    Table { features, targets: Targets::Numbers(Array2::ones((units, 1))) }
}

/// Normal vectors scaled to length 1, which is uniform on the sphere (Muller 1959); then a label for each, a normal
/// number or the class of its sign.
fn sphere_random(
    shape: (usize, usize),
    labels: SphereLabels,
    normals: &mut Normals<impl rand::Rng>,
) -> Table {
    let mut features = Array2::from_shape_simple_fn(shape, || normals.next());
    for mut row in features.rows_mut() {
        let norm = row.iter().fold(0.0, |sum: f64, value| value.mul_add(*value, sum)).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    let numbers = Array2::from_shape_simple_fn((shape.0, 1), || normals.next());
    let targets = match labels {
        SphereLabels::Normal => Targets::Numbers(numbers),
        SphereLabels::Signs => Targets::classes(numbers.iter().map(|&y| usize::from(y > 0.0)).collect(), 2),
    };
    Table { features, targets }
}

/// x = −Wᵀa scaled to length 1, with a ≥ 0 the sizes of normal draws: as the rows of W are orthogonal, Wx is −a shrunk, and
/// relu leaves nothing of it. W is what a first layer of `dims` units starts from, up to its scale.
fn preimage(
    (samples, dims): (usize, usize),
    scheme: PreimageScheme,
    (seed, stream): (u64, u64),
    normals: &mut Normals<impl rand::Rng>,
) -> Table {
    let weights = init::square(scheme, dims, seed, stream);
    let mut features = Array2::zeros((samples, dims));
    for mut row in features.rows_mut() {
        for unit in weights.chunks_exact(dims) {
            let a = normals.next().abs();
            row.iter_mut().zip(unit).for_each(|(x, w)| *x = (-a).mul_add(*w, *x));
        }
        let norm = row.iter().fold(0.0, |sum: f64, value| value.mul_add(*value, sum)).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    Table { features, targets: Targets::Numbers(Array2::zeros((samples, 1))) }
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

/// A shipped `.csv` whose `column` names `classes` classes, numbered in byte order.
fn named_classes(name: &str, bytes: &[u8], column: &str, classes: usize) -> Result<Table, DataError> {
    let csv = csv::read(name, bytes, column)?;
    let of_row = file::names_to_classes(name, column, &csv.target, classes)?;
    Ok(Table { features: csv.features, targets: Targets::classes(of_row, classes) })
}

#[cfg(test)]
mod tests;
