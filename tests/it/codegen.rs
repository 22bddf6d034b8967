//! The committed protobuf code is what its schema generates.

use std::path::Path;

use crate::support::root;

const SCHEMAS: [&str; 4] = [
    "seedsweep/v1/outcome.proto",
    "seedsweep/v1/sweep.proto",
    "seedsweep/v1/worker.proto",
    "seedsweep/store/v1/store.proto",
];

fn generate(out: &Path) -> anyhow::Result<()> {
    let schema = root().join("proto/schema");
    let files = protox::compile(SCHEMAS, [&schema])?;
    tonic_prost_build::configure().build_client(true).build_server(true).out_dir(out).compile_fds(files)?;
    Ok(())
}

/// Set `SEEDSWEEP_REGENERATE=1` to rewrite the committed code after a change of the schema.
#[test]
fn committed_code_is_generated_from_the_schema() -> anyhow::Result<()> {
    let committed = root().join("proto/src/gen");
    if std::env::var_os("SEEDSWEEP_REGENERATE").is_some() {
        return generate(&committed);
    }
    let fresh = tempfile::tempdir()?;
    generate(fresh.path())?;
    for name in ["seedsweep.v1.rs", "seedsweep.store.v1.rs"] {
        let (committed, fresh) = (committed.join(name), fresh.path().join(name));
        assert!(
            std::fs::read(&committed)? == std::fs::read(&fresh)?,
            "{} differs from its schema: run SEEDSWEEP_REGENERATE=1 cargo test -p seedsweep-tests codegen",
            committed.display()
        );
    }
    Ok(())
}
