//! A few trials, trained to see what they take: as good as it gets for a polish, which is as long as the end point is
//! ill-conditioned, and for rules that may end a training early.

use std::sync::atomic::AtomicBool;

use seedsweep_common::range::RestartRange;

use super::clock::cpu_seconds;
use super::{Estimate, Shape};
use crate::train::Prepared;

/// Trials that tell enough: a polish is two or three times as long as another of the same experiment.
const TRIALS: u32 = 64;

/// CPU-seconds that a trial of `prepared` takes, by training some of the first, a pod after the other, as long as that
/// takes less than `budget_s`. `None` where by `estimate` one register of them alone takes more, or where one gives no
/// outcome.
pub fn sample(prepared: &Prepared, estimate: Estimate, budget_s: f64) -> Option<Estimate> {
    let Shape { experiment, side_by_side, .. } = prepared.shape();
    let first = |most: u32| RestartRange::new(0, experiment.restarts.min(most));
    let is_cheap = |pod: &RestartRange| f64::from(pod.count()) * estimate.total_s() <= budget_s;
    let pods = |restarts| prepared.pods(restarts);
    let restarts = [TRIALS, side_by_side].into_iter().filter_map(first);
    let restarts = restarts.into_iter().find(|&all| pods(all).next().as_ref().is_some_and(is_cheap))?;
    let (mut trials, mut sampled) = (0.0, Estimate { training_s: 0.0, polish_s: 0.0 });
    let usual = prepared.pods(RestartRange::new(0, experiment.restarts)?).next()?.count();
    for pod in pods(restarts) {
        let count = f64::from(pod.count());
        if trials > 0.0 && sampled.total_s() * (1.0 + count / trials) > budget_s {
            break;
        }
        let (taken, busy) = tried(prepared, pod)?;
        // where lanes take trial after trial, those of a smaller pod have waited for its last one
        sampled.training_s += taken.training_s * if pod.count() < usual.min(TRIALS) { busy } else { 1.0 };
        sampled.polish_s += taken.polish_s;
        trials += count;
    }
    Some(Estimate { training_s: sampled.training_s / trials, polish_s: sampled.polish_s / trials })
}

/// CPU-seconds of all trials of `pod`; `None` if one gives no outcome.
pub fn seconds_of(prepared: &Prepared, pod: RestartRange) -> Option<Estimate> {
    Some(tried(prepared, pod)?.0)
}

/// The same, and the share of the longest trial's updates that a trial makes on average.
fn tried(prepared: &Prepared, pod: RestartRange) -> Option<(Estimate, f64)> {
    let running = AtomicBool::new(false);
    let from = cpu_seconds();
    let descended = prepared.descend_pod(pod, &running).ok()?;
    let trained = cpu_seconds();
    let (mut all, mut most) = (0, 1);
    let mut count = |steps: u64| (all, most) = (all + steps, most.max(steps));
    prepared.finish_pod(descended, &running, &mut |outcome| count(outcome.steps)).ok()?;
    let estimate = Estimate { training_s: trained - from, polish_s: cpu_seconds() - trained };
    Some((estimate, all as f64 / most as f64 / f64::from(pod.count())))
}
