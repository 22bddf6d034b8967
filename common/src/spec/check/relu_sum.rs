//! What `kind = "relu_sum"` and the population loss go together with.

use super::loss_name;
use crate::init::{Bias, Scheme};
use crate::limits;
use crate::spec::diagnostic::Diagnostics;
use crate::spec::model::*;
use crate::spec::walk::Cell;

/// What a sum of relus needs of the rest.
pub(super) fn fits(sum: &ReluSum, experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let loss = experiment.train.loss;
    if matches!(loss, Loss::CrossEntropy | Loss::Logistic) {
        let title = format!("`relu_sum` has numbers as output, and `{}` needs classes", loss_name(loss));
        out.error(cell.place("train.loss"), title, "use `mse`, or `population` with its data set");
    }
    if matches!(experiment.init.bias, Bias::TorchDefault | Bias::Constant(_)) {
        let at = cell.place_of_any(&["init.bias", "init"]);
        out.error(at, "`relu_sum` has no biases", "remove `bias` here");
    }
    if let Scheme::File(file) = &experiment.init.scheme
        && file.path.ends_with(".safetensors")
    {
        let label = "a `.npy` holds the parameters one after the other";
        out.error(
            cell.place("init.file"),
            "`relu_sum` has no layers that a `.safetensors` could name",
            label,
        );
    }
    if sum.output == SumOutput::RandomSigns {
        let label = "the signs lie among the parameters and must stay as they are: this would shrink them";
        let title = "`output = \"random_signs\"` cannot be decayed";
        if experiment.train.l2 > 0.0 {
            out.error(cell.place("train.l2"), title, label);
        }
        if experiment.train.weight_decay > 0.0 {
            let at = cell.place_of_any(&["train.weight_decay", "train.optimizer"]);
            out.error(at, title, label);
        }
    }
}

/// Whether the population loss has all that it needs, or is not asked for. Its own messages are enough: nothing else
/// need be said about a spec that mixes it with rows.
pub(super) fn population_is_whole(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) -> bool {
    let (teacher, dataset) = match (experiment.train.loss, &experiment.data.source) {
        (Loss::Population, DataSource::TeacherPopulation { teacher_units }) => {
            (*teacher_units, "teacher_population")
        }
        (Loss::Population, DataSource::TeacherStream { teacher_units, .. }) => {
            (*teacher_units, "teacher_stream")
        }
        (Loss::Population, _) => {
            let label =
                "write `dataset = \"teacher_population\"` with its `teacher_units`, or `\"teacher_stream\"`";
            out.error(
                cell.place_of_any(&["data.dataset", "data.file"]),
                "`population` needs a teacher",
                label,
            );
            return false;
        }
        (loss, DataSource::TeacherPopulation { .. }) => {
            let label = format!("this is `{}`; write `loss = \"population\"`", loss_name(loss));
            out.error(cell.place("train.loss"), "`teacher_population` has no rows", label);
            return false;
        }
        _ => return true,
    };
    let Network::ReluSum(sum) = &experiment.network else {
        let label = "write `kind = \"relu_sum\"` with `inputs` and `units`";
        out.error(
            cell.place_of_any(&["network.kind", "network.layers"]),
            "`population` is for sums of relus",
            label,
        );
        return false;
    };
    let mut whole = true;
    let mut refuse = |path: &str, title: &str, label: &str| {
        whole = false;
        out.error(cell.place(path), title, label);
    };
    if sum.output != SumOutput::Ones {
        refuse("network.output", "the teacher of `population` adds its units up", "use `\"ones\"`");
    }
    if sum.scale != SumScale::One {
        refuse("network.scale", "the teacher of `population` adds its units up", "use `\"one\"`");
    }
    if sum.units > limits::POPULATION_UNITS {
        let title = format!("`population` allows at most {} units", limits::POPULATION_UNITS);
        refuse("network.units", &title, &format!("this is {}: each meets each", sum.units));
    }
    if sum.inputs > limits::POPULATION_INPUTS {
        let title = format!("`population` allows at most {} inputs", limits::POPULATION_INPUTS);
        refuse("network.inputs", &title, &format!("this is {}", sum.inputs));
    }
    if teacher > sum.inputs {
        let title = "`teacher_units` must be at most `inputs`: their directions are orthogonal";
        refuse("data.teacher_units", title, &format!("{teacher} units, {} inputs", sum.inputs));
    }
    let is_whole = dataset == "teacher_population";
    if is_whole && experiment.train.batch != Batch::Full {
        let label = "write `batch = \"full\"`, or `dataset = \"teacher_stream\"`";
        refuse("train.batch", "`teacher_population` has no rows to make batches of", label);
    }
    if experiment.data.test_fraction > 0.0 {
        let title = format!("`{dataset}` has no rows to keep for testing");
        refuse("data.test_fraction", &title, "remove this: the loss is that on all inputs");
    }
    if experiment.data.standardize {
        let title = format!("the inputs of `{dataset}` are standard normal");
        refuse("data.standardize", &title, "remove this");
    }
    whole
}
