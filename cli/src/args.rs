//! What was typed. What it means is decided in `config`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use seedsweep_common::spec::Activation;
use seedsweep_coordinator::program::{self as coordinator, Leasing, StoreDir};
use seedsweep_shell::logs::Verbosity;
use seedsweep_worker::program::{self as worker, Slots};

use crate::{export, templates};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: one value with a `schema`.
    Json,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people: the answer in words, the table, the caveats.
    Table,
    /// For programs: one value of schema `seedsweep.report/1`.
    Json,
    /// For documents.
    Markdown,
}

/// Where does neural-network training end up, and what does that depend on?
#[derive(Debug, Parser)]
#[command(
    name = "seedsweep",
    version,
    arg_required_else_help = true,
    after_help = "Start with `seedsweep demo`, then `seedsweep init > sweep.toml` and `seedsweep run sweep.toml`.\n\
                  Exit codes: 0 fine, 1 bad news (failed trials, differing reports), 2 usage or spec, 3 coordinator \
                  not reachable, 4 not found, 5 not allowed, 6 store, 101 bug, 130 interrupted."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Answer "why random weights and not 0.5 for all?" in seconds, by real training
    Demo(Demo),
    /// Run a sweep on this machine and print its report; the same command resumes
    Run(Run),
    /// Print a commented spec to start from
    Init(Init),
    /// Validate a spec with its data and show the plan and what it will cost
    Check(Check),
    /// Serve a store to workers and users until stopped
    Coordinator(coordinator::Args),
    /// Train for a coordinator until stopped
    Worker(worker::Args),
    /// Hand a sweep to a coordinator
    Submit(Submit),
    /// All sweeps, oldest first
    List(Ask),
    /// How far sweeps are
    Status(AskSweep),
    /// Follow a sweep until it ends
    Watch(Watch),
    /// Stop a sweep; what is stored stays
    Cancel(Cancel),
    /// Ask for more restarts of a sweep; what is stored stays, and so does its id
    Extend(Extend),
    /// What the outcomes say
    Report(Report),
    /// Outcome rows, a page at a time
    Outcomes(Outcomes),
    /// All outcome rows as CSV, JSON lines, Parquet or npz
    Export(Export),
    /// Train one trial again here, compare its bits with the stored ones, say why it is as it is
    Replay(Replay),
    /// Check a sweep: counts, digests, the report computed again, a sample trained again
    Verify(Verify),
    /// Count the basins that runs from elsewhere ended in, and estimate those not seen
    Census(Census),
    /// Compare experiments whose numbers come from elsewhere
    Stats(Stats),
    /// Put what people say about starts to the test: six claims, each with its verdict
    Claims(Claims),
    /// Look after a store
    #[command(subcommand)]
    Store(StoreVerb),
}

/// Whose sweeps a command asks about.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The store; a coordinator that serves it is asked [env: SEEDSWEEP_STORE] [default: ./seedsweep-store]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Ask the coordinator at this address instead, for instance http://10.0.0.7:7373 [env: SEEDSWEEP_CONNECT]
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    pub(crate) connect: Option<String>,
    /// File with the admin token for --connect [env: SEEDSWEEP_TOKEN_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) token_file: Option<PathBuf>,
}

/// A spec and changes to it.
#[derive(Debug, Args)]
pub(crate) struct Spec {
    /// The spec (`seedsweep init` prints one)
    #[arg(value_name = "SPEC")]
    pub(crate) spec: PathBuf,
    /// Set a key of the spec, for instance --set train.lr=0.1; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// `seedsweep demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Seed of the sweep [default: the first from 2026 on that the store does not hold]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=seedsweep_common::limits::SEED))]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) store: StoreDir,
    #[command(flatten)]
    pub(crate) slots: Slots,
    #[command(flatten)]
    pub(crate) leasing: Leasing,
}

/// `seedsweep run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) spec: Spec,
    #[command(flatten)]
    pub(crate) store: StoreDir,
    #[command(flatten)]
    pub(crate) slots: Slots,
    #[command(flatten)]
    pub(crate) leasing: Leasing,
    /// Form of the report: table, json or markdown
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = ReportFormat::Table, hide_possible_values = true)]
    pub(crate) output: ReportFormat,
}

