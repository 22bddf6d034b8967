//! `seedsweep store verify`: read every record and say what is wrong.

use std::path::Path;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_coordinator::program::store_directory;
use seedsweep_coordinator::store::{Recovered, RecoveredSweep, Store, StoreError};
use seedsweep_shell::error::CliError;
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_shell::settings::variable;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::{session, status};

/// What a store holds, and what is wrong with it: one value of schema `seedsweep.store_verify/1`.
#[derive(Serialize)]
struct Verified {
    schema: &'static str,
    store: String,
    sweeps: Vec<Counts>,
    problems: Vec<String>,
}

/// One sweep as the store holds it.
#[derive(Serialize)]
struct Counts {
    id: String,
    outcomes: u64,
    failed: usize,
    divergences: u64,
    reported: bool,
}

/// Opens the store, which compares it with its seal, and reads all of it.
pub(crate) async fn verify(args: args::StoreVerify) -> Result<Exit, CliError> {
    let directory = store_directory(args.store.as_deref(), variable);
    session::require(&directory)?;
    let verified = tokio::task::spawn_blocking(move || read_all(&directory)).await??;
    match args.output {
        Format::Json => output::line(&output::json(&verified))?,
        Format::Table => verified.print()?,
    }
    Ok(if verified.problems.is_empty() { exit::FINE } else { exit::STORE })
}

fn read_all(directory: &Path) -> Result<Verified, StoreError> {
    let (store, Recovered { sweeps, notices, .. }) = Store::open(directory)?;
    let mut verified = Verified {
        schema: "seedsweep.store_verify/1",
        store: directory.display().to_string(),
        sweeps: Vec::new(),
        problems: notices,
    };
    for sweep in &sweeps {
        let counts = read_sweep(&store, sweep, &mut verified.problems);
        verified.sweeps.push(counts);
    }
    Ok(verified)
}

fn read_sweep(store: &Store, sweep: &RecoveredSweep, problems: &mut Vec<String>) -> Counts {
    let id = sweep.id.short();
    let mut outcomes = 0;
    for (index, done) in (0..).zip(&sweep.done) {
        match store.outcomes(sweep.id, ExperimentIndex(index)) {
            Ok(rows) => {
                outcomes += rows.len() as u64;
                if rows.len() as u64 != done.count() {
                    problems.push(format!(
                        "sweep {id}, experiment {index}: {} rows where {} trials are done",
                        rows.len(),
                        done.count()
                    ));
                }
            }
            Err(error) => problems.push(format!("sweep {id}, experiment {index}: {error}")),
        }
    }
    if let Err(error) = store.report(sweep.id) {
        problems.push(format!("sweep {id}, report: {error}"));
    }
    Counts {
        id: sweep.id.to_string(),
        outcomes,
        failed: sweep.failed.len(),
        divergences: sweep.divergences,
        reported: sweep.reported,
    }
}

impl Verified {
    fn print(&self) -> Result<(), CliError> {
        let rows = self.sweeps.iter().map(|sweep| {
            vec![
                status::short(&sweep.id).to_owned(),
                sweep.outcomes.to_string(),
                sweep.failed.to_string(),
                sweep.divergences.to_string(),
                if sweep.reported { "yes" } else { "no" }.to_owned(),
            ]
        });
        output::line(&status::table(&["sweep", "outcomes", "failed", "divergences", "report stored"], rows))?;
        for problem in &self.problems {
            output::line(&format!("problem: {}", output::escape(problem)))?;
        }
        let verdict = match self.problems.len() {
            0 => "sound: every record was read, and all agree with the seal".to_owned(),
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        output::line(&format!("{}: {verdict}", self.store))
    }
}
