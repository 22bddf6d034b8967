//! The wire and disk contract of seedsweep: generated messages and services, and checked conversions
//! between them and the vocabulary of `seedsweep-common`.
//!
//! `gen/` is generated from `schema/` by `tests/it/codegen.rs`, which fails when the two differ.

pub mod convert;

/// Messages and services of package `seedsweep.v1`: what goes over the wire.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    include!("gen/seedsweep.v1.rs");
}

/// Messages of package `seedsweep.store.v1`: what the coordinator keeps on disk.
pub mod store {
    /// Format version 1.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod v1 {
        include!("gen/seedsweep.store.v1.rs");
    }
}
