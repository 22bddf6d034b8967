//! `seedsweep replay`: one trial trained again here, compared bit for bit with what is stored, and explained.

use std::path::Path;

use seedsweep_common::outcome::{Certificate, Outcome, Provenance, StopReason};
use seedsweep_common::spec::Experiment;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_shell::signals::Interrupts;
use seedsweep_worker::train::Replay;
use serde::Serialize;

use crate::args;
use crate::args::Format;
use crate::config::Target;
use crate::difference::{Difference, differences};
use crate::export::Destination;
use crate::session;
use crate::status;
use crate::stored::{Row, Stored, until_interrupted};

/// One value of schema `seedsweep.replay/1`.
#[derive(Serialize)]
struct ReplayJson<'a> {
    schema: &'static str,
    sweep: &'a str,
    experiment: &'a str,
    restart: u32,
    /// `same`, `different`, or `not_stored`.
    comparison: &'static str,
    differences: &'a [Difference],
    stop_reason: &'static str,
    certificate: Option<&'static str>,
    /// Why it is as it is, a sentence each.
    explanation: &'a [String],
    provenance: Option<ProvenanceJson<'a>>,
    weights: Option<String>,
}

#[derive(Serialize)]
struct ProvenanceJson<'a> {
    engine: &'a str,
    build: &'a str,
    attempt: u32,
    worker: &'a str,
    duration_ms: u64,
}

/// A trial as stored and as trained here.
struct Compared {
    stored: Stored,
    row: Option<Row>,
    replay: Replay,
}

/// Trains the trial again and says how it compares.
pub(crate) async fn run(args: args::Replay) -> Result<Exit, CliError> {
    let target = Target::new(&args.target)?;
    let interrupts = Interrupts::listen()?;
    let (stored, row) = session::ask(&target, async |client| {
        let stored = Stored::fetch(client, &args.sweep).await?;
        let index = stored.experiment(&args.experiment)?;
        let restarts = stored.spec.experiments[index.0 as usize].restarts;
        if args.restart >= restarts {
            let message = format!(
                "restart {} of experiment `{}`: it has restarts 0 to {}",
                args.restart,
                args.experiment,
                restarts - 1
            );
            return Err(CliError::new(Kind::NotFound, message));
        }
        let rows = stored.rows(client, &args.experiment).await?;
        let row = rows.into_iter().find(|row| row.outcome.restart == args.restart);
        Ok((stored, row))
    })
    .await?;
    let index = stored.experiment(&args.experiment)?;
    let prepared = stored.prepare(index)?;
    let restart = args.restart;
    let replay = until_interrupted(interrupts, move |cancelled| prepared.replay(restart, cancelled)).await?;
    let compared = Compared { stored, row, replay };
    if let Some(path) = &args.weights {
        write(path, &compared.replay.parameters)?;
    }
    compared.print(&args)
}

fn write(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let mut file = Destination::create(path)?;
    file.write(content)?;
    file.finish()
}

impl Compared {
    fn print(&self, args: &args::Replay) -> Result<Exit, CliError> {
        let outcome = &self.replay.outcome;
        let found = self.row.as_ref().map(|row| differences(&row.outcome, outcome));
        let comparison = match &found {
            None => "not_stored",
            Some(found) if found.is_empty() => "same",
            Some(_) => "different",
        };
        let differences = found.unwrap_or_default();
        let index = self.stored.experiment(&args.experiment)?;
        let experiment = &self.stored.spec.experiments[index.0 as usize];
        let explanation = self.explanation(args, experiment);
        match args.output {
            Format::Json => output::line(&output::json(&ReplayJson {
                schema: "seedsweep.replay/1",
                sweep: &self.stored.id,
                experiment: &args.experiment,
                restart: args.restart,
                comparison,
                differences: &differences,
                stop_reason: outcome.stop_reason.name(),
                certificate: outcome.certificate().map(Certificate::name),
                explanation: &explanation,
                provenance: self.row.as_ref().map(|row| ProvenanceJson::new(&row.provenance)),
                weights: args.weights.as_ref().map(|path| path.display().to_string()),
            }))?,
            Format::Table => {
                let id = status::short(&self.stored.id);
                let header = format!(
                    "{} ({id}) · {} · restart {}",
                    self.stored.spec.name, args.experiment, args.restart
                );
                output::line(&output::escape(&header))?;
                for sentence in &explanation {
                    output::line(&format!("  {}", output::escape(sentence)))?;
                }
                output::line(&verdict(comparison))?;
                if !differences.is_empty() {
                    let rows = differences
                        .iter()
                        .map(|d| vec![d.field.to_owned(), d.stored.clone(), d.here.clone()]);
                    output::line(&status::table(&["field", "stored", "here"], rows))?;
                }
                if let Some(path) = &args.weights {
                    output::note(&format!("trained weights in {}", path.display()));
                }
            }
        }
        Ok(if comparison == "different" { exit::BAD_NEWS } else { exit::FINE })
    }