/// `seedsweep init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Which template (see --list)
    #[arg(value_name = "TEMPLATE", default_value = templates::DEFAULT)]
    pub(crate) template: String,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
}

/// `seedsweep check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) spec: Spec,
    /// Print the canonical text instead, whose digest is the sweep's id
    #[arg(long, conflicts_with = "output")]
    pub(crate) canonical: bool,
    #[command(flatten)]
    pub(crate) slots: Slots,
    /// Form of the plan: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// `seedsweep submit`.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) spec: Spec,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// A question about all sweeps.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// A question about one sweep, or all.
#[derive(Debug, Args)]
pub(crate) struct AskSweep {
    /// Name, id, first digits of an id, or `last` [default: all sweeps]
    #[arg(value_name = "SWEEP")]
    pub(crate) sweep: Option<String>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// Which sweep, `last` if none is named.
#[derive(Debug, Args)]
pub(crate) struct Selector {
    /// Name, id, first digits of an id, or `last`
    #[arg(value_name = "SWEEP", default_value = "last")]
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// `seedsweep watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) selector: Selector,
}

/// `seedsweep cancel`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Name, id, first digits of an id, or `last`
    #[arg(value_name = "SWEEP")]
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// `seedsweep extend`.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// Name, id, first digits of an id, or `last`
    #[arg(value_name = "SWEEP")]
    pub(crate) sweep: String,
    /// Only this experiment [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) experiment: Option<String>,
    #[command(flatten)]
    pub(crate) more: More,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// How many restarts more.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct More {
    /// So many restarts of each experiment in all; one that has as many is left as it is, so the command can be repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) to: Option<u32>,
    /// So many more than now; repeated, it adds again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) by: Option<u32>,
}

/// `seedsweep report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) selector: Selector,
    /// Form of the report: table, json or markdown
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = ReportFormat::Table, hide_possible_values = true)]
    pub(crate) output: ReportFormat,
}

/// `seedsweep outcomes`.
#[derive(Debug, Args)]
pub(crate) struct Outcomes {
    #[command(flatten)]
    pub(crate) selector: Selector,
    /// Only this experiment
    #[arg(long, value_name = "NAME")]
    pub(crate) experiment: Option<String>,
    /// Instead of rows, a measure step by step over the restarts: curve, symmetry, symmetry.1.units, …
    #[arg(long, value_name = "NAME", conflicts_with_all = ["limit", "page"])]
    pub(crate) measure: Option<String>,
    /// Rows per page
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Which page, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) page: u32,
    /// Form of the rows: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// `seedsweep export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) selector: Selector,
    /// Form of the rows: csv, jsonl, parquet or npz
    #[arg(long, value_name = "FORM", value_enum, default_value_t = export::Format::Csv, hide_possible_values = true)]
    pub(crate) format: export::Format,
    /// File to write (whole or not at all), or - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
}

/// `seedsweep replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Name, id, first digits of an id, or `last`
    #[arg(value_name = "SWEEP")]
    pub(crate) sweep: String,
    /// Name of the experiment
    #[arg(value_name = "EXPERIMENT")]
    pub(crate) experiment: String,
    /// Which of its trials, from 0
    #[arg(value_name = "RESTART")]
    pub(crate) restart: u32,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Write the trained weights to this file (safetensors, named as PyTorch names them)
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// `seedsweep verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) selector: Selector,
    /// Share of each experiment's trials to train again, and of barriers to measure again: 0% to 100%
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    pub(crate) sample: Share,
    /// Which sample: another number trains other trials
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) draw: u64,
    #[command(flatten)]
    pub(crate) slots: Slots,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// `seedsweep census`.
