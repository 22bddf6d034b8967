//! Every bound of the system in one place, each with its reason.

/// Longest name of a sweep, an experiment or a worker, in bytes.
pub const NAME_CHARS: usize = 64;
/// Largest spec file, in bytes: a spec is written by hand.
pub const SPEC_BYTES: usize = 256 * 1024;
/// Largest canonical form of a spec, in bytes: its grid is expanded and every default written out.
pub const CANONICAL_BYTES: usize = 2 * 1024 * 1024;
/// Most errors, and most warnings, shown about one spec: more help nobody.
pub const SPEC_MESSAGES: usize = 100;
/// Most keys of one table of a spec: twice the axes of a grid, which is the longest.
pub const KEYS_PER_TABLE: usize = 64;
/// Largest magnitude of a number in a spec: it and its square stay finite in f64, and it in f32.
pub const NUMBER: f64 = 1e30;
/// Longest path or column name in a spec, in bytes.
pub const TEXT_BYTES: usize = 1_024;
/// Most steps a polish may be given.
pub const POLISH_STEPS: u32 = 1_000_000;
/// Most experiments of one sweep after the grid is expanded: each is a row of the report. Also the longest list
/// in a spec.
pub const EXPERIMENTS: usize = 1_000;
/// Most axes of a `[grid]`.
pub const GRID_AXES: usize = 32;
/// Most trials of one sweep. Restarts are intervals, so this bounds disk and analysis, not the plan.
pub const TRIALS_PER_SWEEP: u64 = 10_000_000;
/// Most extensions of one sweep, each experiment counted: all of them are in every seal and report.
pub const EXTENSIONS: usize = 10_000;
/// Most open sweeps of one coordinator.
pub const OPEN_SWEEPS: usize = 1_000;
/// Most layers (sizes listed in `network.layers`): twenty hidden ones and some, and what `geometry` measures of twenty
/// fits [`MEASURE_BYTES`].
pub const LAYERS: usize = 32;
/// Widest layer.
pub const LAYER_WIDTH: u32 = 16_384;
/// Most units of a network trained on the population loss: all pairs of them are held, for each lane of a pod.
pub const POPULATION_UNITS: u32 = 512;
/// Most inputs of one: then a pass, which nothing interrupts, is at most some ten million multiply-adds.
pub const POPULATION_INPUTS: u32 = 256;
/// Most parameters of a network, in all layers.
pub const PARAMETERS: u64 = 50_000_000;
/// Most parameters for which Hessians are built densely: 500² f64 are 2 MB, and all eigenvalues take a few
/// tenths of a second.
pub const DENSE_HESSIAN_PARAMETERS: usize = 500;
/// Most parameters of a network that can be polished: what L-BFGS remembers takes 320 bytes for each.
pub const POLISHED_PARAMETERS: u64 = 1_000_000;
/// Most inputs × outputs × the smaller of them, summed over the layers, of a start by `orthogonal`: about a second.
pub const ORTHOGONAL_WORK: u64 = 1_000_000_000;
/// Most dimensions of `parity`: it has all 2ᵈ corners, here 65,536 of 16 values.
pub const PARITY_DIMS: u32 = 16;
/// Largest data file, in bytes; it is held in memory by each worker.
pub const DATA_BYTES: u64 = 256 * 1024 * 1024;
/// Checkpoints of one census: every pair of them is compared, by an assignment of their units.
pub const CHECKPOINTS: usize = 2_000;

