//! Every bound of the system in one place, each with its reason.

/// Longest name of a sweep, an experiment or a worker, in bytes.
pub const NAME_CHARS: usize = 64;
/// Largest spec file, in bytes: a spec is written by hand.
pub const SPEC_BYTES: usize = 256 * 1024;
/// Most experiments of one sweep after the grid is expanded: each is a row of the report.
pub const EXPERIMENTS: usize = 1_000;
/// Most axes of a `[grid]`.
pub const GRID_AXES: usize = 32;
/// Most trials of one sweep. Restarts are intervals, so this bounds disk and analysis, not the plan.
pub const TRIALS_PER_SWEEP: u64 = 10_000_000;
/// Most open sweeps of one coordinator.
pub const OPEN_SWEEPS: usize = 1_000;
/// Most layers (sizes listed in `network.layers`).
pub const LAYERS: usize = 16;
/// Widest layer.
pub const LAYER_WIDTH: u32 = 16_384;
/// Most parameters of a network, in all layers.
pub const PARAMETERS: u64 = 50_000_000;
/// Most parameters for which Hessians are built densely (issue of `minima`): 500² f64 are 2 MB and
/// a Jacobi eigenvalue sweep of that size stays under a second.
pub const DENSE_HESSIAN_PARAMETERS: usize = 500;
/// Largest data file, in bytes; it is held in memory by each worker.
pub const DATA_BYTES: u64 = 256 * 1024 * 1024;
/// Most rows × columns of a data set.
pub const DATA_VALUES: u64 = 100_000_000;
/// Most updates of one trial.
pub const STEPS_PER_TRIAL: u64 = 1_000_000_000;
/// Largest seed a spec can hold: TOML integers are signed.
pub const SEED: u64 = i64::MAX as u64;
/// Largest message on the wire, in bytes.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one piece of a data file on the wire.
pub const DATA_CHUNK_BYTES: usize = 512 * 1024;
/// Most outcomes in one report.
pub const OUTCOMES_PER_REPORT: usize = 1_024;
/// Most restarts in one task: an outcome is about 400 bytes, and a report is one message.
pub const RESTARTS_PER_TASK: u32 = 1_024;
/// Most tasks handed out by one lease call.
pub const TASKS_PER_LEASE: usize = 64;
/// Most slots of one worker.
pub const SLOTS_PER_WORKER: u32 = 1_024;
/// Most workers registered at once.
pub const WORKERS: usize = 10_000;
/// Longest error text of a broken trial that is stored, in bytes; the rest is cut.
pub const ERROR_BYTES: usize = 4 * 1024;
/// Longest wait of a lease call without work, in milliseconds.
pub const LEASE_WAIT_MS: u64 = 10_000;
/// Events that may wait for the driver; beyond it callers get UNAVAILABLE at once.
pub const DRIVER_QUEUE: usize = 4_096;
/// Commits that may wait for the store's writer.
pub const STORE_QUEUE: usize = 1_024;
/// Reports that one commit may hold, and the longest a report waits for company, in milliseconds.
pub const COMMIT_REPORTS: usize = 1_024;
/// See [`COMMIT_REPORTS`].
pub const COMMIT_WAIT_MS: u64 = 5;
/// Largest stored outcome block, in bytes: sled keeps larger values as blobs that it never frees.
pub const BLOCK_BYTES: usize = 32 * 1024;
/// Outcomes sent in one message of a stream.
pub const OUTCOMES_PER_PAGE: usize = 500;
/// Watchers at once.
pub const WATCHERS: usize = 1_000;
/// Shortest wait between two messages of a watch, in milliseconds.
pub const WATCH_INTERVAL_MS: u64 = 200;
/// Workers that must die on a single restart before it counts as failed (design: three different ones).
pub const KILLS_UNTIL_FAILED: usize = 3;
/// Attempts of a trial that breaks (panics) before it counts as failed.
pub const BREAKS_UNTIL_FAILED: usize = 2;
/// Disk space that is never filled: the smaller of this and 2 % of the disk, in bytes.
pub const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;
