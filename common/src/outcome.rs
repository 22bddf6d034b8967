//! The stored row of a finished trial.

use crate::fingerprint::{CanonicalSketch, ParameterDigest, Sketch};
use crate::measure::{self, Measured};

/// What a finished trial leaves: a pure function of (frozen spec, experiment, restart). Floats are kept
/// as bits; NaN and infinities are legal where training diverged.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Which trial of its experiment.
    pub restart: u32,
    /// Why training ended.
    pub stop_reason: StopReason,
    /// Updates made.
    pub steps: u64,
    /// Loss on all training rows at the stop, the l2 term included.
    pub loss_train: f64,
    /// Loss on the test rows at the stop without the l2 term; `None` without test rows.
    pub loss_test: Option<f64>,
    /// Share of training rows classified right; `None` for regression.
    pub accuracy_train: Option<f64>,
    /// Share of test rows classified right.
    pub accuracy_test: Option<f64>,
    /// Euclidean norm of the full-batch gradient (f64) at the stop.
    pub grad_norm: f64,
    /// Digest of the trained parameters.
    pub digest: ParameterDigest,
    /// What the polish made of the end point; `None` where the polish is off or training diverged.
    pub polish: Option<Polish>,
    /// Sketch of the (polished) parameters.
    pub sketch_raw: Sketch,
    /// Sketch of the (polished) network up to its symmetries; `None` where it has no canonical form, where training
    /// diverged, and in outcomes of engines before 3.
    pub sketch_canonical: Option<CanonicalSketch>,
    /// Sketch of the outputs (mse) or probabilities on the probe set.
    pub sketch_function: Sketch,
    /// What was measured (`[measure]`); empty where nothing was.
    pub measures: Vec<Measured>,
}

impl Outcome {
    /// Equal in every bit. This, not `==`, tells a duplicate report from a divergence: NaN equals itself.
    pub fn same_bits(&self, other: &Self) -> bool {
        let optional = |a: Option<f64>, b: Option<f64>| a.map(f64::to_bits) == b.map(f64::to_bits);
        let sketches = |a: &[f64], b: &[f64]| a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()));
        let canonical = match (&self.sketch_canonical, &other.sketch_canonical) {
            (Some(a), Some(b)) => sketches(a, b),
            (None, None) => true,
            _ => false,
        };
        let polished = match (&self.polish, &other.polish) {
            (Some(a), Some(b)) => a.same_bits(b),
            (None, None) => true,
            _ => false,
        };
        self.restart == other.restart
            && self.stop_reason == other.stop_reason
            && self.steps == other.steps
            && self.loss_train.to_bits() == other.loss_train.to_bits()
            && optional(self.loss_test, other.loss_test)
            && optional(self.accuracy_train, other.accuracy_train)
            && optional(self.accuracy_test, other.accuracy_test)
            && self.grad_norm.to_bits() == other.grad_norm.to_bits()
            && self.digest == other.digest
            && polished
            && sketches(&self.sketch_raw, &other.sketch_raw)
            && canonical
            && sketches(&self.sketch_function, &other.sketch_function)
            && measure::same_bits(&self.measures, &other.measures)
    }

    /// The certificate, where there is one: the polish gives it, and diverged training is its own.
    pub fn certificate(&self) -> Option<Certificate> {
        match (self.stop_reason, &self.polish) {
            (StopReason::Diverged, _) => Some(Certificate::Diverged),
            (_, polish) => polish.as_ref().map(|polish| polish.certificate),
        }
    }
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopReason {
    /// The gradient was small enough.
    Converged,
    /// The loss or every error was small enough.
    TargetReached,
    /// The budget was out.
    StepLimit,
    /// Loss or parameters stopped being finite.
    Diverged,
}

impl StopReason {
    /// All stop reasons, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Converged, Self::TargetReached, Self::StepLimit, Self::Diverged];

    /// The name in reports and exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::TargetReached => "target_reached",
            Self::StepLimit => "step_limit",
            Self::Diverged => "diverged",
        }
    }
}

/// What the end point is, judged from its gradient and Hessian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certificate {
    /// Gradient zero, Hessian positive definite.
    Minimum,
    /// Gradient zero, no negative curvature, null directions that the network's symmetries explain.
    Flat,
    /// Gradient zero and a direction of negative curvature.
    Saddle,
    /// A relu unit switches at a training row, so the gradient need not vanish.
    Kink,
    /// The polish ran out of its budget, or null directions stay unexplained.
    NotConverged,
    /// Training diverged.
    Diverged,
}

impl Certificate {
    /// All certificates, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Minimum, Self::Flat, Self::Saddle, Self::Kink, Self::NotConverged, Self::Diverged];

