//! The types of a validated spec. Illegal values cannot be reached through `spec::parse`.

use crate::digest::Digest;
use crate::id::Name;
use crate::init::Init;

/// A validated sweep with all defaults filled in and the grid expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSpec {
    /// The sweep's name; several sweeps may share one.
    pub name: Name,
    /// Root of every stream; at most `limits::SEED`.
    pub seed: u64,
    /// Precision of the training arithmetic (the polish is always f64).
    pub precision: Precision,
    /// How minima of all experiments are told apart: one clustering for the whole sweep.
    pub tolerances: Tolerances,
    /// The experiments in the order of the spec, grid cells expanded. At least one.
    pub experiments: Vec<Experiment>,
}

/// Precision of the training arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

/// One condition of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Unique in its sweep; grid cells are named `<name>.g0`, `<name>.g1`, ….
    pub name: Name,
    /// The network.
    pub network: Network,
    /// The data.
    pub data: Data,
    /// Loss, optimiser and stop rules.
    pub train: Train,
    /// Polish and verdict.
    pub minima: Minima,
    /// What is recorded besides the end.
    pub measure: Measure,
    /// Where training starts.
    pub init: Init,
    /// How many trials, at least 1; with `stop_when` at most.
    pub restarts: u32,
    /// What ends it before all of them are made; `None` where all are.
    pub stop_when: Option<StopWhen>,
    /// How many distinct starts the restarts share; `None` where not given (then 1 if `init` does not vary).
    pub starts: Option<u32>,
    /// How many distinct data orders are crossed with the starts; `None` where not given.
    pub orders: Option<u32>,
    /// Up to this update all restarts follow the data order of stream 0, and only then their own.
    pub fork: Option<u64>,
    /// The streams that change from restart to restart.
    pub vary: VarySet,
    /// Overridden and grid keys with their values, as dotted paths in the order written: what the report
    /// calls `parameters` and the export gives a column each.
    pub parameters: Vec<Parameter>,
}

/// What must be known of an experiment to end it early. Each goal that is given must be reached, and at least one is
/// given (`docs/statistics.md`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopWhen {
    /// Largest width of the agreement's confidence sequence (`anytime_ci95`), in (0, 1).
    pub same_pair_width: Option<f64>,
    /// Smallest coverage (Chao & Jost), at two looks in a row, in (0, 1).
    pub coverage: Option<f64>,
}

/// A key that this experiment sets differently from the sweep's tables, with its value as TOML.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Dotted path, for instance `train.lr`.
    pub path: String,
    /// The value.
    pub value: toml::Value,
}

/// The streams that change from restart to restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VarySet {
    /// The start.
    pub init: bool,
    /// The order in which rows are visited.
    pub order: bool,
    /// Generated data: noise and split.
    pub data: bool,
    /// The noise added to the start.
    pub perturb: bool,
}

impl VarySet {
    /// The names in it, in the order `init`, `order`, `data`, `perturb`.
    pub fn names(self) -> Vec<&'static str> {
        [("init", self.init), ("order", self.order), ("data", self.data), ("perturb", self.perturb)]
            .into_iter()
            .filter_map(|(name, on)| on.then_some(name))
            .collect()
    }
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// `kind = "mlp"`.
    Mlp(Mlp),
    /// `kind = "relu_sum"`.
    ReluSum(ReluSum),
}

impl Network {
    /// Length of the parameter vector.
    pub fn parameter_count(&self) -> u64 {
        match self {
            Self::Mlp(mlp) => mlp.parameter_count(),
            Self::ReluSum(sum) => sum.parameter_count(),
        }
    }

    /// Width of the input.
    pub fn inputs(&self) -> u32 {
        match self {
            Self::Mlp(mlp) => mlp.layers[0],
            Self::ReluSum(sum) => sum.inputs,
        }
    }

    /// Width of the output.
    pub fn outputs(&self) -> u32 {
        match self {
            Self::Mlp(mlp) => mlp.layers[mlp.layers.len() - 1],
            Self::ReluSum(_) => 1,
        }
    }

    /// Whether it has a canonical form: not if hidden layers are linear, whose units any matrix can mix.
    pub fn has_canonical_form(&self) -> bool {
        match self {
            Self::Mlp(mlp) => mlp.activation != Activation::Identity || mlp.layers.len() == 2,
            Self::ReluSum(_) => true,
        }
    }

    /// What follows the output.
    pub fn output_activation(&self) -> Activation {
        match self {
            Self::Mlp(mlp) => mlp.output_activation,
            Self::ReluSum(_) => Activation::Identity,
        }
    }

    /// Sizes from input to output.
    pub fn sizes(&self) -> Vec<u32> {
        match self {
            Self::Mlp(mlp) => mlp.layers.clone(),
            Self::ReluSum(sum) => vec![sum.inputs, sum.units, 1],
        }
    }

