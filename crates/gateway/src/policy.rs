//! The policy `required`, for tokens that are older than it or were made past our login: without a second factor they are good for setting one
//! up, for looking who one is, and for logging out. And logins that are too old, if they have an age: they are good for nothing.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Method, request::Parts};
use matrix_2fa::{ApiError, homeserver::RequesterKind};
use matrix_2fa_core::{Policy, Rules};

use crate::{guard::barred, router::Gateway, token::sole_token, users::Known};

/// What such a token may do, below `/_matrix/client/{version}/`.
const OPEN: [&str; 5] = ["account/whoami", "capabilities", "login", "logout", "logout/all"];

/// Where no access token of a user's is asked for: other homeservers prove themselves by signatures, and pages by what is typed.
const OUTSIDE: [&str; 5] =
    ["/_matrix/federation/", "/_matrix/key/", "/_matrix/static/", "/_matrix-2fa", "/.well-known/"];

pub(crate) async fn barred_without_factor(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    match gateway.admit(&parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}

/// Does any rule require a second factor of somebody? (Of whom alone an administrator requires one, logins and guarded operations are asked.)
fn may_require(rules: &Rules) -> bool {
    let groups = rules.groups.iter().map(|group| group.rule.policy);
    groups.chain([rules.server.policy]).any(|policy| policy == Policy::Required)
}

/// What is not named here is closed, however it is spelled.
fn is_open(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/_matrix/client/") else {
        return OUTSIDE.iter().any(|prefix| path.starts_with(prefix));
    };
    let Some((_version, rest)) = rest.split_once('/') else { return rest == "versions" };
    let rest = rest.strip_prefix("org.matrix.msc1998/").unwrap_or(rest);
    OPEN.contains(&rest) || rest == "account/two-factor" || rest.starts_with("account/two-factor/")
}

impl Gateway {
    /// Is any access token looked at?
    pub(crate) fn asks_everybody(&self) -> bool {
        may_require(&self.two_factor.engine().rules())
    }

    /// Must it be known whose token a request has?
    pub(crate) fn looks_at_tokens(&self) -> bool {
        self.asks_everybody() || self.host.ends_old_logins()
    }

    /// May whoever sends this go on?
    pub(crate) async fn admit(&self, parts: &Parts) -> Result<(), ApiError> {
        let (path, open) = (parts.uri.path(), is_open(parts.uri.path()));
        let free = parts.method == Method::OPTIONS || if self.host.ends_old_logins() { has_no_age(path) } else { open };
        if free || !self.looks_at_tokens() {
            return Ok(());
        }
        // Two tokens, or one that nobody can read, go no further than here.
        let Some(token) = sole_token(parts)? else { return Ok(()) };
        let Known { requester, ends } = self.user_of(&token).await?;
        self.host.end_if_over(&token, &requester, ends).await?;
        // Nobody asks a guest for a second factor: there is no login behind one.
        let asked = !open && self.asks_everybody() && requester.kind != RequesterKind::Guest;
        match asked && self.two_factor.bars_requester(&requester).await? {
            true => Err(barred()),
            false => Ok(()),
        }
    }

    /// Who has this token, as of a minute ago at most, and when its login ends.
    async fn user_of(&self, token: &str) -> Result<Known, ApiError> {
        if let Some(known) = self.users.recall(&self.two_factor, token) {
            return Ok(known);
        }
        let requester = self.host.whoami(token).await?;
        let known = Known { ends: self.host.ends_at(&requester).await?, requester };
        self.users.keep(&self.two_factor, token, known.clone());
        Ok(known)
    }
}

/// Where no access token of a user's is asked for, and where a login begins or ends.
fn has_no_age(path: &str) -> bool {
    let below =
        |rest: &str| rest.split_once('/').is_some_and(|(_, rest)| ["login", "logout", "logout/all"].contains(&rest));
    path == "/_matrix/client/versions"
        || OUTSIDE.iter().any(|prefix| path.starts_with(prefix))
        || path.strip_prefix("/_matrix/client/").is_some_and(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_to_a_token_without_a_second_factor() {
        for open in [
            "/_matrix/client/versions",
            "/_matrix/client/v3/account/whoami",
            "/_matrix/client/r0/logout",
            "/_matrix/client/v3/account/two-factor",
            "/_matrix/client/unstable/org.matrix.msc1998/account/two-factor/totp",
            "/_matrix-2fa/account",
            "/_matrix/federation/v1/send/1",
        ] {
            assert!(is_open(open), "{open}");
        }
        for closed in [
            "/_matrix/client/v3/sync",
            "/_matrix/client/v3/account/password",
            "/_matrix/client/v3/account/two-factors",
            "/_matrix/media/v3/upload",
            "/_MATRIX/client/v3/sync",
            "/_synapse/admin/v1/users",
            "/_matrix/client/v3/logout/all/x",
        ] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn where_an_old_login_is_not_asked_for_its_age() {
        for free in
            ["/_matrix/client/versions", "/_matrix/client/v3/logout", "/_matrix/client/v3/login", "/_matrix/key/v2/x"]
        {
            assert!(has_no_age(free), "{free}");
        }
        for asked in ["/_matrix/client/v3/account/whoami", "/_matrix/client/v3/account/two-factor", "/_synapse/x", "/x"]
        {
            assert!(!has_no_age(asked), "{asked}");
        }
    }
}