    /// What happened to the trial, a sentence each.
    fn explanation(&self, args: &args::Replay, experiment: &Experiment) -> Vec<String> {
        let outcome = &self.replay.outcome;
        let mut sentences = vec![stop(outcome, experiment)];
        sentences.extend(certificate(outcome));
        match &self.row {
            Some(Row { provenance, .. }) => sentences.push(format!(
                "stored by worker `{}` (seedsweep {}, engine {}) in {} ms at attempt {}",
                provenance.worker,
                provenance.build,
                provenance.engine,
                provenance.duration_ms,
                provenance.attempt
            )),
            None => {
                let failed = |f: &&seedsweep_proto::v1::FailedTrial| {
                    f.experiment == args.experiment && f.restart == args.restart
                };
                sentences.push(match self.stored.failures.iter().find(failed) {
                    Some(failure) => format!("the coordinator gave it up: {}", failure.cause),
                    None => format!("not stored: the sweep is {}", status::state(&self.stored.sweep)),
                });
            }
        }
        sentences
    }
}

impl<'a> ProvenanceJson<'a> {
    fn new(provenance: &'a Provenance) -> Self {
        let Provenance { engine, build, attempt, worker, duration_ms } = provenance;
        Self { engine, build, attempt: *attempt, worker, duration_ms: *duration_ms }
    }
}

fn verdict(comparison: &str) -> String {
    match comparison {
        "same" => "trained again here: the same bits",
        "different" => "trained again here: DIFFERENT BITS; one of the two machines computes wrong, or another version did",
        _ => "trained here for the first time: there is nothing to compare with",
    }
    .to_owned()
}

/// Why training ended.
fn stop(outcome: &Outcome, experiment: &Experiment) -> String {
    let Outcome { steps, loss_train, grad_norm, .. } = outcome;
    let at =
        format!("after {steps} updates at training loss {loss_train:.6e}, gradient norm {grad_norm:.2e}");
    match outcome.stop_reason {
        StopReason::Converged => {
            let limit = experiment.train.stop.grad_norm.unwrap_or_default();
            format!("converged: the gradient norm fell to {limit:e} {at}")
        }
        StopReason::TargetReached => format!("target_reached: loss or every error is small enough {at}"),
        StopReason::StepLimit => format!("step_limit: the budget was out {at}"),
        StopReason::Diverged => {
            format!("diverged: a parameter or the loss was no longer finite after {steps} updates")
        }
    }
}

/// What the end point is.
fn certificate(outcome: &Outcome) -> Option<String> {
    let polish = outcome.polish.as_ref()?;
    let moved = format!(
        "the polish moved it by {:.2e} in {} steps to loss {:.9e}",
        polish.displacement, polish.steps, polish.loss
    );
    let spectrum =
        format!("the Hessian's eigenvalues go from {:.3e} to {:.3e}", polish.lambda_min, polish.lambda_max);
    let by = polish.null_space.iter().flat_map(|found| &found.explained_by);
    let by: Vec<String> =
        by.map(|(symmetry, count)| format!("{count} by {}", symmetry.name().replace('_', " "))).collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    let null_directions = match (polish.null_directions, polish.explained) {
        (Some(count), Some(explained)) => {
            format!("of {count} null directions the network's symmetries explain {explained}{by}")
        }
        (_, Some(explained)) => {
            format!(
                "the network's symmetries explain {explained} null directions{by}, and nobody counted all"
            )
        }
        _ => "no Hessian was looked at".to_owned(),
    };
    Some(match polish.certificate {
        Certificate::Minimum => format!("minimum: {moved}; {spectrum}"),
        Certificate::Flat => {
            format!("flat: {moved}; {spectrum}; {null_directions}")
        }
        Certificate::Saddle => {
            format!("saddle: {moved}; {spectrum}, so the loss still falls along a direction")
        }
        Certificate::Kink => {
            format!("kink: {moved}; a relu unit switches at a training row, where no Hessian decides")
        }
        Certificate::NotConverged => format!(
            "not_converged: {moved}; the largest entry of the gradient is {:.1e}; {null_directions}",
            polish.grad_max
        ),
        Certificate::Diverged => "diverged".to_owned(),
    })
}
