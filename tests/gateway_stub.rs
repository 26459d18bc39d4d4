//! `matrix-2fa gateway` before an upstream that gives a token to anybody for anything, and before others that no homeserver would be:
//! what reaches them, and what of theirs reaches a client.

mod ages;
mod heads;
mod kills;
mod mangled;
mod net;
mod streams;

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{Asked, Reply, Server, Stub};

/// What every token of the permissive upstream begins with.
const MARK: &str = "STUBTOKEN";

/// The permissive upstream: every password is right, and every endpoint but a few gives out a token.
#[derive(Clone, Default)]
struct Permissive(Arc<Mutex<Users>>);

#[derive(Default)]
struct Users {
    /// Whose tokens these are, until somebody registers.
    name: String,
    made: usize,
    /// Device of each token that works, and what it is called.
    alive: BTreeMap<String, (String, String)>,
}

impl Permissive {
    fn start() -> (Self, Stub) {
        let this = Self::default();
        let stub = Stub::start({
            let this = this.clone();
            move |asked| this.answer(asked)
        });
        (this, stub)
    }

    fn users(&self) -> std::sync::MutexGuard<'_, Users> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens that work.
    fn alive(&self) -> Vec<String> {
        self.users().alive.keys().cloned().collect()
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let mut users = self.users();
        let device = asked.token().and_then(|token| users.alive.get(&token).map(|(device, _)| device.clone()));
        let id = |name: &str| format!("@{name}:example.org");
        if asked.path() == "/_matrix/client/v3/account/whoami" {
            return match device {
                Some(device) => Reply::Json(200, json!({ "user_id": id(&users.name), "device_id": device })),
                None => Reply::Json(401, json!({ "errcode": "M_UNKNOWN_TOKEN", "error": "Who?" })),
            };
        }
        if matches!(asked.path(), "/_matrix/key/v2/server" | "/_matrix/client/versions") {
            return Reply::Json(200, json!({ "server_name": "example.org", "versions": [] }));
        }
        // Asked once when the gateway starts.
        if asked.method == "GET" && asked.path().ends_with("/login") {
            return Reply::Json(200, json!({ "flows": [{ "type": "m.login.password" }] }));
        }
        if asked.path() == "/_matrix/client/v1/auth_metadata" {
            return Reply::Json(404, json!({ "errcode": "M_UNRECOGNIZED", "error": "no" }));
        }
        if asked.path() == "/_matrix/client/v3/logout" {
            users.alive.remove(&asked.token().unwrap_or_default());
            return Reply::Json(200, json!({}));
        }
        if asked.path() == "/_matrix/client/v3/devices" {
            let listed = users.alive.values().map(|(id, name)| json!({ "device_id": id, "display_name": name }));
            return Reply::Json(200, json!({ "devices": listed.collect::<Vec<_>>() }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if let Some(name) = body["username"].as_str() {
            name.clone_into(&mut users.name);
        }
        if asked.path() == "/_matrix/client/v3/delete_devices" {
            let gone = |id: &str| body["devices"].as_array().into_iter().flatten().any(|one| one == id);
            users.alive.retain(|_, (id, _)| !gone(id));
            return Reply::Json(200, json!({}));
        }
        users.made += 1;
        let made = users.made;
        let device = body["device_id"].as_str().map_or_else(|| format!("DEVICE{made}"), str::to_owned);
        // As some homeservers do: a device that is named again loses the token that it had.
        users.alive.retain(|_, (other, _)| *other != device);
        let name = body["initial_device_display_name"].as_str().unwrap_or_default().to_owned();
        let token = format!("{MARK}{made:08}");
        users.alive.insert(token.clone(), (device.clone(), name));
        Reply::Json(200, json!({ "user_id": id(&users.name), "device_id": device, "access_token": token }))
    }
}

/// A gateway before this upstream.
fn gateway_before(stub: &Stub, settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("MATRIX_2FA_SERVER_NAME", "example.org")];
    all.extend_from_slice(settings);
    Server::gateway_before(&stub.url(), &all)
}

/// Sends bytes and reads until the other side closes, or says nothing more for a while after its first answer.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // A server that refuses early may have closed already.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(server: &Server) -> TcpStream {
    let address = server.base_url();
    let stream = TcpStream::connect(address.strip_prefix("http://").expect("http")).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    stream
}
