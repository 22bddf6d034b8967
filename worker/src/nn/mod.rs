//! Networks in arithmetic: data, starts, layers, losses, optimisers. Pure: knows nothing of leases, gRPC or disks.

mod angle;
pub(crate) mod any_pod;
pub mod data;
pub mod functions;
pub mod init;
pub mod lane;
pub mod layer;
pub mod loss;
pub mod network;
pub mod optimizer;
pub mod order;
pub(crate) mod pod;
pub mod relu_sum;
pub mod scalar;
pub mod schedule;
pub mod stream;
pub(crate) mod unit;
