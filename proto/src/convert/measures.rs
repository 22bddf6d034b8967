//! Measures as messages and back.

use seedsweep_common::measure::{self, Measured, Quantity, Series};

use super::InvalidMessage;
use crate::v1;

impl From<Quantity> for v1::Quantity {
    fn from(quantity: Quantity) -> Self {
        match quantity {
            Quantity::Curve => Self::Curve,
            Quantity::UnitsByBits => Self::UnitsByBits,
            Quantity::Units => Self::Units,
            Quantity::UnitDifference => Self::UnitDifference,
            Quantity::EffectiveRank => Self::EffectiveRank,
            Quantity::AngleMin => Self::AngleMin,
            Quantity::AngleMedian => Self::AngleMedian,
            Quantity::DistanceMin => Self::DistanceMin,
            Quantity::NormMedian => Self::NormMedian,
            Quantity::Rank => Self::Rank,
            Quantity::LambdaMin => Self::LambdaMin,
            Quantity::LateRate => Self::LateRate,
            Quantity::MoveMax => Self::MoveMax,
        }
    }
}

/// `measures` as messages.
pub fn measures(measures: &[Measured]) -> Vec<v1::Measured> {
    let series = |series: &Series| v1::Series {
        quantity: v1::Quantity::from(series.quantity).into(),
        layer: series.layer,
        values: series.values.clone(),
    };
    let table = |table: &Measured| v1::Measured {
        steps: table.steps.clone(),
        series: table.series.iter().map(series).collect(),
    };
    measures.iter().map(table).collect()
}

/// Reads measures and checks them against their bounds.
pub fn read_measures(messages: &[v1::Measured]) -> Result<Vec<Measured>, InvalidMessage> {
    let tables = messages.iter().map(|message| {
        let series = message.series.iter().map(|series| {
            Ok(Series {
                quantity: quantity(series.quantity)?,
                layer: series.layer,
                values: series.values.clone(),
            })
        });
        Ok(Measured { steps: message.steps.clone(), series: series.collect::<Result<_, InvalidMessage>>()? })
    });
    let measures: Vec<Measured> = tables.collect::<Result<_, InvalidMessage>>()?;
    measure::check(&measures).map_err(|wrong| InvalidMessage::new("measures", wrong.to_string()))?;
    Ok(measures)
}

fn quantity(number: i32) -> Result<Quantity, InvalidMessage> {
    let known = Quantity::ALL.into_iter().find(|&quantity| v1::Quantity::from(quantity) as i32 == number);
    known.ok_or_else(|| {
        InvalidMessage::new("measures.series.quantity", format!("is {number}: no such quantity is known"))
    })
}
