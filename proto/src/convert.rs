//! Checked conversions between messages and the vocabulary of `seedsweep-common`.
//!
//! Outgoing conversions cannot fail; incoming ones name the field that is wrong. Unknown enum values are
//! refused, so that nothing is ever stored as something it was not.

use seedsweep_common::digest::ParseDigestError;
use seedsweep_common::id::SweepId;
use seedsweep_common::outcome::{Certificate, NullSpace, Outcome, Polish, Provenance, StopReason, Symmetry};
use seedsweep_common::range::RestartRange;

use crate::v1;

mod barriers;
mod measures;

pub use measures::{measures, read_measures};

/// A message that breaks its contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct InvalidMessage {
    /// Path of the field in the request.
    pub field: String,
    /// The value and what is allowed.
    pub problem: String,
}

impl InvalidMessage {
    /// `field` breaks its contract by `problem`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The same problem seen from the message that holds this one in its field `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

/// Reads a sweep's id from its 64 hex digits.
pub fn sweep_id(field: &str, text: &str) -> Result<SweepId, InvalidMessage> {
    text.parse().map_err(|error: ParseDigestError| InvalidMessage::new(field, error.to_string()))
}

/// Reads a task's range of restarts.
pub fn restarts(task: &v1::Task) -> Result<RestartRange, InvalidMessage> {
    RestartRange::new(task.start, task.end).ok_or_else(|| {
        InvalidMessage::new(
            "task.end",
            format!("is {}: it must be above `task.start` = {}", task.end, task.start),
        )
    })
}

impl From<StopReason> for v1::StopReason {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Converged => Self::Converged,
            StopReason::TargetReached => Self::TargetReached,
            StopReason::StepLimit => Self::StepLimit,
            StopReason::Diverged => Self::Diverged,
        }
    }
}

/// Reads a stop reason from its number.
pub fn stop_reason(number: i32) -> Result<StopReason, InvalidMessage> {
    match v1::StopReason::try_from(number) {
        Ok(v1::StopReason::Converged) => Ok(StopReason::Converged),
        Ok(v1::StopReason::TargetReached) => Ok(StopReason::TargetReached),
        Ok(v1::StopReason::StepLimit) => Ok(StopReason::StepLimit),
        Ok(v1::StopReason::Diverged) => Ok(StopReason::Diverged),
        Ok(v1::StopReason::Unspecified) | Err(_) => {
            Err(InvalidMessage::new("stop_reason", format!("is {number}: no such stop reason is known")))
        }
    }
}

impl From<Certificate> for v1::Certificate {
    fn from(certificate: Certificate) -> Self {
        match certificate {
            Certificate::Minimum => Self::Minimum,
            Certificate::Flat => Self::Flat,
            Certificate::Saddle => Self::Saddle,
            Certificate::Kink => Self::Kink,
            Certificate::NotConverged => Self::NotConverged,
            // said by the stop reason: a diverged trial has no polish to carry a certificate
            Certificate::Diverged => Self::Unspecified,
        }
    }
}

/// Reads a polish's certificate from its number.
pub fn certificate(number: i32) -> Result<Certificate, InvalidMessage> {
    match v1::Certificate::try_from(number) {
        Ok(v1::Certificate::Minimum) => Ok(Certificate::Minimum),
        Ok(v1::Certificate::Flat) => Ok(Certificate::Flat),
        Ok(v1::Certificate::Saddle) => Ok(Certificate::Saddle),
        Ok(v1::Certificate::Kink) => Ok(Certificate::Kink),
        Ok(v1::Certificate::NotConverged) => Ok(Certificate::NotConverged),
        Ok(v1::Certificate::Unspecified) | Err(_) => Err(InvalidMessage::new(
            "polish.certificate",
            format!("is {number}: no such certificate is known"),
        )),
    }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        Self {
            restart: outcome.restart,
            stop_reason: v1::StopReason::from(outcome.stop_reason).into(),
            steps: outcome.steps,
            loss_train: Some(outcome.loss_train),
            loss_test: outcome.loss_test,
            accuracy_train: outcome.accuracy_train,
            accuracy_test: outcome.accuracy_test,
            grad_norm: Some(outcome.grad_norm),
            digest: outcome.digest.to_vec(),
            polish: outcome.polish.as_ref().map(Into::into),
            sketch_raw: outcome.sketch_raw.to_vec(),
            sketch_function: outcome.sketch_function.to_vec(),
            sketch_canonical: outcome.sketch_canonical.map_or(Vec::new(), Vec::from),
            measures: measures(&outcome.measures),
        }
    }
}

