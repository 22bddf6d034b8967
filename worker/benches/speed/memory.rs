//! What a slot takes of the machine's memory while it trains and ends its trials, beside the data.

use std::sync::atomic::AtomicBool;

use seedsweep_common::range::RestartRange;
use seedsweep_worker::nn::lane::Lanes;

use crate::workloads::Workload;

/// Slots that train at once.
const SLOTS: u32 = 4;

/// Bytes told before, and those that the system counts: the most of `SLOTS` threads together, over what there was
/// before them, for each. `None` where the system does not tell.
pub(crate) fn per_slot(workload: &Workload, lanes: Lanes) -> Option<(u64, u64)> {
    let mut prepared = workload.sweep(16 * SLOTS, &["minima.polish=false"]).prepare(0);
    prepared.force_lanes(lanes);
    // the highest mark falls back to what is used now
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = status("VmRSS:")?;
    let running = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for slot in 0..SLOTS {
            let (prepared, running) = (&prepared, &running);
            let first =
                prepared.pods(RestartRange::new(16 * slot, 16 * slot + 16).expect("not empty")).next();
            let pod = first.expect("a pod");
            scope.spawn(move || prepared.train_pod(pod, running, &mut |_| ()).expect("it trains"));
        }
    });
    Some((prepared.slot_bytes(), status("VmHWM:")?.saturating_sub(before) / u64::from(SLOTS)))
}

/// A line of the process's status, in bytes.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}
