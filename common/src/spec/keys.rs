//! Every key that a spec may hold, and those that a later version will: one place to look when a key is added.

/// The keys of one table.
pub(super) struct Keys {
    /// Legal now.
    pub(super) known: &'static [&'static str],
    /// Planned: refused by name, never ignored.
    pub(super) later: &'static [&'static str],
}

/// Tables that an experiment may override.
pub(super) const SECTIONS: [&str; 5] = ["network", "data", "train", "minima", "measure"];

/// Keys of the top level.
pub(super) const TOP: Keys = Keys {
    known: &[
        "name",
        "seed",
        "precision",
        "network",
        "data",
        "train",
        "minima",
        "measure",
        "stop_when",
        "grid",
        "experiment",
    ],
    later: &["audit", "trainer"],
};

/// Keys of `[network]`.
pub(super) const NETWORK: Keys = Keys {
    known: &["kind", "layers", "activation", "output_activation", "inputs", "units", "output", "scale"],
    later: &[],
};

/// Keys of `[network]` that belong to a kind.
pub(super) const KIND: &[&str] =
    &["layers", "activation", "output_activation", "inputs", "units", "output", "scale"];

/// Keys of `[data]`.
pub(super) const DATA: Keys = Keys {
    known: &[
        "dataset",
        "encoding",
        "samples",
        "noise",
        "factor",
        "classes",
        "dims",
        "radius",
        "teacher_units",
        "label_noise",
        "labels",
        "scheme",
        "file",
        "digest",
        "target",
        "x",
        "y",
        "test_fraction",
        "standardize",
    ],
    later: &[],
};

/// Keys of `[data]` that say where rows come from; the others say what is done with them.
pub(super) const DATA_SOURCE: &[&str] = &[
    "dataset",
    "encoding",
    "samples",
    "noise",
    "factor",
    "classes",
    "dims",
    "radius",
    "teacher_units",
    "label_noise",
    "labels",
    "scheme",
    "file",
    "digest",
    "target",
    "x",
    "y",
];

/// Keys of `[train]`.
pub(super) const TRAIN: Keys = Keys {
    known: &[
        "loss",
        "l2",
        "optimizer",
        "momentum",
        "nesterov",
        "betas",
        "alpha",
        "eps",
        "weight_decay",
        "lr",
        "schedule",
        "batch",
        "shuffle",
        "epochs",
        "steps",
        "stop",
    ],
    later: &[],
};

/// Keys of `[train]` that belong to an optimiser.
pub(super) const OPTIMIZER: &[&str] = &["momentum", "nesterov", "betas", "alpha", "eps", "weight_decay"];

/// Keys of `train.schedule`.
pub(super) const SCHEDULE: Keys =
    Keys { known: &["kind", "warmup", "step_size", "gamma", "t_max", "eta_min"], later: &[] };

/// Keys of `train.schedule` that belong to a kind.
pub(super) const SHAPE: &[&str] = &["step_size", "gamma", "t_max", "eta_min"];

/// Keys of `train.stop`.
pub(super) const STOP: Keys = Keys { known: &["grad_norm", "loss", "max_error"], later: &["patience"] };

/// Keys of an experiment's `minima`.
pub(super) const EXPERIMENT_MINIMA: Keys = Keys {
    known: &["polish", "polish_max_steps", "level", "same_at", "spread_at", "barriers"],
    later: &["connected"],
};

/// Keys of the sweep's `[minima]`: one clustering for all experiments, so the tolerances stand only here.
pub(super) const MINIMA: Keys = Keys {
    known: &[
        "polish",
        "polish_max_steps",
        "level",
        "same_at",
        "spread_at",
        "barriers",
        "tolerance_raw",
        "tolerance_canonical",
        "tolerance_function",
        "tolerance_barrier",
    ],
    later: &["connected"],
};

/// Keys of `[measure]`.
pub(super) const MEASURE: Keys =
    Keys { known: &["curve", "symmetry", "geometry", "ntk", "movement", "every"], later: &[] };

/// Keys of `[[experiment]]`.
pub(super) const EXPERIMENT: Keys = Keys {
    known: &[
        "name",
        "init",
        "restarts",
        "stop_when",
        "starts",
        "orders",
        "fork",
        "vary",
        "parameters",
        "network",
        "data",
        "train",
        "minima",
        "measure",
    ],
    later: &["audit", "trainer"],
};

/// Keys of `stop_when`.
pub(super) const STOP_WHEN: Keys =
    Keys { known: &["same_pair_width", "coverage", "max_restarts"], later: &[] };

/// Keys of `init = { … }`.
pub(super) const INIT: Keys = Keys {
    known: &[
        "scheme",
        "value",
        "low",
        "high",
        "mean",
        "std",
        "gain",
        "scale",
        "mode",
        "nonlinearity",
        "eps",
        "file",
        "digest",
        "bias",
        "perturb",
    ],
    later: &[],
};

/// Keys of `init` that belong to a scheme.
pub(super) const SCHEME: &[&str] =
    &["value", "low", "high", "mean", "std", "gain", "scale", "mode", "nonlinearity", "eps", "digest"];

/// Keys that lose their meaning in the table `section` when an override sets `key`: another data set has
/// other parameters, another optimiser or kind of network too, and `epochs` and `steps` exclude each other.
pub(super) fn rivals(section: &str, key: &str) -> &'static [&'static str] {
    match (section, key) {
        ("network", "kind") => KIND,
        ("data", "dataset" | "file") => DATA_SOURCE,
        ("train", "optimizer") => OPTIMIZER,
        ("train", "epochs") => &["steps"],
        ("train", "steps") => &["epochs"],
        ("init", "scheme" | "file") => &[
            "scheme",
            "file",
            "value",
            "low",
            "high",
            "mean",
            "std",
            "gain",
            "scale",
            "mode",
            "nonlinearity",
            "eps",
            "digest",
        ],
        _ => &[],
    }
}

/// The table in which `key` is legal, if it was written in the wrong one.
pub(super) fn home(key: &str) -> Option<&'static str> {
    let homes: [(&Keys, &str); 11] = [
        (&TOP, "the top of the file"),
        (&NETWORK, "`[network]`"),
        (&TRAIN, "`[train]`"),
        (&MINIMA, "`[minima]`"),
        (&MEASURE, "`[measure]`"),
        (&EXPERIMENT, "an `[[experiment]]`"),
        (&DATA, "`[data]`"),
        (&STOP, "`stop = { … }`"),
        (&STOP_WHEN, "`stop_when = { … }`"),
        (&SCHEDULE, "`schedule = { … }`"),
        (&INIT, "`init = { … }`"),
    ];
    homes.into_iter().find(|(keys, _)| keys.known.contains(&key)).map(|(_, home)| home)
}
