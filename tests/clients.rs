//! Real Matrix client libraries, each in a process of its own, against a server of ours: matrix-nio (Python) and matrix-js-sdk (node).
//!
//! The libraries are not part of the repository: `cargo xtask test` installs them under `target/conformance`. matrix-sdk (Rust) is covered
//! on the wire, in [`crate::routes`]: it sends a login type of its own whole.

use std::{fs, path::Path, process::Command};

use crate::harness::{Needs, Server, client_tool};

/// Where the scripts of a language are.
pub fn scripts(language: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(language)
}

/// Runs a script against a server.
#[track_caller]
pub fn passes(command: &mut Command, server: &Server) {
    let output = command.env("MATRIX_2FA_URL", server.base_url()).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim().ends_with("all steps passed"), "{command:?}\n{out}\n{err}");
}

/// node looks for modules beside the script, and the tree stays clean of them.
pub fn node_script(name: &str) -> Command {
    let (node, modules) = (client_tool("MATRIX_2FA_NODE", "js/bin/node"), client_tool("MATRIX_2FA_JS", "js"));
    let script = modules.join(name);
    // Somebody else may be running a copy: it is put in place whole.
    let copy = modules.join(format!("{name}.{:?}", std::thread::current().id()));
    fs::copy(scripts("js").join(name), &copy).expect("copied");
    fs::rename(copy, &script).expect("put in place");
    let mut command = Command::new(node);
    command.arg(script);
    command
}

#[test]
fn matrix_nio_logs_in_enrolls_deletes_a_device_changes_the_password_and_recovers() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let python = client_tool("MATRIX_2FA_PYTHON", "python/bin/python");
    passes(Command::new(python).arg(scripts("python").join("with_matrix_nio.py")), &server);
}

#[test]
fn matrix_js_sdk_logs_in_deletes_a_device_and_changes_the_password() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    passes(&mut node_script("with_matrix_js_sdk.mjs"), &server);
}
