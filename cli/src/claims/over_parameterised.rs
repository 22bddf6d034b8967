//! S6: wide networks reach zero loss, and how fast (Du, Zhai, Poczos & Singh 2019, arXiv 1810.02054).

use seedsweep_common::measure::Quantity;
use seedsweep_common::outcome::StopReason;
use seedsweep_shell::error::CliError;

use super::finding::{Finding, Holds, Reference, Row, Rule, Share, Table, Unit};
use super::ran::{Arm, Ran, middle};
use super::{BuiltIn, Claim};

pub(super) static CLAIM: Claim = Claim {
    name: "over-parameterised",
    number: "s6",
    question: "Over-parameterised networks reach a global minimum by gradient descent from random starts.",
    sweeps: &[BuiltIn {
        file: "over-parameterised.toml",
        spec: include_str!("../../../examples/claims/over-parameterised.toml"),
        files: &[("ten-points.csv", include_bytes!("../../../examples/claims/ten-points.csv"))],
        quick: &[
            "experiment.fit-4.restarts=40",
            "experiment.fit-8.restarts=40",
            "experiment.fit-12.restarts=40",
            "experiment.fit-16.restarts=40",
            "experiment.fit-24.restarts=40",
            "experiment.fit-32.restarts=40",
            "experiment.fit-64.restarts=40",
            "experiment.fit-128.restarts=40",
            "experiment.rate-256.restarts=8",
            "experiment.rate-1024.restarts=6",
            "experiment.rate-4096.restarts=4",
            "experiment.rate-16384.restarts=1",
        ],
    }],
    judge,
};

/// Smallest eigenvalue of H_ij = x_i·x_j (π − arccos x_i·x_j)/2π on the ten points, in closed form; a test of the worker
/// computes it again.
const LAMBDA_0: f64 = 0.055_002_947_5;
/// The step on half the sum of squares.
const ETA: f64 = 0.5;
/// Widths, with the prototype's runs of 100 that fitted the points.
const FITTED: [(u32, u64); 8] =
    [(4, 24), (8, 60), (12, 92), (16, 97), (24, 100), (32, 100), (64, 100), (128, 100)];
/// From this width on the claim must hold.
const WIDE: u32 = 24;
/// Share of runs that must fit.
const FITS: f64 = 0.9;
/// Widths, with the prototype's median of late rate : λ₀, the range that is asked for, and the prototype's largest move of
/// a unit × √m.
const RATES: [(u32, f64, Option<[f64; 2]>, f64); 4] = [
    (256, 0.40, None, 17.0),
    (1024, 0.63, Some([0.5, 1.05]), 15.0),
    (4096, 0.82, Some([0.75, 1.05]), 16.0),
    (16_384, 0.90, None, 18.0),
];
/// How far from their mean the moves × √m of all widths may lie: √m doubles from one width to the next.
const STEADY: f64 = 0.25;
/// From this width on the bound of the theorem is asked for.
const BOUNDED: u32 = 1024;

