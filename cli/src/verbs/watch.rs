//! `seedsweep watch`: follow a sweep until it ends.

use std::io::IsTerminal;

use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::Exit;
use seedsweep_shell::output;
use tokio_stream::StreamExt;

use crate::args;
use crate::client::{Client, present, refused};
use crate::config::Target;
use crate::progress::{self, Progress};
use crate::{ending, session, status};

/// Shows the sweep's state after each change; the exit code is that of its end.
pub(crate) async fn run(args: args::Watch) -> Result<Exit, CliError> {
    let target = Target::new(&args.selector.target)?;
    let (sweep, failures) = session::ask(&target, async |client| {
        let sweep = follow(client, &args.selector.sweep).await?;
        let failures = client.sweep(&sweep.id).await?.failures;
        Ok((sweep, failures))
    })
    .await?;
    output::line(&format!("{} {} · {}", status::short(&sweep.id), sweep.name, status::state(&sweep)))?;
    Ok(ending::exit(&sweep, &failures))
}

async fn follow(client: &mut Client, selector: &str) -> Result<v1::Sweep, CliError> {
    let mut states = client.watch(selector).await?;
    let mut screen: Option<Progress> = None;
    let mut said = String::new();
    let mut problem = String::new();
    while let Some(state) = states.next().await {
        let state = state.map_err(refused)?;
        let sweep = present(state.sweep, "sweep")?;
        if std::io::stderr().is_terminal() {
            screen.get_or_insert_with(|| Progress::new(&sweep)).update(&sweep);
        } else {
            let line = progress::line(&sweep);
            if line != said {
                output::line(&line)?;
                said = line;
            }
        }
        if state.store_problem != problem {
            problem = state.store_problem;
            let line = match status::problem(&problem) {
                Some(problem) => status::problem_line(problem),
                None => "the store takes in what comes again".to_owned(),
            };
            match &screen {
                Some(screen) => screen.note(&line),
                None => output::note(&line),
            }
        }
        if sweep.state() != v1::SweepState::Running {
            if let Some(screen) = &screen {
                screen.clear();
            }
            return Ok(sweep);
        }
    }
    Err(CliError::new(Kind::Unreachable, "the coordinator stopped before the sweep ended"))
}
