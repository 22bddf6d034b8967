//! What must hold between keys, and what is legal but suspicious. Works on what was read, and asks the cell
//! only where things are written.

mod relu_sum;

use super::diagnostic::{Diagnostics, Span};
use super::model::*;
use super::walk::Cell;
use crate::init::{Bias, Scheme};
use crate::measure::{self, TooMuch};
use crate::plan::Unit;
use crate::{limits, plan};

/// Looks at one experiment.
pub(super) fn experiment(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    if let Network::ReluSum(sum) = &experiment.network {
        relu_sum::fits(sum, experiment, cell, out);
    }
    if !relu_sum::population_is_whole(experiment, cell, out) {
        return;
    }
    shape(experiment, cell, out);
    loss(experiment, cell, out);
    rows(experiment, cell, out);
    stream(experiment, cell, out);
    start(experiment, cell, out);
    minima(experiment, cell, out);
    measure(experiment, cell, out);
    replication(experiment, cell, out);
    stopping(experiment, cell, out);
    variation(experiment, cell, out);
    suspicious(experiment, cell, out);
}

/// Looks at the sweep as a whole.
pub(super) fn sweep(spec: &SweepSpec, cells: &[Cell], out: &mut Diagnostics<'_>) {
    let total = plan::trials(spec);
    if total > limits::TRIALS_PER_SWEEP
        && let Some(largest) = (0..cells.len()).max_by_key(|&index| spec.experiments[index].restarts)
    {
        let title = format!("a sweep may have at most {} trials", limits::TRIALS_PER_SWEEP);
        let label = format!("all {} experiments together ask for {total}", cells.len());
        out.error(cells[largest].place("restarts"), title, label);
    }
}

/// Input and output widths against a built-in data set.
fn shape(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let Some(shape) = shape_of(&experiment.data.source) else { return };
    let network = &experiment.network;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    if inputs != shape.inputs {
        let (key, verb, at) = match network {
            Network::Mlp(_) => ("layers", "start with", "network.layers"),
            Network::ReluSum(_) => ("inputs", "be", "network.inputs"),
        };
        let title = format!("`{key}` must {verb} {} for `{}`", shape.inputs, shape.name);
        let label = if key == "layers" { "this starts with" } else { "this is" };
        out.error(cell.place(at), title, format!("{label} {inputs}"));
    }
    let loss = experiment.train.loss;
    let mut refuse_outputs = |expected: &str, given: String| {
        let (at, title, label) = match network {
            Network::Mlp(_) => {
                let title = format!("`layers` must end with {expected} for {given}");
                ("network.layers", title, format!("this ends with {outputs}"))
            }
            // what is wrong with the loss is said already
            Network::ReluSum(_) if loss != Loss::Mse => return,
            Network::ReluSum(_) => {
                let title = format!("`relu_sum` has 1 output, and {given} need {expected}");
                ("network.kind", title, "use `layers` instead".to_owned())
            }
        };
        out.error(cell.place(at), title, label);
    };
    let Some(classes) = shape.classes else {
        if !matches!(loss, Loss::Mse | Loss::Population) {
            let title = format!("`{}` has numbers to predict, and no classes", shape.name);
            out.error(cell.place("train.loss"), title, "use `mse`");
        } else if outputs != 1 {
            refuse_outputs("1", format!("`{}`", shape.name));
        }
        return;
    };
    if loss == Loss::Logistic && classes > 2 {
        let title = format!("`logistic` tells two classes apart, and `{}` has {classes}", shape.name);
        out.error(cell.place("train.loss"), title, "use `cross_entropy`");
        return;
    }
    // one output says which of two classes; otherwise each class has its own
    let single = classes == 2 && loss != Loss::CrossEntropy;
    let one_each = loss != Loss::Logistic;
    if !(single && outputs == 1 || one_each && outputs == classes) {
        let expected = match (single, one_each) {
            (true, true) => format!("1 or {classes}"),
            (true, false) => "1".to_owned(),
            (false, _) => classes.to_string(),
        };
        refuse_outputs(&expected, format!("`{}` and `{}`", shape.name, loss_name(loss)));
    }
}

/// Shape of a built-in data set.
struct Shape {
    name: &'static str,
    inputs: u32,
    /// `None` where the targets are numbers.
    classes: Option<u32>,
}

