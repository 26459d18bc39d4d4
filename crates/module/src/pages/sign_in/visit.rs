//! One way through the sign-in pages, in one tab: which step is next, and where it ends.

use std::time::Duration;

use axum::response::Response;
use http::{StatusCode, header::SET_COOKIE};
use matrix_2fa_core::{Standing, Timestamp};
use matrix_2fa_engine::page_sessions::{ACCOUNT_LIFETIME, PageSession, PageState, Purpose};

use super::super::{ACCOUNT, Site, account, target::Target, trouble::Trouble, visitor::Visitor};
use crate::TwoFactor;

/// What the cookies of visits are called, before the name of the visit.
pub(super) const COOKIE: &str = "login-";

/// Characters of the name of a visit.
pub(super) const NAME_LENGTH: usize = 16;

/// How long a client has to use its token.
const TOKEN_LIFETIME: Duration = Duration::from_secs(30);

/// One way through these pages, in one tab.
pub(super) struct Visit<'a> {
    pub(super) module: &'a TwoFactor,
    pub(super) site: &'a Site,
    pub(super) visitor: &'a Visitor,
    pub(super) visit: &'a str,
    pub(super) session: PageSession,
    pub(super) goal: Goal,
}

/// Where a visit leads.
pub(super) enum Goal {
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
    /// The last recovery code is spent, so that a lost phone would lock its owner out.
    Renew,
    Nothing,
}

impl<'a> Visit<'a> {
    pub(super) async fn find(
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
        // A changed password and a logout everywhere end it, at whatever step it is.
        if let Some(user) = &session.state.user
            && module.host().login_epoch(user).await? != session.state.epoch
        {
            return Err(Trouble::Expired);
        }
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
            Some(_) if state.is_outdated_by(&account) => Err(Trouble::Expired),
            Some(_) if account.recovery().is_some() && account.recovery_remaining() == 0 => Ok(Step::Renew),
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

    pub(super) async fn show(&self) -> Result<Response, Trouble> {
        match self.step().await? {
            Step::Password => Ok(self.password_page(StatusCode::OK, "", None)),
            Step::Code => Ok(self.code_page(StatusCode::OK, None)),
            Step::Setup { grace_until } => Ok(self.setup_page(grace_until)),
            Step::Renew => Ok(self.renewal_page()),
            Step::Nothing => match &self.goal {
                Goal::Client(target) if !target.trusted => Ok(self.continue_page(target)),
                Goal::Client(_) | Goal::Account => self.leave().await,
            },
        }
    }

    pub(super) async fn submit(&self) -> Result<Response, Trouble> {
        self.visitor.must_come_from(self.module, &self.session.id, self.visit)?;
        match self.step().await? {
            Step::Password => self.password().await,
            Step::Code => self.code().await,
            Step::Setup { .. } => self.set_up().await,
            Step::Renew => self.renew_codes().await,
            Step::Nothing => Err(Trouble::Used),
        }
    }

    pub(super) async fn go_on(&self) -> Result<Response, Trouble> {
        self.visitor.must_come_from(self.module, &self.session.id, &self.continue_scope())?;
        match self.step().await? {
            Step::Nothing | Step::Setup { grace_until: Some(_) } => self.leave().await,
            Step::Password | Step::Code | Step::Setup { grace_until: None } | Step::Renew => {
                Ok(self.next_step(&self.session))
            }
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
                let factor = factor.map(|(stage, _seen)| stage);
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
    pub(super) fn next_step(&self, session: &PageSession) -> Response {
        self.keep(self.site.see_other(&self.address("")), &session.id)
    }

    /// Gives this browser the session's value.
    pub(super) fn keep(&self, mut response: Response, value: &str) -> Response {
        let left = self.session.state.expires_at.since(self.module.engine().now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or_default();
        response.headers_mut().append(SET_COOKIE, self.site.cookie(&cookie_name(self.visit), value, seconds));
        response
    }

    /// A trusted client, to which the form leads in the end; nobody else.
    pub(super) fn form_target(&self) -> Option<&str> {
        match &self.goal {
            Goal::Client(target) if target.trusted => Some(&target.shown),
            Goal::Client(_) | Goal::Account => None,
        }
    }

    pub(super) fn continue_scope(&self) -> String {
        format!("{} continue", self.visit)
    }

    pub(super) fn address(&self, rest: &str) -> String {
        self.site.link(&format!("/_matrix-2fa/login/{}{rest}", self.visit))
    }
}

fn cookie_name(visit: &str) -> String {
    format!("{COOKIE}{visit}")
}
