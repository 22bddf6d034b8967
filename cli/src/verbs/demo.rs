//! `seedsweep demo`: why random weights, and not 0.5 for all? Answered by real training, each time.

use seedsweep_coordinator::program;
use seedsweep_proto::v1;
use seedsweep_shell::error::{CliError, Kind};
use seedsweep_shell::exit::Exit;
use seedsweep_shell::output;
use seedsweep_shell::signals::Interrupts;

use crate::args;
use crate::client::Client;
use crate::local::{self, Finished};
use crate::session::Embedded;
use crate::sweep_file::SweepFile;
use crate::{answer, ending};

/// The sweep that is trained.
const SPEC: &str = include_str!("demo.toml");
/// Seed of the first demonstration in a store; the next one takes the next.
const FIRST_SEED: u64 = 2026;

/// Trains the demonstration and prints what it shows.
pub(crate) async fn run(args: args::Demo) -> Result<Exit, CliError> {
    let interrupts = Interrupts::listen()?;
    let coordinator = program::open_soon(args.leasing.config(args.store.directory())?).await?;
    let embedded = Embedded::start(coordinator).await?;

    let result = train(&embedded, &args, interrupts).await;
    let finished = embedded.close_after(result).await?;
    answer::print_demo(&finished.report_json)?;
    Ok(ending::exit(&finished.sweep, &finished.failures))
}

async fn train(embedded: &Embedded, args: &args::Demo, interrupts: Interrupts) -> Result<Finished, CliError> {
    let sweep = match args.seed {
        Some(seed) => with_seed(seed)?,
        None => first_unfinished(&mut embedded.client().await?).await?,
    };
    output::note(&format!("training with seed {} (another: --seed N)", sweep.spec.seed));
    local::run(embedded, &sweep, &args.slots, interrupts).await
}

fn with_seed(seed: u64) -> Result<SweepFile, CliError> {
    SweepFile::built_in("demo.toml", SPEC, &[format!("seed={seed}")], &[])
}

/// The first seed whose training is not complete, so that each demonstration trains.
async fn first_unfinished(client: &mut Client) -> Result<SweepFile, CliError> {
    let sweeps = client.sweeps().await?.sweeps;
    let ended = |id: &str| sweeps.iter().any(|s| s.id == id && s.state() != v1::SweepState::Running);
    // One seed more than there are sweeps: one of them must be free.
    for seed in (FIRST_SEED..).take(sweeps.len() + 1) {
        let sweep = with_seed(seed)?;
        if !ended(&sweep.spec.id().to_string()) {
            return Ok(sweep);
        }
    }
    Err(CliError::new(Kind::Bug, "every seed is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demonstration_is_a_valid_spec_and_warns_of_its_constant_only() {
        let sweep = with_seed(7).unwrap();
        assert_eq!(sweep.spec.seed, 7);
        let constant = |warning: &String| warning.contains("this start breaks no symmetry");
        assert!(sweep.warnings.iter().all(constant), "{:?}", sweep.warnings);
        let restarts: Vec<u32> = sweep.spec.experiments.iter().map(|e| e.restarts).collect();
        assert_eq!(restarts, [40, 240, 240]);
    }
}