fn shape_of(source: &DataSource) -> Option<Shape> {
    let (name, inputs, classes) = match source {
        DataSource::Xor { .. } => ("xor", 2, Some(2)),
        DataSource::NoisyXor { .. } => ("noisy_xor", 2, Some(2)),
        DataSource::Parity { dims, .. } => ("parity", *dims, Some(2)),
        DataSource::Moons { .. } => ("moons", 2, Some(2)),
        DataSource::Circles { .. } => ("circles", 2, Some(2)),
        DataSource::TwoSpirals => ("two_spirals", 2, Some(2)),
        DataSource::GaussMix { classes, dims, .. } => ("gauss_mix", *dims, Some(*classes)),
        DataSource::TeacherStudent { dims, .. } => ("teacher_student", *dims, None),
        DataSource::TeacherStream { dims, .. } => ("teacher_stream", *dims, None),
        DataSource::SphereRandom { dims, labels, .. } => {
            ("sphere_random", *dims, (*labels == SphereLabels::Signs).then_some(2))
        }
        DataSource::Preimage { dims, .. } => ("preimage", *dims, None),
        DataSource::Digits => ("digits", 64, Some(10)),
        DataSource::Iris => ("iris", 4, Some(3)),
        DataSource::Wine => ("wine", 13, Some(3)),
        DataSource::BreastCancer => ("breast_cancer", 30, Some(2)),
        DataSource::TeacherPopulation { .. } | DataSource::File(_) => return None,
    };
    Some(Shape { name, inputs, classes })
}

fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Mse => "mse",
        Loss::CrossEntropy => "cross_entropy",
        Loss::Logistic => "logistic",
        Loss::Population => "population",
    }
}

/// What the loss needs where the data does not say it already.
fn loss(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let outputs = experiment.network.outputs();
    // a sum of relus has neither loss, which is said already
    let is_mlp = matches!(experiment.network, Network::Mlp(_));
    let from_file = is_mlp && matches!(experiment.data.source, DataSource::File(_));
    let at = cell.place("network.layers");
    match experiment.train.loss {
        Loss::CrossEntropy if from_file && outputs < 2 => {
            let label = format!("this ends with {outputs}; for one output use `logistic`");
            out.error(at, "`cross_entropy` needs at least 2 outputs", label);
        }
        Loss::Logistic if from_file && outputs != 1 => {
            let label = format!("this ends with {outputs}; for several outputs use `cross_entropy`");
            out.error(at, "`logistic` needs exactly 1 output", label);
        }
        _ => {}
    }
    if experiment.train.stop.max_error.is_some() && experiment.train.loss != Loss::Mse {
        let label = "use `loss` or `grad_norm` here";
        out.error(cell.place("train.stop.max_error"), "`max_error` is for `loss = \"mse\"` only", label);
    }
    let activation = experiment.network.output_activation();
    if activation != Activation::Identity && experiment.train.loss != Loss::Mse {
        let title = "`output_activation` is for `loss = \"mse\"` only";
        let label = format!("`{}` reads the sums of the last layer itself", loss_name(experiment.train.loss));
        out.error(cell.place("network.output_activation"), title, label);
    }
}

/// Batch and budget against the rows, where their number is known.
fn rows(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let Some(rows) = plan::training_rows(&experiment.data) else { return };
    if rows == 0 {
        let at = cell.place("data.test_fraction");
        out.error(at, "no row is left for training", "all rows go to the test set: make this smaller");
        return;
    }
    if let Batch::Size(batch) = experiment.train.batch
        && u64::from(batch) > rows
    {
        let title = format!("`batch` must be at most {rows}, the number of training rows");
        out.error(cell.place("train.batch"), title, format!("this is {batch}; `\"full\"` takes all rows"));
        return;
    }
    let most = limits::STEPS_PER_TRIAL;
    if plan::updates(&experiment.train, rows).is_none_or(|updates| updates > most) {
        let title = format!("a trial may have at most {most} updates");
        out.error(cell.place("train.epochs"), title, format!("each epoch over {rows} rows has several"));
    }
}

