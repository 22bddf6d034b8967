//! The one way to ask a coordinator: `SweepService` with the admin token, answers checked.

use seedsweep_common::digest::Digest;
use seedsweep_common::limits;
use seedsweep_proto::v1::{self, sweep_service_client::SweepServiceClient};
use seedsweep_shell::error::{CliError, Kind};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use seedsweep_shell::address;

/// Adds the token to every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A coordinator that can be asked.
pub(crate) struct Client {
    service: SweepServiceClient<InterceptedService<Channel, Bearer>>,
}

impl Client {
    /// Connects to the coordinator at `address` with the admin token `token`.
    pub(crate) async fn connect(address: &str, token: &str) -> Result<Self, CliError> {
        let unreachable = |error: tonic::transport::Error| {
            let message = format!("no coordinator answers at {address}");
            CliError::caused(Kind::Unreachable, message, &error)
        };
        let channel = address::endpoint(address)?.connect().await.map_err(unreachable)?;
        Self::new(channel, token)
    }

    /// Asks over `channel`.
    pub(crate) fn new(channel: Channel, token: &str) -> Result<Self, CliError> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| {
            CliError::new(Kind::NotAllowed, "the token holds characters that no token of seedsweep has")
        })?;
        bearer.set_sensitive(true);
        let service = SweepServiceClient::with_interceptor(channel, Bearer(bearer))
            .max_decoding_message_size(limits::REPORT_BYTES);
        Ok(Self { service })
    }

    /// Hands in a canonical spec, and the content of data files that the coordinator does not have yet.
    pub(crate) async fn submit(
        &mut self,
        spec_toml: &str,
        content: impl Fn(Digest) -> Option<std::sync::Arc<[u8]>>,
    ) -> Result<v1::SubmitSweepResponse, CliError> {
        let request = v1::SubmitSweepRequest { spec_toml: spec_toml.to_owned() };
        let first = self.service.submit_sweep(request.clone()).await.map_err(refused)?.into_inner();
        if first.missing_data.is_empty() {
            return Ok(first);
        }
        for digest in &first.missing_data {
            let known = digest.parse().ok().and_then(&content);
            let bytes = known.ok_or_else(|| {
                CliError::new(
                    Kind::Bug,
                    format!("the coordinator asks for data {digest} that the spec does not name"),
                )
            })?;
            self.upload(digest, &bytes).await?;
        }
        let second = self.service.submit_sweep(request).await.map_err(refused)?.into_inner();
        if second.missing_data.is_empty() {
            return Ok(second);
        }
        Err(CliError::new(Kind::Bug, "the coordinator lost data that was just handed in"))
    }

    async fn upload(&mut self, digest: &str, content: &[u8]) -> Result<(), CliError> {
        // An empty file still needs the one message that names its digest.
        let pieces = content.chunks(limits::DATA_CHUNK_BYTES).map(<[u8]>::to_vec);
        let pieces: Vec<Vec<u8>> = if content.is_empty() { vec![Vec::new()] } else { pieces.collect() };
        let digest = digest.to_owned();
        let messages = pieces.into_iter().enumerate().map(move |(number, chunk)| v1::UploadDataRequest {
            digest: if number == 0 { digest.clone() } else { String::new() },
            chunk,
        });
        self.service.upload_data(tokio_stream::iter(messages)).await.map_err(refused)?;
        Ok(())
    }

    /// The content of a stored data file, compared with its digest.
    pub(crate) async fn download(&mut self, digest: Digest) -> Result<Vec<u8>, CliError> {
        let request = v1::DownloadDataRequest { digest: digest.to_string() };
        let mut stream = self.service.download_data(request).await.map_err(refused)?.into_inner();
        let mut content = Vec::new();
        while let Some(piece) = stream.message().await.map_err(refused)? {
            content.extend_from_slice(&piece.chunk);
            if content.len() as u64 > limits::DATA_BYTES {
                let message = format!("data file {digest} is longer than {} bytes", limits::DATA_BYTES);
                return Err(CliError::new(Kind::Bug, message));
            }
        }
        if Digest::of(&content) != digest {
            let message = format!("data file {digest} arrived with another content");
            return Err(CliError::new(Kind::Store, message));
        }
        Ok(content)
    }

    /// State and spec of one sweep.
    pub(crate) async fn sweep(&mut self, selector: &str) -> Result<v1::GetSweepResponse, CliError> {
        let request = v1::GetSweepRequest { selector: selector.to_owned() };
        Ok(self.service.get_sweep(request).await.map_err(refused)?.into_inner())
    }

    /// States of all sweeps, oldest first.
    pub(crate) async fn sweeps(&mut self) -> Result<v1::ListSweepsResponse, CliError> {
        Ok(self.service.list_sweeps(v1::ListSweepsRequest {}).await.map_err(refused)?.into_inner())
    }

    /// States of one sweep until it ends.
    pub(crate) async fn watch(
        &mut self,
        selector: &str,
    ) -> Result<Streaming<v1::WatchSweepResponse>, CliError> {
        let request = v1::WatchSweepRequest { selector: selector.to_owned() };
        Ok(self.service.watch_sweep(request).await.map_err(refused)?.into_inner())
    }

    /// Stops a sweep.
    pub(crate) async fn cancel(&mut self, selector: &str) -> Result<v1::Sweep, CliError> {
        let request = v1::CancelSweepRequest { selector: selector.to_owned() };
        let response = self.service.cancel_sweep(request).await.map_err(refused)?.into_inner();
        present(response.sweep, "sweep")
    }

    /// Asks for `restarts` in all of one experiment, or of each if `experiment` is empty.
    pub(crate) async fn extend(
        &mut self,
        selector: &str,
        experiment: &str,
        restarts: u32,
    ) -> Result<v1::Sweep, CliError> {
        let request = v1::ExtendSweepRequest {
            selector: selector.to_owned(),
            experiment: experiment.to_owned(),
            restarts,
        };
        let response = self.service.extend_sweep(request).await.map_err(refused)?.into_inner();
        present(response.sweep, "sweep")
    }

    /// Outcome rows by experiment and restart; of all experiments if `experiment` is empty.
    pub(crate) async fn outcomes(
        &mut self,
        selector: &str,
        experiment: &str,
    ) -> Result<Streaming<v1::ListOutcomesResponse>, CliError> {
        let request =
            v1::ListOutcomesRequest { selector: selector.to_owned(), experiment: experiment.to_owned() };
        Ok(self.service.list_outcomes(request).await.map_err(refused)?.into_inner())
    }

    /// The report over what is stored now, JSON of schema `seedsweep.report/1`.
    pub(crate) async fn report(&mut self, selector: &str) -> Result<String, CliError> {
        let request = v1::GetReportRequest { selector: selector.to_owned() };
        Ok(self.service.get_report(request).await.map_err(refused)?.into_inner().report_json)
    }
}

/// What the coordinator answered instead of a result.
#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub(crate) fn refused(status: Status) -> CliError {
    CliError::status(&status)
}

/// A field that a coordinator always sends.
pub(crate) fn present<T>(field: Option<T>, name: &str) -> Result<T, CliError> {
    field.ok_or_else(|| CliError::new(Kind::Bug, format!("the coordinator's answer lacks `{name}`")))
}
