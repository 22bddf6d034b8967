use ndarray::array;
use seedsweep_common::spec::{Activation, Mlp, ReluSum, SumOutput, SumScale, XorEncoding};

use super::*;

fn built_in(source: DataSource, layers: &[u32], loss: Loss) -> Result<Dataset, DataError> {
    loaded(source, layers, loss, 0.0, false)
}

fn loaded(
    source: DataSource,
    layers: &[u32],
    loss: Loss,
    test_fraction: f64,
    standardize: bool,
) -> Result<Dataset, DataError> {
    let network = Network::Mlp(Mlp {
        layers: layers.to_vec(),
        activation: Activation::Tanh,
        output_activation: Activation::Identity,
    });
    load(&Data { source, test_fraction, standardize }, &network, loss, 2026, 0, &|_| None)
}

const SIGNED: DataSource = DataSource::Xor { encoding: XorEncoding::Signed };
const BINARY: DataSource = DataSource::Xor { encoding: XorEncoding::Binary };

#[test]
fn the_loss_decides_how_classes_become_targets() {
    let targets = |source, outputs, loss| {
        let set = built_in(source, &[2, 2, outputs], loss).unwrap();
        (set.train.targets, set.labels)
    };
    let hot = array![[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
    assert_eq!(targets(SIGNED, 1, Loss::Mse), (array![[-1.0], [1.0], [1.0], [-1.0]], Labels::Signed));
    assert_eq!(targets(BINARY, 1, Loss::Mse), (array![[0.0], [1.0], [1.0], [0.0]], Labels::Binary));
    assert_eq!(targets(SIGNED, 1, Loss::Logistic), (array![[0.0], [1.0], [1.0], [0.0]], Labels::Binary));
    assert_eq!(targets(SIGNED, 2, Loss::Mse), (hot.clone(), Labels::OneHot));
    assert_eq!(targets(SIGNED, 2, Loss::CrossEntropy), (hot, Labels::OneHot));
    // a sigmoid never reaches −1
    let network = Network::Mlp(Mlp {
        layers: vec![2, 2, 1],
        activation: Activation::Tanh,
        output_activation: Activation::Sigmoid,
    });
    let data = Data { source: SIGNED, test_fraction: 0.0, standardize: false };
    let set = load(&data, &network, Loss::Mse, 2026, 0, &|_| None).unwrap();
    assert_eq!((set.train.targets, set.labels), (array![[0.0], [1.0], [1.0], [0.0]], Labels::Binary));
}

#[test]
fn moons_target_is_one_on_the_outer_half_circle() {
    // class +1 is (cos t, sin t)
    let set = built_in(DataSource::Moons { samples: 64, noise: 0.0 }, &[2, 4, 1], Loss::Mse).unwrap();
    assert!(set.train.targets.iter().enumerate().all(|(row, &t)| t == if row < 32 { 1.0 } else { -1.0 }));
    assert_eq!(set.test.features.dim(), (0, 2));
}

#[test]
fn a_network_that_does_not_fit_is_refused_with_what_would() {
    let message = |source, layers: &[u32], loss| built_in(source, layers, loss).unwrap_err().to_string();
    assert_eq!(
        message(DataSource::Digits, &[63, 10], Loss::CrossEntropy),
        "digits has 64 features, but the first of `network.layers` is 63"
    );
    assert_eq!(
        message(DataSource::Digits, &[64, 9], Loss::CrossEntropy),
        "digits with this `train.loss` needs 10 outputs, one for each class, but the last of `network.layers` is 9"
    );
    assert!(message(DataSource::Iris, &[4, 1], Loss::Mse).contains("3 outputs, one for each class"));
    assert!(message(SIGNED, &[2, 3], Loss::Mse).contains("1 output, or 2"));
    assert!(message(SIGNED, &[2, 2], Loss::Logistic).contains("1 output"));
    assert!(message(DataSource::Iris, &[4, 1], Loss::Logistic).contains("2 classes (it has 3)"));
    // a sum of relus has no `network.layers`
    let message = |source, inputs| {
        let sum = ReluSum { inputs, units: 5, output: SumOutput::Ones, scale: SumScale::One };
        let data = Data { source, test_fraction: 0.0, standardize: false };
        load(&data, &Network::ReluSum(sum), Loss::Mse, 2026, 0, &|_| None).unwrap_err().to_string()
    };
    assert_eq!(message(SIGNED, 3), "xor has 2 features, but `network.inputs` is 3");
    assert_eq!(
        message(DataSource::Iris, 4),
        "iris with this `train.loss` needs 3 outputs, one for each class, but the outputs of `network.kind` = \"relu_sum\" \
         are always 1"
    );
}

#[test]
fn the_split_is_keyed_and_its_rows_keep_file_order() {
    let set = loaded(DataSource::Iris, &[4, 3], Loss::CrossEntropy, 0.25, false).unwrap();
    assert_eq!((set.train.features.nrows(), set.test.features.nrows()), (112, 38));
    let all = built_in(DataSource::Iris, &[4, 3], Loss::CrossEntropy).unwrap().train;
    // an independent ChaCha8 in Python: key = blake3.blake3(seed.to_bytes(8, "little"),
    //   derive_key_context="seedsweep 1 split").digest(), 64-bit counter, 64-bit stream 0, and then
    //   for i in 149..1: j = next_u64() * (i + 1) >> 64; p[i], p[j] = p[j], p[i]; sorted(p[:38])
    let expected = [
        4, 7, 10, 18, 19, 33, 36, 38, 47, 52, 53, 56, 61, 65, 67, 69, 74, 77, 79, 81, 84, 91, 94, 95, 97,
        105, 107, 112, 116, 117, 120, 122, 124, 127, 131, 140, 142, 143,
    ];
    for (row, &number) in expected.iter().enumerate() {
        assert_eq!(set.test.features.row(row), all.features.row(number));
        assert_eq!(set.test.targets.row(row), all.targets.row(number));
    }
}

#[test]
fn standardisation_uses_the_training_rows_alone() {
    let set = loaded(DataSource::Iris, &[4, 3], Loss::CrossEntropy, 0.25, true).unwrap();
    let mean = |rows: &Rows| rows.features.mean_axis(Axis(0)).unwrap();
    assert!(mean(&set.train).iter().all(|m| m.abs() < 1e-14));
    assert!(mean(&set.test).iter().any(|m| m.abs() > 1e-3));
    // over all rows: numpy's load_iris().data.std(0) and mean(0), scikit-learn 1.9.1, first row 5.1, 3.5, 1.4, 0.2
    let all = loaded(DataSource::Iris, &[4, 3], Loss::CrossEntropy, 0.0, true).unwrap();
    let expected = [
        (5.1 - 5.843333333333335) / 0.8253012917851409,
        (3.5 - 3.057333333333334) / 0.43441096773549437,
        (1.4 - 3.7580000000000027) / 1.7594040657753032,
        (0.2 - 1.199333333333334) / 0.7596926279021594,
    ];
    for (found, expected) in all.train.features.row(0).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-13, "{found} {expected}");
    }
}

#[test]
fn too_few_rows_are_refused() {
    let message = |f| loaded(SIGNED, &[2, 1], Loss::Mse, f, false).unwrap_err().to_string();
    assert_eq!(
        message(0.9),
        "xor has 4 rows, of which `data.test_fraction` = 0.9 makes 4 test rows; at least one row must be left to train on"
    );
    assert!(message(0.1).contains("must make at least one"));
    let none = DataSource::Moons { samples: 0, noise: 0.0 };
    assert!(matches!(built_in(none, &[2, 1], Loss::Mse), Err(DataError::TooFewRows { rows: 0, .. })));
}
