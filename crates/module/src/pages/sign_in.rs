//! Logging in on our own page (`m.login.sso`), for clients that know nothing of a second factor.
//!
//! 1. `GET /_matrix/client/v3/login/sso/redirect[/{provider}]?redirectUrl=` judges the target, opens a page session, and sets its cookie.
//!    Each visit has a cookie of its own, so two tabs do not disturb each other.
//! 2. `GET /_matrix-2fa/login/{visit}` shows the step that is next: user and password, the code, or the end. POST takes the step and
//!    leads back here with GET, so that going back or reloading sends nothing twice.
//! 3. After each factor the session has a new value, the one after the code in the commit that burns it.
//! 4. Where a factor is required, who has none yet is led through [setting one up](super::setup) after the password: no token before, unless
//!    the grace period is not over; then they may put it off.
//! 5. At the end a trusted client is sent its token at once; for any other the person clicks on its name first. The token is good once,
//!    for 30 seconds, and says that the second factor was proved.
//!
//! The [account page](super::account) lets people sign in by the same steps: a visit whose goal is that page.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::SET_COOKIE};
use matrix_2fa_core::{Proof, Standing, Timestamp};
use matrix_2fa_engine::{
    EngineError, Origination,
    page_sessions::{ACCOUNT_LIFETIME, LOGIN_LIFETIME, PageSession, PageState, Purpose},
};

use super::{
    ACCOUNT, PROVIDER, Site, account,
    factor::{self, Checked},
    setup::{self, Form, Outcome, Setup},
    site::Frame,
    target::Target,
    trouble::Trouble,
    visitor::{Visitor, form_token},
};
use crate::TwoFactor;

/// How long a client has to use its token.
const TOKEN_LIFETIME: Duration = Duration::from_secs(30);

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
    module.admit(visitor.client())?;
    let given = visitor.query("redirectUrl").unwrap_or_default();
    let target = Target::judge(&given, &site.trusted).map_err(Trouble::Target)?;
    begin_visit(module, site, visitor, Goal::Client(target)).await
}

/// A visit that leads to the account page.
pub(super) async fn open_account(module: &TwoFactor, site: &Site, visitor: &Visitor) -> Result<Response, Trouble> {
    module.admit(visitor.client())?;
    begin_visit(module, site, visitor, Goal::Account).await
}

async fn begin_visit(module: &TwoFactor, site: &Site, visitor: &Visitor, goal: Goal) -> Result<Response, Trouble> {
    let purpose = match &goal {
        Goal::Client(target) => Purpose::Login { target: target.as_str().to_owned() },
        Goal::Account => Purpose::SignIn,
    };
    let session = module.engine().open_page_session(purpose, LOGIN_LIFETIME).await?;
    let visit: String = module.engine().fresh_id().chars().take(16).collect();
    let visit = Visit { module, site, visitor, visit: &visit, session, goal };
    Ok(visit.next_step(&visit.session))
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

/// One way through these pages, in one tab.
struct Visit<'a> {
    module: &'a TwoFactor,
    site: &'a Site,
    visitor: &'a Visitor,
    visit: &'a str,
    session: PageSession,
    goal: Goal,
}

/// Where a visit leads.
enum Goal {
    /// To a client, with a login token.
    Client(Target),
    /// To the account page.
    Account,
}

/// What is still to do.
enum Step {
    Password,
    Code,
    /// There is no factor, and there must be one.
    Setup {
        grace_until: Option<Timestamp>,
    },
    Nothing,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct PasswordPage<'a> {
    page: Frame<'a>,
    purpose: String,
    form_token: String,
    user: &'a str,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    page: Frame<'a>,
    user: &'a str,
    form_token: String,
    error: Option<&'a str>,
    with_recovery: bool,
    switch: &'a str,
}

#[derive(Template)]
#[template(path = "way_in.html")]
struct SetupPage<'a> {
    page: Frame<'a>,
    form_token: String,
    until: Option<String>,
    later: String,
}

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinuePage<'a> {
    page: Frame<'a>,
    user: &'a str,
    target: &'a str,
    is_app: bool,
    link: String,
}

impl<'a> Visit<'a> {
    async fn find(
        module: &'a TwoFactor,
        site: &'a Site,
        visitor: &'a Visitor,
        visit: &'a str,
    ) -> Result<Self, Trouble> {
        let id = visitor.cookie(site, &cookie_name(visit)).ok_or(Trouble::Expired)?;
        let session = module.engine().page_session(&id).await?.ok_or(Trouble::Expired)?;
        let goal = match &session.state.purpose {
            Purpose::Login { target } => Goal::Client(Target::judge(target, &site.trusted).map_err(Trouble::Target)?),
            Purpose::SignIn => Goal::Account,
            // It has left already, and must not come back for another hour.
            Purpose::Account => return Err(Trouble::Expired),
        };
        Ok(Self { module, site, visitor, visit, session, goal })
    }

