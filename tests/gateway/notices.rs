//! Notices about users of a real Synapse, which knows their addresses and can write to them.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::direct;
use crate::harness::{MailServer, Server, User, clean_command, server_binary, synapse};

/// A file with this token, as the operator makes it.
fn token_file(token: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (folder, path)
}

/// The first message of the server in a room that it invites the user to.
fn server_notice(user: &User) -> Value {
    let mut since = String::new();
    loop {
        let news = user.get(&format!("sync?timeout=30000{since}")).is(200);
        since = format!("&since={}", news.string("next_batch"));
        if let Some(room) = news["rooms"]["invite"].as_object().and_then(|rooms| rooms.keys().next()) {
            user.post(&format!("join/{room}"), &json!({})).is(200);
            let messages = user.get(&format!("rooms/{room}/messages?dir=b")).is(200);
            let sent = messages["chunk"].as_array().unwrap().iter().find(|event| event["type"] == "m.room.message");
            return sent.expect("a message").clone();
        }
    }
}

#[test]
fn r62_synapse_tells_its_users_and_knows_their_mail_addresses() {
    let token = synapse().administrator("root-notices");
    let (_folder, file) = token_file(&token);
    let mail = MailServer::start();
    let server = Server::gateway(&[
        ("MATRIX_2FA_UPSTREAM_ADMIN_TOKEN_FILE", &file),
        ("MATRIX_2FA_MAIL_SERVER", &format!("smtp://127.0.0.1:{}", mail.port)),
        ("MATRIX_2FA_MAIL_ADDRESSES", "homeserver"),
        ("MATRIX_2FA_MATRIX_NOTICES", "true"),
    ]);
    let user = server.user();
    let known = json!({ "threepids": [
        { "medium": "msisdn", "address": "491700000000" },
        { "medium": "email", "address": "Somebody@mail.example" },
    ]});
    let path = format!("/_synapse/admin/v2/users/{}", user.id);
    assert_eq!(direct("PUT", &path, Some(&token), Some(&known)).status, 200);
    let user = user.enroll();
    let told = mail.next();
    assert_eq!(told["to"], json!(["somebody@mail.example"]), "{told:#}");
    assert_eq!(told["subject"], "Two-factor authentication was turned on (example.org)");
    let message = server_notice(&user);
    assert_eq!(message["sender"], "@notices:example.org");
    let (text, html) = (&message["content"]["body"], &message["content"]["formatted_body"]);
    for shown in [text, html] {
        assert!(shown.as_str().unwrap().contains(&user.id), "{message:#}");
    }
    // Who has no address is told in the client alone.
    let other = server.user().enroll();
    server_notice(&other);
    assert_eq!(mail.rest(), Vec::<Value>::new());
    assert!(!server.log().contains(&token));
}

#[test]
fn what_nobody_can_deliver_and_a_token_that_rules_nothing_do_not_start() {
    let upstream = synapse().url();
    let user = Server::gateway(&[]).user();
    let (folder, file) = token_file(&user.token);
    let refused = |settings: &[(&str, &str)]| {
        let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
        command.args(["gateway", "--listen", "127.0.0.1:0", "--upstream", &upstream]).current_dir(folder.path());
        let output = command.envs(settings.iter().copied()).output().expect("runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_owned()
    };
    let said = refused(&[("MATRIX_2FA_UPSTREAM_ADMIN_TOKEN_FILE", &file)]);
    assert!(said.contains("upstream_admin_token_file") && said.contains("403"), "{said}");
    let said = refused(&[("MATRIX_2FA_MATRIX_NOTICES", "true")]);
    assert!(said.contains("matrix_notices") && said.contains("upstream_admin_token_file"), "{said}");
    let said = refused(&[("MATRIX_2FA_MAIL_SERVER", "smtp://127.0.0.1:1")]);
    assert!(said.contains("mail_addresses") && said.contains("{localpart}@"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let said = refused(&[("MATRIX_2FA_UPSTREAM_ADMIN_TOKEN_FILE", &file)]);
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn check_asks_the_upstream() {
    let (_folder, file) = token_file(&synapse().administrator("root-check"));
    let server = Server::gateway(&[]);
    let check = |upstream: &str, settings: &[(&str, &str)]| {
        let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
        command.args(["check", "--upstream", upstream, "--data"]).arg(server.data_folder());
        let output = command.envs(settings.iter().copied()).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check(&synapse().url(), &[("MATRIX_2FA_UPSTREAM_ADMIN_TOKEN_FILE", &file)]);
    assert!(code == Some(0) && said.contains("ok     upstream: example.org answers"), "{said}");
    let (code, said) = check("http://127.0.0.1:1", &[]);
    assert!(code == Some(1) && said.contains("WRONG  upstream: "), "{said}");
}

#[test]
fn r55_a_group_of_administrators_is_known_by_name() {
    let name = "chief-of-the-gateway";
    let folder = TempDir::new().unwrap();
    let groups = r#"[{ name = "chiefs", admins = true, policy = "required" }]"#;
    let server = Server::gateway(&[
        ("MATRIX_2FA_ADMINS", name),
        ("MATRIX_2FA_GROUPS", groups),
        ("MATRIX_2FA_PAGES", "false"),
        ("MATRIX_2FA_STATE", folder.path().to_str().unwrap()),
    ]);
    let chief = User::register(&server, name);
    chief.get("joined_rooms").refused(403, "M_FORBIDDEN");
    server.user().get("joined_rooms").is(200);
}
