//! Cargo's helpers that the chores need: the one that is installed, else one of ours under target/.

use std::path::PathBuf;

use anyhow::Result;
use xshell::cmd;

use crate::Workspace;

/// The program `name`, built under target/ if this machine has none.
pub fn install(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let shell = &workspace.shell;
    if cmd!(shell, "{name} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        return Ok(name.into());
    }
    let tools = workspace.metadata.target_directory.join("tools");
    let ours = PathBuf::from(tools.join("bin").join(name));
    if !ours.exists() {
        eprintln!("\n{name} is missing: installing it under {tools}, which takes some minutes");
        let build = tools.join("build");
        cmd!(shell, "cargo install {name} --version {version} --locked --root {tools} --target-dir {build}").run()?;
    }
    Ok(ours)
}
