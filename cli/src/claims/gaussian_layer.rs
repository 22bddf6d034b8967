//! S4: what a wide relu layer with Gaussian weights does to lengths, angles and distances (Cho & Saul 2009).

use std::f64::consts::{FRAC_PI_2, PI};

use seedsweep_common::measure::Quantity;
use seedsweep_shell::error::CliError;

use super::finding::{Finding, Holds, Reference, Row, Rule, Share, Table, Unit};
use super::ran::{Arm, Ran, mean, slope};
use super::{BuiltIn, Claim};

pub(super) static CLAIM: Claim = Claim {
    name: "gaussian-layer",
    number: "s4",
    question: "A relu layer with random Gaussian weights keeps lengths and never moves inputs further apart.",
    sweeps: &[BuiltIn {
        file: "gaussian-layer.toml",
        spec: include_str!("../../../examples/claims/gaussian-layer.toml"),
        files: &[
            ("one-point.csv", include_bytes!("../../../examples/claims/one-point.csv")),
            ("angle-0.1.csv", include_bytes!("../../../examples/claims/angle-0.1.csv")),
            ("angle-1.0.csv", include_bytes!("../../../examples/claims/angle-1.0.csv")),
            ("angle-right.csv", include_bytes!("../../../examples/claims/angle-right.csv")),
            ("angle-2.0.csv", include_bytes!("../../../examples/claims/angle-2.0.csv")),
            ("angle-opposite.csv", include_bytes!("../../../examples/claims/angle-opposite.csv")),
        ],
        quick: &[
            "experiment.length-64.restarts=400",
            "experiment.length-256.restarts=400",
            "experiment.length-1024.restarts=400",
            "experiment.length-4096.restarts=200",
            "experiment.angle-0.1.restarts=100",
            "experiment.angle-1.0.restarts=100",
            "experiment.angle-right.restarts=100",
            "experiment.angle-2.0.restarts=100",
            "experiment.angle-opposite.restarts=100",
            "experiment.depth.restarts=20",
        ],
    }],
    judge,
};

/// The widths of the layers whose lengths are looked at.
const WIDTHS: [u32; 4] = [64, 256, 1024, 4096];
/// The angles, with the experiments that have them.
const ANGLES: [(&str, f64); 5] = [
    ("angle-0.1", 0.1),
    ("angle-1.0", 1.0),
    ("angle-right", FRAC_PI_2),
    ("angle-2.0", 2.0),
    ("angle-opposite", PI),
];
/// A mean may lie so many standard errors off its theory.
const ERRORS: f64 = 4.0;

fn judge(ran: &[Ran]) -> Result<Finding, CliError> {
    let [ran] = ran else { return Err(super::wrong_sweeps(&CLAIM)) };
    let mut lengths = Vec::new();
    let mut spreads = Vec::new();
    let mut lengths_hold = true;
    for m in WIDTHS {
        let squares: Vec<f64> = ran
            .arm(&format!("length-{m}"))?
            .at_the_end(Quantity::NormMedian, 1)
            .iter()
            .map(|length| length * length)
            .collect();
        let row = mean(format!("{m} units"), &squares).beside(Reference::theory(1.0));
        lengths_hold &= is_near(&squares, 1.0);
        lengths.push(row);
        spreads.push(spread(format!("{m} units"), &squares, f64::from(m)));
    }
    let points: Vec<(f64, f64)> = WIDTHS
        .iter()
        .zip(&spreads)
        .map(|(&m, row)| (f64::from(m).ln(), (row.estimate.0 / f64::from(m).sqrt()).ln()))
        .collect();
    let exponent = slope(&points);

    let mut angles = Vec::new();
    let mut ratios = Vec::new();
    let mut grew = Vec::new();
    let mut angles_hold = true;
    for (name, theta) in ANGLES {
        let arm = ran.arm(name)?;
        let found = arm.at_the_end(Quantity::AngleMin, 1);
        angles_hold &= is_near(&found, after(theta));
        angles.push(mean(format!("{theta:.4}"), &found).beside(Reference::theory(after(theta))));
        let distances = ratio(&arm);
        let what = format!("angle {theta:.4}");
        ratios.push(mean(what.clone(), &distances).beside(Reference::theory(ratio_of(theta))));
        let hits = distances.iter().filter(|ratio| **ratio > 1.0).count() as u64;
        grew.push(Row::share(what, Share { hits, n: arm.n() }));
    }
    let deep = ran.arm("depth")?;
    let mut theta = FRAC_PI_2;
    let mut depth = Vec::new();
    for layer in 1..=10 {
        theta = after(theta);
        if [1, 2, 3, 5, 10].contains(&layer) {
            let found = deep.at_the_end(Quantity::AngleMin, layer);
            depth.push(mean(format!("layer {layer}"), &found).beside(Reference::theory(theta)));
        }
    }
    let never_grows = ratios.iter().map(|row| Holds::below(row.ends(), 1.0));
    let never_grows = Holds::all(never_grows);
    let no_draw_grows = grew.iter().all(|row| row.estimate.0 == 0.0);
    let rules = vec![
        Rule::needed(
            format!("lengths are kept: the mean square is 1 at every width, within {ERRORS} standard errors"),
            lengths_hold.into(),
        ),
        Rule::needed(
            format!(
                "they vary the less the wider the layer: as m^({exponent:.3}), between -.55 and -.45 is asked for"
            ),
            (-0.55..=-0.45).contains(&exponent).into(),
        ),
        Rule::needed(
            format!("angles follow cos θ' = (sin θ + (π - θ) cos θ)/π, within {ERRORS} standard errors"),
            angles_hold.into(),
        ),
        Rule::needed(
            "in the mean two inputs are never further apart behind the layer (upper ends below 1)",
            never_grows,
        ),
        Rule::unless(
            "nor are they in a single layer",
            no_draw_grows.into(),
            format!(
                "in the mean over layers, and for wide ones: of single layers of 1,024 units {:.0} % moved two inputs at an \
                 angle of 0.1 further apart",
                100.0 * grew[0].estimate.0
            ),
        ),
        Rule::unless(
            "distances are kept, too",
            Holds::all(ratios.iter().map(|row| Holds::above(row.ends(), 0.95))),
            "distances are nearly kept between inputs that lie close together, and shrink by up to √½ between opposite ones",
        ),
    ];
    let table = |title: &str, unit, rows| Table { title: title.to_owned(), unit, rows };
    Ok(Finding {
        words: words(),
        tables: vec![
            table("mean square length", Unit::Number, lengths),
            table("its standard deviation times √m", Unit::Number, spreads),
            table("angle behind a layer of 1024, of angle", Unit::Number, angles),
            table("distance behind : before", Unit::Number, ratios),
            table("single layers that moved two inputs apart", Unit::Share, grew),
            table("a right angle through layers of 256", Unit::Number, depth),
        ],
        rules,
        held_fixed: HELD_FIXED.to_owned(),
    })
}