    async fn step(&self) -> Result<Step, Trouble> {
        let state = &self.session.state;
        let Some(user) = &state.user else { return Ok(Step::Password) };
        let account = self.module.engine().account(user).await?;
        match &state.factor {
            None if account.is_enrolled() => Ok(Step::Code),
            // The account page has a set-up of its own.
            None if matches!(self.goal, Goal::Client(_)) => Ok(self.step_of(&self.module.standing(user).await?)),
            // What was proved is worth nothing if the factors have changed since.
            Some((_, at)) if !account.is_enrolled() || account.changed_at().is_some_and(|changed| changed > *at) => {
                Err(Trouble::Expired)
            }
            _ => Ok(Step::Nothing),
        }
    }

    /// The step of a user without a factor.
    fn step_of(&self, standing: &Standing) -> Step {
        match standing.grace_until {
            None => Step::Nothing,
            Some(_) if standing.barred => Step::Setup { grace_until: None },
            // Who has seen the page that asks for it may go on.
            Some(_) if self.visitor.query("later").is_some() => Step::Nothing,
            grace_until => Step::Setup { grace_until },
        }
    }

    async fn show(&self) -> Result<Response, Trouble> {
        match self.step().await? {
            Step::Password => Ok(self.password_page(StatusCode::OK, "", None)),
            Step::Code => Ok(self.code_page(StatusCode::OK, None)),
            Step::Setup { grace_until } => Ok(self.setup_page(grace_until)),
            Step::Nothing => match &self.goal {
                Goal::Client(target) if !target.trusted => Ok(self.continue_page(target)),
                Goal::Client(_) | Goal::Account => self.leave().await,
            },
        }
    }

    async fn submit(&self) -> Result<Response, Trouble> {
        self.visitor.must_come_from(self.module, &self.session.id, self.visit)?;
        match self.step().await? {
            Step::Password => self.password().await,
            Step::Code => self.code().await,
            Step::Setup { .. } => self.set_up().await,
            Step::Nothing => Err(Trouble::Used),
        }
    }

    /// One check of one password, whoever the user is.
    async fn password(&self) -> Result<Response, Trouble> {
        let (module, words) = (self.module, &self.visitor.words);
        module.admit(self.visitor.client())?;
        let named = self.visitor.field("user").trim();
        // A name that cannot be a user's becomes the empty one, which no user has.
        let user = module.host().canonical_user(named).unwrap_or_default();
        let epoch = module.host().login_epoch(&user).await?;
        if !module.host().verify_password(&user, self.visitor.field("password")).await? {
            let error = words.say("sign-in-wrong");
            return Ok(self.password_page(StatusCode::FORBIDDEN, named, Some(&error)));
        }
        let proved_at = Some(module.engine().now());
        let next = PageState { user: Some(user), epoch, proved_at, ..self.session.state.clone() };
        match module.engine().renew_page_session(&self.session, next).await {
            Ok(session) => Ok(self.next_step(&session)),
            Err(EngineError::Superseded) => Err(Trouble::Used),
            Err(error) => Err(error.into()),
        }
    }

    async fn code(&self) -> Result<Response, Trouble> {
        let (engine, words) = (self.module.engine(), &self.visitor.words);
        let user = self.session.state.user.as_deref().ok_or(Trouble::Expired)?;
        let code = self.visitor.field("code");
        let from = Origination {
            client: self.visitor.client(),
            operation: Some("login".to_owned()),
            ..Origination::default()
        };
        let factor = Some((factor::stage_of(code), engine.now()));
        let (next, renewal) = engine.page_renewal(&self.session, PageState { factor, ..self.session.state.clone() })?;
        match factor::check(self.module, words, user, &from, code, renewal).await? {
            Checked::Right => Ok(self.next_step(&next)),
            // Sent twice: the other one has gone on with the code.
            Checked::Refused { .. } if engine.page_session(&self.session.id).await?.is_none() => Err(Trouble::Used),
            Checked::Refused { status, text } => Ok(self.code_page(status, Some(&text))),
        }
    }

    /// Who has no factor adds one now; the code that confirms it is the factor of this login.
    async fn set_up(&self) -> Result<Response, Trouble> {
        let user = self.session.state.user.as_deref().ok_or(Trouble::Expired)?;
        if self.module.host().login_epoch(user).await? != self.session.state.epoch {
            return Err(Trouble::Expired);
        }
        let form = Form {
            action: self.address(""),
            token: form_token(self.module, &self.session.id, self.visit),
            again: self.address(""),
            replaces: false,
        };
        let (module, site, visitor) = (self.module, self.site, self.visitor);
        let setup = Setup { module, site, visitor, session: &self.session, user, form };
        if visitor.field("id").is_empty() {
            return setup.begin(Proof::FirstFactor, &visitor.words.say("add-name-default")).await;
        }
        match setup.confirm().await? {
            Outcome::Again(response) => Ok(response),
            Outcome::Done { recovery, cookie, .. } => {
                let codes = recovery.unwrap_or_default();
                let page = setup::codes_page(site, visitor, user, &codes, self.address(""));
                Ok(self.keep(page, &cookie))
            }
        }
    }