    /// Whether a start draws signs, whatever its scheme.
    pub fn draws_signs(&self) -> bool {
        matches!(self, Self::ReluSum(ReluSum { output: SumOutput::RandomSigns, .. }))
    }
}

impl From<Mlp> for Network {
    fn from(mlp: Mlp) -> Self {
        Self::Mlp(mlp)
    }
}

impl From<ReluSum> for Network {
    fn from(sum: ReluSum) -> Self {
        Self::ReluSum(sum)
    }
}

/// A fully connected network (`kind = "mlp"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mlp {
    /// Sizes from input to output; at least two.
    pub layers: Vec<u32>,
    /// Applied after every layer but the last.
    pub activation: Activation,
    /// Applied after the last: `Identity`, or with mse `Tanh` or `Sigmoid`.
    pub output_activation: Activation,
}

impl Mlp {
    /// Weights and biases of all layers.
    pub fn parameter_count(&self) -> u64 {
        self.layers.windows(2).map(|pair| u64::from(pair[1]) * (u64::from(pair[0]) + 1)).sum()
    }
}

/// f(x) = scale · Σ aᵣ relu(wᵣ·x) without biases, of which only the wᵣ are trained (`kind = "relu_sum"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReluSum {
    /// Length of x.
    pub inputs: u32,
    /// How many wᵣ.
    pub units: u32,
    /// The aᵣ.
    pub output: SumOutput,
    /// The scale.
    pub scale: SumScale,
}

impl ReluSum {
    /// The weights, and the signs where they are random.
    pub fn parameter_count(&self) -> u64 {
        let per_unit = u64::from(self.inputs) + u64::from(self.output == SumOutput::RandomSigns);
        u64::from(self.units) * per_unit
    }
}

/// The output weights of a `relu_sum`, which are never trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumOutput {
    /// 1.
    Ones,
    /// 1 or −1, as likely as each other: drawn with the start, and kept behind the weights in the parameter vector.
    RandomSigns,
}

/// The scale of a `relu_sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumScale {
    /// 1.
    One,
    /// 1/√units.
    InverseSqrtUnits,
}

/// What follows the affine map of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(0, z); its derivative at 0 is 0.
    Relu,
    /// z above 0, else z/100; its derivative at 0 is 1/100 (PyTorch's `LeakyReLU`).
    LeakyRelu,
    /// z·Φ(z), Φ the normal distribution (Hendrycks & Gimpel 2016), by erf: PyTorch's `GELU` without `tanh`.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(−z)).
    Sigmoid,
    /// z.
    Identity,
}

impl Activation {
    /// The name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky_relu",
            Self::Gelu => "gelu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Identity => "identity",
        }
    }

    /// Whether its derivative jumps at 0.
    pub fn has_kink(self) -> bool {
        match self {
            Self::Relu | Self::LeakyRelu => true,
            Self::Gelu | Self::Tanh | Self::Sigmoid | Self::Identity => false,
        }
    }
}

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

/// How an experiment is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Train {
    /// What is minimised.
    pub loss: Loss,
    /// Adds `l2 · ‖θ‖²` to the loss, over all parameters.
    pub l2: f64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Pulls parameters to 0 in each update and is no part of the loss: `weight_decay · θ` is added to the gradient,
    /// or with `Optimizer::AdamW` θ shrinks by the factor 1 − lr · `weight_decay`.
    pub weight_decay: f64,
    /// Learning rate.
    pub lr: f64,
    /// How the learning rate changes from update to update.
    pub schedule: Schedule,
    /// Rows per update.
    pub batch: Batch,
    /// Whether small batches take the rows in shuffled order, else in file order.
    pub shuffle: bool,
    /// When training ends at the latest.
    pub budget: Budget,
    /// What ends it earlier.
    pub stop: Stop,
}

/// What is minimised: a mean over rows, or an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Mean over rows and outputs of the squared difference (PyTorch's `MSELoss`).
    Mse,
    /// Softmax cross-entropy over two or more outputs.
    CrossEntropy,
    /// Logistic loss of one output, targets 0 and 1.
    Logistic,
    /// Half the expected squared difference from the teacher of `teacher_population` (Safran & Shamir 2018). With
    /// `teacher_stream` updates follow half the mean squared difference over fresh rows; all else is the expectation.
    Population,
}

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Gradient descent: `batch = "full"` is required.
    Gd,
    /// Stochastic gradient descent with heavy-ball momentum (0 for none).
    Sgd {
        /// Momentum in [0, 1).
        momentum: f64,
    },
    /// Stochastic gradient descent with Nesterov's momentum in PyTorch's form (`nesterov = true`).
    Nesterov {
        /// Momentum in (0, 1).
        momentum: f64,
    },
    /// Adam (Kingma & Ba 2015) with eps outside the root.
    Adam {
        /// Decay of the first moment, in [0, 1).
        beta1: f64,
        /// Decay of the second moment, in [0, 1).
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    AdamW {
        /// Decay of the first moment, in [0, 1).
        beta1: f64,
        /// Decay of the second moment, in [0, 1).
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
    },
    /// RMSprop (Hinton, lecture 6e) as in PyTorch, not centred.
    RmsProp {
        /// Decay of the mean square, in [0, 1).
        alpha: f64,
        /// Added to its root.
        eps: f64,
    },
}

