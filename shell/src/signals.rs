//! Ctrl-C and SIGTERM: the first asks to finish what is under way, the second to stop at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{CliError, Kind};

/// Counts the signals that came since [`Interrupts::listen`].
#[derive(Clone)]
pub struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// Takes over Ctrl-C and SIGTERM for the rest of the process's life.
    pub fn listen() -> Result<Self, CliError> {
        let deaf = |error| CliError::caused(Kind::Bug, "cannot listen for signals", &error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
        let (count, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|n| *n += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Waits until `n` signals have come in all.
    pub async fn reached(&mut self, n: u32) {
        if self.0.wait_for(|count| *count >= n).await.is_err() {
            // The listening task lives as long as the runtime: without it no signal will ever come.
            std::future::pending::<()>().await;
        }
    }
}
