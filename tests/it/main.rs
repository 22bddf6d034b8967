//! Whole-system tests. One binary, one module per promise.

mod barriers;
mod cancel;
mod codegen;
mod crash;
mod exports;
mod faults;
mod fleet;
mod golden;
mod grpc;
mod lanes;
mod replay;
mod science;
mod sources;
mod stopping;
mod support;
mod texts;
mod tidy;
