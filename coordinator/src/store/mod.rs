//! The store: every sweep, outcome and report, durable before it is acknowledged.
//!
//! The only module that knows sled. What it promises, and why sled alone does not, is in `docs/format.md`. It never
//! changes or removes a record, never acknowledges what a power cut could take back, and never serves less than it
//! acknowledged without saying so.

mod barriers;
mod block;
mod commit;
mod data;
mod database;
mod digest;
mod disk;
mod error;
mod frame;
mod key;
mod lock;
mod losses;
mod mark;
mod plan;
mod read;
mod record;
mod recover;
mod restore;
mod scan;
mod seal;
mod tally;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::outcome::{Failure, Outcome, Provenance};
use seedsweep_common::range::IntervalSet;

pub use digest::outcomes_digest;
pub use error::StoreError;
pub use record::{Record, Recovered, RecoveredSweep, StoredReport};
pub use verify::{Checked, VerifyReport, verify};

use commit::{Draft, NewRow};
use database::Database;
use lock::Lock;
use mark::Mark;
use read::Reader;
use seal::SealFiles;
use tally::Tally;

/// Version of the format on disk (docs/format.md). A store of an older one is opened as it is and belongs to this one
/// from then on: 2 added the measures to outcome blocks, 3 canonical sketches, null directions, the records of the plan,
/// pairs and barriers, 4 which symmetries explain null directions.
const FORMAT: u32 = 4;

/// An open store. Clones share it; reads may run beside the one writer.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What the clones share. The lock is dropped last.
struct Shared {
    database: Database,
    writer: Mutex<Writer>,
    /// Largest sequence number that is durable: rows beyond it are not served.
    committed: AtomicU64,
    directory: PathBuf,
    _lock: Lock,
}

/// What a commit changes.
struct Writer {
    tally: Tally,
    seals: SealFiles,
    mark: Mark,
    /// Sequence number of the last seal.
    sealed_sequence: u64,
    uuid: Vec<u8>,
    boot: u32,
    /// Why no commit is possible any more.
    failed: Option<String>,
}

impl Store {
    /// Opens or creates the store in `directory`, checks it against its seal and returns what it holds. What the
    /// seal shows to be missing is left out of `done` and named in the notices.
    pub fn open(directory: &Path) -> Result<(Self, Recovered), StoreError> {
        recover::open(directory)
    }

    /// Makes `records` durable, all or none. Blocking; concurrent commits wait for each other. After an I/O error
    /// nothing of the batch counts as stored, and later commits fail until the store is opened again; reads go on
    /// as far as sled still reads, and give all or an error.
    /// `Full` before anything was written leaves the store as it was: a later commit may succeed.
    pub fn commit(&self, records: &[Record]) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let mut writer = self.writer();
        if let Some(problem) = &writer.failed {
            let source =
                std::io::Error::other(format!("an earlier write failed ({problem}): start again to go on"));
            return Err(StoreError::io(&shared.directory, source));
        }
        let mut draft = Draft::on(&writer.tally);
        records.iter().for_each(|record| draft.add(record));
        let rows = draft.into_rows();
        let Some(last) = rows.last().map(|row| row.sequence) else { return Ok(()) };
        let bytes = rows.iter().map(|row| row.key_bytes.len() + row.value.len()).sum::<usize>();
        disk::check_space(&shared.directory, bytes as u64)?;
        let write_error = |error| disk::write_error(&shared.directory, error);
        let written = shared
            .database
            .write(rows.iter().map(NewRow::bytes))
            .map_err(write_error)
            .and_then(|()| self.write_specs(records))
            .and_then(|()| writer.mark.set(last).map_err(write_error));
        if let Err(error) = written {
            let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
            writer.failed = Some(format!("{error}{cause}"));
            return Err(error);
        }
        for row in &rows {
            writer.tally.add_new(row);
        }
        shared.committed.store(last, Ordering::Release);
        Ok(())
    }

    /// Keeps the specs of new sweeps as files beside the database.
    fn write_specs(&self, records: &[Record]) -> Result<(), StoreError> {
        for record in records {
            if let Record::Sweep { id, spec_toml, .. } = record {
                let path = restore::spec_path(&self.shared.directory, *id);
                if !path.exists() {
                    disk::write_durably(&path, spec_toml.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// The stored outcome of one trial.
    pub fn outcome(
        &self,
        sweep: SweepId,
        experiment: ExperimentIndex,
        restart: u32,
    ) -> Result<Option<(Outcome, Provenance)>, StoreError> {
        self.reader().outcome(sweep, experiment, restart)
    }

    /// All outcomes of one experiment by restart.
    pub fn outcomes(
        &self,
        sweep: SweepId,
        experiment: ExperimentIndex,
    ) -> Result<Vec<(Outcome, Provenance)>, StoreError> {
        self.reader().outcomes(sweep, experiment)
    }

    /// The stored report; of several the latest.
    pub fn report(&self, sweep: SweepId) -> Result<Option<StoredReport>, StoreError> {
        self.reader().report(sweep)
    }

    /// The measured barriers of a sweep; of several of a pair the first.
    pub fn barriers(&self, sweep: SweepId) -> Result<BTreeMap<Pair, (Barrier, Provenance)>, StoreError> {
        self.reader().barriers(sweep)
    }

    /// Why there is no barrier, for each pair of which every attempt failed.
    pub fn failed_barriers(&self, sweep: SweepId) -> Result<BTreeMap<Pair, String>, StoreError> {
        self.reader().failed_barriers(sweep)
    }

    /// Why the trials of `failed` (restarts by experiment) failed: the first `most` by experiment and restart.
    pub fn failures(
        &self,
        sweep: SweepId,
        failed: &[IntervalSet],
        most: usize,
    ) -> Result<Vec<(ExperimentIndex, Failure)>, StoreError> {
        self.reader().failures(sweep, failed, most)
    }

    /// Writes the seal if something was committed since it was last written (about each second, by the driver).
    pub fn seal(&self) -> Result<(), StoreError> {
        self.shared.seal()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.shared.writer()
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            database: &self.shared.database,
            committed: self.shared.committed.load(Ordering::Acquire),
            directory: &self.shared.directory,
        }
    }
}

impl Shared {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        // a panic between a write and its count leaves rows that the next opening counts
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seal(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.sealed_sequence == writer.tally.sequence {
            return Ok(());
        }
        let seal = seal::of(&writer.tally, &writer.uuid, writer.boot);
        writer.seals.write(&seal)?;
        writer.sealed_sequence = seal.sequence;
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = self.seal() {
            tracing::warn!(?error, "the seal was not written at the close of the store");
        }
    }
}
