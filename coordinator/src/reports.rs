//! Computes reports from stored outcomes, off the driver's loop and one at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use seedsweep_common::analysis::{self, RowBasins, stopping};
use seedsweep_common::barrier::{Barrier, Pair};
use seedsweep_common::id::{ExperimentIndex, SweepId};
use seedsweep_common::limits;
use seedsweep_common::outcome::{Outcome, StopReason};
use seedsweep_common::progress::{Looks, SweepState, TrialCounts};
use tokio::sync::Mutex;

use crate::board::{Facts, Standing};
use crate::core::SweepView;
use crate::driver::Look;
use crate::reader::{ReadError, Reader};
use crate::store::{Store, StoreError, StoredReport, outcomes_digest};

/// What the outcomes of a sweep say, and from what it was computed.
#[derive(Debug)]
pub(crate) struct Analysed {
    /// The sweep's counts as given by the driver.
    view: SweepView,
    /// The report, ready to be stored.
    pub(crate) report: StoredReport,
    /// Basins by experiment and restart, ascending.
    basins: Vec<Vec<(u32, RowBasins)>>,
    /// Between which trials barriers are asked for.
    pairs: Vec<Pair>,
}

impl Analysed {
    /// For each experiment the restarts at which it stopped, if it did.
    pub(crate) fn stops(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        let watches = self.view.plans.iter().map(|plan| plan.watch);
        watches.map(|watch| watch?.stop().map(|stop| stop.restarts))
    }

    /// The basins of one trial; none if it was not yet stored when this was computed.
    pub(crate) fn basins(&self, experiment: ExperimentIndex, restart: u32) -> RowBasins {
        let rows = self.basins.get(experiment.0 as usize).map_or(&[][..], Vec::as_slice);
        let found = rows.binary_search_by_key(&restart, |&(restart, _)| restart);
        found.map_or_else(|_| RowBasins::default(), |at| rows[at].1)
    }
}

/// The latest analyses, oldest first.
type Recent = VecDeque<(SweepId, Arc<Analysed>)>;

/// Computes analyses and keeps the latest ones.
#[derive(Clone)]
pub(crate) struct Analyst {
    reader: Reader,
    /// Held while one is computed: two at a time would only take each other's cores and memory.
    recent: Arc<Mutex<Recent>>,
}

impl Analyst {
    /// Reads outcomes through `reader`.
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, recent: Arc::default() }
    }

    /// The report of an ended sweep, if the stored one is not the same.
    pub(crate) async fn unstored_report(
        &self,
        facts: &Arc<Facts>,
        standing: &Standing,
    ) -> Result<Option<StoredReport>, ReadError> {
        let analysed = self.analysed(facts, standing).await?;
        let id = facts.id;
        let stored = self.reader.read(move |store| store.report(id)).await?;
        Ok((stored.as_ref() != Some(&analysed.report)).then(|| analysed.report.clone()))
    }

    /// The pairs of trials of a sweep between which barriers are asked for.
    pub(crate) async fn pairs(
        &self,
        facts: &Arc<Facts>,
        standing: &Standing,
    ) -> Result<Vec<Pair>, ReadError> {
        Ok(self.analysed(facts, standing).await?.pairs.clone())
    }

    /// The report as JSON. That of a sweep that is final can no longer change: the stored one is given,
    /// unless another version of the analysis made it.
    pub(crate) async fn report_json(
        &self,
        facts: &Arc<Facts>,
        standing: &Standing,
    ) -> Result<String, ReadError> {
        if standing.view.is_final() {
            let id = facts.id;
            let stored = self.reader.read(move |store| store.report(id)).await?;
            if let Some(stored) = stored.filter(|stored| stored.analysis == analysis::ANALYSIS_VERSION) {
                return Ok(stored.report_json);
            }
        }
        Ok(self.analysed(facts, standing).await?.report.report_json.clone())
    }

    /// Looks at the first restarts of an experiment.
    pub(crate) async fn look(
        &self,
        facts: &Arc<Facts>,
        view: &SweepView,
        look: Look,
    ) -> Result<Looks, ReadError> {
        // no report is computed meanwhile
        let _turn = self.recent.lock().await;
        let index = look.experiment;
        let rows = self.reader.read(move |store| bare_outcomes(store, look.sweep, index)).await?;
        let mut spec = facts.spec_now(view);
        let progress = view.progress().into_iter().nth(index.0 as usize).unwrap_or_default();
        let looked = tokio::task::spawn_blocking(move || {
            spec.experiments[index.0 as usize].restarts = look.restarts;
            stopping::looks(&spec, index, look.earlier, &progress, &rows)
        });
        looked.await.map_err(|_| ReadError::Panicked)
    }

    /// The analysis of a sweep as it stands.
    pub(crate) async fn analysed(
        &self,
        facts: &Arc<Facts>,
        standing: &Standing,
    ) -> Result<Arc<Analysed>, ReadError> {
        let mut recent = self.recent.lock().await;
        let known = recent.iter().find(|(id, analysed)| *id == facts.id && analysed.view == standing.view);
        if let Some((_, analysed)) = known {
            return Ok(analysed.clone());
        }
        let (facts_here, view) = (facts.clone(), standing.view.clone());
        let id = facts.id;
        let count = view.experiments.len() as u32;
        let read = self.reader.read(move |store| {
            let rows = (0..count).map(|index| bare_outcomes(store, id, ExperimentIndex(index)));
            let barriers = store.barriers(id)?.into_iter().map(|(pair, (barrier, _))| (pair, barrier));
            Ok((rows.collect::<Result<Vec<_>, _>>()?, barriers.collect::<BTreeMap<_, _>>()))
        });
        let (rows, barriers) = read.await?;
        let analysed = tokio::task::spawn_blocking(move || analyse(&facts_here, view, rows, &barriers));
        let analysed = Arc::new(analysed.await.map_err(|_| ReadError::Panicked)?);
        recent.retain(|(id, _)| *id != facts.id);
        recent.push_back((id, analysed.clone()));
        if recent.len() > limits::ANALYSES_KEPT {
            recent.pop_front();
        }
        Ok(analysed)
    }
}

