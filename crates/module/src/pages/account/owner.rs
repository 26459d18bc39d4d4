//! Whose account page this is, and what they have proved.

use axum::response::Response;
use http::{StatusCode, header::SET_COOKIE};
use matrix_2fa_core::{Account, Proof, Stage};
use matrix_2fa_engine::{
    EngineError, Origination,
    page_sessions::{PageSession, PageState, Purpose, Seen},
};

use super::{
    super::{
        Site,
        factor::{self, Checked},
        site::Frame,
        trouble::Trouble,
        visitor::{Visitor, form_token},
    },
    Place,
};
use crate::TwoFactor;
use askama::Template;

/// The cookie of a session that has signed in here.
pub(crate) const COOKIE: &str = "account";

/// Somebody who has signed in, in one request.
pub(super) struct Owner<'a> {
    pub(super) module: &'a TwoFactor,
    pub(super) site: &'a Site,
    pub(super) visitor: &'a Visitor,
    pub(super) session: PageSession,
    pub(super) user: String,
    pub(super) account: Account,
}

#[derive(Template)]
#[template(path = "prove.html")]
struct ProvePage<'a> {
    page: Frame<'a>,
    user: &'a str,
    action: String,
    form_token: String,
    then: String,
    with_code: bool,
    wrong_password: bool,
    wrong_code: bool,
    error: Option<&'a str>,
    with_recovery: bool,
    switch: String,
    back: String,
}

/// What was wrong in the form of a proof. Both are told apart, as the stages of interactive auth do: a code is not looked at, nor used,
/// before the password is right.
enum Wrong {
    Password,
    Code,
}

impl<'a> Owner<'a> {
    /// The session behind the cookie, if it stands.
    pub(super) async fn find(
        module: &'a TwoFactor,
        site: &'a Site,
        visitor: &'a Visitor,
    ) -> Result<Option<Self>, Trouble> {
        let Some(id) = visitor.cookie(site, COOKIE) else { return Ok(None) };
        let Some(session) = module.engine().page_session(&id).await? else { return Ok(None) };
        let PageState { purpose: Purpose::Account, user: Some(user), epoch, proved_at: Some(_), .. } = &session.state
        else {
            return Ok(None);
        };
        if module.host().login_epoch(user).await? != *epoch {
            return Ok(None);
        }
        let account = module.engine().account(user).await?;
        if session.state.is_outdated_by(&account) {
            return Ok(None);
        }
        let user = user.clone();
        Ok(Some(Self { module, site, visitor, session, user, account }))
    }

    /// What this session may change with now; `None` if password and factor must be proved again.
    pub(super) fn proof(&self) -> Option<Proof> {
        let state = &self.session.state;
        if !state.is_fresh(self.module.engine().now()) {
            return None;
        }
        match state.factor {
            None => Some(Proof::FirstFactor),
            Some((Stage::Totp, _)) => Some(Proof::SecondFactor),
            Some((Stage::Recovery, _)) => Some(Proof::RecoveryLogin),
            Some(_) => None,
        }
    }

    /// For a change that moves this session on.
    pub(super) fn origination(&self, operation: &str, proof: Proof) -> Origination {
        Origination {
            client: self.visitor.client(),
            operation: Some(operation.to_owned()),
            proof,
            page: Some(self.module.engine().page_step(&self.session)),
            ..Origination::default()
        }
    }

