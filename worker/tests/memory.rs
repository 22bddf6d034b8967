//! What a slot takes of memory against what it was told to take: every byte is counted, of networks side by side, of
//! one network alone and of a polish.
#![expect(unsafe_code, reason = "only an allocator sees every byte")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use seedsweep_common::id::ExperimentIndex;
use seedsweep_common::range::RestartRange;
use seedsweep_common::spec;
use seedsweep_worker::nn::lane::{Lanes, Level};
use seedsweep_worker::train::{Axis, Prepared};

use workloads::WORKLOADS;

#[path = "../benches/workloads/mod.rs"]
#[expect(dead_code, reason = "the benches ask for more of it")]
mod workloads;

#[global_allocator]
static COUNTING: Counting = Counting;

static RUNNING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Bytes that this thread has allocated and not freed, and the most that they have been.
    static HELD: Cell<[isize; 2]> = const { Cell::new([0; 2]) };
}

/// The system's allocator, which counts.
struct Counting;

fn count(bytes: isize) {
    // a thread that ends has no counts any more
    let _ = HELD.try_with(|held| {
        let [now, most] = held.get();
        held.set([now + bytes, most.max(now + bytes)]);
    });
}

// SAFETY: the system's allocator does everything; counting allocates nothing
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps what the system's allocator asks for
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that training and ending `pod` holds at once.
fn most_bytes(prepared: &Prepared, pod: RestartRange) -> u64 {
    HELD.set([0; 2]);
    let mut ended = 0;
    prepared.train_pod(pod, &RUNNING, &mut |_| ended += 1).expect("it trains");
    assert_eq!(ended, pod.count());
    HELD.get()[1].cast_unsigned() as u64
}

/// The first pod of `prepared` takes no more than was told, and at least half of it.
fn assert_told(name: &str, mut prepared: Prepared, axis: Axis) {
    prepared.force_axis(axis);
    for level in [Level::Avx2, Level::Avx512] {
        let Some(lanes) = Lanes::force(level) else { continue };
        prepared.force_lanes(lanes);
        let pod = prepared.pods(RestartRange::new(0, 16).expect("not empty")).next().expect("a pod");
        let (told, taken) = (prepared.slot_bytes(), most_bytes(&prepared, pod));
        let what = format!("{name}, {axis:?}, {level:?}: {taken} bytes taken, {told} told");
        assert!(taken <= told && 2 * taken >= told, "{what}");
    }
}

fn workload(name: &str, sets: &[&str]) -> Prepared {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).expect("a workload");
    workload.sweep(16, &[sets, &["minima.polish=false"]].concat()).prepare(0)
}

#[test]
fn networks_side_by_side_take_what_was_told() {
    for name in ["W2", "W2own"] {
        assert_told(name, workload(name, &["train.epochs=1"]), Axis::Restart);
    }
    assert_told("W3", workload("W3", &["train.steps=3"]), Axis::Restart);
}

#[test]
fn a_network_alone_takes_what_was_told() {
    assert_told("W2", workload("W2", &["train.epochs=1"]), Axis::Unit);
    assert_told("W5", workload("W5", &["train.epochs=1"]), Axis::Unit);
}

/// A network whose Hessians are larger than all else.
#[test]
fn a_polish_takes_what_was_told() {
    let text = r#"
name = "polish"
seed = 2
network = { layers = [2, 15, 1], activation = "tanh" }
data = { dataset = "moons" }
train = { loss = "mse", l2 = 1e-2, lr = 0.05, batch = 4, epochs = 20 }
minima = { polish = true }
[[experiment]]
name = "polish"
init = "xavier_uniform"
restarts = 16
vary = ["init"]
"#;
    let spec = spec::parse("polish", text, &[]).unwrap_or_else(|errors| panic!("{errors}")).spec;
    let prepared = Prepared::new(&spec, ExperimentIndex(0), &|_| None).expect("it can be trained");
    assert_told("a polish", prepared, Axis::Unit);
}
