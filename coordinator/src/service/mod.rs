//! The gRPC services: decode, ask, encode. What is right or wrong about a request is checked here; what follows
//! from it is decided elsewhere.

mod download;
mod health;
mod messages;
mod sweeps;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use seedsweep_common::limits;
use seedsweep_proto::convert::InvalidMessage;
use seedsweep_proto::v1::sweep_service_server::SweepServiceServer;
use seedsweep_proto::v1::worker_service_server::WorkerServiceServer;
use seedsweep_shell::cause;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Router;

use crate::auth::{Gate, Role, Tokens};
use crate::board::Board;
use crate::core::Refusal;
use crate::driver::{DriverError, Handle};
use crate::reader::{ReadError, Reader};
use crate::reports::Analyst;
use crate::store::StoreError;
use crate::with_causes;

/// What the services work with.
#[derive(Clone)]
pub(crate) struct Desk {
    /// The driver.
    pub(crate) driver: Handle,
    /// What the driver shows.
    pub(crate) board: Arc<Board>,
    /// The store.
    pub(crate) reader: Reader,
    /// Reports.
    pub(crate) analyst: Analyst,
    heavy: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
}

impl Desk {
    /// A desk for all calls.
    pub(crate) fn new(driver: Handle, board: Arc<Board>, reader: Reader, analyst: Analyst) -> Self {
        Self {
            driver,
            board,
            reader,
            analyst,
            heavy: Arc::new(Semaphore::new(limits::HEAVY_CALLS)),
            watchers: Arc::new(Semaphore::new(limits::WATCHERS)),
        }
    }

    /// Waits for the turn of a call that holds much in memory.
    async fn heavy_call(&self) -> Result<OwnedSemaphorePermit, Status> {
        // the semaphore is never closed
        self.heavy.clone().acquire_owned().await.map_err(|_| Status::unavailable("shutting down"))
    }
}

/// All services behind their gates, with the bounds of connections and messages.
pub(crate) fn router(desk: Desk, tokens: &Tokens) -> Router {
    let keepalive = Duration::from_millis(limits::KEEPALIVE_MS);
    let health = health::service(&desk.board);
    let sweeps = SweepServiceServer::new(sweeps::Sweeps::new(desk.clone()))
        .max_decoding_message_size(limits::MESSAGE_BYTES);
    let workers = WorkerServiceServer::new(workers::Workers::new(desk))
        .max_decoding_message_size(limits::MESSAGE_BYTES);
    Server::builder()
        .http2_keepalive_interval(Some(keepalive))
        .http2_keepalive_timeout(Some(keepalive))
        .max_concurrent_streams(limits::CALLS_PER_CONNECTION)
        .http2_max_header_list_size(limits::HEADER_BYTES)
        .add_service(health)
        .add_service(InterceptedService::new(sweeps, Gate::new(tokens, Role::Admin)))
        .add_service(InterceptedService::new(workers, Gate::new(tokens, Role::Worker)))
}

/// A field that breaks its contract.
fn invalid(error: &InvalidMessage) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A field `field` of which `problem` is wrong.
fn invalid_field(field: &str, problem: impl Into<String>) -> Status {
    invalid(&InvalidMessage::new(field, problem))
}

/// Sends one message of a stream that holds much in memory; `false` if its reader is gone or has stalled.
async fn send_in_time<T>(sender: &mpsc::Sender<Result<T, Status>>, message: Result<T, Status>) -> bool {
    let stall = Duration::from_millis(limits::STALL_MS);
    matches!(tokio::time::timeout(stall, sender.send(message)).await, Ok(Ok(())))
}

impl From<DriverError> for Status {
    fn from(error: DriverError) -> Self {
        let message = error.to_string();
        match error {
            DriverError::Busy | DriverError::Closed => Self::unavailable(message),
            DriverError::Full(_) => cause::store(Self::resource_exhausted(message)),
            // a worker tries again until the coordinator is back; a user is told what to mend
            DriverError::Store(_) => cause::store(Self::unavailable(message)),
            DriverError::Refused(refusal) => match refusal {
                Refusal::UnknownWorker(_) => Self::aborted(message),
                Refusal::UnknownSweep(_) | Refusal::UnknownExperiment { .. } => Self::not_found(message),
                Refusal::BeyondRestarts { .. } | Refusal::OtherKind(_) => Self::invalid_argument(message),
                Refusal::Cancelled(_) => Self::failed_precondition(message),
                Refusal::TooManySweeps | Refusal::TooManyWorkers | Refusal::TooManyExtensions => {
                    Self::resource_exhausted(message)
                }
            },
        }
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let message = with_causes(&error);
        match error {
            ReadError::Store(StoreError::Full { .. }) => cause::store(Self::resource_exhausted(message)),
            ReadError::Store(StoreError::Damaged { .. }) => cause::store(Self::data_loss(message)),
            ReadError::Store(_) => cause::store(Self::unavailable(message)),
            ReadError::Closed => Self::unavailable(message),
            ReadError::Panicked => Self::internal(message),
        }
    }
}
