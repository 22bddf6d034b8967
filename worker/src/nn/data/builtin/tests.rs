use ndarray::{Axis, array};
use seedsweep_common::digest::Digest;
use seedsweep_common::init::{Bias, Init, Scheme};
use seedsweep_common::spec::{self, Activation};

use super::*;
use crate::nn::init::StartStreams;
use crate::nn::network::Network;

fn table(source: &DataSource) -> Table {
    generate(source, 2026, 0).unwrap()
}

fn classes(table: &Table) -> &[usize] {
    match &table.targets {
        Targets::Classes { of_row, .. } => of_row,
        Targets::Numbers(_) => panic!("built-in data sets have classes"),
    }
}

/// Within 4e-16: NumPy's π is rounded, ours is not.
fn assert_rows(table: &Table, expected: &[(usize, [f64; 2])]) {
    for &(row, point) in expected {
        for (found, expected) in table.features.row(row).iter().zip(point) {
            assert!((found - expected).abs() <= 4e-16, "row {row}: {found} instead of {expected}");
        }
    }
}

#[test]
fn moons_are_scikit_learns() {
    // scikit-learn 1.9.1: X, y = make_moons(64, shuffle=False); X[[0, 1, 17, 31, 32, 33, 50, 63]]
    let expected = [
        (0, [1.0, 0.0]),
        (1, [0.9948693233918952, 0.10116832198743217]),
        (17, [-0.1514277775045766, 0.9884683243281114]),
        (31, [-1.0, 1.2246467991473532e-16]),
        (32, [0.0, 0.5]),
        (33, [0.005130676608104845, 0.3988316780125678]),
        (50, [1.2506525322587203, -0.4680771188662043]),
        (63, [2.0, 0.4999999999999999]),
    ];
    let moons = table(&DataSource::Moons { samples: 64, noise: 0.0 });
    assert_eq!(moons.features.dim(), (64, 2));
    assert_rows(&moons, &expected);
    // its y is 0 for the outer half circle; ours is class 1 (target +1)
    assert!(classes(&moons).iter().enumerate().all(|(row, &class)| class == usize::from(row < 32)));
}