/// The learning rate over the updates: first a linear warm-up, then one of the shapes. Formulas: `docs/engine.md`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Schedule {
    /// Updates of the warm-up.
    pub warmup: u64,
    /// What follows it.
    pub shape: LrShape,
}

/// How the learning rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LrShape {
    /// Not at all.
    #[default]
    Constant,
    /// Multiplied by `gamma` after each `step_size` updates (PyTorch's `StepLR`).
    Step {
        /// Updates between two steps, at least 1.
        step_size: u64,
        /// The factor, in (0, 1].
        gamma: f64,
    },
    /// Half a cosine down to `eta_min` (PyTorch's `CosineAnnealingLR`), where it stays.
    Cosine {
        /// Updates of the way down; `None` for all that the budget leaves after the warm-up.
        t_max: Option<u64>,
        /// Where it ends, at least 0.
        eta_min: f64,
    },
}

/// Rows per update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// All training rows, in file order.
    Full,
    /// So many rows in shuffled order; the last batch of an epoch may be shorter.
    Size(u32),
}

/// When training ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Passes over the training rows.
    Epochs(u64),
    /// Updates.
    Steps(u64),
}

/// What ends training before its budget. Looked at after each update with a full batch, and after each
/// epoch otherwise, on all training rows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stop {
    /// Stop reason `converged` at a full-batch gradient norm (Euclidean) at most this.
    pub grad_norm: Option<f64>,
    /// Stop reason `target_reached` at a training loss at most this.
    pub loss: Option<f64>,
    /// Stop reason `target_reached` when every output is closer than this to its target (mse only).
    pub max_error: Option<f64>,
}

/// What counts as a minimum and how the verdict is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Minima {
    /// Whether the end point is polished to a certified minimum.
    pub polish: PolishMode,
    /// Most steps of the polish, all phases together.
    pub polish_max_steps: u32,
    /// The level the verdict uses.
    pub level: Level,
    /// `same_minimum` if the agreement's interval lies above this.
    pub same_at: f64,
    /// `spread` if the agreement's interval lies below this.
    pub spread_at: f64,
    /// Most basins of an experiment between which barriers are measured, the largest first; below 2: none are.
    pub barriers: u32,
}

/// What is recorded of a trial besides its end (`docs/measures.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// The training loss on the way.
    pub curve: bool,
    /// How far apart the units of each hidden layer are, on the way.
    pub symmetry: bool,
    /// How far apart the layers keep the rows, at the start and at the end.
    pub geometry: bool,
    /// The neural tangent kernel, at the start and at the end.
    pub ntk: bool,
    /// Updates between two points on the way; `None` for five a decade (ten with `ntk`).
    pub every: Option<u64>,
}

/// Whether end points are polished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolishMode {
    /// On if parameters × training rows ≤ 2·10⁵ and the network is small enough for its certificate.
    Auto,
    /// On.
    On,
    /// Off: the levels compare points as training left them.
    Off,
}

/// How far two minima may lie apart and still count as one, per level (root-mean-square differences), and how high a
/// barrier may be and still count as none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Parameters.
    pub raw: f64,
    /// Canonical sketches: their largest absolute difference.
    pub canonical: f64,
    /// Outputs or probabilities on the probe set.
    pub function: f64,
    /// Barriers: a share of the larger end loss (`crate::barrier::Barrier::is_none`).
    pub barrier: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { raw: 1e-5, canonical: 1e-5, function: 1e-4, barrier: 0.01 }
    }
}

/// How two minima are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Equal bytes of all trained parameters.
    Bits,
    /// Same point.
    Raw,
    /// Same up to the symmetries of the network.
    Canonical,
    /// Same outputs on the probe set.
    Function,
}

impl Level {
    /// All levels, finest first.
    pub const ALL: [Self; 4] = [Self::Bits, Self::Raw, Self::Canonical, Self::Function];

    /// The name in specs, reports and columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bits => "bits",
            Self::Raw => "raw",
            Self::Canonical => "canonical",
            Self::Function => "function",
        }
    }
}
