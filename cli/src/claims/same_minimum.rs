//! S2: whether training ends in the same minimum from a fixed start, and in others from fresh ones. The answer depends on what
//! counts as the same and on how much chance the data order brings in.

use seedsweep_common::analysis::words::percent;
use seedsweep_common::spec::Level;
use seedsweep_shell::error::CliError;

use super::finding::{Finding, Holds, Reference, Row, Rule, Table, Unit};
use super::ran::Ran;
use super::{BuiltIn, Claim};

pub(super) static CLAIM: Claim = Claim {
    name: "same-minimum",
    number: "s2",
    question: "From one fixed start training always ends in the same minimum; from random starts it spreads.",
    sweeps: &[
        BuiltIn {
            file: "same-minimum-teacher.toml",
            spec: include_str!("../../../examples/claims/same-minimum-teacher.toml"),
            files: &[],
            quick: &[
                "experiment.fixed-64.starts=24",
                "experiment.fixed-64.restarts=96",
                "experiment.random-64.restarts=96",
                "experiment.fixed-8.starts=24",
                "experiment.fixed-8.restarts=96",
                "experiment.random-8.restarts=96",
                "experiment.fixed-1.starts=24",
                "experiment.fixed-1.restarts=96",
                "experiment.random-1.restarts=96",
                "experiment.nudged-1e-4.starts=24",
                "experiment.nudged-1e-4.restarts=48",
                "experiment.nudged-1e-2.starts=24",
                "experiment.nudged-1e-2.restarts=48",
                "experiment.nudged-1e-1.starts=24",
                "experiment.nudged-1e-1.restarts=48",
            ],
        },
        BuiltIn {
            file: "same-minimum-moons.toml",
            spec: include_str!("../../../examples/claims/same-minimum-moons.toml"),
            files: &[],
            quick: &[
                "experiment.fixed.starts=24",
                "experiment.fixed.restarts=96",
                "experiment.random.restarts=96",
            ],
        },
    ],
    judge,
};

/// Agreement from which training is called the same, and below which it is called spread.
const SAME: f64 = 0.8;
const SPREAD: f64 = 0.5;

/// A batch size with what a prototype found for 8 starts of 100 orders each: same point, same function, each with its
/// interval over starts.
const BATCHES: [(u32, [f64; 3], [f64; 3]); 3] = [
    (64, [0.685, 0.41, 0.96], [0.810, 0.63, 0.99]),
    (8, [0.326, 0.11, 0.54], [0.642, 0.46, 0.82]),
    (1, [0.008, 0.0, 0.02], [0.463, 0.41, 0.52]),
];
/// Random starts of the prototype: same function.
const RANDOM: [f64; 3] = [0.395, 0.34, 0.45];
/// A nudge with how often the prototype's gradient descent then ended in the same function, with its interval.
const NUDGES: [(&str, [f64; 3]); 3] =
    [("1e-4", [1.0, 1.0, 1.0]), ("1e-2", [0.881, 0.79, 0.97]), ("1e-1", [0.444, 0.33, 0.56])];

fn judge(ran: &[Ran]) -> Result<Finding, CliError> {
    let [teacher, moons] = ran else { return Err(super::wrong_sweeps(&CLAIM)) };
    let points = agreements(teacher, Level::Raw)?;
    let functions = agreements(teacher, Level::Function)?;
    let shares = BATCHES.map(|(batch, _, function)| start_share(teacher, batch, function)).to_vec();
    let mut nudges = Vec::new();
    for (size, reference) in NUDGES {
        let row = teacher.arm(&format!("nudged-{size}"))?.agreement(format!("noise {size}"), Level::Function);
        nudges.push(row.beside(prototype(reference)));
    }
    let moons = OnMoons::of(moons)?;
    let rules = rules(&points, &functions, &shares, &moons);
    let words = words(&functions, &shares, &moons);
    let table = |title: &str, rows| Table { title: title.to_owned(), unit: Unit::Share, rows };
    Ok(Finding {
        words,
        tables: vec![
            table("two runs end in the same function: ten relus", functions),
            table("two runs end at the same point: ten relus", points),
            table("share of the end that the start decides (function)", shares),
            table("same function after a nudge of the start, no chance in the order", nudges),
            table("two runs agree: moons, batches of 4", moons.rows()),
        ],
        rules,
        held_fixed: HELD_FIXED.to_owned(),
    })
}

