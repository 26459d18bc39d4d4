//! Every page that is shown instead of the one that was asked for. Each says what happened and what to do.

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use matrix_2fa_engine::EngineError;

use super::{ACCOUNT, Site, site::Frame, target::BadTarget, words::Words};
use crate::{ApiError, HostError};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Too late, already finished, or a browser without our cookie.
    Expired,
    /// The form was sent before: where things stand now is at the same address.
    Used,
    /// The session of the account page is over.
    SignedOut,
    /// A new authenticator waited too long, or for too many codes.
    SetupOver,
    /// The account has as many authenticators as it may.
    TooMany,
    /// Nobody enrolls on this server.
    Disallowed,
    /// The last factor stays, on this server.
    LastRequired,
    /// A recovery code is not enough for this.
    NeedsApp,
    /// The form is not one that we gave to this browser.
    Forged,
    /// Another site sent the form.
    Foreign,
    /// No operation waits under this session, or not any more.
    UnknownSession,
    /// An operation waits, but for the password first.
    PasswordFirst,
    /// What would come of it is too much for a page that somebody was sent to.
    InApp,
    /// A client wants its login token somewhere where we send none.
    Target(BadTarget),
    /// There is no such page.
    NotFound,
    /// Too much at once, or too many tries.
    Busy(Duration),
    /// We cannot tell, and let nobody in.
    Unavailable,
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Page<'a> {
    page: Frame<'a>,
    title: String,
    text: String,
    onward: Option<Onward>,
}

/// Where to look again, and what to call that.
struct Onward {
    link: String,
    text: String,
    /// It is not what most people want who come here.
    quiet: bool,
}

impl Trouble {
    /// The page that explains it. `home` is where things can be seen and begun anew; else that is the address itself, unless it is over.
    pub(crate) fn page(&self, site: &Site, words: &Words, home: Option<&str>) -> Response {
        let (status, title, text) = match self {
            Self::Expired => (StatusCode::BAD_REQUEST, "trouble-expired", "trouble-expired-text"),
            Self::Used => (StatusCode::CONFLICT, "trouble-used", "trouble-used-text"),
            Self::SignedOut => (StatusCode::FORBIDDEN, "trouble-signed-out", "trouble-signed-out-text"),
            Self::SetupOver => (StatusCode::CONFLICT, "trouble-setup", "trouble-setup-text"),
            Self::TooMany => (StatusCode::CONFLICT, "trouble-many", "trouble-many-text"),
            Self::Disallowed => (StatusCode::FORBIDDEN, "trouble-disallowed", "account-disallowed"),
            Self::LastRequired => (StatusCode::FORBIDDEN, "trouble-required", "trouble-required-text"),
            Self::NeedsApp => (StatusCode::FORBIDDEN, "trouble-app", "trouble-app-text"),
            Self::Forged => (StatusCode::FORBIDDEN, "trouble-forged", "trouble-forged-text"),
            Self::Foreign => (StatusCode::FORBIDDEN, "trouble-foreign", "trouble-foreign-text"),
            Self::UnknownSession => (StatusCode::BAD_REQUEST, "trouble-session", "trouble-session-text"),
            Self::PasswordFirst => (StatusCode::CONFLICT, "trouble-order", "trouble-order-text"),
            Self::InApp => (StatusCode::FORBIDDEN, "trouble-in-app", "trouble-in-app-text"),
            Self::Target(_) => (StatusCode::BAD_REQUEST, "trouble-target", "trouble-target-text"),
            Self::NotFound => (StatusCode::NOT_FOUND, "trouble-missing", "trouble-missing-text"),
            Self::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "trouble-busy", "trouble-busy-text"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "trouble-down", "trouble-down-text"),
        };
        let (link, key) = match (self, home) {
            (Self::SignedOut, Some(home)) => (home.to_owned(), Some("sign-in")),
            (_, Some(home)) => (home.to_owned(), Some("back-to-account")),
            // Whoever was on the way to the account page has no app to go back to.
            (Self::Expired | Self::InApp, None) => (site.link(ACCOUNT), Some("trouble-to-account")),
            (Self::Used | Self::Forged | Self::SetupOver | Self::Busy(_) | Self::Unavailable, None) => {
                (String::new(), Some("trouble-go-on"))
            }
            _ => (String::new(), None),
        };
        let onward = key.map(|key| Onward { quiet: key == "trouble-to-account", link, text: words.say(key) });
        let page = Page { page: site.frame(words), title: words.say(title), text: words.say(text), onward };
        let mut response = site.page(status, &page, None);
        if let Self::Busy(wait) = self {
            let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        match error.status() {
            StatusCode::TOO_MANY_REQUESTS => Self::Busy(error.retry_after().unwrap_or_default()),
            StatusCode::BAD_REQUEST => Self::Expired,
            _ => Self::Unavailable,
        }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Superseded => Self::Used,
            error => ApiError::from(error).into(),
        }
    }
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        ApiError::from(error).into()
    }
}
