//! The forms of the account page.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use matrix_2fa_core::{Authenticator, Policy, account::MAX_AUTHENTICATORS};

use super::{
    super::{
        ask::{self, Question},
        site::Frame,
        trouble::Trouble,
    },
    Place,
    history::When,
    owner::Owner,
};

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage<'a> {
    page: Frame<'a>,
    action: String,
    form_token: String,
    replaces: bool,
    name: &'a str,
    error: Option<&'a str>,
    back: String,
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct OnePage<'a> {
    page: Frame<'a>,
    authenticator: &'a Authenticator,
    added: When,
    used: Option<When>,
    last: bool,
    rename: String,
    rename_token: String,
    remove: String,
    remove_token: String,
    error: Option<&'a str>,
    back: String,
}

#[derive(Template)]
#[template(path = "old_phone.html")]
struct OldPhonePage<'a> {
    page: Frame<'a>,
    others: Vec<Other<'a>>,
    back: String,
}

/// An authenticator that may go.
struct Other<'a> {
    name: &'a str,
    added: When,
    action: String,
    token: String,
}

impl Owner<'_> {
    /// A page. Those before a change ask for a fresh proof already, so that nobody fills a form for nothing.
    pub(super) async fn show(&self, place: Place) -> Result<Response, Trouble> {
        let words = &self.visitor.words;
        match &place {
            Place::Overview => return self.overview().await,
            Place::Prove => return Ok(self.prove_page()),
            // What only a form leads to: back, or a reload after success.
            Place::Confirm | Place::Rename(_) | Place::Remove(_) | Place::SignOut => {
                return Ok(self.site.see_other(&self.link(&Place::Overview)));
            }
            _ => {}
        }
        let Some(_proof) = self.proof() else { return Ok(self.to_prove(place)) };
        match &place {
            Place::Add | Place::NewPhone if self.policy().await? == Policy::Disallowed => Err(Trouble::Disallowed),
            Place::Add | Place::NewPhone if self.account.authenticators().len() >= MAX_AUTHENTICATORS => {
                Err(Trouble::TooMany)
            }
            Place::Add | Place::NewPhone => {
                Ok(self.add_page(StatusCode::OK, &place, &words.say("add-name-default"), None))
            }
            Place::OldPhone => Ok(self.old_phone_page()),
            Place::One(id) => self.one_page(StatusCode::OK, id, None),
            Place::Recovery | Place::Off if !self.account.is_enrolled() => Err(Trouble::Used),
            Place::Recovery => Ok(self.ask(&place, "recovery-title", "recovery-text", "recovery-renew")),
            Place::Off if self.policy().await? == Policy::Required => Err(Trouble::LastRequired),
            Place::Off => Ok(self.ask(&place, "off-title", "off-text", "off-button")),
            _ => Ok(self.ask(&place, "devices-title", "devices-text", "devices-button")),
        }
    }

    async fn policy(&self) -> Result<Policy, Trouble> {
        Ok(self.module.policy_for(&self.user, &self.account).await?)
    }

    fn ask(&self, place: &Place, title: &'static str, text: &'static str, button: &'static str) -> Response {
        let danger = *place != Place::Recovery;
        let question = Question { title, text, button: Some(button), danger };
        ask::page(self.site, &self.visitor.words, question, self.token(place), Some(self.link(&Place::Overview)))
    }

    pub(super) fn add_page(&self, status: StatusCode, place: &Place, name: &str, error: Option<&str>) -> Response {
        let page = AddPage {
            page: self.frame(),
            action: self.link(place),
            form_token: self.token(place),
            replaces: *place == Place::NewPhone,
            name,
            error,
            back: self.link(&Place::Overview),
        };
        self.site.page(status, &page, None)
    }

    pub(super) fn one_page(&self, status: StatusCode, id: &str, error: Option<&str>) -> Result<Response, Trouble> {
        let all = self.account.authenticators();
        let authenticator = all.iter().find(|one| one.id == id).ok_or(Trouble::NotFound)?;
        let (rename, remove) = (Place::Rename(id.to_owned()), Place::Remove(id.to_owned()));
        let page = OnePage {
            page: self.frame(),
            authenticator,
            added: When::at(authenticator.created_at),
            used: authenticator.last_used_at.map(When::at),
            last: all.len() == 1,
            rename: self.link(&rename),
            rename_token: self.token(&rename),
            remove: self.link(&remove),
            remove_token: self.token(&remove),
            error,
            back: self.link(&Place::Overview),
        };
        Ok(self.site.page(status, &page, None))
    }

    /// All but the new one.
    fn old_phone_page(&self) -> Response {
        let new = self.visitor.query("new").unwrap_or_default();
        let old = self.account.authenticators().iter().filter(|one| one.id != new);
        let others = old.map(|one| {
            let place = Place::Remove(one.id.clone());
            let (action, token) = (self.link(&place), self.token(&place));
            Other { name: &one.name, added: When::at(one.created_at), action, token }
        });
        let page = OldPhonePage { page: self.frame(), others: others.collect(), back: self.link(&Place::Overview) };
        self.site.page(StatusCode::OK, &page, None)
    }
}
