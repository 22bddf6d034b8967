//! What the seal says was stored and the database does not hold, in words for people.

use seedsweep_common::barrier::Pair;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::range::IntervalSet;
use seedsweep_proto::store::v1::{Seal, SealedSweep};

use super::barriers;
use super::key::Key;
use super::scan::Scan;
use super::seal::{self, LostOutcomes};
use super::tally::SweepTally;

/// Most ranges that one message lists.
const RANGES_LISTED: usize = 8;

/// Adds to `notices` every broken row of `scan`, all that `seal` vouches for and `scan` did not find, and how many
/// records up to the sequence number `mark` are missing after that.
pub(super) fn name(seal: Option<&Seal>, mark: u64, scan: &Scan, notices: &mut Vec<String>) {
    for (key, problem) in &scan.broken {
        notices.push(format!("{}: {problem}", row_name(key)));
    }
    let last = scan.tally.sequence.max(mark);
    let Some(seal) = seal else {
        // earlier gaps may be losses that were told before
        if last > scan.tally.sequence {
            notices.push(unsealed(last - scan.tally.sequence));
        }
        return;
    };
    let before = notices.len();
    let none = SweepTally::default();
    for sealed in &seal.sweeps {
        if let Some(id) = seal::id_of(sealed) {
            name_in_sweep(id, sealed, scan.tally.sweeps.get(&id).unwrap_or(&none), notices);
        }
    }
    let gone = seal.rows.saturating_sub(scan.sealed.rows);
    if gone > 0 {
        notices.push(format!("{gone} of the {} records that the seal counts are missing", seal.rows));
    } else if notices.len() == before && scan.sealed.digest.to_bytes()[..] != seal.rows_digest[..] {
        notices.push("records that the seal vouches for have another content than it says".to_owned());
    }
    let given = last.saturating_sub(seal.sequence);
    let found = scan.tally.sum.rows - scan.sealed.rows;
    if given > found {
        notices.push(unsealed(given - found));
    }
}

fn unsealed(records: u64) -> String {
    format!(
        "{records} records that were stored after the last seal are missing: what they held is trained again"
    )
}

fn name_in_sweep(id: SweepId, sealed: &SealedSweep, found: &SweepTally, notices: &mut Vec<String>) {
    let sweep = id.short();
    let none = IntervalSet::new();
    for (number, experiment) in sealed.experiments.iter().enumerate() {
        let what = match seal::lost_outcomes(experiment, found.done.get(number).unwrap_or(&none)) {
            None => continue,
            Some(LostOutcomes::Restarts(restarts)) => restart_list(&restarts),
            Some(LostOutcomes::Count(count)) => format!("{count} restarts"),
        };
        notices.push(format!(
            "sweep {sweep}, experiment {number} (the first is 0): the outcomes of {what} are lost; they are trained \
             again"
        ));
    }
    let counts = [
        ("failed trials", sealed.failures, found.failures, "; they are tried again"),
        ("divergences", sealed.divergences, found.divergences, ""),
        ("pairs of minima", sealed.pairs, found.pairs, "; they are chosen again"),
        ("barriers", sealed.barriers, found.barriers, "; they are measured again"),
        ("reports", sealed.reports, found.reports, "; the report is computed again"),
    ];
    for (what, sealed, found, remedy) in counts {
        if found < sealed {
            notices.push(format!("sweep {sweep}: the records of {} {what} are lost{remedy}", sealed - found));
        }
    }
    if sealed.recorded && found.submission.is_none() {
        notices.push(format!("sweep {sweep}: its record is missing in the database"));
    }
}

/// `12 restarts (0-7, 9-12)`.
fn restart_list(restarts: &IntervalSet) -> String {
    let ranges: Vec<String> = restarts
        .iter()
        .take(RANGES_LISTED)
        .map(|range| match range.count() {
            1 => range.start().to_string(),
            _ => format!("{}-{}", range.start(), range.end() - 1),
        })
        .collect();
    let more = if restarts.iter().nth(RANGES_LISTED).is_some() { ", …" } else { "" };
    format!("{} restarts ({}{more})", restarts.count(), ranges.join(", "))
}

/// What a row would have held, from its key.
pub(super) fn row_name(key: &[u8]) -> String {
    let trial = |what: &str, sweep: SweepId, ExperimentIndex(experiment): ExperimentIndex, restart: u32| {
        format!("sweep {}, experiment {experiment} (the first is 0): {what} {restart}", sweep.short())
    };
    match Key::decode(key) {
        None => "a record of an unknown kind".to_owned(),
        Some(Key::Meta) => "the record of the store's identity".to_owned(),
        Some(Key::Sweep { sweep, .. }) => format!("the record of sweep {}", sweep.short()),
        Some(Key::Plan { sweep, .. }) => {
            format!("an extension or a stop of sweep {}", sweep.short())
        }
        Some(Key::Cancelled { sweep }) => format!("the cancellation of sweep {}", sweep.short()),
        Some(Key::Report { sweep, .. }) => format!("the report of sweep {}", sweep.short()),
        Some(Key::Outcomes { sweep, experiment, first_restart, .. }) => {
            trial("the outcomes from restart", sweep, experiment, first_restart)
        }
        Some(Key::Failed { sweep, experiment, restart, .. }) => {
            trial("the failure of restart", sweep, experiment, restart)
        }
        Some(Key::Pairs { sweep, .. }) => format!("the pairs of minima of sweep {}", sweep.short()),
        Some(Key::Barrier { sweep, pair: Pair { a, b }, .. }) => {
            let (a, b) = (barriers::trial_name(a), barriers::trial_name(b));
            format!("sweep {}: the barrier between {a} and {b}", sweep.short())
        }
        Some(Key::Divergence { sweep, experiment, restart, .. }) => {
            trial("a divergence of restart", sweep, experiment, restart)
        }
    }
}
