//! What a slot really takes while it trains, against what `Prepared::slot_bytes` has told before: an allocator counts.
#![expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use seedsweep_common::range::RestartRange;
use seedsweep_worker::nn::lane::{Lanes, Level};
use seedsweep_worker::train::Axis;

#[path = "../benches/workloads/mod.rs"]
#[expect(dead_code, reason = "the benches ask for more of it")]
mod workloads;

use workloads::WORKLOADS;

/// Bytes that are allocated now, and the most that were since it was last set back.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all calls go on to the system's allocator as they came
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promised
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Most bytes that `work` held beside what was held before.
fn most_bytes(work: impl FnOnce()) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed) - before
}

/// One test, since others would allocate beside it.
#[test]
fn a_slot_takes_what_was_told() {
    let running = AtomicBool::new(false);
    for workload in WORKLOADS {
        let cut: &[&str] = if workload.name == "W5" { &["train.epochs=1"] } else { &["train.steps=3"] };
        let cut = if workload.name.starts_with("W2") { &["train.epochs=1"] } else { cut };
        for (level, axis) in [
            (Level::Avx512, Axis::Restart),
            (Level::Avx512, Axis::Unit),
            (Level::Avx2, Axis::Restart),
            (Level::Avx2, Axis::Unit),
        ] {
            let Some(lanes) = Lanes::force(level) else { continue };
            let mut prepared = workload.sweep(16, &[cut, &["minima.polish=false"]].concat()).prepare(0);
            prepared.force_lanes(lanes);
            prepared.force_axis(axis);
            let told = prepared.slot_bytes() as usize;
            let pod = prepared.pods(RestartRange::new(0, 16).expect("not empty")).next().expect("a pod");
            let mut descended = None;
            let training = most_bytes(|| {
                descended = prepared.descend_pod(pod, &running).ok();
            });
            let all = most_bytes(|| {
                let descended = descended.take().expect("it trains");
                prepared.finish_pod(descended, &running, &mut |_| ()).expect("it ends");
            });
            let what =
                format!("{} {level:?} {axis:?}: told {told}, training {training}, then {all}", workload.name);
            println!("{what}");
        }
    }
}
