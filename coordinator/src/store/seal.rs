//! The seal: what the store held when it was written, kept outside the database.
//!
//! Two files, written in turn and synced, so that one of them is whole whatever happens while the other is written.
//! A database that lost its tail, its middle or one record still opens; only a witness beside it can tell.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use seedsweep_common::digest::Digest;
use seedsweep_common::id::SweepId;
use seedsweep_common::limits;
use seedsweep_common::range::{IntervalSet, RestartRange};
use seedsweep_proto::store::v1::{Seal, SealedExperiment, SealedSweep};

use super::frame;
use super::tally::{SweepTally, Tally};
use super::{FORMAT, StoreError, disk, plan};

/// What the checksum of a seal covers beside its content.
const FRAME_KEY: &[u8] = b"seal";

/// The two files of one store.
pub(super) struct SealFiles {
    paths: [PathBuf; 2],
    /// Which is written next: the older or broken one.
    next: usize,
}

/// What the two files hold.
pub(super) struct SealsFound {
    /// Where to write.
    pub(super) files: SealFiles,
    /// The newer whole seal.
    pub(super) seal: Option<Seal>,
    /// The files that exist and are broken.
    pub(super) broken: Vec<PathBuf>,
}

impl SealFiles {
    /// Reads the seals of the store in `directory`.
    pub(super) fn find(directory: &Path) -> Result<SealsFound, StoreError> {
        let paths = disk::SEALS.map(|name| directory.join(name));
        let mut broken = Vec::new();
        let mut seals = [None, None];
        for (seal, path) in seals.iter_mut().zip(&paths) {
            match fs::read(path) {
                Ok(bytes) => match frame::read::<Seal>(FRAME_KEY, &bytes) {
                    Ok((_, found)) => *seal = Some(found),
                    Err(_) => broken.push(path.clone()),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io(path, error)),
            }
        }
        let age = |seal: &Option<Seal>| seal.as_ref().map(|seal| (seal.boot, seal.sequence));
        let newer = usize::from(age(&seals[1]) > age(&seals[0]));
        let seal = seals.into_iter().nth(newer).flatten();
        Ok(SealsFound { files: Self { paths, next: 1 - newer }, seal, broken })
    }

    /// Writes `seal` over the older file, durably.
    pub(super) fn write(&mut self, seal: &Seal) -> Result<(), StoreError> {
        let path = &self.paths[self.next];
        let bytes = frame::seal_in(FRAME_KEY, seal.sequence, seal);
        let is_new = !path.exists();
        let written =
            File::options().create(true).truncate(false).write(true).open(path).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.set_len(bytes.len() as u64)?;
                file.sync_data()
            });
        written.map_err(|source| disk::write_error(path, source))?;
        if is_new {
            disk::sync_parent(path)?;
        }
        self.next = 1 - self.next;
        Ok(())
    }
}

/// The seal of a store that holds `tally`.
pub(super) fn of(tally: &Tally, uuid: &[u8], boot: u32) -> Seal {
    Seal {
        format: FORMAT,
        uuid: uuid.to_vec(),
        boot,
        sequence: tally.sequence,
        rows: tally.sum.rows,
        rows_digest: tally.sum.digest.to_bytes().to_vec(),
        sweeps: tally.sweeps.iter().map(|(id, sweep)| sealed_sweep(*id, sweep)).collect(),
    }
}

fn sealed_sweep(id: SweepId, sweep: &SweepTally) -> SealedSweep {
    SealedSweep {
        id: id.0.0.to_vec(),
        submitted_unix_ms: sweep.submission.map_or(0, |submission| submission.unix_ms),
        ordinal: sweep.submission.map_or(0, |submission| submission.ordinal),
        recorded: sweep.submission.is_some(),
        cancelled: sweep.cancelled,
        experiments: sweep.done.iter().map(sealed_experiment).collect(),
        failures: sweep.failures,
        divergences: sweep.divergences,
        reports: sweep.reports,
        pairs: sweep.pairs,
        barriers: sweep.barriers,
        plan: sweep.plan.iter().map(|&(experiment, change)| plan::encode(experiment, change)).collect(),
    }
}

fn sealed_experiment(done: &IntervalSet) -> SealedExperiment {
    let bounds: Vec<u32> =
        done.iter().take(limits::SEALED_RANGES + 1).flat_map(|range| [range.start(), range.end()]).collect();
    let listed = bounds.len() <= 2 * limits::SEALED_RANGES;
    SealedExperiment { count: done.count(), bounds: if listed { bounds } else { Vec::new() } }
}

/// The sweep that `sealed` is about; `None` if its id is none.
pub(super) fn id_of(sealed: &SealedSweep) -> Option<SweepId> {
    Digest::from_slice(&sealed.id).map(SweepId)
}

/// What of one experiment is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LostOutcomes {
    /// These restarts.
    Restarts(IntervalSet),
    /// So many; which is not known.
    Count(u64),
}

/// What the seal says of an experiment and `done` does not hold; `None` if all is there.
pub(super) fn lost_outcomes(sealed: &SealedExperiment, done: &IntervalSet) -> Option<LostOutcomes> {
    let mut missing = IntervalSet::new();
    for bounds in sealed.bounds.chunks_exact(2) {
        if let Some(range) = RestartRange::new(bounds[0], bounds[1]) {
            missing.insert(range);
        }
    }
    if missing.count() == sealed.count {
        done.iter().for_each(|range| {
            missing.remove(range);
        });
        return (!missing.is_empty()).then_some(LostOutcomes::Restarts(missing));
    }
    let lost = sealed.count.saturating_sub(done.count());
    (lost > 0).then_some(LostOutcomes::Count(lost))
}
