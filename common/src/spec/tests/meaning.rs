//! What a spec means: defaults, overrides, grid, `--set`, files, the canonical text itself.

use toml::Value;

use super::*;

const TABLES: &str = r#"
name = "a"
[network]
layers = [2, 4, 1]
activation = "tanh"
[data]
dataset = "moons"
[train]
loss = "mse"
lr = 0.1
batch = 8
epochs = 20
"#;

const EXPERIMENT: &str = r#"
[[experiment]]
name = "random"
init = "xavier_uniform"
restarts = 40
vary = ["init"]
"#;

fn spec_with(text: &str, sets: &[&str]) -> SweepSpec {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let parsed = parse("test.toml", text, &sets);
    parsed.unwrap_or_else(|errors| panic!("{errors}")).spec
}

fn spec_of(text: &str) -> SweepSpec {
    spec_with(text, &[])
}

fn refusal(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    match parse("test.toml", text, &sets) {
        Ok(parsed) => panic!("accepted: {:?}", parsed.spec),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn what_is_not_written_has_its_documented_default() {
    let spec = spec_of(&format!("{TABLES}{EXPERIMENT}"));
    assert_eq!((spec.seed, spec.precision, spec.tolerances), (0, Precision::F32, Tolerances::default()));
    let experiment = &spec.experiments[0];
    assert_eq!(experiment.data.source, DataSource::Moons { samples: 64, noise: 0.0 });
    assert_eq!((experiment.data.test_fraction, experiment.data.standardize), (0.0, false));
    assert_eq!(experiment.train.optimizer, Optimizer::Sgd { momentum: 0.0 });
    assert_eq!((experiment.train.l2, experiment.train.stop), (0.0, Stop::default()));
    let minima = &experiment.minima;
    assert_eq!(
        (minima.polish, minima.polish_max_steps, minima.level),
        (PolishMode::Auto, 2000, Level::Function)
    );
    assert_eq!((minima.same_at, minima.spread_at), (0.8, 0.5));
    assert_eq!(
        experiment.init,
        Init { scheme: Scheme::XavierUniform { gain: 1.0 }, bias: Bias::Zeros, perturb: 0.0 }
    );
    assert_eq!((experiment.starts, experiment.orders), (None, None));
    assert!(experiment.parameters.is_empty());
}

#[test]
fn defaults_of_data_sets_optimisers_and_schemes() {
    let with = |sets: &[&str]| spec_with(&format!("{TABLES}{EXPERIMENT}"), sets).experiments.remove(0);
    let source = |set: &str| with(&[set]).data.source;
    assert_eq!(
        with(&["data.dataset=xor", "train.batch=4"]).data.source,
        DataSource::Xor { encoding: XorEncoding::Signed }
    );
    assert_eq!(source("data.dataset=circles"), DataSource::Circles { samples: 64, factor: 0.8, noise: 0.0 });
    let mix = with(&["data.dataset=gauss_mix", "network.layers=[2, 4, 3]"]).data.source;
    assert_eq!(mix, DataSource::GaussMix { samples: 300, classes: 3, dims: 2, radius: 3.0 });
    let adam = with(&["train.optimizer=adam"]).train.optimizer;
    assert_eq!(adam, Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    let set = |name: &str| with(&[&format!("train.optimizer={name}")]).train;
    assert_eq!(set("adamw").optimizer, Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    assert_eq!((set("adamw").weight_decay, set("adam").weight_decay), (0.01, 0.0));
    assert_eq!(set("rmsprop").optimizer, Optimizer::RmsProp { alpha: 0.99, eps: 1e-8 });
    let ahead = with(&["train.momentum=0.9", "train.nesterov=true"]).train.optimizer;
    assert_eq!(ahead, Optimizer::Nesterov { momentum: 0.9 });
    let scheduled = |schedule: &str| with(&[&format!("train.schedule={schedule}")]).train.schedule;
    assert_eq!(
        scheduled("{ kind = \"step\", step_size = 10 }"),
        Schedule { warmup: 0, shape: LrShape::Step { step_size: 10, gamma: 0.1 } }
    );
    assert_eq!(
        scheduled("{ kind = \"cosine\", warmup = 3 }"),
        Schedule { warmup: 3, shape: LrShape::Cosine { t_max: None, eta_min: 0.0 } }
    );
    // `gd` needs no `batch`
    let text = format!("{TABLES}{EXPERIMENT}").replace("batch = 8", "optimizer = \"gd\"");
    assert_eq!(spec_of(&text).experiments[0].train.batch, Batch::Full);
    for (init, scheme, bias) in [
        ("{ scheme = \"constant\", value = 1 }", Scheme::Constant { value: 1.0 }, Bias::Same),
        (
            "{ scheme = \"symmetric_dial\", value = 1, eps = 0.1 }",
            Scheme::SymmetricDial { value: 1.0, eps: 0.1 },
            Bias::Same,
        ),
        ("\"torch_linear_default\"", Scheme::TorchLinearDefault, Bias::TorchDefault),
        ("\"zeros\"", Scheme::Zeros, Bias::Zeros),
        ("\"orthogonal\"", Scheme::Orthogonal { gain: 1.0 }, Bias::Zeros),
        ("\"dct\"", Scheme::Dct { scale: 1.0 }, Bias::Zeros),
        (
            "{ scheme = \"truncated_normal\", std = 2 }",
            Scheme::TruncatedNormal { mean: 0.0, std: 2.0, low: -2.0, high: 2.0 },
            Bias::Zeros,
        ),
        ("{ scheme = \"normal\", std = 2 }", Scheme::Normal { mean: 0.0, std: 2.0 }, Bias::Zeros),
        (
            "\"kaiming_normal\"",
            Scheme::KaimingNormal(Kaiming { mode: FanMode::FanIn, nonlinearity: Nonlinearity::Relu }),
            Bias::Zeros,
        ),
    ] {
        assert_eq!(
            with(&[&format!("experiment.random.init={init}")]).init,
            Init { scheme, bias, perturb: 0.0 }
        );
    }
}

#[test]
fn an_experiment_overrides_tables_key_by_key_and_stop_whole() {
    let text = format!(
        "{}{EXPERIMENT}train = {{ lr = 0.2, stop = {{ loss = 0.1 }} }}\n[experiment.minima]\nlevel = \"raw\"\n",
        TABLES.to_owned() + "stop = { grad_norm = 1e-6 }\n"
    );
    let experiment = spec_of(&text).experiments.remove(0);
    assert_eq!((experiment.train.lr, experiment.train.batch), (0.2, Batch::Size(8)));
    assert_eq!(experiment.train.stop, Stop { loss: Some(0.1), ..Stop::default() });
    assert_eq!(experiment.minima.level, Level::Raw);
    let parameters: Vec<(&str, String)> =
        experiment.parameters.iter().map(|p| (p.path.as_str(), p.value.to_string())).collect();
    let expected = [("train.lr", "0.2"), ("train.stop", "{ loss = 0.1 }"), ("minima.level", "\"raw\"")];
    assert_eq!(parameters, expected.map(|(path, value)| (path, value.to_owned())));
}

/// The id of a stored sweep must not change because a later release knows more keys.
#[test]
fn keys_that_came_later_are_not_written_at_their_defaults() {
    let text = format!("{TABLES}{EXPERIMENT}");
    let plain = spec_of(&text);
    let canonical = plain.canonical();
    let later = [
        ("output_activation", "network.output_activation=identity"),
        ("nesterov", "train.nesterov=false"),
        ("weight_decay", "train.weight_decay=0"),
        ("schedule", "train.schedule={ kind = \"constant\", warmup = 0 }"),
        ("shuffle", "train.shuffle=true"),
        ("measure", "measure.curve=false"),
        ("measure", "experiment.random.measure.ntk=false"),
        ("measure", "measure.movement=false"),
    ];
    for (key, set) in later {
        assert!(!canonical.contains(key), "{key}: {canonical}");
        assert_eq!(spec_with(&text, &[set]).id(), plain.id(), "{set}");
    }
    // a table that came later is there with what differs only
    let measured = spec_with(&text, &["measure.symmetry=true", "measure.every=5"]).canonical();
    assert!(measured.contains("[measure]\nsymmetry = true\nevery = 5\n"), "{measured}");
    // but they can be a parameter of the report, and a decay of 0 is not `adamw`'s default
    let sets = ["grid.train.weight_decay=[0.0, 0.1]", "train.optimizer=adamw"];
    let spec = spec_with(&text, &sets);
    let decays: Vec<&Value> = spec.experiments.iter().map(|e| &e.parameters[0].value).collect();
    assert_eq!(decays, [&Value::Float(0.0), &Value::Float(0.1)]);
    assert_eq!(parse_canonical(&spec.canonical()).unwrap(), spec);
}

#[test]
fn an_override_drops_what_contradicts_it() {
    let base = TABLES.to_owned() + "momentum = 0.9\n";
    let own = "train = { optimizer = \"adam\", steps = 7 }\ndata = { dataset = \"xor\" }\n";
    let text = format!("{base}{EXPERIMENT}{own}")
        .replace("\"moons\"", "\"moons\"\nnoise = 0.1")
        .replace("= 8", "= 4");
    let experiment = spec_of(&text).experiments.remove(0);
    assert_eq!(experiment.train.optimizer, Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    assert_eq!(experiment.train.budget, Budget::Steps(7));
    assert_eq!(experiment.data.source, DataSource::Xor { encoding: XorEncoding::Signed });
}

#[test]
fn the_grid_multiplies_every_experiment_with_the_last_key_fastest() {
    let second =
        EXPERIMENT.replace("random", "second").replace("restarts = 40\n", "restarts = 40\norders = 40\n");
    let second = second.replace("[\"init\"]", "[\"order\"]");
    let grid = "[grid]\n\"train.lr\" = [0.1, 1]\ninit.gain = [1, 2.5]\ntrain.stop.loss = [0.5]\n";
    let spec = spec_of(&format!("{TABLES}{EXPERIMENT}{second}{grid}"));
    let names: Vec<&str> = spec.experiments.iter().map(|experiment| experiment.name.as_str()).collect();
    let expected = ["random.g0", "random.g1", "random.g2", "random.g3"];
    assert_eq!(names[..4], expected);
    assert_eq!(names[4..], expected.map(|name| name.replace("random", "second")));
    for (index, (lr, gain)) in [(0.1, 1.0), (0.1, 2.5), (1.0, 1.0), (1.0, 2.5)].into_iter().enumerate() {
        for experiment in [&spec.experiments[index], &spec.experiments[index + 4]] {
            assert_eq!((experiment.train.lr, &experiment.init.scheme), (lr, &Scheme::XavierUniform { gain }));
            let values: Vec<(&str, &Value)> =
                experiment.parameters.iter().map(|p| (p.path.as_str(), &p.value)).collect();
            let expected = [("train.lr", lr), ("init.gain", gain), ("train.stop.loss", 0.5)];
            // whole numbers stand for numbers: the values are those of the canonical form
            assert_eq!(values, expected.map(|(p, v)| (p, Value::Float(v))).each_ref().map(|(p, v)| (*p, v)));
        }
    }
}

#[test]
fn a_grid_can_change_starts_restarts_and_vary() {
    let own = EXPERIMENT.replace("restarts = 40\n", "").replace("vary = [\"init\"]\n", "");
    let grid = "[grid]\nrestarts = [10, 20]\nvary = [[\"init\"], [\"order\"]]\n";
    let spec = spec_of(&format!("{TABLES}{own}{grid}"));
    let found: Vec<(u32, bool)> = spec.experiments.iter().map(|e| (e.restarts, e.vary.init)).collect();
    assert_eq!(found, [(10, true), (10, false), (20, true), (20, false)]);
}

#[test]
fn a_set_wins_over_the_file_and_the_last_set_over_the_others() {
    let text = format!("{TABLES}{EXPERIMENT}").replace("\"random\"", "\"random-0.5\"");
    let sets = [
        "train.lr=0.3",
        "train.lr = 0.4",
        "train.steps=9",
        "precision=f64",
        "seed=18",
        "minima.level=raw",
        "train.stop.grad_norm=1e-6",
        "experiment.random-0.5.restarts=7",
        "experiment.random-0.5.init.gain=2",
        "experiment.random-0.5.train.l2=0.5",
    ];
    let spec = spec_with(&text, &sets);
    let experiment = &spec.experiments[0];
    assert_eq!((spec.seed, spec.precision), (18, Precision::F64));
    assert_eq!((experiment.train.lr, experiment.train.l2), (0.4, 0.5));
    assert_eq!(experiment.train.budget, Budget::Steps(9));
    assert_eq!((experiment.restarts, experiment.minima.level), (7, Level::Raw));
    assert_eq!(experiment.init.scheme, Scheme::XavierUniform { gain: 2.0 });
    assert_eq!(experiment.train.stop.grad_norm, Some(1e-6));
    assert_eq!(experiment.parameters[0].path, "train.l2");
}

#[test]
fn a_grid_over_the_fork_may_begin_at_none() {
    let text = format!("{TABLES}{EXPERIMENT}[grid]\nfork = [0, 5, 10]");
    let text = text.replace("vary = [\"init\"]", "vary = [\"order\"]");
    let spec = spec_of(&text);
    let forks: Vec<Option<u64>> = spec.experiments.iter().map(|experiment| experiment.fork).collect();
    assert_eq!(forks, [None, Some(5), Some(10)]);
    let at: Vec<&Value> = spec.experiments.iter().map(|experiment| &experiment.parameters[0].value).collect();
    assert_eq!(at, [0, 5, 10].map(Value::Integer).each_ref());
    assert_eq!(parse_canonical(&spec.canonical()).unwrap(), spec);
    // a fork at 0 is none
    let alone = text.replace("[grid]\nfork = [0, 5, 10]", "");
    let forked = alone.replace("restarts = 40", "restarts = 40\nfork = 0");
    assert_eq!(spec_of(&forked).id(), spec_of(&alone).id());
}

#[test]
fn a_set_reaches_the_grid_in_either_spelling() {
    for grid in ["[grid]\n\"train.lr\" = [0.1]\n", "[grid]\ntrain.lr = [0.1]\n", ""] {
        let text = format!("{TABLES}{EXPERIMENT}{grid}");
        let spec = spec_with(&text, &["grid.train.lr=[0.2, 0.3]"]);
        let rates: Vec<f64> = spec.experiments.iter().map(|experiment| experiment.train.lr).collect();
        assert_eq!(rates, [0.2, 0.3], "{grid}");
    }
}

/// T(10, 10) of Safran & Shamir 2018.
const POPULATION: &str = r#"
name = "teacher"
network = { kind = "relu_sum", inputs = 10, units = 10 }
data = { dataset = "teacher_population", teacher_units = 10 }
train = { loss = "population", optimizer = "gd", lr = 0.1, steps = 2000 }
[[experiment]]
name = "a"
init = "lecun_normal"
restarts = 7
vary = ["init"]
"#;

#[test]
fn a_sum_of_relus_has_ones_behind_it_and_the_population_no_rows() {
    let spec = spec_with(POPULATION, &[]);
    let sum = ReluSum { inputs: 10, units: 10, output: SumOutput::Ones, scale: SumScale::One };
    let experiment = &spec.experiments[0];
    assert_eq!(experiment.network, sum.into());
    assert_eq!(experiment.network.parameter_count(), 100);
    assert_eq!(experiment.data.source, DataSource::TeacherPopulation { teacher_units: 10 });
    assert_eq!((experiment.train.loss, experiment.train.batch), (Loss::Population, Batch::Full));
    assert_eq!(parse_canonical(&spec.canonical()).unwrap(), spec);
}

#[test]
fn a_population_can_be_met_row_by_row() {
    let sets = ["data.dataset=teacher_stream", "train.optimizer=sgd", "train.lr=0.02", "train.batch=64"];
    let spec = spec_with(POPULATION, &sets);
    let experiment = &spec.experiments[0];
    let source = DataSource::TeacherStream { samples: 1_000, dims: 10, teacher_units: 10 };
    assert_eq!((&experiment.data.source, experiment.train.batch), (&source, Batch::Size(64)));
    assert_eq!(experiment.train.loss, Loss::Population);
    assert_eq!(parse_canonical(&spec.canonical()).unwrap(), spec);
    // the expectation hangs on no drawn row
    let sets = [&sets[..], &["experiment.a.vary=[\"init\", \"data\"]"]].concat();
    assert!(!plan::data_matters(&spec_with(POPULATION, &sets).experiments[0]));
    let rows = [&sets[..], &["train.loss=mse"]].concat();
    assert!(plan::data_matters(&spec_with(POPULATION, &rows).experiments[0]));
}

#[test]
fn another_kind_of_network_drops_what_the_old_one_was_made_of() {
    let rows = ["data.dataset=teacher_student", "data.samples=50", "train.loss=mse"];
    let signs =
        "experiment.a.network={ kind = \"relu_sum\", inputs = 10, units = 3, output = \"random_signs\" }";
    let with = |set| spec_with(POPULATION, &[&rows[..], &[set]].concat());
    let sum = &with(signs).experiments[0].network;
    // thirty weights and three signs
    assert!(sum.draws_signs());
    assert_eq!((sum.parameter_count(), sum.inputs(), sum.outputs()), (33, 10, 1));
    let mlp = "experiment.a.network={ kind = \"mlp\", layers = [10, 4, 1], activation = \"tanh\" }";
    let mlp = &with(mlp).experiments[0].network;
    assert_eq!((mlp.sizes(), mlp.parameter_count()), (vec![10, 4, 1], 49));
}

#[test]
fn signs_make_a_start_random_whatever_its_scheme() {
    let text = POPULATION
        .replace("\"lecun_normal\"", "\"zeros\"")
        .replace("units = 10 }", "units = 10, output = \"random_signs\" }");
    let text = text.replace("teacher_units = 10, output = \"random_signs\"", "teacher_units = 10");
    let rows = ["data.dataset=teacher_student", "data.samples=50", "train.loss=mse"];
    assert!(plan::can_vary(&spec_with(&text, &rows).experiments[0]));
    let ones = [&rows[..], &["network.output=ones"]].concat();
    assert!(!plan::can_vary(&spec_with(&text, &ones).experiments[0]));
}

#[test]
fn whatever_a_later_version_will_know_is_refused_by_name() {
    let keys = [("minima", "connected=true"), ("minima", "level=connected")];
    let top = ["audit=0.02", "trainer=\"python\""].map(str::to_owned);
    let nested = keys.iter().map(|(table, set)| format!("{table}.{set}"));
    for set in top.into_iter().chain(nested) {
        let said = refusal(&format!("{TABLES}{EXPERIMENT}"), &[&set]);
        assert!(said.contains("yet"), "{set}: {said}");
        assert!(!said.contains("unknown"), "{set}: {said}");
    }
}

const FILES: &str = r#"
name = "files"
[network]
layers = [3, 1]
[data]
file = "data/x.npy"
target = { file = "data/y.npy" }
[train]
loss = "mse"
lr = 0.1
batch = "full"
steps = 10
[[experiment]]
name = "from-file"
init = { file = "starts/a.npy" }
restarts = 10
vary = ["order"]
[[experiment]]
name = "other-target"
init = "zeros"
restarts = 10
vary = ["order"]
[experiment.data]
file = "data/x.npy"
target = { file = "more/y.npy" }
"#;

#[test]
fn files_are_known_by_content_once_they_are_attached() {
    let mut spec = spec_of(FILES);
    let paths: Vec<&str> = spec.attachments().into_iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["data/x.npy", "data/y.npy", "starts/a.npy", "more/y.npy"]);
    for path in ["data/x.npy", "data/y.npy", "starts/a.npy", "more/y.npy"] {
        spec.attach(path, Digest::of(path.as_bytes()));
    }
    let text = spec.canonical();
    assert!(!text.contains("data/"), "{text}");
    let again = parse_canonical(&text).unwrap();
    assert_eq!(again.canonical(), text);
    assert_eq!(again.id(), spec.id());
    let target = &spec.experiments[1].parameters[1];
    assert_eq!(target.value["digest"].as_str(), Some(&*Digest::of(b"more/y.npy").to_string()));
    assert_eq!(again.experiments[1].parameters, spec.experiments[1].parameters);
    // the same names with other content are another sweep
    let mut other = spec.clone();
    other.attach("more/y.npy", Digest::of(b"changed"));
    assert_ne!(other.id(), spec.id());
}

#[test]
fn a_canonical_form_without_a_digest_is_refused() {
    let errors = parse_canonical(FILES).unwrap_err();
    assert!(errors.rendered[0].contains("`data/x.npy` has no `digest`"), "{errors}");
}

#[test]
#[should_panic(expected = "must be attached")]
fn a_spec_with_an_unread_file_has_no_id() {
    spec_of(FILES).id();
}

#[test]
fn large_texts_are_refused_before_they_are_read() {
    let text = format!("{TABLES}{EXPERIMENT}#{}", "x".repeat(limits::SPEC_BYTES));
    assert!(refusal(&text, &[]).contains(&limits::SPEC_BYTES.to_string()));
    assert!(parse_canonical(&text).is_ok());
    let text = format!("{text}{}", "x".repeat(limits::CANONICAL_BYTES));
    assert!(parse_canonical(&text).is_err());
    let set = format!("name={}", "x".repeat(limits::SPEC_BYTES));
    assert!(refusal(&format!("{TABLES}{EXPERIMENT}"), &[&set]).contains("bytes"));
}

#[test]
fn many_mistakes_are_counted_not_listed() {
    let wrong = EXPERIMENT.replace("[\"init\"]", "[\"x\", \"y\", \"z\"]");
    let text = format!("{TABLES}{}", wrong.repeat(50));
    let errors = parse("test.toml", &text, &[]).unwrap_err();
    assert_eq!(errors.rendered.len(), limits::SPEC_MESSAGES + 1);
    // three words in each of 50 experiments, 49 of which have the first one's name
    assert_eq!(errors.rendered[limits::SPEC_MESSAGES], "99 more like these are not shown");
}

#[test]
fn tables_and_lists_have_a_longest() {
    let keys: String = (0..100).map(|index| format!("key{index} = 1\n")).collect();
    let said = refusal(&format!("{keys}{TABLES}{EXPERIMENT}"), &[]);
    assert!(said.contains("a table may have at most 64 keys"), "{said}");
    let said = refusal(&format!("{TABLES}{EXPERIMENT}"), &[&format!("network.layers={:?}", vec![1; 1001])]);
    assert!(said.contains("a list may have at most 1000 values"), "{said}");
    let said = refusal(&format!("{TABLES}{}", EXPERIMENT.repeat(1001)), &[]);
    assert!(said.contains("a list may have at most 1000 values"), "{said}");
}

#[test]
fn deeply_nested_text_is_an_error() {
    for text in ["a = ".to_owned() + &"[".repeat(100_000), "a.".repeat(60_000) + "b = 1", "[".repeat(100_000)]
    {
        assert!(parse("deep.toml", &text, &[]).is_err());
    }
}

/// The identity of every stored sweep hangs on these bytes.
#[test]
fn canonical_text_never_changes() {
    let text = "seed = 7\n".to_owned()
        + TABLES
        + EXPERIMENT
        + "[[experiment]]\nname = \"half\"\ninit = { scheme = \"constant\", value = 0.5 }\nrestarts = 8\n"
        + "vary = [\"order\"]\ntrain = { optimizer = \"adam\", lr = 1e-7 }\n";
    let spec = spec_of(&text);
    let expected = r#"name = "a"
seed = 7
precision = "f32"

[network]
kind = "mlp"
layers = [2, 4, 1]
activation = "tanh"

[data]
dataset = "moons"
samples = 64
noise = 0.0
test_fraction = 0.0
standardize = false

[minima]
polish = "auto"
polish_max_steps = 2000
level = "function"
same_at = 0.8
spread_at = 0.5
tolerance_raw = 1e-5
tolerance_function = 0.0001

[[experiment]]
name = "random"
init = { scheme = "xavier_uniform", bias = "zeros", gain = 1.0 }
restarts = 40
vary = ["init"]
parameters = []

[experiment.train]
loss = "mse"
l2 = 0.0
optimizer = "sgd"
momentum = 0.0
lr = 0.1
batch = 8
epochs = 20
stop = {}

[[experiment]]
name = "half"
init = { scheme = "constant", bias = "same", value = 0.5 }
restarts = 8
vary = ["order"]
parameters = ["train.optimizer", "train.lr"]

[experiment.train]
loss = "mse"
l2 = 0.0
optimizer = "adam"
betas = [0.9, 0.999]
eps = 1e-8
lr = 1e-7
batch = 8
epochs = 20
stop = {}
"#;
    assert_eq!(spec.canonical(), expected);
    // BLAKE3 of the text above (python: blake3.blake3(text).hexdigest())
    assert_eq!(spec.id().to_string(), "9cfd0e6646a3eb05406daf9cc84fc7643643a786abe788513182a8507d59f9f1");
}

#[test]
fn the_way_a_spec_is_written_does_not_change_its_id() {
    let spec = spec_of(&format!("{TABLES}{EXPERIMENT}"));
    let explicit = TABLES.replace("lr = 0.1", "lr = 1e-1\nl2 = -0.0\noptimizer = \"sgd\"");
    let inline = EXPERIMENT.replace("\"xavier_uniform\"", "{ scheme = \"xavier_uniform\", gain = 1 }");
    assert_eq!(spec_of(&format!("seed = 0x0 # none\n{explicit}{inline}")).id(), spec.id());
    let other = spec_with(&format!("{TABLES}{EXPERIMENT}"), &["train.lr=0.10000000000000002"]);
    assert_ne!(other.id(), spec.id());
}

#[test]
fn the_plan_says_what_is_replicated() {
    let fixed =
        EXPERIMENT.replace("random", "fixed").replace("vary = [\"init\"]", "starts = 10\nvary = [\"order\"]");
    let spec = spec_of(&format!("{TABLES}{EXPERIMENT}{fixed}"));
    let expected = "\
sweep a: 2 experiments, 80 trials
  random
    start      xavier_uniform
    restarts   40 (40 starts, 1 order)
    varies     init
    replicated restart
    network    17 parameters
    training   rows: 64; updates per trial: 160
  fixed
    start      xavier_uniform
    restarts   40 (10 starts, an order each)
    varies     order
    replicated start
    network    17 parameters
    training   rows: 64; updates per trial: 160
";
    assert_eq!(summary(&spec).to_string(), expected);
}

#[test]
fn an_experiment_without_a_number_of_restarts_takes_the_rule_of_the_sweep() {
    let text = format!("stop_when = {{ coverage = 0.9, max_restarts = 500 }}\n{TABLES}{EXPERIMENT}");
    let given = spec_with(&text, &[]);
    assert_eq!(given.experiments[0].stop_when, None, "a number is a number");
    let rule = "experiment.random.stop_when={ same_pair_width = 0.2, max_restarts = 64 }";
    let plain: String =
        text.lines().filter(|line| !line.starts_with("restarts")).map(|line| format!("{line}\n")).collect();
    let taken = spec_with(&plain, &[]);
    let goals = StopWhen { same_pair_width: None, coverage: Some(0.9) };
    assert_eq!((taken.experiments[0].stop_when, taken.experiments[0].restarts), (Some(goals), 500));
    let own = spec_with(&plain, &[rule]);
    let goals = StopWhen { same_pair_width: Some(0.2), coverage: None };
    assert_eq!((own.experiments[0].stop_when, own.experiments[0].restarts), (Some(goals), 64));
    // a spec without the key keeps the id that it had
    assert!(!given.canonical().contains("stop_when"));
    assert_eq!(parse_canonical(&taken.canonical()).unwrap(), taken);
    assert_eq!(summary(&taken).experiments[0].looks(), "up to 500, looked at after 32, 64, 128, …");
    assert_eq!(summary(&own).experiments[0].looks(), "up to 64, looked at after 32, 64");
}
