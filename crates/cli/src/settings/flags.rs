//! The flags, which are also the documentation of every setting. A test compares their names with the settings'.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::DatabaseUrl;

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

    /// Folder of the key file and, without --database, of the store; made on the first run [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,

    /// PostgreSQL instead of a store in the data folder, for any number of servers: postgres://user:password@host/name; the password is
    /// safer in the file or the environment, where `ps` does not show it [default: the store in the data folder]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUrl>,

    /// Connections to the database, at most [default: 16]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_connections: Option<usize>,

    /// The part of a Matrix id after the colon; cannot change later [default: localhost]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,

    /// Let anybody register [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_registration: Option<bool>,

    /// Second factors: disallowed (no new ones), opt-in, or required (users without one can only enroll) [default: opt-in]
    #[arg(long, value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,

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

    /// Where clients reach this server, for example https://matrix.example.org; told in /.well-known/matrix/client [default: none]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_base_url: Option<String>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter like info,matrix_2fa=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,

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
}

impl Flags {
    /// The defaults, in the words that the help uses.
    pub fn defaults() -> Self {
        Self {
            config: None,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8008))),
            data: Some("./data".into()),
            database: None,
            database_connections: Some(16),
            server_name: Some("localhost".to_owned()),
            open_registration: Some(false),
            policy: Some("opt-in".to_owned()),
            stage_prefix: Some("m.login.2fa.".to_owned()),
            password_and_code: Some(true),
            session_lifetime: Some("7d".to_owned()),
            issuer: None,
            public_base_url: None,
            log: Some("info".to_owned()),
            password_hash_jobs: Some(std::thread::available_parallelism().map_or(2, usize::from)),
            password_hash_queue: Some(256),
            recovery_hash_jobs: Some(2),
            recovery_hash_queue: Some(64),
            cache_mib: Some(64),
        }
    }
}
