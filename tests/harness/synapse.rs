//! A real Synapse for the gateway: one for the whole run, with SQLite in a temporary folder, started when the first test needs it, and one over
//! PostgreSQL. A shell waits for the end of its input, which is the end of this process however it comes, and tidies up.

use std::{
    io::{BufRead, BufReader, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use serde_json::{Value, json};

use super::{database::cluster, process::client_tool};

/// A running Synapse.
pub struct Synapse {
    /// Ends when its input does.
    _shell: Child,
    port: u16,
}

/// Nothing federates, nothing is limited, passwords cost next to nothing, and each operation of interactive auth asks anew.
const SETTINGS: &str = r#"
server_name: "example.org"
report_stats: false
enable_registration: true
enable_registration_without_verification: true
registration_shared_secret: "shared"
macaroon_secret_key: "macaroon"
form_secret: "form"
bcrypt_rounds: 4
federation_domain_whitelist: []
trusted_key_servers: []
allow_guest_access: true
login_via_existing_session: {enabled: true, require_ui_auth: true}
presence: {enabled: false}
rc_message: &high {per_second: 10000, burst_count: 10000}
rc_registration: *high
rc_login: {address: *high, account: *high, failed_attempts: *high}
rc_joins: {local: *high, remote: *high}
rc_invites: {per_room: *high, per_user: *high, per_issuer: *high}
app_service_config_files: ["bridge.yaml"]
jwt_config: {enabled: true, secret: "jwt secret", algorithm: HS256}
server_notices: {system_mxid_localpart: notices, room_name: "Notices"}
"#;

/// An application service, for whom some doors are other doors.
const BRIDGE: &str = r#"
id: bridge
url: null
as_token: "bridge-token"
hs_token: "hs-token"
sender_localpart: bridge
rate_limited: false
namespaces: {users: [{exclusive: false, regex: "@.*"}], aliases: [], rooms: []}
"#;

const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d /tmp/matrix-2fa-synapse-XXXXXX)
end() { kill "$child" 2>/dev/null && wait "$child" 2>/dev/null; rm -rf "$folder"; }
trap end EXIT
cd "$folder"
printf %s "$3" >homeserver.yaml
cat >>homeserver.yaml <<END
listeners:
  - {port: $2, bind_addresses: ["127.0.0.1"], tls: false, type: http, x_forwarded: true, resources: [{names: [client, federation], compress: false}]}
database: $5
media_store_path: "$folder/media"
signing_key_path: "$folder/signing.key"
pid_file: "$folder/pid"
END
printf %s "$4" >bridge.yaml
"$1" -m synapse.app.homeserver -c homeserver.yaml --generate-keys >log 2>&1 || { cat log >&2; exit 1; }
"$1" -m synapse.app.homeserver -c homeserver.yaml >>log 2>&1 </dev/null &
child=$!
until grep -q 'Synapse now listening on TCP port' log; do kill -0 "$child" || { cat log >&2; exit 1; }; sleep 0.1; done
echo ready
cat >/dev/null
"#;

const SQLITE: &str = r#"{name: sqlite3, args: {database: homeserver.db}}"#;

/// The Synapse of this run.
pub fn synapse() -> &'static Synapse {
    static SYNAPSE: LazyLock<Synapse> = LazyLock::new(|| Synapse::start(SQLITE));
    &SYNAPSE
}

impl Synapse {
    /// One over a database of the cluster's.
    pub fn over_postgresql() -> Self {
        Self::start(&format!(r#"{{name: psycopg2, args: {{dsn: "{}", cp_min: 1, cp_max: 5}}}}"#, cluster().database()))
    }

    fn start(database: &str) -> Self {
        // Between asking for a free port and using it somebody else may take it.
        (0..3).find_map(|_| Self::try_start(database)).expect("Synapse does not start; it said why above")
    }

    fn try_start(database: &str) -> Option<Self> {
        let python = client_tool("MATRIX_2FA_SYNAPSE", "synapse/bin/python");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("sh")
            .arg(python)
            .arg(port.to_string())
            .arg(SETTINGS)
            .arg(BRIDGE)
            .arg(database);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        if line.trim() != "ready" {
            shell.wait().expect("it is ours");
            return None;
        }
        Some(Self { _shell: shell, port })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The access token of a new administrator, registered with the shared secret.
    pub fn administrator(&self, name: &str) -> String {
        let url = format!("{}/_synapse/admin/v1/register", self.url());
        let client = reqwest::blocking::Client::new();
        let nonce: Value = client.get(&url).send().expect("Synapse answers").json().expect("JSON");
        let nonce = nonce["nonce"].as_str().expect("a nonce");
        let mut hmac = Command::new("openssl")
            .args(["dgst", "-sha1", "-hmac", "shared", "-r"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        let signed = format!("{nonce}\0{name}\0password\0admin");
        hmac.stdin.take().expect("piped").write_all(signed.as_bytes()).expect("it reads");
        let mac = String::from_utf8(hmac.wait_with_output().expect("ends").stdout).expect("text");
        let mac = mac.split(' ').next().expect("a digest");
        let body = json!({ "nonce": nonce, "username": name, "password": "password", "admin": true, "mac": mac });
        let made: Value = client.post(&url).json(&body).send().expect("Synapse answers").json().expect("JSON");
        made["access_token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }
}
