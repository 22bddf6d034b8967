//! Experiments and their restarts by arithmetic: which streams each trial draws from, and what may be
//! concluded from them. Nothing is materialised per trial.

use crate::spec::{Batch, Budget, Data, DataSource, Experiment, Level, Loss, Network, SweepSpec, Train};

/// Stream numbers of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Streams {
    /// Of the start.
    pub init: u64,
    /// Of the data order.
    pub order: u64,
    /// Of generated data and split.
    pub data: u64,
    /// Of the noise added to the start.
    pub perturb: u64,
}

/// What is replicated: the unit that the agreement's interval counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Each restart is one: the start varies, or there is only one start and the statement is about it.
    Restart,
    /// Each start is one: `starts` > 1.
    Start,
}

impl Unit {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Start => "start",
        }
    }
}

/// Stream numbers of restart `restart` of `experiment`.
pub fn streams(experiment: &Experiment, restart: u32) -> Streams {
    let restart = u64::from(restart);
    let starts = u64::from(experiment.starts.unwrap_or(1));
    let order = match (experiment.vary.order, experiment.orders) {
        (false, _) => 0,
        (true, None) => restart,
        (true, Some(orders)) => (restart / starts) % u64::from(orders),
    };
    Streams {
        init: if experiment.vary.init { restart } else { restart % starts },
        order,
        data: if experiment.vary.data { restart } else { 0 },
        perturb: if experiment.vary.perturb { restart } else { 0 },
    }
}

/// The unit of replication of `experiment`.
pub fn unit(experiment: &Experiment) -> Unit {
    match experiment.starts {
        Some(starts) if starts > 1 && !experiment.vary.init => Unit::Start,
        _ => Unit::Restart,
    }
}

/// Whether the restarts of `experiment` are independent draws, which the census and `stop_when` need: no two share a
/// start or an order that the experiment names beforehand. Restarts from the only start are: what is said is about
/// that start.
pub fn are_independent(experiment: &Experiment) -> bool {
    let orders_shared = order_matters(experiment) && experiment.orders.is_some();
    unit(experiment) == Unit::Restart && can_vary(experiment) && !orders_shared
}

/// Whether anything that varies can change an outcome of `experiment` for the same start. `vary = []`, the
/// order with full batches and the start of a scheme without randomness cannot.
pub fn can_vary(experiment: &Experiment) -> bool {
    init_matters(experiment)
        || order_matters(experiment)
        || data_matters(experiment)
        || perturb_matters(experiment)
}

/// Whether `perturb` varies and there is noise on the start.
pub fn perturb_matters(experiment: &Experiment) -> bool {
    experiment.vary.perturb && experiment.init.perturb > 0.0
}

/// Whether `init` varies and the start draws.
pub(crate) fn init_matters(experiment: &Experiment) -> bool {
    experiment.vary.init && start_is_random(experiment)
}

/// Whether a start depends on the `init` stream.
pub(crate) fn start_is_random(experiment: &Experiment) -> bool {
    experiment.init.is_random() || experiment.network.draws_signs()
}

/// Whether `order` varies, batches are shuffled and smaller than the data, and the orders part before training ends.
pub fn order_matters(experiment: &Experiment) -> bool {
    order_is_drawn(experiment) && !forks_too_late(experiment)
}

/// Whether `order` varies, and batches are shuffled and smaller than the data: orders part if a fork lets them.
pub(crate) fn order_is_drawn(experiment: &Experiment) -> bool {
    let Experiment { train, vary, .. } = experiment;
    vary.order && train.shuffle && train.batch != Batch::Full
}

/// Whether the data orders would part only after the last update.
pub fn forks_too_late(experiment: &Experiment) -> bool {
    let rows = training_rows(&experiment.data);
    let updates = match experiment.train.budget {
        Budget::Steps(steps) => Some(steps),
        Budget::Epochs(_) => rows.and_then(|rows| updates(&experiment.train, rows)),
    };
    experiment.fork.zip(updates).is_some_and(|(fork, updates)| fork >= updates)
}

