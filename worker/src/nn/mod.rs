//! Networks in arithmetic: data, starts, layers, losses, optimisers. Pure: knows nothing of leases, gRPC or disks.

pub mod data;