    /// The name in reports and exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Flat => "flat",
            Self::Saddle => "saddle",
            Self::Kink => "kink",
            Self::NotConverged => "not_converged",
            Self::Diverged => "diverged",
        }
    }

    /// Whether the point counts as a minimum: it may enter a basin.
    pub fn is_minimum(self) -> bool {
        matches!(self, Self::Minimum | Self::Flat)
    }
}

/// What the polish made of a trained point.
#[derive(Debug, Clone, PartialEq)]
pub struct Polish {
    /// What the polished point is.
    pub certificate: Certificate,
    /// Loss there (f64, l2 term included).
    pub loss: f64,
    /// Euclidean distance between the trained and the polished parameters.
    pub displacement: f64,
    /// Steps of all phases.
    pub steps: u32,
    /// Largest absolute entry of the gradient there.
    pub grad_max: f64,
    /// Smallest eigenvalue of the Hessian there; NaN where the polish did not converge.
    pub lambda_min: f64,
    /// Largest eigenvalue of the Hessian there; NaN where the polish did not converge.
    pub lambda_max: f64,
    /// Eigenvalues of the Hessian that count as zero; `None` where not all were computed or settled.
    pub null_directions: Option<u32>,
    /// How many independent null directions the network's symmetries explain, at most `null_directions`; `None` where the
    /// Hessian was not looked at.
    pub explained: Option<u32>,
    /// Which symmetries explain them; `None` where the Hessian was not looked at, and in outcomes of stores before format 4.
    pub null_space: Option<NullSpace>,
}

/// What is known of the directions in which a Hessian has no curvature, besides their number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NullSpace {
    /// How many there are at least: their number where that is known, else those explained and those seen beside them.
    pub at_least: u32,
    /// How many directions each kind of symmetry adds to those before it, in the order of [`Symmetry::ALL`]: at least one
    /// each, and together `explained`.
    pub explained_by: Vec<(Symmetry, u32)>,
}

/// A kind of change of the parameters that leaves the loss as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symmetry {
    /// Any parameter of a relu unit that no training row switches on.
    DeadUnit,
    /// What goes into a unit that feeds nothing.
    SilentUnit,
    /// What goes into a relu or leaky_relu unit grows, and what goes out shrinks.
    UnitScale,
    /// Units that are copies of each other, up to sign or scale, share what they feed.
    UnitCopy,
    /// What a unit feeds that says the same everywhere moves into the next biases.
    ConstantUnit,
    /// Units that are linear together on the training rows mix, and shift against the next biases.
    UnitMixing,
    /// The same is added to all logits.
    LogitShift,
    /// Inputs turn that a teacher does not look at.
    InputRotation,
    /// Between its kinks a sum of relus is linear in its weights: the rows do not see all of them.
    UnseenWeight,
}

impl Symmetry {
    /// All kinds, in the order in which they explain directions.
    pub const ALL: [Self; 9] = [
        Self::DeadUnit,
        Self::SilentUnit,
        Self::UnitScale,
        Self::UnitCopy,
        Self::ConstantUnit,
        Self::UnitMixing,
        Self::LogitShift,
        Self::InputRotation,
        Self::UnseenWeight,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeadUnit => "dead_unit",
            Self::SilentUnit => "silent_unit",
            Self::UnitScale => "unit_scale",
            Self::UnitCopy => "unit_copy",
            Self::ConstantUnit => "constant_unit",
            Self::UnitMixing => "unit_mixing",
            Self::LogitShift => "logit_shift",
            Self::InputRotation => "input_rotation",
            Self::UnseenWeight => "unseen_weight",
        }
    }
}

impl Polish {
    fn same_bits(&self, other: &Self) -> bool {
        let bits =
            |p: &Self| [p.loss, p.displacement, p.grad_max, p.lambda_min, p.lambda_max].map(f64::to_bits);
        self.certificate == other.certificate
            && self.steps == other.steps
            && (self.null_directions, self.explained) == (other.null_directions, other.explained)
            && self.null_space == other.null_space
            && bits(self) == bits(other)
    }
}

/// How an outcome came about: differs between runs of one spec and never enters a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Version of the numeric contract (`fingerprint::ENGINE_VERSION`).
    pub engine: String,
    /// Version of the worker's build.
    pub build: String,
    /// 1-based count of leases given for this trial.
    pub attempt: u32,
    /// The worker's name.
    pub worker: String,
    /// Wall time of the task divided by its trials, in milliseconds.
    pub duration_ms: u64,
}

/// A trial for which every attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which trial of its experiment.
    pub restart: u32,
    /// Why, in words for people.
    pub cause: String,
}
