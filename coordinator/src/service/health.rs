//! `grpc.health.v1`: whether a service takes calls. Needs no token, so that probes can ask.

use std::sync::Arc;

use seedsweep_proto::v1::sweep_service_server::SweepServiceServer;
use seedsweep_proto::v1::worker_service_server::WorkerServiceServer;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use super::sweeps::Sweeps;
use super::workers::Workers;
use crate::board::Board;

/// The health service. `SweepService` always serves: reads go on. `WorkerService` does not while nothing more
/// can be stored.
pub(crate) fn service(board: &Arc<Board>) -> HealthServer<impl Health + use<>> {
    let (reporter, service) = health_reporter();
    tokio::spawn(follow(board.clone(), reporter));
    service
}

async fn follow(board: Arc<Board>, mut reporter: HealthReporter) {
    let (mut failure, mut closing) = (board.failure(), board.closing());
    reporter.set_serving::<SweepServiceServer<Sweeps>>().await;
    loop {
        let failed = failure.borrow_and_update().is_some();
        let closed = *closing.borrow_and_update();
        let takes_work = if failed || closed { ServingStatus::NotServing } else { ServingStatus::Serving };
        reporter.set_service_status(worker_service(), takes_work).await;
        if closed {
            // ends the streams of those who watch
            reporter.clear_service_status("").await;
            reporter.clear_service_status(sweep_service()).await;
            reporter.clear_service_status(worker_service()).await;
            return;
        }
        tokio::select! {
            Ok(()) = failure.changed() => {}
            Ok(()) = closing.changed() => {}
            else => return,
        }
    }
}

fn sweep_service() -> &'static str {
    <SweepServiceServer<Sweeps> as tonic::server::NamedService>::NAME
}

fn worker_service() -> &'static str {
    <WorkerServiceServer<Workers> as tonic::server::NamedService>::NAME
}
