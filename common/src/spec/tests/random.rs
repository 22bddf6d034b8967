//! Random specs that obey every rule, and what must hold for all of them.

use super::*;

/// One of `choices`.
fn pick<T: Clone>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())].clone()
}

/// A positive number over many orders of magnitude, with a long fraction.
fn positive(rng: &mut ChaCha8Rng) -> f64 {
    rng.random_range(0.1..1.0_f64) * pick(rng, &[1e-12, 1e-3, 1.0, 7.0, 1e5, 1e20])
}

fn signed(rng: &mut ChaCha8Rng) -> f64 {
    let value = positive(rng);
    pick(rng, &[0.0, value, -value])
}

fn unit(rng: &mut ChaCha8Rng) -> f64 {
    let value = rng.random_range(0.0..1.0);
    pick(rng, &[0.0, 0.5, value])
}

fn maybe<T>(rng: &mut ChaCha8Rng, value: T) -> Option<T> {
    rng.random_bool(0.5).then_some(value)
}

fn attachment(rng: &mut ChaCha8Rng, ending: &str) -> Attachment {
    let folder = pick(rng, &["", "data/", "/abs/ü/", "../"]);
    let name = pick(rng, &["a", "b c", "quote\"d", "back\\slash", "tab\there", "ünï"]);
    let digest = Digest::of(&rng.next_u64().to_le_bytes());
    Attachment { path: format!("{folder}{name}{ending}"), digest: Some(digest) }
}

fn data(rng: &mut ChaCha8Rng) -> Data {
    let noise = if rng.random_bool(0.5) { 0.0 } else { positive(rng) };
    let samples = 2 * rng.random_range(8..200);
    let dims = rng.random_range(2..9);
    let encoding = pick(rng, &[XorEncoding::Signed, XorEncoding::Binary]);
    let source = match rng.random_range(0..19) {
        8 => DataSource::Parity { dims, encoding },
        9 => DataSource::NoisyXor { samples, noise },
        10 => DataSource::TwoSpirals,
        11 => {
            let teacher_units = rng.random_range(1..=dims);
            DataSource::TeacherStudent { samples, dims, teacher_units, label_noise: noise }
        }
        12 => {
            let labels = pick(rng, &[SphereLabels::Signs, SphereLabels::Normal]);
            DataSource::SphereRandom { samples, dims, labels }
        }
        15 => DataSource::TeacherStream { samples, dims, teacher_units: rng.random_range(1..=dims) },
        13 => DataSource::Wine,
        14 => DataSource::BreastCancer,
        17 => return population(rng.random_range(1..12)),
        18 => {
            let scheme = pick(rng, &PreimageScheme::ALL);
            DataSource::Preimage { samples, dims: pick(rng, &[2, 4, 8]), scheme }
        }
        0 => DataSource::Xor { encoding: pick(rng, &[XorEncoding::Signed, XorEncoding::Binary]) },
        1 => DataSource::Moons { samples, noise },
        2 => DataSource::Circles { samples, factor: rng.random_range(0.01..0.99), noise },
        3 => {
            let (classes, dims) = (rng.random_range(2..6), rng.random_range(1..9));
            DataSource::GaussMix { samples, classes, dims, radius: positive(rng) }
        }
        4 => DataSource::Digits,
        5 => DataSource::Iris,
        6 => {
            let target =
                Target::Column(pick(rng, &["label", "a.b", "line\nbreak", "\u{7f}\u{85}", "\"'"]).to_owned());
            DataSource::File(DataFile { features: attachment(rng, ".csv"), target })
        }
        7 => {
            let names = ["x", "y", "train.x", "\"'"].map(str::to_owned);
            let target = Target::Arrays { x: pick(rng, &names), y: pick(rng, &names) };
            DataSource::File(DataFile { features: attachment(rng, ".npz"), target })
        }
        _ => {
            let target = match rng.random_bool(0.5) {
                true => Target::ColumnIndex(rng.random_range(-3..30)),
                false => Target::File(attachment(rng, ".npy")),
            };
            DataSource::File(DataFile { features: attachment(rng, ".npy"), target })
        }
    };
    let standardize = rng.random_bool(0.5) && !matches!(source, DataSource::TeacherStream { .. });
    Data { source, test_fraction: pick(rng, &[0.0, 0.2, 0.25, 1.0 / 3.0]), standardize }
}