/// How often two runs on the moons agree.
struct OnMoons {
    repeated: Row,
    bits: Row,
    point: Row,
    canonical: Row,
    function: Row,
    random_point: Row,
    random_canonical: Row,
    random_function: Row,
}

impl OnMoons {
    fn of(moons: &Ran) -> Result<Self, CliError> {
        let (fixed, random) = (moons.arm("fixed")?, moons.arm("random")?);
        let repeated = moons.arm("one-start-one-order")?;
        let of_fixed = |what: &str, level| fixed.agreement(format!("start fixed: {what}"), level);
        let of_random = |what: &str, level| random.agreement(format!("random starts: {what}"), level);
        // the prototype compared up to permutations and signs of units
        let canonical = "same up to order and sign of units";
        Ok(Self {
            repeated: repeated.agreement("start and order fixed: every bit", Level::Bits).of_one(),
            bits: of_fixed("every bit", Level::Bits),
            point: of_fixed("same point", Level::Raw).beside(Reference::prototype(0.576)),
            canonical: of_fixed(canonical, Level::Canonical).beside(Reference::prototype(0.903)),
            function: of_fixed("same function", Level::Function),
            random_point: of_random("same point", Level::Raw).beside(Reference::prototype(0.0021)),
            random_canonical: of_random(canonical, Level::Canonical).beside(Reference::prototype(0.841)),
            random_function: of_random("same function", Level::Function),
        })
    }

    fn rows(self) -> Vec<Row> {
        vec![
            self.repeated,
            self.bits,
            self.point,
            self.canonical,
            self.function,
            self.random_point,
            self.random_canonical,
            self.random_function,
        ]
    }
}

const HELD_FIXED: &str = "ten relus: 10 inputs, 10 units, starts N(0, 1/10), 2,000 updates with learning rate 0.02 on fresh rows, then the \
     polish (nudged starts: gradient descent with 0.1 to a gradient of 1e-9); moons: 64 points, 2-4-1 tanh, l2 1e-3, Xavier's \
     starts, learning rate 0.05, 200 epochs. The unit is the start where starts are fixed (4 orders each; quick: nudged starts \
     2), else the restart. Points are the same within 1e-5 root mean square, functions within 1e-4 on the probes; what has no \
     certified minimum counts against agreement below and for it above.";

/// How often two runs agree at `level`, by batch, with fixed and with random starts.
fn agreements(teacher: &Ran, level: Level) -> Result<Vec<Row>, CliError> {
    let mut rows = Vec::new();
    for (batch, point, function) in BATCHES {
        let reference = if level == Level::Raw { point } else { function };
        let fixed = teacher.arm(&format!("fixed-{batch}"))?;
        rows.push(
            fixed.agreement(format!("start fixed, batches of {batch}"), level).beside(prototype(reference)),
        );
        let random = teacher.arm(&format!("random-{batch}"))?;
        let row = random.agreement(format!("random starts, batches of {batch}"), level);
        let reference = if level == Level::Raw { Reference::prototype(0.0) } else { prototype(RANDOM) };
        rows.push(if batch == 64 { row.beside(reference) } else { row });
    }
    Ok(rows)
}

/// How much of where training ends the start decides with batches of `batch`; `function` is how often the prototype's runs
/// from one start agreed, whose share has the uncertainty of that alone.
fn start_share(teacher: &Ran, batch: u32, function: [f64; 3]) -> Row {
    let share = teacher.start_share(&format!("fixed-{batch}"), &format!("random-{batch}"));
    let estimate = share.and_then(|share| share.estimate).map_or(f64::NAN, |estimate| estimate.0);
    let ci95 = share.and_then(|share| share.ci95).map(|ends| ends.map(|end| end.0));
    let n = teacher.arm(&format!("fixed-{batch}")).map_or(0, |arm| arm.n());
    Row::new(format!("batches of {batch}"), n, estimate, ci95)
        .beside(prototype(function.map(|agreement| (agreement - RANDOM[0]) / (1.0 - RANDOM[0]))))
}

