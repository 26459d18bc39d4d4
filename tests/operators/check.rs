//! `matrix-2fa check` and the servers that ours needs.

use std::{fs, os::unix::fs::PermissionsExt};

use matrix_2fa_store_postgres::cluster::Cluster;

use crate::harness::{MailServer, Needs, Server, clean_command, server_binary};

/// Exit code, and what it says.
fn check(server: &Server, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
    command.arg("check").arg("--data").arg(server.data_folder()).envs(settings.iter().copied());
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_mail_server_and_whoever_knows_addresses_are_tried() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    let mail = MailServer::start();
    let url = format!("smtp://127.0.0.1:{}", mail.port);
    let with = |url: &str, addresses: &str| {
        check(&server, &[("MATRIX_2FA_MAIL_SERVER", url), ("MATRIX_2FA_MAIL_ADDRESSES", addresses)])
    };
    let (code, said) = check(&server, &[]);
    assert!(code == Some(0) && said.contains("ok     mail: none goes out"), "{said}");
    let (code, said) = with(&url, "{localpart}@mail.example");
    assert!(code == Some(0) && said.contains("ok     mail: the server takes our mail"), "{said}");
    let (code, said) = with("smtp://127.0.0.1:1", "{localpart}@mail.example");
    assert!(code == Some(1) && said.contains("WRONG  mail: mail_server: "), "{said}");
    let (code, said) = with(&url, "homeserver");
    assert!(code == Some(1) && said.contains("WRONG  mail: mail_addresses: "), "{said}");
    let program = server.data_folder().join("addresses");
    let command = format!("command:{}", program.display());
    let (code, said) = with(&url, &command);
    assert!(code == Some(1) && said.contains("WRONG  mail: mail_addresses: "), "{said}");
    fs::write(&program, "#!/bin/sh\n").expect("writes");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).expect("changes");
    let (code, said) = with(&url, &command);
    assert!(code == Some(1) && said.contains("not executable"), "{said}");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("changes");
    let (code, said) = with(&url, &command);
    assert!(code == Some(0) && mail.rest().is_empty(), "nothing was sent: {said}");
}

#[test]
fn a_database_that_is_not_durable_is_named() {
    let Some(_ours) = Server::start_with(Needs::Process) else { return };
    // A PostgreSQL of its own, whose settings the test may change.
    let cluster = Cluster::start();
    let database = cluster.database();
    let server = Server::launch_over(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"), Needs::Process, &database);
    let (code, said) = check(&server, &[("MATRIX_2FA_DATABASE", &database)]);
    assert!(code == Some(0) && said.contains("ok     database: PostgreSQL "), "{said}");
    cluster.sql("postgres", "ALTER SYSTEM SET fsync = off");
    cluster.crash();
    cluster.recover();
    let (code, said) = check(&server, &[("MATRIX_2FA_DATABASE", &database)]);
    assert!(code == Some(1) && said.contains("WRONG  database: fsync or full_page_writes is off"), "{said}");
    let (code, said) = check(&server, &[("MATRIX_2FA_DATABASE", "postgres://nobody@127.0.0.1:1/none")]);
    assert!(code == Some(1) && said.contains("WRONG  database: "), "{said}");
}