fn population(teacher_units: u32) -> Data {
    Data { source: DataSource::TeacherPopulation { teacher_units }, test_fraction: 0.0, standardize: false }
}

/// A network and a loss that fit `data`.
fn network(rng: &mut ChaCha8Rng, data: &Data) -> (Network, Loss) {
    let population = match data.source {
        DataSource::TeacherPopulation { teacher_units } => Some(teacher_units + rng.random_range(0..3)),
        DataSource::TeacherStream { dims, .. } if data.test_fraction == 0.0 && rng.random_bool(0.5) => {
            Some(dims)
        }
        _ => None,
    };
    if let Some(inputs) = population {
        let units = rng.random_range(1..20);
        let sum = ReluSum { inputs, units, output: SumOutput::Ones, scale: SumScale::One };
        return (sum.into(), Loss::Population);
    }
    let (inputs, classes) = match &data.source {
        DataSource::Digits => (64, 10),
        DataSource::Iris => (4, 3),
        DataSource::GaussMix { classes, dims, .. } => (*dims, *classes),
        DataSource::File(_) => (rng.random_range(1..20), 2),
        DataSource::Parity { dims, .. }
        | DataSource::TeacherStudent { dims, .. }
        | DataSource::TeacherStream { dims, .. }
        | DataSource::SphereRandom { dims, .. }
        | DataSource::Preimage { dims, .. } => (*dims, 2),
        DataSource::Wine => (13, 3),
        DataSource::BreastCancer => (30, 2),
        _ => (2, 2),
    };
    let has_numbers = matches!(
        data.source,
        DataSource::TeacherStudent { .. }
            | DataSource::TeacherStream { .. }
            | DataSource::SphereRandom { labels: SphereLabels::Normal, .. }
            | DataSource::Preimage { .. }
    );
    let losses = [Loss::Mse, Loss::CrossEntropy, Loss::Logistic];
    let legal = match classes {
        _ if has_numbers => 1,
        2 => 3,
        _ => 2,
    };
    let loss = pick(rng, &losses[..legal]);
    let outputs = if classes == 2 && loss != Loss::CrossEntropy { 1 } else { classes };
    if loss == Loss::Mse && outputs == 1 && rng.random_bool(0.3) {
        let output = pick(rng, &[SumOutput::Ones, SumOutput::RandomSigns]);
        let scale = pick(rng, &[SumScale::One, SumScale::InverseSqrtUnits]);
        return (ReluSum { inputs, units: rng.random_range(1..40), output, scale }.into(), loss);
    }
    let mut layers = vec![inputs];
    layers.extend((0..rng.random_range(0..4)).map(|_| rng.random_range(1..40)));
    layers.push(outputs);
    let outputs = [Activation::Identity, Activation::Tanh, Activation::Sigmoid];
    let activations = [&outputs[..], &[Activation::Relu, Activation::LeakyRelu, Activation::Gelu]].concat();
    let output_activation = if loss == Loss::Mse { pick(rng, &outputs) } else { Activation::Identity };
    (Mlp { layers, activation: pick(rng, &activations), output_activation }.into(), loss)
}

fn train(rng: &mut ChaCha8Rng, loss: Loss) -> Train {
    let optimizer = match rng.random_range(0..6) {
        0 => Optimizer::Gd,
        1 => Optimizer::Sgd { momentum: unit(rng) },
        2 => Optimizer::Nesterov { momentum: rng.random_range(0.01..1.0) },
        3 => Optimizer::AdamW { beta1: unit(rng), beta2: unit(rng), eps: positive(rng) },
        4 => Optimizer::RmsProp { alpha: unit(rng), eps: positive(rng) },
        _ => Optimizer::Adam { beta1: unit(rng), beta2: unit(rng), eps: positive(rng) },
    };
    let size = Batch::Size(rng.random_range(1..3));
    let whole = optimizer == Optimizer::Gd || loss == Loss::Population;
    let batch = if whole { Batch::Full } else { pick(rng, &[Batch::Full, size]) };
    let long = rng.random_range(1..1_000_000);
    let (grad_norm, target, max_error) = (positive(rng), positive(rng), positive(rng));
    let stop = Stop {
        grad_norm: maybe(rng, grad_norm),
        loss: maybe(rng, target),
        max_error: maybe(rng, max_error).filter(|_| loss == Loss::Mse),
    };
    let (l2, decay) = (positive(rng), positive(rng));
    Train {
        loss,
        l2: pick(rng, &[0.0, l2]),
        optimizer,
        weight_decay: pick(rng, &[0.0, 0.01, decay]),
        lr: positive(rng),
        schedule: schedule(rng),
        batch,
        shuffle: rng.random(),
        budget: pick(rng, &[Budget::Epochs(long / 1000 + 1), Budget::Steps(long)]),
        stop,
    }
}

