//! A real server on 127.0.0.1 with a real store, and workers that make their outcomes up.

mod access;
mod barriers;
mod calls;
mod faults;
mod plan;
mod sweep;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use seedsweep_common::fingerprint::ENGINE_VERSION;
use seedsweep_common::limits;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::spec;
use seedsweep_proto::v1;
use seedsweep_proto::v1::sweep_service_client::SweepServiceClient;
use seedsweep_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::core::tests::outcome;
use crate::{Config, Coordinator, ServeError};

type Bearer = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send + Sync>;
type Users = SweepServiceClient<InterceptedService<Channel, Bearer>>;
type Workers = WorkerServiceClient<InterceptedService<Channel, Bearer>>;

/// A spec of one experiment with `restarts` restarts, in canonical form.
fn spec_text(name: &str, restarts: u32) -> String {
    let text = format!(
        "name = \"{name}\"\nseed = 1\n\
         [network]\nlayers = [2, 2, 1]\nactivation = \"tanh\"\n\
         [data]\ndataset = \"xor\"\n\
         [train]\nloss = \"mse\"\noptimizer = \"sgd\"\nlr = 0.1\nbatch = 1\nepochs = 2\n\
         [minima]\npolish = false\n\
         [[experiment]]\nname = \"a\"\ninit = \"xavier_uniform\"\nrestarts = {restarts}\nvary = [\"init\"]\n"
    );
    spec::parse("test", &text, &[]).unwrap_or_else(|errors| panic!("{errors:?}")).spec.canonical()
}

/// A served coordinator.
struct Server {
    address: String,
    tokens: crate::auth::Tokens,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    async fn start(config: Config) -> Self {
        let coordinator =
            tokio::task::spawn_blocking(move || Coordinator::open(config)).await.unwrap().unwrap();
        assert_eq!(coordinator.notices(), [""; 0]);
        let tokens = coordinator.tokens().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(coordinator.serve(listener, async { drop(stopped.await) }));
        Self { address, tokens, stop, serving }
    }

    async fn at(store: &Path) -> Self {
        Self::start(Config { restarts_per_task: Some(4), ..Config::new(store.to_owned()) }).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.address.clone()).unwrap();
        let mut last = None;
        // the listener is bound before the server is spawned: a connection waits in its backlog
        for _ in 0..3 {
            match endpoint.connect().await {
                Ok(channel) => return channel,
                Err(error) => last = Some(error),
            }
        }
        panic!("{last:?}")
    }

    async fn users(&self) -> Users {
        SweepServiceClient::with_interceptor(self.channel().await, bearer(&self.tokens.admin))
    }

    async fn workers(&self) -> Workers {
        WorkerServiceClient::with_interceptor(self.channel().await, bearer(&self.tokens.worker))
    }
}

fn bearer(token: &str) -> Bearer {
    let value = format!("Bearer {token}").parse().unwrap();
    Box::new(move |mut request| {
        request.metadata_mut().insert("authorization", std::clone::Clone::clone(&value));
        Ok(request)
    })
}

/// A worker that makes its outcomes up.
struct FakeWorker {
    calls: Workers,
    id: u64,
    lease_ms: u64,
}

impl FakeWorker {
    async fn join(server: &Server) -> Self {
        let mut calls = server.workers().await;
        let request = v1::RegisterRequest {
            name: "fake".into(),
            slots: 2,
            engine: ENGINE_VERSION.into(),
            build: "test".into(),
            lanes: "avx2".into(),
            ..Default::default()
        };
        let response = calls.register(request).await.unwrap().into_inner();
        assert_eq!(response.renew_ms, limits::RENEW_MS.min(response.lease_ms / 3));
        Self { calls, id: response.worker_id, lease_ms: response.lease_ms }
    }

    async fn lease(&mut self, free_slots: u32, wait_ms: u64) -> v1::LeaseTasksResponse {
        let request = v1::LeaseTasksRequest { worker_id: self.id, free_slots, wait_ms, ..Default::default() };
        self.calls.lease_tasks(request).await.unwrap().into_inner()
    }

    async fn one_task(&mut self) -> v1::Task {
        let mut tasks = self.lease(1, 10_000).await.tasks;
        assert_eq!(tasks.len(), 1);
        tasks.remove(0)
    }

    async fn report(
        &mut self,
        task: &v1::Task,
        outcomes: Vec<Outcome>,
    ) -> Result<v1::ReportOutcomesResponse, Status> {
        let request = v1::ReportOutcomesRequest {
            worker_id: self.id,
            task: Some(task.clone()),
            outcomes: outcomes.iter().map(Into::into).collect(),
            broken: Vec::new(),
            finished: true,
            duration_ms: 5,
            ..Default::default()
        };
        self.calls.report_outcomes(request).await.map(tonic::Response::into_inner)
    }

    /// Trains until nothing is left to lease.
    async fn work(&mut self) -> u32 {
        let mut accepted = 0;
        loop {
            let tasks = self.lease(2, 0).await.tasks;
            if tasks.is_empty() {
                return accepted;
            }
            for task in tasks {
                accepted += self.report(&task, trained(&task)).await.unwrap().accepted;
            }
        }
    }
}

fn trained(task: &v1::Task) -> Vec<Outcome> {
    (task.start..task.end).map(outcome).collect()
}

async fn submit(users: &mut Users, spec_toml: String) -> v1::SubmitSweepResponse {
    users.submit_sweep(v1::SubmitSweepRequest { spec_toml }).await.unwrap().into_inner()
}

async fn sweep(users: &mut Users, selector: &str) -> v1::Sweep {
    let request = v1::GetSweepRequest { selector: selector.into() };
    users.get_sweep(request).await.unwrap().into_inner().sweep.unwrap()
}

async fn report_json(users: &mut Users, selector: &str) -> String {
    let request = v1::GetReportRequest { selector: selector.into() };
    users.get_report(request).await.unwrap().into_inner().report_json
}

async fn rows(users: &mut Users, selector: &str) -> Vec<v1::OutcomeRow> {
    let request = v1::ListOutcomesRequest { selector: selector.into(), experiment: String::new() };
    let mut pages = users.list_outcomes(request).await.unwrap().into_inner();
    let mut rows = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        rows.extend(page.rows);
    }
    rows
}

/// Fails instead of hanging.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("must not take so long")
}
