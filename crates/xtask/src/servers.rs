//! The servers under test: cargo tells a test where a binary is only inside one package, so they are built here and passed by name.

use std::path::PathBuf;

use anyhow::Result;

use crate::Workspace;

/// Variables for the suite.
pub type Environment = Vec<(&'static str, PathBuf)>;

/// Builds the server as people run it, the one whose clock the suite can set, and that one with faults on purpose. Three builds of one crate;
/// the dependencies are shared.
pub fn build(workspace: &Workspace) -> Result<Environment> {
    let folder = workspace.folder().join("servers");
    workspace.shell.create_dir(&folder)?;
    let mut environment = Vec::new();
    for (variable, name, features) in [
        ("MATRIX_2FA_BIN", "matrix-2fa", ""),
        ("MATRIX_2FA_BIN_TEST_CLOCK", "matrix-2fa-test-clock", "--features matrix-2fa-cli/test-clock"),
        ("MATRIX_2FA_BIN_FAULTS", "matrix-2fa-faults", "--features matrix-2fa-cli/test-clock,matrix-2fa-cli/faults"),
    ] {
        // The whole workspace, so that features of dependencies resolve as for the tests.
        workspace.run(&format!("cargo build --workspace --bins --locked {features}"))?;
        let copy = folder.join(name);
        workspace.shell.copy_file(workspace.metadata.target_directory.join("debug/matrix-2fa"), &copy)?;
        environment.push((variable, copy));
    }
    Ok(environment)
}
