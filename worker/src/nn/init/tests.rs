use seedsweep_common::digest::Digest;
use seedsweep_common::spec::{self, Activation};

use super::*;

fn network(layers: &[u32]) -> Network {
    Network::new(&spec::Network::Mlp(spec::Mlp {
        layers: layers.to_vec(),
        activation: Activation::Relu,
        output_activation: Activation::Identity,
    }))
}

fn init(scheme: Scheme, bias: Bias) -> Init {
    Init { scheme, bias, perturb: 0.0 }
}

/// The same stream number for the draws and the noise.
fn streams(number: u64) -> StartStreams {
    StartStreams { init: number, perturb: number }
}

fn kaiming(mode: FanMode, nonlinearity: Nonlinearity) -> Kaiming {
    Kaiming { mode, nonlinearity }
}

/// Every scheme with parameters that are not its defaults.
fn schemes() -> Vec<Scheme> {
    vec![
        Scheme::Constant { value: 0.5 },
        Scheme::Zeros,
        Scheme::Uniform { low: -0.25, high: 0.75 },
        Scheme::Normal { mean: 0.1, std: 0.3 },
        Scheme::XavierUniform { gain: 1.0 },
        Scheme::XavierNormal { gain: 1.0 },
        Scheme::KaimingUniform(kaiming(FanMode::FanIn, Nonlinearity::Relu)),
        Scheme::KaimingNormal(kaiming(FanMode::FanOut, Nonlinearity::Tanh)),
        Scheme::TorchLinearDefault,
        Scheme::SymmetricDial { value: 0.5, eps: 1e-3 },
    ]
}

/// First two and last value of the start of 3-4-2 (shortest text that reads back to the same f64) and the digest of
/// all its bytes.
fn golden(name: &str, init: &Init) -> String {
    let theta = sample(init, &network(&[3, 4, 2]), 2026, streams(5), &[]);
    assert_eq!(theta.len(), 26);
    format!("{name} {:?} {:?} {:?} {}", theta[0], theta[1], theta[25], digest(&theta))
}

fn digest(theta: &[f64]) -> String {
    let bytes: Vec<u8> = theta.iter().flat_map(|value| value.to_le_bytes()).collect();
    Digest::of(&bytes).to_string()[..16].to_owned()
}

/// The first values of `xavier_uniform` are those of an independent ChaCha8 (the Python of `seed`'s tests):
/// ```python
/// g = generator("init", 2026, 5); r = (6 / 7) ** .5
/// print([-r + 2 * r * ((next(g) >> 11) * 2.0 ** -53) for _ in range(2)])
/// ```
#[test]
fn starts_of_every_scheme_are_golden() {
    let found: Vec<_> =
        schemes().into_iter().map(|scheme| golden(scheme.name(), &init(scheme, Bias::Zeros))).collect();
    let expected = [
        "constant 0.5 0.5 0.0 f92d0a0a62327dcb",
        "zeros 0.0 0.0 0.0 9a8264f3b8b5b3c8",
        "uniform -0.24009528159382632 0.7282326158430201 0.0 006eadd37bff8579",
        "normal -0.38598068089779636 0.37117473207741924 0.0 488ec678e6e095a0",
        "xavier_uniform -0.9074801250065059 0.8855147362285463 0.0 ddc8e3c57ec63bcb",
        "xavier_normal -0.8658920021479379 0.48316330446853345 0.0 0acd8edbd76f3eb8",
        "kaiming_uniform -1.3861987881701006 1.3526461025887226 0.0 5990a9478e724bdd",
        "kaiming_normal -1.3499463358272121 0.753263144659498 0.0 a531962a87243034",
        "torch_linear_default -0.5659132855135222 0.5522154589844531 0.0 5d25b0509ba3a6c4",
        "symmetric_dial 0.4983800643970073 0.5009039157735914 0.0 2f2845c041e15cc0",
    ];
    assert_eq!(found, expected);
}

