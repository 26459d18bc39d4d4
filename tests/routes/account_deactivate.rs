//! `POST /account/deactivate`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Needs, PASSWORD, Phone, RECOVERY, SSO, Server, TOTP, auth, stage};

/// As the store cuts its log; sled refuses to open it with another.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

#[test]
fn it_needs_both_factors() {
    let user = Server::start().enrolled_user();
    let challenge =
        user.open("POST", "account/deactivate", &json!({})).offers(&[&[SSO], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let half = auth(&json!({}), &challenge.session(), &user.password_stage());
    user.post("account/deactivate", &half).completed(&[PASSWORD]);
    user.get("account/whoami").is(200);
    let answer = user.prove("POST", "account/deactivate", &json!({})).is(200);
    assert!(["success", "no-support"].contains(&answer.string("id_server_unbind_result").as_str()), "{answer}");
}

/// The proof is a dump: every key and every value of the store, before the user came, before they left, and after. (The log-structured
/// file below may keep old bytes until their place is written anew; those are sealed or hashed as they were.)
#[test]
fn r39_a_dump_shows_nothing_of_a_deactivated_user_but_the_name_and_the_audit() {
    let Some(server) = Server::start_with(Needs::Process) else { return };
    server.terminate();
    let before = Dump::of(&server);
    server.restart();

    let user = server.user();
    let (begun, id) = (user.begin_enrollment(), user.id.clone());
    let phone = Phone::new(&server, &begun.string("seed"));
    user.confirm(&begun, &phone.code()).is(200);
    let put = |path: &str, body: Value| user.send("PUT", path, &body).is(200);
    put(&format!("profile/{id}/displayname"), json!({ "displayname": "marker-displayname" }));
    put(&format!("devices/{}", user.device), json!({ "display_name": "marker-device" }));
    put(&format!("account/two-factor/authenticators/{}", begun.string("id")), json!({ "name": "marker-phone" }));
    user.post(&format!("user/{id}/filter"), &json!({ "marker-filter": true })).is(200);
    user.post("keys/upload", &json!({ "device_keys": { "marker-identity": "x" } })).is(200);
    user.post("keys/device_signing/upload", &json!({ "master_key": { "marker-signing": "x" } })).is(200);
    let second = |path: &str, body: Value| {
        user.authorize("POST", path, &body, &[user.password_stage(), stage(TOTP, &phone.code())]).is(200)
    };
    second("account/two-factor/totp", json!({ "name": "marker-pending" }));
    let token = second("login/get_token", json!({})).string("login_token");
    let uia = user.open("POST", "account/two-factor/recovery", &json!({})).session();
    let login = user.login().session();

    server.terminate();
    let full = Dump::of(&server);
    let account = server.stored_account(&id);
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    let pending = account.pending(account.changed_at().unwrap()).expect("a pending authenticator");
    for sealed in [&account.authenticators()[0].seed, &pending.seed] {
        secrets.extend([sealed.ciphertext.clone(), sealed.nonce.clone()]);
    }
    secrets.push(account.recovery().unwrap().salt.to_vec());
    secrets.extend(["$argon2id$", "marker-", &uia, &login].map(|text| text.as_bytes().to_vec()));
    for secret in &secrets {
        assert!(full.holds(secret), "the search finds {:?} while it is there", String::from_utf8_lossy(secret));
    }
    secrets.extend([&user.token, &user.password, &token].map(|text| text.clone().into_bytes()));

    server.restart();
    let code = phone.code();
    let leave = [user.password_stage(), stage(TOTP, &code)];
    user.authorize("POST", "account/deactivate", &json!({}), &leave).is(200);
    server.terminate();
    let after = Dump::of(&server);
    let name = [b"rhs_user\0".as_slice(), id.as_bytes()].concat();
    let emptied = [b"a".as_slice(), id.as_bytes()].concat();
    let mut left = after.entries.keys().filter(|key| !before.entries.contains_key(*key));
    // Audit lines (e) stay, and so does, until its time has come, the list of what was to be swept (x).
    assert!(
        left.all(|key| *key == name || *key == emptied || matches!(key.first(), Some(b'e' | b'x'))),
        "{:?}",
        after.entries.keys().map(|key| String::from_utf8_lossy(key)).collect::<Vec<_>>()
    );
    assert_eq!(server.stored_account(&id), Default::default());
    for secret in &secrets {
        let session = *secret == uia.as_bytes() || *secret == login.as_bytes();
        let found = after.entries.iter().any(|(key, value)| {
            // What is to be swept is named by its key, which for a session is its id: dead like the session.
            let list = key.first() == Some(&b'x') && session;
            !list && (contains(key, secret) || contains(value, secret))
        });
        assert!(!found, "{:?} is still there", String::from_utf8_lossy(secret));
    }
}

/// Every key and value of a stopped server's store.
struct Dump {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Dump {
    fn of(server: &Server) -> Self {
        let config = sled::Config::new().path(server.data_folder().join("store")).segment_size(SEGMENT_BYTES);
        let db = config.open().expect("the server is stopped");
        let entries = db.iter().map(|entry| entry.expect("readable"));
        Self { entries: entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect() }
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.entries.iter().any(|(key, value)| contains(key, needle) || contains(value, needle))
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn r39_nothing_of_a_deactivated_user_is_left() {
    let user = Server::start().enrolled_user();
    let half_login = user.challenge();
    let half_uia = user.open("POST", "account/two-factor/recovery", &json!({})).session();
    let stranger =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": "nobody" }, "password": "x" });
    let as_unknown = user.server.post("login", &stranger).refused(403, "M_FORBIDDEN");
    user.prove("POST", "account/deactivate", &json!({ "erase": true })).is(200);

    let login = user.login().without_token();
    assert!(
        login.status == 403 && ["M_FORBIDDEN", "M_USER_DEACTIVATED"].contains(&login.errcode().unwrap()),
        "{login} {as_unknown}"
    );
    user.finish(&half_login, user.totp()).without_token().is(400);
    user.get("account/two-factor").refused(401, "M_UNKNOWN_TOKEN");
    user.post("account/two-factor/recovery", &auth(&json!({}), &half_uia, &user.password_stage()))
        .refused(401, "M_UNKNOWN_TOKEN");
    let again = json!({ "username": user.name, "password": "x".repeat(12), "auth": { "type": "m.login.dummy" } });
    user.server.post("register", &again).refused(400, "M_USER_IN_USE");
}
