//! The workloads that are measured and tested: what `benches/` times, `tests/` compares and `src/cost/tests.rs`
//! predicts, each said once, in a `.toml` beside this file without name, seed and experiment.
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
use seedsweep_common::spec::{self, SweepSpec};
use seedsweep_worker::train::Prepared;

/// Something to train many times.
pub(crate) struct Workload {
    /// What it is called on the command line and in every table.
    pub(crate) name: &'static str,
    /// Network, data and training.
    tables: &'static str,
    /// How parameters start.
    init: &'static str,
    /// What varies.
    vary: &'static str,
    /// Floating-point operations of the products of one training.
    pub(crate) flops: f64,
    /// How many trainings measure one thread well.
    pub(crate) restarts: u32,
}

const W1: &str = include_str!("w1.toml");
const W2: &str = include_str!("w2.toml");
const W3: &str = include_str!("w3.toml");
const W4: &str = include_str!("w4.toml");
const W5: &str = include_str!("w5.toml");
const TORCH: &str = "torch_linear_default";

/// All of them.
pub(crate) const WORKLOADS: [Workload; 6] = [
    Workload { name: "W1", tables: W1, init: TORCH, vary: INIT, flops: 1.12e6, restarts: 8_192 },
    Workload { name: "W2", tables: W2, init: TORCH, vary: INIT, flops: 290.6e6, restarts: 128 },
    Workload { name: "W2own", tables: W2, init: TORCH, vary: OWN, flops: 290.6e6, restarts: 128 },
    Workload { name: "W3", tables: W3, init: TORCH, vary: INIT, flops: 10.19e9, restarts: 16 },
    // its angles and norms are not products; of the multiply-adds of 45 + 100 pairs, sums and gradients
    Workload { name: "W4", tables: W4, init: "lecun_normal", vary: INIT, flops: W4_FLOPS, restarts: 512 },
    Workload { name: "W5", tables: W5, init: TORCH, vary: INIT, flops: 2.09e9, restarts: 32 },
];
const W4_FLOPS: f64 = 2_000.0 * 145.0 * 2.0 * 20.0;
const INIT: &str = r#""init""#;
const OWN: &str = r#""init", "order""#;

/// A sweep with the files that it reads.
pub(crate) struct Attached {
    pub(crate) spec: SweepSpec,
    pub(crate) files: HashMap<Digest, Arc<[u8]>>,
}

impl Attached {
    /// Experiment `index`, ready to be trained.
    pub(crate) fn prepare(&self, index: u32) -> Prepared {
        let files = |digest| self.files.get(&digest).cloned();
        Prepared::new(&self.spec, ExperimentIndex(index), &files).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Workload {
    /// A sweep of `restarts` trainings, with the keys that `sets` changes, such as `train.steps=10`.
    pub(crate) fn sweep(&self, restarts: u32, sets: &[&str]) -> Attached {
        let Self { tables, init, vary, .. } = self;
        let text = format!(
            "name = \"bench\"\nseed = 1\n{tables}\n[[experiment]]\nname = \"bench\"\ninit = \"{init}\"\n\
             restarts = {restarts}\nvary = [{vary}]\n"
        );
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let parsed = spec::parse("bench", &text, &sets).unwrap_or_else(|errors| panic!("{errors}"));
        let (mut spec, mut files) = (parsed.spec, HashMap::new());
        let paths: Vec<String> = spec.attachments().iter().map(|file| file.path.clone()).collect();
        for path in paths {
            let content = if path == "spirals.csv" { spirals() } else { masks() };
            let digest = Digest::of(content.as_bytes());
            spec.attach(&path, digest);
            files.insert(digest, content.into_bytes().into());
        }
        Attached { spec, files }
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
