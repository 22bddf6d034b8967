//! Experiments and their restarts by arithmetic: which streams each trial draws from, and what may be
//! concluded from them. Nothing is materialised per trial.

use crate::spec::{Batch, Data, DataSource, Experiment, Level, Loss, Network, SweepSpec};

/// Stream numbers of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Streams {
    /// Of the start.
    pub init: u64,
    /// Of the data order.
    pub order: u64,
    /// Of generated data and split.
    pub data: u64,
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
    }
}

/// The unit of replication of `experiment`.
pub fn unit(experiment: &Experiment) -> Unit {
    match experiment.starts {
        Some(starts) if starts > 1 && !experiment.vary.init => Unit::Start,
        _ => Unit::Restart,
    }
}

/// Whether anything that varies can change an outcome of `experiment` for the same start. `vary = []`, the
/// order with full batches and the start of a scheme without randomness cannot.
pub fn can_vary(experiment: &Experiment) -> bool {
    init_matters(experiment) || order_matters(experiment) || data_matters(experiment)
}

/// Whether `init` varies and the scheme draws.
pub fn init_matters(experiment: &Experiment) -> bool {
    experiment.vary.init && experiment.init.is_random()
}

/// Whether `order` varies and batches are smaller than the data.
pub fn order_matters(experiment: &Experiment) -> bool {
    experiment.vary.order && experiment.train.batch != Batch::Full
}

/// Whether `data` varies and anything of the data is drawn.
pub fn data_matters(experiment: &Experiment) -> bool {
    let drawn = match experiment.data.source {
        DataSource::Moons { noise, .. } | DataSource::Circles { noise, .. } => noise > 0.0,
        DataSource::GaussMix { .. } => true,
        DataSource::Xor { .. } | DataSource::Digits | DataSource::Iris | DataSource::File(_) => false,
    };
    experiment.vary.data && (drawn || experiment.data.test_fraction > 0.0)
}

/// Total of all restarts.
pub fn trials(spec: &SweepSpec) -> u64 {
    spec.experiments.iter().map(|experiment| u64::from(experiment.restarts)).sum()
}

/// Groups of experiments whose minima can be compared, as one group number per experiment: their
/// sketches mean the same thing. At `function` the data, the output's width and the loss must agree, at
/// the finer levels the network as well.
pub fn comparable(spec: &SweepSpec, level: Level) -> Vec<usize> {
    let key = |experiment: &Experiment| -> (Data, u32, Loss, Option<Network>) {
        let network = (level != Level::Function).then(|| experiment.network.clone());
        (experiment.data.clone(), experiment.network.outputs(), experiment.train.loss, network)
    };
    let mut keys: Vec<(Data, u32, Loss, Option<Network>)> = Vec::new();
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

#[cfg(test)]
mod tests {}
