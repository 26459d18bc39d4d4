//! The hosted pages in a real chromium: `browser/pages.mjs` drives it with playwright-core, with matrix-js-sdk as the client that waits,
//! and axe-core looks at every page. With `MATRIX_2FA_SCREENSHOTS=<folder>` every state is kept as a picture.
//!
//! Chromium and the modules are not part of the repository: `cargo xtask test` installs them.

use std::{fs, path::Path, process::Command};

use crate::harness::{Needs, Server, client_tool};

#[test]
fn people_log_in_and_confirm_on_the_pages() {
    let Some(server) = Server::start_with(Needs::Clock) else { return };
    let (node, modules) = (client_tool("MATRIX_2FA_NODE", "js/bin/node"), client_tool("MATRIX_2FA_JS", "js"));
    // node looks for modules beside the scripts, and the tree stays clean of them.
    for script in ["harness.mjs", "pages.mjs"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(script);
        fs::copy(source, modules.join(script)).expect("copied");
    }
    let mut command = Command::new(node);
    command.arg(modules.join("pages.mjs")).env("MATRIX_2FA_URL", server.base_url());
    let output = command.output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim().ends_with("all steps passed"), "{out}\n{err}");
}
