//! `seedsweep extend`: more restarts of a sweep that is there; its id stays.

use seedsweep_coordinator::auth;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::{self, Exit};
use seedsweep_shell::output;
use serde::Serialize;

use crate::args::{self, Format, More};
use crate::client::{Client, present};
use crate::config::Target;
use crate::status::SweepJson;
use crate::{session, status};

#[derive(Serialize)]
struct ExtendJson<'a> {
    schema: &'static str,
    sweep: SweepJson<'a>,
    extended: &'a [Extended],
}

/// An experiment that has more restarts than before.
#[derive(Serialize)]
struct Extended {
    experiment: String,
    from: u64,
    to: u64,
}

/// Asks for more restarts and prints what became of it.
pub(crate) async fn run(args: args::Extend) -> Result<Exit, CliError> {
    let target = Target::new(&args.ask.target)?;
    let (before, after) = session::ask(&target, async |client| {
        let before = present(client.sweep(&args.sweep).await?.sweep, "sweep")?;
        let after = extend(client, &before, args.experiment.as_deref(), args.more).await?;
        Ok((before, after))
    })
    .await?;
    let extended: Vec<Extended> =
        before.experiments.iter().zip(&after.experiments).filter_map(grown).collect();
    match args.ask.output {
        Format::Json => {
            let json = ExtendJson {
                schema: "seedsweep.extend/1",
                sweep: SweepJson::from(&after),
                extended: &extended,
            };
            output::line(&output::json(&json))?;
        }
        Format::Table => {
            for Extended { experiment, from, to } in &extended {
                output::line(&output::escape(&format!("{experiment}: {from} -> {to} restarts")))?;
            }
            let (id, name) = (status::short(&after.id), output::escape(&after.name));
            output::line(&format!("{id} {name} · {}", status::state(&after)))?;
        }
    }
    if extended.is_empty() {
        output::note("it has as many restarts: nothing changed");
    } else if let Target::Store(directory) = &target
        && auth::read_owner(directory)?.is_none()
    {
        output::note("nobody trains them yet: `seedsweep run` of the same spec does");
    }
    Ok(exit::FINE)
}

async fn extend(
    client: &mut Client,
    sweep: &v1::Sweep,
    only: Option<&str>,
    more: More,
) -> Result<v1::Sweep, CliError> {
    let add = match more {
        More { to: Some(restarts), .. } => {
            return client.extend(&sweep.id, only.unwrap_or_default(), restarts).await;
        }
        More { by, .. } => by.unwrap_or_default(),
    };
    let wanted = |experiment: &&v1::ExperimentStatus| only.is_none_or(|name| experiment.name == name);
    let mut after = None;
    for experiment in sweep.experiments.iter().filter(wanted) {
        let restarts = experiment.trials.unwrap_or_default().total.saturating_add(add.into());
        let restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
        after = Some(client.extend(&sweep.id, &experiment.name, restarts).await?);
    }
    after.ok_or_else(|| {
        let name = only.unwrap_or_default();
        CliError::new(Kind::NotFound, format!("sweep `{}` has no experiment `{name}`", sweep.name))
    })
}

fn grown((before, after): (&v1::ExperimentStatus, &v1::ExperimentStatus)) -> Option<Extended> {
    let total = |status: &v1::ExperimentStatus| status.trials.unwrap_or_default().total;
    let (from, to) = (total(before), total(after));
    (to > from).then(|| Extended { experiment: after.name.clone(), from, to })
}