/// What has no meaning where every update has rows of its own.
fn stream(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let Experiment { data, train, .. } = experiment;
    if !matches!(data.source, DataSource::TeacherStream { .. }) {
        return;
    }
    if train.batch == Batch::Full {
        let label = "give the rows of an update, for instance `batch = 64`";
        out.error(cell.place("train.batch"), "`teacher_stream` never ends: it has no full batch", label);
    }
    if !train.shuffle {
        let label = "remove it: each row is used once";
        out.error(cell.place("train.shuffle"), "`teacher_stream` has no order of a file", label);
    }
    if data.standardize {
        let label = "remove it: its inputs are standard normal";
        out.error(cell.place("data.standardize"), "`teacher_stream` cannot be standardised", label);
    }
}

/// Whether a start can be drawn in a moment.
fn start(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let cost = |pair: &[u32]| u64::from(pair[0]) * u64::from(pair[1]) * u64::from(pair[0].min(pair[1]));
    let sizes = match &experiment.network {
        Network::Mlp(mlp) => mlp.layers.as_slice(),
        Network::ReluSum(sum) => &[sum.inputs, sum.units],
    };
    let work: u64 = sizes.windows(2).map(cost).sum();
    if matches!(experiment.init.scheme, Scheme::Orthogonal { .. }) && work > limits::ORTHOGONAL_WORK {
        let title = "this network is too large for `orthogonal`";
        let label = format!(
            "its layers take {work} (inputs × outputs × the smaller of them); at most {} are allowed",
            limits::ORTHOGONAL_WORK
        );
        out.error(cell.place("init"), title, label);
    }
}

/// Polish and verdict.
fn minima(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let parameters = experiment.network.parameter_count();
    let most = limits::POLISHED_PARAMETERS;
    if experiment.minima.polish == PolishMode::On && parameters > most {
        let title = format!("networks over {most} parameters cannot be polished");
        let label = format!("this one has {parameters}: use \"auto\" or false");
        out.error(cell.place("minima.polish"), title, label);
    }
    let (same_at, spread_at) = (experiment.minima.same_at, experiment.minima.spread_at);
    if same_at <= spread_at {
        let title = format!("`same_at` must be above `spread_at`, which is {spread_at:?}");
        out.error(
            cell.place_of_any(&["minima.same_at", "minima.spread_at"]),
            title,
            format!("`same_at` is {same_at:?}"),
        );
    }
    if experiment.vary.data && experiment.minima.level != Level::Function {
        let title = "with `data` in `vary` only the level `function` can be used";
        let label = format!(
            "this is `{}`: points fitted to different data are different",
            experiment.minima.level.name()
        );
        out.error(cell.place("minima.level"), title, label);
    }
    if experiment.vary.data && experiment.minima.barriers > 0 {
        let title = "with `data` in `vary` there are no barriers";
        let label = "each restart has data, and so a loss surface, of its own";
        out.error(cell.place("minima.barriers"), title, label);
    }
    if experiment.minima.level == Level::Canonical && !experiment.network.has_canonical_form() {
        let title = "networks whose hidden layers are linear have no canonical form";
        let label = "any matrix can mix the units of such a layer: use `function` or `raw`";
        out.error(cell.place("minima.level"), title, label);
    }
}

