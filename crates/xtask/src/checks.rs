//! Everything but the black-box suite.

use anyhow::Result;
use xshell::cmd;

use crate::{Workspace, tools};

const CARGO_DENY: &str = "0.20.2";

/// Formatting, lints, documentation, supply chain.
pub fn all(workspace: &Workspace) -> Result<()> {
    format(workspace)?;
    workspace.run("cargo clippy --workspace --all-targets --locked -- -D warnings")?;
    workspace.run("cargo clippy --package matrix-2fa-cli --features test-clock,faults --locked -- -D warnings")?;
    // Links to private items serve those who read the source.
    let strict = workspace.shell.push_env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    workspace.run("cargo doc --workspace --no-deps --locked")?;
    drop(strict);
    deny(workspace)
}

/// Formatting.
pub fn format(workspace: &Workspace) -> Result<()> {
    workspace.run("cargo fmt --all --check")
}

/// Licences, bans and sources. Advisories need a database from outside the registries.
pub fn deny(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let deny = tools::install(workspace, "cargo-deny", CARGO_DENY)?;
    // What only other systems need is never downloaded by a build here, and is judged all the same.
    workspace.run("cargo fetch --locked")?;
    cmd!(shell, "{deny} --offline check licenses bans sources").run()?;
    Ok(())
}

/// Doctests, unit tests, and the integration tests of each crate.
pub fn tests(workspace: &Workspace) -> Result<()> {
    workspace.run("cargo test --workspace --doc --locked")?;
    let mut rest = "cargo test --workspace --locked --lib --bins".to_owned();
    let mut names: Vec<&str> = workspace
        .metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_test() && target.name != "conformance")
        .map(|target| target.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        rest.push_str(" --test ");
        rest.push_str(name);
    }
    workspace.run(&rest)
}
