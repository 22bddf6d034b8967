//! `WorkerService`: what workers ask.

use std::collections::HashSet;

use seedsweep_common::barrier::Barrier;
use seedsweep_common::fingerprint::ENGINE_VERSION;
use seedsweep_common::id::{Name, SweepId, WorkerId};
use seedsweep_common::limits;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::range::RestartRange;
use seedsweep_proto::convert::{self, InvalidMessage};
use seedsweep_proto::v1;
use seedsweep_proto::v1::worker_service_server::WorkerService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Desk, invalid, invalid_field, messages};
use crate::core::{Broken, Effort, Kind, Newcomer, Report};

/// The service.
pub(crate) struct Workers {
    desk: Desk,
}

impl Workers {
    /// Answers at `desk`.
    pub(crate) fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// The specs of `sweeps` that are not in `known`.
    fn specs(&self, sweeps: impl Iterator<Item = SweepId>, known: &HashSet<SweepId>) -> Vec<v1::SweepSpec> {
        let mut sent = known.clone();
        let new = sweeps.filter(|&id| sent.insert(id));
        new.filter_map(|id| self.desk.board.get(id))
            .map(|posted| v1::SweepSpec {
                sweep_id: posted.facts.id.to_string(),
                spec_toml: posted.facts.spec_toml.clone(),
            })
            .collect()
    }
}

#[tonic::async_trait]
impl WorkerService for Workers {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let v1::RegisterRequest { name, slots, engine, build, lanes, axis, peak_mflop_per_s } =
            request.into_inner();
        let name = Name::new(&name).map_err(|error| invalid_field("name", format!("is wrong: {error}")))?;
        if !(1..=limits::SLOTS_PER_WORKER).contains(&slots) {
            let problem = format!("is {slots}: 1 to {} are allowed", limits::SLOTS_PER_WORKER);
            return Err(invalid_field("slots", problem));
        }
        if build.len() > limits::NAME_CHARS || build.chars().any(char::is_control) {
            let problem = format!("must be at most {} bytes without control characters", limits::NAME_CHARS);
            return Err(invalid_field("build", problem));
        }
        if engine != ENGINE_VERSION {
            let engine: String =
                engine.chars().take(limits::NAME_CHARS).flat_map(char::escape_default).collect();
            return Err(Status::failed_precondition(format!(
                "`engine` is {engine}: this coordinator needs {ENGINE_VERSION}, or outcomes would differ in their bits"
            )));
        }
        for (field, text) in [("lanes", &lanes), ("axis", &axis)] {
            if !text.is_empty() {
                Name::new(text).map_err(|error| invalid_field(field, format!("is wrong: {error}")))?;
            }
        }
        let kind = Kind { lanes, axis };
        let newcomer = Newcomer { name, build, slots, kind, peak_mflop_per_s };
        let registered = self.desk.driver.register(newcomer).await?;
        Ok(Response::new(v1::RegisterResponse {
            worker_id: registered.worker.0,
            lease_ms: registered.lease_ms,
            renew_ms: registered.renew_ms,
        }))
    }

    async fn lease_tasks(
        &self,
        request: Request<v1::LeaseTasksRequest>,
    ) -> Result<Response<v1::LeaseTasksResponse>, Status> {
        let v1::LeaseTasksRequest { worker_id, free_slots, wait_ms, known_sweeps, guesses } =
            request.into_inner();
        if free_slots > limits::TASKS_PER_LEASE as u32 {
            let problem = format!("is {free_slots}: at most {} are allowed", limits::TASKS_PER_LEASE);
            return Err(invalid_field("free_slots", problem));
        }
        if wait_ms > limits::LEASE_WAIT_MS {
            let problem = format!("is {wait_ms}: at most {} are allowed", limits::LEASE_WAIT_MS);
            return Err(invalid_field("wait_ms", problem));
        }
        let known: Result<HashSet<SweepId>, _> =
            known_sweeps.iter().map(|id| convert::sweep_id("known_sweeps", id)).collect();
        let known = known.map_err(|error| invalid(&error))?;
        if guesses.len() > limits::GUESSES_PER_LEASE {
            let problem = format!("has {}: at most {} are allowed", guesses.len(), limits::GUESSES_PER_LEASE);
            return Err(invalid_field("guesses", problem));
        }
        let guesses = guesses.iter().map(messages::guess).collect::<Result<_, _>>();
        let guesses = guesses.map_err(|error| invalid(&error))?;
        let leased = self.desk.driver.lease(WorkerId(worker_id), free_slots, wait_ms, guesses).await?;
        Ok(Response::new(v1::LeaseTasksResponse {
            specs: self.specs(leased.tasks.iter().map(|task| task.sweep), &known),
            tasks: leased
                .tasks
                .iter()
                .map(|task| messages::task(task, self.desk.board.get(task.sweep).as_ref()))
                .collect(),
            work_left: leased.work_left,
        }))
    }

    async fn renew_leases(
        &self,
        request: Request<v1::RenewLeasesRequest>,
    ) -> Result<Response<v1::RenewLeasesResponse>, Status> {
        let v1::RenewLeasesRequest { worker_id, held } = request.into_inner();
        if held.len() > limits::LEASES_PER_WORKER {
            let problem =
                format!("has {} tasks: at most {} are allowed", held.len(), limits::LEASES_PER_WORKER);
            return Err(invalid_field("held", problem));
        }
        let held: Result<Vec<_>, _> = held.iter().map(messages::presented_task).collect();
        let held = held.map_err(|error| invalid(&error.within("held")))?;
        let revoked = self.desk.driver.renew(WorkerId(worker_id), held).await?;
        Ok(Response::new(v1::RenewLeasesResponse {
            revoked: revoked.into_iter().map(|token| token.0).collect(),
        }))
    }

    async fn report_outcomes(
        &self,
        request: Request<v1::ReportOutcomesRequest>,
    ) -> Result<Response<v1::ReportOutcomesResponse>, Status> {
        let report = report(request.into_inner()).map_err(|error| invalid(&error))?;
        let reported = self.desk.driver.report(report).await?;
        Ok(Response::new(v1::ReportOutcomesResponse {
            accepted: reported.accepted,
            duplicates: reported.duplicates,
            divergences: reported.divergences,
        }))
    }

    type GetDataStream = ReceiverStream<Result<v1::GetDataResponse, Status>>;

    async fn get_data(
        &self,
        request: Request<v1::GetDataRequest>,
    ) -> Result<Response<Self::GetDataStream>, Status> {
        let content = self.desk.data(request.into_inner().digest);
        Ok(Response::new(content.await?.in_chunks(|chunk| v1::GetDataResponse { chunk })))
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        self.desk.driver.leave(WorkerId(request.into_inner().worker_id)).await?;
        Ok(Response::new(v1::LeaveResponse {}))
    }
}

