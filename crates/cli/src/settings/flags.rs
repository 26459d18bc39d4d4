//! The flags, which are also the documentation of every setting. A test compares their names with the settings'.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{DatabaseUrl, MailUrl};

/// Every setting, absent unless it was given.
#[derive(Clone, Debug, Default, Args, Serialize)]
#[serde(default)]
pub struct Flags {
    /// TOML file with settings; read if it exists [default: matrix-2fa.toml]
    #[arg(long, value_name = "FILE", env = "MATRIX_2FA_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Where to listen; port 0 picks a free one, which is printed [default: 127.0.0.1:8008]
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,

    /// Folder of the store, unless --database says otherwise, and of what the next two settings do not put elsewhere; made on the first run
    /// [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,

    /// Folder of the key files that seal the secrets in the store [default: keys in the data folder]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,

    /// Folder of the marker by which a restored store is noticed; put it where backups and snapshots do not reach [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,

    /// PostgreSQL instead of a store in the data folder, for any number of servers: postgres://user:password@host/name; the password is
    /// safer in the file or the environment, where `ps` does not show it [default: the store in the data folder]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUrl>,

    /// Connections to the database, at most [default: 16]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_connections: Option<usize>,

    /// The part of a Matrix id after the colon; cannot change later [default: localhost; a gateway asks its upstream]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,

    /// The homeserver behind `matrix-2fa gateway`, for example http://127.0.0.1:8009 [default: none, and the gateway does not start]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,

    /// How long the homeserver behind the gateway may be silent, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_timeout: Option<u64>,

    /// File with an access token of an administrator of the homeserver behind the gateway, for its owner alone. If that is a Synapse, it is asked
    /// where users get mail, and sends matrix_notices [default: none]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_admin_token_file: Option<PathBuf>,

    /// Log a device out at the homeserver behind the gateway so long after its login was first seen here, for example 30d [default: never]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_session_lifetime: Option<String>,

    /// Let the administration of the homeserver behind the gateway through (/_synapse/admin and the like) [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_admin_api: Option<bool>,

    /// Let the OAuth 2.0 metadata of the homeserver behind the gateway through: clients then log in without the gateway [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_oauth: Option<bool>,

    /// Have the gateway's `GET /login` offer our pages beside what the homeserver offers [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages_in_login: Option<bool>,

    /// Let anybody register [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_registration: Option<bool>,

    /// Second factors: disallowed (no new ones), opt-in, or required (users without one can only enroll). Read again at SIGHUP and by
    /// `admin policy reload`, like the next two [default: opt-in]
    #[arg(long, value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,

    /// How long a user of whom a factor becomes required may go on without, from the first time that this is noticed [default: 0s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<String>,

    /// Users with a policy of their own; the strictest of all that fit wins, and the shortest grace period. A list of tables with name,
    /// policy, grace_period, and any of users, localparts (a regular expression for the whole localpart), admins = true. For example
    /// [{ name = "staff", localparts = "staff-.*", policy = "required", grace_period = "7d" }] [default: none]
    #[arg(long, value_name = "TABLES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,

    /// Where to answer administrators over HTTP, for example 127.0.0.1:8010; a listener of its own, and nothing that strangers should reach
    /// [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_listen: Option<SocketAddr>,

    /// File with the token that such a request must bring, of at least 32 characters, for its owner alone [default: none]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,

    /// Who administrates this server, for groups with admins = true; comma between several [default: nobody]
    #[arg(long, value_name = "USERS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admins: Option<String>,

    /// End every other login of who turns two-factor authentication on: those logins never proved a second factor [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_signs_out: Option<bool>,

    /// Begin of the stage names that go out; all known ones are understood [default: m.login.2fa.]
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_prefix: Option<String>,

    /// Accept password and code in the password field, for clients that cannot ask for a code [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_and_code: Option<bool>,

    /// How long a login lasts, for example 12h, 7d or never; then the same device logs in again [default: 7d]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_lifetime: Option<String>,

    /// Name that authenticator apps show beside the account [default: the server name]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,