#[derive(Debug, Args)]
pub(crate) struct Census {
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// Label of runs that ended in no basin (failed, diverged)
    #[arg(long, value_name = "LABEL", requires = "labels")]
    pub(crate) none: Option<String>,
    /// Activation between the layers of the checkpoints: relu, leaky_relu, gelu, tanh or sigmoid
    #[arg(long, value_name = "NAME", requires = "checkpoints", value_parser = activation)]
    pub(crate) activation: Option<Activation>,
    /// Outputs of the checkpoints are logits of a softmax, which adds a shift to what leaves a network as it is
    #[arg(long, requires = "checkpoints")]
    pub(crate) softmax: bool,
    /// Largest root-mean-square difference that counts as equal: of outputs [default: 1e-4], of parameters [default: 1e-5]
    #[arg(long, value_name = "NUMBER", conflicts_with = "labels", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// Where independent runs from elsewhere ended: one of these is needed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Runs {
    /// Text file with the basin of a run on each line, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// One `.npy` file per run with its outputs on the same probes (probes x outputs; probabilities, not logits)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) outputs: Vec<PathBuf>,
    /// One `.safetensors` checkpoint of fully connected layers per run (`N.weight`, `N.bias`): networks are equal up to the
    /// symmetries of their activation
    #[arg(value_name = "CHECKPOINT", requires = "activation")]
    pub(crate) checkpoints: Vec<PathBuf>,
}

/// `seedsweep stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// CSV with the columns experiment, restart and value, and where runs share them start and order; - for standard
    /// input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Smaller values are better (losses, errors, times)
    #[arg(long)]
    pub(crate) smaller: bool,
    /// Rows of the test set, where values are accuracies (error rates with --smaller): shows the noise they share
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) test_rows: Option<u64>,
    /// Never compare pair by pair, also where restarts match
    #[arg(long)]
    pub(crate) unpaired: bool,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// `seedsweep claims`.
#[derive(Debug, Args)]
pub(crate) struct Claims {
    /// Which claims, by name or number (see --list) [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// List the claims
    #[arg(long)]
    pub(crate) list: bool,
    /// Fewer restarts: less than a minute for all, with wider intervals
    #[arg(long)]
    pub(crate) quick: bool,
    /// Keep the outcomes in this store; the same command goes on from there [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) slots: Slots,
    #[command(flatten)]
    pub(crate) leasing: Leasing,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

/// A share of something, written as a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        percent.map(|percent| Self(percent / 100.0)).ok_or_else(|| "0% to 100% is allowed".to_owned())
    }
}

fn activation(text: &str) -> Result<Activation, String> {
    let known = [
        ("relu", Activation::Relu),
        ("leaky_relu", Activation::LeakyRelu),
        ("gelu", Activation::Gelu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
    ];
    let found = known.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, activation)| activation).ok_or_else(|| {
        let names = known.map(|(name, _)| name).join(", ");
        format!("{names} are known; layers of identity have no fixed units to compare")
    })
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("a finite number above 0 is needed".to_owned()),
    }
}

/// `seedsweep store …`.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Open a store that nobody uses, read every record and say what is wrong
    Verify(StoreVerify),
}

/// `seedsweep store verify`.
#[derive(Debug, Args)]
pub(crate) struct StoreVerify {
    /// The store [env: SEEDSWEEP_STORE] [default: ./seedsweep-store]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Form of the answer: table or json
    #[arg(long, short, value_name = "FORM", value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
}

impl Verb {
    /// Whether a program reads stdout, which then also gets errors as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Run(Run { output, .. }) | Self::Report(Report { output, .. }) => {
                *output == ReportFormat::Json
            }
            Self::Check(Check { output, .. })
            | Self::Submit(Submit { output, .. })
            | Self::List(Ask { output, .. })
            | Self::Status(AskSweep { ask: Ask { output, .. }, .. })
            | Self::Cancel(Cancel { ask: Ask { output, .. }, .. })
            | Self::Extend(Extend { ask: Ask { output, .. }, .. })
            | Self::Outcomes(Outcomes { output, .. })
            | Self::Replay(Replay { output, .. })
            | Self::Verify(Verify { output, .. })
            | Self::Census(Census { output, .. })
            | Self::Stats(Stats { output, .. })
            | Self::Claims(Claims { output, .. })
            | Self::Store(StoreVerb::Verify(StoreVerify { output, .. })) => *output == Format::Json,
            Self::Demo(_)
            | Self::Init(_)
            | Self::Coordinator(_)
            | Self::Worker(_)
            | Self::Watch(_)
            | Self::Export(_) => false,
        }
    }
}