fn schedule(rng: &mut ChaCha8Rng) -> Schedule {
    let updates = rng.random_range(1..1_000_000);
    let eta_min = positive(rng);
    let shape = match rng.random_range(0..3) {
        0 => LrShape::Constant,
        1 => LrShape::Step { step_size: updates, gamma: rng.random_range(0.01..1.0) },
        _ => LrShape::Cosine { t_max: maybe(rng, updates), eta_min: pick(rng, &[0.0, eta_min]) },
    };
    Schedule { warmup: pick(rng, &[0, updates]), shape }
}

fn minima(rng: &mut ChaCha8Rng, network: &Network, vary: VarySet) -> Minima {
    let modes = [PolishMode::Auto, PolishMode::Off, PolishMode::On];
    let can_be_polished = network.parameter_count() <= limits::POLISHED_PARAMETERS;
    let spread_at = rng.random_range(0.0..0.6);
    Minima {
        polish: pick(rng, if can_be_polished { &modes } else { &modes[..2] }),
        polish_max_steps: rng.random_range(1..5000),
        level: if vary.data { Level::Function } else { pick(rng, &Level::ALL) },
        same_at: rng.random_range(0.61..1.0),
        spread_at,
        barriers: if vary.data { 0 } else { pick(rng, &[0, 0, 2, 20]) },
    }
}

fn measure(rng: &mut ChaCha8Rng) -> Measure {
    let [curve, symmetry, geometry, ntk, movement] = std::array::from_fn(|_| rng.random_bool(0.3));
    let every = maybe(rng, 500_000_000).filter(|_| curve || symmetry || ntk);
    Measure { curve, symmetry, geometry, ntk, movement, every }
}

fn init(rng: &mut ChaCha8Rng) -> Init {
    let kaiming = Kaiming {
        mode: pick(rng, &[FanMode::FanIn, FanMode::FanOut]),
        nonlinearity: pick(
            rng,
            &[
                Nonlinearity::Linear,
                Nonlinearity::Sigmoid,
                Nonlinearity::Tanh,
                Nonlinearity::Relu,
                Nonlinearity::LeakyRelu,
            ],
        ),
    };
    let (a, b, noise) = (signed(rng), positive(rng), positive(rng));
    let perturb = pick(rng, &[0.0, noise]);
    let schemes = [
        Scheme::Constant { value: a },
        Scheme::Zeros,
        Scheme::Uniform { low: -b, high: b },
        Scheme::Normal { mean: a, std: b },
        Scheme::TruncatedNormal { mean: -b, std: b, low: -2.0 * b, high: 0.5 * b },
        Scheme::XavierUniform { gain: b },
        Scheme::XavierNormal { gain: b },
        Scheme::KaimingUniform(kaiming),
        Scheme::KaimingNormal(kaiming),
        Scheme::LecunUniform,
        Scheme::LecunNormal,
        Scheme::TorchLinearDefault,
        Scheme::Orthogonal { gain: b },
        Scheme::Identity { scale: a },
        Scheme::Hadamard { scale: a },
        Scheme::Dct { scale: b },
        Scheme::SymmetricDial { value: a, eps: pick(rng, &[0.0, b]) },
        Scheme::File(attachment(rng, ".npy")),
        Scheme::File(attachment(rng, ".safetensors")),
    ];
    let scheme = pick(rng, &schemes);
    let biases = [Bias::Zeros, Bias::TorchDefault, Bias::Constant(a), Bias::Same];
    let bias = match &scheme {
        Scheme::File(_) => Bias::Zeros,
        scheme if scheme.is_of_matrices() => pick(rng, &biases[..3]),
        _ => pick(rng, &biases),
    };
    Init { scheme, bias, perturb }
}

