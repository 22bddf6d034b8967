//! `seedsweep census`: how many basins runs from elsewhere ended in, and how many there may be.

mod checkpoints;

use std::path::PathBuf;

use seedsweep_common::analysis::outputs;
use seedsweep_common::analysis::runs::{self, RunsReport};
use seedsweep_common::limits;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_worker::nn::data::npy;

use crate::args;
use crate::args::Format;
use crate::files::{read_bounded, read_text};
use crate::{answer, report};

/// Largest root-mean-square difference of outputs that counts as equal: that of the level `function` in sweeps.
const TOLERANCE: f64 = 1e-4;

/// Longest label, in bytes.
const LABEL_BYTES: usize = 256;

/// Counts and prints.
pub(crate) fn run(args: &args::Census) -> Result<Exit, CliError> {
    let census = match &args.runs.labels {
        Some(path) => {
            let (name, text) = read_text(path)?;
            runs::of_labels(&labels(&name, &text, args.none.as_deref())?)
        }
        None if !args.runs.checkpoints.is_empty() => checkpoints::census(args)?,
        None => of_outputs(&args.runs.outputs, args.tolerance.unwrap_or(TOLERANCE))?,
    };
    match args.output {
        Format::Json => output::line(&output::json(&census))?,
        Format::Table => {
            output::write_all(report::runs::table(&census, answer::width()).as_bytes())?;
        }
    }
    Ok(exit::FINE)
}

/// The label on each line of `text`; `None` for those that say `none`.
fn labels<'a>(name: &str, text: &'a str, none: Option<&str>) -> Result<Vec<Option<&'a str>>, CliError> {
    let wrong = |line: usize, what: &str| {
        let allowed = "each line holds the basin of one run";
        Err(CliError::new(Kind::File, format!("{name}, line {line} {what}; {allowed}")))
    };
    let mut labels = Vec::new();
    for (line, label) in (1..).zip(text.lines()) {
        match label.trim() {
            "" => return wrong(line, "is empty"),
            label if label.len() > LABEL_BYTES => {
                return wrong(line, &format!("is longer than {LABEL_BYTES} bytes"));
            }
            label => labels.push((Some(label) != none).then_some(label)),
        }
        if labels.len() as u64 > limits::TRIALS_PER_SWEEP {
            return wrong(line, &format!("is beyond the {} lines allowed", limits::TRIALS_PER_SWEEP));
        }
    }
    if labels.is_empty() {
        return Err(CliError::new(Kind::File, format!("{name} is empty; it needs a basin label per line")));
    }
    Ok(labels)
}

/// The census of runs whose outputs stand in `files`.
fn of_outputs(files: &[PathBuf], tolerance: f64) -> Result<RunsReport, CliError> {
    let mut arrays: Vec<Vec<f64>> = Vec::new();
    let mut first: Option<(String, Vec<usize>)> = None;
    let mut values = 0;
    for path in files {
        let name = path.display().to_string();
        let bytes = read_bounded(path, limits::DATA_BYTES)
            .map_err(|error| CliError::caused(Kind::File, format!("cannot read {name}"), &error))?;
        let array = npy::array(&name, &bytes).map_err(|error| CliError::of(Kind::File, &error))?;
        let (first_name, shape) = first.get_or_insert_with(|| (name.clone(), array.shape.clone()));
        if *shape != array.shape {
            let allowed = "every run needs outputs on the same probes";
            return Err(CliError::new(
                Kind::File,
                format!("{name} has shape {:?}, {first_name} has {shape:?}; {allowed}", array.shape),
            ));
        }
        values += array.values.len() as u64;
        if array.values.is_empty() {
            return Err(CliError::new(Kind::File, format!("{name} holds no value")));
        }
        if values > limits::DATA_VALUES {
            let most = limits::DATA_VALUES;
            return Err(CliError::new(
                Kind::File,
                format!("the files up to {name} hold more than the {most} values allowed; use fewer probes"),
            ));
        }
        arrays.push(array.values);
    }
    Ok(outputs::of_outputs(&arrays, tolerance, |run| files[run].display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_and_none_is_no_basin() {
        let found = labels("l.txt", "a\r\n b \nlost\na", Some("lost")).unwrap();
        assert_eq!(found, [Some("a"), Some("b"), None, Some("a")]);
    }
}