    /// Where clients reach this server, for example https://matrix.example.org; told in /.well-known/matrix/client, and where the pages are [default: not told, http://<listen>]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_base_url: Option<String>,

    /// Pages of our own for login and confirmation, for clients that know nothing of second factors [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<bool>,

    /// Name over the pages [default: the server name]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_name: Option<String>,

    /// Colour of the buttons on the pages, for example #0b6e4f; their text becomes black or white [default: a green]
    #[arg(long, value_name = "#RRGGBB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_color: Option<String>,

    /// Picture over the pages: an svg, png, webp or jpeg of at most 10 KiB [default: a lock]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_logo: Option<PathBuf>,

    /// Web clients that get their login from the pages without another click, for example https://app.example.org; comma between several [default: none]
    #[arg(long, value_name = "ORIGINS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_clients: Option<String>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter like info,matrix_2fa=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,

    /// Mail server for notices of what happens to second factors: smtps://user:password@host:465, smtp://user:password@host:587 (STARTTLS), or
    /// smtp://localhost:25; with ?ca=FILE for a certificate of your own; keep it in the file or the environment [default: no mail]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_server: Option<MailUrl>,

    /// Sender of the notices, for example "Example <security@example.org>" [default: security@<server name>]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<String>,

    /// Where users get mail: {localpart}@example.org, command:PROGRAM (called with the user id, it prints the address or nothing),
    /// http://localhost:8000/?user={user} (answers the same), or homeserver, which needs upstream_admin_token_file [default: homeserver]
    #[arg(long, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_addresses: Option<String>,

    /// Notices as messages in the users' own clients, sent by the homeserver behind the gateway; needs upstream_admin_token_file [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix_notices: Option<bool>,

    /// Language of notices for users of whom none is known: en, de or fr [default: en]
    #[arg(long, value_name = "LANGUAGE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_language: Option<String>,

    /// How the log is written: text, or json for whoever collects it [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<String>,

    /// Where audited things are written as lines of JSON, beside the store: none, stdout, or a file; see matrix-2fa events [default: none]
    #[arg(long, value_name = "WHERE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_out: Option<String>,

    /// Where numbers for Prometheus are, at /metrics, and /health once more; not for users [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,

    /// Passwords hashed at the same time, 19 MiB each [default: one for each CPU]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash_jobs: Option<usize>,

    /// Passwords that may wait for that; more requests are answered 429 [default: 256]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash_queue: Option<usize>,

    /// Recovery codes hashed at the same time, 19 MiB each [default: 2]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_hash_jobs: Option<usize>,

    /// Recovery codes that may wait for that; more requests are answered 429 [default: 64]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_hash_queue: Option<usize>,

    /// Memory for the store's cache, in MiB [default: 64]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mib: Option<u64>,

    /// Reverse proxies before this server whose word about the client's address counts: addresses and networks, or none. Not set: no
    /// header is believed, and loopback, taken for a proxy that says nothing, has no limit by address [default: not set]
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_proxies: Option<String>,

    /// The header in which these proxies say it: x-forwarded-for or forwarded. They must write it, not pass it on [default: x-forwarded-for]
    #[arg(long, value_name = "HEADER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<String>,

    /// Passwords and codes that one address (an IPv6 /64) may try at once; more are answered 429; 0 for no limit [default: 60]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_tries: Option<u32>,

    /// How many of them it gets back in a minute [default: 60]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_tries_per_minute: Option<u32>,

    /// Wrong codes of an authenticator in a row that cost no wait [default: 5]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_free_tries: Option<u32>,

    /// The first wait after them, for example 30s; every further wrong code doubles it [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_first_wait: Option<String>,

    /// The longest wait [default: 1h]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_max_wait: Option<String>,

    /// Wrong codes in a row or in 30 days that lock the authenticators of an account until they are replaced, or never [default: 100]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_lock_at: Option<String>,

    /// If that is never: wrong codes in 30 days; more wait until the oldest of them is that old [default: 25]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_monthly_tries: Option<u32>,