fn judge(ran: &[Ran]) -> Result<Finding, CliError> {
    let [ran] = ran else { return Err(super::wrong_sweeps(&CLAIM)) };
    let mut fits = Vec::new();
    let mut wide = Share { hits: 0, n: 0 };
    let mut each_wide = Vec::new();
    for (m, reference) in FITTED {
        let share = ran.arm(&format!("fit-{m}"))?.share(|o| o.stop_reason == StopReason::TargetReached);
        let what = format!("{m} units, {} weights", 5 * m);
        fits.push(Row::share(what, share).beside(Reference::counted(reference, 100)));
        if m >= WIDE {
            wide = Share { hits: wide.hits + share.hits, n: wide.n + share.n };
            each_wide.push(Holds::above(Some(share.ci95()), FITS));
        }
    }
    let mut rates = Vec::new();
    let mut moves = Vec::new();
    let mut in_range = Vec::new();
    let mut violations = Vec::new();
    let mut medians = Vec::new();
    let mut kept = Share { hits: 0, n: 0 };
    for (m, reference, range, reference_move) in RATES {
        let arm = ran.arm(&format!("rate-{m}"))?;
        let ratios: Vec<f64> =
            arm.at_the_end(Quantity::LateRate, 0).iter().map(|rate| rate / LAMBDA_0).collect();
        rates.push(middle(format!("{m} units"), &ratios).beside(Reference::prototype(reference)));
        let median = rates[rates.len() - 1].estimate.0;
        in_range.extend(range.map(|[low, high]| Holds::from((low..=high).contains(&median))));
        medians.push(median);
        let scaled: Vec<f64> =
            arm.at_the_end(Quantity::MoveMax, 1).iter().map(|far| far * f64::from(m).sqrt()).collect();
        moves.push(middle(format!("{m} units"), &scaled).beside(Reference::prototype(reference_move)));
        let within = below_the_bound(&arm);
        violations.push(Row::share(format!("{m} units"), within));
        if m >= BOUNDED {
            kept = Share { hits: kept.hits + within.hits, n: kept.n + within.n };
        }
    }
    let mean_move = moves.iter().map(|row| row.estimate.0).sum::<f64>() / moves.len() as f64;
    let steady = moves.iter().all(|row| (row.estimate.0 / mean_move - 1.0).abs() <= STEADY);
    let rises = medians.windows(2).all(|pair| pair[0] < pair[1]);
    let rules = vec![
        Rule::needed(
            format!(
                "with {WIDE} units or more the ten points are fitted: in {} runs (lower end of the interval: {:.0} %), and in over \
                 {:.0} % at every single width (lower ends)",
                wide.words(),
                100.0 * wide.ci95()[0],
                100.0 * FITS
            ),
            Holds::all([Holds::above(Some(wide.ci95()), FITS), Holds::all(each_wide)]),
        ),
        Rule::needed(
            format!(
                "the loss stays below the bound (1 - ηλ₀/2)^t of the theorem at every step looked at, from {BOUNDED} units on \
                 (in {} runs)",
                kept.words()
            ),
            Holds::from(kept.n > 0 && kept.hits == kept.n),
        ),
        Rule::needed(
            "the late rate rises with the width towards λ₀: 0.5 to 1.05 times λ₀ is asked for at 1,024 units, 0.75 to 1.05 at 4,096 \
             (medians)",
            Holds::all([Holds::from(rises), Holds::all(in_range)]),
        ),
        Rule::needed(
            format!(
                "the unit that moves furthest moves by about {mean_move:.0}/√m, for m units (the medians × √m lie within \
                 {:.0} % of their mean)",
                100.0 * STEADY
            ),
            Holds::from(steady),
        ),
    ];
    Ok(Finding {
        words: words(&fits),
        tables: vec![
            Table { title: "reach zero loss".to_owned(), unit: Unit::Share, rows: fits },
            Table {
                title: "late rate of training, divided by λ₀ (median)".to_owned(),
                unit: Unit::Number,
                rows: rates,
            },
            Table {
                title: "how far the unit moved that moved furthest, × √m (median)".to_owned(),
                unit: Unit::Number,
                rows: moves,
            },
            Table { title: "below the bound of the theorem".to_owned(), unit: Unit::Share, rows: violations },
        ],
        rules,
        held_fixed: HELD_FIXED.to_owned(),
    })
}

const HELD_FIXED: &str = "ten points in five dimensions with their targets, one hidden layer of relu units whose output weights ±1/√m are \
     not trained, gradient descent with step 0.5 on half the sum of squares. Zero loss means below 1e-6 within 6,000 steps. That \
     the theorem's own widths (n⁶/λ₀⁴: astronomic) are needed is not said: the bound is only looked at, on the curve every 25 steps.";

/// How many runs of `arm` stay below (1 − ηλ₀/2)^t of their first loss at every point of their curve.
fn below_the_bound(arm: &Arm) -> Share {
    let curves = arm.series(Quantity::Curve, 0);
    let is_below = |curve: &&Vec<(u64, f64)>| {
        let first = curve.first().map_or(f64::NAN, |&(_, loss)| loss);
        // after so many steps the bound is far below rounding, which is where training stops
        curve.iter().all(|&(step, loss)| loss <= first * (1.0 - 0.5 * ETA * LAMBDA_0).powf(step as f64))
    };
    Share { hits: curves.iter().filter(is_below).count() as u64, n: arm.n() }
}

fn words(fits: &[Row]) -> Vec<String> {
    let rate = |row: &Row| 100.0 * row.estimate.0;
    let (narrow, last) = (fits.first().map_or(f64::NAN, rate), fits.last().map_or(f64::NAN, rate));
    vec![
        format!(
            "With 4 units gradient descent finds a perfect fit of the ten points in {narrow:.0} % of runs, with 128 in {last:.0} %: \
             the more weights there are to spare, the fewer dead ends are left. No run knew where to go; width alone does it."
        ),
        "In a wide network no unit moves far: four times as many units, and even the one that moves furthest goes only half as \
         far. So training is almost that of a linear model, whose speed is known: the \
         slowest part of the error falls at the rate of λ₀, the smallest eigenvalue of the neural tangent kernel. That is the \
         late rate; the early one is set by the largest eigenvalue and must not be taken for it."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests;
