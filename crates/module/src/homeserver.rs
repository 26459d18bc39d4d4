//! What a homeserver gives us: six small things, 40 to 80 lines in the host.

use std::fmt;

use async_trait::async_trait;
use matrix_2fa_store::RecordChange;
use serde_json::{Map, Value};

/// Who sent a request, as its access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// Full Matrix id in canonical form.
    pub user: String,
    /// The device that the token belongs to.
    pub device: Option<String>,
    /// What kind of credential it was. Exemptions follow this, never a `type` string in a body.
    pub kind: RequesterKind,
}

/// Kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequesterKind {
    /// A user's own access token.
    User,
    /// A guest's.
    Guest,
    /// An application service's, possibly acting for a user.
    Appservice,
    /// An access token that a third party got for a limited purpose.
    Delegated,
}

/// Why the host could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The request has no access token: 401 `M_MISSING_TOKEN`.
    #[error("the request has no access token")]
    MissingToken,
    /// The token is not known, or not any more: 401 `M_UNKNOWN_TOKEN`.
    #[error("the access token is not known")]
    UnknownToken {
        /// The client may log in again on the same device and keep its data.
        soft_logout: bool,
    },
    /// The host refuses with an answer of its own.
    #[error("{error}")]
    Refused {
        /// HTTP status, 400 to 499.
        status: u16,
        /// Matrix error code.
        errcode: &'static str,
        /// What the user should do.
        error: String,
    },
    /// The host refuses with a whole answer that is not ours to word: that of the homeserver behind it.
    #[error("{0}")]
    Answered(crate::ApiError),
    /// Too much at once: 429 `M_LIMIT_EXCEEDED`.
    #[error("too many requests at once")]
    Overloaded {
        /// When to come back.
        retry_after: std::time::Duration,
    },
    /// The host cannot tell: 503. Never read as "no".
    #[error("the homeserver does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A login that is ready, and of which nothing exists yet.
pub struct PreparedLogin {
    /// The user's [epoch](Homeserver::login_epoch), read before anything else of it. A login that was proved under another one is not made.
    pub epoch: u64,
    /// What makes the device and its tokens. Their expectations are all that stands between two logins on one device.
    pub changes: Vec<RecordChange>,
    /// The JSON answer of `POST /login`, for when the changes are durable; it has the `device_id`.
    pub answer: Value,
}

impl fmt::Debug for PreparedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedLogin").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The homeserver behind the module.
#[async_trait]
pub trait Homeserver: Send + Sync + 'static {
    /// The part of a Matrix id after the colon.
    fn server_name(&self) -> &str;

    /// The canonical full Matrix id of a *local* user, given in any case, as localpart or as full id. `None` if it cannot be one.
    /// Whether the user exists does not matter. The answer keys everything, so one user must never have two.
    fn canonical_user(&self, given: &str) -> Option<String>;

    /// Who sent this request. The token stands in the `Authorization` header or in `?access_token=`.
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Requester, HostError>;

    /// Is this the user's password? No device, no token, no other effect. A user who does not exist, or cannot log in, is `false`, and
    /// costs the same time.
    async fn verify_password(&self, user: &str, password: &str) -> Result<bool, HostError>;

    /// The host's own answer to a wrong password, for a host whose users shall see no difference. `None` is ours.
    fn wrong_password(&self) -> Option<crate::ApiError> {
        None
    }

    /// Can the host still do what this user's first factor was proved for? A host that repeats the password to a server behind it holds it for
    /// some minutes, in its process. It is asked before a code is evaluated, so that a restart costs nobody a code; after a no the
    /// password must be sent again. The default needs nothing.
    async fn remembers(&self, _user: &str) -> Result<bool, HostError> {
        Ok(true)
    }

    /// Ends every access token of the user but those of the device `keep`.
    async fn revoke_other_sessions(&self, user: &str, keep: Option<&str>) -> Result<(), HostError>;

    /// Where the user gets mail, for notices of what happened to the second factors. The default knows no addresses.
    async fn mail_address(&self, _user: &str) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    /// Tells the user something by a message of the server in the user's own clients. `false`: this homeserver cannot, which is the default.
    /// A notice that is sent again has the same `id`.
    async fn send_notice(&self, _user: &str, _id: &str, _text: &str, _html: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    /// Does this user administrate the homeserver? For rules of the policy that hold for administrators. The default knows none.
    async fn is_admin(&self, _user: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    /// What the user calls this device, for the page that asks whether it may do something. The default knows no names.
    async fn device_name(&self, _user: &str, _device: &str) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    /// Would [`create_login`](Self::create_login) take this request? Asked before a code is evaluated, so that a bad `device_id` costs
    /// nobody a code. The default takes everything.
    fn check_login(&self, _request: &Map<String, Value>) -> Result<(), HostError> {
        Ok(())
    }

    /// A number that changes whenever the user's password changes, all their sessions are ended, or a first factor of theirs
    /// [counts](Self::factor_counts). It is read before the password is verified and comes back in [`create_login`](Self::create_login) and
    /// [`Authorized`](crate::Authorized), so that nothing happens which rests on an old password, however long it takes. Each such change
    /// adds one; pages that go on afterwards count on that. The default is for hosts that have no such number.
    async fn login_epoch(&self, _user: &str) -> Result<u64, HostError> {
        Ok(0)
    }

    /// From now on this user has a second factor, and had none: add one to their [epoch](Self::login_epoch), so that what was proved without
    /// the factor is worth nothing, also what is in flight. It is called when the factor is durable, and before anybody hears of it.
    async fn factor_counts(&self, _user: &str) -> Result<(), HostError> {
        Ok(())
    }

    /// The login that [`create_login`](Self::create_login) would make, as changes of the engine's own store: they join the commit that burns
    /// a TOTP code, so that there is never a code without its login or a login without its code, and only one commit to wait for. It is called
    /// before the code is judged and dropped if that is wrong, so it must not have any effect; a refusal is told only to who had the right
    /// code. The default, `None`, is for hosts that keep their devices elsewhere.
    async fn prepare_login(
        &self,
        _user: &str,
        _request: &Map<String, Value>,
    ) -> Result<Option<PreparedLogin>, HostError> {
        Ok(None)
    }

    /// Makes the login if the user's epoch still is `epoch`: device, access token, and the JSON answer of `POST /login`. `request` is the
    /// login body without names and credentials (`device_id`, `initial_device_display_name`, `refresh_token`, and what a client adds). Called only where the module owns
    /// `POST /login`, and only for a login that was not [prepared](Self::prepare_login).
    async fn create_login(&self, user: &str, request: &Map<String, Value>, epoch: u64) -> Result<Value, HostError>;
}

/// The client's address, put into the request's extensions by whoever accepts connections (and knows which proxies to trust).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub std::net::IpAddr);