/// Whether what is measured fits an outcome and can be had.
fn measure(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let Experiment { network, measure, train, .. } = experiment;
    if measure.every.is_some() && !(measure.curve || measure.symmetry || measure.ntk) {
        let label = "what is asked for looks at the start and at the end only; add `curve = true`";
        out.error(cell.place("measure.every"), "`every` is for `curve`, `symmetry` and `ntk`", label);
        return;
    }
    let of_sum;
    let layers = match network {
        Network::Mlp(mlp) => &mlp.layers[..],
        // what goes out of a unit is one number, in the place of its bias
        Network::ReluSum(sum) => {
            of_sum = [sum.inputs, sum.units, 0];
            &of_sum
        }
    };
    if train.loss == Loss::Population {
        let of_rows = [("geometry", measure.geometry), ("ntk", measure.ntk)];
        if let Some((name, _)) = of_rows.into_iter().find(|(_, is_wanted)| *is_wanted) {
            let title = format!("`{name}` is measured on training rows, and a population has none");
            out.error(cell.place(&format!("measure.{name}")), title, "leave it out");
            return;
        }
    }
    let work = |triple: &[u32]| {
        let numbers = u64::from(triple[0]) + 1 + u64::from(triple[2]);
        u64::from(triple[1]).pow(2).saturating_mul(numbers)
    };
    let most = limits::SYMMETRY_WORK;
    if let Some(layer) = layers.windows(3).find(|triple| work(triple) > most)
        && measure.symmetry
    {
        let title = format!("a hidden layer of {} units is too large for `symmetry`", layer[1]);
        let label = format!("units² × numbers of a unit are {}; at most {most} are allowed", work(layer));
        out.error(cell.place("measure.symmetry"), title, label);
        return;
    }
    // of a user's file the rows, and so the updates of an epoch, are not known yet: the worker looks again
    let updates = plan::updates(train, plan::training_rows(&experiment.data).unwrap_or(1)).unwrap_or(1);
    match measure::Plan::new(measure, network).steps(updates) {
        Err(error @ TooMuch::Every { .. }) => {
            out.error(cell.place("measure.every"), error.to_string(), "raise it, or leave it out");
        }
        Err(error @ TooMuch::Layers { .. }) => {
            out.error(cell.place("measure"), "`[measure]` asks for too much", error.to_string());
        }
        Ok(_) => {}
    }
}

/// Starts, orders and restarts.
fn replication(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let Experiment { restarts, starts, orders, vary, .. } = experiment;
    if let Some(starts) = *starts {
        let at = cell.place("starts");
        if vary.init {
            let label = "remove it, or take `init` out of `vary`";
            out.error(at, "`starts` shares starts, and `init` in `vary` draws a new one each time", label);
        } else if starts > 1 && !plan::start_is_random(experiment) {
            let title = format!("`{}` has nothing random: it has one start", experiment.init.scheme.name());
            out.error(at, title, format!("this is {starts}; remove it"));
        } else if starts > *restarts {
            let title = format!("`starts` must be at most `restarts`, which is {restarts}");
            out.error(at, title, format!("this is {starts}: some starts would never be used"));
        } else if starts > 1 {
            starts_for_an_interval(starts, *restarts, at, out);
        }
    }
    if let Some(orders) = *orders {
        let at = cell.place("orders");
        if !vary.order {
            let label = "add `\"order\"` to `vary`, or remove this";
            out.error(at, "`orders` needs `order` in `vary`", label);
        } else if !vary.init && !vary.data && !plan::perturb_matters(experiment) {
            crossed(*restarts, starts.unwrap_or(1), orders, cell, out);
        }
    }
    if experiment.fork.is_some() && !vary.order {
        let label = "add `\"order\"` to `vary`, or remove this";
        out.error(cell.place("fork"), "`fork` needs `order` in `vary`", label);
    }
}

/// What cannot be ended early: looks count restarts, so these must be independent.
fn stopping(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    if experiment.stop_when.is_none() || plan::are_independent(experiment) {
        return;
    }
    let title = "`stop_when` needs independent restarts";
    let label = match plan::unit(experiment) {
        Unit::Start => "these share starts: give `restarts`, or take `starts` out",
        Unit::Restart if experiment.orders.is_some() => {
            "these share orders: give `restarts`, or take `orders` out"
        }
        Unit::Restart => "nothing that varies changes anything here: give `restarts`",
    };
    out.error(cell.place("stop_when"), title, label);
}

/// Restarts against the cells of a crossed design.
fn crossed(restarts: u32, starts: u32, orders: u32, cell: &Cell, out: &mut Diagnostics<'_>) {
    let cells = u64::from(starts) * u64::from(orders);
    let label = format!("{starts} starts × {orders} orders are {cells} different trials");
    if u64::from(restarts) > cells {
        let title = "some restarts would repeat others bit for bit and count as agreement";
        out.error(cell.place_of_any(&["restarts", "stop_when.max_restarts"]), title, label);
    } else if u64::from(restarts) < cells {
        out.warn(
            cell.place_of_any(&["restarts", "stop_when.max_restarts"]),
            "not every start meets every order",
            label,
        );
    }
}