/// All outcomes of an experiment without their measures: no report reads those, and they may be many times the rest.
fn bare_outcomes(
    store: &Store,
    id: SweepId,
    experiment: ExperimentIndex,
) -> Result<Vec<Outcome>, StoreError> {
    let bare = |(outcome, _): (Outcome, _)| Outcome { measures: Vec::new(), ..outcome };
    Ok(store.outcomes(id, experiment)?.into_iter().map(bare).collect())
}

fn analyse(
    facts: &Facts,
    view: SweepView,
    mut rows: Vec<Vec<Outcome>>,
    barriers: &BTreeMap<Pair, Barrier>,
) -> Analysed {
    let mut progress = view.progress();
    let spec = facts.spec_now(&view);
    let plans = (0..).zip(&view.plans).zip(progress.iter_mut().zip(&mut rows));
    for ((index, plan), (progress, rows)) in plans {
        if let Some(stop) = progress.looks {
            // what ended beyond the restarts looked at is set aside
            rows.retain(|outcome| outcome.restart < stop.restarts);
        } else if let Some(watch) = &plan.watch {
            // as the rows say: what the driver knows of looks that went on is gone when it starts again
            let found = stopping::looks(&spec, ExperimentIndex(index), watch.earlier, progress, rows);
            progress.looks = Some(Looks { stop: None, ..found });
        }
        progress.trials = with_rows(progress.trials, rows);
    }
    let rows = &rows[..];
    let state = view.state;
    debug_assert!(state == SweepState::Running || progress.iter().all(|p| p.trials.is_consistent()));
    let mut analysis = analysis::analyse(&spec, facts.id, state, &progress, rows);
    analysis.connect(barriers);
    let pairs = analysis.pairs();
    let numbered = rows
        .iter()
        .enumerate()
        .flat_map(|(index, rows)| rows.iter().map(move |outcome| (ExperimentIndex(index as u32), outcome)));
    let report = StoredReport {
        report_json: analysis.report.to_json(),
        outcomes_digest: outcomes_digest(numbered),
        analysis: analysis::ANALYSIS_VERSION,
    };
    let basins = rows.iter().zip(analysis.basins).map(|(rows, basins)| {
        let mut basins: Vec<_> = rows.iter().map(|outcome| outcome.restart).zip(basins).collect();
        basins.sort_unstable_by_key(|&(restart, _)| restart);
        basins
    });
    Analysed { basins: basins.collect(), report, view, pairs }
}

/// `counts` with exactly the trials of `rows` done: rows that were stored since the counts were read came from
/// leased trials, or from others that were not done yet.
fn with_rows(counts: TrialCounts, rows: &[Outcome]) -> TrialCounts {
    let done = rows.len() as u64;
    let mut counts = TrialCounts {
        diverged: rows.iter().filter(|outcome| outcome.stop_reason == StopReason::Diverged).count() as u64,
        // fewer rows than counted only after the store has failed: those trials are to be trained again
        pending: counts.pending + counts.done.saturating_sub(done),
        ..counts
    };
    let mut new = done.saturating_sub(counts.done);
    for state in [&mut counts.leased, &mut counts.pending, &mut counts.failed, &mut counts.cancelled] {
        let taken = new.min(*state);
        *state -= taken;
        new -= taken;
    }
    counts.done = done;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::outcome;

    #[test]
    fn counts_follow_the_rows_that_were_read() {
        let counts =
            TrialCounts { total: 10, done: 3, leased: 2, pending: 4, failed: 1, ..Default::default() };
        let mut rows: Vec<Outcome> = (0..10).map(outcome).collect();
        rows[0].stop_reason = StopReason::Diverged;
        for n in 0..=10 {
            let after = with_rows(counts, &rows[..n]);
            assert!(after.is_consistent(), "{n}: {after:?}");
            assert_eq!((after.done, after.diverged), (n as u64, u64::from(n > 0)));
        }
        assert_eq!(with_rows(counts, &rows[..3]).leased, 2);
        assert_eq!(with_rows(counts, &rows[..4]).leased, 1);
        assert_eq!(with_rows(counts, &rows[..6]).pending, 3);
    }
}