    async fn go_on(&self) -> Result<Response, Trouble> {
        self.visitor.must_come_from(self.module, &self.session.id, &self.continue_scope())?;
        match self.step().await? {
            Step::Nothing | Step::Setup { grace_until: Some(_) } => self.leave().await,
            Step::Password | Step::Code | Step::Setup { grace_until: None } => Ok(self.next_step(&self.session)),
        }
    }

    /// The end: the session is over before there is a token, or goes on as that of the account page under a new value.
    async fn leave(&self) -> Result<Response, Trouble> {
        let engine = self.module.engine();
        let PageState { user, epoch, factor, .. } = self.session.state.clone();
        let user = user.ok_or(Trouble::Expired)?;
        let mut response = match &self.goal {
            Goal::Client(target) => {
                engine.end_page_session(&self.session).await?;
                let factor = factor.map(|(stage, _at)| stage);
                let token = engine.issue_login_token(&user, factor, epoch, TOKEN_LIFETIME).await?;
                self.site.see_other(&target.with_token(&token))
            }
            Goal::Account => {
                let expires_at = engine.now().plus(ACCOUNT_LIFETIME);
                let next = PageState { purpose: Purpose::Account, expires_at, ..self.session.state.clone() };
                let session = engine.renew_page_session(&self.session, next).await?;
                let seconds = i64::try_from(ACCOUNT_LIFETIME.as_secs()).unwrap_or_default();
                let mut response = self.site.see_other(&self.site.link(ACCOUNT));
                let cookie = self.site.cookie(account::COOKIE, &session.id, seconds);
                response.headers_mut().append(SET_COOKIE, cookie);
                response
            }
        };
        response.headers_mut().append(SET_COOKIE, self.site.cookie(&cookie_name(self.visit), "", 0));
        Ok(response)
    }

    /// Back to the address of the visit, with the session's new value.
    fn next_step(&self, session: &PageSession) -> Response {
        self.keep(self.site.see_other(&self.address("")), &session.id)
    }

    /// Gives this browser the session's value.
    fn keep(&self, mut response: Response, value: &str) -> Response {
        let left = self.session.state.expires_at.since(self.module.engine().now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or_default();
        response.headers_mut().append(SET_COOKIE, self.site.cookie(&cookie_name(self.visit), value, seconds));
        response
    }

    fn setup_page(&self, grace_until: Option<Timestamp>) -> Response {
        let words = &self.visitor.words;
        let page = SetupPage {
            page: self.site.frame(words),
            form_token: form_token(self.module, &self.session.id, self.visit),
            until: grace_until.map(|until| words.put("way-in-until", "when", &account::moment(until))),
            later: self.address("?later"),
        };
        self.site.page(StatusCode::OK, &page, None)
    }

    fn password_page(&self, status: StatusCode, user: &str, error: Option<&str>) -> Response {
        let page = PasswordPage {
            page: self.site.frame(&self.visitor.words),
            purpose: match &self.goal {
                Goal::Client(target) => self.visitor.words.put("sign-in-for", "target", &target.shown),
                Goal::Account => self.visitor.words.say("account-sign-in"),
            },
            form_token: form_token(self.module, &self.session.id, self.visit),
            user,
            error,
        };
        self.site.page(status, &page, self.form_target())
    }

    fn code_page(&self, status: StatusCode, error: Option<&str>) -> Response {
        let with_recovery = self.visitor.query("with").is_some();
        let page = CodePage {
            page: self.site.frame(&self.visitor.words),
            user: self.session.state.user.as_deref().unwrap_or_default(),
            form_token: form_token(self.module, &self.session.id, self.visit),
            error,
            with_recovery,
            switch: if with_recovery { "?" } else { "?with=recovery" },
        };
        self.site.page(status, &page, self.form_target())
    }

    fn continue_page(&self, target: &Target) -> Response {
        let token = form_token(self.module, &self.session.id, &self.continue_scope());
        let page = ContinuePage {
            page: self.site.frame(&self.visitor.words),
            user: self.session.state.user.as_deref().unwrap_or_default(),
            target: &target.shown,
            is_app: !target.shown.contains('/'),
            link: self.address(&format!("/continue?form_token={token}")),
        };
        self.site.page(StatusCode::OK, &page, None)
    }

    /// A trusted client, to which the form leads in the end; nobody else.
    fn form_target(&self) -> Option<&str> {
        match &self.goal {
            Goal::Client(target) if target.trusted => Some(&target.shown),
            Goal::Client(_) | Goal::Account => None,
        }
    }

    fn continue_scope(&self) -> String {
        format!("{} continue", self.visit)
    }

    fn address(&self, rest: &str) -> String {
        self.site.link(&format!("/_matrix-2fa/login/{}{rest}", self.visit))
    }
}

fn cookie_name(visit: &str) -> String {
    format!("login-{visit}")
}
