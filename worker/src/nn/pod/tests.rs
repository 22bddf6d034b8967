//! A pass over a pod against the reference, lane by lane, for every shape of piece and tile.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use seedsweep_common::spec;

use super::*;
use crate::nn::lane::{Level, Precise};
use crate::nn::optimizer::{Optimizer, WeightDecay};
use crate::nn::scalar::Scalar;
use crate::nn::schedule::Rates;

/// Bits; NaN is one.
pub(super) fn bits(value: impl Scalar) -> u64 {
    let value = value.to_f64();
    if value.is_nan() { u64::MAX } else { value.to_bits() }
}

struct Case {
    network: Network,
    loss: Loss,
    rows: usize,
    /// Most rows at once.
    piece: usize,
}

/// Values around 0.
pub(super) fn draw<S: Scalar>(rng: &mut ChaCha8Rng, count: usize) -> Vec<S> {
    (0..count).map(|_| S::from_f64((rng.next_u64() >> 40) as f64 / f64::from(1 << 23) - 1.0)).collect()
}

impl Case {
    /// Features and targets.
    fn data<S: Scalar>(&self, rng: &mut ChaCha8Rng) -> (Vec<S>, Vec<S>) {
        let (rows, width) = (self.rows, self.network.output_width());
        let features = draw(rng, rows * self.network.input_width());
        let targets = match self.loss {
            Loss::Mse | Loss::Population => draw(rng, rows * width),
            Loss::Logistic => (0..rows * width).map(|i| S::from_f64(f64::from(i % 3 == 0))).collect(),
            Loss::CrossEntropy => (0..rows * width)
                .map(|i| S::from_f64(f64::from(i / width * 5 % width == i % width)))
                .collect(),
        };
        (features, targets)
    }
}

fn agrees<V: Lane>(case: &Case, what: &str) {
    const L2: f64 = 0.01;
    let Case { network, loss, rows, piece } = case;
    let (inputs, width) = (network.input_width(), network.output_width());
    let mut rng = ChaCha8Rng::seed_from_u64(*rows as u64);
    let (features, targets) = case.data::<V::Elem>(&mut rng);
    let batch = Batch { features: &features, targets: &targets };
    let mut pod = Pod::<V>::new(network, *loss, L2, batch, Lanes::detect());
    pod.piece = *piece;
    let thetas: Vec<Vec<V::Elem>> =
        (0..V::WIDTH).map(|_| draw(&mut rng, network.parameter_count())).collect();
    for (lane, theta) in thetas.iter().enumerate() {
        pod.set(lane, theta);
    }
    let own: Vec<Vec<usize>> =
        (0..V::WIDTH).map(|_| (0..*rows).map(|_| rng.next_u64() as usize % rows).collect()).collect();
    let own: Vec<&[usize]> = own.iter().map(Vec::as_slice).collect();
    for pick in [Pick::All, Pick::Same(own[0]), Pick::Own(&own)] {
        let wanted = Wanted { loss: true, gradient: true };
        let losses = pod.pass::<()>(pick, wanted, |_, _| Ok(())).unwrap();
        for (lane, theta) in thetas.iter().enumerate() {
            let order: Vec<usize> = match pick {
                Pick::All => (0..*rows).collect(),
                Pick::Same(rows) => rows.to_vec(),
                Pick::Own(rows) => rows[lane].to_vec(),
            };
            let of_rows = |table: &[V::Elem], width: usize| -> Vec<V::Elem> {
                order.iter().flat_map(|row| table[row * width..(row + 1) * width].to_vec()).collect()
            };
            let (features, targets) = (of_rows(&features, inputs), of_rows(&targets, width));
            let batch = Batch { features: &features, targets: &targets };
            let mut expected = vec![V::Elem::ZERO; theta.len()];
            let mut workspace = network.workspace();
            let loss = network.loss_and_gradient(theta, &batch, *loss, L2, &mut workspace, &mut expected);
            let all = elements(&pod.gradient);
            let found: Vec<u64> =
                places(&pod.strips).map(|place| bits(all[place * V::WIDTH + lane])).collect();
            let expected: Vec<u64> = expected.into_iter().map(bits).collect();
            assert_eq!(found, expected, "gradient of lane {lane}, {what}");
            assert_eq!(bits(elements(&[losses])[lane]), bits(loss), "loss of lane {lane}, {what}");
        }
    }
}

fn agrees_in_all_lanes(case: &Case, what: &str) {
    agrees::<f32>(case, &format!("{what}, one f32"));
    agrees::<f64>(case, &format!("{what}, one f64"));
    if Lanes::force(Level::Avx2).is_some() {
        agrees::<<f32 as Precise>::Avx2>(case, &format!("{what}, AVX2 f32"));
        agrees::<<f64 as Precise>::Avx2>(case, &format!("{what}, AVX2 f64"));
    }
    if Lanes::force(Level::Avx512).is_some() {
        agrees::<<f32 as Precise>::Avx512>(case, &format!("{what}, AVX-512 f32"));
        agrees::<<f64 as Precise>::Avx512>(case, &format!("{what}, AVX-512 f64"));
    }
}