/// Whether `data` varies and anything of the data is drawn.
pub fn data_matters(experiment: &Experiment) -> bool {
    let drawn = match experiment.data.source {
        DataSource::Moons { noise, .. } | DataSource::Circles { noise, .. } => noise > 0.0,
        DataSource::NoisyXor { noise, .. } => noise > 0.0,
        DataSource::GaussMix { .. }
        | DataSource::TeacherStudent { .. }
        | DataSource::SphereRandom { .. }
        | DataSource::Preimage { .. } => true,
        // the population needs no rows to stand for it
        DataSource::TeacherStream { .. } => experiment.train.loss != Loss::Population,
        DataSource::Xor { .. }
        | DataSource::Parity { .. }
        | DataSource::TwoSpirals
        | DataSource::TeacherPopulation { .. }
        | DataSource::Digits
        | DataSource::Iris
        | DataSource::Wine
        | DataSource::BreastCancer
        | DataSource::File(_) => false,
    };
    experiment.vary.data && (drawn || experiment.data.test_fraction > 0.0)
}

/// Total of all restarts.
pub fn trials(spec: &SweepSpec) -> u64 {
    spec.experiments.iter().map(|experiment| u64::from(experiment.restarts)).sum()
}

/// Rows of `data` before the split; `None` for a user's file, whose content decides. Of `teacher_population` the
/// teacher's units.
pub fn rows(data: &Data) -> Option<u64> {
    match data.source {
        DataSource::Xor { .. } => Some(4),
        DataSource::Moons { samples, .. }
        | DataSource::Circles { samples, .. }
        | DataSource::GaussMix { samples, .. }
        | DataSource::NoisyXor { samples, .. }
        | DataSource::TeacherStudent { samples, .. }
        | DataSource::TeacherStream { samples, .. }
        | DataSource::SphereRandom { samples, .. }
        | DataSource::Preimage { samples, .. } => Some(samples.into()),
        DataSource::TeacherPopulation { teacher_units } => Some(teacher_units.into()),
        DataSource::Parity { dims, .. } => 1_u64.checked_shl(dims),
        DataSource::TwoSpirals => Some(194),
        DataSource::Wine => Some(178),
        DataSource::BreastCancer => Some(569),
        DataSource::Digits => Some(1797),
        DataSource::Iris => Some(150),
        DataSource::File(_) => None,
    }
}

/// Rows that the split of `rows` rows keeps for testing: `test_fraction` of them, rounded half up.
pub fn test_rows(rows: u64, test_fraction: f64) -> u64 {
    ((rows as f64 * test_fraction).round() as u64).min(rows)
}

/// Rows of `data` that are trained on, where their number is known before the data is read.
pub fn training_rows(data: &Data) -> Option<u64> {
    rows(data).map(|rows| rows - test_rows(rows, data.test_fraction))
}

/// Updates of one trial over `training_rows` rows if nothing stops it earlier; `None` beyond 64 bits.
pub fn updates(train: &Train, training_rows: u64) -> Option<u64> {
    match (train.budget, train.batch) {
        (Budget::Steps(steps), _) => Some(steps),
        (Budget::Epochs(epochs), Batch::Full) => Some(epochs),
        (Budget::Epochs(epochs), Batch::Size(batch)) => {
            epochs.checked_mul(training_rows.div_ceil(u64::from(batch)))
        }
    }
}

/// Groups of experiments whose minima can be compared, as one group number per experiment: their
/// sketches mean the same thing. At `function` the data, the widths of input and output and the loss must agree, at
/// the finer levels the network as well. Of a population only its teacher counts: not the rows that lead there.
pub(crate) fn comparable(spec: &SweepSpec, level: Level) -> Vec<usize> {
    let key = |experiment: &Experiment| -> (Data, [u32; 2], Loss, Option<Network>) {
        let network = (level != Level::Function).then(|| experiment.network.clone());
        let mut data = experiment.data.clone();
        if let (Loss::Population, DataSource::TeacherStream { teacher_units, .. }) =
            (experiment.train.loss, &data.source)
        {
            data.source = DataSource::TeacherPopulation { teacher_units: *teacher_units };
        }
        let widths = [experiment.network.inputs(), experiment.network.outputs()];
        (data, widths, experiment.train.loss, network)
    };
    let mut keys: Vec<(Data, [u32; 2], Loss, Option<Network>)> = Vec::new();
    spec.experiments
        .iter()
        .map(|experiment| {
            let key = key(experiment);
            keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        })
        .collect()
}