#[test]
fn biases_of_every_convention_are_golden() {
    let found = [
        ("zeros", Bias::Zeros),
        ("same", Bias::Same),
        ("torch_default", Bias::TorchDefault),
        ("constant", Bias::Constant(0.1)),
    ]
    .map(|(name, bias)| golden(name, &init(Scheme::XavierUniform { gain: 1.0 }, bias)));
    let expected = [
        "zeros -0.9074801250065059 0.8855147362285463 0.0 ddc8e3c57ec63bcb",
        "same -0.9074801250065059 0.8855147362285463 -0.08819458108808109 1515ca3c5fa40b44",
        "torch_default -0.9074801250065059 0.8855147362285463 -0.044097290544040546 0513f2bdbefc0958",
        "constant -0.9074801250065059 0.8855147362285463 0.1 0877fb4fad264919",
    ];
    assert_eq!(found, expected);
}

/// The tail of the ziggurat (|x| > 3.654) and its wedges ask for a logarithm and an exponential: the place where
/// a platform's libm could creep in.
#[test]
fn normals_of_the_rare_branches_are_golden() {
    let scheme = init(Scheme::Normal { mean: 0.0, std: 1.0 }, Bias::Zeros);
    let theta = sample(&scheme, &network(&[1000, 100]), 2026, streams(0), &[]);
    let tail: Vec<(usize, f64)> = (0..).zip(theta.iter().copied()).filter(|(_, x)| x.abs() > 4.2).collect();
    assert_eq!(
        tail,
        [
            (19635, -4.379619381590153),
            (38947, -4.420467362511436),
            (82946, -4.437895172469635),
            (83679, 4.714762506055356)
        ]
    );
    // 10⁵ draws pass some 1,200 wedges
    assert_eq!(digest(&theta), "88d1575de7624485");
}