/// Most rows × columns of a data set.
pub const DATA_VALUES: u64 = 100_000_000;
/// Largest absolute value of a user's data: it fits an f32, and sums of squares of all values fit an f64.
pub const DATA_MAGNITUDE: f64 = 1e30;
/// Most updates of one trial.
pub const STEPS_PER_TRIAL: u64 = 1_000_000_000;
/// Largest seed a spec can hold: TOML integers are signed.
pub const SEED: u64 = i64::MAX as u64;
/// Largest message on the wire, in bytes.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Largest report that a client accepts, in bytes: 1,000 experiments of 50 listed basins at each level are about 20 MB.
pub const REPORT_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one piece of a data file on the wire.
pub const DATA_CHUNK_BYTES: usize = 512 * 1024;
/// Most outcomes in one report.
pub const OUTCOMES_PER_REPORT: usize = 1_024;
/// Most restarts in one task: an outcome is about 400 bytes and [`MEASURE_BYTES`], and a report is one message.
pub const RESTARTS_PER_TASK: u32 = 1_024;
/// Most tasks handed out by one lease call.
pub const TASKS_PER_LEASE: usize = 64;
/// Most slots of one worker.
pub const SLOTS_PER_WORKER: u32 = 1_024;
/// Shortest time between two renewals of a worker, in milliseconds: how long a cancelled trial may not know.
pub const RENEW_MS: u64 = 400;
/// Guesses of a worker in one call for tasks.
pub const GUESSES_PER_LEASE: usize = 64;
/// Experiments of which a coordinator remembers a worker's guess, with what it measured.
pub const SPEEDS_PER_WORKER: usize = 4_096;
/// Kinds of workers told apart in one answer: there are a few kinds of machines.
pub const WORKER_KINDS: usize = 16;
/// Most workers registered at once.
pub const WORKERS: usize = 10_000;
/// Longest error text of a broken trial that is stored, in bytes; the rest is cut.
pub const ERROR_BYTES: usize = 4 * 1024;
/// Failed trials named with their cause in one answer: with [`ERROR_BYTES`] each they stay far below a message.
pub const FAILURES_SHOWN: usize = 20;
/// Most bytes that one trial's measures take in a message or a stored value: a report of
/// [`OUTCOMES_PER_REPORT`] such outcomes still fits [`MESSAGE_BYTES`], and one fits [`BLOCK_BYTES`].
pub const MEASURE_BYTES: usize = 3_072;
/// Most steps at which a trial is measured: ten a decade up to [`STEPS_PER_TRIAL`] are 90.
pub const MEASURED_STEPS: usize = 256;
/// Largest hidden layer of which `symmetry` compares the units: units² × numbers of a unit. Each point then takes
/// some tens of milliseconds.
pub const SYMMETRY_WORK: u64 = 20_000_000;
/// Longest wait of a lease call without work, in milliseconds.
pub const LEASE_WAIT_MS: u64 = 10_000;
/// Events that may wait for the driver; beyond it callers get UNAVAILABLE at once.
pub const DRIVER_QUEUE: usize = 4_096;
/// Requests that one commit may answer. None waits for company: while one commit is under way the next fills itself.
pub const COMMIT_REPORTS: usize = 1_024;
/// Largest stored value, in bytes. sled keeps up to 19 of them in one leaf, and a leaf above 128 KiB becomes a
/// file beside its log, which is neither synced nor ever removed.
pub const BLOCK_BYTES: usize = 6 * 1024;
/// Memory of the database's page cache, in bytes.
pub const STORE_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Most ranges of restarts that the seal lists of one experiment; of a more scattered one only the count is kept.
pub const SEALED_RANGES: usize = 256;
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
/// Most basins listed for one experiment and level; the rest is summed up as "others".
pub const BASINS_PER_REPORT: usize = 50;
/// Most basins of one experiment between which barriers are measured: 190 pairs, and a matrix that can be read.
pub const BARRIER_BASINS: u32 = 20;
/// Most pairs of minima of one sweep between which barriers are measured: those of 21 experiments with the most basins.
pub const BARRIER_PAIRS: usize = 4_096;
/// Most pairs in one task: their trials are trained again, and their names travel with it.
pub const PAIRS_PER_TASK: u32 = 64;
/// Most pairs in one stored record: 20 bytes each and a frame fit [`BLOCK_BYTES`].
pub const PAIRS_PER_RECORD: usize = 256;
/// Trained networks that a slot keeps while it measures barriers, in parameters: 64 MiB.
pub const ENDS_KEPT_PARAMETERS: usize = 8 * 1024 * 1024;
/// Most pairs of experiments compared in one report: pairs grow with the square of the experiments.
pub const COMPARISONS: usize = 500;
/// Resamplings of one comparison: at the upper end the ends of a 95 % interval repeat to about a tenth of its width.
pub const BOOTSTRAP_REPEATS: u64 = 2_000;
/// Fewest resamplings where [`BOOTSTRAP_DRAWS`] cuts them.
pub const BOOTSTRAP_REPEATS_FEWEST: u64 = 200;
/// Draws that all comparisons of one report may make together, about a second of work.
pub const BOOTSTRAP_DRAWS: u64 = 100_000_000;
/// Draws of one interval by resampling, unless [`BOOTSTRAP_REPEATS_FEWEST`] needs more: a twentieth of a second.
pub const RESAMPLE_DRAWS: u64 = 4_000_000;
/// Draws that all intervals of interquartile means of one report may make together, about two seconds of work: with
/// [`BOOTSTRAP_REPEATS_FEWEST`] they reach 200,000 trials.
pub const SUMMARY_DRAWS: u64 = 200_000_000;
/// Most units (restarts or starts) that a forecast of "how many would be needed" looks ahead.
pub const UNITS_FORECAST: u64 = 1_000_000;
/// Rows in reports that wait for the driver or the store: about 30 MB at 500 bytes each, and 250 MB where all carry
/// the most measures; beyond it callers get UNAVAILABLE.
pub const QUEUED_ROWS: usize = 65_536;
/// Tasks that one worker may present at a renewal: several for each slot of the largest worker.
pub const LEASES_PER_WORKER: usize = 4_096;
/// Time between two seals, in milliseconds: what a lost seal can leave unnoticed.
pub const SEAL_MS: u64 = 1_000;
/// Analyses kept for repeated questions: a report and two numbers per trial each.
pub const ANALYSES_KEPT: usize = 8;
/// Calls at once that hold whole files or experiments in memory; more wait in line.
pub const HEAVY_CALLS: usize = 4;
/// Longest wait for the other end of a stream that holds much in memory, in milliseconds.
pub const STALL_MS: u64 = 30_000;
/// Longest wait at the end for calls that do not finish, in milliseconds.
pub const SHUTDOWN_CALLS_MS: u64 = 2_000;
/// Longest wait at the end for reports that are being computed, in milliseconds; they are computed at the next
/// start otherwise.
pub const SHUTDOWN_REPORTS_MS: u64 = 5_000;
/// Time between two keepalive pings on a connection, and how long an answer may take, in milliseconds.
pub const KEEPALIVE_MS: u64 = 20_000;
/// Calls at once on one connection.
pub const CALLS_PER_CONNECTION: u32 = 64;
/// Largest list of headers of a call, in bytes.
pub const HEADER_BYTES: u32 = 16 * 1024;
/// What is kept free on the smallest disk, in bytes: the database opens and closes in four of its segments.
pub const DISK_RESERVE_LEAST_BYTES: u64 = 2 * 1024 * 1024;
