//! Trials as a worker trains them: in tasks, by slots.

use std::sync::Arc;

use seedsweep_common::id::Token;
use seedsweep_common::outcome::Outcome;
use seedsweep_common::range::RestartRange;
use seedsweep_worker::executor::{Executor, Job, JobFlags, Work};
use seedsweep_worker::train::Prepared;

/// Outcomes of restarts 0..`count`, in order of restart, in tasks of `task` that `slots` threads take as they come.
pub(crate) fn outcomes(prepared: &Arc<Prepared>, count: u32, task: u32, slots: u32) -> Vec<Outcome> {
    let (sender, mut reports) = tokio::sync::mpsc::channel(16);
    let executor = Executor::start(slots, &sender).expect("threads");
    let tasks = (0..count).step_by(task as usize);
    let mut tasks = tasks.map(|from| RestartRange::new(from, count.min(from + task)).expect("not empty"));
    let (mut outcomes, mut held) = (Vec::new(), 0);
    loop {
        // as many as a worker holds
        for restarts in tasks.by_ref().take((2 * slots - held) as usize) {
            let flags = Arc::new(JobFlags::default());
            let token = Token(u64::from(restarts.start()));
            let work = Work::Trials { prepared: Arc::clone(prepared), restarts };
            assert!(executor.submit(Job { token, work, flags }));
            held += 1;
        }
        if held == 0 {
            break;
        }
        let report = reports.blocking_recv().expect("a report of each task");
        assert!(report.broken.is_empty(), "{:?}", report.broken);
        outcomes.extend(report.outcomes);
        held -= u32::from(report.end.is_some());
    }
    outcomes.sort_by_key(|outcome| outcome.restart);
    outcomes
}