/// Updates by [`Pod::descend`] against the gradient of a pass and then the rule.
fn descends_alike<V: Lane>(case: &Case, rule: &spec::Optimizer, decay: f64, what: &str) {
    let mut rng = ChaCha8Rng::seed_from_u64(case.rows as u64);
    let (features, targets) = case.data::<V::Elem>(&mut rng);
    let batch = Batch { features: &features, targets: &targets };
    let decay = WeightDecay::new(rule, decay);
    let starts: Vec<Vec<V::Elem>> =
        (0..V::WIDTH).map(|_| draw(&mut rng, case.network.parameter_count())).collect();
    let own: Vec<Vec<usize>> = (0..V::WIDTH)
        .map(|_| (0..case.rows).map(|_| rng.next_u64() as usize % case.rows).collect())
        .collect();
    let own: Vec<&[usize]> = own.iter().map(Vec::as_slice).collect();
    for pick in [Pick::All, Pick::Same(own[0]), Pick::Own(&own)] {
        let [expected, found] = [false, true].map(|at_once| {
            let mut pod = Pod::<V>::new(&case.network, case.loss, 0.0, batch, Lanes::detect());
            for (lane, theta) in starts.iter().enumerate() {
                pod.set(lane, theta);
            }
            let mut optimizer = Optimizer::new(rule, pod.theta.len());
            let mut rates = Rates::new(0.07, spec::Schedule::default(), u64::MAX);
            for _ in 0..3 {
                if at_once {
                    let rule = Rule { optimizer: &mut optimizer, decay, rates: &mut rates };
                    assert!(pod.descend(pick, rule), "{what}");
                } else {
                    pod.pass::<()>(pick, Wanted { loss: false, gradient: true }, |_, _| Ok(())).unwrap();
                    let lr = rates.next_rate();
                    let Pod { theta, gradient, lanes, .. } = &mut pod;
                    decay.apply(theta, gradient, lr, *lanes);
                    optimizer.step(theta, gradient, lr, *lanes);
                }
            }
            let all = (0..V::WIDTH).flat_map(|lane| pod.get(lane));
            all.map(bits).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{what}");
    }
}

pub(super) fn network(layers: &[usize], activation: Activation, output_activation: Activation) -> Network {
    let layers = layers.iter().map(|&width| width as u32).collect();
    Network::new(&spec::Mlp { layers, activation, output_activation }.into())
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Gelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Identity,
];

#[test]
fn every_remainder_of_tiles_and_pieces_has_the_bits_of_the_reference() {
    // widths with every remainder by a tile's rows and columns, padded or not
    for (round, width) in [1, 2, 3, 4, 5, 6, 7, 11, 13, 16, 18].into_iter().enumerate() {
        for (rows, piece) in [(13, 64), (13, 1), (13, 5), (70, 64), (70, 7)] {
            let activation = ACTIVATIONS[round % ACTIVATIONS.len()];
            let layers = [[17, width, 19 - width, 3], [5, 19 - width, width, 6]][round % 2];
            let case = Case {
                network: network(&layers, activation, Activation::Identity),
                loss: Loss::CrossEntropy,
                rows,
                piece,
            };
            agrees_in_all_lanes(&case, &format!("{layers:?} {activation:?}, {rows} rows by {piece}"));
        }
    }
}

#[test]
fn every_activation_and_loss_has_the_bits_of_the_reference() {
    for activation in ACTIVATIONS {
        for (loss, outputs) in [(Loss::Mse, 2), (Loss::CrossEntropy, 4), (Loss::Logistic, 1)] {
            for output_activation in [Activation::Identity, Activation::Tanh, Activation::Sigmoid] {
                let case = Case {
                    network: network(&[3, 7, 5, outputs], activation, output_activation),
                    loss,
                    rows: 11,
                    piece: 6,
                };
                agrees_in_all_lanes(&case, &format!("{activation:?} {loss:?} {output_activation:?}"));
            }
        }
    }
}

#[test]
fn updates_from_registers_have_the_bits_of_a_pass_and_a_rule() {
    let rules = [
        spec::Optimizer::Gd,
        spec::Optimizer::Sgd { momentum: 0.9 },
        spec::Optimizer::Nesterov { momentum: 0.9 },
        spec::Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    ];
    // one layer, two and three; widths with every remainder by a tile, padded or not
    for (round, layers) in
        [&[17, 3][..], &[5, 3], &[18, 7, 4], &[6, 16, 5], &[2, 5, 3, 4]].into_iter().enumerate()
    {
        for (rule, decay) in rules.iter().flat_map(|rule| [(rule, 0.0), (rule, 0.1)]) {
            let case = Case {
                network: network(layers, ACTIVATIONS[round], Activation::Identity),
                loss: Loss::CrossEntropy,
                rows: 13,
                piece: 64,
            };
            let what = format!("{layers:?} {rule:?} {decay}");
            descends_alike::<f64>(&case, rule, decay, &what);
            if Lanes::force(Level::Avx2).is_some() {
                descends_alike::<<f32 as Precise>::Avx2>(&case, rule, decay, &what);
            }
            if Lanes::force(Level::Avx512).is_some() {
                descends_alike::<<f32 as Precise>::Avx512>(&case, rule, decay, &what);
                descends_alike::<<f64 as Precise>::Avx512>(&case, rule, decay, &what);
            }
        }
    }
}
