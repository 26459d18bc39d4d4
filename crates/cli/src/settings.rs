//! Settings: defaults, then the TOML file, then `MATRIX_2FA_*`, then flags.

mod database;
mod flags;
mod lifetime;
mod merge;

pub use database::DatabaseUrl;
pub use flags::Flags;

use std::{net::SocketAddr, path::PathBuf};

use lifetime::Lifetime;
use matrix_2fa_core::{Policy, StagePrefix};
use matrix_2fa_engine::EngineSettings;
use matrix_2fa_homeserver::HomeserverSettings;
use serde::Deserialize;

use crate::failure::Failure;

/// Every setting, merged and checked. [`Flags`] documents them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    #[serde(default)]
    pub database: Option<DatabaseUrl>,
    pub database_connections: usize,
    pub server_name: String,
    pub open_registration: bool,
    pub policy: Policy,
    pub stage_prefix: String,
    pub password_and_code: bool,
    pub session_lifetime: Lifetime,
    #[serde(default)]
    pub issuer: Option<String>,
    #[serde(default)]
    pub public_base_url: Option<String>,
    pub log: String,
    pub password_hash_jobs: usize,
    pub password_hash_queue: usize,
    pub recovery_hash_jobs: usize,
    pub recovery_hash_queue: usize,
    pub cache_mib: u64,
}

impl Settings {
    /// Merges all sources. Every problem is one line that names the key and its source.
    pub fn load(flags: &Flags) -> Result<Self, Failure> {
        let settings = merge::merge(flags)?;
        settings.check()?;
        Ok(settings)
    }

    /// What types alone do not say.
    fn check(&self) -> Result<(), Failure> {
        let bad = |key: &str, problem: &str| Err(Failure::start(format!("{key}: {problem}")));
        if StagePrefix::new(&self.stage_prefix).is_none() {
            return bad("stage_prefix", "write a name like m.login.2fa. that ends in a dot and has only a-z 0-9 . _ -");
        }
        if self.password_hash_jobs == 0 || self.recovery_hash_jobs == 0 {
            return bad("password_hash_jobs, recovery_hash_jobs", "there must be at least one");
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
        Ok(())
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

    /// The part that the engine needs.
    pub fn engine(&self) -> EngineSettings {
        EngineSettings {
            policy: self.policy,
            issuer: self.issuer.clone().unwrap_or_else(|| self.server_name.clone()),
            hash_jobs: self.recovery_hash_jobs,
            hash_queue: self.recovery_hash_queue,
            ..EngineSettings::default()
        }
    }

    /// The part that the module needs.
    pub fn module(&self) -> matrix_2fa::Settings {
        matrix_2fa::Settings {
            stage_prefix: StagePrefix::new(&self.stage_prefix).unwrap_or_default(),
            password_and_code: self.password_and_code,
            public_base_url: self.base_url(),
        }
    }

    fn base_url(&self) -> Option<String> {
        self.public_base_url.as_ref().map(|url| url.trim_end_matches('/').to_owned())
    }
}
