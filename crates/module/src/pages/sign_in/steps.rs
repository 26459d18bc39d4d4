//! What each step of a visit does with its form.

use axum::response::Response;
use http::{StatusCode, header::SET_COOKIE};
use matrix_2fa_core::{Proof, Stage};
use matrix_2fa_engine::{
    EngineError, Origination,
    page_sessions::{PageState, Seen},
};

use super::{
    super::{
        factor::{self, Checked},
        known,
        setup::{self, Form, Outcome, Setup},
        trouble::Trouble,
        visitor::form_token,
    },
    visit::Visit,
};

impl Visit<'_> {
    /// One check of one password, whoever the user is.
    pub(super) async fn password(&self) -> Result<Response, Trouble> {
        let (module, words) = (self.module, &self.visitor.words);
        let named = self.visitor.field("user").trim();
        // A name that cannot be a user's becomes the empty one, which no user has.
        let user = module.host().canonical_user(named).unwrap_or_default();
        let epoch = module.host().login_epoch(&user).await?;
        if !module.check_page_password(&user, self.visitor.field("password"), self.visitor.client()).await? {
            let error = words.say("sign-in-wrong");
            return Ok(self.password_page(StatusCode::FORBIDDEN, named, Some(&error)));
        }
        let (proved_at, client) = (Some(module.engine().now()), module.engine().client_tag(self.visitor.client()));
        let known = known::is_known(module, self.site, self.visitor, &user);
        let next = PageState { user: Some(user), epoch, proved_at, client, known, ..self.session.state.clone() };
        match module.engine().renew_page_session(&self.session, next).await {
            Ok(session) => Ok(self.next_step(&session)),
            Err(EngineError::Superseded) => Err(Trouble::Used),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn code(&self) -> Result<Response, Trouble> {
        let (engine, words) = (self.module.engine(), &self.visitor.words);
        let user = self.session.state.user.as_deref().ok_or(Trouble::Expired)?;
        let code = self.visitor.field("code");
        let from = Origination {
            client: self.visitor.client(),
            operation: Some("login".to_owned()),
            ..Origination::default()
        };
        let factor = Some((factor::stage_of(code), Seen::of(&engine.account(user).await?)));
        let next = PageState { factor, ..self.session.state.clone() };
        let (next, renewal) = engine.page_renewal(&self.session, next).await?;
        match factor::check(self.module, words, user, &from, code, renewal).await? {
            Checked::Right => Ok(self.known(self.next_step(&next), user)),
            // Sent twice: the other one has gone on with the code.
            Checked::Refused { .. } if engine.page_session(&self.session.id).await?.is_none() => Err(Trouble::Used),
            Checked::Refused { status, text } => Ok(self.code_page(status, Some(&text))),
        }
    }

    /// Who has no factor adds one now; the code that confirms it is the factor of this login.
    pub(super) async fn set_up(&self) -> Result<Response, Trouble> {
        let user = self.session.state.user.as_deref().ok_or(Trouble::Expired)?;
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
                Ok(self.known(self.keep(page, &cookie), user))
            }
        }
    }

    /// New recovery codes, in place of none. What was proved here lets a recovery code do it too.
    pub(super) async fn renew_codes(&self) -> Result<Response, Trouble> {
        let (engine, state) = (self.module.engine(), &self.session.state);
        let user = state.user.as_deref().ok_or(Trouble::Expired)?;
        let proof = match state.factor {
            Some((Stage::Totp, _)) => Proof::SecondFactor,
            Some((Stage::Recovery, _)) => Proof::RecoveryLogin,
            _ => return Err(Trouble::Expired),
        };
        let place = engine.renewal_place(user)?;
        let from = Origination {
            client: self.visitor.client(),
            operation: Some("regenerate".to_owned()),
            proof,
            page: Some(engine.page_step(&self.session)),
            ..Origination::default()
        };
        let codes = engine.regenerate(user, &from, place).await?.map_err(|_refused| Trouble::Used)?;
        let codes = setup::Codes { codes, signed_out: false };
        Ok(setup::codes_page(self.site, self.visitor, user, &codes, self.address("")))
    }

    /// This browser is known from now on.
    fn known(&self, mut response: Response, user: &str) -> Response {
        response.headers_mut().append(SET_COOKIE, known::cookie(self.module, self.site, user));
        response
    }
}
