//! Networks from elsewhere: the census of checkpoints, by their weights and by their predictions alone.

use std::path::Path;

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::support::{npy, run};

const INPUTS: usize = 2;
const HIDDEN: usize = 5;
const OUTPUTS: usize = 2;
/// Networks that are no images of each other.
const PLANTED: u32 = 7;
const RUNS: usize = 100;

/// A hidden unit: weights in, bias, weights out.
#[derive(Clone)]
struct Unit {
    weights: [f64; INPUTS],
    bias: f64,
    out: [f64; OUTPUTS],
}

/// One hidden layer, linear outputs.
#[derive(Clone)]
struct Net {
    units: Vec<Unit>,
    biases: [f64; OUTPUTS],
}

impl Net {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut number = || 2.0 * rng.random::<f64>() - 1.0;
        let mut unit = || Unit {
            weights: std::array::from_fn(|_| number()),
            bias: number(),
            out: std::array::from_fn(|_| number()),
        };
        Self { units: (0..HIDDEN).map(|_| unit()).collect(), biases: [0.3, -0.2] }
    }

    /// Another network with the same function: its units in another order, and by activation with other signs,
    /// reflections or scales.
    fn image(&self, activation: &str, rng: &mut ChaCha8Rng) -> Self {
        let mut image = self.clone();
        image.units.shuffle(rng);
        for unit in &mut image.units {
            // what goes in times the one is what comes out times the other
            let (into, out) = match activation {
                "tanh" | "sigmoid" if rng.random_bool(0.5) => (-1.0, -1.0),
                "relu" => {
                    let scale = (2.0 * rng.random::<f64>() - 1.0).exp();
                    (scale, 1.0 / scale)
                }
                _ => continue,
            };
            if activation == "sigmoid" {
                // 1 less the sigmoid of -z is the sigmoid of z
                image.biases.iter_mut().zip(unit.out).for_each(|(bias, v)| *bias += v);
            }
            unit.weights.iter_mut().for_each(|w| *w *= into);
            unit.bias *= into;
            unit.out.iter_mut().for_each(|v| *v *= out);
        }
        image
    }

    fn predictions(&self, activation: &str, probe: [f64; INPUTS]) -> [f64; OUTPUTS] {
        let mut outputs = self.biases;
        for unit in &self.units {
            let z = unit.weights.iter().zip(probe).fold(unit.bias, |sum, (w, x)| sum + w * x);
            let value = match activation {
                "tanh" => z.tanh(),
                "sigmoid" => 1.0 / (1.0 + (-z).exp()),
                _ => z.max(0.0),
            };
            outputs.iter_mut().zip(unit.out).for_each(|(output, v)| *output += v * value);
        }
        outputs
    }

    /// Writes a checkpoint as PyTorch's `Sequential` of two linear layers would be.
    fn write(&self, path: &Path) {
        let header = r#"{"0.weight":{"dtype":"F64","shape":[5,2],"data_offsets":[0,80]},"0.bias":{"dtype":"F64","shape":[5],"data_offsets":[80,120]},"2.weight":{"dtype":"F64","shape":[2,5],"data_offsets":[120,200]},"2.bias":{"dtype":"F64","shape":[2],"data_offsets":[200,216]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        let mut push = |value: f64| bytes.extend(value.to_le_bytes());
        self.units.iter().flat_map(|unit| unit.weights).for_each(&mut push);
        self.units.iter().map(|unit| unit.bias).for_each(&mut push);
        (0..OUTPUTS).flat_map(|o| self.units.iter().map(move |unit| unit.out[o])).for_each(&mut push);
        self.biases.into_iter().for_each(&mut push);
        std::fs::write(path, bytes).unwrap();
    }
}

/// Where the census says that each run ended.
fn ends(here: &Path, args: &[&str], files: &[String]) -> Vec<u64> {
    let args: Vec<&str> = args.iter().copied().chain(files.iter().map(String::as_str)).collect();
    let census = run(here, &args).fine().json();
    assert_eq!(census["census"]["ambiguous"], false, "{census}");
    census["ends"].as_array().unwrap().iter().map(|end| end.as_u64().unwrap()).collect()
}

/// Whether runs have equal ends where, and only where, they have equal classes.
fn are_alike(ends: &[u64], classes: &[u32]) -> bool {
    assert_eq!(ends.len(), classes.len());
    let pairs = (0..ends.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.into_iter().all(|(i, j)| (ends[i] == ends[j]) == (classes[i] == classes[j]))
}

#[test]
fn planted_classes_are_found_from_weights_and_from_predictions_alone() {
    for activation in ["tanh", "sigmoid", "relu"] {
        let here = tempfile::tempdir().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let planted: Vec<Net> = (0..PLANTED).map(|_| Net::draw(&mut rng)).collect();
        let probes: Vec<[f64; INPUTS]> =
            (0..40).map(|_| std::array::from_fn(|_| 4.0 * rng.random::<f64>() - 2.0)).collect();
        let mut classes: Vec<u32> = (0..RUNS as u32).map(|run| (run * run) % PLANTED).collect();
        classes.shuffle(&mut rng);
        let (mut checkpoints, mut predictions) = (Vec::new(), Vec::new());
        for (run, class) in classes.iter().enumerate() {
            let image = planted[*class as usize].image(activation, &mut rng);
            checkpoints.push(format!("{run}.safetensors"));
            image.write(&here.path().join(&checkpoints[run]));
            predictions.push(format!("{run}.npy"));
            let values: Vec<f64> =
                probes.iter().flat_map(|probe| image.predictions(activation, *probe)).collect();
            npy(&here.path().join(&predictions[run]), &values);
        }
        let by_weights =
            ends(here.path(), &["census", "-o", "json", "--activation", activation], &checkpoints);
        assert!(are_alike(&by_weights, &classes), "{activation}: {by_weights:?}, planted {classes:?}");
        let by_predictions = ends(here.path(), &["census", "-o", "json", "--outputs"], &predictions);
        assert_eq!(by_predictions, by_weights, "{activation}");
        // a gelu network has no signs to turn and no scales
        let by_another = ends(here.path(), &["census", "-o", "json", "--activation", "gelu"], &checkpoints);
        assert!(!are_alike(&by_another, &classes), "{activation}");
    }
}

#[test]
fn checkpoints_that_cannot_be_compared_are_refused() {
    let here = tempfile::tempdir().unwrap();
    Net::draw(&mut ChaCha8Rng::seed_from_u64(1)).write(&here.path().join("a.safetensors"));
    std::fs::write(here.path().join("b.safetensors"), b"no").unwrap();
    let said = |args: &[&str]| {
        let ran = run(here.path(), args);
        assert_eq!(ran.code, Some(2), "{}", ran.text());
        ran.stderr
    };
    assert!(said(&["census", "a.safetensors"]).contains("--activation"));
    let refused = said(&["census", "--activation", "tanh", "a.safetensors", "b.safetensors"]);
    assert!(refused.contains("b.safetensors") && refused.contains("ends within its header"), "{refused}");
    assert!(said(&["census", "--activation", "identity", "a.safetensors"]).contains("relu"));
    assert!(said(&["census", "--activation", "tanh"]).contains("CHECKPOINT"));
}
