//! S3: random weights are there to break symmetry. Equal units stay equal in every bit, groups of equal units stay groups, and
//! the smallest difference grows exponentially.

use seedsweep_common::measure::Quantity;
use seedsweep_shell::error::CliError;

use super::finding::{Finding, Holds, Reference, Row, Rule, Share, Table, Unit};
use super::ran::{Arm, Ran, mean, middle, slope};
use super::{BuiltIn, Claim};

pub(super) static CLAIM: Claim = Claim {
    name: "symmetry",
    number: "s3",
    question: "Random starts are needed to break the symmetry between units.",
    sweeps: &[
        BuiltIn {
            file: "symmetry-digits.toml",
            spec: include_str!("../../../examples/claims/symmetry-digits.toml"),
            files: &[],
            quick: &[
                "experiment.equal-13-orders.restarts=10",
                "experiment.noise-1e-8.restarts=8",
                "experiment.growth.restarts=8",
                "experiment.random.restarts=8",
            ],
        },
        BuiltIn {
            file: "symmetry-groups.toml",
            spec: include_str!("../../../examples/claims/symmetry-groups.toml"),
            files: &[],
            quick: &["experiment.two-groups.restarts=10", "experiment.four-groups.restarts=10"],
        },
    ],
    judge,
};

/// The differences over which growth is fitted: above what they started with, below where the units saturate.
const GROWTH: std::ops::Range<f64> = 1e-6..1e-2;

fn judge(ran: &[Ran]) -> Result<Finding, CliError> {
    let [digits, groups] = ran else { return Err(super::wrong_sweeps(&CLAIM)) };
    let expected: [(&str, Arm, f64); 6] = [
        ("all equal, 16 tanh units", digits.arm("equal-16")?, 1.0),
        ("all equal, 13 tanh units", digits.arm("equal-13")?, 1.0),
        ("all equal, 7 relu units", digits.arm("equal-7-relu")?, 1.0),
        ("all equal, 13 tanh units, shuffled batches", digits.arm("equal-13-orders")?, 1.0),
        ("two groups of 8, shuffled batches", groups.arm("two-groups")?, 2.0),
        ("four groups of 4, shuffled batches", groups.arm("four-groups")?, 4.0),
    ];
    let (noisy, random) = (digits.arm("noise-1e-8")?, digits.arm("random")?);
    let kept = expected.iter().map(|(what, arm, units)| {
        let row = Row::share(*what, kept(arm, *units));
        // an equal start on all rows is one training, however often it is repeated
        if arm.experiment.vary.order { row } else { row.of_one() }
    });
    let kept: Vec<Row> = kept.collect();
    let all_kept = kept.iter().all(|row| row.estimate.0 == 1.0);

    let rates: Vec<f64> =
        digits.arm("growth")?.series(Quantity::UnitDifference, 1).iter().map(|s| rate(s)).collect();
    let growth = mean("per step", &rates);
    let grows = Holds::above(growth.ends(), 0.0);
    let doubling = std::f64::consts::LN_2 / growth.estimate.0;
    let differ = |arm: &Arm, what: &str| {
        Row::share(
            what,
            arm.share(|outcome| {
                let measured = outcome.measures.iter().flat_map(|measured| &measured.series);
                let mut units = measured
                    .filter(|one| one.quantity == Quantity::Units)
                    .filter_map(|one| one.values.last());
                units.next().is_some_and(|&units| units > 1.0)
            }),
        )
    };
    let parted = differ(&noisy, "noise of 1e-8");
    let rank = |what: &str, arm: &Arm, reference| {
        middle(what, &arm.at_the_end(Quantity::EffectiveRank, 1)).beside(reference)
    };
    let ranks = vec![
        rank("all equal", &expected[0].1, Reference::prototype(1.0)).of_one(),
        rank("noise of 1e-8", &noisy, Reference::prototype_within(10.85, [10.6, 11.1])),
        rank("random", &random, Reference::prototype(13.0)),
    ];
    let rules = vec![
        Rule::needed(
            "units that start equal are equal in every bit at every step looked at, whatever the width, the activation and \
             the order of the rows; groups of equal units stay as many groups",
            Holds::from(all_kept),
        ),
        Rule::needed(
            "random starts keep their units apart to the end",
            Holds::from(differ(&random, "").estimate.0 == 1.0),
        ),
        Rule::unless(
            "nothing less than a random start parts the units",
            Holds::from(parted.estimate.0 == 0.0),
            format!(
                "any difference will do, not just a random start: noise of 1e-8 on equal weights doubles every {doubling:.1} \
                 steps until the units differ"
            ),
        ),
        Rule::needed("such differences grow exponentially (lower end of the rate above 0)", grows),
    ];
    let tables = vec![
        Table {
            title: "units stay exactly as equal as they started".to_owned(),
            unit: Unit::Share,
            rows: kept,
        },
        Table {
            title: "units differ at the end".to_owned(),
            unit: Unit::Share,
            rows: vec![parted, differ(&random, "random")],
        },
        Table {
            title: "log of the largest difference grows by".to_owned(),
            unit: Unit::Number,
            rows: vec![growth],
        },
        Table {
            title: "effective rank of 16 units at the end (median)".to_owned(),
            unit: Unit::Number,
            rows: ranks,
        },
    ];
    Ok(Finding { words: words(), tables, rules, held_fixed: HELD_FIXED.to_owned() })
}

const HELD_FIXED: &str = "precision f32; digits: one draw of 600 images, 64-h-10, learning rate 0.5 on all rows for 1,500 steps (0.1 \
     on batches of 60 for 30 epochs where shuffled); groups: moons by 2-16-1 tanh, irises by 4-16-3 tanh, batches of 4. Equality \
     is looked at at up to 5 steps a decade.";

/// How many trials of `arm` have `units` different units at every step that was looked at.
fn kept(arm: &Arm, units: f64) -> Share {
    let series = arm.series(Quantity::UnitsByBits, 1);
    let is_kept = |points: &&Vec<(u64, f64)>| points.iter().all(|&(_, found)| found == units);
    Share { hits: series.iter().filter(is_kept).count() as u64, n: arm.n() }
}

/// How fast the logarithm of a difference grows while it lies in [`GROWTH`].
fn rate(points: &[(u64, f64)]) -> f64 {
    let small = points.iter().filter(|(_, difference)| GROWTH.contains(difference));
    let logs: Vec<(f64, f64)> = small.map(|&(step, difference)| (step as f64, difference.ln())).collect();
    slope(&logs)
}

fn words() -> Vec<String> {
    vec![
        "The units of a layer are interchangeable: swap two, and the network computes the same. Training respects that, so what \
         starts equal stays equal, and a layer that starts as two groups of equal units remains a layer of two units. Random \
         weights make all units different from the first step on."
            .to_owned(),
        "This is also a sharp test of the program: an ordinary matrix library adds up the products of different units in \
         different orders, and its rounding parts units that ought to stay equal (in f32 sixteen equal units became three in the \
         prototype, and the network learned). Then the experiment measures the library."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests;
