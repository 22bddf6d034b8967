//! How an experiment is trained: loss, optimiser, batches, and what ends it.

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
