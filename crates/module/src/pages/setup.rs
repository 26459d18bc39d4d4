//! A new authenticator, as people add it: scan, type a code, keep the recovery codes. The same for the account page and on the way in.
//!
//! The pending authenticator is bound to the page session, as the API binds it to the access token. Its secret stands in the one answer that
//! made it and the recovery codes in the one that confirmed it: reloading shows neither again.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::{Policy, Proof, RecoveryCode, account::BeginRefused};
use matrix_2fa_engine::{
    EngineError, Origination,
    enroll::{Confirmed, Enrollment},
    page_sessions::{PageSession, PageState, PageStep},
};

use super::{Site, site::Frame, trouble::Trouble, visitor::Visitor};
use crate::{TwoFactor, limits::Lasting, qr};

/// One authenticator on its way.
pub(super) struct Setup<'a> {
    pub(super) module: &'a TwoFactor,
    pub(super) site: &'a Site,
    pub(super) visitor: &'a Visitor,
    pub(super) session: &'a PageSession,
    pub(super) user: &'a str,
    pub(super) form: Form,
}

/// Where its form leads, and what it says there.
pub(super) struct Form {
    /// Takes the code.
    pub(super) action: String,
    pub(super) token: String,
    /// Begins anew.
    pub(super) again: String,
    /// Another authenticator goes afterwards.
    pub(super) replaces: bool,
}

/// What to scan, or to type, or to tap.
struct Secret {
    qr: Option<String>,
    groups: String,
    uri: String,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct ScanPage<'a> {
    page: Frame<'a>,
    title: &'a str,
    form: &'a Form,
    id: &'a str,
    secret: Option<Secret>,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "codes.html")]
struct CodesPage<'a> {
    page: Frame<'a>,
    user: &'a str,
    codes: Vec<String>,
    /// Did every login end?
    signed_out: bool,
    next: String,
}

/// How a confirmation went.
pub(super) enum Outcome {
    /// It counts; `cookie` is the session's new value.
    Done { id: String, recovery: Option<Codes>, cookie: String },
    /// The page that asks again.
    Again(Response),
}

/// Recovery codes, which are shown once.
#[derive(Default)]
pub(super) struct Codes {
    pub codes: Vec<RecoveryCode>,
    /// Did every login end with what made them?
    pub signed_out: bool,
}

impl Setup<'_> {
    /// Makes the secret and shows it.
    pub(super) async fn begin(&self, proof: Proof, name: &str) -> Result<Response, Trouble> {
        self.module.admit_lasting(Lasting::Enrollment, self.user, self.visitor.client())?;
        let step = self.module.engine().page_step(self.session);
        let from = self.origination("enroll", proof, step);
        let begun = self.module.engine().enroll(self.user, &from, &self.binding(), name).await?;
        let Enrollment { id, seed, uri, .. } = begun.map_err(|refused| match refused {
            BeginRefused::Disallowed => Trouble::Disallowed,
            BeginRefused::Unproved => Trouble::Used,
            BeginRefused::TooMany => Trouble::TooMany,
        })?;
        let secret = Secret { qr: qr::svg(&uri), groups: in_groups(&seed.to_base32()), uri: uri.to_string() };
        Ok(self.scan_page(StatusCode::OK, &id, Some(secret), None))
    }

    /// A code of it, from the form of [`Self::begin`].
    pub(super) async fn confirm(&self) -> Result<Outcome, Trouble> {
        // The policy may have changed since it was begun.
        if self.module.standing(self.user).await?.policy == Policy::Disallowed {
            return Err(Trouble::Disallowed);
        }
        let (engine, words) = (self.module.engine(), &self.visitor.words);
        self.module.admit(self.visitor.client())?;
        let id = self.visitor.field("id");
        let step = engine.page_step_anew(self.session);
        let cookie = step.id().to_owned();
        let from = self.origination("confirm", Proof::default(), step);
        let code = self.visitor.field("code");
        let confirmed = match engine.confirm(self.user, &from, &self.binding(), id, code).await {
            Err(EngineError::Superseded) => return Err(Trouble::Used),
            confirmed => confirmed?,
        };
        match confirmed {
            Confirmed::Yes { authenticator, recovery } => {
                let first = recovery.is_some();
                let signs_out = first && self.module.settings().enrollment_signs_out;
                let signed_out = self.module.confirmed(self.user, None, first, signs_out).await && signs_out;
                // Whatever becomes of it, the codes are shown: they are made, and never again.
                let cookie = match first {
                    true => self.after_the_first(&cookie).await.unwrap_or(cookie),
                    false => cookie,
                };
                let recovery = recovery.map(|codes| Codes { codes, signed_out });
                Ok(Outcome::Done { id: authenticator.id.clone(), recovery, cookie })
            }
            Confirmed::Wrong { discarded: false } => {
                let text = words.say("code-wrong");
                Ok(Outcome::Again(self.scan_page(StatusCode::FORBIDDEN, id, None, Some(&text))))
            }
            Confirmed::Wrong { discarded: true } | Confirmed::Unknown => Err(Trouble::SetupOver),
        }
    }

    /// A first factor outdates what was proved here, too, by one step. If it is more, somebody has changed the password meanwhile, and this
    /// session is over. Gives the cookie to go on with, if it does.
    async fn after_the_first(&self, cookie: &str) -> Option<String> {
        let (engine, epoch) = (self.module.engine(), self.module.host().login_epoch(self.user).await.ok()?);
        let session = engine.page_session(cookie).await.ok()??;
        if session.state.epoch.checked_add(1) != Some(epoch) {
            return None;
        }
        let next = PageState { epoch, ..session.state.clone() };
        Some(engine.renew_page_session(&session, next).await.ok()?.id)
    }

    fn scan_page(&self, status: StatusCode, id: &str, secret: Option<Secret>, error: Option<&str>) -> Response {
        // The second time there is nothing to scan.
        let title = if secret.is_some() { "setup-title" } else { "code-title" };
        let page = ScanPage { page: self.site.frame(&self.visitor.words), title, form: &self.form, id, secret, error };
        self.site.page(status, &page, None)
    }

    fn origination(&self, operation: &str, proof: Proof, step: PageStep) -> Origination {
        let operation = Some(operation.to_owned());
        Origination { client: self.visitor.client(), operation, proof, page: Some(step), ..Origination::default() }
    }

    /// Never equal to an access token.
    fn binding(&self) -> String {
        format!("page session {}", self.session.id)
    }
}

/// The recovery codes, this once.
pub(super) fn codes_page(site: &Site, visitor: &Visitor, user: &str, shown: &Codes, next: String) -> Response {
    let Codes { codes, signed_out } = shown;
    let codes = codes.iter().map(RecoveryCode::to_grouped).collect();
    let page = site.frame(&visitor.words);
    site.page(StatusCode::OK, &CodesPage { page, user, codes, signed_out: *signed_out, next }, None)
}

fn in_groups(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    characters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}
