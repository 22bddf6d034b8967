//! `seedsweep claims`: what people say about starts, put to the test by sweeps that run the ordinary way.

use std::path::Path;

use seedsweep_common::analysis::Report;
use seedsweep_common::id::ExperimentIndex;
use seedsweep_coordinator::program;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use seedsweep_shell::signals::Interrupts;

use crate::args::{self, Format};
use crate::claims::{self, BuiltIn, Claim, Judged, Ran, SweepLine, Verdict};
use crate::session::Embedded;
use crate::stored::Row;
use crate::{answer, ending, local, stored};

/// Runs the claims that are named and prints what they showed.
pub(crate) async fn run(args: args::Claims) -> Result<Exit, CliError> {
    let chosen = claims::select(&args.names)?;
    if args.list {
        for claim in &chosen {
            output::line(&format!("{}  {:20} {}", claim.number, claim.name, claim.question))?;
        }
        return Ok(exit::FINE);
    }
    let temporary = match &args.store {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|error| {
            CliError::caused(Kind::Store, "cannot make a temporary store (--store DIR names another)", &error)
        })?),
    };
    let directory = args.store.as_deref().or(temporary.as_ref().map(|directory| directory.path()));
    let directory = directory.unwrap_or(Path::new(""));
    let interrupts = Interrupts::listen()?;
    let coordinator = program::open_soon(args.leasing.config(directory.to_owned())?).await?;
    let embedded = Embedded::start(coordinator).await?;

    let result = all(&embedded, &chosen, &args, &interrupts).await;
    if result.is_err() && temporary.is_some() {
        output::note("what was trained goes with the temporary store; --store DIR would keep it");
    }
    let (judged, worst) = embedded.close_after(result).await?;
    match args.output {
        Format::Json => output::line(&claims::json(&judged, args.quick))?,
        Format::Table => output::write_all(claims::text(&judged, answer::width()).as_bytes())?,
    }
    Ok(worst)
}

/// Puts one claim after the other to the test.
async fn all(
    embedded: &Embedded,
    chosen: &[&'static Claim],
    args: &args::Claims,
    interrupts: &Interrupts,
) -> Result<(Vec<Judged>, Exit), CliError> {
    let mut judged = Vec::new();
    let mut worst = exit::FINE;
    for claim in chosen {
        output::note(&format!("{} {}", claim.number.to_uppercase(), claim.question));
        let mut ran = Vec::new();
        for built_in in claim.sweeps {
            let (one, ended) = train(embedded, built_in, args, interrupts.clone()).await?;
            ran.push(one);
            worst = if ended == exit::FINE { worst } else { ended };
        }
        let finding = (claim.judge)(&ran)?;
        if finding.verdict() == Verdict::Refuted {
            worst = exit::BAD_NEWS;
        }
        let sweeps = ran.iter().map(SweepLine::new).collect();
        judged.push(Judged { claim, quick: args.quick, sweeps, finding });
    }
    Ok((judged, worst))
}

/// Runs one sweep to its end, or takes it from the store, with the exit code that it alone would give.
async fn train(
    embedded: &Embedded,
    built_in: &BuiltIn,
    args: &args::Claims,
    interrupts: Interrupts,
) -> Result<(Ran, Exit), CliError> {
    let sweep = built_in.sweep(args.quick)?;
    let finished = local::run(embedded, &sweep, &args.slots, interrupts).await?;
    if finished.sweep.state() != v1::SweepState::Done {
        let message = format!("sweep `{}` was cancelled: nothing can be said", sweep.spec.name);
        return Err(CliError::new(Kind::NotFound, message));
    }
    let rows = stored::rows(&mut embedded.client().await?, &finished.sweep.id, "").await?;
    let mut outcomes = vec![Vec::new(); sweep.spec.experiments.len()];
    for Row { experiment: ExperimentIndex(experiment), outcome, .. } in rows {
        if let Some(own) = outcomes.get_mut(experiment as usize) {
            own.push(outcome);
        }
    }
    let report = Report::from_json(&finished.report_json)
        .map_err(|error| CliError::caused(Kind::Bug, "the coordinator's report cannot be read", &error))?;
    let exit = ending::exit(&finished.sweep, &finished.failures);
    Ok((Ran { spec: sweep.spec, outcomes, report }, exit))
}
