//! `SweepService`: what users ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::digest::Digest;
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Outcome, Provenance};
use seedsweep_common::spec;
use seedsweep_proto::v1;
use seedsweep_proto::v1::sweep_service_server::SweepService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Desk, invalid_field, messages, send_in_time};
use crate::board::{Facts, Posted, Standing};

/// The service.
pub(crate) struct Sweeps {
    desk: Desk,
}

impl Sweeps {
    /// Answers at `desk`.
    pub(crate) fn new(desk: Desk) -> Self {
        Self { desk }
    }

    fn posted(&self, selector: &str) -> Result<Posted, Status> {
        messages::select(&self.desk.board, selector)
    }

    /// Why trials failed, as far as that is told; only a sweep with failures costs a look into the store.
    async fn failures(
        &self,
        posted: &Posted,
        standing: Arc<Standing>,
    ) -> Result<Vec<v1::FailedTrial>, Status> {
        if standing.view.counts().failed == 0 {
            return Ok(Vec::new());
        }
        let id = posted.facts.id;
        let read = self
            .desk
            .reader
            .read(move |store| store.failures(id, &standing.view.failed, limits::FAILURES_SHOWN));
        Ok(read.await?.into_iter().map(|(index, failure)| messages::failed(posted, index, failure)).collect())
    }

    /// The barriers measured so far; only a sweep that asks for some costs a look into the store.
    async fn barriers(&self, posted: &Posted) -> Result<Vec<v1::BarrierRow>, Status> {
        if !posted.facts.wants_barriers() {
            return Ok(Vec::new());
        }
        let id = posted.facts.id;
        let read = self.desk.reader.read(move |store| store.barriers(id)).await?;
        let row = |(pair, (barrier, _)): (&Pair, &(Barrier, Provenance))| v1::BarrierRow {
            pair: Some(pair.into()),
            barrier: Some(barrier.into()),
        };
        Ok(read.iter().map(row).collect())
    }

    /// Why barriers failed; only a sweep with such costs a look into the store.
    async fn failed_barriers(
        &self,
        posted: &Posted,
        standing: &Standing,
    ) -> Result<Option<v1::FailedBarriers>, Status> {
        if standing.view.barriers.as_ref().is_none_or(|stage| stage.counts.failed == 0) {
            return Ok(None);
        }
        let id = posted.facts.id;
        let causes = self.desk.reader.read(move |store| store.failed_barriers(id)).await?;
        Ok(messages::failed_barriers(causes.into_values()))
    }

    /// The digests of data files that `facts` names and the store lacks.
    async fn missing_data(&self, facts: &Facts) -> Result<Vec<String>, Status> {
        let named: BTreeSet<Digest> =
            facts.spec.attachments().iter().filter_map(|attachment| attachment.digest).collect();
        let mut missing = Vec::new();
        for digest in named {
            let _turn = self.desk.heavy_call().await?;
            // a file that turned out to be damaged is set aside by this, and is then missing
            let found = self.desk.reader.read(move |store| Ok(store.data(digest)?.is_some())).await?;
            if !found {
                missing.push(digest.to_string());
            }
        }
        Ok(missing)
    }
}

#[tonic::async_trait]
impl SweepService for Sweeps {
    async fn submit_sweep(
        &self,
        request: Request<v1::SubmitSweepRequest>,
    ) -> Result<Response<v1::SubmitSweepResponse>, Status> {
        let facts = Arc::new(facts(request.into_inner().spec_toml)?);
        let sweep_id = facts.id.to_string();
        if self.desk.board.get(facts.id).is_some() {
            let response = v1::SubmitSweepResponse { sweep_id, created: false, missing_data: Vec::new() };
            return Ok(Response::new(response));
        }
        let missing_data = self.missing_data(&facts).await?;
        let created = missing_data.is_empty() && self.desk.driver.submit(facts).await?;
        Ok(Response::new(v1::SubmitSweepResponse { sweep_id, created, missing_data }))
    }

