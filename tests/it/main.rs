//! Whole-system tests. One binary, one module per promise.

mod codegen;
mod crash;
mod faults;
mod fleet;
mod grpc;
mod support;
mod tidy;
