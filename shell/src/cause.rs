//! What an answer of the coordinator says beside its gRPC code: whether its store is the cause. The code says whether to try
//! again; who asked also wants to know what to mend.

use tonic::Status;
use tonic::metadata::MetadataValue;

/// The key in the metadata of a status, and its value where the store is full, failed or damaged.
const KEY: &str = "seedsweep-cause";
const STORE: &str = "store";

/// `status`, marked as one whose cause is the coordinator's store.
#[must_use]
pub fn store(mut status: Status) -> Status {
    status.metadata_mut().insert(KEY, MetadataValue::from_static(STORE));
    status
}

/// Whether the coordinator's store is the cause of `status`.
pub fn is_store(status: &Status) -> bool {
    status.metadata().get(KEY).is_some_and(|cause| cause == STORE)
}
