//! Real clients through the gateway: the same scripts as against a homeserver with the module in it, and what clients do all day.

use std::process::Command;

use super::gateway;
use crate::{
    clients::{node_script, passes, scripts},
    harness::client_tool,
};

#[test]
fn matrix_nio_logs_in_enrolls_deletes_a_device_changes_the_password_and_recovers() {
    let python = client_tool("MATRIX_2FA_PYTHON", "python/bin/python");
    passes(Command::new(python).arg(scripts("python").join("with_matrix_nio.py")), &gateway());
}

#[test]
fn matrix_js_sdk_logs_in_deletes_a_device_and_changes_the_password() {
    passes(&mut node_script("with_matrix_js_sdk.mjs"), &gateway());
}

#[test]
fn matrix_nio_syncs_sends_uploads_and_downloads_with_the_login_of_an_enrolled_user() {
    let server = gateway();
    let user = server.enrolled_user();
    let login = user.login_with(user.totp()).is(200);
    let python = client_tool("MATRIX_2FA_PYTHON", "python/bin/python");
    let mut command = Command::new(python);
    command.arg(scripts("python").join("rooms_with_matrix_nio.py"));
    command.env("MATRIX_2FA_USER", &user.id).env("MATRIX_2FA_DEVICE", login.string("device_id"));
    passes(command.env("MATRIX_2FA_TOKEN", login.access_token()), &server);
}
