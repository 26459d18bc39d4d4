//! Settings: defaults, then the TOML file, then `MATRIX_2FA_*`, then flags.

mod flags;
mod groups;
mod lifetime;
mod limits;
mod merge;
mod networks;
mod notices;
mod pages;
#[cfg(test)]
mod random;
mod secret_file;
mod secret_url;

pub use flags::{DataFlags, Flags};
pub use merge::in_force;
#[cfg(test)]
pub use merge::takes;
pub use notices::Addresses;
pub use secret_file::read_token;
pub use secret_url::{DatabaseUrl, MailUrl};

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use groups::Groups;
use lifetime::Lifetime;
use limits::{LockAt, Span};
use matrix_2fa::AddressLimit;
use matrix_2fa_core::{Policy, Rules, StagePrefix};
use matrix_2fa_engine::{AlarmSettings, EngineSettings};
use matrix_2fa_gateway::{AdminToken, GatewaySettings, Opened};
use matrix_2fa_homeserver::HomeserverSettings;
use networks::Networks;
use serde::Deserialize;

use crate::{
    failure::Failure,
    proxies::{Proxies, ProxyHeader},
};

/// Where audited things are written beside the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum EventsOut {
    /// Nowhere.
    Nowhere,
    /// To stdout.
    Stdout,
    /// To the end of this file.
    File(PathBuf),
}

impl From<String> for EventsOut {
    fn from(given: String) -> Self {
        match given.as_str() {
            "none" => Self::Nowhere,
            "stdout" => Self::Stdout,
            file => Self::File(file.into()),
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// A line of JSON for each event.
    Json,
}

/// Every setting, merged and checked. [`Flags`] documents them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// From what they were merged.
    #[serde(skip)]
    given: Flags,
    pub listen: SocketAddr,
    pub data: PathBuf,
    #[serde(default)]
    pub keys: Option<PathBuf>,
    #[serde(default)]
    pub state: Option<PathBuf>,
    #[serde(default)]
    pub database: Option<DatabaseUrl>,
    pub database_connections: usize,
    pub server_name: String,
    #[serde(default)]
    pub upstream: Option<String>,
    pub upstream_timeout: u64,
    #[serde(default)]
    pub upstream_admin_token_file: Option<PathBuf>,
    pub upstream_session_lifetime: Lifetime,
    pub open_admin_api: bool,
    pub open_oauth: bool,
    pub pages_in_login: bool,
    pub open_registration: bool,
    pub policy: Policy,
    pub grace_period: Span,
    #[serde(default)]
    pub groups: Groups,
    #[serde(default)]
    pub admins: Option<String>,
    #[serde(default)]
    pub admin_listen: Option<SocketAddr>,
    #[serde(default)]
    pub admin_token_file: Option<PathBuf>,
    pub enrollment_signs_out: bool,
    pub stage_prefix: String,
    pub password_and_code: bool,
    pub session_lifetime: Lifetime,
    #[serde(default)]
    pub issuer: Option<String>,
    #[serde(default)]
    pub public_base_url: Option<String>,
    pub pages: bool,
    #[serde(default)]
    pub brand_name: Option<String>,
    #[serde(default)]
    pub brand_color: Option<String>,
    #[serde(default)]
    pub brand_logo: Option<PathBuf>,
    #[serde(default)]
    pub trusted_clients: Option<String>,
    pub log: String,
    pub log_format: LogFormat,
    pub events_out: EventsOut,
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    #[serde(default)]
    pub mail_server: Option<MailUrl>,
    #[serde(default)]
    pub mail_from: Option<String>,
    pub mail_addresses: Addresses,
    pub matrix_notices: bool,
    pub notice_language: String,
    pub password_hash_jobs: usize,
    pub password_hash_queue: usize,
    pub recovery_hash_jobs: usize,
    pub recovery_hash_queue: usize,
    pub cache_mib: u64,
    #[serde(default)]
    pub trusted_proxies: Option<Networks>,
    pub proxy_header: ProxyHeader,
    pub address_tries: u32,
    pub address_tries_per_minute: u32,
    pub totp_free_tries: u32,
    pub totp_first_wait: Span,
    pub totp_max_wait: Span,
    pub totp_lock_at: LockAt,
    pub totp_monthly_tries: u32,
    pub max_guess_probability: f64,
    pub alarm_failures_per_minute: usize,
    pub alarm_slows: bool,
    #[serde(default)]
    pub time_source: Option<String>,
}

impl Settings {
    /// Merges all sources. Every problem is one line that names the key and its source.
    pub fn load(flags: &Flags) -> Result<Self, Failure> {
        let settings = Self { given: flags.clone(), ..merge::merge(flags)? };
        settings.check()?;
        Ok(settings)
    }

    /// The same sources as they are now. What is open already keeps what it was opened with.
    pub fn again(&self) -> Result<Self, Failure> {
        Self::load(&self.given)
    }

