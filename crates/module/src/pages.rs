//! Hosted pages: for today's clients, which know nothing of a second factor but can open a page of their homeserver.
//!
//! | page | address | file |
//! |---|---|---|
//! | log in (`m.login.sso`): password, code, back to the client with a login token | `/login/sso/redirect`, then `/_matrix-2fa/login/{visit}` | [`sign_in`] |
//! | confirm an operation: the fallback of the second-factor stages and of `m.login.sso` | `/auth/{stage}/fallback/web` | [`confirm`] |
//! | manage one's factors | `/_matrix-2fa/account` | [`account`] |
//! | log in inside an app's web view | `/_matrix/static/client/login/` | [`embedded`] |
//!
//! # To build another page
//!
//! 1. A file here with the handlers, a template in `templates/` that extends `layout.html`, its words in every file of `locales/` (a test
//!    finds missing and unused ones), a line in [`TwoFactor::pages_router`].
//! 2. A handler takes a [`visitor::Visitor`]: language, cookies, form fields. It answers `visitor.answer(site, inner(..).await)`, where `inner`
//!    returns `Result<Response, Trouble>`: every error is a page that says what to do, and [`trouble`] has them all.
//! 3. What a browser has proved is a [`PageSession`](matrix_2fa_engine::page_sessions) in the store behind a cookie of
//!    [`site::Site::cookie`]. After each factor it moves to a new value (`renew_page_session`, or `page_renewal` to join the commit that
//!    burns the code); a new [`Purpose`](matrix_2fa_engine::page_sessions::Purpose) for a new kind of page, so that none stands in for another.
//! 4. Every form carries [`visitor::form_token`] of its cookie's value and its scope. Nothing checks that by itself: each handler of a POST asks
//!    [`visitor::Visitor::must_come_from`] before it does anything (which also refuses what another site sent, by `Sec-Fetch-Site` and
//!    `Origin`), and [`visitor::Visitor::must_be_ours`] even before it looks a session up.
//! 5. `module.admit(client)` comes before every check of a password. A second factor is checked by [`factor::check`] (which admits too), TOTP
//!    or recovery by the shape of what was typed, on the same budgets as everywhere. [`setup`] adds an authenticator.
//! 6. [`site::Site::page`] makes the response: status, strict CSP, no-store, no-referrer, no CORS headers, and no
//!    `Cross-Origin-Opener-Policy`, which would cut a fallback page off from the window that waits for its "authDone".
//!
//! Links are made by [`site::Site::link`]; cookie flags follow the public base URL, never the listener. Nothing here is inline, nothing
//! comes from elsewhere, and everything but "authDone" and the web view's login works without the script.

mod account;
mod ask;
mod assets;
pub mod branding;
mod confirm;
mod embedded;
mod factor;
mod known;
mod operation;
mod setup;
mod sign_in;
mod site;
mod target;
mod trouble;
mod visitor;
pub(crate) mod words;

pub(crate) use site::Site;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, routing::get};

use crate::{TwoFactor, request::BODY_LIMIT};

/// The id of the one identity provider in `m.login.sso`: these pages.
pub const PROVIDER: &str = "matrix-2fa";

/// Where people manage their factors.
pub(crate) const ACCOUNT: &str = "/_matrix-2fa/account";

impl TwoFactor {
    /// The hosted pages. Nothing if they are turned off.
    pub(crate) fn pages_router(self: &Arc<Self>) -> Router {
        if self.pages.is_none() {
            return Router::new();
        }
        let mut router = Router::new()
            .route("/_matrix-2fa/login/{visit}", get(sign_in::show).post(sign_in::submit))
            .route("/_matrix-2fa/login/{visit}/continue", get(sign_in::go_on))
            .route(ACCOUNT, get(account::show).post(account::submit))
            .route("/_matrix-2fa/account/{*place}", get(account::show).post(account::submit))
            .route("/_matrix/static/client/login", get(embedded::show))
            .route("/_matrix/static/client/login/", get(embedded::show))
            .route("/_matrix-2fa/assets/{version}/{name}", get(assets::serve));
        for version in ["r0", "v3"] {
            let client_api = Router::new()
                .route("/login/sso/redirect", get(sign_in::begin))
                .route("/login/sso/redirect/{provider}", get(sign_in::begin_with))
                .route("/auth/{stage}/fallback/web", get(confirm::show).post(confirm::submit));
            router = router.nest(&format!("/_matrix/client/{version}"), client_api);
        }
        router.layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(Arc::clone(self))
    }

    /// What the pages need to know about themselves. Asked only by handlers of [`Self::pages_router`].
    pub(crate) fn site(&self) -> Option<&Site> {
        self.pages.as_ref()
    }
}