const HELD_FIXED: &str = "inputs of length 1 in a plane (Gaussian weights look alike from all sides), weights N(0, 2/m), no biases, before \
     any training.";

/// The angle behind a wide layer of two inputs at the angle `theta` (Cho & Saul 2009, n = 1).
fn after(theta: f64) -> f64 {
    ((theta.sin() + (PI - theta) * theta.cos()) / PI).clamp(-1.0, 1.0).acos()
}

/// How much of the distance of two unit inputs at the angle `theta` is left.
fn ratio_of(theta: f64) -> f64 {
    (0.5 * after(theta)).sin() / (0.5 * theta).sin()
}

/// Distances behind the layer divided by those before it.
fn ratio(arm: &Arm) -> Vec<f64> {
    let (before, behind) =
        (arm.at_the_end(Quantity::DistanceMin, 0), arm.at_the_end(Quantity::DistanceMin, 1));
    before.iter().zip(behind).map(|(before, behind)| behind / before).collect()
}

/// Whether the mean of `values` lies within [`ERRORS`] standard errors of `theory`, or is it up to rounding where nothing
/// varies: opposite inputs share no unit, and are at a right angle behind every layer.
fn is_near(values: &[f64], theory: f64) -> bool {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    (mean - theory).abs() <= ERRORS * (variance / n).sqrt() + 1e-12
}

/// The standard deviation of `values` times √m, beside √5; its logarithm has the standard error √((κ − 1)/4n), where κ is the
/// kurtosis.
fn spread(what: String, values: &[f64], m: f64) -> Row {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let (variance, kurtosis) = (moment(2) * n / (n - 1.0), moment(4) / (moment(2) * moment(2)));
    let sd = (variance * m).sqrt();
    let error = ((kurtosis - 1.0) / (4.0 * n)).sqrt();
    let ci95 = [-1.96, 1.96].map(|z: f64| sd * (z * error).exp());
    Row::new(what, values.len() as u64, sd, Some(ci95)).beside(Reference::theory(5.0_f64.sqrt()))
}

fn words() -> Vec<String> {
    vec![
        "Take two inputs of length 1 and send them through a layer of m relu units whose weights are drawn from N(0, 2/m). \
         Lengths are kept in the mean, and the wider the layer the more exactly. Angles shrink: half of all units are off for \
         each input, and those that are on for both see them on the same side."
            .to_owned(),
        "So the layer pulls inputs together, hardly where they are close already and by up to √½ where they are opposite. Behind \
         many layers all inputs point almost the same way: the angle falls like 3π/L only after very many layers L, but it falls."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests;
