//! Compute threads, off the async runtime.
