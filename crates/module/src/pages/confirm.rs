//! The fallback page of interactive auth: `/_matrix/client/{r0,v3}/auth/{stage}/fallback/web?session=`.
//!
//! A client opens it with a session that waits for a stage. The page completes that stage: TOTP or recovery with a code (whichever the
//! page was opened for), `m.login.sso` with the password and a code. The client then sends `auth` with the session alone.
//!
//! Anybody can send somebody a link to a session of their own. So the page names the operation with its arguments, the device, the
//! address and the age of the request; it fixes the user; no cookie stands in for any part of the proof; and what gives a token or a
//! factor (a login, `login/get_token`, `account/two-factor*`) has no page at all, because a code that is typed here would finish it for
//! whoever opened it.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::SET_COOKIE};
use matrix_2fa_core::{Stage, session::Progress};
use matrix_2fa_engine::{Origination, sessions::LiveSession};

use super::{
    Site,
    factor::{self, Checked},
    operation::Summary,
    site::Frame,
    trouble::Trouble,
    visitor::{Visitor, form_token},
};
use crate::TwoFactor;

/// The cookie that binds forms to a browser. It proves nothing else.
const COOKIE: &str = "form";
const COOKIE_SECONDS: i64 = 60 * 60;

pub(crate) async fn show(
    State(module): State<Arc<TwoFactor>>,
    Path(stage): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async { Request::new(&module, site, &visitor, &stage).await?.ask(StatusCode::OK, None).await };
    visitor.answer(site, made.await)
}

pub(crate) async fn submit(
    State(module): State<Arc<TwoFactor>>,
    Path(stage): Path<String>,
    visitor: Visitor,
) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async { Request::new(&module, site, &visitor, &stage).await?.decide().await };
    visitor.answer(site, made.await)
}

/// One request for the page of one session.
struct Request<'a> {
    module: &'a TwoFactor,
    site: &'a Site,
    visitor: &'a Visitor,
    waiting: LiveSession,
    /// The page asks for the password too.
    both: bool,
    /// What forms of this page are bound to, beside the cookie.
    scope: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page<'a> {
    page: Frame<'a>,
    summary: Summary,
    both: bool,
    form_token: String,
    error: Option<&'a str>,
    wrong_password: bool,
    with_recovery: bool,
    switch: String,
}

/// What was wrong in the form. On the page that asks for both they are told apart, as the stages of interactive auth are for whoever has the
/// session: a code is not looked at, nor used, before the password is right.
#[derive(PartialEq)]
enum Wrong {
    Password,
    Code,
}

#[derive(Template)]
#[template(path = "confirmed.html")]
struct Done<'a> {
    page: Frame<'a>,
}

impl<'a> Request<'a> {
    async fn new(module: &'a TwoFactor, site: &'a Site, visitor: &'a Visitor, stage: &str) -> Result<Self, Trouble> {
        let both = match module.settings().stage_prefix.parse(stage) {
            Some(Stage::Sso) => true,
            Some(Stage::Totp | Stage::Recovery) => false,
            _ => return Err(Trouble::NotFound),
        };
        let id = visitor.query("session").ok_or(Trouble::UnknownSession)?;
        let waiting = module.engine().session(&id).await?.ok_or(Trouble::UnknownSession)?;
        let state = &waiting.state;
        if state.user.is_none() || state.operation.name == "login" {
            return Err(Trouble::UnknownSession);
        }
        if !module.pages_confirm(&state.operation) {
            return Err(Trouble::InApp);
        }
        let open = |stage| state.admits(stage).is_ok();
        if state.progress() != Progress::Complete {
            if both && !open(Stage::Sso) {
                return Err(Trouble::UnknownSession);
            }
            if !both && !open(Stage::Totp) && !open(Stage::Recovery) {
                return Err(Trouble::PasswordFirst);
            }
        }
        let scope = format!("confirm {both} {id}");
        Ok(Self { module, site, visitor, waiting, both, scope })
    }

    /// The form, or the end if somebody was here before.
    async fn ask(&self, status: StatusCode, wrong: Option<(Wrong, &str)>) -> Result<Response, Trouble> {
        if self.waiting.state.progress() == Progress::Complete {
            return Ok(self.done());
        }
        let words = &self.visitor.words;
        let kept = self.visitor.cookie(self.site, COOKIE).filter(|value| value.len() == 32);
        let cookie = kept.unwrap_or_else(|| self.module.engine().fresh_id());
        let with_recovery = self.visitor.query("with").is_some();
        let other = if with_recovery { "" } else { "&with=recovery" };
        let page = Page {
            page: self.site.frame(words),
            summary: Summary::of(self.module, words, &self.waiting.state).await?,
            both: self.both,
            form_token: form_token(self.module, &cookie, &self.scope),
            error: wrong.as_ref().map(|(_, text)| *text),
            wrong_password: wrong.is_some_and(|(wrong, _)| wrong == Wrong::Password),
            with_recovery,
            switch: format!("?session={}{other}", self.waiting.id),
        };
        let mut response = self.site.page(status, &page, None);
        response.headers_mut().append(SET_COOKIE, self.site.cookie(COOKIE, &cookie, COOKIE_SECONDS));
        Ok(response)
    }

    fn done(&self) -> Response {
        self.site.page(StatusCode::OK, &Done { page: self.site.frame(&self.visitor.words) }, None)
    }

    /// The password, if this page asks for it, then the code. The commit that burns the code completes the stage.
    async fn decide(&self) -> Result<Response, Trouble> {
        let cookie = self.visitor.cookie(self.site, COOKIE).ok_or(Trouble::Forged)?;
        self.visitor.must_come_from(self.module, &cookie, &self.scope)?;
        if self.waiting.state.progress() == Progress::Complete {
            return Ok(self.done());
        }
        let (state, words) = (&self.waiting.state, &self.visitor.words);
        let user = state.user.as_deref().ok_or(Trouble::UnknownSession)?;
        let code = self.visitor.field("code");
        let (password, client) = (self.visitor.field("password"), self.visitor.client());
        if self.both && !self.module.check_page_password(user, password, client).await? {
            return self.ask(StatusCode::FORBIDDEN, Some((Wrong::Password, &words.say("password-wrong")))).await;
        }
        let stage = if self.both { Stage::Sso } else { factor::stage_of(code) };
        let mut completed = self.waiting.clone();
        if completed.state.complete(stage).is_err() {
            // A recovery code for an account that has none left.
            return self.ask(StatusCode::FORBIDDEN, Some((Wrong::Code, &words.say("code-wrong")))).await;
        }
        let from = Origination {
            device: state.device.clone(),
            client: self.visitor.client(),
            operation: Some(state.operation.name.clone()),
            ..Origination::default()
        };
        match factor::check(self.module, words, user, &from, code, vec![completed.advance()?]).await? {
            Checked::Right => Ok(self.done()),
            Checked::Refused { .. } if self.is_completed_now().await? => Ok(self.done()),
            Checked::Refused { status, text } => self.ask(status, Some((Wrong::Code, &text))).await,
        }
    }

    /// Of two submissions of one form the slower one brings a used code; the person who clicked twice has succeeded.
    async fn is_completed_now(&self) -> Result<bool, Trouble> {
        let now = self.module.engine().session(&self.waiting.id).await?;
        Ok(now.is_some_and(|session| session.state.progress() == Progress::Complete))
    }
}