    async fn upload_data(
        &self,
        request: Request<Streaming<v1::UploadDataRequest>>,
    ) -> Result<Response<v1::UploadDataResponse>, Status> {
        let _turn = self.desk.heavy_call().await?;
        let (digest, content) = receive(request.into_inner()).await?;
        let found = Digest::of(&content);
        if found != digest {
            return Err(invalid_field("digest", format!("is {digest}: the content has {found}")));
        }
        let bytes = content.len() as u64;
        self.desk.reader.read(move |store| store.put_data(digest, &content)).await?;
        Ok(Response::new(v1::UploadDataResponse { bytes }))
    }

    type DownloadDataStream = ReceiverStream<Result<v1::DownloadDataResponse, Status>>;

    async fn download_data(
        &self,
        request: Request<v1::DownloadDataRequest>,
    ) -> Result<Response<Self::DownloadDataStream>, Status> {
        let content = self.desk.data(request.into_inner().digest);
        Ok(Response::new(content.await?.in_chunks(|chunk| v1::DownloadDataResponse { chunk })))
    }

    async fn get_sweep(
        &self,
        request: Request<v1::GetSweepRequest>,
    ) -> Result<Response<v1::GetSweepResponse>, Status> {
        let posted = self.posted(&request.into_inner().selector)?;
        let standing = posted.now();
        Ok(Response::new(v1::GetSweepResponse {
            failures: self.failures(&posted, standing.clone()).await?,
            sweep: Some(messages::sweep(&posted, &standing)),
            workers: Some(messages::workers(self.desk.board.workers())),
            store_problem: self.desk.board.store_problem(),
            spec_toml: posted.facts.spec_toml.clone(),
            barriers: self.barriers(&posted).await?,
            failed_barriers: self.failed_barriers(&posted, &standing).await?,
        }))
    }

    async fn list_sweeps(
        &self,
        _request: Request<v1::ListSweepsRequest>,
    ) -> Result<Response<v1::ListSweepsResponse>, Status> {
        let sweeps = self.desk.board.list();
        Ok(Response::new(v1::ListSweepsResponse {
            sweeps: sweeps.iter().map(|posted| messages::sweep(posted, &posted.now())).collect(),
            workers: Some(messages::workers(self.desk.board.workers())),
            store_problem: self.desk.board.store_problem(),
        }))
    }

    type WatchSweepStream = ReceiverStream<Result<v1::WatchSweepResponse, Status>>;

