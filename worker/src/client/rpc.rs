//! Calls to the coordinator with the worker's token.

use std::sync::Arc;

use seedsweep_common::digest::Digest;
use seedsweep_common::limits;
use seedsweep_proto::v1;
use seedsweep_proto::v1::worker_service_client::WorkerServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A client that says who it is.
pub(crate) type Rpc = WorkerServiceClient<InterceptedService<Channel, Bearer>>;

/// Puts the token into each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A client over `channel`, or `None` if `token` cannot be sent as metadata.
pub(crate) fn client(channel: Channel, token: &str) -> Option<Rpc> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().ok()?;
    value.set_sensitive(true);
    let client = WorkerServiceClient::with_interceptor(channel, Bearer(value));
    Some(
        client
            .max_decoding_message_size(limits::MESSAGE_BYTES)
            .max_encoding_message_size(limits::MESSAGE_BYTES),
    )
}

/// The content of a data file, checked against its digest.
pub(crate) async fn data(rpc: &mut Rpc, digest: Digest) -> Result<Arc<[u8]>, Status> {
    let request = v1::GetDataRequest { digest: digest.to_string() };
    let mut stream = rpc.get_data(request).await?.into_inner();
    let mut content = Vec::new();
    while let Some(piece) = stream.message().await? {
        if (content.len() + piece.chunk.len()) as u64 > limits::DATA_BYTES {
            return Err(Status::data_loss(format!(
                "data file {digest} is longer than {} bytes",
                limits::DATA_BYTES
            )));
        }
        content.extend_from_slice(&piece.chunk);
    }
    if Digest::of(&content) != digest {
        return Err(Status::data_loss(format!("data file {digest} arrived with another content")));
    }
    Ok(content.into())
}

/// Whether the same call may succeed later: the coordinator is away, restarting or busy.
pub(crate) fn is_transient(status: &Status) -> bool {
    use tonic::Code::{
        Aborted, Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown,
    };
    matches!(
        status.code(),
        Unavailable | DeadlineExceeded | Cancelled | ResourceExhausted | Aborted | Unknown | Internal
    )
}

/// Whether the coordinator does not know this worker (any more): it must register again.
pub(crate) fn must_register(status: &Status) -> bool {
    status.code() == tonic::Code::Aborted
}