/// For each experiment the number of its loss surface: experiments on one surface minimise the same function of the same
/// parameters, and find its ends in the same way.
pub(crate) fn surfaces(spec: &SweepSpec) -> Vec<usize> {
    let is_alike = |a: &Experiment, b: &Experiment| {
        a.network == b.network
            && a.data == b.data
            && (a.train.loss, a.train.l2) == (b.train.loss, b.train.l2)
            && (a.minima.polish, a.minima.polish_max_steps) == (b.minima.polish, b.minima.polish_max_steps)
    };
    let experiments = &spec.experiments;
    let first =
        |experiment| experiments.iter().position(|other| is_alike(experiment, other)).unwrap_or_default();
    experiments.iter().map(first).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::spec;

    const SPEC: &str = r#"
name = "plan"
network = { layers = [2, 4, 1], activation = "tanh" }
data = { dataset = "moons" }
train = { loss = "mse", lr = 0.1, batch = 10, epochs = 3 }
[[experiment]]
name = "a"
init = "xavier_uniform"
restarts = 24
vary = ["order"]
"#;

    /// The experiment of `SPEC` with changes.
    fn experiment(sets: &[&str]) -> Experiment {
        spec_with(sets).experiments.remove(0)
    }

    fn spec_with(sets: &[&str]) -> SweepSpec {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        spec::parse("plan.toml", SPEC, &sets).unwrap_or_else(|errors| panic!("{errors}")).spec
    }

    fn all_streams(experiment: &Experiment) -> Vec<Streams> {
        (0..experiment.restarts).map(|restart| streams(experiment, restart)).collect()
    }

    #[test]
    fn each_start_meets_each_order_once_in_a_crossed_design() {
        let crossed = experiment(&["experiment.a.starts=6", "experiment.a.orders=4"]);
        let streams = all_streams(&crossed);
        let cells: HashSet<(u64, u64)> =
            streams.iter().map(|streams| (streams.init, streams.order)).collect();
        assert_eq!(cells, (0..6).flat_map(|init| (0..4).map(move |order| (init, order))).collect());
        assert_eq!(unit(&crossed), Unit::Start);
    }

    #[test]
    fn starts_are_shared_evenly_and_orders_are_all_different_without_orders() {
        let shared = experiment(&["experiment.a.starts=6"]);
        let streams = all_streams(&shared);
        for start in 0..6 {
            assert_eq!(streams.iter().filter(|streams| streams.init == start).count(), 4);
        }
        assert_eq!(streams.iter().map(|streams| streams.order).collect::<HashSet<_>>().len(), 24);
    }

    #[test]
    fn only_what_varies_leaves_stream_zero() {
        for (vary, init, order, data) in [
            ("[]", false, false, false),
            ("[\"init\"]", true, false, false),
            ("[\"order\"]", false, true, false),
            ("[\"init\", \"data\"]", true, false, true),
        ] {
            let varied = experiment(&[&format!("experiment.a.vary={vary}")]);
            for (restart, streams) in all_streams(&varied).into_iter().enumerate() {
                let expected = |on: bool| if on { restart as u64 } else { 0 };
                let expected = Streams {
                    init: expected(init),
                    order: expected(order),
                    data: expected(data),
                    perturb: 0,
                };
                assert_eq!(streams, expected, "{vary}");
            }
        }
    }

    #[test]
    fn restart_k_starts_alike_in_every_experiment_that_varies_init() {
        let both = experiment(&["experiment.a.vary=[\"init\", \"order\"]"]);
        let init = experiment(&["experiment.a.vary=[\"init\"]", "train.batch=full"]);
        for restart in 0..24 {
            assert_eq!(streams(&both, restart).init, streams(&init, restart).init);
        }
    }

    #[test]
    fn the_unit_is_the_start_only_where_starts_are_shared() {
        assert_eq!(unit(&experiment(&[])), Unit::Restart);
        assert_eq!(unit(&experiment(&["experiment.a.starts=1"])), Unit::Restart);
        assert_eq!(unit(&experiment(&["experiment.a.starts=2"])), Unit::Start);
        assert_eq!(unit(&experiment(&["experiment.a.vary=[\"init\"]"])), Unit::Restart);
    }

    #[test]
    fn a_vary_set_that_draws_nothing_cannot_vary() {
        assert!(can_vary(&experiment(&[])));
        assert!(!can_vary(&experiment(&["train.batch=full"])));
        assert!(!can_vary(&experiment(&["experiment.a.vary=[]"])));
        let constant = "experiment.a.init={ scheme = \"constant\", value = 0.5 }";
        assert!(!can_vary(&experiment(&[constant, "experiment.a.vary=[\"init\"]"])));
        let biases = "experiment.a.init={ scheme = \"zeros\", bias = \"torch_default\" }";
        assert!(can_vary(&experiment(&[biases, "experiment.a.vary=[\"init\"]"])));
        let data = "experiment.a.vary=[\"data\"]";
        assert!(!can_vary(&experiment(&[data])));
        assert!(can_vary(&experiment(&[data, "data.noise=0.1"])));
        assert!(can_vary(&experiment(&[data, "data.test_fraction=0.1"])));
        let noise = "experiment.a.vary=[\"perturb\"]";
        assert!(!can_vary(&experiment(&[noise])));
        let noisy = "experiment.a.init={ scheme = \"dct\", perturb = 1e-6 }";
        assert!(can_vary(&experiment(&[noise, noisy])));
        assert_eq!(
            streams(&experiment(&[noise, noisy]), 7),
            Streams { init: 0, order: 0, data: 0, perturb: 7 }
        );
        assert!(!can_vary(&experiment(&["train.shuffle=false"])));
        // 21 updates: three epochs of seven
        assert!(can_vary(&experiment(&["experiment.a.fork=20"])));
        assert!(!can_vary(&experiment(&["experiment.a.fork=21"])));
    }

    #[test]
    fn rows_are_split_and_updates_counted_as_the_data_order_says() {
        for (rows, fraction, test) in
            [(150, 0.2, 30), (1797, 0.2, 359), (4, 0.125, 1), (5, 0.5, 3), (64, 0.0, 0)]
        {
            assert_eq!(test_rows(rows, fraction), test, "{rows} {fraction}");
        }
        assert_eq!(training_rows(&experiment(&["data.test_fraction=0.25"]).data), Some(48));
        let updates_with = |sets: &[&str]| updates(&experiment(sets).train, 64);
        // six batches of ten and one of four, three times
        assert_eq!(updates_with(&[]), Some(21));
        assert_eq!(updates_with(&["train.batch=full"]), Some(3));
        assert_eq!(updates_with(&["train.steps=5"]), Some(5));
    }

    #[test]
    fn experiments_compare_where_their_sketches_mean_the_same() {
        let mut spec = spec_with(&[]);
        let mut other = spec.experiments[0].clone();
        let Network::Mlp(mlp) = &mut other.network else { unreachable!() };
        mlp.layers[1] = 7;
        let mut apart = spec.experiments[0].clone();
        apart.data.standardize = true;
        let again = spec.experiments[0].clone();
        spec.experiments.extend([other, apart, again]);
        assert_eq!(trials(&spec), 96);
        assert_eq!(comparable(&spec, Level::Function), [0, 0, 1, 0]);
        assert_eq!(comparable(&spec, Level::Raw), [0, 1, 2, 0]);

        // the same population, met all at once and row by row, and one of other inputs
        let sum = |inputs| spec::ReluSum {
            inputs,
            units: 3,
            output: spec::SumOutput::Ones,
            scale: spec::SumScale::One,
        };
        let mut populations = [5, 5, 6].map(|inputs| {
            let mut experiment = spec.experiments[0].clone();
            experiment.network = sum(inputs).into();
            experiment.train.loss = Loss::Population;
            experiment.data.source = DataSource::TeacherPopulation { teacher_units: 5 };
            experiment
        });
        populations[1].data.source = DataSource::TeacherStream { samples: 99, dims: 5, teacher_units: 5 };
        spec.experiments = populations.into();
        assert_eq!(comparable(&spec, Level::Function), [0, 0, 1]);
    }
}