impl From<Symmetry> for v1::Symmetry {
    fn from(symmetry: Symmetry) -> Self {
        match symmetry {
            Symmetry::DeadUnit => Self::DeadUnit,
            Symmetry::SilentUnit => Self::SilentUnit,
            Symmetry::UnitScale => Self::UnitScale,
            Symmetry::UnitCopy => Self::UnitCopy,
            Symmetry::ConstantUnit => Self::ConstantUnit,
            Symmetry::UnitMixing => Self::UnitMixing,
            Symmetry::LogitShift => Self::LogitShift,
            Symmetry::InputRotation => Self::InputRotation,
            Symmetry::UnseenWeight => Self::UnseenWeight,
        }
    }
}

fn symmetry(number: i32) -> Result<Symmetry, InvalidMessage> {
    match v1::Symmetry::try_from(number) {
        Ok(v1::Symmetry::DeadUnit) => Ok(Symmetry::DeadUnit),
        Ok(v1::Symmetry::SilentUnit) => Ok(Symmetry::SilentUnit),
        Ok(v1::Symmetry::UnitScale) => Ok(Symmetry::UnitScale),
        Ok(v1::Symmetry::UnitCopy) => Ok(Symmetry::UnitCopy),
        Ok(v1::Symmetry::ConstantUnit) => Ok(Symmetry::ConstantUnit),
        Ok(v1::Symmetry::UnitMixing) => Ok(Symmetry::UnitMixing),
        Ok(v1::Symmetry::LogitShift) => Ok(Symmetry::LogitShift),
        Ok(v1::Symmetry::InputRotation) => Ok(Symmetry::InputRotation),
        Ok(v1::Symmetry::UnseenWeight) => Ok(Symmetry::UnseenWeight),
        Ok(v1::Symmetry::Unspecified) | Err(_) => Err(InvalidMessage::new(
            "null_space.explained_by.symmetry",
            format!("is {number}: no such symmetry is known"),
        )),
    }
}

impl From<&NullSpace> for v1::NullSpace {
    fn from(null_space: &NullSpace) -> Self {
        let explanation = |&(symmetry, directions): &(Symmetry, u32)| v1::Explanation {
            symmetry: v1::Symmetry::from(symmetry).into(),
            directions,
        };
        Self {
            at_least: null_space.at_least,
            explained_by: null_space.explained_by.iter().map(explanation).collect(),
        }
    }
}

impl TryFrom<&v1::NullSpace> for NullSpace {
    type Error = InvalidMessage;

    fn try_from(null_space: &v1::NullSpace) -> Result<Self, Self::Error> {
        let mut explained_by: Vec<(Symmetry, u32)> = Vec::new();
        for explanation in &null_space.explained_by {
            let symmetry = symmetry(explanation.symmetry)?;
            if explained_by.last().is_some_and(|(before, _)| *before >= symmetry) {
                let order = "does not ascend: each kind comes once".to_owned();
                return Err(InvalidMessage::new("null_space.explained_by.symmetry", order));
            }
            if explanation.directions == 0 {
                let least = "is 0: a kind that explains nothing is left out".to_owned();
                return Err(InvalidMessage::new("null_space.explained_by.directions", least));
            }
            explained_by.push((symmetry, explanation.directions));
        }
        Ok(Self { at_least: null_space.at_least, explained_by })
    }
}

