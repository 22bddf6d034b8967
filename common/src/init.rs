//! Names and parameters of the schemes by which training starts. Sampling is the worker's (`nn::init`).

use crate::spec::Attachment;

/// Where training starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    /// How weights are set.
    pub scheme: Scheme,
    /// How biases are set.
    pub bias: Bias,
    /// Sd of the noise added to every parameter, from the stream `perturb`; at least 0.
    pub perturb: f64,
}

/// How the weights of a layer are set, in PyTorch's spellings (`torch.nn.init`).
#[derive(Debug, Clone, PartialEq)]
pub enum Scheme {
    /// Every weight `value`.
    Constant {
        /// The value.
        value: f64,
    },
    /// Every weight 0.
    Zeros,
    /// U[low, high).
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end, above `low`.
        high: f64,
    },
    /// N(mean, std²).
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, above 0.
        std: f64,
    },
    /// N(mean, std²) on the condition that it lies in [low, high]; std is that of the whole normal (PyTorch's
    /// `trunc_normal_`).
    TruncatedNormal {
        /// Mean of the whole normal.
        mean: f64,
        /// Standard deviation of the whole normal, above 0.
        std: f64,
        /// Lower end.
        low: f64,
        /// Upper end, above `low`.
        high: f64,
    },
    /// U(−r, r), r = √(3 / fan_in) (LeCun et al. 1998).
    LecunUniform,
    /// N(0, 1 / fan_in) (LeCun et al. 1998).
    LecunNormal,
    /// gain times a matrix with orthonormal rows or columns, whichever are fewer, uniform among them (Saxe et al. 2013;
    /// Mezzadri 2007).
    Orthogonal {
        /// Gain.
        gain: f64,
    },
    /// scale where row and column have one number, else 0.
    Identity {
        /// Scale.
        scale: f64,
    },
    /// scale·H/√n, cut to the layer's shape; H is Sylvester's of the smallest order n that holds it.
    Hadamard {
        /// Scale.
        scale: f64,
    },
    /// scale times the orthonormal DCT-II of order n, cut to the layer's shape; n is the larger of its sizes.
    Dct {
        /// Scale.
        scale: f64,
    },
    /// U(−r, r), r = gain·√(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).
    XavierUniform {
        /// Gain.
        gain: f64,
    },
    /// N(0, 2·gain² / (fan_in + fan_out)) (Glorot & Bengio 2010).
    XavierNormal {
        /// Gain.
        gain: f64,
    },
    /// U(−r, r), r = gain(nonlinearity)·√(3 / fan) (He et al. 2015).
    KaimingUniform(Kaiming),
    /// N(0, gain(nonlinearity)² / fan) (He et al. 2015).
    KaimingNormal(Kaiming),
    /// Weights and biases U(−1/√fan_in, 1/√fan_in): what `torch.nn.Linear` does.
    TorchLinearDefault,
    /// value + eps·N(0, 1) for every weight and bias; eps = 0 equals `constant` bit for bit.
    SymmetricDial {
        /// The centre.
        value: f64,
        /// Sd of the noise, at least 0.
        eps: f64,
    },
    /// From a `.npy` file, flat in drawing order (layer by layer, weights row-major (out, in), biases), or from a
    /// `.safetensors` file with a `weight` and a `bias` of each layer.
    File(Attachment),
}

/// Parameters of the Kaiming schemes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kaiming {
    /// Which fan divides.
    pub mode: FanMode,
    /// Whose gain multiplies.
    pub nonlinearity: Nonlinearity,
}

/// Which fan divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanMode {
    /// The layer's inputs.
    FanIn,
    /// The layer's outputs.
    FanOut,
}

/// Whose gain multiplies (`torch.nn.init.calculate_gain`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// 1.
    Linear,
    /// 1.
    Sigmoid,
    /// 5/3.
    Tanh,
    /// √2.
    Relu,
    /// √(2 / (1 + 0.01²)).
    LeakyRelu,
}

/// How biases are set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bias {
    /// 0.
    Zeros,
    /// As the weights of their layer (drawn from the same distribution; the same constant).
    Same,
    /// U(−1/√fan_in, 1/√fan_in).
    TorchDefault,
    /// A constant.
    Constant(f64),
}

impl Scheme {
    /// Whether two restarts with different `init` streams can start apart.
    pub(crate) fn is_random(&self) -> bool {
        match self {
            Self::Constant { .. }
            | Self::Zeros
            | Self::File(_)
            | Self::Identity { .. }
            | Self::Hadamard { .. }
            | Self::Dct { .. } => false,
            Self::SymmetricDial { eps, .. } => *eps != 0.0,
            _ => true,
        }
    }

    /// Whether the weights of a layer are made as a whole, so that no bias is like one of them.
    pub fn is_of_matrices(&self) -> bool {
        matches!(
            self,
            Self::Orthogonal { .. } | Self::Identity { .. } | Self::Hadamard { .. } | Self::Dct { .. }
        )
    }

    /// The name in specs and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Zeros => "zeros",
            Self::Uniform { .. } => "uniform",
            Self::Normal { .. } => "normal",
            Self::XavierUniform { .. } => "xavier_uniform",
            Self::XavierNormal { .. } => "xavier_normal",
            Self::KaimingUniform(_) => "kaiming_uniform",
            Self::KaimingNormal(_) => "kaiming_normal",
            Self::TorchLinearDefault => "torch_linear_default",
            Self::SymmetricDial { .. } => "symmetric_dial",
            Self::TruncatedNormal { .. } => "truncated_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
            Self::Identity { .. } => "identity",
            Self::Hadamard { .. } => "hadamard",
            Self::Dct { .. } => "dct",
            Self::File(_) => "file",
        }
    }
}

impl Init {
    /// Whether the start depends on the `init` stream, weights and biases together.
    pub(crate) fn is_random(&self) -> bool {
        self.scheme.is_random() || self.bias == Bias::TorchDefault
    }
}
