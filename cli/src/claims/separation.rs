//! S5: whether layers keep inputs apart, for random and for deterministic matrices, and for inputs that know the matrix and
//! inputs that do not.

use seedsweep_common::analysis::words::significant;
use seedsweep_common::measure::Quantity;
use seedsweep_shell::error::CliError;

use super::finding::{Finding, Holds, Reference, Row, Rule, Table, Unit};
use super::ran::{Ran, mean};
use super::{BuiltIn, Claim};

pub(super) static CLAIM: Claim = Claim {
    name: "separation",
    number: "s5",
    question: "Random weights keep inputs apart through many layers; no deterministic matrix does.",
    sweeps: &[
        BuiltIn {
            file: "separation-oblivious.toml",
            spec: include_str!("../../../examples/claims/separation-oblivious.toml"),
            files: &[],
            quick: &[
                "experiment.gaussian.restarts=8",
                "experiment.orthogonal.restarts=8",
                "experiment.hadamard.restarts=8",
                "experiment.dct.restarts=8",
                "experiment.identity.restarts=8",
                "experiment.constant.restarts=8",
            ],
        },
        BuiltIn {
            file: "separation-white-box.toml",
            spec: include_str!("../../../examples/claims/separation-white-box.toml"),
            files: &[],
            quick: &[
                "experiment.hadamard.restarts=8",
                "experiment.dct.restarts=8",
                "experiment.identity.restarts=8",
                "experiment.orthogonal.restarts=8",
                "experiment.fresh-gaussian.restarts=8",
                "experiment.fresh-orthogonal.restarts=8",
            ],
        },
    ],
    judge,
};

