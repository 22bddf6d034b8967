//! The shipped binary draws what the unit tests pin: features of its dependencies have not changed a bit.

use crate::support::stdout;

/// Init of an experiment, and the first 8 bytes of the digest of start 5 of seed 2026 for a 3-4-2 network in f64: the same
/// numbers as in `worker/src/nn/init/tests.rs`, which says where they come from.
const STARTS: [(&str, &str); 13] = [
    (r#"{ scheme = "constant", value = 0.5, bias = "zeros" }"#, "f92d0a0a62327dcb"),
    (r#""zeros""#, "9a8264f3b8b5b3c8"),
    (r#"{ scheme = "uniform", low = -0.25, high = 0.75 }"#, "006eadd37bff8579"),
    (r#"{ scheme = "normal", mean = 0.1, std = 0.3 }"#, "488ec678e6e095a0"),
    (r#""xavier_uniform""#, "ddc8e3c57ec63bcb"),
    (r#""xavier_normal""#, "0acd8edbd76f3eb8"),
    (r#""kaiming_uniform""#, "5990a9478e724bdd"),
    (r#"{ scheme = "kaiming_normal", mode = "fan_out", nonlinearity = "tanh" }"#, "a531962a87243034"),
    (r#"{ scheme = "torch_linear_default", bias = "zeros" }"#, "5d25b0509ba3a6c4"),
    (r#"{ scheme = "symmetric_dial", value = 0.5, eps = 1e-3, bias = "zeros" }"#, "2f2845c041e15cc0"),
    (r#"{ scheme = "xavier_uniform", bias = "same" }"#, "1515ca3c5fa40b44"),
    (r#"{ scheme = "xavier_uniform", bias = "torch_default" }"#, "0513f2bdbefc0958"),
    (r#"{ scheme = "xavier_uniform", bias = { constant = 0.1 } }"#, "0877fb4fad264919"),
];

/// The digests of start 5 of each experiment of `spec`, their first 8 bytes.
fn digests(spec: &str) -> Vec<String> {
    let here = tempfile::tempdir().expect("a directory");
    std::fs::write(here.path().join("starts.toml"), spec).expect("writable");
    stdout(here.path(), &["run", "starts.toml"]);
    let rows = stdout(here.path(), &["export", "last", "--format", "jsonl"]);
    rows.lines()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).expect("JSON"))
        .filter(|row| row["restart"] == 5)
        .map(|row| row["digest"].as_str().expect("text")[..16].to_owned())
        .collect()
}

#[test]
fn the_shipped_binary_draws_the_golden_starts() {
    let mut spec = r#"
name = "starts"
seed = 2026
precision = "f64"
[network]
layers = [3, 4, 2]
activation = "tanh"
[data]
dataset = "gauss_mix"
dims = 3
classes = 2
samples = 8
[train]
loss = "mse"
lr = 0.1
batch = "full"
steps = 0
[minima]
polish = false
"#
    .to_owned();
    for (number, (init, _)) in STARTS.iter().enumerate() {
        spec += &format!(
            "[[experiment]]\nname = \"start-{number}\"\ninit = {init}\nrestarts = 6\nvary = [\"init\"]\n"
        );
    }
    let expected: Vec<&str> = STARTS.iter().map(|(_, digest)| *digest).collect();
    assert_eq!(digests(&spec), expected);
}

/// Of 15,000 normal draws about 180 take the ziggurat's wedges and 4 its tail, where an exponential and a logarithm
/// decide: the place where a platform's maths could creep in by a feature of a dependency.
#[test]
fn the_shipped_binary_draws_the_golden_normals_of_the_rare_branches() {
    let spec = r#"
name = "normals"
seed = 2026
precision = "f64"
[network]
layers = [64, 200, 10]
activation = "tanh"
[data]
dataset = "digits"
[train]
loss = "mse"
lr = 0.1
batch = "full"
steps = 0
[minima]
polish = false
[[experiment]]
name = "normal"
init = { scheme = "normal", std = 1.0 }
restarts = 6
vary = ["init"]
"#;
    assert_eq!(digests(spec), ["25f4d8c8dec2e206"]);
}