fn experiment(rng: &mut ChaCha8Rng, index: usize, base: Option<&Experiment>) -> Experiment {
    let vary = VarySet { init: rng.random(), order: rng.random(), data: rng.random(), perturb: rng.random() };
    // share some tables with the experiment before, so that both places are met
    let data = base.filter(|_| rng.random_bool(0.7)).map_or_else(|| data(rng), |base| base.data.clone());
    let same = base.filter(|base| base.data == data && rng.random_bool(0.7));
    let (network, loss) =
        same.map_or_else(|| network(rng, &data), |base| (base.network.clone(), base.train.loss));
    let mut train =
        same.filter(|_| rng.random_bool(0.5)).map_or_else(|| train(rng, loss), |base| base.train.clone());
    if matches!(data.source, DataSource::TeacherStream { .. }) {
        (train.batch, train.shuffle) = (Batch::Size(2), true);
        if train.optimizer == Optimizer::Gd {
            train.optimizer = Optimizer::Sgd { momentum: 0.5 };
        }
    }
    let mut init = init(rng);
    if matches!(network, Network::ReluSum(_)) {
        init.bias = Bias::Zeros;
        if matches!(&init.scheme, Scheme::File(file) if file.path.ends_with(".safetensors")) {
            init.scheme = Scheme::Zeros;
        }
    }
    if network.draws_signs() {
        (train.l2, train.weight_decay) = (0.0, 0.0);
    }
    let shares = !vary.init && init.is_random();
    let starts = rng.random_range(1..if shares { 20 } else { 2 });
    let orders = rng.random_range(1..20);
    let starts = maybe(rng, starts).filter(|_| !vary.init);
    let orders = maybe(rng, orders).filter(|_| vary.order);
    let fork = rng.random_range(1..1000);
    let fork = maybe(rng, fork).filter(|_| vary.order);
    let restarts = starts.unwrap_or(1) * orders.unwrap_or_else(|| rng.random_range(1..1000));
    let minima = minima(rng, &network, vary);
    let minima = same
        .map(|base| base.minima.clone())
        .filter(|m| !vary.data || (m.level == Level::Function && m.barriers == 0))
        .unwrap_or(minima);
    let has_level = minima.level != Level::Canonical || network.has_canonical_form();
    let minima = if has_level { minima } else { Minima { level: Level::Raw, ..minima } };
    let other = measure(rng);
    let mut measure = base.filter(|_| rng.random_bool(0.7)).map_or(other, |base| base.measure);
    if matches!(network, Network::ReluSum(_)) {
        measure = Measure {
            curve: measure.curve,
            every: measure.every.filter(|_| measure.curve),
            ..Measure::default()
        };
    }
    let name = Name::new(&format!("e-{index}.x")).unwrap();
    let parameters = Vec::new();
    let mut experiment = Experiment {
        name,
        network,
        data,
        train,
        minima,
        measure,
        init,
        restarts,
        stop_when: None,
        starts,
        orders,
        fork,
        vary,
        parameters,
    };
    if plan::are_independent(&experiment) && rng.random_bool(0.3) {
        let goal = rng.random_range(0.01..1.0);
        let both = [maybe(rng, goal), Some(goal / 2.0)];
        let [same_pair_width, coverage] = if rng.random_bool(0.5) { both } else { [both[1], both[0]] };
        experiment.stop_when = Some(StopWhen { same_pair_width, coverage });
        experiment.restarts = experiment.restarts.max(32);
    }
    let table = canonical::experiment_table(&experiment);
    let paths = [
        "train.lr",
        "train.shuffle",
        "train.weight_decay",
        "train.schedule",
        "network.layers",
        "network.units",
        "init",
        "init.bias",
        "train.stop",
        "data.target",
        "measure.symmetry",
        "restarts",
        "vary",
    ];
    let named = paths.iter().filter(|_| rng.random_bool(0.3));
    experiment.parameters = named
        .filter_map(|path| {
            Some(Parameter { path: (*path).to_owned(), value: canonical::look_up(&table, path)? })
        })
        .collect();
    experiment
}

