//! Changes of a plan as records: extensions and stops.

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::progress::{Extension, Looks, PlanChange, StoppedBy};
use seedsweep_proto::store::v1::plan_record::Change;
use seedsweep_proto::store::v1::{Extended, PlanRecord, Stopped};

/// The record of a change.
pub(super) fn encode(experiment: ExperimentIndex, change: PlanChange) -> PlanRecord {
    let change = match change {
        PlanChange::Extended(Extension { from, to }) => Change::Extended(Extended { from, to }),
        PlanChange::Stopped(Looks { looks, restarts, stop }) => {
            Change::Stopped(Stopped { restarts, looks, goals: stop == Some(StoppedBy::Goals) })
        }
    };
    PlanRecord { experiment: experiment.0, change: Some(change) }
}

/// The change that `record` tells of; `None` if it is none of ours.
pub(super) fn decode(record: &PlanRecord) -> Option<(ExperimentIndex, PlanChange)> {
    let change = match record.change? {
        Change::Extended(Extended { from, to }) => PlanChange::Extended(Extension { from, to }),
        Change::Stopped(Stopped { restarts, looks, goals }) => {
            let stop = Some(if goals { StoppedBy::Goals } else { StoppedBy::MaxRestarts });
            PlanChange::Stopped(Looks { looks, restarts, stop })
        }
    };
    Some((ExperimentIndex(record.experiment), change))
}
