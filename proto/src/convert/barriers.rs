//! Barriers and the pairs of trials that they lie between.

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::fingerprint::ParameterDigest;
use seedsweep_common::id::{ExperimentIndex, TrialId};

use super::{InvalidMessage, required};
use crate::v1;

impl From<&Pair> for v1::BarrierPair {
    fn from(pair: &Pair) -> Self {
        Self {
            experiment_a: pair.a.experiment.0,
            restart_a: pair.a.restart,
            experiment_b: pair.b.experiment.0,
            restart_b: pair.b.restart,
        }
    }
}

impl TryFrom<&v1::BarrierPair> for Pair {
    type Error = InvalidMessage;

    fn try_from(pair: &v1::BarrierPair) -> Result<Self, Self::Error> {
        let trial = |experiment, restart| TrialId { experiment: ExperimentIndex(experiment), restart };
        let (a, b) = (trial(pair.experiment_a, pair.restart_a), trial(pair.experiment_b, pair.restart_b));
        if a < b {
            Ok(Self { a, b })
        } else {
            Err(InvalidMessage::new("pair", "must name the smaller trial first"))
        }
    }
}

impl From<&Barrier> for v1::Barrier {
    fn from(barrier: &Barrier) -> Self {
        Self {
            loss_a: Some(barrier.loss_a),
            loss_b: Some(barrier.loss_b),
            height: Some(barrier.height),
            digest_a: barrier.digest_a.to_vec(),
            digest_b: barrier.digest_b.to_vec(),
        }
    }
}

impl TryFrom<&v1::Barrier> for Barrier {
    type Error = InvalidMessage;

    fn try_from(barrier: &v1::Barrier) -> Result<Self, Self::Error> {
        let height = required("height", barrier.height)?;
        if height.is_nan() || height < 0.0 {
            return Err(InvalidMessage::new("height", format!("is {height}: it must be at least 0")));
        }
        Ok(Self {
            loss_a: finite("loss_a", barrier.loss_a)?,
            loss_b: finite("loss_b", barrier.loss_b)?,
            height,
            digest_a: digest("digest_a", &barrier.digest_a)?,
            digest_b: digest("digest_b", &barrier.digest_b)?,
        })
    }
}

fn finite(field: &str, loss: Option<f64>) -> Result<f64, InvalidMessage> {
    let loss = required(field, loss)?;
    let problem = || InvalidMessage::new(field, format!("is {loss}: a basin has a finite loss"));
    if loss.is_finite() { Ok(loss) } else { Err(problem()) }
}

fn digest(field: &str, bytes: &[u8]) -> Result<ParameterDigest, InvalidMessage> {
    let problem = |_| InvalidMessage::new(field, format!("has {} bytes: 16 are needed", bytes.len()));
    bytes.try_into().map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barrier() -> Barrier {
        Barrier {
            loss_a: -0.0,
            loss_b: 0.1 + 0.2,
            height: f64::INFINITY,
            digest_a: [1; 16],
            digest_b: [2; 16],
        }
    }

    #[test]
    fn barriers_cross_the_wire_bit_for_bit() {
        let bytes = prost::Message::encode_to_vec(&v1::Barrier::from(&barrier()));
        let back = <v1::Barrier as prost::Message>::decode(&bytes[..]).unwrap();
        assert!(Barrier::try_from(&back).unwrap().same_bits(&barrier()));
        let trial = |experiment, restart| TrialId { experiment: ExperimentIndex(experiment), restart };
        let pair = Pair::new(trial(3, 1), trial(0, 9));
        let message = v1::BarrierPair::from(&pair);
        assert_eq!(Pair::try_from(&message).unwrap(), pair);
        let v1::BarrierPair { experiment_a, restart_a, experiment_b, restart_b } = message;
        let turned = v1::BarrierPair {
            experiment_a: experiment_b,
            restart_a: restart_b,
            experiment_b: experiment_a,
            restart_b: restart_a,
        };
        assert_eq!(Pair::try_from(&turned).unwrap_err().field, "pair");
    }

    #[test]
    fn broken_barriers_are_refused_by_field() {
        type Edit = fn(&mut v1::Barrier);
        let edits: [(&str, Edit); 6] = [
            ("height", |b| b.height = None),
            ("height", |b| b.height = Some(-1e-300)),
            ("height", |b| b.height = Some(f64::NAN)),
            ("loss_a", |b| b.loss_a = Some(f64::INFINITY)),
            ("loss_b", |b| b.loss_b = None),
            ("digest_b", |b| b.digest_b.truncate(15)),
        ];
        for (field, edit) in edits {
            let mut message = v1::Barrier::from(&barrier());
            edit(&mut message);
            assert_eq!(Barrier::try_from(&message).unwrap_err().field, field);
        }
    }
}
