# The door to everything a developer does. Each recipe is a plain command that works without just, too.

# what must pass before a change lands
check: fmt lint doc test

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- --deny warnings

doc:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

test:
    cargo test --workspace

# licences, sources and bans of all dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# protobuf code from proto/schema
generate:
    SEEDSWEEP_REGENERATE=1 cargo test --package seedsweep-tests codegen

# the question answered in seconds
demo:
    cargo run --release -- demo

# trainings a second, alone and against the machine's peak
bench *ARGS:
    cargo bench --package seedsweep-worker --bench speed -- {{ARGS}}

# our trainings a second against JAX's and PyTorch's (see its README for what it needs)
peers *ARGS:
    python3 worker/benches/peers/compare.py {{ARGS}}
