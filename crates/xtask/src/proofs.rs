//! What goes further than tests: random input for every parser, and faults that some test must notice.

use anyhow::{Context, Result};
use xshell::cmd;

use crate::{Workspace, tools};

const CARGO_FUZZ: &str = "0.13.2";
const CARGO_MUTANTS: &str = "27.1.0";

/// Feeds every target of `tests/fuzz` for its part of `seconds`, beginning with the kept inputs. What is found on the way stays under
/// target/: an input joins `tests/fuzz/corpus` only by hand.
pub fn fuzz(workspace: &Workspace, seconds: u64) -> Result<()> {
    let fuzz = tools::install(workspace, "cargo-fuzz", CARGO_FUZZ)?;
    let shell = &workspace.shell;
    let folder = workspace.metadata.workspace_root.join("tests/fuzz");
    let built = workspace.metadata.target_directory.join("fuzz");
    let _target = shell.push_env("CARGO_TARGET_DIR", &built);
    // Stable Rust has no sanitizers; there is no unsafe code of ours for them to look at.
    let targets = cmd!(shell, "{fuzz} list --fuzz-dir {folder}").read().context("cargo fuzz list")?;
    let each = (seconds / targets.lines().count().max(1) as u64).max(1).to_string();
    for target in targets.lines() {
        let (found, kept) = (built.join("corpus").join(target), folder.join("corpus").join(target));
        shell.create_dir(&found)?;
        cmd!(
            shell,
            "{fuzz} run --fuzz-dir {folder} -s none {target} {found} {kept} -- -max_total_time={each} -max_len=4096 -timeout=10"
        )
        .run()?;
    }
    Ok(())
}

/// Every change of the core and the engine that no test notices. Takes hours.
pub fn mutants(workspace: &Workspace, file: Option<&str>) -> Result<()> {
    let mutants = tools::install(workspace, "cargo-mutants", CARGO_MUTANTS)?;
    let shell = &workspace.shell;
    let output = workspace.folder().join("mutants");
    let mut command = cmd!(
        shell,
        "{mutants} mutants --package matrix-2fa-core --package matrix-2fa-engine --timeout 120 --output {output}"
    );
    if let Some(file) = file {
        command = command.args(["--file", file]);
    }
    Ok(command.run()?)
}
