//! What an operator can choose about the gateway.

/// Settings of the gateway.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where the homeserver is, for example `http://127.0.0.1:8009`.
    pub upstream: String,
    /// The part of a Matrix id after the colon; `None` asks the upstream.
    pub server_name: Option<String>,
    /// Where clients reach the gateway from outside, without a trailing slash; told wherever the upstream tells its own address.
    pub public_base_url: Option<String>,
    /// Does `GET /login` offer our pages?
    pub pages_in_login: bool,
    /// What of the upstream's is reachable although it is closed by default.
    pub opened: crate::Opened,
    /// How long the upstream may be silent.
    pub upstream_timeout: std::time::Duration,
    /// A folder of this process alone, for notes of password checks under way.
    pub checks: std::path::PathBuf,
    /// An access token of an administrator of the upstream, if it has Synapse's admin API: mail addresses and server notices are there.
    pub admin_token: Option<AdminToken>,
    /// A login ends so long after it was first seen; `None`: never, by us.
    pub session_lifetime: Option<std::time::Duration>,
}

/// An access token that rules the upstream. It never shows itself.
#[derive(Clone)]
pub struct AdminToken(String);

impl AdminToken {
    /// From the operator's file.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Not an address of a homeserver.
    #[error("upstream: {given:?} is no address of a homeserver; write one like http://127.0.0.1:8009")]
    Upstream {
        /// What was given.
        given: String,
    },
    /// The upstream says another name than the operator.
    #[error(
        "server_name {given:?} is not the upstream's, which is {upstream:?}; leave the setting out, or choose another upstream"
    )]
    OtherServerName {
        /// What was given.
        given: String,
        /// What the upstream says.
        upstream: String,
    },
    /// The folder of [`GatewaySettings::checks`] cannot be made.
    #[error("the folder {} cannot be made", .folder.display())]
    Folder {
        /// Where.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody says the name.
    #[error(
        "the upstream does not say its server name (/_matrix/key/v2/server); set server_name, or start the upstream first"
    )]
    NoServerName,
    /// The token is not one of an administrator, or the upstream has no such API.
    #[error(
        "upstream_admin_token_file: the upstream takes this token for no administrator of its own (it answered {status} at {path}); write the access token of one"
    )]
    NoAdministrator {
        /// What was asked.
        path: String,
        /// What was answered.
        status: u16,
    },
    /// It cannot be asked.
    #[error("upstream: it cannot be reached")]
    Away(#[source] crate::upstream::UpstreamError),
}