    /// What types alone do not say.
    fn check(&self) -> Result<(), Failure> {
        let bad = |key: &str, problem: &str| Err(Failure::start(format!("{key}: {problem}")));
        if StagePrefix::new(&self.stage_prefix).is_none() {
            return bad("stage_prefix", "write a name like m.login.2fa. that ends in a dot and has only a-z 0-9 . _ -");
        }
        for (key, range, given) in [
            ("password_hash_jobs", 1..=1024, self.password_hash_jobs),
            ("password_hash_queue", 0..=100_000, self.password_hash_queue),
            ("recovery_hash_jobs", 1..=1024, self.recovery_hash_jobs),
            ("recovery_hash_queue", 0..=100_000, self.recovery_hash_queue),
            // 16 TiB is more than any machine has; less than this and the store turns every page twice.
            ("cache_mib", 8..=16 * 1024 * 1024, usize::try_from(self.cache_mib).unwrap_or(usize::MAX)),
        ] {
            if !range.contains(&given) {
                return bad(key, &format!("write a number from {} to {}, not {given}", range.start(), range.end()));
            }
        }
        if self.database_connections < 2 {
            return bad("database_connections", "there must be at least two: one that writes and one that reads");
        }
        if self.issuer.as_deref().is_some_and(|issuer| issuer.is_empty() || issuer.contains([':', '\n'])) {
            return bad("issuer", "write a name without a colon");
        }
        let address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if self.public_base_url.as_ref().is_some_and(|url| !address(url)) {
            return bad("public_base_url", "write an address that begins with https:// (or http://)");
        }
        if self.admin_listen.is_some() != self.admin_token_file.is_some() {
            return bad("admin_listen, admin_token_file", "set both or neither");
        }
        self.groups.check()?;
        self.check_pages()?;
        self.check_notices()?;
        self.check_limits()
    }

    /// Where the key files are.
    pub fn key_folder(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }

    /// Where the marker is that tells a restored store.
    pub fn state_folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.data.clone())
    }

    /// Where the users are, for people.
    pub fn place(&self) -> String {
        self.database.as_ref().map_or_else(|| self.data.display().to_string(), |_| "the database".to_owned())
    }

    /// The part that the homeserver needs.
    pub fn homeserver(&self) -> HomeserverSettings {
        HomeserverSettings {
            server_name: self.server_name.clone(),
            open_registration: self.open_registration,
            session_lifetime: self.session_lifetime.0,
            hash_jobs: self.password_hash_jobs,
            hash_queue: self.password_hash_queue,
            public_base_url: self.base_url(),
            ..HomeserverSettings::default()
        }
    }

    /// The part that the gateway needs. A name that nobody set is the upstream's.
    pub fn gateway(&self) -> Result<GatewaySettings, Failure> {
        let upstream = self.upstream.clone();
        Ok(GatewaySettings {
            upstream: upstream.ok_or_else(|| {
                Failure::start(
                    "upstream: name the homeserver behind the gateway, for example --upstream http://127.0.0.1:8009",
                )
            })?,
            server_name: Some(self.server_name.clone()).filter(|name| *name != flags::SERVER_NAME),
            public_base_url: self.base_url(),
            pages_in_login: self.pages_in_login,
            opened: Opened { admin: self.open_admin_api, oauth: self.open_oauth },
            upstream_timeout: match self.upstream_timeout {
                1..=86_400 => Duration::from_secs(self.upstream_timeout),
                _ => return Err(Failure::start("upstream_timeout: write a number of seconds from 1 to 86400")),
            },
            checks: self.state_folder().join("checks"),
            admin_token: match &self.upstream_admin_token_file {
                Some(file) => Some(AdminToken::new(read_token("upstream_admin_token_file", file)?)),
                None => None,
            },
            session_lifetime: self.upstream_session_lifetime.0,
        })
    }

    /// The part that the engine needs.
    pub fn engine(&self, rules: Rules) -> EngineSettings {
        EngineSettings {
            rules,
            issuer: self.issuer.clone().unwrap_or_else(|| self.server_name.clone()),
            hash_jobs: self.recovery_hash_jobs,
            hash_queue: self.recovery_hash_queue,
            totp_budget: self.totp_budget(),
            alarm: AlarmSettings { failures_per_minute: self.alarm_failures_per_minute, slows: self.alarm_slows },
            notices: self.has_notices(),
            ..EngineSettings::default()
        }
    }

    /// The part that the module needs. Without a public base URL the pages are where the server listens.
    pub fn module(&self, address: SocketAddr) -> Result<matrix_2fa::Settings, Failure> {
        Ok(matrix_2fa::Settings {
            stage_prefix: StagePrefix::new(&self.stage_prefix).unwrap_or_default(),
            password_and_code: self.password_and_code,
            public_base_url: Some(self.base_url().unwrap_or_else(|| pages::local_url(address))),
            enrollment_signs_out: self.enrollment_signs_out,
            address_limit: AddressLimit {
                burst: self.address_tries,
                per_minute: self.address_tries_per_minute,
                // Who named the proxies, or said that there are none, has told us what a loopback peer is.
                count_loopback: self.trusted_proxies.is_some(),
            },
            pages: self.pages,
            branding: self.branding()?,
            trusted_clients: self.trusted_clients()?,
        })
    }

    /// The proxies that are believed.
    pub fn proxies(&self) -> Proxies {
        let trusted = self.trusted_proxies.as_ref().map(|networks| networks.0.clone()).unwrap_or_default();
        Proxies { trusted, header: self.proxy_header }
    }

    fn base_url(&self) -> Option<String> {
        self.public_base_url.as_ref().map(|url| url.trim_end_matches('/').to_owned())
    }
}

/// What stands in a list with commas.
fn names(list: Option<&str>) -> Vec<String> {
    let listed = list.unwrap_or_default().split(',').map(str::trim);
    listed.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
