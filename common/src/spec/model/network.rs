//! What is trained.

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