/// Checks a report: every row within the task's range.
fn report(request: v1::ReportOutcomesRequest) -> Result<Report, InvalidMessage> {
    let task = request.task.as_ref().ok_or_else(|| InvalidMessage::new("task", "is missing"))?;
    let task = messages::presented_task(task)?;
    let rows = request.outcomes.len() + request.barriers.len() + request.broken.len();
    if rows > limits::OUTCOMES_PER_REPORT {
        let problem = format!("has {rows} rows: at most {} are allowed", limits::OUTCOMES_PER_REPORT);
        return Err(InvalidMessage::new("outcomes", problem));
    }
    let outcomes = request.outcomes.iter().enumerate().map(|(row, outcome)| {
        let field = format!("outcomes[{row}]");
        within(&field, outcome.restart, task.range)?;
        Outcome::try_from(outcome).map_err(|error| error.within(&field))
    });
    let outcomes = outcomes.collect::<Result<_, _>>()?;
    let barriers = request.barriers.iter().enumerate().map(|(row, measured)| {
        let field = format!("barriers[{row}]");
        within(&field, measured.pair, task.range)?;
        let barrier = measured.barrier.as_ref().ok_or_else(|| InvalidMessage::new(&field, "is empty"))?;
        Ok((measured.pair, Barrier::try_from(barrier).map_err(|error| error.within(&field))?))
    });
    let barriers = barriers.collect::<Result<_, InvalidMessage>>()?;
    let broken = request.broken.into_iter().enumerate().map(|(row, trial)| {
        within(&format!("broken[{row}]"), trial.restart, task.range)?;
        Ok(Broken { restart: trial.restart, cause: cut(trial.cause) })
    });
    Ok(Report {
        worker: WorkerId(request.worker_id),
        task,
        outcomes,
        barriers,
        broken: broken.collect::<Result<_, InvalidMessage>>()?,
        finished: request.finished,
        duration_ms: request.duration_ms,
        effort: Effort {
            training_us: request.training_us,
            polish_us: request.polish_us,
            training_mflop: request.training_mflop,
            ..Effort::default()
        },
    })
}

fn within(field: &str, restart: u32, range: RestartRange) -> Result<(), InvalidMessage> {
    if range.contains(restart) {
        return Ok(());
    }
    let problem = format!("is {restart}: the task covers {} to {}", range.start(), range.end() - 1);
    Err(InvalidMessage::new(format!("{field}.restart"), problem))
}

/// The first bytes of a text, whole characters only.
fn cut(mut text: String) -> String {
    if text.len() > limits::ERROR_BYTES {
        let boundary = (0..=limits::ERROR_BYTES).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(boundary.unwrap_or(0));
    }
    text
}
