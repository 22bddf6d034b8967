//! Sweeps are kept twice, in the database and as files: what one of them lost comes back from the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use seedsweep_common::digest::Digest;
use seedsweep_common::id::SweepId;
use seedsweep_common::range::IntervalSet;
use seedsweep_proto::store::v1::Seal;

use super::commit::{Draft, NewRow};
use super::scan::Scan;
use super::tally::{Submission, Tally};
use super::{Record, StoreError, disk, plan, seal};

/// Where the spec of `sweep` is kept as a file.
pub(super) fn spec_path(directory: &Path, sweep: SweepId) -> PathBuf {
    directory.join(disk::SWEEPS).join(format!("{sweep}.toml"))
}

/// Writes the spec file of each sweep that has none: a crash came between its commit and its file.
pub(super) fn write_missing_specs(directory: &Path, scan: &Scan) -> Result<(), StoreError> {
    for (id, record) in &scan.sweeps {
        let path = spec_path(directory, *id);
        if !path.exists() {
            disk::write_durably(&path, record.spec_toml.as_bytes())?;
        }
    }
    Ok(())
}

/// The rows, numbered after `last_sequence`, that bring back lost sweeps (from their files) and lost cancellations (from the seal). Names them, and
/// what cannot come back.
pub(super) fn rows(
    specs: &BTreeMap<SweepId, SpecFile>,
    seal: Option<&Seal>,
    last_sequence: u64,
    scan: &Scan,
    notices: &mut Vec<String>,
) -> Vec<NewRow> {
    let stored = Tally { sequence: last_sequence, ..scan.tally.clone() };
    let mut draft = Draft::on(&stored);
    for (id, submission) in lost_sweeps(specs, seal, scan) {
        notices.push(format!("sweep {}: its record was lost and is restored from its spec file", id.short()));
        draft.add_sweep(id, &specs[&id].text, submission);
    }
    for sealed in seal.map_or(&[][..], |seal| &seal.sweeps) {
        let Some(id) = seal::id_of(sealed) else { continue };
        if sealed.cancelled && !scan.tally.sweeps.get(&id).is_some_and(|sweep| sweep.cancelled) {
            notices.push(format!("sweep {}: its cancellation was lost and is restored", id.short()));
            draft.add(&Record::Cancelled { id });
        }
    }
    restore_plans(seal, scan, &mut draft, notices);
    for (id, tally) in &scan.tally.sweeps {
        let outcomes: u64 = tally.done.iter().map(IntervalSet::count).sum();
        if tally.submission.is_none() && !specs.contains_key(id) && seal_records(seal, *id) {
            notices.push(format!(
                "sweep {}: its spec is lost; its {outcomes} outcomes are kept and come back when it is submitted again",
                id.short()
            ));
        }
    }
    draft.into_rows()
}

/// Adds what a plan lost. Records are lost from anywhere in the log, and their order counts: if any is, the plan that the
/// seal holds and what came after it are written again as a whole, and take the place of what is left.
fn restore_plans(seal: Option<&Seal>, scan: &Scan, draft: &mut Draft<'_>, notices: &mut Vec<String>) {
    for sealed in seal.map_or(&[][..], |seal| &seal.sweeps) {
        let Some(id) = seal::id_of(sealed) else { continue };
        let sealed: Vec<_> = sealed.plan.iter().filter_map(plan::decode).collect();
        let found = scan.tally.sweeps.get(&id).map_or(&[][..], |sweep| &sweep.plan);
        if found.starts_with(&sealed) {
            continue;
        }
        notices.push(format!("sweep {}: extensions or stops were lost and are restored", id.short()));
        let later = found.iter().filter(|change| !sealed.contains(change));
        for &(experiment, change) in sealed.iter().chain(later) {
            draft.add(&Record::Plan { sweep: id, experiment, change });
        }
    }
}

/// Whether `seal` knows the record of `sweep`; without a seal it may.
fn seal_records(seal: Option<&Seal>, sweep: SweepId) -> bool {
    seal.is_none_or(|seal| {
        seal.sweeps.iter().any(|sealed| sealed.recorded && seal::id_of(sealed) == Some(sweep))
    })
}

/// A spec file.
pub(super) struct SpecFile {
    text: String,
    modified_unix_ms: u64,
}

/// All spec files. One whose content is not what its name says is set aside and named.
pub(super) fn read_specs(
    directory: &Path,
    notices: &mut Vec<String>,
) -> Result<BTreeMap<SweepId, SpecFile>, StoreError> {
    let mut specs = BTreeMap::new();
    for path in disk::entries(&directory.join(disk::SWEEPS))? {
        let bytes = fs::read(&path).map_err(|source| StoreError::io(&path, source))?;
        let modified = fs::metadata(&path).and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH);
        let id = path.file_stem().and_then(|stem| stem.to_string_lossy().parse::<SweepId>().ok());
        match (id, String::from_utf8(bytes)) {
            (Some(id), Ok(text)) if id.0 == Digest::of(text.as_bytes()) => {
                let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                specs.insert(id, SpecFile { text, modified_unix_ms: since.as_millis() as u64 });
            }
            _ => {
                let kept = disk::set_aside(&path, &directory.join(disk::DAMAGED), "spec-")?;
                notices.push(format!(
                    "`{}` is not the spec that its name says: it was set aside as `{}`",
                    path.display(),
                    kept.display()
                ));
            }
        }
    }
    Ok(specs)
}

/// Sweeps that have a spec file and no record, with their place in the order of submission as far as it is known.
fn lost_sweeps(
    specs: &BTreeMap<SweepId, SpecFile>,
    seal: Option<&Seal>,
    scan: &Scan,
) -> Vec<(SweepId, Submission)> {
    let sealed: BTreeMap<SweepId, Submission> = seal
        .map_or(&[][..], |seal| &seal.sweeps)
        .iter()
        .filter(|sealed| sealed.recorded)
        .filter_map(|sealed| {
            let submission = Submission { ordinal: sealed.ordinal, unix_ms: sealed.submitted_unix_ms };
            seal::id_of(sealed).map(|id| (id, submission))
        })
        .collect();
    let known = scan.sweeps.values().map(|record| record.ordinal).chain(sealed.values().map(|s| s.ordinal));
    let mut next = known.map(|ordinal| ordinal + 1).max().unwrap_or(0);
    let mut missing: Vec<_> = specs.iter().filter(|(id, _)| !scan.sweeps.contains_key(id)).collect();
    missing.sort_by_key(|(_, file)| file.modified_unix_ms);
    missing
        .into_iter()
        .map(|(&id, file)| {
            let submission = sealed.get(&id).copied().unwrap_or_else(|| {
                next += 1;
                Submission { ordinal: next - 1, unix_ms: file.modified_unix_ms }
            });
            (id, submission)
        })
        .collect()
}
