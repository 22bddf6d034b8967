//! Updates of tiny networks against the reference, lane by lane.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use seedsweep_common::spec::{self, Schedule};

use super::*;
use crate::nn::lane::{Lanes, Level, Precise, elements};
use crate::nn::network::Batch;
use crate::nn::pod::tests::{bits, draw, network};
use crate::nn::scalar::Scalar;

struct Case {
    network: Network,
    loss: Loss,
    rows: usize,
    l2: f64,
    decay: WeightDecay,
    optimizer: spec::Optimizer,
}

/// Updates made in one call after the other.
const CALLS: [u64; 3] = [3, 1, 30];

/// A start for lane `lane`: of every four one overflows, one is not a number, one is minus zero where it begins.
fn start<S: Scalar>(rng: &mut ChaCha8Rng, lane: usize, count: usize) -> Vec<S> {
    let mut theta: Vec<S> = draw(rng, count);
    match lane % 4 {
        1 => theta.iter_mut().for_each(|value| *value = value.mul(S::from_f64(1e37))),
        2 => theta[count / 2] = S::from_f64(f64::NAN),
        3 => theta[..count / 2].fill(S::from_f64(-0.0)),
        _ => {}
    }
    theta
}

fn agrees<V: Lane>(case: &Case, what: &str) {
    let Case { network, loss, rows, l2, decay, optimizer } = case;
    let (rows, width, count) = (*rows, network.output_width(), network.parameter_count());
    let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
    let mut features: Vec<V::Elem> = draw(&mut rng, rows * network.input_width());
    features[0] = V::Elem::ZERO;
    let targets: Vec<V::Elem> = match loss {
        Loss::Mse => draw(&mut rng, rows * width),
        _ => (0..rows * width).map(|i| V::Elem::from_f64(f64::from(i / width % 2 == i % width))).collect(),
    };
    let batch = Batch { features: &features, targets: &targets };
    let thetas: Vec<Vec<V::Elem>> = (0..V::WIDTH).map(|lane| start(&mut rng, lane, count)).collect();
    let lanes = Lanes::detect();
    let rates = || Rates::new(0.1, Schedule::default(), CALLS.iter().sum());

    let mut pod = Pod::<V>::new(network, *loss, *l2, batch, lanes);
    for (lane, theta) in thetas.iter().enumerate() {
        pod.set(lane, theta);
    }
    let mut of_pod = Optimizer::new(optimizer, count);
    let mut rates_of_pod = rates();
    for updates in CALLS {
        let rule = Rule { optimizer: &mut of_pod, decay: *decay, rates: &mut rates_of_pod };
        assert!(pod.update(Pick::All, updates, rule), "no kernel for {what}");
    }

    for (lane, mut theta) in thetas.into_iter().enumerate() {
        let mut optimizer = Optimizer::new(optimizer, count);
        let mut rates = rates();
        let mut workspace = network.workspace();
        let mut gradient = vec![V::Elem::ZERO; count];
        for _ in 0..CALLS.iter().sum() {
            network.loss_and_gradient(&theta, &batch, *loss, *l2, &mut workspace, &mut gradient);
            let lr = rates.next_rate();
            decay.apply(&mut theta, &mut gradient, lr, lanes);
            optimizer.step(&mut theta, &gradient, lr, lanes);
        }
        let found: Vec<u64> =
            elements(&pod.theta).iter().skip(lane).step_by(V::WIDTH).copied().map(bits).collect();
        let expected: Vec<u64> = theta.into_iter().map(bits).collect();
        assert_eq!(found, expected, "lane {lane} of {what}");
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

const ACTIVATIONS: [Activation; 5] =
    [Activation::Relu, Activation::LeakyRelu, Activation::Tanh, Activation::Sigmoid, Activation::Identity];

/// Plain descent and all that keeps it from being plain.
fn rules() -> [(spec::Optimizer, f64, WeightDecay); 6] {
    let adam = spec::Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    [
        (spec::Optimizer::Gd, 0.0, WeightDecay::None),
        (spec::Optimizer::Gd, 0.01, WeightDecay::None),
        (spec::Optimizer::Gd, 0.0, WeightDecay::Coupled(0.01)),
        (spec::Optimizer::Gd, 0.0, WeightDecay::Decoupled(0.01)),
        (spec::Optimizer::Sgd { momentum: 0.9 }, 0.0, WeightDecay::None),
        (adam, 0.0, WeightDecay::None),
    ]
}

#[test]
fn any_number_of_rows_has_the_bits_of_the_reference_and_no_lane_disturbs_another() {
    let shapes = [[2, 2, 1], [2, 3, 1], [2, 4, 1], [2, 2, 2], [2, 4, 2]];
    for rows in 1..=9 {
        for activation in ACTIVATIONS {
            for (round, (optimizer, l2, decay)) in rules().into_iter().enumerate() {
                for layers in shapes {
                    let classes = if layers[2] == 1 { Loss::Logistic } else { Loss::CrossEntropy };
                    // both for plain descent, else in turn
                    let losses = [Loss::Mse, classes];
                    let losses = if round == 0 { &losses[..] } else { &losses[(round + rows) % 2..][..1] };
                    for &loss in losses {
                        let network = network(&layers, activation, Activation::Identity);
                        let case = Case { network, loss, rows, l2, decay, optimizer };
                        let what = format!(
                            "{layers:?} {activation:?} {loss:?} {optimizer:?} {l2} {decay:?}, {rows} rows"
                        );
                        agrees_in_all_lanes(&case, &what);
                    }
                }
            }
        }
    }
}
