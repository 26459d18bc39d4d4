//! What an operator can choose about the reference homeserver.

use std::time::Duration;

/// Settings of [`crate::LocalHomeserver`].
#[derive(Clone, Debug)]
pub struct HomeserverSettings {
    /// The part of a Matrix id after the colon. It cannot change once there are users.
    pub server_name: String,
    /// May anybody register?
    pub open_registration: bool,
    /// How long a login lasts, refreshed or not; `None` is for ever.
    pub session_lifetime: Option<Duration>,
    /// How many passwords are hashed at the same time. Each takes [`PasswordCost::memory_kib`].
    pub hash_jobs: usize,
    /// How many more may wait for that before requests are answered with 429.
    pub hash_queue: usize,
    /// What one password hash costs.
    pub password_cost: PasswordCost,
    /// Where clients reach this server from outside; told in `/.well-known/matrix/client`.
    pub public_base_url: Option<String>,
}

impl Default for HomeserverSettings {
    fn default() -> Self {
        Self {
            server_name: "localhost".to_owned(),
            open_registration: false,
            session_lifetime: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            hash_jobs: 2,
            hash_queue: 256,
            password_cost: PasswordCost::default(),
            public_base_url: None,
        }
    }
}

/// Parameters of Argon2id for new password hashes. Older hashes keep theirs until the password changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PasswordCost {
    /// OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// Why a homeserver cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HomeserverError {
    /// Not a server name.
    #[error(
        "server_name {given:?} is not a Matrix server name; write a host name like example.org, with a port only if your ids have one"
    )]
    ServerName {
        /// What was given.
        given: String,
    },
    /// Other ids are in the store already.
    #[error("this data belongs to server_name {stored:?}, not {given:?}; set the old name, or use another data folder")]
    OtherServerName {
        /// What the store was made for.
        stored: String,
        /// What was given.
        given: String,
    },
    /// Argon2 does not take these parameters.
    #[error("the cost of password hashing is out of range")]
    PasswordCost,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] matrix_2fa_store::StoreError),
}