/// Moments of 10⁶ draws against the formulas, within five standard errors: mean within 5·sd/√n, variance within 5·√(2/n) of itself.
#[test]
fn moments_are_those_of_the_formulas() {
    let relu = |mode| kaiming(mode, Nonlinearity::Relu);
    // (scheme, inputs, outputs, mean, sd)
    let cases = [
        (Scheme::Uniform { low: -1.0, high: 3.0 }, 1000, 1000, 1.0, 4.0 / 12_f64.sqrt()),
        (Scheme::Normal { mean: -2.0, std: 0.7 }, 1000, 1000, -2.0, 0.7),
        (Scheme::XavierUniform { gain: 2.0 }, 2000, 500, 0.0, 2.0 * (2.0 / 2500_f64).sqrt()),
        (Scheme::XavierNormal { gain: 2.0 }, 2000, 500, 0.0, 2.0 * (2.0 / 2500_f64).sqrt()),
        (Scheme::KaimingUniform(relu(FanMode::FanIn)), 2000, 500, 0.0, (2.0 / 2000_f64).sqrt()),
        (Scheme::KaimingNormal(relu(FanMode::FanIn)), 2000, 500, 0.0, (2.0 / 2000_f64).sqrt()),
        (Scheme::KaimingNormal(relu(FanMode::FanOut)), 2000, 500, 0.0, (2.0 / 500_f64).sqrt()),
        (Scheme::TorchLinearDefault, 2000, 500, 0.0, 1.0 / 6000_f64.sqrt()),
        (Scheme::LecunUniform, 2000, 500, 0.0, 1.0 / 2000_f64.sqrt()),
        (Scheme::LecunNormal, 2000, 500, 0.0, 1.0 / 2000_f64.sqrt()),
        // ends at two sd leave 0.879626 of the sd (the constant of Keras and JAX)
        (
            Scheme::TruncatedNormal { mean: 0.5, std: 0.1, low: 0.3, high: 0.7 },
            1000,
            1000,
            0.5,
            0.087_962_566_103_423_98,
        ),
        (Scheme::Orthogonal { gain: 2.0 }, 1000, 1000, 0.0, 2.0 / 1000_f64.sqrt()),
        (Scheme::SymmetricDial { value: 0.5, eps: 0.01 }, 1000, 1000, 0.5, 0.01),
    ];
    for (scheme, inputs, outputs, mean, sd) in cases {
        let name = scheme.name();
        let weights = sample(&init(scheme, Bias::Zeros), &network(&[inputs, outputs]), 1, streams(2), &[]);
        let weights = &weights[..1_000_000];
        let n = weights.len() as f64;
        let found = weights.iter().sum::<f64>() / n;
        assert!((found - mean).abs() < 5.0 * sd / n.sqrt(), "{name}: mean {found}");
        let variance = weights.iter().map(|w| (w - found).powi(2)).sum::<f64>() / n;
        assert!((variance / (sd * sd) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{name}: variance {variance}");
    }
}

#[test]
fn ranges_and_deviations_are_the_textbooks() {
    let layer = |inputs, outputs| network(&[inputs, outputs]).layers()[0];
    let relu = kaiming(FanMode::FanIn, Nonlinearity::Relu);
    let of = Draw::of_weights;
    // Glorot & Bengio 2010: r = √(6/(64 + 32)); He et al. 2015: √(2/128); torch.nn.Linear: 1/√64
    assert_eq!(of(&Scheme::XavierUniform { gain: 1.0 }, &layer(64, 32)), Draw::symmetric(0.25));
    assert_eq!(of(&Scheme::KaimingNormal(relu), &layer(128, 7)), Draw::centred(0.125));
    assert_eq!(of(&Scheme::TorchLinearDefault, &layer(64, 9)), Draw::symmetric(0.125));
    // torch.nn.init.calculate_gain: relu √2, tanh 5/3, linear and sigmoid 1
    let close = |draw: Draw, expected: f64| match draw {
        Draw::Normal { std, .. } => assert!((std - expected).abs() < 1e-15, "{std}"),
        other => panic!("{other:?}"),
    };
    for (nonlinearity, gain) in [
        (Nonlinearity::Relu, 2_f64.sqrt()),
        (Nonlinearity::Tanh, 5.0 / 3.0),
        (Nonlinearity::Linear, 1.0),
        (Nonlinearity::Sigmoid, 1.0),
    ] {
        let scheme = Scheme::KaimingNormal(kaiming(FanMode::FanOut, nonlinearity));
        close(of(&scheme, &layer(3, 11)), gain / 11_f64.sqrt());
    }
}

#[test]
fn uniforms_stay_in_their_range_and_fill_it() {
    let theta = sample(
        &init(Scheme::XavierUniform { gain: 1.0 }, Bias::Same),
        &network(&[64, 32]),
        7,
        streams(0),
        &[],
    );
    let largest = theta.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    assert!((0.24..=0.25).contains(&largest), "{largest}");
}

#[test]
fn a_dial_at_zero_is_the_constant_bit_for_bit() {
    let bits = |scheme, bias| {
        let theta = sample(&init(scheme, bias), &network(&[3, 4, 2]), 9, streams(4), &[]);
        theta.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    for bias in [Bias::Zeros, Bias::Same, Bias::TorchDefault, Bias::Constant(0.2)] {
        for value in [0.5, -0.0, 0.0] {
            let dial = bits(Scheme::SymmetricDial { value, eps: 0.0 }, bias);
            assert_eq!(dial, bits(Scheme::Constant { value }, bias), "{bias:?} {value}");
        }
    }
    assert_ne!(
        bits(Scheme::SymmetricDial { value: 0.5, eps: 1e-14 }, Bias::Same),
        bits(Scheme::Constant { value: 0.5 }, Bias::Same)
    );
}

#[test]
fn constants_fill_every_layer_the_output_and_the_biases_too() {
    let theta =
        sample(&init(Scheme::Constant { value: 0.5 }, Bias::Same), &network(&[3, 4, 2]), 1, streams(0), &[]);
    assert!(theta.iter().all(|&value| value == 0.5));
}

#[test]
fn equal_streams_give_equal_draws_scaled_by_the_scheme() {
    let at = |std, stream| {
        sample(
            &init(Scheme::Normal { mean: 0.0, std }, Bias::Zeros),
            &network(&[3, 2]),
            1,
            streams(stream),
            &[],
        )
    };
    let (one, four) = (at(1.0, 6), at(4.0, 6));
    assert!(one.iter().zip(&four).all(|(a, b)| 4.0 * a == *b));
    assert_ne!(at(1.0, 6), at(1.0, 7));
}

#[test]
fn start_files_are_checked_and_used_as_they_are() {
    let network = network(&[2, 1]);
    let check = |values: &[f64]| check_start("s.npy", values, &network).unwrap_err().to_string();
    assert_eq!(check(&[1.0, 2.0]), "s.npy holds 2 values, but the network has 3 parameters");
    assert_eq!(
        check(&[1.0, f64::NAN, 2.0]),
        "s.npy: value 1 (counted from 0) is NaN; every value must be finite"
    );
    let values = [1.0, -2.0, 0.25];
    assert_eq!(check_start("s.npy", &values, &network), Ok(()));
    let file = Scheme::File(spec::Attachment { path: "s.npy".into(), digest: None });
    assert_eq!(sample(&init(file, Bias::Zeros), &network, 1, streams(0), &values), values);
}

/// The first values of `truncated_normal` are SciPy's, from the uniforms of an independent ChaCha8 (the Python of
/// `seed`'s tests):
/// ```python
/// g = generator("init", 2026, 5); a, b = ndtr((-.2 - .1) / .3), ndtr((.5 - .1) / .3)
/// print([.1 + .3 * ndtri(a + (next(g) >> 11) * 2.0 ** -53 * (b - a)) for _ in range(2)])
/// ```
#[test]
fn starts_of_later_schemes_are_golden() {
    let schemes = [
        Scheme::TruncatedNormal { mean: 0.1, std: 0.3, low: -0.2, high: 0.5 },
        Scheme::LecunUniform,
        Scheme::LecunNormal,
        Scheme::Orthogonal { gain: 1.5 },
        Scheme::Identity { scale: 0.5 },
        Scheme::Hadamard { scale: 1.0 },
        Scheme::Dct { scale: 1.0 },
    ];
    let mut found: Vec<String> =
        schemes.iter().map(|scheme| golden(scheme.name(), &init(scheme.clone(), Bias::Zeros))).collect();
    let zeros = Init { scheme: Scheme::Zeros, bias: Bias::Zeros, perturb: 1e-3 };
    found.push(golden("perturb", &zeros));
    let expected = [
        "truncated_normal -0.19092553583161545 0.47191571482450445 0.0 18a73debc0f34727",
        "lecun_uniform -0.9801905631876526 0.9564652316860403 0.0 d50b4de3c1dadc22",
        "lecun_normal -0.9352702564576678 0.5218760152077422 0.0 a07b4605a1145276",
        "orthogonal -1.013135872980113 1.0611185125313496 0.0 c7decbaecc70e912",
        "identity 0.5 0.0 0.0 da26a842260250ed",
        "hadamard 0.5 0.5 0.0 6d010f04e64fe6e9",
        "dct 0.5 0.5 0.0 83f819cde11f2586",
        "perturb 0.001670015376519753 -0.0008008701243441323 -0.0015246034033618188 32da97dced324439",
    ];
    assert_eq!(found, expected);
    let theta = sample(&init(schemes[0].clone(), Bias::Zeros), &network(&[3, 4, 2]), 2026, streams(5), &[]);
    for (value, scipy) in theta.iter().zip([-0.1909255358316155, 0.47191571482450434]) {
        assert!((value - scipy).abs() < 1e-13, "{value}");
    }
}

#[test]
fn a_perturbation_is_added_to_any_start_and_shifts_no_other_draw() {
    let file = Scheme::File(spec::Attachment { path: "s.npy".into(), digest: None });
    let values: Vec<f64> = (0..11).map(f64::from).collect();
    for scheme in [Scheme::Zeros, Scheme::XavierNormal { gain: 1.0 }, Scheme::Orthogonal { gain: 1.0 }, file]
    {
        let at = |perturb, init_stream, noise_stream| {
            let init = Init { scheme: scheme.clone(), bias: Bias::Zeros, perturb };
            let streams = StartStreams { init: init_stream, perturb: noise_stream };
            sample(&init, &network(&[2, 2, 1, 2]), 1, streams, &values)
        };
        let (plain, noisy, other) = (at(0.0, 3, 0), at(1e-6, 3, 0), at(1e-6, 3, 1));
        assert_ne!(noisy, other, "{scheme:?}");
        for (plain, noisy) in plain.iter().zip(&noisy) {
            assert!(plain != noisy && (plain - noisy).abs() < 6e-6, "{scheme:?}");
        }
        assert_eq!(at(0.0, 3, 7), plain);
    }
}