/// A random spec that obeys every rule.
fn spec(rng: &mut ChaCha8Rng) -> SweepSpec {
    let mut experiments: Vec<Experiment> = Vec::new();
    for index in 0..rng.random_range(1..5) {
        let next = experiment(rng, index, experiments.last());
        experiments.push(next);
    }
    let seed = rng.random_range(0..=limits::SEED);
    SweepSpec {
        name: Name::new("random").unwrap(),
        seed: pick(rng, &[0, seed, limits::SEED]),
        precision: pick(rng, &[Precision::F32, Precision::F64]),
        tolerances: Tolerances {
            raw: positive(rng),
            canonical: if rng.random() { positive(rng) } else { Tolerances::default().canonical },
            function: positive(rng),
            barrier: pick(rng, &[0.01, 0.2]),
        },
        experiments,
    }
}

/// The spec without the folders of its files: all that its canonical form keeps.
fn without_folders(mut spec: SweepSpec) -> SweepSpec {
    for file in spec.experiments.iter_mut().flat_map(Experiment::attachments_mut) {
        file.path = file.path.rsplit('/').next().unwrap().to_owned();
    }
    spec
}

#[test]
fn canonical_form_reads_back_as_the_same_spec_and_is_its_own_canonical_form() {
    for seed in 0..400 {
        let spec = spec(&mut ChaCha8Rng::seed_from_u64(seed));
        let text = spec.canonical();
        let again = parse_canonical(&text).unwrap_or_else(|errors| panic!("seed {seed}: {errors}\n{text}"));
        assert_eq!(again, without_folders(spec), "seed {seed}\n{text}");
        assert_eq!(again.canonical(), text, "seed {seed}");
        let parsed = parse("canonical", &text, &[]).unwrap().spec;
        assert_eq!(parsed, again, "seed {seed}");
    }
}

#[test]
fn different_specs_have_different_ids() {
    let ids: std::collections::HashSet<SweepId> =
        (0..200).map(|seed| spec(&mut ChaCha8Rng::seed_from_u64(seed)).id()).collect();
    assert_eq!(ids.len(), 200);
}

#[test]
fn crossed_designs_draw_each_cell_once() {
    for seed in 0..200 {
        let spec = spec(&mut ChaCha8Rng::seed_from_u64(seed));
        for experiment in spec.experiments.iter().filter(|experiment| experiment.orders.is_some()) {
            let streams: Vec<plan::Streams> =
                (0..experiment.restarts).map(|restart| plan::streams(experiment, restart)).collect();
            let distinct: std::collections::HashSet<_> = streams.iter().collect();
            assert_eq!(distinct.len(), streams.len(), "seed {seed} {}", experiment.name);
        }
    }
}

/// Mutates `text` in one to four places.
fn mutated(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..bytes.len());
        let upto = rng.random_range(at..=(at + 40).min(bytes.len()));
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..upto)),
            2 => {
                let copy = bytes[at..upto].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let noise =
                    pick(rng, &["\"", "[", "]", "{", "=", "\n", "é", "-1", "1e400", "nan", "#", "\u{202e}"]);
                bytes.splice(at..at, noise.bytes());
            }
            _ => swap_lines(&mut bytes, rng),
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn swap_lines(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let (a, b) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
    lines.swap(a, b);
    *bytes = lines.join(&b'\n');
}

#[test]
fn no_mutation_of_a_template_makes_the_parser_panic_or_fall_silent() {
    let templates = files(&root().join("cli/templates"), "toml");
    let texts: Vec<String> = templates.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let sets = ["train.lr=0.2", "experiment.random.restarts=7", "train.stop.loss=0.1"].map(str::to_owned);
    let mut refused = 0;
    for seed in 0..2000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let text = mutated(&pick(&mut rng, &texts), &mut rng);
        let sets = &sets[..rng.random_range(0..=sets.len())];
        match parse("mutated.toml", &text, sets) {
            Ok(parsed) if parsed.spec.attachments().is_empty() => {
                let again =
                    parse_canonical(&parsed.spec.canonical()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                assert_eq!(again, parsed.spec, "seed {seed}\n{text}");
            }
            Ok(_) => {}
            Err(errors) => {
                assert!(!errors.rendered.is_empty(), "seed {seed}: refused without a reason\n{text}");
                refused += 1;
            }
        }
    }
    assert!((200..2000).contains(&refused), "{refused} of 2000 mutations were refused");
}