fn starts_for_an_interval(starts: u32, restarts: u32, at: Span, out: &mut Diagnostics<'_>) {
    if starts < 5 {
        let label = "with fewer than 5 starts the report has an estimate but no interval";
        out.warn(at, format!("{starts} starts are few"), label);
    } else if restarts / starts < 2 {
        let label =
            format!("{restarts} restarts on {starts} starts: an interval needs 2 restarts for each start");
        out.warn(at, "some starts are trained only once", label);
    } else if !restarts.is_multiple_of(starts) {
        let label = format!("{restarts} restarts on {starts} starts: some starts get one restart more");
        out.warn(at, "`restarts` is not a multiple of `starts`", label);
    }
}

/// What varies without an effect.
fn variation(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    let at = cell.place("vary");
    let vary = experiment.vary;
    if vary == VarySet::default() {
        let label = "this checks determinism; it says nothing about where training ends";
        out.warn(at, "nothing varies: all restarts of a start will be identical", label);
        return;
    }
    let alone = if plan::can_vary(experiment) {
        "remove it: only the rest of `vary` has an effect"
    } else {
        "nothing else varies: all restarts of a start will be identical"
    };
    if vary.order && !plan::order_matters(experiment) {
        let title = match experiment.train.batch {
            Batch::Full => "`order` cannot matter when `batch = \"full\"`",
            Batch::Size(_) if !experiment.train.shuffle => "`order` cannot matter when `shuffle = false`",
            Batch::Size(_) => "`order` cannot matter when `fork` is not below the number of updates",
        };
        out.warn(at, title, alone);
    }
    if vary.init && !plan::init_matters(experiment) {
        let title = format!("`init` cannot vary: `{}` has nothing random", experiment.init.scheme.name());
        out.warn(at, title, alone);
    }
    if vary.data && !plan::data_matters(experiment) {
        let title = "`data` cannot vary: this data has no noise and no random split";
        out.warn(at, title, alone);
    }
    if vary.perturb && !plan::perturb_matters(experiment) {
        out.warn(at, "`perturb` cannot vary: `init.perturb` is 0", alone);
    }
}

/// Legal, but rarely meant.
fn suspicious(experiment: &Experiment, cell: &Cell, out: &mut Diagnostics<'_>) {
    if let (Batch::Size(batch), Some(rows)) = (experiment.train.batch, plan::training_rows(&experiment.data))
        && u64::from(batch) == rows
        && experiment.vary.order
    {
        let title = format!("`batch = {batch}` takes all rows at once");
        out.warn(cell.place("train.batch"), title, "`order` then changes nothing but rounding");
    }
    if experiment.restarts < 5 {
        let label = "below 5 restarts the report has no interval";
        out.warn(
            cell.place_of_any(&["restarts", "stop_when.max_restarts"]),
            format!("{} restarts are few", experiment.restarts),
            label,
        );
    }
    if experiment.train.lr >= 10.0 {
        let label = format!("this is {:?}: training will probably diverge", experiment.train.lr);
        out.warn(cell.place("train.lr"), "`lr` is unusually large", label);
    }
    let sizes = experiment.network.sizes();
    let hidden = &sizes[1..sizes.len() - 1];
    let equal = match experiment.init.scheme {
        Scheme::Constant { .. } | Scheme::Zeros => experiment.init.bias != Bias::TorchDefault,
        Scheme::SymmetricDial { eps, .. } => eps == 0.0 && experiment.init.bias != Bias::TorchDefault,
        _ => false,
    };
    let equal = equal && experiment.init.perturb == 0.0 && !experiment.network.draws_signs();
    if equal && hidden.iter().any(|&units| units > 1) {
        let label = "the units of a hidden layer start equal and stay equal: it acts like a single unit";
        out.warn(cell.place("init"), "this start breaks no symmetry", label);
    }
    if experiment.train.weight_decay > 0.0 && experiment.minima.polish != PolishMode::Off {
        let label = "the polish leaves where it leads; `l2` is a part of the loss, and `polish = false` keeps the end";
        let at = cell.place_of_any(&["train.weight_decay", "train.optimizer"]);
        out.warn(at, "`weight_decay` is not a part of the loss", label);
    }
    if experiment.train.loss == Loss::CrossEntropy && experiment.train.l2 == 0.0 {
        let label =
            "if the data can be separated, the loss has no minimum at finite weights; try `l2 = 1e-4`";
        out.warn(cell.place("train.loss"), "`cross_entropy` without `l2`", label);
    }
}
