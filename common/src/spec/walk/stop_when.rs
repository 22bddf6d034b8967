//! `stop_when`: what ends an experiment before its last restart.

use super::reader::{Mode, Reader, Within};
use crate::analysis::stopping::FIRST_LOOK;
use crate::limits;
use crate::spec::diagnostic::{Diagnostics, Span};
use crate::spec::document::Table;
use crate::spec::keys;
use crate::spec::model::StopWhen;

/// Reads the table `stop_when`: the goals, and after how many restarts it ends in any case.
pub(super) fn read(table: &Table, at: Span, out: &mut Diagnostics<'_>) -> Option<(StopWhen, u32)> {
    let mut reader = Reader::new("`stop_when`", table, at, Mode::Whole, out);
    reader.keys(&keys::STOP_WHEN);
    let same_pair_width = reader.optional_number("same_pair_width", Within::OpenUnit);
    let coverage = reader.optional_number("coverage", Within::OpenUnit);
    // fewer would end before the first look
    let most = u32::try_from(limits::TRIALS_PER_SWEEP).unwrap_or(u32::MAX);
    let max_restarts = reader.count("max_restarts", FIRST_LOOK, most, None);
    let rule = StopWhen { same_pair_width: same_pair_width?, coverage: coverage? };
    let is_known = table.entries().iter().all(|entry| keys::STOP_WHEN.known.contains(&&*entry.key));
    if rule.same_pair_width.is_none() && rule.coverage.is_none() {
        // a goal that was written wrong was reported
        if !is_known {
            return None;
        }
        let label = "for instance `same_pair_width = 0.1` or `coverage = 0.95`; without one use `restarts`";
        out.error(at, "`stop_when` needs a goal", label);
        return None;
    }
    Some((rule, max_restarts?))
}