    pub(super) fn frame(&self) -> Frame<'a> {
        self.site.frame(&self.visitor.words)
    }

    /// An address as browsers see it.
    pub(super) fn link(&self, place: &Place) -> String {
        self.site.link(&place.path())
    }

    /// What a form to this place must carry.
    pub(super) fn token(&self, place: &Place) -> String {
        form_token(self.module, &self.session.id, &place.path())
    }

    pub(super) fn must_come_from(&self, place: &Place) -> Result<(), Trouble> {
        self.visitor.must_come_from(self.module, &self.session.id, &place.path())
    }

    /// Back to the overview, which says what was done.
    pub(super) fn done(&self, what: &str) -> Response {
        let token = form_token(self.module, &self.session.id, &done_scope(what));
        self.site.see_other(&format!("{}?done={what}&form_token={token}", self.link(&Place::Overview)))
    }

    /// What was just done here; nobody else can make the page say it.
    pub(super) fn what_was_done(&self) -> Option<String> {
        let what = self.visitor.query("done")?;
        let ours = self.visitor.must_come_from(self.module, &self.session.id, &done_scope(&what));
        ours.is_ok().then_some(what)
    }

    /// Gives this browser the session's value.
    pub(super) fn keep(&self, mut response: Response, cookie: &str) -> Response {
        let left = self.session.state.expires_at.since(self.module.engine().now()).as_secs();
        let cookie = self.site.cookie(COOKIE, cookie, i64::try_from(left).unwrap_or_default());
        response.headers_mut().append(SET_COOKIE, cookie);
        response
    }

    /// Takes it away.
    pub(super) fn drop_cookie(&self, mut response: Response) -> Response {
        response.headers_mut().append(SET_COOKIE, self.site.cookie(COOKIE, "", 0));
        response
    }

    /// To the page that asks for both once more, and then on.
    pub(super) fn to_prove(&self, then: Place) -> Response {
        self.site.see_other(&format!("{}?then={}", self.link(&Place::Prove), then.page().name()))
    }

    pub(super) fn prove_page(&self) -> Response {
        self.asking(StatusCode::OK, None)
    }

    /// Password and factor once more: the session goes on under a new value, in the commit that uses the code. Its end stays where it was.
    pub(super) async fn prove(&self) -> Result<Response, Trouble> {
        let (engine, words) = (self.module.engine(), &self.visitor.words);
        let epoch = self.module.host().login_epoch(&self.user).await?;
        let (password, client) = (self.visitor.field("password"), self.visitor.client());
        if !self.module.check_page_password(&self.user, password, client).await? {
            return Ok(self.asking(StatusCode::FORBIDDEN, Some((Wrong::Password, &words.say("password-wrong")))));
        }
        let next = PageState { epoch, proved_at: Some(engine.now()), ..self.session.state.clone() };
        if !self.account.is_enrolled() {
            return match engine.renew_page_session(&self.session, next).await {
                Ok(session) => Ok(self.keep(self.on(), &session.id)),
                Err(EngineError::Superseded) => Err(Trouble::Used),
                Err(error) => Err(error.into()),
            };
        }
        let code = self.visitor.field("code");
        let next = PageState { factor: Some((factor::stage_of(code), Seen::of(&self.account))), ..next };
        let (next, renewal) = engine.page_renewal(&self.session, next).await?;
        let from = Origination { page: None, ..self.origination("account", Proof::default()) };
        match factor::check(self.module, words, &self.user, &from, code, renewal).await? {
            Checked::Right => Ok(self.keep(self.on(), &next.id)),
            Checked::Refused { .. } if engine.page_session(&self.session.id).await?.is_none() => Err(Trouble::Used),
            Checked::Refused { status, text } => Ok(self.asking(status, Some((Wrong::Code, &text)))),
        }
    }

    fn on(&self) -> Response {
        self.site.see_other(&self.link(&self.then()))
    }

    /// What somebody wanted when they were asked to prove themselves.
    fn then(&self) -> Place {
        let asked = self.visitor.query("then").unwrap_or_else(|| self.visitor.field("then").to_owned());
        Place::named(&asked).map_or(Place::Overview, Place::page)
    }

    fn asking(&self, status: StatusCode, wrong: Option<(Wrong, &str)>) -> Response {
        let with_recovery = self.visitor.query("with").is_some();
        let then = self.then().name();
        let other = if with_recovery { "" } else { "&with=recovery" };
        let page = ProvePage {
            page: self.frame(),
            user: &self.user,
            action: self.link(&Place::Prove),
            form_token: self.token(&Place::Prove),
            with_code: self.account.is_enrolled(),
            wrong_password: matches!(wrong, Some((Wrong::Password, _))),
            wrong_code: matches!(wrong, Some((Wrong::Code, _))),
            error: wrong.as_ref().map(|(_, text)| *text),
            with_recovery,
            switch: format!("{}?then={then}{other}", self.link(&Place::Prove)),
            then,
            back: self.link(&Place::Overview),
        };
        self.site.page(status, &page, None)
    }
}

fn done_scope(what: &str) -> String {
    format!("done {what}")
}
