//! Where the rows of an experiment come from.

use crate::digest::Digest;

/// The data of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Where the rows come from.
    pub source: DataSource,
    /// Share of the rows kept for testing, 0 ≤ f < 1.
    pub test_fraction: f64,
    /// Whether features are shifted and scaled by the training rows' mean and sd.
    pub standardize: bool,
}

/// Where rows come from. Formulas: science of the built-in data sets in `docs/data.md`.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    /// The four corners.
    Xor {
        /// Corners at ±1 or at 0 and 1.
        encoding: XorEncoding,
    },
    /// Two interleaved half circles.
    Moons {
        /// Rows, even.
        samples: u32,
        /// Sd of the Gaussian noise added to both coordinates.
        noise: f64,
    },
    /// Two concentric circles.
    Circles {
        /// Rows, even.
        samples: u32,
        /// Radius of the inner circle, in (0, 1).
        factor: f64,
        /// Sd of the Gaussian noise added to both coordinates.
        noise: f64,
    },
    /// Unit Gaussians around centres on a sphere.
    GaussMix {
        /// Rows, spread evenly over the classes.
        samples: u32,
        /// Number of centres.
        classes: u32,
        /// Dimensions.
        dims: u32,
        /// Radius of the sphere on which the centres lie.
        radius: f64,
    },
    /// 1797 8×8 digits, each pixel divided by 16.
    Digits,
    /// 150 irises with four measurements in centimetres.
    Iris,
    /// 178 wines with 13 measurements, of three cultivars.
    Wine,
    /// 569 tumours with 30 measurements, benign or malignant.
    BreastCancer,
    /// All corners of a cube; the class is the parity of the coordinates that are 1.
    Parity {
        /// Dimensions, at most `limits::PARITY_DIMS`.
        dims: u32,
        /// Corners at ±1 or at 0 and 1.
        encoding: XorEncoding,
    },
    /// Unlike corners of a square with noise around them: the class is the centre's in `xor`.
    NoisyXor {
        /// Rows, spread evenly over the four centres.
        samples: u32,
        /// Sd of the Gaussian noise on both coordinates.
        noise: f64,
    },
    /// Two interlocking spirals of 97 points each (Lang & Witbrock 1988).
    TwoSpirals,
    /// Standard normal inputs, labelled by a sum of relus along orthonormal directions.
    TeacherStudent {
        /// Rows.
        samples: u32,
        /// Dimensions.
        dims: u32,
        /// Units of the teacher, at most `dims`.
        teacher_units: u32,
        /// Sd of the Gaussian noise on the labels.
        label_noise: f64,
    },
    /// All standard normal inputs at once, labelled by the sum of relus along the first axes: no rows, but a loss in
    /// closed form (`Loss::Population`). The table of rows holds the teacher's directions.
    TeacherPopulation {
        /// Units of the teacher, at most the network's inputs.
        teacher_units: u32,
    },
    /// Fresh rows of `TeacherStudent` without noise for every update, from the `order` stream; as many as `samples` of
    /// them, from the `data` stream, stand for the training rows wherever those are looked at, unless the loss is that
    /// of the population.
    TeacherStream {
        /// Rows that losses are taken on.
        samples: u32,
        /// Dimensions.
        dims: u32,
        /// Units of the teacher, at most `dims`.
        teacher_units: u32,
    },
    /// Uniform inputs on the unit sphere with labels that have nothing to do with them.
    SphereRandom {
        /// Rows.
        samples: u32,
        /// Dimensions.
        dims: u32,
        /// What the labels are.
        labels: SphereLabels,
    },
    /// Unit inputs that a relu layer started by a known matrix maps to 0: the worst that can be shown to it.
    Preimage {
        /// Rows.
        samples: u32,
        /// Dimensions, and units of the layer.
        dims: u32,
        /// What the layer starts from.
        scheme: PreimageScheme,
    },
    /// A user's file.
    File(DataFile),
}

/// Labels of `sphere_random`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SphereLabels {
    /// Two classes, as likely as each other.
    Signs,
    /// Standard normal numbers.
    Normal,
}

/// Square matrices with orthogonal rows, for which inputs that relu maps to 0 are written down at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreimageScheme {
    /// What `orthogonal` draws from the `init` stream with the number of the data's.
    Orthogonal,
    /// `identity`.
    Identity,
    /// `hadamard`; its rows are orthogonal where the dimensions are a power of two.
    Hadamard,
    /// `dct`.
    Dct,
}

impl PreimageScheme {
    /// All of them, in the order of messages.
    pub const ALL: [Self; 4] = [Self::Orthogonal, Self::Identity, Self::Hadamard, Self::Dct];

    /// The name in specs, which is that of the init scheme.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orthogonal => "orthogonal",
            Self::Identity => "identity",
            Self::Hadamard => "hadamard",
            Self::Dct => "dct",
        }
    }
}

/// Encoding of `xor` and `parity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XorEncoding {
    /// Inputs ±1, targets ±1.
    Signed,
    /// Inputs 0 and 1, targets 0 and 1.
    Binary,
}

/// A user's data file. The content is what counts: it is part of the sweep's identity.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// The table of features (and of the target, where it is a column of it).
    pub features: Attachment,
    /// Where the targets are.
    pub target: Target,
}

/// A file beside the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Path as written, relative to the spec. The canonical form keeps only the last component.
    pub path: String,
    /// BLAKE3 of the content; `None` until the file was read (`SweepSpec::attach`).
    pub digest: Option<Digest>,
}

/// Where the targets of a data file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A named column of a `.csv`.
    Column(String),
    /// A column of a two-dimensional `.npy`, counted from 0, or from the end if negative.
    ColumnIndex(i64),
    /// A second `.npy` of as many rows.
    File(Attachment),
    /// Arrays of a `.npz`: the features, and the targets of as many rows.
    Arrays {
        /// Name of the features.
        x: String,
        /// Name of the targets.
        y: String,
    },
}
