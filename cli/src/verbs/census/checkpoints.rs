//! Runs known by their weights: two are one minimum if their networks are equal up to the symmetries of the activation.

use std::path::{Path, PathBuf};

use seedsweep_common::analysis::pairs;
use seedsweep_common::analysis::runs::RunsReport;
use seedsweep_common::limits;
use seedsweep_common::spec::{Activation, Loss, Mlp};
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_worker::minima::canonical::Canonical;
use seedsweep_worker::nn::init::safetensors;
use seedsweep_worker::nn::network::Network;

use crate::args;
use crate::files::read_bounded;

/// Largest root-mean-square difference of parameters that counts as equal: that of the level `raw` in sweeps.
const TOLERANCE: f64 = 1e-5;

/// The census of the checkpoints that `args` names.
pub(super) fn census(args: &args::Census) -> Result<RunsReport, CliError> {
    let files = &args.runs.checkpoints;
    if files.len() > limits::CHECKPOINTS {
        let message = format!("{} checkpoints: at most {} are compared", files.len(), limits::CHECKPOINTS);
        return Err(CliError::new(Kind::Usage, message));
    }
    let activation = args.activation.unwrap_or(Activation::Tanh);
    let loss = if args.softmax { Loss::CrossEntropy } else { Loss::Mse };
    let (networks, parameters) = read_all(files, activation, loss)?;
    // distances are Euclidean
    let scale = 1.0 / (parameters as f64).sqrt();
    Ok(pairs::of_distances(
        files.len(),
        args.tolerance.unwrap_or(TOLERANCE),
        |run| networks[run].is_some(),
        |a, b| match (&networks[a], &networks[b]) {
            (Some(a), Some(b)) => scale * a.distance(b),
            _ => f64::INFINITY,
        },
        |run| files[run].display().to_string(),
    ))
}

/// The normal form of each network, none where a parameter is not finite; and how many parameters each has.
fn read_all(
    files: &[PathBuf],
    activation: Activation,
    loss: Loss,
) -> Result<(Vec<Option<Canonical>>, usize), CliError> {
    let mut networks = Vec::with_capacity(files.len());
    let mut first: Option<(Network, Vec<u32>, &Path)> = None;
    for path in files {
        let name = path.display().to_string();
        let bytes = read_bounded(path, limits::DATA_BYTES)
            .map_err(|error| CliError::caused(Kind::File, format!("cannot read {name}"), &error))?;
        let wrong = |error| CliError::of(Kind::File, &error);
        let widths = safetensors::widths(&name, &bytes).map_err(wrong)?;
        let (network, known, known_path) = match &mut first {
            Some(first) => first,
            None => {
                let output_activation = Activation::Identity;
                let mlp = Mlp { layers: widths.clone(), activation, output_activation };
                first.insert((Network::new(&mlp.into()), widths.clone(), path))
            }
        };
        if widths != *known {
            let message = format!(
                "{name} has layers {widths:?}, {} has {known:?}: all must be alike",
                known_path.display()
            );
            return Err(CliError::new(Kind::File, message));
        }
        let theta = safetensors::read(&name, &bytes, network).map_err(wrong)?;
        let is_finite = theta.iter().all(|value| value.is_finite());
        networks.push(if is_finite { Canonical::new(network, loss, &theta) } else { None });
    }
    let parameters = first.map_or(1, |(network, ..)| network.parameter_count());
    Ok((networks, parameters))
}