    /// Limits that leave a guesser a higher chance than this, for one account and year, are refused at start [default: 0.01]
    #[arg(long, value_name = "PROBABILITY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_guess_probability: Option<f64>,

    /// Wrong codes of all users together in a minute that are normal; more are an error in the log and a metric; 0 for no alarm [default: 100]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_failures_per_minute: Option<usize>,

    /// While that alarm lasts, make everybody wait after one wrong code instead of totp_free_tries [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_slows: Option<bool>,

    /// What to compare the clock with, at start and every hour: an NTP server like pool.ntp.org, or the address of a web server like
    /// https://example.org, whose header Date is read; a wrong clock is told in the log [default: none]
    #[arg(long, value_name = "HOST|URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_source: Option<String>,
}

/// The settings that matter to whoever opens the data folder without serving.
#[derive(Clone, Debug, Args)]
pub struct DataFlags {
    /// TOML file with settings; read if it exists [default: matrix-2fa.toml]
    #[arg(long, value_name = "FILE", env = "MATRIX_2FA_CONFIG")]
    config: Option<PathBuf>,

    /// Folder of the store and the key files [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// PostgreSQL instead of a store in the data folder [default: the store in the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<DatabaseUrl>,

    /// The part of a Matrix id after the colon, if you write only the part before it [default: localhost]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
}

impl From<&DataFlags> for Flags {
    fn from(flags: &DataFlags) -> Self {
        let DataFlags { config, data, database, server_name } = flags.clone();
        Self { config, data, database, server_name, ..Self::default() }
    }
}

/// The name of a server that nobody named.
pub const SERVER_NAME: &str = "localhost";

impl Flags {
    /// The defaults, in the words that the help uses.
    pub fn defaults() -> Self {
        Self {
            config: None,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8008))),
            data: Some("./data".into()),
            keys: None,
            state: None,
            database: None,
            database_connections: Some(16),
            server_name: Some(SERVER_NAME.to_owned()),
            upstream: None,
            upstream_timeout: Some(300),
            upstream_admin_token_file: None,
            upstream_session_lifetime: Some("never".to_owned()),
            open_admin_api: Some(false),
            open_oauth: Some(false),
            pages_in_login: Some(true),
            open_registration: Some(false),
            policy: Some("opt-in".to_owned()),
            grace_period: Some("0s".to_owned()),
            groups: None,
            admins: None,
            admin_listen: None,
            admin_token_file: None,
            enrollment_signs_out: Some(false),
            stage_prefix: Some("m.login.2fa.".to_owned()),
            password_and_code: Some(true),
            session_lifetime: Some("7d".to_owned()),
            issuer: None,
            public_base_url: None,
            pages: Some(true),
            brand_name: None,
            brand_color: None,
            brand_logo: None,
            trusted_clients: None,
            log: Some("info".to_owned()),
            log_format: Some("text".to_owned()),
            events_out: Some("none".to_owned()),
            metrics_listen: None,
            mail_server: None,
            mail_from: None,
            mail_addresses: Some("homeserver".to_owned()),
            matrix_notices: Some(false),
            notice_language: Some("en".to_owned()),
            password_hash_jobs: Some(std::thread::available_parallelism().map_or(2, usize::from)),
            password_hash_queue: Some(256),
            recovery_hash_jobs: Some(2),
            recovery_hash_queue: Some(64),
            cache_mib: Some(64),
            trusted_proxies: None,
            proxy_header: Some("x-forwarded-for".to_owned()),
            address_tries: Some(60),
            address_tries_per_minute: Some(60),
            totp_free_tries: Some(5),
            totp_first_wait: Some("30s".to_owned()),
            totp_max_wait: Some("1h".to_owned()),
            totp_lock_at: Some("100".to_owned()),
            totp_monthly_tries: Some(25),
            max_guess_probability: Some(0.01),
            alarm_failures_per_minute: Some(100),
            alarm_slows: Some(false),
            time_source: None,
        }
    }
}
