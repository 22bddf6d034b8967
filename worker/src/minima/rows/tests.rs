use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use seedsweep_common::seed;
use seedsweep_common::spec::{self, Activation};

use super::*;
use crate::nn::network::{Batch, Curvature};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];
const LEVELS: [Level; 3] = [Level::Baseline, Level::Avx2, Level::Avx512];
const L2: f64 = 0.01;

/// A network with parameters and rows to try it on.
struct Case {
    network: Network,
    loss: Loss,
    theta: Vec<f64>,
    features: Vec<f64>,
    targets: Vec<f64>,
}

/// What there is to know at a point.
struct Found {
    loss: f64,
    gradient: Vec<f64>,
    hessian: Array2<f64>,
    /// The Hessian times [`Case::direction`].
    product: Vec<f64>,
    outputs: Vec<f64>,
}

impl Case {
    fn new(layers: &[u32], activations: [Activation; 2], loss: Loss, rows: usize) -> Self {
        let [activation, output_activation] = activations;
        let network =
            Network::new(&spec::Mlp { layers: layers.to_vec(), activation, output_activation }.into());
        let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
        let mut uniform = || 2.0 * seed::uniform(rng.next_u64()) - 1.0;
        let width = network.output_width();
        let theta = (0..network.parameter_count()).map(|_| uniform()).collect();
        let features = (0..rows * network.input_width()).map(|_| uniform()).collect();
        let targets = (0..rows * width)
            .map(|at| match loss {
                Loss::Mse | Loss::Population => uniform(),
                Loss::CrossEntropy => f64::from(at % width == (at / width) % width),
                Loss::Logistic => (at % 2) as f64,
            })
            .collect();
        Self { network, loss, theta, features, targets }
    }

    /// Every activation with every loss, with and without a hidden layer, and row counts of all remainders.
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        let mut rows = 1;
        for loss in [Loss::Mse, Loss::CrossEntropy, Loss::Logistic] {
            let out = if loss == Loss::Logistic { 1 } else { 3 };
            for layers in [vec![2, out], vec![3, 5, out], vec![2, 4, 6, out]] {
                for activation in ACTIVATIONS {
                    cases.push(Self::new(&layers, [activation, Activation::Identity], loss, rows));
                    rows = rows % 150 + 11;
                }
            }
        }
        for output in [Activation::Tanh, Activation::Sigmoid] {
            cases.push(Self::new(&[2, 5, 3, 2], [Activation::Gelu, output], Loss::Mse, 29));
        }
        cases
    }

    fn batch(&self) -> Batch<'_, f64> {
        Batch { features: &self.features, targets: &self.targets }
    }

    /// On `level`; `None` where this machine does not have it.
    fn on(&self, level: Level) -> Option<Found> {
        let mut lanes = RowLanes::new(&self.network, Lanes::force(level)?);
        let rows = Rows::new(&self.network, &self.features, &self.targets);
        let never = AtomicBool::new(false);
        let Self { network, loss, theta, .. } = self;
        let at = At { network, loss: *loss, l2: L2, rows: &rows, theta, cancelled: &never };
        let (mut gradient, mut product) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
        let value = lanes.gradient(at, &mut gradient).unwrap();
        lanes.hessian_times(at, &self.direction(), &mut product).unwrap();
        let hessian = lanes.hessian(at).unwrap();
        let outputs = lanes.outputs(network, &rows, theta);
        Some(Found { loss: value, gradient, hessian, product, outputs })
    }

    fn direction(&self) -> Vec<f64> {
        (0..self.theta.len()).map(|i| (1.0 + i as f64).sin()).collect()
    }
}

/// Largest difference, in units of the largest size.
fn apart<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> f64 {
    let (mut difference, mut size) = (0.0_f64, 1e-3_f64);
    for (a, b) in a.into_iter().zip(b) {
        assert!(a.is_finite() && b.is_finite());
        difference = difference.max((a - b).abs());
        size = size.max(a.abs());
    }
    difference / size
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_level_gives_the_same_bits() {
    for case in Case::all() {
        let base = case.on(Level::Baseline).unwrap();
        for found in LEVELS.into_iter().filter_map(|level| case.on(level)) {
            let name = &case.network;
            assert_eq!(found.loss.to_bits(), base.loss.to_bits(), "{name:?}");
            assert_eq!(bits(&found.gradient), bits(&base.gradient), "{name:?}");
            let hessians = [&found.hessian, &base.hessian].map(|hessian| bits(hessian.as_slice().unwrap()));
            assert_eq!(hessians[0], hessians[1], "{name:?}");
            assert_eq!(bits(&found.product), bits(&base.product), "{name:?}");
            assert_eq!(bits(&found.outputs), bits(&base.outputs), "{name:?}");
        }
    }
}

#[test]
fn values_of_rows_are_the_references_and_sums_differ_by_rounding() {
    for case in Case::all() {
        let (network, theta, n) = (&case.network, &case.theta, case.theta.len());
        let Found { loss, gradient, hessian, product, outputs } = case.on(Level::detect()).unwrap();
        let mut workspace = network.workspace();
        assert_eq!(bits(&outputs), bits(&network.outputs(theta, &case.features, &mut workspace)));
        let mut reference = vec![0.0; n];
        let value =
            network.loss_and_gradient(theta, &case.batch(), case.loss, L2, &mut workspace, &mut reference);
        assert!((loss - value).abs() < 1e-14 * value, "{loss} {value}");
        assert!(apart(&reference, &gradient) < 1e-13, "{network:?}");
        let mut curvature = Curvature::new(network, theta, &case.batch(), case.loss, L2);
        let mut reference = vec![0.0; n];
        curvature.apply(&case.direction(), &mut reference);
        assert!(apart(&reference, &product) < 1e-12, "{network:?}");
        for i in 0..n {
            let mut direction = vec![0.0; n];
            direction[i] = 1.0;
            curvature.apply(&direction, &mut reference);
            assert!(apart(&reference, hessian.row(i)) < 1e-12, "{network:?} {:?} θ[{i}]", case.loss);
            assert!((0..n).all(|k| hessian[[i, k]].to_bits() == hessian[[k, i]].to_bits()));
        }
    }
}

#[test]
fn sums_over_rows_are_eight_chains_and_a_tree() {
    // without weights every output is the bias 0, so the bias's gradient is a sum of −2/B·target alone
    for rows in 1..150 {
        let mut case = Case::new(&[1, 1], [Activation::Identity; 2], Loss::Mse, rows);
        case.theta.fill(0.0);
        let mut chains = [0.0; 8];
        for (row, target) in case.targets.iter().enumerate() {
            chains[row % 8] += (0.0 - target) * 2.0 * (1.0 / rows as f64);
        }
        let [a, b, c, d, e, f, g, h] = chains;
        let sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
        assert_eq!(case.on(Level::detect()).unwrap().gradient[1].to_bits(), f64::to_bits(sum), "{rows} rows");
    }
}

#[test]
fn units_that_are_equal_have_equal_gradients() {
    for width in 1..14 {
        let mut case =
            Case::new(&[3, width, width, 2], [Activation::Tanh, Activation::Identity], Loss::Mse, 13);
        case.theta.fill(0.3);
        let gradient = case.on(Level::detect()).unwrap().gradient;
        for layer in &case.network.layers()[..2] {
            let (weights, biases) = layer.parameters(&gradient);
            let first = &weights[..layer.inputs];
            assert!(weights.chunks_exact(layer.inputs).all(|row| bits(row) == bits(first)), "{width}");
            assert!(biases.iter().all(|bias| bias.to_bits() == biases[0].to_bits()), "{width}");
        }
    }
}