fn prototype([value, low, high]: [f64; 3]) -> Option<Reference> {
    Reference::prototype_within(value, [low, high])
}

fn rules(points: &[Row], functions: &[Row], shares: &[Row], moons: &OnMoons) -> Vec<Rule> {
    let fixed = functions.iter().step_by(2);
    let always_same = Holds::all(fixed.chain([&moons.function]).map(|row| Holds::above(row.ends(), SAME)));
    let random_points = points.iter().skip(1).step_by(2).chain([&moons.random_point]);
    let random_functions = functions.iter().skip(1).step_by(2).chain([&moons.random_function]);
    let spread =
        |rows: &mut dyn Iterator<Item = &Row>| Holds::all(rows.map(|row| Holds::below(row.ends(), SPREAD)));
    vec![
        Rule::needed(
            "one start in one order gives the same bits each time (a test of the program, not of the claim)",
            Holds::from(moons.repeated.estimate.0 == 1.0),
        ),
        Rule::needed(
            "the start decides something: the interval of its share lies above 0 for batches of 64",
            Holds::above(shares[0].ends(), 0.0),
        ),
        Rule::needed(
            format!(
                "random starts end at different points: two agree in less than {:.0} % of pairs (upper ends)",
                100.0 * SPREAD
            ),
            spread(&mut random_points.into_iter()),
        ),
        Rule::unless(
            format!(
                "runs from one start end in the same function in over {:.0} % of pairs (lower ends), at every batch size",
                100.0 * SAME
            ),
            always_same,
            format!(
                "`always` is too much, for the order of the data decides the rest: of where training ends the start decides {} \
                 with batches of 64 rows, {} with 8 and {} with 1",
                in_percent(&shares[0]),
                in_percent(&shares[1]),
                in_percent(&shares[2])
            ),
        ),
        Rule::unless(
            format!("runs from one start agree in every bit in over {:.0} % of pairs", 100.0 * SAME),
            Holds::above(moons.bits.ends(), SAME),
            "`the same` must not mean every bit: another order ends next to the same point, not at it",
        ),
        Rule::unless(
            format!(
                "random starts spread over different functions, too (upper ends below {:.0} %)",
                100.0 * SPREAD
            ),
            spread(&mut random_functions.into_iter()),
            format!(
                "random starts spread over points, which may be copies of few functions: on the moons two of them agree as \
                 points in {}, as functions in {} of pairs",
                in_percent(&moons.random_point),
                in_percent(&moons.random_function)
            ),
        ),
    ]
}

/// `54 % (23 to 79)`.
fn in_percent(row: &Row) -> String {
    let within = row
        .ends()
        .map_or_else(String::new, |[low, high]| format!(" ({} to {})", percent(low), percent(high)));
    format!("{} %{within}", percent(row.estimate.0))
}

fn words(functions: &[Row], shares: &[Row], moons: &OnMoons) -> Vec<String> {
    vec![
        format!(
            "Two runs from one start agree at least as often as two from different starts; that is no finding, it cannot be \
             otherwise. The finding is how much of the way to perfect agreement the start goes: with batches of 64 rows two runs \
             from one start end in the same function in {} of pairs, with random starts in {}, so that the start decides {}. \
             With smaller batches chance takes over: {} for 8 rows, {} for 1 (less than nothing is chance, too).",
            in_percent(&functions[0]),
            in_percent(&functions[1]),
            in_percent(&shares[0]),
            in_percent(&shares[1]),
            in_percent(&shares[2])
        ),
        format!(
            "What counts as the same matters as much. Units can be permuted and mirrored without changing what a network \
             computes, so each minimum of the moons is there 4!·2⁴ = 384 times over: two random starts meet at one point in {} of \
             pairs and yet compute the same function in {}. Who compares weights sees hundreds of minima where there are two.",
            in_percent(&moons.random_point),
            in_percent(&moons.random_function)
        ),
    ]
}

#[cfg(test)]
mod tests;