#[test]
fn circles_are_scikit_learns() {
    // scikit-learn 1.9.1: X, y = make_circles(10, shuffle=False, factor=.5); X[[0, 1, 2, 4, 5, 6, 9]]
    let expected = [
        (0, [1.0, 0.0]),
        (1, [0.30901699437494745, 0.9510565162951535]),
        (2, [-0.8090169943749473, 0.5877852522924732]),
        (4, [0.30901699437494723, -0.9510565162951536]),
        (5, [0.5, 0.0]),
        (6, [0.15450849718747373, 0.47552825814757677]),
        (9, [0.15450849718747361, -0.4755282581475768]),
    ];
    let circles = table(&DataSource::Circles { samples: 10, factor: 0.5, noise: 0.0 });
    assert_rows(&circles, &expected);
    assert_eq!(classes(&circles), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn xor_is_the_four_corners() {
    let signed = table(&DataSource::Xor { encoding: XorEncoding::Signed });
    assert_eq!(signed.features, array![[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]);
    let binary = table(&DataSource::Xor { encoding: XorEncoding::Binary });
    assert_eq!(binary.features, array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    assert_eq!((classes(&signed), classes(&binary)), (&[0, 1, 1, 0][..], &[0, 1, 1, 0][..]));
}

#[test]
fn noise_is_pinned_and_belongs_to_its_stream() {
    let noisy =
        |seed, stream| generate(&DataSource::Moons { samples: 64, noise: 0.1 }, seed, stream).unwrap();
    let plain = table(&DataSource::Moons { samples: 64, noise: 0.0 });
    let noise = (&noisy(2026, 0).features - &plain.features) / 0.1;
    // 128 draws: bounds of five standard errors, mean within 5/√n and variance within 5·√(2/n)
    let mean = noise.mean().unwrap();
    let variance = noise.mapv(|z| (z - mean) * (z - mean)).mean().unwrap();
    assert!(mean.abs() < 5.0 / 128_f64.sqrt() && (variance - 1.0).abs() < 5.0 / 8.0, "{mean} {variance}");
    // pinned from our own first run: a new value here means that ENGINE_VERSION must rise
    let first =
        [noisy(2026, 0).features[[0, 0]], noisy(2026, 0).features[[0, 1]], noisy(2026, 1).features[[0, 0]]];
    assert_eq!(first, [0.9165531444132092, -0.011853598046028641, 0.8306778207830678]);
    assert_eq!(noisy(2026, 3), noisy(2026, 3));
    assert_ne!(noisy(2026, 3), noisy(2026, 4));
    assert_ne!(noisy(2026, 3), noisy(2027, 3));
}

#[test]
fn gauss_mix_centres_lie_on_their_sphere_and_rows_are_spread_evenly() {
    let source = DataSource::GaussMix { samples: 30_002, classes: 3, dims: 4, radius: 20.0 };
    let mix = table(&source);
    let of_row = classes(&mix);
    let counts: Vec<usize> = (0..3).map(|class| of_row.iter().filter(|&&c| c == class).count()).collect();
    assert_eq!(counts, [10_001, 10_001, 10_000]);
    for class in 0..3 {
        let rows: Vec<usize> = (0..30_002).filter(|&row| of_row[row] == class).collect();
        let rows = mix.features.select(Axis(0), &rows);
        let centre = rows.mean_axis(Axis(0)).unwrap();
        let radius = centre.dot(&centre).sqrt();
        assert!((radius - 20.0).abs() < 5.0 / 100.0, "{radius}");
        let spread = (&rows - &centre).mapv(|x| x * x).mean().unwrap();
        assert!((spread - 1.0).abs() < 5.0 * (2.0_f64 / 40_000.0).sqrt(), "{spread}");
    }
    // pinned from our own first run: a new value here means that ENGINE_VERSION must rise
    assert_eq!([mix.features[[0, 0]], mix.features[[30_001, 3]]], [-12.755477275837727, -9.718113889135878]);
    assert_ne!(mix, generate(&source, 2026, 1).unwrap());
}

#[test]
fn shipped_files_are_the_ones_described() {
    assert_eq!(
        Digest::of(DIGITS).to_string(),
        "d665c802422e27f7e1c98bc1e93ea6097ed47714860dc4533c94726adbf59443"
    );
    assert_eq!(
        Digest::of(IRIS).to_string(),
        "bbb4906068077c952f6ccadc0e8174348c96add1bee0c6ca7a6b9e80930b3899"
    );
    let digits = table(&DataSource::Digits);
    assert_eq!(digits.features.dim(), (1797, 64));
    // numpy over digits.csv.gz of scikit-learn 1.9.1: all values with the labels sum to 569788; bincount of labels
    let labels: usize = classes(&digits).iter().sum();
    assert_eq!((digits.features.sum() * 16.0) as usize + labels, 569_788);
    let counts: Vec<usize> =
        (0..10).map(|c| classes(&digits).iter().filter(|&&class| class == c).count()).collect();
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let iris = table(&DataSource::Iris);
    assert_eq!(iris.features.dim(), (150, 4));
    // scikit-learn 1.9.1: load_iris().data.mean(0)
    let mean = iris.features.mean_axis(Axis(0)).unwrap();
    for (found, expected) in
        mean.iter().zip([5.843333333333335, 3.057333333333334, 3.7580000000000027, 1.199333333333334])
    {
        assert!((found - expected).abs() < 1e-14);
    }
    // setosa, versicolor, virginica: 50 each, in this order
    assert!(classes(&iris).iter().enumerate().all(|(row, &class)| class == row / 50));
}

#[test]
fn a_data_set_that_fits_no_memory_is_refused() {
    let source = DataSource::GaussMix { samples: 1_000_000, classes: 2, dims: 101, radius: 1.0 };
    assert!(matches!(
        generate(&source, 0, 0),
        Err(DataError::TooManyValues { rows: 1_000_000, columns: 101, .. })
    ));
    let many = DataSource::GaussMix { samples: 1, classes: u32::MAX, dims: 1, radius: 1.0 };
    assert!(matches!(generate(&many, 0, 0), Err(DataError::TooManyValues { .. })));
}

#[test]
fn parity_of_two_is_xor_and_of_three_the_sum_of_bits() {
    for encoding in [XorEncoding::Signed, XorEncoding::Binary] {
        assert_eq!(table(&DataSource::Parity { dims: 2, encoding }), table(&DataSource::Xor { encoding }));
    }
    let three = table(&DataSource::Parity { dims: 3, encoding: XorEncoding::Binary });
    assert_eq!(three.features.row(6), array![1.0, 1.0, 0.0]);
    assert_eq!(classes(&three), [0, 1, 1, 0, 1, 0, 0, 1]);
}

/// ```python
/// i = numpy.arange(97); f = i * numpy.pi / 16; r = 6.5 * (104 - i) / 104
/// print(numpy.stack([r * numpy.sin(f), r * numpy.cos(f)], 1)[[0, 1, 40, 96]].tolist())
/// ```
#[test]
fn two_spirals_are_those_of_numpy() {
    let spirals = table(&DataSource::TwoSpirals);
    assert_eq!(spirals.features.dim(), (194, 2));
    for (i, point) in [
        (0, [0.0, 6.5]),
        (1, [1.2558939479788256, 6.313805242595796]),
        (40, [4.0, 1.2246467991473533e-15]),
        (96, [-3.6739403974420594e-16, 0.5]),
    ] {
        for (k, expected) in point.into_iter().enumerate() {
            assert!((spirals.features[[2 * i, k]] - expected).abs() < 2e-14, "{i}");
            assert_eq!(spirals.features[[2 * i + 1, k]], -spirals.features[[2 * i, k]]);
        }
    }
    assert!(classes(&spirals).iter().enumerate().all(|(row, &class)| class == 1 - row % 2));
}

#[test]
fn noisy_xor_keeps_the_class_of_its_centre() {
    let noisy = table(&DataSource::NoisyXor { samples: 4000, noise: 0.5 });
    let plain = table(&DataSource::NoisyXor { samples: 4000, noise: 0.0 });
    assert_eq!(
        plain.features.slice(s![..4, ..]),
        table(&DataSource::Xor { encoding: XorEncoding::Signed }).features
    );
    let noise = &noisy.features - &plain.features;
    let sd = noise.mapv(|z| z * z).mean().unwrap().sqrt();
    assert!((sd - 0.5).abs() < 0.5 * 5.0 / (2.0 * 8000.0_f64).sqrt(), "{sd}");
    assert_eq!(classes(&noisy), classes(&plain));
    assert!(noisy != generate(&DataSource::NoisyXor { samples: 4000, noise: 0.5 }, 2026, 1).unwrap());
}

#[test]
fn a_teacher_adds_what_is_positive_and_its_noise_shifts_no_input() {
    let at = |label_noise| {
        let source = DataSource::TeacherStudent { samples: 500, dims: 4, teacher_units: 3, label_noise };
        let table = table(&source);
        match table.targets {
            Targets::Numbers(numbers) => (table.features, numbers),
            Targets::Classes { .. } => panic!("a teacher gives numbers"),
        }
    };
    let ((x, y), (noisy_x, noisy_y)) = (at(0.0), at(0.1));
    assert_eq!(x, noisy_x);
    for (x, y) in x.rows().into_iter().zip(&y) {
        assert_eq!(*y, x[0].max(0.0) + x[1].max(0.0) + x[2].max(0.0));
    }
    let sd = (&noisy_y - &y).mapv(|z| z * z).mean().unwrap().sqrt();
    assert!((sd - 0.1).abs() < 0.1 * 5.0 / 1000_f64.sqrt(), "{sd}");
    // E relu(x) of a standard normal is 1/√(2π); its variance ½ − 1/(2π)
    let mean = y.mean().unwrap() / 3.0;
    assert!((mean - 0.398_942_280_4).abs() < 5.0 * (0.340_845_056_9_f64 / 1500.0).sqrt(), "{mean}");
}

#[test]
fn random_points_lie_on_the_sphere_and_their_labels_are_even() {
    let at = |labels| table(&DataSource::SphereRandom { samples: 2000, dims: 3, labels });
    let (signs, normal) = (at(SphereLabels::Signs), at(SphereLabels::Normal));
    assert_eq!(signs.features, normal.features);
    assert!(signs.features.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-14));
    let ones: usize = classes(&signs).iter().sum();
    assert!((890..1110).contains(&ones), "{ones}");
    let Targets::Numbers(numbers) = normal.targets else { panic!("normal labels are numbers") };
    assert!(numbers.iter().zip(classes(&signs)).all(|(&y, &class)| (y > 0.0) == (class == 1)));
    // pinned from our own first run: a new value here means that ENGINE_VERSION must rise
    assert_eq!([signs.features[[0, 0]], numbers[[1999, 0]]], [-0.850531948651759, 0.8465016987155786]);
}

/// scikit-learn 1.9.1: `load_wine()` and `load_breast_cancer()`, `data.sum()`, `data.mean(0)[:2]`, `bincount(target)`;
/// its malignant tumours are class 0.
#[test]
fn wines_and_tumours_are_scikit_learns() {
    for (source, bytes, digest, shape, sum, mean, counts) in [
        (
            DataSource::Wine,
            WINE,
            "de22f7585366173732a0e2c3d6b942dc66556e8870544a4372fb72908389263e",
            (178, 13),
            159_975.295_999,
            [13.000617977528083, 2.336348314606741],
            vec![59, 71, 48],
        ),
        (
            DataSource::BreastCancer,
            BREAST_CANCER,
            "47d3a5a16a80b38d6af53f7d3878e7d6f7ffdd33f499d6475e8c4f115a7fa333",
            (569, 30),
            1_056_474.459_635_6,
            [14.127291739894563, 19.28964850615117],
            vec![357, 212],
        ),
    ] {
        assert_eq!(Digest::of(bytes).to_string(), digest);
        let table = table(&source);
        assert_eq!(table.features.dim(), shape);
        assert!((table.features.sum() / sum - 1.0).abs() < 1e-12);
        let found = table.features.mean_axis(Axis(0)).unwrap();
        assert!(found.iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-12));
        let of = |class| classes(&table).iter().filter(|&&c| c == class).count();
        assert_eq!((0..counts.len()).map(of).collect::<Vec<_>>(), counts);
    }
}

#[test]
fn preimages_are_unit_rows_that_their_own_matrix_maps_to_nothing_above_zero() {
    for scheme in PreimageScheme::ALL {
        let inputs = table(&DataSource::Preimage { samples: 50, dims: 128, scheme }).features;
        let weights = Array2::from_shape_vec((128, 128), init::square(scheme, 128, 2026, 0)).unwrap();
        let highest = inputs.dot(&weights.t()).iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(highest < 1e-15, "{scheme:?}: {highest}");
        let mut nearest = f64::INFINITY;
        for (number, row) in inputs.rows().into_iter().enumerate() {
            assert!((row.dot(&row) - 1.0).abs() < 1e-14);
            for other in inputs.rows().into_iter().take(number) {
                nearest = nearest.min((&row - &other).mapv(|x| x * x).sum().sqrt());
            }
        }
        // our own prototype: 50 such inputs are at least .68 apart
        assert!((0.6..0.8).contains(&nearest), "{scheme:?}: {nearest}");
    }
}

/// The matrix is the first that a start draws, and no other start's.
#[test]
fn preimages_of_an_orthogonal_start_belong_to_its_stream() {
    let source = DataSource::Preimage { samples: 8, dims: 16, scheme: PreimageScheme::Orthogonal };
    let network = Network::new(
        &spec::Mlp {
            layers: vec![16, 16, 1],
            activation: Activation::Relu,
            output_activation: Activation::Identity,
        }
        .into(),
    );
    let start = Init { scheme: Scheme::Orthogonal { gain: 2.0 }, bias: Bias::Zeros, perturb: 0.0 };
    let highest = |data: u64, start_number: u64| {
        let inputs = generate(&source, 7, data).unwrap().features;
        let streams = StartStreams { init: start_number, perturb: 0 };
        let theta = init::sample(&start, &network, 7, streams, &[]);
        let weights = Array2::from_shape_vec((16, 16), theta[..256].to_vec()).unwrap();
        inputs.dot(&weights.t()).iter().copied().fold(f64::NEG_INFINITY, f64::max)
    };
    assert!(highest(3, 3) < 1e-15 && highest(3, 4) > 0.1 && highest(0, 3) > 0.1);
}
