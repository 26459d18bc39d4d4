//! What is installed: the Debian package with its unit, pages of the manual and completions, and the crates as they would be published.

use std::path::Path;

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::{Workspace, clients, tools};

/// Of the tool that packs.
const CARGO_DEB: &str = "3.8.0";

/// Builds the package; with `install` it is installed, looked at and purged (as root, on Debian).
pub fn debian(workspace: &Workspace, install: bool) -> Result<()> {
    let shell = &workspace.shell;
    clients::systemd(workspace)?;
    unit(workspace)?;
    workspace.run("cargo build --release --locked")?;
    let target = &workspace.metadata.target_directory;
    let (program, documents) = (target.join("release/matrix-2fa"), target.join("package"));
    cmd!(shell, "{program} manual {documents}/man").run()?;
    for (shell_name, file) in [("bash", "matrix-2fa.bash"), ("zsh", "_matrix-2fa"), ("fish", "matrix-2fa.fish")] {
        let script = cmd!(shell, "{program} completions {shell_name}").read()?;
        shell.write_file(documents.join("completions").join(file), script)?;
    }
    let packer = tools::install(workspace, "cargo-deb", CARGO_DEB)?;
    let package = cmd!(shell, "{packer} --no-build --package matrix-2fa-cli").read()?;
    eprintln!("{package}");
    if install { install_and_purge(workspace, &package) } else { Ok(()) }
}

/// As an administrator would. A machine that has the package already keeps it.
fn install_and_purge(workspace: &Workspace, package: &str) -> Result<()> {
    let (shell, program) = (&workspace.shell, Path::new("/usr/bin/matrix-2fa"));
    ensure!(
        !program.exists(),
        "matrix-2fa is installed on this machine, and this test would purge it: remove it first"
    );
    ensure!(clients::is_root(shell), "the package is at {package}; only root can install it, which this test does");
    cmd!(shell, "dpkg --install {package}").run()?;
    let looked = look_at_installed(shell);
    cmd!(shell, "dpkg --purge matrix-2fa").run()?;
    looked?;
    ensure!(!program.exists(), "the package left its program behind");
    ensure!(!Path::new("/etc/matrix-2fa").exists(), "the package left its settings behind");
    Ok(())
}

fn look_at_installed(shell: &Shell) -> Result<()> {
    cmd!(shell, "matrix-2fa --version").run()?;
    cmd!(shell, "systemd-analyze verify --man=no /usr/lib/systemd/system/matrix-2fa.service").run()?;
    // What operators put beside the settings goes with them.
    shell.write_file("/etc/matrix-2fa/environment", "MATRIX_2FA_MAIL_SERVER=smtp://127.0.0.1\n")?;
    // Its own user can read its settings, and nobody else.
    let settings = "/etc/matrix-2fa/matrix-2fa.toml";
    cmd!(shell, "runuser -u matrix-2fa -- matrix-2fa config print --config {settings}").ignore_stdout().run()?;
    ensure!(
        cmd!(shell, "runuser -u nobody -- cat {settings}").quiet().ignore_stderr().read().is_err(),
        "anybody reads {settings}"
    );
    Ok(())
}

/// The unit, as systemd reads it. (Starting it needs a systemd that runs.)
fn unit(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.metadata.target_directory.join("package/unit");
    let unit = shell.read_file(workspace.metadata.workspace_root.join("docs/systemd/matrix-2fa.service"))?;
    // The program need not be installed for that.
    let copy = folder.join("matrix-2fa.service");
    shell.write_file(&copy, unit.replace("/usr/bin/matrix-2fa", "/bin/true"))?;
    cmd!(shell, "systemd-analyze verify --man=no {copy}").run()?;
    Ok(())
}

/// Packs every crate as it would be published, in the order in which they need each other; nothing is published.
pub fn crates(workspace: &Workspace) -> Result<()> {
    workspace.run("cargo publish --dry-run --workspace --exclude xtask --exclude matrix-2fa-conformance --no-verify --allow-dirty --locked")
}
