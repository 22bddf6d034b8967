//! The types of a validated spec. Illegal values cannot be reached through `spec::parse`.

mod data;
mod network;
mod train;

use crate::id::Name;
use crate::init::Init;

pub use data::*;
pub use network::*;
pub use train::*;

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
    /// How far training moved the units of each hidden layer, from the start to the end.
    pub movement: bool,
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
