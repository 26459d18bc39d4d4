//! Notices by mail, as an independent mail server saw them.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, sync::Arc};

use matrix_2fa::notices::{AddressBook, NoticeError, Recipient, mail as smtp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::does;
use crate::harness::{Browser, Enrolled, MINUTE_MS, MailServer, Needs, STEP_MS, Server, User};

fn server(mail_server: &str, addresses: &str) -> Option<Server> {
    Server::start_with(Needs::Settings(&[
        ("MATRIX_2FA_MAIL_SERVER", mail_server),
        ("MATRIX_2FA_MAIL_ADDRESSES", addresses),
        ("MATRIX_2FA_BRAND_NAME", "Example"),
    ]))
}

fn over(mail: &MailServer) -> Option<Server> {
    server(&format!("smtp://127.0.0.1:{}", mail.port), "{localpart}@mail.example")
}

fn subjects(mails: &[Value]) -> Vec<&str> {
    mails.iter().map(|mail| mail["subject"].as_str().unwrap()).collect()
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}

fn rename(user: &Enrolled, name: &str) {
    let path = format!("account/two-factor/authenticators/{}", user.authenticator);
    user.send("PUT", &path, &json!({ "name": name })).is(200);
}

#[test]
fn r62_every_notice_arrives_as_an_independent_mail_server_saw_it() {
    let mail = MailServer::start();
    let Some(server) = over(&mail) else { return };
    let mut seen = Vec::new();
    let mut expect = |subject: &str| {
        let mail = mail.next();
        assert_eq!(mail["subject"], format!("{subject} (Example)"), "{mail:#}");
        seen.push(mail);
    };
    let user = server.enrolled_user();
    expect("Two-factor authentication was turned on");
    let (second, id) = user.add_phone("tablet <b>&</b> https://evil.example");
    expect("An authenticator was added");
    rename(&user, "old phone");
    expect("An authenticator was renamed");
    let path = format!("account/two-factor/authenticators/{id}");
    user.prove("DELETE", &path, &json!({})).is(200);
    expect("An authenticator was removed");
    user.login_with(user.recovery_stage(0)).access_token();
    expect("A recovery code was used");
    let renewed = user.prove("POST", "account/two-factor/recovery", &json!({})).is(200);
    expect("New recovery codes were made");
    let session = user.challenge();
    for _ in 0..5 {
        user.finish(&session, user.wrong_totp()).refused(401, "M_FORBIDDEN");
    }
    expect("Somebody has your password");
    server.advance(MINUTE_MS);
    user.prove("POST", "account/two-factor/disable", &json!({})).is(200);
    expect("Two-factor authentication was turned off");
    let again = server.user().enroll();
    expect("Two-factor authentication was turned on");
    does(&server, &["admin", "reset", &again.id]);
    expect("An administrator removed your second factors");
    assert_eq!(mail.rest(), Vec::<Value>::new());

    let ids: BTreeSet<&str> = seen.iter().flat_map(|mail| header(mail, "Message-ID")).collect();
    assert_eq!(ids.len(), seen.len(), "every notice has an id of its own");
    let mut secrets = user.recovery.clone();
    secrets.extend(renewed["tokens"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()));
    secrets.extend([user.phone.seed().to_owned(), second.seed().to_owned(), user.token.clone(), user.password.clone()]);
    for mail in &seen {
        let of = if mail["to"][0] == format!("{}@mail.example", user.name) { &*user } else { &*again };
        assert_eq!(mail["to"], json!([format!("{}@mail.example", of.name)]));
        assert_eq!(mail["from"], "security@localhost");
        assert_eq!(header(mail, "From"), ["security@localhost"]);
        assert_eq!(header(mail, "To"), [format!("{}@mail.example", of.name)]);
        assert_eq!(header(mail, "Auto-Submitted"), ["auto-generated"]);
        for part in ["text", "html"] {
            let part = mail[part].as_str().unwrap();
            assert!(part.contains(&of.id) && part.contains("/_matrix-2fa/account"), "{part}");
            assert!(!part.contains("<b>") && !part.contains("https://evil"), "{part}");
        }
        let everything = mail.to_string();
        assert!(!secrets.iter().any(|secret| everything.contains(secret.as_str())), "{everything}");
    }
}

#[test]
fn r44_every_use_of_a_recovery_code_is_told_with_what_remains() {
    let mail = MailServer::start();
    let Some(server) = over(&mail) else { return };
    let user = server.enrolled_user();
    mail.next();
    for used in 0..10 {
        user.login_with(user.recovery_stage(used)).access_token();
        let text = mail.next()["text"].as_str().unwrap().to_owned();
        let left = match 9 - used {
            0 => "none is left".to_owned(),
            1 => "One recovery code is left".to_owned(),
            left => format!("{left} recovery codes are left"),
        };
        assert!(text.contains(&left), "{left}: {text}");
        assert_eq!(text.contains("Make new recovery codes"), used >= 6, "{text}");
    }
}

#[test]
fn r62_a_right_password_without_a_code_is_told_after_three_minutes() {
    let mail = MailServer::start();
    let Some(server) = over(&mail) else { return };
    let user = server.enrolled_user();
    mail.next();
    let thief = |path: &str, body: &Value| server.request_from([127, 0, 0, 9], "POST", path).json(body).send();
    thief("login", &user.password_stage()).refused(401, "M_FORBIDDEN");
    server.advance(3 * MINUTE_MS - STEP_MS);
    user.login_with(user.totp()).access_token();
    server.advance(STEP_MS);
    let told = mail.next();
    assert_eq!(told["subject"], "Your password was entered, but no code (Example)");
    assert!(told["text"].as_str().unwrap().contains("127.0.0.9"), "{told:#}");
}

/// Whatever page the password is typed on, too.
#[test]
fn r62_a_right_password_on_a_page_is_told_too() {
    let mail = MailServer::start();
    let Some(server) = over(&mail) else { return };
    let user = server.user();
    let second = user.second_device();
    let user = user.enroll();
    mail.next();
    let told = || {
        server.advance(4 * MINUTE_MS);
        assert_eq!(mail.next()["subject"], "Your password was entered, but no code (Example)");
        // Nobody is told again within the hour.
        server.advance(61 * MINUTE_MS);
    };
    // The sign-in page.
    let thief = Browser::new(&server);
    let page = thief.open("/_matrix/client/v3/login/sso/redirect?redirectUrl=https%3A%2F%2Fapp.example.org%2F");
    thief.submit(&page, &[("user", &user.name), ("password", &user.password)]).says(200, "Enter your code");
    told();
    // The page that confirms.
    let operation = format!("devices/{}", second.device);
    let session = user.open("DELETE", &operation, &json!({})).session();
    let page = thief.open(&format!("/_matrix/client/v3/auth/m.login.sso/fallback/web?session={session}"));
    thief.submit(&page, &[("password", &user.password)]).says(403, "That code did not work");
    told();
}

#[test]
fn r62_with_the_mail_server_away_nothing_is_lost_and_everybody_logs_in() {
    let mail = MailServer::start();
    let port = mail.port;
    let Some(server) = over(&mail) else { return };
    drop(mail);
    let users: Vec<_> = (0..5).map(|_| server.enrolled_user()).collect();
    for user in &users {
        user.login_with(user.recovery_stage(0)).access_token();
    }
    for _ in 0..10 {
        server.advance(MINUTE_MS);
        for user in &users {
            user.login_with(user.totp()).access_token();
        }
    }
    let mail = MailServer::start_with(&["--port", &port.to_string()]);
    // The longest pause between two tries.
    server.advance(10 * MINUTE_MS);
    let mails = mail.take(10);
    let used = subjects(&mails).iter().filter(|subject| **subject == "A recovery code was used (Example)").count();
    let to: BTreeSet<_> = mails.iter().map(|mail| mail["to"].to_string()).collect();
    assert_eq!((used, to.len()), (5, 5));
}

#[test]
fn r62_a_notice_of_a_server_that_was_killed_is_delivered_by_the_next() {
    let mail = MailServer::start();
    let port = mail.port;
    let Some(server) = over(&mail) else { return };
    drop(mail);
    let user = server.enrolled_user();
    server.kill_9_and_restart();
    user.login_with(user.recovery_stage(0)).access_token();
    let now = server.now_ms();
    server.kill_9();
    let mail = MailServer::start_with(&["--port", &port.to_string()]);
    server.restart();
    server.set_clock(now + 10 * MINUTE_MS);
    let mails = mail.take(2);
    let subjects: BTreeSet<_> = subjects(&mails).into_iter().collect();
    assert_eq!(
        subjects,
        ["A recovery code was used (Example)", "Two-factor authentication was turned on (Example)"].into()
    );
}

/// A certificate for localhost that nobody signed, and its key.
fn certificate(folder: &Path) -> [String; 2] {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    [certificate, key]
}

#[test]
fn mail_goes_through_tls_with_a_password_to_addresses_that_a_program_knows() {
    let folder = TempDir::new().unwrap();
    let [certificate, key] = certificate(folder.path());
    let mail = MailServer::start_with(&[
        "--certificate",
        &certificate,
        "--key",
        &key,
        "--user",
        "us@er",
        "--password",
        "p:ss",
    ]);
    // The first user has an address and a language, the second what tries to be two headers, everybody else nothing.
    let program = folder.path().join("addresses");
    let answers = "#!/bin/sh\ncase $1 in\n@first*) echo 'first@mail.example de' ;;\n\
                   @second*) printf 'x@mail.example>\\r\\nBcc:evil@evil.example\\n' ;;\nesac\n";
    fs::write(&program, answers).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let url = format!("smtp://us%40er:p%3Ass@localhost:{}?ca={certificate}", mail.port);
    let Some(server) = server(&url, &format!("command:{}", program.display())) else { return };
    let [_, _, first] = ["third", "second", "first"].map(|name| User::register(&server, name).enroll());
    let told = mail.next();
    assert_eq!(
        (&told["to"], &told["tls"], &told["user"]),
        (&json!(["first@mail.example"]), &json!(true), &json!("us@er"))
    );
    assert_eq!(told["subject"], "Die Zwei-Faktor-Anmeldung wurde eingeschaltet (Example)");
    // The next mail leaves when all those before it have left or failed.
    rename(&first, "old");
    mail.next();
    assert_eq!(mail.rest(), Vec::<Value>::new());
    let log = server.log();
    for line in ["what was found is no address", "nobody knows where to tell this user"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("p:ss") && !log.contains("p%3Ass"), "{log}");
}

#[test]
fn a_mail_server_must_show_its_certificate_and_take_the_password() {
    struct Nobody;
    #[async_trait::async_trait]
    impl AddressBook for Nobody {
        async fn recipient(&self, _user: &str) -> Result<Option<Recipient>, NoticeError> {
            Ok(None)
        }
    }
    let folder = TempDir::new().unwrap();
    let [certificate, key] = certificate(folder.path());
    let mail = MailServer::start_with(&[
        "--certificate",
        &certificate,
        "--key",
        &key,
        "--user",
        "user",
        "--password",
        "right",
    ]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let works = |authority: bool, password: &str| {
        let server = smtp::MailServer {
            host: "localhost".to_owned(),
            port: mail.port,
            security: smtp::Security::StartTls,
            credentials: Some(("user".to_owned(), password.to_owned())),
            authority: authority.then(|| fs::read(&certificate).unwrap()),
        };
        runtime.block_on(async {
            let mail = smtp::Mail::new(server, "Example <a@example.org>", Arc::new(Nobody)).unwrap();
            mail.try_out().await.is_ok()
        })
    };
    assert!(works(true, "right"));
    assert!(!works(true, "wrong"));
    assert!(!works(false, "right"), "nobody whom we trust has signed it");
}
