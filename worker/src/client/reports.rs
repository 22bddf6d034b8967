//! What was trained on its way to the coordinator: offered until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use seedsweep_common::id::Token;
use seedsweep_proto::v1;
use tokio::time::Instant;
use tonic::Status;

use super::backoff::Backoff;
use super::{Answer, SHORT_TASK, Worker, asked, rpc};
use crate::executor::{JobEnd, Report};

impl Worker {
    pub(super) fn on_report(&mut self, report: Report) {
        self.idle_since = Instant::now();
        let Some(held) = self.held.get_mut(&report.token) else { return };
        held.ended = report.end;
        if report.end == Some(JobEnd::Finished) {
            self.short_tasks = report.duration < SHORT_TASK;
        }
        if report.outcomes.is_empty() && report.barriers.is_empty() && report.broken.is_empty() {
            self.forget_if_over(report.token);
            return;
        }
        held.sending += 1;
        let request = v1::ReportOutcomesRequest {
            worker_id: 0,
            task: Some(held.task.clone()),
            outcomes: report.outcomes.iter().map(v1::Outcome::from).collect(),
            barriers: asked::measured(&report.barriers),
            broken: report
                .broken
                .into_iter()
                .map(|(restart, cause)| v1::BrokenTrial { restart, cause })
                .collect(),
            finished: report.end == Some(JobEnd::Finished),
            duration_ms: report.duration.as_millis() as u64,
            training_us: report.training.as_micros() as u64,
            polish_us: report.polish.as_micros() as u64,
            training_mflop: (report.training_flops / 1e6) as u64,
        };
        self.send(report.token, request);
    }

    /// Offers a report until it is acknowledged or refused for good.
    fn send(&mut self, token: Token, mut request: v1::ReportOutcomesRequest) {
        let (trials, broken) = (request.outcomes.len() as u64, request.broken.len() as u64);
        let (mut rpc, id) = (self.rpc.clone(), Arc::clone(&self.id));
        let (forgotten, outage) = (Arc::clone(&self.forgotten), self.outage.clone());
        self.calls.spawn(async move {
            let mut backoff = Backoff::new();
            let result = loop {
                request.worker_id = id.load(Ordering::Relaxed);
                match rpc.report_outcomes(request.clone()).await {
                    Ok(response) => {
                        outage.over();
                        break Ok(response.into_inner());
                    }
                    Err(status) if rpc::must_register(&status) => {
                        forgotten.notify_one();
                        tokio::time::sleep(backoff.next_wait()).await;
                    }
                    Err(status) if rpc::is_transient(&status) => {
                        outage.met("report", &status);
                        tokio::time::sleep(backoff.next_wait()).await;
                    }
                    Err(status) => break Err(status),
                }
            };
            Answer::Reported { token, trials, broken, result }
        });
    }

    pub(super) fn on_reported(
        &mut self,
        token: Token,
        trials: u64,
        broken: u64,
        result: Result<v1::ReportOutcomesResponse, Status>,
    ) {
        match result {
            Ok(response) => {
                self.summary.trials += trials;
                self.summary.broken += broken;
                if response.divergences > 0 {
                    tracing::error!(
                        divergences = response.divergences,
                        "outcomes differ from what another worker reported"
                    );
                }
            }
            Err(status) => {
                tracing::error!(code = ?status.code(), trials, "the coordinator refuses a report: {}", status.message());
            }
        }
        if let Some(held) = self.held.get_mut(&token) {
            held.sending -= 1;
        }
        self.forget_if_over(token);
    }

    pub(super) fn forget_if_over(&mut self, token: Token) {
        if self.held.get(&token).is_some_and(|held| held.ended.is_some() && held.sending == 0) {
            self.held.remove(&token);
            self.idle_since = Instant::now();
        }
    }
}
