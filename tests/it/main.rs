//! Whole-system tests. One binary, one module per promise.

mod codegen;
mod crash;
mod faults;
mod fleet;
mod golden;
mod grpc;
mod replay;
mod science;
mod support;
mod tidy;
