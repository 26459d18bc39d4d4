//! Logging in on our own page (`m.login.sso`), for clients that know nothing of a second factor.
//!
//! 1. `GET /_matrix/client/v3/login/sso/redirect[/{provider}]?redirectUrl=` judges the target, opens a page session, and sets its cookie.
//!    Each visit has a cookie of its own, so two tabs do not disturb each other; a browser keeps the newest few.
//! 2. `GET /_matrix-2fa/login/{visit}` shows the step that is next: user and password, the code, or the end. POST takes the step and
//!    leads back here with GET, so that going back or reloading sends nothing twice.
//! 3. After each factor the session has a new value, the one after the code in the commit that burns it.
//! 4. Where a factor is required, who has none yet is led through [setting one up](super::setup) after the password: no token before, unless
//!    the grace period is not over; then they may put it off.
//! 5. Who has spent the last recovery code makes new ones before the sign-in goes on.
//! 6. At the end a trusted client is sent its token at once; for any other the person clicks on its name first. The token is good once,
//!    for 30 seconds, and says that the second factor was proved.
//!
//! The [account page](super::account) lets people sign in by the same steps: a visit whose goal is that page.

mod steps;
mod views;
mod visit;

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use matrix_2fa_engine::page_sessions::Purpose;
use serde_json::{Value, json};

use self::visit::{Goal, Visit};
use super::{PROVIDER, Site, target::Target, trouble::Trouble, visitor::Visitor, words::Words};
use crate::TwoFactor;

/// Cookies of visits in one browser. A site that sends people here again and again must not fill their requests with them.
const VISITS: usize = 8;

impl TwoFactor {
    /// How `m.login.sso` names these pages. Clients write it on a button ("Continue with ..."), some below a form for the password alone, so it says
    /// whose button this is, in the language that the client asks for.
    pub fn provider(headers: &HeaderMap) -> Value {
        json!({"id": PROVIDER, "name": Words::negotiate(headers).say("provider")})
    }
}

pub(crate) async fn begin(State(module): State<Arc<TwoFactor>>, visitor: Visitor) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    visitor.answer(site, open(&module, site, &visitor).await)
}

pub(crate) async fn begin_with(
    State(module): State<Arc<TwoFactor>>,
    Path(provider): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = if provider == PROVIDER { open(&module, site, &visitor).await } else { Err(Trouble::NotFound) };
    visitor.answer(site, made)
}

async fn open(module: &TwoFactor, site: &Site, visitor: &Visitor) -> Result<Response, Trouble> {
    visitor.must_be_navigation()?;
    module.admit_opening(visitor.client())?;
    let given = visitor.query("redirectUrl").unwrap_or_default();
    let target = Target::judge(&given, &site.trusted).map_err(Trouble::Target)?;
    begin_visit(module, site, visitor, Goal::Client(target)).await
}

/// A visit that leads to the account page.
pub(super) async fn open_account(module: &TwoFactor, site: &Site, visitor: &Visitor) -> Result<Response, Trouble> {
    visitor.must_be_navigation()?;
    module.admit_opening(visitor.client())?;
    begin_visit(module, site, visitor, Goal::Account).await
}

async fn begin_visit(module: &TwoFactor, site: &Site, visitor: &Visitor, goal: Goal) -> Result<Response, Trouble> {
    let purpose = match &goal {
        Goal::Client(target) => Purpose::Login { target: target.as_str().to_owned() },
        Goal::Account => Purpose::SignIn,
    };
    let session = module.engine().open_page_session(purpose).await?;
    let visit: String = module.engine().fresh_id().chars().take(visit::NAME_LENGTH).collect();
    let visit = Visit { module, site, visitor, visit: &visit, session, goal };
    let mut response = visit.next_step(&visit.session);
    // Browsers send the oldest first.
    let visits = visitor.cookies_of(site, visit::COOKIE, visit::NAME_LENGTH);
    for oldest in visits.iter().take((visits.len() + 1).saturating_sub(VISITS)) {
        response.headers_mut().append(SET_COOKIE, site.cookie(oldest, "", 0));
    }
    Ok(response)
}

pub(crate) async fn show(
    State(module): State<Arc<TwoFactor>>,
    Path(visit): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async { Visit::find(&module, site, &visitor, &visit).await?.show().await };
    visitor.answer(site, made.await)
}

pub(crate) async fn submit(
    State(module): State<Arc<TwoFactor>>,
    Path(visit): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async {
        visitor.must_be_ours()?;
        Visit::find(&module, site, &visitor, &visit).await?.submit().await
    };
    visitor.answer(site, made.await)
}

/// `GET /_matrix-2fa/login/{visit}/continue`: the click on the client's name. A link, because a form's answer may not lead elsewhere.
pub(crate) async fn go_on(
    State(module): State<Arc<TwoFactor>>,
    Path(visit): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async { Visit::find(&module, site, &visitor, &visit).await?.go_on().await };
    visitor.answer(site, made.await)
}
