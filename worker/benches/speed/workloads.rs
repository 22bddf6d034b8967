//! The workloads that are measured: specs, data and the operations of one training.
//!
//! The peers' side is `benches/peers/`. Floating-point operations are those of the products (two for each
//! multiply-add): forward, weight gradients, δ of hidden layers; not activations, biases, updates.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::fmt::Write;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::spec;
use seedsweep_worker::train::Prepared;

/// Something to train many times.
pub(crate) struct Workload {
    /// What it is called on the command line and in every table.
    pub(crate) name: &'static str,
    /// Network, data, training and experiment.
    spec: &'static str,
    /// Floating-point operations of the products of one training.
    pub(crate) flops: f64,
    /// How many trainings measure one thread well.
    pub(crate) restarts: u32,
    /// Whether restarts visit the rows in an order of their own.
    own_order: bool,
}

impl Workload {
    /// Whether it trains in double precision.
    pub(crate) fn is_double(&self) -> bool {
        self.spec == W4
    }
}

/// All of them.
pub(crate) const WORKLOADS: [Workload; 6] = [
    Workload { name: "W1", spec: W1, flops: 1.12e6, restarts: 8_192, own_order: false },
    Workload { name: "W2", spec: W2, flops: 290.6e6, restarts: 128, own_order: false },
    Workload { name: "W2own", spec: W2, flops: 290.6e6, restarts: 128, own_order: true },
    Workload { name: "W3", spec: W3, flops: 10.19e9, restarts: 16, own_order: false },
    // its angles and norms are not products; of the multiply-adds of 45 + 100 pairs, sums and gradients
    Workload { name: "W4", spec: W4, flops: 2_000.0 * 145.0 * 2.0 * 20.0, restarts: 512, own_order: false },
    Workload { name: "W5", spec: W5, flops: 2.09e9, restarts: 32, own_order: false },
];

const W1: &str = r#"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "xor", encoding = "binary" }
train = { loss = "mse", optimizer = "gd", lr = 0.1, batch = "full", steps = 5000 }
"#;
/// 1,437 rows to train on, as scikit-learn's split of the same data has them.
const W2: &str = r#"
network = { layers = [64, 32, 10], activation = "relu" }
data = { dataset = "digits", test_fraction = 0.2003 }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.1, batch = 64, epochs = 20 }
"#;
const W3: &str = r#"
network = { layers = [2, 64, 64, 1], activation = "tanh" }
data = { file = "spirals.csv", target = "y" }
train = { loss = "mse", optimizer = "adam", lr = 0.01, batch = "full", steps = 1000 }
"#;
const W4: &str = r#"
precision = "f64"
network = { kind = "relu_sum", inputs = 10, units = 10 }
data = { dataset = "teacher_population", teacher_units = 10 }
train = { loss = "population", optimizer = "gd", lr = 0.1, batch = "full", steps = 2000 }
"#;
const W5: &str = r#"
network = { layers = [784, 256, 10], activation = "relu" }
data = { file = "masks.csv", target = "y" }
train = { loss = "cross_entropy", optimizer = "sgd", momentum = 0.9, lr = 0.1, batch = 128, epochs = 2 }
"#;

impl Workload {
    /// Ready to be trained `restarts` times.
    pub(crate) fn prepare(&self, restarts: u32) -> Prepared {
        let vary = if self.own_order { r#"["init", "order"]"# } else { r#"["init"]"# };
        let text = format!(
            "name = \"bench\"\nseed = 1\n{}\n[[experiment]]\nname = \"bench\"\ninit = \"{}\"\n\
             restarts = {restarts}\nvary = {vary}\n",
            self.spec,
            if self.spec == W4 { "lecun_normal" } else { "torch_linear_default" },
        );
        let mut spec = spec::parse("bench", &text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
        let mut files: HashMap<Digest, Arc<[u8]>> = HashMap::new();
        let paths: Vec<String> = spec.attachments().iter().map(|file| file.path.clone()).collect();
        for path in paths {
            let content = if path == "spirals.csv" { spirals() } else { masks() };
            let digest = Digest::of(content.as_bytes());
            spec.attach(&path, digest);
            files.insert(digest, content.into_bytes().into());
        }
        let files = |digest| files.get(&digest).cloned();
        Prepared::new(&spec, ExperimentIndex(0), &files).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Two spirals of 200 points each, targets ±1.
fn spirals() -> String {
    let mut text = String::from("a,b,y\n");
    for i in 0..400 {
        let t = PI * (0.25 + 2.75 * f64::from(i / 2) / 199.0);
        let r = t / (3.0 * PI);
        let side = if i % 2 == 0 { 1.0 } else { -1.0 };
        line(&mut text, [side * r * t.cos(), side * r * t.sin()], side);
    }
    text
}

/// 1,280 rows of 784 numbers in [0, 1), of which each of ten classes dims its own three quarters.
fn masks() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let masks: Vec<f64> = (0..10 * 784).map(|_| if rng.random::<f64>() < 0.25 { 1.0 } else { 0.1 }).collect();
    let mut text: String = (0..784).map(|k| format!("x{k},")).collect();
    text.push_str("y\n");
    for row in 0..1_280 {
        let class = row % 10;
        let mask = &masks[class * 784..(class + 1) * 784];
        // as many digits as a peer's f32 has; the values change no time
        line(&mut text, mask.iter().map(|m| (rng.random::<f64>() * m * 1e7).round() / 1e7), class as f64);
    }
    text
}

fn line(text: &mut String, features: impl IntoIterator<Item = f64>, target: f64) {
    for x in features {
        // writing to a string does not fail
        let _ = write!(text, "{x},");
    }
    let _ = writeln!(text, "{target}");
}