    async fn watch_sweep(
        &self,
        request: Request<v1::WatchSweepRequest>,
    ) -> Result<Response<Self::WatchSweepStream>, Status> {
        let posted = self.posted(&request.into_inner().selector)?;
        let Ok(place) = self.desk.watchers.clone().try_acquire_owned() else {
            let message = format!("{} watchers are there: no more are taken", limits::WATCHERS);
            return Err(Status::resource_exhausted(message));
        };
        let (sender, receiver) = mpsc::channel(1);
        let desk = self.desk.clone();
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = watch(&desk, posted, &sender) => {}
                () = sender.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn cancel_sweep(
        &self,
        request: Request<v1::CancelSweepRequest>,
    ) -> Result<Response<v1::CancelSweepResponse>, Status> {
        let posted = self.posted(&request.into_inner().selector)?;
        self.desk.driver.cancel(posted.facts.id).await?;
        Ok(Response::new(v1::CancelSweepResponse { sweep: Some(messages::sweep(&posted, &posted.now())) }))
    }

    async fn extend_sweep(
        &self,
        request: Request<v1::ExtendSweepRequest>,
    ) -> Result<Response<v1::ExtendSweepResponse>, Status> {
        let v1::ExtendSweepRequest { selector, experiment, restarts } = request.into_inner();
        let posted = self.posted(&selector)?;
        let wanted = wanted_experiments(&posted, &experiment)?;
        check_extension(&posted, &wanted, restarts)?;
        self.desk.driver.extend(posted.facts.id, wanted, restarts).await?;
        Ok(Response::new(v1::ExtendSweepResponse { sweep: Some(messages::sweep(&posted, &posted.now())) }))
    }

    type ListOutcomesStream = ReceiverStream<Result<v1::ListOutcomesResponse, Status>>;

    async fn list_outcomes(
        &self,
        request: Request<v1::ListOutcomesRequest>,
    ) -> Result<Response<Self::ListOutcomesStream>, Status> {
        let v1::ListOutcomesRequest { selector, experiment } = request.into_inner();
        let posted = self.posted(&selector)?;
        let wanted = wanted_experiments(&posted, &experiment)?;
        let turn = self.desk.heavy_call().await?;
        let analysed = self.desk.analyst.analysed(&posted.facts, &posted.now()).await?;
        let (sender, receiver) = mpsc::channel(1);
        let (reader, id) = (self.desk.reader.clone(), posted.facts.id);
        let stops: Vec<Option<u32>> = analysed.stops().collect();
        tokio::spawn(async move {
            let _turn = turn;
            for index in wanted {
                let rows = match reader.read(move |store| store.outcomes(id, index)).await {
                    Ok(rows) => within(rows, stops.get(index.0 as usize).copied().flatten()),
                    Err(error) => return drop(sender.send(Err(error.into())).await),
                };
                for page in rows.chunks(limits::OUTCOMES_PER_PAGE) {
                    let rows = page.iter().map(|(outcome, provenance)| {
                        let basins = analysed.basins(index, outcome.restart);
                        v1::OutcomeRow {
                            experiment: index.0,
                            outcome: Some(outcome.into()),
                            provenance: Some(provenance.into()),
                            basin_raw: basins.raw,
                            basin_canonical: basins.canonical,
                            basin_function: basins.function,
                        }
                    });
                    let page = v1::ListOutcomesResponse { rows: rows.collect() };
                    if !send_in_time(&sender, Ok(page)).await {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_report(
        &self,
        request: Request<v1::GetReportRequest>,
    ) -> Result<Response<v1::GetReportResponse>, Status> {
        let posted = self.posted(&request.into_inner().selector)?;
        let report_json = self.desk.analyst.report_json(&posted.facts, &posted.now()).await?;
        Ok(Response::new(v1::GetReportResponse { report_json }))
    }
}

/// The rows that count: an experiment that stopped is about the restarts that were looked at.
fn within(mut rows: Vec<(Outcome, Provenance)>, stopped_at: Option<u32>) -> Vec<(Outcome, Provenance)> {
    rows.retain(|(outcome, _)| stopped_at.is_none_or(|end| outcome.restart < end));
    rows
}

/// Checks a submitted spec. It must be canonical: its text is what the id is the digest of.
fn facts(spec_toml: String) -> Result<Facts, Status> {
    if spec_toml.len() > limits::CANONICAL_BYTES {
        let problem =
            format!("has {} bytes: at most {} are allowed", spec_toml.len(), limits::CANONICAL_BYTES);
        return Err(invalid_field("spec_toml", problem));
    }
    let spec = spec::parse_canonical(&spec_toml)
        .map_err(|errors| invalid_field("spec_toml", format!("is wrong:\n{}", errors.rendered.join("\n"))))?;
    if spec.canonical() != spec_toml {
        return Err(invalid_field(
            "spec_toml",
            "is not in canonical form: all defaults filled in, keys in order",
        ));
    }
    let id = SweepId(Digest::of(spec_toml.as_bytes()));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let submitted_unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Ok(Facts { id, spec, spec_toml, submitted_unix_ms })
}

/// Reads an upload to its end.
async fn receive(mut stream: Streaming<v1::UploadDataRequest>) -> Result<(Digest, Vec<u8>), Status> {
    let stall = Duration::from_millis(limits::STALL_MS);
    let mut digest = None;
    let mut content = Vec::new();
    loop {
        let message = tokio::time::timeout(stall, stream.message()).await.map_err(|_| {
            Status::deadline_exceeded(format!("no piece arrived for {} ms", limits::STALL_MS))
        })?;
        let Some(v1::UploadDataRequest { digest: text, chunk }) = message? else { break };
        if digest.is_none() {
            digest =
                Some(text.parse().map_err(|error| invalid_field("digest", format!("is wrong: {error}")))?);
        }
        if chunk.len() > limits::DATA_CHUNK_BYTES {
            let problem =
                format!("has {} bytes: at most {} are allowed", chunk.len(), limits::DATA_CHUNK_BYTES);
            return Err(invalid_field("chunk", problem));
        }
        if (content.len() + chunk.len()) as u64 > limits::DATA_BYTES {
            let message =
                format!("the file has more than {} bytes, which is the most allowed", limits::DATA_BYTES);
            return Err(Status::resource_exhausted(message));
        }
        content.extend_from_slice(&chunk);
    }
    let digest = digest.ok_or_else(|| invalid_field("digest", "is missing: the stream was empty"))?;
    Ok((digest, content))
}

/// Sends the state now and after each change until the sweep ends; never the same twice, the last one always.
async fn watch(desk: &Desk, posted: Posted, sender: &mpsc::Sender<Result<v1::WatchSweepResponse, Status>>) {
    let (mut closing, mut failure) = (desk.board.closing(), desk.board.failure());
    let mut standing = posted.standing.clone();
    loop {
        let now = standing.borrow_and_update().clone();
        failure.mark_unchanged();
        let message = v1::WatchSweepResponse {
            sweep: Some(messages::sweep(&posted, &now)),
            workers: Some(messages::workers(desk.board.workers())),
            store_problem: desk.board.store_problem(),
        };
        if sender.send(Ok(message)).await.is_err() || now.ended() {
            return;
        }
        let next = async {
            tokio::time::sleep(Duration::from_millis(limits::WATCH_INTERVAL_MS)).await;
            // the board outlives every watch
            tokio::select! {
                _ = standing.changed() => {}
                _ = failure.changed() => {}
            }
        };
        tokio::select! {
            () = next => {}
            () = async { drop(closing.wait_for(|closing| *closing).await) } => {
                sender.send(Err(Status::unavailable("the coordinator is shutting down"))).await.ok();
                return;
            }
        }
    }
}

/// Refuses what a spec with so many restarts would be refused for.
fn check_extension(posted: &Posted, wanted: &[ExperimentIndex], restarts: u32) -> Result<(), Status> {
    if restarts == 0 {
        return Err(invalid_field("restarts", "is 0: restarts in all, at least 1"));
    }
    let mut spec = posted.facts.spec_now(&posted.now().view);
    for index in wanted {
        let experiment = &mut spec.experiments[index.0 as usize];
        experiment.restarts = experiment.restarts.max(restarts);
    }
    match spec::parse_canonical(&spec.canonical()) {
        Ok(_) => Ok(()),
        Err(errors) => {
            // where in the spec says nothing to those who did not write this one
            let title = |error: &String| error.lines().next().unwrap_or_default().replace("error: ", "");
            let titles: BTreeSet<String> = errors.rendered.iter().map(title).collect();
            let titles: Vec<String> = titles.into_iter().collect();
            Err(invalid_field("restarts", format!("is {restarts}: {}", titles.join("; "))))
        }
    }
}

/// The experiment called `name`, or all.
fn wanted_experiments(posted: &Posted, name: &str) -> Result<Vec<ExperimentIndex>, Status> {
    let experiments = posted.facts.spec.experiments.iter().zip(0..);
    let wanted: Vec<ExperimentIndex> = experiments
        .filter(|(experiment, _)| name.is_empty() || experiment.name.as_str() == name)
        .map(|(_, index)| ExperimentIndex(index))
        .collect();
    if wanted.is_empty() {
        let shown: String =
            name.chars().take(limits::NAME_CHARS + 1).flat_map(char::escape_default).collect();
        return Err(Status::not_found(format!("the sweep has no experiment `{shown}`")));
    }
    Ok(wanted)
}
