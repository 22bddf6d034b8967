//! Whole-system tests. One binary, one module per promise.

mod codegen;
