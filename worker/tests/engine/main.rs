//! The engine from outside, through the threads that train in a worker: what trials run on changes no bit and breaks no
//! symmetry, and the fate of one trial is not that of the others.

mod bits;
mod neighbours;
mod slots;
mod symmetry;
#[path = "../../benches/workloads/mod.rs"]
#[expect(dead_code, reason = "the benches ask for more of it")]
mod workloads;
