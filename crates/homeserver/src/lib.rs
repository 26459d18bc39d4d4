//! The reference homeserver: accounts, devices and tokens of a small Matrix server, with `matrix-2fa` embedded as any homeserver would.
//!
//! It is complete where a second factor matters (every login, every endpoint with interactive auth) and only valid where it does not
//! (an empty `sync`). Everything durable is records in an `Arc<dyn Store>`; which store that is, its embedder chooses.
//!
//! How it hangs together: [`app`] is every route (`router.rs`, a file an endpoint in `routes/`) · [`LocalHomeserver`] implements the
//! module's [`Homeserver`](matrix_2fa::homeserver::Homeserver) in `host.rs`; its use cases are `accounts.rs`, `logins.rs`, `tokens.rs`,
//! `refresh.rs`, `devices.rs`, `keys.rs` · `records.rs` knows what is stored.
//!
//! Two rules hold everywhere. A change of several records is one commit that names what it expects, and is decided again when it loses.
//! A token is 256 random bits of which only the SHA-256 is stored.

mod accounts;
mod app;
mod devices;
mod filters;
mod host;
mod keys;
mod limits;
mod logins;
mod names;
mod password;
mod random;
mod records;
mod refresh;
mod refuse;
mod router;
mod routes;
mod settings;
mod tokens;

pub use host::LocalHomeserver;
pub use router::app;
pub use settings::{HomeserverError, HomeserverSettings, PasswordCost};

use matrix_2fa::{ApiError, TwoFactor};

/// Lets the module forget every deactivated user whom it has not forgotten yet. Deactivation does this itself; call it at start and now
/// and then, for those whose deactivation was cut short.
pub async fn finish_forgetting(host: &LocalHomeserver, two_factor: &TwoFactor) -> Result<(), ApiError> {
    let mut done = Ok(());
    for user in host.to_forget().await? {
        // One that cannot be forgotten now must not keep the others from it.
        if let Err(error) = forget(host, two_factor, &user).await {
            tracing::warn!(user.id = user, %error, "a deactivated user is not yet forgotten; it is tried again");
            done = Err(error);
        }
    }
    done
}

/// Lets the module forget one deactivated user.
pub(crate) async fn forget(host: &LocalHomeserver, two_factor: &TwoFactor, user: &str) -> Result<(), ApiError> {
    two_factor.forget(user).await?;
    Ok(host.forgotten(user).await?)
}