impl From<&Polish> for v1::Polish {
    fn from(polish: &Polish) -> Self {
        Self {
            certificate: v1::Certificate::from(polish.certificate).into(),
            loss: Some(polish.loss),
            displacement: Some(polish.displacement),
            steps: polish.steps,
            grad_max: Some(polish.grad_max),
            lambda_min: Some(polish.lambda_min),
            lambda_max: Some(polish.lambda_max),
            null_directions: polish.null_directions,
            explained: polish.explained,
            null_space: polish.null_space.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<&v1::Polish> for Polish {
    type Error = InvalidMessage;

    fn try_from(polish: &v1::Polish) -> Result<Self, Self::Error> {
        Ok(Self {
            certificate: certificate(polish.certificate)?,
            loss: required("polish.loss", polish.loss)?,
            displacement: required("polish.displacement", polish.displacement)?,
            steps: polish.steps,
            grad_max: required("polish.grad_max", polish.grad_max)?,
            lambda_min: required("polish.lambda_min", polish.lambda_min)?,
            lambda_max: required("polish.lambda_max", polish.lambda_max)?,
            null_directions: polish.null_directions,
            explained: polish.explained,
            null_space: polish.null_space.as_ref().map(NullSpace::try_from).transpose()?,
        })
    }
}

impl TryFrom<&v1::Outcome> for Outcome {
    type Error = InvalidMessage;

    fn try_from(outcome: &v1::Outcome) -> Result<Self, Self::Error> {
        let stop_reason = stop_reason(outcome.stop_reason)?;
        let polish = outcome.polish.as_ref().map(Polish::try_from).transpose()?;
        let digest = outcome.digest.as_slice().try_into().map_err(|_| {
            InvalidMessage::new("digest", format!("has {} bytes: 16 are needed", outcome.digest.len()))
        })?;
        let loss_train = required("loss_train", outcome.loss_train)?;
        if stop_reason != StopReason::Diverged && !loss_train.is_finite() {
            let problem = format!("is {loss_train}: only a diverged trial may have no finite loss");
            return Err(InvalidMessage::new("loss_train", problem));
        }
        if stop_reason == StopReason::Diverged && polish.is_some() {
            return Err(InvalidMessage::new("polish", "is given for a diverged trial, which has none"));
        }
        Ok(Self {
            restart: outcome.restart,
            stop_reason,
            steps: outcome.steps,
            loss_train,
            loss_test: outcome.loss_test,
            accuracy_train: outcome.accuracy_train,
            accuracy_test: outcome.accuracy_test,
            grad_norm: required("grad_norm", outcome.grad_norm)?,
            digest,
            polish,
            sketch_raw: sketch("sketch_raw", &outcome.sketch_raw)?,
            sketch_canonical: match &outcome.sketch_canonical[..] {
                [] => None,
                values => Some(sketch("sketch_canonical", values)?),
            },
            sketch_function: sketch("sketch_function", &outcome.sketch_function)?,
            measures: read_measures(&outcome.measures)?,
        })
    }
}

fn required(field: &str, value: Option<f64>) -> Result<f64, InvalidMessage> {
    value.ok_or_else(|| InvalidMessage::new(field, "is missing"))
}

fn sketch<const N: usize>(field: &str, values: &[f64]) -> Result<[f64; N], InvalidMessage> {
    values
        .try_into()
        .map_err(|_| InvalidMessage::new(field, format!("has {} values: {N} are needed", values.len())))
}

impl From<&Provenance> for v1::Provenance {
    fn from(provenance: &Provenance) -> Self {
        Self {
            engine: provenance.engine.clone(),
            build: provenance.build.clone(),
            attempt: provenance.attempt,
            worker: provenance.worker.clone(),
            duration_ms: provenance.duration_ms,
        }
    }
}

impl From<&v1::Provenance> for Provenance {
    fn from(provenance: &v1::Provenance) -> Self {
        Self {
            engine: provenance.engine.clone(),
            build: provenance.build.clone(),
            attempt: provenance.attempt,
            worker: provenance.worker.clone(),
            duration_ms: provenance.duration_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use seedsweep_common::fingerprint::{CANONICAL_SKETCH_LENGTH, SKETCH_LENGTH};
    use seedsweep_common::measure::{Measured, Quantity, Series};

    use super::*;

    /// Every quantity, of layer 3.
    fn measured() -> Vec<Measured> {
        let values = vec![-0.0, f64::NAN, f64::INFINITY, 5e-324];
        let series = |quantity| Series { quantity, layer: 3, values: values.clone() };
        vec![Measured { steps: vec![0, 1, 70, 900], series: Quantity::ALL.map(series).to_vec() }]
    }

    fn outcome() -> Outcome {
        Outcome {
            restart: 7,
            stop_reason: StopReason::StepLimit,
            steps: 2400,
            loss_train: 0.1 + 0.2,
            loss_test: Some(-0.0),
            accuracy_train: None,
            accuracy_test: Some(1.0),
            grad_norm: f64::MIN_POSITIVE / 3.0,
            digest: [9; 16],
            polish: Some(Polish {
                certificate: Certificate::Saddle,
                loss: 1.5,
                displacement: 0.25,
                steps: 12,
                grad_max: 1e-11,
                lambda_min: f64::NAN,
                lambda_max: 3.0,
                null_directions: Some(0),
                explained: None,
                null_space: None,
            }),
            sketch_raw: std::array::from_fn(|i| i as f64 / 3.0),
            sketch_canonical: Some([-0.0; CANONICAL_SKETCH_LENGTH]),
            sketch_function: [0.0; SKETCH_LENGTH],
            measures: measured(),
        }
    }

    #[test]
    fn outcomes_cross_the_wire_bit_for_bit() {
        let mut diverged = Outcome { stop_reason: StopReason::Diverged, polish: None, ..outcome() };
        diverged.sketch_canonical = None;
        diverged.loss_train = f64::NAN;
        let mut zeros = outcome();
        (zeros.loss_train, zeros.grad_norm) = (-0.0, -0.0);
        let polish = zeros.polish.as_mut().unwrap();
        (polish.loss, polish.displacement, polish.grad_max) = (-0.0, -0.0, -0.0);
        (polish.lambda_min, polish.lambda_max) = (-0.0, -0.0);
        (polish.null_directions, polish.explained) = (Some(3), Some(2));
        let explained_by = vec![(Symmetry::UnitScale, 1), (Symmetry::LogitShift, 1)];
        polish.null_space = Some(NullSpace { at_least: 3, explained_by });
        for original in [outcome(), diverged, zeros] {
            let message = v1::Outcome::from(&original);
            let bytes = prost::Message::encode_to_vec(&message);
            let decoded = <v1::Outcome as prost::Message>::decode(&bytes[..]).unwrap();
            assert!(Outcome::try_from(&decoded).unwrap().same_bits(&original));
        }
    }

    #[test]
    fn broken_messages_are_refused_by_field() {
        type Edit = fn(&mut v1::Outcome);
        let edits: [(&str, Edit); 14] = [
            ("grad_norm", |o| o.grad_norm = None),
            ("polish.lambda_min", |o| o.polish.as_mut().unwrap().lambda_min = None),
            ("stop_reason", |o| o.stop_reason = 0),
            ("stop_reason", |o| o.stop_reason = 99),
            ("digest", |o| o.digest.truncate(15)),
            ("sketch_raw", |o| o.sketch_raw.push(0.0)),
            ("sketch_function", |o| o.sketch_function.clear()),
            ("sketch_canonical", |o| o.sketch_canonical.truncate(31)),
            ("loss_train", |o| o.loss_train = Some(f64::INFINITY)),
            ("polish.certificate", |o| o.polish.as_mut().unwrap().certificate = 77),
            ("measures.series.quantity", |o| o.measures[0].series[0].quantity = 0),
            ("measures.series.quantity", |o| o.measures[0].series[0].quantity = 99),
            ("measures", |o| o.measures[0].steps.reverse()),
            ("measures", |o| o.measures[0].series[1].values.truncate(1)),
        ];
        for (field, edit) in edits {
            let mut message = v1::Outcome::from(&outcome());
            edit(&mut message);
            assert_eq!(Outcome::try_from(&message).unwrap_err().field, field);
        }
    }
}