/// A matrix, with what a prototype found for it: the smallest and the median angle behind 1, 5 and 20 layers, and the rank
/// behind 20.
const MATRICES: [(&str, [f64; 7]); 6] = [
    ("gaussian", [0.926, 1.248, 0.417, 0.734, 0.122, 0.310, 50.0]),
    ("orthogonal", [1.019, 1.245, 0.484, 0.735, 0.120, 0.291, 50.0]),
    ("hadamard", [0.986, 1.241, 0.629, 0.827, 0.627, 0.823, 50.0]),
    ("dct", [1.007, 1.245, 0.481, 0.615, 0.011, 0.118, 27.0]),
    ("identity", [0.993, 1.245, 0.993, 1.245, 0.993, 1.245, 50.0]),
    ("constant", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
];
/// Matrices whose rows are orthogonal, for which inputs are built.
const BUILT_FOR: [&str; 4] = ["hadamard", "dct", "identity", "orthogonal"];
/// Distance below which inputs are one, and above which they are apart.
const ONE: f64 = 1e-12;
const APART: f64 = 0.4;
/// How deep the claim is looked at.
const LAYERS: u32 = 20;

fn judge(ran: &[Ran]) -> Result<Finding, CliError> {
    let [oblivious, white_box] = ran else { return Err(super::wrong_sweeps(&CLAIM)) };
    let mut tables = Vec::new();
    for (column, (title, quantity, layer)) in [
        ("smallest angle behind 1 layer, in radians (mean over draws)", Quantity::AngleMin, 1),
        ("median angle behind 1 layer, in radians", Quantity::AngleMedian, 1),
        ("smallest angle behind 5 layers, in radians", Quantity::AngleMin, 5),
        ("median angle behind 5 layers, in radians", Quantity::AngleMedian, 5),
        ("smallest angle behind 20 layers, in radians", Quantity::AngleMin, LAYERS),
        ("median angle behind 20 layers, in radians", Quantity::AngleMedian, LAYERS),
        ("rank of 50 inputs behind 20 layers", Quantity::Rank, LAYERS),
    ]
    .into_iter()
    .enumerate()
    {
        let row = |(name, references): &(&str, [f64; 7])| {
            let reference = Reference::prototype(references[column]);
            Ok(mean(*name, &oblivious.arm(name)?.at_the_end(quantity, layer)).beside(reference))
        };
        let rows = MATRICES.iter().map(row).collect::<Result<Vec<Row>, CliError>>()?;
        tables.push(Table { title: title.to_owned(), unit: Unit::Number, rows });
    }
    let deepest = tables[4].rows.clone();

    let nearest = |name: &str, what: String, reference: Option<Reference>| -> Result<Row, CliError> {
        let arm = white_box.arm(name)?;
        Ok(mean(what, &arm.at_the_end(Quantity::DistanceMin, 1)).beside(reference))
    };
    let collapsed: Vec<f64> = BUILT_FOR
        .iter()
        .map(|name| Ok(white_box.arm(name)?.at_the_end(Quantity::DistanceMin, 1)))
        .collect::<Result<Vec<_>, CliError>>()?
        .concat();
    let mut built: Vec<Row> = Vec::new();
    for name in BUILT_FOR {
        built.push(nearest(name, format!("their own {name}"), Reference::prototype(0.0))?);
    }
    built.push(nearest("fresh-gaussian", "a fresh gaussian".to_owned(), Reference::prototype(0.547))?);
    built.push(nearest("fresh-orthogonal", "a fresh orthogonal".to_owned(), Reference::prototype(0.585))?);
    let fresh = built[BUILT_FOR.len()..].iter().map(|row| Holds::above(row.ends(), APART));
    let fresh = Holds::all(fresh);
    let apart_in_depth = deepest[..2].iter().map(|row| Holds::above(row.ends(), 0.0));
    let deterministic = |name: &str| {
        let at = MATRICES.iter().position(|(known, ..)| *known == name);
        at.map_or(Holds::Open, |at| Holds::below(deepest[at].ends(), ONE))
    };
    let constant_rank = oblivious.arm("constant")?.at_the_end(Quantity::Rank, 1);
    let rules = vec![
        Rule::needed(
            "random matrices keep inputs that know nothing of them apart behind 20 layers (lower ends above 0)",
            Holds::all(apart_in_depth),
        ),
        Rule::needed(
            format!(
                "fresh random matrices keep apart even inputs built against another matrix (lower ends above {APART})"
            ),
            fresh,
        ),
        Rule::needed(
            "equal weights leave nothing: rank 1 behind the first layer",
            Holds::from(!constant_rank.is_empty() && constant_rank.iter().all(|rank| *rank <= 1.0)),
        ),
        Rule::unless(
            "deterministic matrices make such inputs one",
            Holds::all(["hadamard", "identity", "dct"].map(deterministic)),
            "only for inputs that were built for the known matrix: inputs that know nothing of it are kept apart by a Hadamard \
             matrix as well as by a random one (DCT matrices wear out where the same one is used in every layer)",
        ),
        Rule::unless(
            format!(
                "random matrices have no such inputs: the largest distance left of 50 inputs built for the matrix is {}",
                significant(collapsed.iter().copied().fold(0.0, f64::max))
            ),
            Holds::from(!collapsed.is_empty() && collapsed.iter().any(|distance| *distance > ONE)),
            "and only while the random matrix is not known: who has seen it can build inputs that it maps to one point, as for \
             every deterministic one",
        ),
    ];
    tables.push(Table {
        title: "inputs built for a known matrix: smallest distance behind".to_owned(),
        unit: Unit::Number,
        rows: built,
    });
    Ok(Finding { words: words(), tables, rules, held_fixed: HELD_FIXED.to_owned() })
}

const HELD_FIXED: &str = "50 inputs of length 1 in 128 dimensions, layers of 128 relu units without biases, before any training; weights \
     scaled by √2 (identity by 1). Deterministic matrices are the same in every layer, so what they do at depth is an effect of \
     repetition too. Fresh matrices are tried on the inputs that were built for Hadamard's.";

fn words() -> Vec<String> {
    vec![
        "It is a question of who moves first. Fix the inputs, then draw the weights: a random matrix keeps any such inputs apart \
         with high probability, and so do good deterministic ones, if the inputs were not made for them."
            .to_owned(),
        "Fix the weights, then choose the inputs: now bad inputs exist for every matrix, drawn or written down. For W with \
         orthogonal rows they are x = -Wᵀa with a ≥ 0, because then Wx = -a and relu leaves nothing. Randomness protects only as \
         long as nobody has looked."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests;
