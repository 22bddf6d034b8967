//! In which fields two outcomes of one trial differ, bit for bit.

use seedsweep_common::digest::write_hex;
use seedsweep_common::outcome::Outcome;
use serde::Serialize;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) field: &'static str,
    /// As stored; floats with all their digits.
    pub(crate) stored: String,
    /// As trained here.
    pub(crate) here: String,
}

/// All fields in which `here` differs from `stored`; none if and only if they are equal in every bit.
pub(crate) fn differences(stored: &Outcome, here: &Outcome) -> Vec<Difference> {
    let fields = fields(stored).into_iter().zip(fields(here));
    let differ = fields.filter(|((_, a), (_, b))| a != b);
    let mut found: Vec<Difference> =
        differ.map(|((field, stored), (_, here))| Difference { field, stored, here }).collect();
    if found.is_empty() && !stored.same_bits(here) {
        let (stored, here) = ("…".to_owned(), "…".to_owned());
        found.push(Difference { field: "bits that print alike", stored, here });
    }
    found
}

fn fields(outcome: &Outcome) -> Vec<(&'static str, String)> {
    // Rust prints floats with as many digits as tell them apart
    let optional = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let counted = |count: Option<u32>| count.map_or_else(|| "none".to_owned(), |count| count.to_string());
    let polish = outcome.polish.as_ref();
    let mut digest = String::new();
    // writing to a string does not fail
    let _ = write_hex(&mut digest, &outcome.digest);
    vec![
        ("stop_reason", outcome.stop_reason.name().to_owned()),
        ("steps", outcome.steps.to_string()),
        ("digest", digest),
        ("loss_train", format!("{:?}", outcome.loss_train)),
        ("loss_test", optional(outcome.loss_test)),
        ("accuracy_train", optional(outcome.accuracy_train)),
        ("accuracy_test", optional(outcome.accuracy_test)),
        ("grad_norm", format!("{:?}", outcome.grad_norm)),
        ("certificate", outcome.certificate().map_or("none", |certificate| certificate.name()).to_owned()),
        ("loss_polished", optional(polish.map(|polish| polish.loss))),
        ("polish_displacement", optional(polish.map(|polish| polish.displacement))),
        ("polish_steps", polish.map_or_else(|| "none".to_owned(), |polish| polish.steps.to_string())),
        ("polish_grad_max", optional(polish.map(|polish| polish.grad_max))),
        ("lambda_min", optional(polish.map(|polish| polish.lambda_min))),
        ("lambda_max", optional(polish.map(|polish| polish.lambda_max))),
        ("sketch_raw", format!("{:?}", outcome.sketch_raw)),
        ("null_directions", counted(polish.and_then(|polish| polish.null_directions))),
        ("explained", counted(polish.and_then(|polish| polish.explained))),
        ("null_space", format!("{:?}", polish.and_then(|polish| polish.null_space.as_ref()))),
        (
            "sketch_canonical",
            outcome.sketch_canonical.map_or_else(|| "none".to_owned(), |sketch| format!("{sketch:?}")),
        ),
        ("sketch_function", format!("{:?}", outcome.sketch_function)),
        ("measures", format!("{:?}", outcome.measures)),
    ]
}

#[cfg(test)]
mod tests {
    use seedsweep_common::outcome::StopReason;

    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            restart: 3,
            stop_reason: StopReason::StepLimit,
            steps: 10,
            loss_train: 0.1,
            loss_test: None,
            accuracy_train: Some(1.0),
            accuracy_test: None,
            grad_norm: f64::NAN,
            digest: [7; 16],
            polish: None,
            sketch_raw: [0.0; 16],
            sketch_canonical: None,
            sketch_function: [f64::NAN; 16],
            measures: Vec::new(),
        }
    }

    #[test]
    fn what_differs_is_named_down_to_the_last_bit() {
        let stored = outcome();
        assert_eq!(differences(&stored, &stored.clone()), []);
        let here = Outcome { loss_train: 0.1_f64.next_up(), steps: 11, ..outcome() };
        let found = differences(&stored, &here);
        assert_eq!(found.iter().map(|d| d.field).collect::<Vec<_>>(), ["steps", "loss_train"]);
        assert_eq!((found[1].stored.as_str(), found[1].here.as_str()), ("0.1", "0.10000000000000002"));
        let zero = Outcome { loss_train: 0.0, ..outcome() };
        assert_eq!(differences(&zero, &Outcome { loss_train: -0.0, ..outcome() })[0].here, "-0.0");
    }

    #[test]
    fn bits_that_print_alike_still_differ() {
        let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
        let found = differences(&outcome(), &Outcome { grad_norm: other_nan, ..outcome() });
        assert_eq!(found.len(), 1);
    }
}
