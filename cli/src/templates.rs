//! The specs that `seedsweep init` prints.

/// A spec to start from.
pub(crate) struct Template {
    /// What is typed.
    pub(crate) name: &'static str,
    /// One line about it.
    pub(crate) about: &'static str,
    /// The TOML, with comments.
    pub(crate) text: &'static str,
}

/// The template that is printed when none is named.
pub(crate) const DEFAULT: &str = "fixed-vs-random";

/// All templates.
pub(crate) const ALL: [Template; 4] = [
    Template {
        name: DEFAULT,
        about: "random starts kept fixed, a constant, and fresh starts, with every key explained",
        text: include_str!("../templates/fixed-vs-random.toml"),
    },
    Template {
        name: "minimal",
        about: "the shortest useful sweep",
        text: include_str!("../templates/minimal.toml"),
    },
    Template {
        name: "grid",
        about: "one experiment for each combination of some values",
        text: include_str!("../templates/grid.toml"),
    },
    Template {
        name: "csv",
        about: "your own table of numbers (expects train.csv beside the spec)",
        text: include_str!("../templates/csv.toml"),
    },
];
