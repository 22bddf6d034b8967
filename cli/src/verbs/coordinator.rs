//! `seedsweep coordinator`: serve a store to workers and users until stopped.

use seedsweep_coordinator::{self as coordinator, auth};
use tokio::net::TcpListener;

use crate::args;
use crate::config;
use crate::error::{CliError, Kind};
use crate::exit::{self, Exit};
use crate::output;
use crate::session;
use crate::signals::Interrupts;

/// Serves until a signal comes; a second one stops at once.
pub(crate) async fn run(args: args::Coordinator) -> Result<Exit, CliError> {
    if !args.listen.ip().is_loopback() && !args.insecure_plaintext {
        let message = format!(
            "--listen {} is reached from other machines, where tokens and data travel unencrypted: \
             add --insecure-plaintext if the network is yours alone, or use an ssh tunnel",
            args.listen
        );
        return Err(CliError::new(Kind::Usage, message));
    }
    let mut interrupts = Interrupts::listen()?;
    let store = config::store(args.store.store.as_ref());
    // Before the store is opened: a wrong address leaves nothing behind.
    let taken = |error| {
        let message = format!("cannot listen on {}: choose another with --listen 127.0.0.1:0", args.listen);
        CliError::caused(Kind::Usage, message, &error)
    };
    let listener = TcpListener::bind(args.listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let settings = coordinator::Config {
        insecure_plaintext: args.insecure_plaintext,
        invite_workers: true,
        ..config::coordinator(store.clone(), &args.leasing)?
    };
    let coordinator = session::open(settings).await?;
    for notice in coordinator.notices() {
        output::note(&format!("warning: {notice}"));
    }

    let mut first = interrupts.clone();
    let served = coordinator.serve(listener, async move {
        first.reached(1).await;
        output::note("stopping: storing what is under way");
    });
    tokio::pin!(served);
    // Its first step writes the join file: whoever reads the line below can use it.
    tokio::select! {
        biased;
        result = &mut served => return Ok(result.map(|()| exit::FINE)?),
        () = std::future::ready(()) => {}
    }
    let join = auth::join_path(&store);
    output::line(&format!("serving http://{address} · workers join with {}", join.display()))?;
    tokio::select! {
        result = served => result?,
        () = interrupts.reached(2) => return Ok(exit::INTERRUPTED),
    }
    Ok(exit::FINE)
}
