//! A stored data file on its way to a worker or a user.

use seedsweep_common::limits;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Desk, invalid_field, send_in_time};

/// A file in memory, and the turn that holding it takes.
pub(crate) struct Download {
    content: Vec<u8>,
    turn: OwnedSemaphorePermit,
}

impl Desk {
    /// The file whose digest is written as `digest`.
    pub(crate) async fn data(&self, digest: String) -> Result<Download, Status> {
        let digest = digest.parse().map_err(|error| invalid_field("digest", format!("is wrong: {error}")))?;
        let turn = self.heavy_call().await?;
        let content = self.reader.read(move |store| store.data(digest)).await?;
        let content = content
            .ok_or_else(|| Status::not_found(format!("`digest` is {digest}: no such data is stored")))?;
        Ok(Download { content, turn })
    }
}

impl Download {
    /// A message for each piece, one at a time, as fast as they are read.
    pub(crate) fn in_chunks<T: Send + 'static>(
        self,
        message: impl Fn(Vec<u8>) -> T + Send + 'static,
    ) -> ReceiverStream<Result<T, Status>> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let _turn = self.turn;
            for chunk in self.content.chunks(limits::DATA_CHUNK_BYTES) {
                if !send_in_time(&sender, Ok(message(chunk.to_vec()))).await {
                    return;
                }
            }
        });
        ReceiverStream::new(receiver)
    }
}
