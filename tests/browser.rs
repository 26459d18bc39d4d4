//! The hosted pages in a real chromium: the scripts of `browser/` drive it with playwright-core, with matrix-js-sdk as the client that waits,
//! and axe-core looks at every page. Every state is kept as a picture under `target/conformance/pages` (`MATRIX_2FA_SCREENSHOTS` names
//! another folder), together with the time to the first paint.
//!
//! Chromium and the modules are not part of the repository: `cargo xtask test` installs them.

use std::{env, fs, path::Path, process::Command};

use crate::harness::{Needs, Server, client_tool};

#[test]
fn people_log_in_and_confirm_on_the_pages() {
    drive("pages.mjs", Needs::Clock);
}

#[test]
fn people_manage_their_factors_on_the_account_page() {
    drive("account.mjs", Needs::Clock);
}

#[test]
fn people_set_a_factor_up_on_the_way_in() {
    drive("way_in.mjs", Needs::Settings(&[("MATRIX_2FA_POLICY", "required")]));
}

/// Codes lock early here, so that somebody gets there; what locks early and what is a proxy is what this server is told.
#[test]
fn people_see_what_is_wrong() {
    let settings = [
        ("MATRIX_2FA_TRUSTED_PROXIES", "127.0.0.1"),
        ("MATRIX_2FA_TOTP_LOCK_AT", "6"),
        ("MATRIX_2FA_BRAND_NAME", "Tannenhof"),
        ("MATRIX_2FA_BRAND_COLOR", "#7a1fa2"),
    ];
    drive("states.mjs", Needs::Settings(&settings));
}

#[test]
fn people_read_every_page_in_their_language_and_with_any_name() {
    drive("languages.mjs", Needs::Clock);
}

#[test]
fn people_see_that_nobody_may_enroll() {
    drive("disallowed.mjs", Needs::Settings(&[("MATRIX_2FA_POLICY", "disallowed")]));
}

#[test]
fn r66_people_see_that_the_server_cannot_decide() {
    drive("down.mjs", Needs::Disk);
}

fn drive(script: &str, needs: Needs<'_>) {
    let Some(server) = Server::start_with(needs) else { return };
    let (node, modules) = (client_tool("MATRIX_2FA_NODE", "js/bin/node"), client_tool("MATRIX_2FA_JS", "js"));
    // node looks for modules beside the scripts, and the tree stays clean of them.
    for file in ["harness.mjs", script] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(file);
        // Not copied over: another test may be reading it.
        let beside = modules.join(format!("{file}.{script}"));
        fs::copy(source, &beside).expect("copied");
        fs::rename(beside, modules.join(file)).expect("renamed");
    }
    let mut command = Command::new(node);
    command.arg(modules.join(script)).env("MATRIX_2FA_URL", server.base_url());
    command.env("MATRIX_2FA_PID", server.pid());
    if env::var_os("MATRIX_2FA_SCREENSHOTS").is_none() {
        let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/conformance/pages");
        command.env("MATRIX_2FA_SCREENSHOTS", pictures);
    }
    let output = command.output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim().ends_with("all steps passed"), "{out}\n{err}");
}
